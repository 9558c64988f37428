/* SPDX-License-Identifier: GPL-2.0-only */
/* Physical addresses are those that the arena gives to its pages, see lib.h. */
#ifndef _KHO_TEST_IO_H
#define _KHO_TEST_IO_H

#include <linux/types.h>

void *phys_to_virt(phys_addr_t pa);
phys_addr_t virt_to_phys(const void *va);

/* Of a buffer of the test, at the address that it really has. */
#define early_memremap(pa, size)	((void *)(unsigned long)(pa))
#define early_memunmap(va, size)	((void)(va))
#define pr_err(fmt, ...)		((void)0)

#endif
