/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver for Intel's 82574L as QEMU emulates it (e1000e), on top of vfio.
 *
 * All it knows while the device runs is in a struct dma_file, so another process,
 * also one under another kernel, can go on with the device by opening that file:
 *
 *	page 0		struct e1000e_state
 *	page 1		left to the program
 *	page 2		ring for sending, and the frame that is sent
 *	then		ring for receiving
 *	then		buffers, four to a page
 *
 * One frame is sent at a time. Frames are received in the order of the ring;
 * whether by looking or by interrupts is up to the program.
 */
#ifndef KHO_E1000E_H
#define KHO_E1000E_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dma_file.h"

#define E1000E_RING_MAX		65528	/* descriptors; a multiple of 8 */
#define E1000E_BUFFER		1024
#define E1000E_PAGE_USER	1
#define E1000E_SPACE		0x200000000ULL	/* of addresses are enough for a NIC */

struct e1000e_state {
	uint32_t ring;		/* descriptors for receiving */
	uint32_t next;		/* the one that is filled next */
	uint32_t sent;		/* the descriptor for sending that is used next */
	uint64_t base;		/* where in the device's address space all of it begins */
};

struct e1000e {
	int fd;
	uint8_t *regs;
	const struct dma_file *file;
	struct e1000e_state *state;
};

/* Pages of the file for so many descriptors */
size_t e1000e_pages(uint32_t ring);

/*
 * Maps all that the device needs to see of the file. Devices that share an address space
 * need bases that are E1000E_SPACE apart.
 */
int e1000e_map(const struct dma_file *file, uint64_t base, uint32_t ring, int iommufd,
	       uint32_t ioas);

/* Where the device sees buffer page @nr */
uint64_t e1000e_buffer_iova(uint64_t base, uint32_t nr);

/*
 * @fd is the vfio device's. Leaves the device as it is. Without one (-1), what it has
 * received can be read.
 */
int e1000e_open(struct e1000e *nic, int fd, const struct dma_file *file);

/* From reset to receiving all that comes; errno is ETIMEDOUT when there is no link. */
int e1000e_start(struct e1000e *nic, uint64_t base, uint32_t ring);

/* From now on, MSI-X vector 0 for received frames, again and again */
void e1000e_interrupts(struct e1000e *nic);

/* The frame that was received first; NULL when there is none */
void *e1000e_received(struct e1000e *nic, size_t *size);

/*
 * The device is past a descriptor that it did not fill in: it could not read or
 * write it. To be asked only when there is no frame.
 */
bool e1000e_skipped(struct e1000e *nic);

/* Done with the frame, or with a descriptor that was skipped. */
void e1000e_next(struct e1000e *nic);

/* Returns when the device has sent it; errno is ETIMEDOUT when it does not. */
int e1000e_send(struct e1000e *nic, const void *frame, size_t size);

#endif
