/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for the kernel's header. */
#ifndef _KHO_TEST_SIZES_H
#define _KHO_TEST_SIZES_H

#define SZ_64K	0x10000UL
#define SZ_4G	0x100000000UL

#endif
