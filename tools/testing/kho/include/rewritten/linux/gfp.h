/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages come from the arena, see lib.h; the core's own allocator included. */
#ifndef _KHO_TEST_GFP_H
#define _KHO_TEST_GFP_H

#include <linux/kernel.h>

#define GFP_KERNEL	0

void *kho_alloc_pages(unsigned int order);
void free_page(unsigned long page);

#endif
