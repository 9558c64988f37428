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
 * guest began to receive. Last come lines with a time, and how many frames the guest
 * had taken then, and how many of them had been sent by then.
 */
int vmm_record_write(const char *path);

#endif
