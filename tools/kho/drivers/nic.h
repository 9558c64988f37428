/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drivers for NICs on top of vfio, by which frames are received in the order of a ring and
 * sent one at a time. Whether to look for frames or to wait for interrupts is up to the
 * program.
 *
 * All that a driver knows while the device runs is in a struct dma_file, so another process,
 * also one under another kernel, can go on with the device by opening that file:
 *
 *	page 0		struct nic_state
 *	page 1		left to the program
 *	then		what the device needs, as its driver likes it
 */
#ifndef KHO_NIC_H
#define KHO_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dma_file.h"

#define NIC_RING_MAX		65528	/* descriptors; a multiple of 8 */
#define NIC_BUFFER		1024
#define NIC_PAGE_STATE		0
#define NIC_PAGE_USER		1
#define NIC_PAGE_FIRST		2
#define NIC_SPACE		0x200000000ULL	/* of addresses are enough for a NIC */

/* Buffer pages are apart for the device, so that there are many page tables. */
#define NIC_IOVA_BUFFERS	0x100000000ULL
#define NIC_IOVA_STRIDE		(16 * DMA_PAGE)
#define NIC_BUFFERS_PER_PAGE	(DMA_PAGE / NIC_BUFFER)

struct nic_state {
	uint32_t id;		/* of the driver */
	uint32_t ring;		/* descriptors for receiving */
	uint32_t next;		/* the one that is filled next; virtio: without end */
	uint32_t sent;		/* the descriptor for sending that is used next; the same */
	uint64_t base;		/* where in the device's address space all of it begins */
};

struct nic_driver;

struct nic {
	const struct nic_driver *driver;
	int fd;
	uint8_t *regs;		/* NULL without a device: what it has received can be read */
	uint8_t *doorbell[2];	/* virtio: of both queues */
	const struct dma_file *file;
	struct nic_state *state;
};

/* What drivers do; functions that return an int give -1 and set errno when they fail. */
struct nic_driver {
	uint32_t id;		/* device << 16 | vendor */
	uint32_t ring_max;

	/* Pages of the file for so many descriptors */
	size_t (*pages)(uint32_t ring);

	/*
	 * Maps all that the device needs to see of the file. Devices that share an address
	 * space need bases that are NIC_SPACE apart.
	 */
	int (*map)(const struct dma_file *file, uint64_t base, uint32_t ring, int iommufd,
		   uint32_t ioas);

	/* Finds the registers. Leaves the device as it is. */
	int (*open)(struct nic *nic);

	/* From reset to receiving all that comes; ETIMEDOUT when the device does not answer */
	int (*start)(struct nic *nic);

	/* From now on, MSI-X vector 0 for received frames, again and again. NULL: it cannot. */
	void (*interrupts)(struct nic *nic);

	/* The frame that was received first; NULL when there is none */
	void *(*received)(struct nic *nic, size_t *size);

	/*
	 * The device is past a descriptor that it did not fill in: it could not read or
	 * write it. To be asked only when there is no frame. NULL: it never is.
	 */
	bool (*skipped)(struct nic *nic);

	/* Done with the frame, or with a descriptor that was skipped. */
	void (*next)(struct nic *nic);

	/*
	 * Of a physical function: virtual function @vf, the first is 1, which was opened and
	 * so reset, is to receive what this one does. NULL: there are none.
	 */
	int (*enable_vf)(struct nic *nic, unsigned int vf);

	/* Returns when the device has sent it; ETIMEDOUT when it does not */
	int (*send)(struct nic *nic, const void *frame, size_t size);
};

extern const struct nic_driver virtio_net_driver;

/* The driver for a vfio device; NULL when there is none */
const struct nic_driver *nic_driver_for(int fd);

/* @fd is the vfio device's, or -1. Before start, @driver is given, afterwards the file says. */
int nic_open(struct nic *nic, int fd, const struct dma_file *file,
	     const struct nic_driver *driver);
int nic_start(struct nic *nic, uint64_t base, uint32_t ring);

/* For drivers */
uint64_t nic_buffer_iova(uint64_t base, uint32_t buffer);
size_t nic_buffer_pages(uint32_t ring);
uint8_t *nic_buffer(struct nic *nic, size_t first_page, uint32_t buffer);
int nic_map_buffers(const struct dma_file *file, size_t first_page, uint64_t base, uint32_t ring,
		    int iommufd, uint32_t ioas);
int nic_wait(bool (*ready)(const void *arg), const void *arg);

#endif
