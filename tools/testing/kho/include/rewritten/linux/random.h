/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for the kernel's header: numbers that SEED= decides. */
#ifndef _KHO_TEST_RANDOM_H
#define _KHO_TEST_RANDOM_H

#include <linux/types.h>

u64 random_below(u64 limit);

static inline u32 get_random_u32_below(u32 limit)
{
	return random_below(limit);
}

#endif
