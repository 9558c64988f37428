/* SPDX-License-Identifier: GPL-2.0-only */
/* Small macros that mean what they mean in the kernel. */
#ifndef _KHO_TEST_KERNEL_H
#define _KHO_TEST_KERNEL_H

#include <linux/types.h>

#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))
#define __noreturn		__attribute__((noreturn))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)

#define BITS_PER_LONG		64
#define BIT(nr)			(1UL << (nr))
#define BIT_ULL(nr)		(1ULL << (nr))
/* Bits @low to @high, both included; UBSan sees it when they are no bits. */
#define GENMASK_ULL(high, low)	((~0ULL << (low)) & (~0ULL >> (63 - (high))))
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define min(a, b) ({ __auto_type _a = (a); __auto_type _b = (b); \
		     _a < _b ? _a : _b; })
#define max(a, b) ({ __auto_type _a = (a); __auto_type _b = (b); \
		     _a > _b ? _a : _b; })
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define min3(a, b, c)		min(min(a, b), c)
#define max3(a, b, c)		max(max(a, b), c)

/* @size is a power of 2. */
#define round_down(x, size)	((x) & ~((__typeof__(x))(size) - 1))
#define round_up(x, size)	round_down((x) + (size) - 1, size)

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define U16_MAX			((u16)~0U)
#define U32_MAX			((u32)~0U)
#define U64_MAX			((u64)~0ULL)

#define ALIGN_DOWN(x, size)	round_down(x, size)
#define IS_ALIGNED(x, a)	(!((x) & ((__typeof__(x))(a) - 1)))
#define PAGE_ALIGNED(x)		IS_ALIGNED(x, PAGE_SIZE)

#define hweight64(x)		((unsigned int)__builtin_popcountll(x))
#define __ffs64(x)		((unsigned int)__builtin_ctzll(x))
#define ilog2(x)		(63 - __builtin_clzll(x))
#define is_power_of_2(x)	(__builtin_popcountll(x) == 1)

#endif
