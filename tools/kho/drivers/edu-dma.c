// SPDX-License-Identifier: GPL-2.0-only
/*
 * edu-dma: a driver, over vfio, of QEMU's device for education (edu), which copies
 * between its own memory and ours; each time about 100 ms after it was told to.
 *
 *	edu-dma COMMAND...		see keeper.h
 *	edu-dma start DIR COMMAND...
 *	edu-dma on DIR COMMAND...
 *
 *	memory PAGES		a file, mapped page by page, with content in all of it
 *	dma to PAGE		new content for a page, which the device is to fetch
 *	dma from PAGE		the device is to write what it has to a page
 *	pending			fails with EALREADY when the DMA is done
 *	wait			until it is
 *	verify			fails with EBADMSG when a byte of the file is not as
 *				what was done makes it. (What the device has fetched shows
 *				when it has written it to another page.)
 *	resume			go on with all that was taken (or is open already). Without
 *				a device, there is still what the file says
 *
 * and what assigned.h has: "open" before and "attach" after "memory".
 *
 * What each page and the device have to contain is in the file, too. A DMA is noted in
 * the kernel log, to compare with the times there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kho_vfio.h>

#include "assigned.h"
#include "keeper/keeper.h"

/* Registers */
#define ID		0x00
#define  ID_EDU			0x010000ed
#define DMA_SOURCE	0x80
#define DMA_TARGET	0x88
#define DMA_COUNT	0x90
#define DMA_COMMAND	0x98
#define  DMA_RUN		1	/* stays until it is done */
#define  DMA_TO_US		2

/* Its own memory, for its DMA alone */
#define DEVICE_MEMORY	0x40000
/* So much at a time: the rest of a page stays as it is. */
#define DMA_SIZE	2048

/* Each page has a page table of its own, which is used when the DMA is done. */
#define IOVA		0x100000000ULL
#define IOVA_STRIDE	0x200000ULL
#define PAGES_MAX	64

/* In page 0 of the file, which the device does not see: seeds of what they contain */
struct state {
	uint64_t device;
	uint64_t last;
	uint64_t page[PAGES_MAX];
	uint64_t rest[PAGES_MAX];
};

static uint64_t iova(size_t page)
{
	return IOVA + page * IOVA_STRIDE;
}

static int map_all(const struct dma_file *file, int iommufd, uint32_t ioas)
{
	size_t i;

	for (i = 1; i < file->nr; i++)
		if (dma_file_map(file, i, iommufd, ioas, iova(i)))
			return -1;
	return 0;
}

static struct assigned dev = ASSIGNED_INIT(map_all);
static struct state *state;
static uint8_t *regs;

/* The device takes 64 bits at once only in the registers for DMA. */
static uint32_t get32(unsigned int reg)
{
	return __atomic_load_n((uint32_t *)(regs + reg), __ATOMIC_ACQUIRE);
}

static uint64_t get64(unsigned int reg)
{
	return __atomic_load_n((uint64_t *)(regs + reg), __ATOMIC_ACQUIRE);
}

static void set64(unsigned int reg, uint64_t value)
{
	__atomic_store_n((uint64_t *)(regs + reg), value, __ATOMIC_RELEASE);
}

static int no_device(void)
{
	if (regs)
		return 0;
	errno = ENODEV;
	return -1;
}

/* All that has to be known is in the file. */
static int resume(void)
{
	size_t size;

	if (dma_file_open(&dev.file, dev.file.fd))
		return -1;
	state = dma_file_page(&dev.file, 0);
	if (dev.device < 0)
		return 0;
	regs = kho_vfio_map_bar(dev.device, 0, &size);
	if (no_device())
		return -1;
	if (get32(ID) == ID_EDU)
		return 0;
	keeper_problem("the device says that it is %#x", get32(ID));
	errno = ENODEV;
	return -1;
}

static int make_memory(size_t pages)
{
	size_t i;

	if (pages < 2 || pages > PAGES_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (assigned_memory(&dev, pages) || resume())
		return -1;
	for (i = 1; i < pages; i++) {
		state->page[i] = ++state->last;
		state->rest[i] = state->last;
		dma_file_fill(&dev.file, i, state->page[i]);
	}
	return kho_vfio_set_master(dev.device, true);
}

static int pending(void)
{
	if (no_device())
		return -1;
	if (get64(DMA_COMMAND) & DMA_RUN)
		return 0;
	errno = EALREADY;
	return -1;
}

static int note_start(void)
{
	static const char text[] = "<5>edu-dma: DMA is started";
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	errno = EIO;	/* if only a part of it is written */
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return close(fd);
}

static int dma(const char *direction, size_t page)
{
	bool from = !strcmp(direction, "from");

	if (no_device())
		return -1;
	if (!page || page >= dev.file.nr || (!from && strcmp(direction, "to"))) {
		errno = EINVAL;
		return -1;
	}
	if (!pending()) {
		errno = EBUSY;
		return -1;
	}
	if (from && !state->device) {
		keeper_problem("the device has not got anything yet");
		errno = ENODATA;
		return -1;
	}
	if (from) {
		state->page[page] = state->device;
		set64(DMA_SOURCE, DEVICE_MEMORY);
		set64(DMA_TARGET, iova(page));
	} else {
		state->page[page] = ++state->last;
		state->rest[page] = state->last;
		state->device = state->last;
		dma_file_fill(&dev.file, page, state->page[page]);
		set64(DMA_SOURCE, iova(page));
		set64(DMA_TARGET, DEVICE_MEMORY);
	}
	set64(DMA_COUNT, DMA_SIZE);
	set64(DMA_COMMAND, from ? DMA_RUN | DMA_TO_US : DMA_RUN);
	return note_start();
}

static int wait_done(void)
{
	int ms;

	if (no_device())
		return -1;
	for (ms = 0; ms < 5000; ms++) {
		if (pending())
			return 0;
		usleep(1000);
	}
	errno = ETIMEDOUT;
	return -1;
}

static int verify(void)
{
	size_t i;

	for (i = 1; i < dev.file.nr; i++)
		if (dma_file_check(&dev.file, i, 0, DMA_SIZE, state->page[i]) ||
		    dma_file_check(&dev.file, i, DMA_SIZE, DMA_PAGE, state->rest[i]))
			return -1;
	return 0;
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "memory") && nr == 2)
		return make_memory(strtoul(w[1], NULL, 0));
	if (!strcmp(w[0], "dma") && nr == 3)
		return dma(w[1], strtoul(w[2], NULL, 0));
	if (!strcmp(w[0], "pending") && nr == 1)
		return pending();
	if (!strcmp(w[0], "wait") && nr == 1)
		return wait_done();
	if (!strcmp(w[0], "verify") && nr == 1)
		return verify();
	if (!strcmp(w[0], "resume") && nr == 1)
		return resume();
	return assigned_run(&dev, w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
