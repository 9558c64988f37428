/* SPDX-License-Identifier: GPL-2.0-only */
/* What the decompressor has around its part: here physical is virtual. */
#ifndef _KHO_TEST_MISC_H
#define _KHO_TEST_MISC_H

#include <linux/types.h>
#include <asm/bootparam.h>

struct mem_vector {
	u64 start;
	u64 size;
};

extern struct boot_params *boot_params_ptr;

#endif
