/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sample VMM: what the program that starts a guest (vmm.c) and the one that goes on
 * with it under the next kernel (vmm_next.c) have in common.
 *
 *	go RATE			frames a second to be sent to the guest
 *	receive NR		wait until it has taken as many more
 *	stop			no more frames; wait until it has the last one
 *	sound			fails with EBADMSG unless what it received until now is
 *				without a gap, in order and to the byte
 *	verify			the same, and it is all that was sent
 *	show			what it received
 *	gap			its longest one, and when it ended, in ticks of the
 *				time-stamp counter; after it has run on for a moment
 *	compare			its memory with what it wrote there, all but what changes
 *	poke ADDRESS		another value into a byte of it
 *	pins			of this program, as /proc has them
 *	stamp WHAT		the time, under that name
 *	record FILE		all times and counts of the last live update, a line each
 *
 *	preserve NAME		the guest's memory, what has to be known about it, the
 *				iommufd, and the device, in a session
 *	pause			stop the processor, and save its state with the others
 *	run			go on after all
 *
 * Two files are preserved, both memfds: the guest's memory, and a struct vmm_state.
 */
#ifndef KHO_VMM_COMMON_H
#define KHO_VMM_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "vmm_machine.h"

#define VMM_STATE_MAGIC		0x3174617473206d76ULL
#define VMM_STAMPS_MAX		32
#define VMM_STAMP_NAME		24

/* By what the session knows the descriptors */
enum vmm_token {
	VMM_TOKEN_RAM = 1,
	VMM_TOKEN_STATE,
	VMM_TOKEN_IOMMUFD,
	VMM_TOKEN_DEVICE,
};

/* What a VMM has to know of a guest besides its memory; it is in a file, all the time. */
struct vmm_state {
	uint64_t magic;
	uint64_t size;		/* of this structure */
	uint64_t ram;		/* of the guest's memory, bytes */
	uint64_t paused;	/* @vcpu is valid */
	uint64_t nr_stamps;
	struct {
		char name[VMM_STAMP_NAME];
		uint64_t tsc;
	} stamps[VMM_STAMPS_MAX];
	struct vcpu_state vcpu;
};

struct vmm {
	/* -1 until they are open */
	int ram_fd;
	int state_fd;
	int iommufd;
	int device;
	int session;

	char *ram;
	struct vmm_state *state;
	uint32_t device_id;
	uint32_t ioas;
	struct machine machine;
};

extern struct vmm vmm;

/* The guest's counters */
struct guest_state *vmm_guest(void);

/* Map both files, when they are open. */
int vmm_map_files(size_t ram);

/*
 * Like a VMM that is not root's: memory that is pinned for devices counts, and there
 * must not be more of it than the guest has.
 */
int vmm_limit_pins(void);

/* A machine with the guest's memory and the device's registers, which are mapped here */
int vmm_make_machine(void);

void vmm_stamp(const char *what, uint64_t tsc);
uint64_t vmm_stamp_of(const char *what);

/* What the sender's clock shows when ours shows @tsc, and how long so many ticks are */
uint64_t vmm_sender_time(uint64_t tsc);
double vmm_ms(uint64_t ticks);

/* A command of both programs, as keeper_run */
int vmm_run(char **words, int nr);

#endif
