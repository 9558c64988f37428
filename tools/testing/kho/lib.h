/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the user-space tests share: an arena of simulated physical pages, random
 * numbers that can be repeated, and checks.
 */
#ifndef _KHO_TEST_LIB_H
#define _KHO_TEST_LIB_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/io.h>
#include <linux/gfp.h>

/* End the test, with its name and seed, unless @cond. */
#define CHECK(cond) \
	do { if (!(cond)) test_fail(__FILE__, __LINE__, #cond); } while (0)

void test_begin(const char *name);
void __printf(1, 2) test_end(const char *fmt, ...);
void __noreturn test_fail(const char *file, int line, const char *what);

/* COUNT= of the environment, or @count */
unsigned long test_count(unsigned long count);

/* A sequence that SEED= of the environment decides; per thread. */
void random_seed(u64 seed);
u64 random_u64(void);
/* 0 to @limit - 1 */
u64 random_below(u64 limit);

/*
 * The arena: @nr pages, of which page i is frame @first + i * @stride, modulo
 * the number of frames that a map can have; @stride is odd. Pages that are not
 * allocated are poisoned.
 */
void arena_init(unsigned long nr, unsigned long first, unsigned long stride);
/* As the former, with frames at random, none of which is in @banned[]. */
struct kho_range;
void arena_init_random(unsigned long nr, const struct kho_range *banned,
		       unsigned int nr_banned);
/* All pages must be free. */
void arena_exit(void);
unsigned long arena_used(void);
/* Is there a page, and allocated, at this physical address? */
bool arena_has(phys_addr_t pa);
/* phys_to_virt() from now on fails a test on other addresses than these. */
extern bool (*arena_guard)(phys_addr_t pa);

/*
 * Allocations of pages and of test_zalloc(): this many succeed, then they fail.
 * Negative: all succeed.
 */
extern long alloc_budget;
extern bool alloc_failed;

#endif
