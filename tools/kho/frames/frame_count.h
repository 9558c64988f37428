/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the frames that nic-send sends: each number has to come once, in order, and
 * with every byte as it must be.
 */
#ifndef KHO_FRAME_COUNT_H
#define KHO_FRAME_COUNT_H

#include <stdbool.h>

#include "frame.h"

struct frame_counts {
	uint64_t expected;	/* the number that comes next */
	uint64_t received;	/* whole and in order */
	uint64_t lost;		/* numbers that were passed over */
	uint64_t late;		/* frames with a number that was passed over, or twice */
	uint64_t corrupt;	/* frames with any other content; their numbers are lost too */
	uint64_t last_time;	/* when the last one was sent, by the sender's clock */
	uint64_t gap;		/* longest from the sending of one frame to that of the next */
	uint64_t gap_at;	/* number of the frame after it */
	uint64_t refused;	/* frames that the sender could not give to anybody */
	uint64_t complete;	/* the last frame was there */
};

static inline bool frame_is_whole(const void *frame, size_t size, struct frame_head *head)
{
	uint8_t wanted[FRAME_MAX];

	if (size < sizeof(*head) || size > FRAME_MAX)
		return false;
	memcpy(head, frame, sizeof(*head));
	return size == frame_make(wanted, head->kind, head->number, head->time,
				  head->refused) &&
	       !memcmp(frame, wanted, size);
}

/* Returns the time of sending of a data frame that is counted as received, else 0. */
static inline uint64_t frame_count(struct frame_counts *counts, const void *frame, size_t size)
{
	struct frame_head head;

	if (!frame_is_whole(frame, size, &head) ||
	    (head.kind != FRAME_DATA && head.kind != FRAME_LAST)) {
		counts->corrupt++;
		return 0;
	}
	if (head.number < counts->expected) {
		counts->late++;
		return 0;
	}
	counts->lost += head.number - counts->expected;
	if (head.kind == FRAME_LAST) {
		counts->expected = head.number;
		counts->refused = head.refused;
		counts->complete = 1;
		return 0;
	}
	if (counts->expected && head.time - counts->last_time > counts->gap) {
		counts->gap = head.time - counts->last_time;
		counts->gap_at = head.number;
	}
	counts->expected = head.number + 1;
	counts->last_time = head.time;
	counts->received++;
	return head.time;
}

/* All that was sent until the last one that came */
static inline bool frame_counts_are_sound(const struct frame_counts *counts)
{
	return counts->received && counts->received == counts->expected && !counts->lost &&
	       !counts->late && !counts->corrupt;
}

#endif
