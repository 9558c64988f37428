/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sample VMM has measured in a live update, for who shows it.
 */
#ifndef KHO_VMM_RECORD_H
#define KHO_VMM_RECORD_H

#include <stdint.h>

/* Bytes of the guest's memory that were compared, words that differ */
void vmm_record_compared(uint64_t bytes, uint64_t wrong);

/* Says what of this program is pinned and locked. */
int vmm_record_pins(void);

/*
 * A line for each number: its name, and the number. Times are milliseconds since the
 * guest began to receive; by the sender's clock in nanoseconds, that is start-by-sender.
 * "away" is a time when no program ran, and how many frames were sent in the millisecond
 * after it; "at" is a time, how many frames the guest had taken then, and how many of
 * all that it took had been sent by then.
 */
int vmm_record_write(const char *path);

#endif
