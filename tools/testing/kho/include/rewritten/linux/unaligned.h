/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for the kernel's header: as the compiler does it. */
#ifndef _KHO_TEST_UNALIGNED_H
#define _KHO_TEST_UNALIGNED_H

#include <string.h>

#define get_unaligned(ptr) ({ \
	__typeof__(*(ptr) + 0) _v; memcpy(&_v, ptr, sizeof(*(ptr))); _v; })
#define put_unaligned(value, ptr) do { \
	__typeof__(*(ptr)) _v = (value); memcpy(ptr, &_v, sizeof(_v)); } while (0)

#endif
