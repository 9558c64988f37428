// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which initcalls of a kernel that received something took longest: for the timeline, as each of
 * them is in the blackout.
 *
 * Life cycle: each initcall is noted while the kernel boots, and the slowest are listed when
 * userspace is about to start. Those of modules come later and do not count.
 *
 * Locks: none. Initcalls run one after the other.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/kho.h>
#include <linux/sprintf.h>
#include <linux/kho/abi/stages.h>

#include "internal.h"

#define NR_SLOWEST	10

/* In no order */
static struct slow {
	initcall_t fn;
	u64 begin;
	u64 end;
} slowest[NR_SLOWEST];

static u64 first_begin, last_end;
static bool over;

/**
 * kho_initcall_done - an initcall has returned
 * @fn: the initcall
 * @begin: kho_stage_begin() before it
 *
 * Hook in do_one_initcall().
 */
void kho_initcall_done(initcall_t fn, u64 begin)
{
	struct slow *least = slowest, *slow;

	if (over || !is_kho_boot())
		return;
	last_end = kho_stage_begin();
	if (!first_begin)
		first_begin = begin;
	for (slow = slowest; slow < slowest + NR_SLOWEST; slow++)
		if (slow->end - slow->begin < least->end - least->begin)
			least = slow;
	if (last_end - begin > least->end - least->begin)
		*least = (struct slow) { fn, begin, last_end };
}

/* Userspace is about to start. */
void kho_initcalls_end(void)
{
	char name[KHO_STAGE_WHAT_MAX + 1];
	unsigned int i;

	over = true;
	if (!first_begin)
		return;
	kho_stage_note("initcalls", "", first_begin, last_end);
	for (i = 0; i < NR_SLOWEST && slowest[i].fn; i++) {
		scnprintf(name, sizeof(name), "%ps", slowest[i].fn);
		kho_stage_note("initcall", name, slowest[i].begin,
			       slowest[i].end);
	}
}
