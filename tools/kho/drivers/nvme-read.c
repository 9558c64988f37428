// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvme-read: reads a disk with known content, as "scripts/vm --nvme" makes it, over
 * vfio: block N begins with the digits of N. Such a disk is slow, so reads are under
 * way for some time.
 *
 *	nvme-read COMMAND...		see keeper.h
 *	nvme-read start DIR COMMAND...
 *	nvme-read on DIR COMMAND...
 *
 *	memory			a file, mapped page by page, with content in all of it
 *	start			from reset to ready
 *	vf NR			give virtual function NR, the first is 1, what it takes to be
 *				started, by another program
 *	read NR			have the device read as many times, from places all over
 *				the disk, to memory that no read went to before
 *	drain			look what is complete
 *	wait			until all reads are
 *	pending NR		fails with EALREADY when fewer reads are not complete
 *	show			how many there were, and are complete
 *	verify			fails with EBADMSG when a byte of what was read is not as it
 *				is on the disk, or a page was written that no completed or
 *				pending read is for
 *	resume			go on with all that was taken (or is open already). Without
 *				a device, what was completed is to be seen
 *
 * and what assigned.h has: "open" before "memory", "attach" after it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assigned.h"
#include "keeper/keeper.h"
#include "nvme.h"

#define DISK_BLOCKS	(32768 - NVME_READ_SIZE / NVME_BLOCK)

/* No completion for so long is taken for the end. */
#define QUIET_MS	10000

enum read_state { READ_NONE, READ_PENDING, READ_DONE };

/* In a page of the file */
struct reads {
	uint32_t nr;		/* that were begun */
	uint32_t done;
	uint32_t failed;	/* with a status, or not one of ours */
	uint32_t status;	/* of the last of these */
	uint8_t state[NVME_READS_MAX];
};

static struct assigned dev = ASSIGNED_INIT(nvme_map);
static struct nvme nvme;
static struct reads *reads;

static uint64_t block_of(unsigned int id)
{
	return (id + 1) * 7919ULL % DISK_BLOCKS;
}

/* All that has to be known is in the file. */
static int resume(void)
{
	if (dma_file_open(&dev.file, dev.file.fd))
		return -1;
	reads = dma_file_page(&dev.file, NVME_PAGE_USER);
	return nvme_open(&nvme, dev.device, &dev.file);
}

static int make_memory(void)
{
	size_t i;

	if (assigned_memory(&dev, nvme_pages()) || resume())
		return -1;
	for (i = nvme_data_page(0, 0); i < nvme_pages(); i++)
		dma_file_fill(&dev.file, i, i);
	return 0;
}

static void drain(void)
{
	uint16_t status;
	int id;

	while ((id = nvme_completed(&nvme, &status)) >= 0) {
		if (status || id >= NVME_READS_MAX || reads->state[id] != READ_PENDING) {
			reads->failed++;
			reads->status = status;
			continue;
		}
		reads->state[id] = READ_DONE;
		reads->done++;
	}
}

static int begin_reads(uint32_t nr)
{
	if (!nvme.regs) {
		errno = ENODEV;
		return -1;
	}
	drain();
	if (reads->nr + nr > NVME_READS_MAX || reads->nr + nr > reads->done + NVME_PENDING_MAX) {
		errno = ENOSPC;
		return -1;
	}
	for (; nr; nr--) {
		reads->state[reads->nr] = READ_PENDING;
		nvme_read(&nvme, reads->nr, block_of(reads->nr));
		reads->nr++;
	}
	return 0;
}

static int wait_done(void)
{
	uint32_t before = 0;
	int ms = 0;

	for (drain(); reads->done + reads->failed < reads->nr; drain()) {
		if (reads->done != before)
			ms = 0;
		before = reads->done;
		if (ms++ == QUIET_MS) {
			keeper_problem("only %u of %u reads are complete", reads->done, reads->nr);
			errno = ETIMEDOUT;
			return -1;
		}
		usleep(1000);
	}
	return 0;
}

static int pending(uint32_t nr)
{
	drain();
	if (reads->nr - reads->done >= nr)
		return 0;
	keeper_problem("%u of %u reads are complete", reads->done, reads->nr);
	errno = EALREADY;
	return -1;
}

/* Blocks of 511 digits and the end of the line */
static int check_data(unsigned int id)
{
	char wanted[NVME_BLOCK + 1];
	const char *page;
	unsigned int i;

	for (i = 0; i < NVME_READ_SIZE / NVME_BLOCK; i++) {
		page = dma_file_page(&dev.file, nvme_data_page(id, i * NVME_BLOCK / DMA_PAGE));
		snprintf(wanted, sizeof(wanted), "%0511lu\n", block_of(id) + i);
		if (memcmp(page + i * NVME_BLOCK % DMA_PAGE, wanted, NVME_BLOCK)) {
			keeper_problem("read %u: block %lu is not what is on the disk", id,
				       block_of(id) + i);
			errno = EBADMSG;
			return -1;
		}
	}
	return 0;
}

static int verify(void)
{
	unsigned int id, i;

	if (reads->failed) {
		keeper_problem("%u reads failed, the last with status %#x", reads->failed,
			       reads->status);
		errno = EBADMSG;
		return -1;
	}
	for (id = 0; id < NVME_READS_MAX; id++) {
		if (reads->state[id] == READ_DONE && check_data(id))
			return -1;
		/* (what is pending may be there already) */
		for (i = reads->state[id] == READ_NONE ? 0 : 2; i < 3; i++)
			if (dma_file_check(&dev.file, nvme_data_page(id, i), 0, DMA_PAGE,
					   nvme_data_page(id, i)))
				return -1;
	}
	return 0;
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "memory") && nr == 1)
		return make_memory();
	if (!strcmp(w[0], "start") && nr == 1)
		return nvme_start(&nvme, dev.device);
	if (!strcmp(w[0], "vf") && nr == 2)
		return nvme_enable_vf(&nvme, strtoul(w[1], NULL, 0));
	if (!strcmp(w[0], "read") && nr == 2)
		return begin_reads(strtoul(w[1], NULL, 0));
	if (!strcmp(w[0], "drain") && nr == 1) {
		drain();
		return 0;
	}
	if (!strcmp(w[0], "wait") && nr == 1)
		return wait_done();
	if (!strcmp(w[0], "pending") && nr == 2)
		return pending(strtoul(w[1], NULL, 0));
	if (!strcmp(w[0], "show") && nr == 1) {
		keeper_say("reads %u complete %u failed %u\n", reads->nr, reads->done,
			   reads->failed);
		return 0;
	}
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
