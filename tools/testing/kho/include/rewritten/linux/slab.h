/* SPDX-License-Identifier: GPL-2.0-only */
/* The C library's heap, with allocations that fail when a test says so. */
#ifndef _KHO_TEST_SLAB_H
#define _KHO_TEST_SLAB_H

#include <linux/gfp.h>

void *test_zalloc(size_t size);
void test_free(void *ptr);

#define kzalloc(size, gfp)	test_zalloc(size)
#define kmalloc(size, gfp)	test_zalloc(size)
#define kfree(ptr)		test_free(ptr)

#endif
