/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that is assigned to this program: what it takes, and the commands that
 * programs with such a device have in common.
 *
 *	open ADDRESS		the vfio device of a PCI device, bound to an iommufd, a new
 *				one if there is none
 *	attach			the device to the address space with the file's mappings
 *	attach own		the same, in a page table of its own
 *	master on|off		bus master, in config space
 *
 * For a live update, with WHAT one of file, device and iommufd:
 *
 *	session NAME		make one
 *	retrieve NAME		open one of the old kernel
 *	preserve WHAT TOKEN
 *	take WHAT TOKEN
 *	bind			a device that was taken to the iommufd that was
 *	remap			all of the file into a new address space, then attach the
 *				device to a page table with that: it leaves the old
 *				kernel's. Any number of times
 *	restore			the address spaces and page tables that the iommufd had, for
 *				all devices that are bound
 *	rejoin ADDRESS		the device, which has that address, to the page table that
 *				was made again for it
 *	finish
 *	close WHAT|session
 *
 * The programs add "resume": go on with what was taken, as the file tells it.
 */
#ifndef KHO_ASSIGNED_H
#define KHO_ASSIGNED_H

#include <stddef.h>
#include <stdint.h>

#include "dma_file.h"

struct assigned {
	/* Maps all that the device needs to see of the file; -1 with errno on failure. */
	int (*map)(const struct dma_file *file, int iommufd, uint32_t ioas);

	/* -1 until they are open */
	int device;
	int iommufd;
	int session;
	struct dma_file file;

	uint32_t id;		/* iommufd's name for the device */
	uint32_t ioas;
};

#define ASSIGNED_INIT(map_file) {		\
	.map = (map_file),			\
	.device = -1,				\
	.iommufd = -1,				\
	.session = -1,				\
	.file.fd = -1,				\
}

/* A file of @pages, mapped into the address space, a new one if there is none */
int assigned_memory(struct assigned *dev, size_t pages);

/* Carries out one of the commands above, as a keeper_run does. */
int assigned_run(struct assigned *dev, char **words, int nr);

#endif
