// SPDX-License-Identifier: GPL-2.0-only
/*
 * nic-rx: receives the frames that nic-send sends, in the memory of a device that
 * belongs to this program by vfio, and knows whether one is missing.
 *
 *	nic-rx COMMAND...		see keeper.h
 *	nic-rx start DIR COMMAND...
 *	nic-rx on DIR COMMAND...
 *
 *	memory RING		a file for that many descriptors, or as many as the device takes,
 *				mapped page by page
 *	start			from reset to receiving
 *	vf NR			virtual function NR of this device, the first is 1, which another
 *				program has opened, is to receive the same
 *	irq			wait by interrupts from now on, not by looking
 *	go RATE			frames a second to be sent; 0: as many as are taken
 *	receive NR		take as many frames
 *	pass MS			take what comes in that time
 *	drain			take what is there
 *	stop			no more frames; take those that are under way
 *	show			what was received
 *	verify			fails with EBADMSG unless that is all that was sent, in
 *				order and to the byte
 *	sound			fails with EBADMSG unless what was received until now is
 *				without a gap, in order and to the byte
 *	unmap PAGE		a page of buffers, from what the device is attached to
 *	replace NR		attach the device in turn to two page tables with the
 *				same content, taking what comes in between
 *
 *	clock			compare the sender's time with the time-stamp counter
 *	mark			from now on nobody looks (after "clock", twice)
 *	window TSC		until then: count the frames of that time by themselves
 *	resume			receive on, with all that was taken (or is open already).
 *				Without a device, only what is there can be received
 *
 *	other			what follows is for the other of two NICs. They have the
 *				iommufd, the address space and the session in common
 *
 * and what assigned.h has, for instance "open" and "attach" before "start".
 *
 * The counts are in the file too, so that whoever opens it goes on with them.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <x86intrin.h>

#include <kho_iommufd.h>
#include <kho_vfio.h>

#include "drivers/assigned.h"
#include "drivers/nic.h"
#include "frame_count.h"
#include "keeper/keeper.h"

/* No frame for so long is taken for the end. */
#define QUIET_MS	10000
#define STOP_TRIES	5

/* In a page of the file */
struct counts {
	struct frame_counts frames;
	uint64_t skipped;	/* descriptors that the device went past */
	uint64_t interrupts;
	struct {
		uint64_t tsc;
		uint64_t time;
	} clock[2];		/* the same moment by both clocks, at two times */
	uint64_t mark;		/* by our clock */
	uint64_t window[2];	/* from and to, by the sender's */
	uint64_t in_window;
};

static uint32_t ring;
static uint64_t base;

static struct nic nic;

static int map_all(const struct dma_file *file, int iommufd, uint32_t ioas)
{
	return nic.driver->map(file, base, ring, iommufd, ioas);
}

static struct assigned dev = ASSIGNED_INIT(map_all);
static struct counts *counts;
static int event = -1;

/* What there is of the NIC that commands are not for */
static struct {
	struct assigned dev;
	struct nic nic;
	struct counts *counts;
	int event;
	uint32_t ring;
	uint64_t base;
} other = {
	.dev = ASSIGNED_INIT(map_all),
	.event = -1,
	.base = NIC_SPACE,
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static int make_memory(uint32_t nr)
{
	if (nr < 64 || nr > NIC_RING_MAX || nr % 8) {
		errno = EINVAL;
		return -1;
	}
	nic.driver = nic_driver_for(dev.device);
	if (!nic.driver)
		return -1;
	ring = nr < nic.driver->ring_max ? nr : nic.driver->ring_max;
	if (assigned_memory(&dev, nic.driver->pages(ring)))
		return -1;
	counts = dma_file_page(&dev.file, NIC_PAGE_USER);
	return 0;
}

static int start(void)
{
	memset(counts, 0, sizeof(*counts));
	return nic_open(&nic, dev.device, &dev.file, nic.driver) || nic_start(&nic, base, ring) ?
	       -1 : 0;
}

static int use_interrupts(void)
{
	if (!nic.driver->interrupts) {
		errno = EOPNOTSUPP;
		return -1;
	}
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0 || kho_vfio_msix(dev.device, &event, 1))
		return -1;
	nic.driver->interrupts(&nic);
	return 0;
}

static int enable_vf(unsigned int nr)
{
	if (!nic.driver->enable_vf) {
		errno = ENODEV;
		return -1;
	}
	return nic.driver->enable_vf(&nic, nr);
}

static int ask_sender(enum frame_kind kind, uint64_t number)
{
	uint8_t frame[FRAME_MAX];

	return nic.driver->send(&nic, frame, frame_make(frame, kind, number, 0, 0));
}

/* A rate, or after the last frame, a new run */
static int go(uint64_t rate)
{
	if (counts->frames.complete)
		memset(counts, 0, sizeof(*counts));
	return ask_sender(FRAME_GO, rate);
}

static void count(const void *frame, size_t size)
{
	uint64_t time = frame_count(&counts->frames, frame, size);

	if (time && time >= counts->window[0] && time < counts->window[1])
		counts->in_window++;
}

/* Takes one frame, or passes over one descriptor; false when there is neither. */
static bool take(void)
{
	size_t size;
	void *frame = nic.driver->received(&nic, &size);

	if (frame)
		count(frame, size);
	else if (nic.driver->skipped && nic.driver->skipped(&nic))
		counts->skipped++;
	else
		return false;
	nic.driver->next(&nic);
	return true;
}

static void drain(void)
{
	while (!counts->frames.complete && take())
		;
}

/* Until there may be more to take, or for so long */
static int wait_for_frames(int ms)
{
	struct pollfd poll_event = { .fd = event, .events = POLLIN };
	uint64_t nr;

	if (event < 0) {
		usleep(1000);
		return 0;
	}
	if (poll(&poll_event, 1, ms) < 0)
		return -1;
	if (read(event, &nr, sizeof(nr)) == sizeof(nr)) {
		counts->interrupts += nr;
	} else if (take()) {
		/* (the event may have come just now) */
		if (poll(&poll_event, 1, 1000) == 1)
			return 0;
		keeper_problem("a frame, but no interrupt");
		errno = EIO;
		return -1;
	}
	return 0;
}

/* Takes frames until there are so many, or for so long, or until the last one. */
static int receive(uint64_t nr, uint64_t ms)
{
	uint64_t enough = nr ? counts->frames.received + nr : UINT64_MAX;
	uint64_t start = now_ms();

	while (counts->frames.received < enough && !counts->frames.complete) {
		if (take()) {
			if (nr)
				start = now_ms();
		} else if (now_ms() - start >= ms) {
			if (!nr)
				return 0;
			keeper_problem("no frame for %lu ms after %lu", ms,
				       counts->frames.received);
			errno = ETIMEDOUT;
			return -1;
		} else if (wait_for_frames(ms > 1000 ? 1000 : ms)) {
			return -1;
		}
		if (!nr && now_ms() - start >= ms)
			return 0;
	}
	return 0;
}

/* A frame that was not there just now, and is, was sent now. */
static int compare_clocks(void)
{
	int i = counts->clock[0].tsc ? 1 : 0;
	uint64_t start = now_ms();

	drain();
	while (!take()) {
		if (counts->frames.complete || now_ms() - start >= QUIET_MS) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	counts->clock[i].tsc = __rdtsc();
	counts->clock[i].time = counts->frames.last_time;
	return 0;
}

/* What the sender's clock shows when ours shows @tsc, also before and after */
static uint64_t sender_time(uint64_t tsc)
{
	double ticks = (double)counts->clock[1].tsc - counts->clock[0].tsc;
	double ns = counts->clock[1].time - counts->clock[0].time;

	return counts->clock[1].time + ((double)tsc - counts->clock[1].tsc) * ns / ticks;
}

static int set_window(uint64_t to)
{
	if (!counts->mark || !counts->clock[1].tsc || to < counts->mark) {
		errno = EINVAL;
		return -1;
	}
	counts->window[0] = sender_time(counts->mark);
	counts->window[1] = sender_time(to);
	return 0;
}

/* What was lost on the way may be this, or the answer. */
static int stop(void)
{
	int i;

	for (i = 0; i < STOP_TRIES; i++) {
		if (ask_sender(FRAME_STOP, 0))
			return -1;
		if (receive(0, 2000))
			return -1;
		if (counts->frames.complete)
			return 0;
	}
	keeper_problem("the last frame does not come");
	errno = ETIMEDOUT;
	return -1;
}

static void show(void)
{
	const struct frame_counts *frames = &counts->frames;

	keeper_say("received %lu lost %lu late %lu corrupt %lu skipped %lu refused %lu\n",
		   frames->received, frames->lost, frames->late, frames->corrupt,
		   counts->skipped, frames->refused);
	keeper_say("longest gap %lu us, before frame %lu\n",
		   frames->gap / 1000, frames->gap_at);
	if (counts->window[1])
		keeper_say("in the window of %lu ms: %lu\n",
			   (counts->window[1] - counts->window[0]) / 1000000,
			   counts->in_window);
	if (counts->interrupts)
		keeper_say("interrupts %lu\n", counts->interrupts);
}

static bool is_sound(void)
{
	return frame_counts_are_sound(&counts->frames) && !counts->skipped;
}

static int verdict(bool good)
{
	const struct frame_counts *frames = &counts->frames;

	if (good)
		return 0;
	keeper_problem("lost %lu late %lu corrupt %lu skipped %lu refused %lu of %lu%s",
		       frames->lost, frames->late, frames->corrupt, counts->skipped,
		       frames->refused, frames->expected,
		       frames->complete ? "" : ", and the end did not come");
	errno = EBADMSG;
	return -1;
}

static int replace(uint64_t nr)
{
	uint32_t other, hwpt[2];
	uint64_t i, before = counts->frames.received, start;
	uint64_t longest = 0;

	/* Both are full before the device gets to see them. */
	if (kho_iommufd_ioas_alloc(dev.iommufd, &other) ||
	    map_all(&dev.file, dev.iommufd, other) ||
	    kho_iommufd_hwpt_alloc(dev.iommufd, dev.id, dev.ioas, &hwpt[0]) ||
	    kho_iommufd_hwpt_alloc(dev.iommufd, dev.id, other, &hwpt[1]))
		return -1;
	for (i = 0; i < nr; i++) {
		start = now_ms();
		if (kho_vfio_attach(dev.device, hwpt[(i + 1) % 2]))
			return -1;
		if (now_ms() - start > longest)
			longest = now_ms() - start;
		drain();
	}
	keeper_say("replaced %lu times, %lu frames meanwhile, longest %lu ms\n",
		   nr, counts->frames.received - before, longest);
	return 0;
}

/* All that has to be known is in the file. */
static int resume(void)
{
	if (dma_file_open(&dev.file, dev.file.fd))
		return -1;
	counts = dma_file_page(&dev.file, NIC_PAGE_USER);
	if (nic_open(&nic, dev.device, &dev.file, NULL))
		return -1;
	ring = nic.state->ring;
	base = nic.state->base;
	return 0;
}

#define SWAP(a, b) do {			\
	typeof(a) was = (a);		\
					\
	(a) = (b);			\
	(b) = was;			\
} while (0)

static void change_nic(void)
{
	SWAP(dev, other.dev);
	SWAP(nic, other.nic);
	SWAP(counts, other.counts);
	SWAP(event, other.event);
	SWAP(ring, other.ring);
	SWAP(base, other.base);
	dev.iommufd = other.dev.iommufd;
	dev.session = other.dev.session;
	dev.ioas = other.dev.ioas;
}

static uint64_t number(const char *word)
{
	return strtoull(word, NULL, 0);
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "memory") && nr == 2)
		return make_memory(number(w[1]));
	if (!strcmp(w[0], "start") && nr == 1)
		return start();
	if (!strcmp(w[0], "vf") && nr == 2)
		return enable_vf(strtoul(w[1], NULL, 0));
	if (!strcmp(w[0], "irq") && nr == 1)
		return use_interrupts();
	if (!strcmp(w[0], "go") && nr == 2)
		return go(number(w[1]));
	if (!strcmp(w[0], "receive") && nr == 2)
		return receive(number(w[1]), QUIET_MS);
	if (!strcmp(w[0], "pass") && nr == 2)
		return receive(0, number(w[1]));
	if (!strcmp(w[0], "drain") && nr == 1) {
		drain();
		return 0;
	}
	if (!strcmp(w[0], "stop") && nr == 1)
		return stop();
	if (!strcmp(w[0], "verify") && nr == 1)
		return verdict(is_sound() && counts->frames.complete && !counts->frames.refused);
	if (!strcmp(w[0], "sound") && nr == 1)
		return verdict(is_sound());
	if (!strcmp(w[0], "unmap") && nr == 2)
		return kho_iommufd_unmap(dev.iommufd, dev.ioas, DMA_PAGE,
				     nic_buffer_iova(base, number(w[1]) * NIC_BUFFERS_PER_PAGE));
	if (!strcmp(w[0], "replace") && nr == 2)
		return replace(number(w[1]));
	if (!strcmp(w[0], "show") && nr == 1) {
		show();
		return 0;
	}
	if (!strcmp(w[0], "other") && nr == 1) {
		change_nic();
		return 0;
	}
	if (!strcmp(w[0], "clock") && nr == 1)
		return compare_clocks();
	if (!strcmp(w[0], "mark") && nr == 1) {
		counts->mark = __rdtsc();
		return 0;
	}
	if (!strcmp(w[0], "window") && nr == 2)
		return set_window(number(w[1]));
	if (!strcmp(w[0], "resume") && nr == 1)
		return resume();
	return assigned_run(&dev, w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
