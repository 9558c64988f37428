// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is held up, or left out, on a test's request.
 *
 * Locks: hold_lock for the step in which to wait, so that commands work while a callback
 * waits.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/atomic.h>
#include <linux/kho.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "../internal.h"
#include "test.h"

/* In which step to wait, on a test's request, and whether somebody does. */
static char hold_step[24];
static bool held;
static DEFINE_SPINLOCK(hold_lock);
static DECLARE_WAIT_QUEUE_HEAD(hold_wait);

/**
 * kho_test_hold - wait as long as the test says so; only the first who comes to a step does
 * @step: its name
 *
 * Context: may sleep.
 */
void kho_test_hold(const char *step)
{
	bool wait;

	spin_lock(&hold_lock);
	wait = !held && !strcmp(hold_step, step);
	if (wait)
		held = true;
	spin_unlock(&hold_lock);
	if (!wait)
		return;
	pr_info("waiting in %s\n", step);
	/* Also whoever is killed does, which is what a test may want. */
	wait_event_idle(hold_wait, !READ_ONCE(hold_step[0]));
	WRITE_ONCE(held, false);
}

/* "none": nobody waits any more. */
int kho_test_set_hold(const char *step)
{
	spin_lock(&hold_lock);
	strscpy(hold_step, strcmp(step, "none") ? step : "");
	spin_unlock(&hold_lock);
	wake_up_all(&hold_wait);
	return 0;
}

/* On a test's request, of how many page tables of an IOMMU one is not preserved */
static atomic_t forget_every = ATOMIC_INIT(0);

bool kho_test_forgets(void)
{
	static atomic_t asked = ATOMIC_INIT(0);
	int every = atomic_read(&forget_every);

	return every && atomic_inc_return(&asked) % every == 0;
}

void kho_test_set_forget(unsigned int every)
{
	atomic_set(&forget_every, every);
}

/* Does somebody wait? */
bool kho_test_is_held(void)
{
	return READ_ONCE(held);
}
