/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sample VMM and its guest agree on: where things are in the guest's memory,
 * and the page with what the guest counts.
 *
 * Virtual, physical and device addresses are the same. The VMM makes the page tables
 * and fills in the first part of struct guest_state; the rest is the guest's. The VMM
 * may look at it at any time, also when the guest does not run.
 */
#ifndef KHO_GUEST_H
#define KHO_GUEST_H

#include <stdint.h>

#include "frames/frame_count.h"

#define GUEST_TABLES	0x00001000ULL	/* page tables: four pages */
#define GUEST_STATE	0x00010000ULL	/* struct guest_state */
#define GUEST_SERIES	0x00020000ULL	/* struct guest_series */
#define GUEST_STACK	0x000a0000ULL	/* downwards */
#define GUEST_ENTRY	0x00100000ULL	/* the program */
#define GUEST_RX_RING	0x00200000ULL	/* of at most GUEST_RING_MAX descriptors */
#define GUEST_TX	0x00300000ULL	/* ring for sending, and the frame that is sent */
#define GUEST_BUFFERS	0x00400000ULL	/* of received frames, then the pattern */
#define GUEST_RAM_MAX	0x40000000ULL
#define GUEST_REGS	0xc0000000ULL	/* the device's registers */

#define GUEST_RING_MAX	65528
#define GUEST_BUFFER	1024
#define GUEST_SLOTS	16384		/* of time, in the guest's series */
#define GUEST_SENT_SLOTS	163840	/* in the sender's */

enum guest_command {
	GUEST_IDLE,
	GUEST_GO,		/* argument: frames a second */
	GUEST_STOP,
};

enum guest_stage {
	GUEST_FILLING = 1,	/* memory with its pattern */
	GUEST_STARTING,		/* the device */
	GUEST_RUNNING,
	GUEST_NO_RESET,		/* the device does not come out of reset: the end */
	GUEST_NO_LINK,
	GUEST_NO_SEND,
};

struct guest_state {
	/* The VMM's */
	uint64_t ram;		/* bytes */
	uint64_t ring;		/* descriptors */
	uint64_t slot_ticks;	/* of the time-stamp counter, in a slot of time */
	uint64_t sent_slot_ns;	/* in a slot of the sender's time */
	uint64_t window[2];	/* from and to, by the sender's clock */
	uint64_t argument;	/* before the command, which the guest sets to GUEST_IDLE */
	uint64_t command;

	/* The guest's. Times are of its time-stamp counter. */
	uint64_t stage;
	uint64_t next;		/* the descriptor that is filled next */
	uint64_t sent;		/* the descriptor for sending that is used next */
	uint64_t iterations;	/* of its loop */
	uint64_t last;		/* when the last one began */
	uint64_t gap;		/* longest from one to the next */
	uint64_t gap_at;	/* when it began */
	uint64_t skipped;	/* descriptors that the device went past */
	uint64_t in_window;	/* frames that were sent in that time */
	struct {
		uint64_t tsc;
		uint64_t time;
	} clock[2];		/* the same moment by both clocks: first and last */
	uint64_t start;		/* when the first slot of time began */
	uint64_t slots;		/* that are over */
	uint64_t first_time;	/* when the first frame was sent, by the sender's clock */
	struct frame_counts frames;
};

/* Frames until the end of a slot of time, and frames that were sent in one */
struct guest_series {
	uint32_t received[GUEST_SLOTS];
	uint8_t sent[GUEST_SENT_SLOTS];
};

/* Memory from here on has the pattern, and nobody writes to it any more. */
static inline uint64_t guest_pattern_start(uint64_t ring)
{
	return GUEST_BUFFERS + ring * GUEST_BUFFER;
}

static inline uint64_t guest_pattern(uint64_t address)
{
	return frame_mix(address);
}

#endif
