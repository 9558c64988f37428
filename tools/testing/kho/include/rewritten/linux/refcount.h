/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for the kernel's header: nothing here counts references. */
#ifndef _KHO_TEST_REFCOUNT_H
#define _KHO_TEST_REFCOUNT_H

typedef struct {
	int refs;
} refcount_t;

#endif
