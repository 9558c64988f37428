/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frames that nic-send (on the host) sends to nic-rx (in the VM), and the few
 * that go the other way.
 *
 * A data frame's number says how long it is; its number and its time of sending
 * say what it contains. So each byte can be checked by who has the frame alone.
 *
 *	nic-rx				nic-send
 *	  GO (frames a second) ->
 *				<-	DATA 0, DATA 1, ...
 *	  TOOK (how many) ->		(from time to time, if it wants its absence measured)
 *	  STOP ->
 *				<-	LAST (how many numbers were used up)
 *
 * Both sides are of one byte order.
 */
#ifndef KHO_FRAME_H
#define KHO_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* IEEE 802 has this type for experiments */
#define FRAME_TYPE	0xb588		/* 0x88b5 as it is on the wire */
#define FRAME_MIN	128
#define FRAME_MAX	1000

enum frame_kind {
	FRAME_GO = 1,	/* number: frames a second, 0 for as many as are taken */
	FRAME_DATA,	/* number: counted from 0 at each GO that follows a LAST */
	FRAME_STOP,
	FRAME_LAST,	/* number: of data frames; refused: how many of them nobody took */
	FRAME_TOOK,	/* number: of data frames that were received until now */
};

struct frame_head {
	uint8_t to[6];
	uint8_t from[6];
	uint16_t type;
	uint16_t kind;
	uint64_t number;
	uint64_t time;		/* when it was sent, by the sender's clock, in ns */
	uint64_t refused;
};

static inline size_t frame_size(uint64_t number)
{
	return FRAME_MIN + number * 37 % (FRAME_MAX - FRAME_MIN + 1);
}

/* splitmix64 */
static inline uint64_t frame_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* Makes a whole frame in at least FRAME_MAX bytes; returns its size. */
static inline size_t frame_make(void *at, enum frame_kind kind, uint64_t number,
				uint64_t time, uint64_t refused)
{
	struct frame_head head = {
		.to = { 0x02, 0, 0, 0, 0, 1 },
		.from = { 0x02, 0, 0, 0, 0, 2 },
		.type = FRAME_TYPE,
		.kind = kind,
		.number = number,
		.time = time,
		.refused = refused,
	};
	size_t size = kind == FRAME_DATA ? frame_size(number) : FRAME_MIN;
	uint64_t word = frame_mix(number ^ frame_mix(time));
	size_t i;

	memcpy(at, &head, sizeof(head));
	for (i = sizeof(head); i < size; i += sizeof(word)) {
		word = frame_mix(word);
		memcpy((uint8_t *)at + i, &word,
		       size - i < sizeof(word) ? size - i : sizeof(word));
	}
	return size;
}

#endif
