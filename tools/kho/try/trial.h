/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio-try and ioas-try have in common: a device, an iommufd with address spaces, a
 * file, a session, and the commands for these.
 *
 *	open ADDRESS		the character device of a PCI device
 *	iommufd			open one
 *	bind			the device to the iommufd
 *	file PAGES [huge]	memory to be mapped, a memfd; huge: its pages have 2 MiB
 *	ioas			make an address space; the commands below mean the last one
 *	use NR			or the one that was made as number NR, from 0
 *	map PAGE IOVA		a page of the file
 *	map-anonymous IOVA	a page that is of no file
 *	replace PAGE		where a page was mapped last, put another one of the file
 *	unmap IOVA
 *	table KIND		make a page table: plain, dirty, parent, dirty-parent, fault
 *	attach			the device to the address space
 *	attach-table		to the page table that was made last
 *	detach
 *	destroy-ioas		the address space
 *	destroy			the page table that was made last
 *	config OFFSET VALUE	16 bits of configuration space have to be that
 *	set-config OFFSET VALUE
 *	close WHAT		device, iommufd, file, session
 *
 * For a live update, with WHAT one of device, iommufd and file:
 *
 *	session NAME | retrieve NAME | preserve WHAT TOKEN | take WHAT TOKEN | finish
 */
#ifndef KHO_TRIAL_H
#define KHO_TRIAL_H

#include <stdint.h>

#define TRIAL_PAGE	4096UL

struct trial {
	/* -1 until they are open */
	int device;
	int iommufd;
	int file;
	int session;

	uint32_t device_id;	/* iommufd's name for the device */
	uint32_t space;		/* the address space that commands mean */
	uint32_t table;		/* the page table that was made last */
};

extern struct trial trial;

uint64_t trial_number(const char *word);

/* For a command that fails because something is not as it has to be: -1, with EBADMSG */
int trial_bad(const char *why);

/* 0 with a descriptor kept, -1 when there is none */
int trial_opened(int *fd, int got);

/* The address space that was made as number @nr */
uint32_t trial_space(uint64_t nr);

/*
 * Where the id of one more is to go, NULL with errno when there are too many; and when it is
 * there, 0 and that one is the last.
 */
uint32_t *trial_next_space(void);
int trial_made_space(void);

/* Carries out one of the commands above, as a keeper_run does. */
int trial_run(char **words, int nr);

#endif
