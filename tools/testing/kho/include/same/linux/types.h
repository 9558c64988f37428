/* SPDX-License-Identifier: GPL-2.0-only */
/* Types that the kernel has besides those of its user-space header. */
#ifndef _KHO_TEST_TYPES_H
#define _KHO_TEST_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <limits.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __s64 s64;
typedef __u64 u64;
typedef u64 phys_addr_t;

struct list_head {
	struct list_head *next, *prev;
};

#endif
