/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for the kernel's header: an extent, and no tree of them. */
#ifndef _KHO_TEST_IOPORT_H
#define _KHO_TEST_IOPORT_H

#include <linux/types.h>

#define IORESOURCE_SYSTEM_RAM	0

struct resource {
	u64 start, end;
	unsigned long flags;
};

#endif
