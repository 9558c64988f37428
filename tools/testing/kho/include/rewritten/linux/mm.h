/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for the kernel's header: what the choice of a landing zone needs of it. */
#ifndef _KHO_TEST_MM_H
#define _KHO_TEST_MM_H

#include <linux/kernel.h>
#include <linux/types.h>

#define PMD_SIZE		0x200000UL

#define PHYS_PFN(pa)		((unsigned long)((pa) >> PAGE_SHIFT))
#define PFN_PHYS(pfn)		((phys_addr_t)(pfn) << PAGE_SHIFT)
#define PFN_UP(x)		(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)

#define __GFP_NOWARN		0

#define IS_ENABLED(option)	1
#define pr_info(fmt, ...)	((void)0)

/* As large as the kernel's */
struct page {
	char is[64];
};

#endif
