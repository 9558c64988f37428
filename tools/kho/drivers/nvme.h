/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for NVMe disks, on top of vfio: one pair of queues for reads, which are
 * found to be complete by looking.
 *
 * All it knows while the device runs is in a struct dma_file, so another process,
 * also one under another kernel, can go on with the device by opening that file:
 *
 *	page 0		struct nvme_state
 *	page 1		left to the program
 *	then		queues of the administrator, one page each, and one for what it is told
 *	then		queue of commands
 *	then		queue of completions
 *	then		data, two pages for each read, and one that the device does not use
 */
#ifndef KHO_NVME_H
#define KHO_NVME_H

#include <stddef.h>
#include <stdint.h>

#include "dma_file.h"

#define NVME_READS_MAX	320
#define NVME_PENDING_MAX	255
#define NVME_READ_SIZE	(2 * DMA_PAGE)
#define NVME_BLOCK	512
#define NVME_PAGE_USER	1

struct nvme_state {
	uint32_t stride;	/* of the doorbells */
	uint32_t tail;		/* of commands: where the next one goes */
	uint32_t head;		/* of completions: where the next one comes */
	uint32_t phase;		/* that the next one has */
	uint32_t commands;	/* of the administrator, since the start */
};

struct nvme {
	uint8_t *regs;
	const struct dma_file *file;
	struct nvme_state *state;
};

/* Pages of the file */
size_t nvme_pages(void);

/* Maps all that the device needs to see of the file. */
int nvme_map(const struct dma_file *file, int iommufd, uint32_t ioas);

/* The page of read @id's data: of its @i'th page, the device does not use the third. */
size_t nvme_data_page(unsigned int id, unsigned int i);

/*
 * @fd is the vfio device's. Leaves the device as it is. Without one (-1), what was
 * completed can be read.
 */
int nvme_open(struct nvme *nvme, int fd, const struct dma_file *file);

/* From reset to ready for reads. errno is ETIMEDOUT or EIO when the device is not. */
int nvme_start(struct nvme *nvme, int fd);

/*
 * Of a physical function that was started: give virtual function @vf, the first is 1, what it
 * takes to be started. It has to be enabled.
 */
int nvme_enable_vf(struct nvme *nvme, unsigned int vf);

/*
 * Read NVME_READ_SIZE bytes from a block on. No more than NVME_PENDING_MAX may be under
 * way, nor this @id, which is less than NVME_READS_MAX.
 */
void nvme_read(struct nvme *nvme, unsigned int id, uint64_t block);

/* A read that was completed; -1 when there is none. @status is 0 when all is well. */
int nvme_completed(struct nvme *nvme, uint16_t *status);

#endif
