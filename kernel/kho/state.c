// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a handover: can this kernel hand over, how far has it come, does it
 * leave.
 *
 * Life cycle: idle -> active -> final -> the jump; the steps are those of machine.c.
 *
 *   idle    owners preserve and unpreserve as they like
 *   active  layouts are frozen by their owners; preserving goes on and is included
 *   final   map, blob and header are sealed; preserve and restore give -EBUSY
 *
 * Locks: kho_lock, which is held over the steps and so over owners' callbacks. To look
 * at the state takes none.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kstrtox.h>

#include "internal.h"
#include "trace.h"

/* The state and the owners; held over owners' callbacks. */
DEFINE_MUTEX(kho_lock);
static enum kho_state state;
/* The kernel leaves: what is final stays so. Set under kho_lock, for good. */
static bool jumping;

/* What the operator allows: an image that cannot restore all that is handed over. */
bool kho_allow_unreadable;

static bool wanted __ro_after_init = true;
static bool started __ro_after_init;

static int __init kho_param(char *arg)
{
	return kstrtobool(arg, &wanted);
}
early_param("kho", kho_param);

/* Not with kho=off. */
bool __init kho_is_wanted(void)
{
	return wanted;
}

/* All that a handover takes is there. */
void __init kho_set_enabled(bool enabled)
{
	started = enabled;
}

/**
 * kho_is_enabled - can this kernel hand over?
 *
 * False with kho=off, unless something was handed over to this kernel: that has
 * to be handed on.
 */
bool kho_is_enabled(void)
{
	return started;
}
EXPORT_SYMBOL_GPL(kho_is_enabled);

enum kho_state kho_get_state(void)
{
	return state;
}

/* Its name, as the operator reads it. */
const char *kho_state_name(enum kho_state which)
{
	static const char * const names[] = {
		[KHO_IDLE] = "idle",
		[KHO_ACTIVE] = "active",
		[KHO_FINAL] = "final",
	};

	return names[which];
}

/* Is a jump under way that cannot be refused any more? kho_lock is held. */
bool kho_is_jumping(void)
{
	lockdep_assert_held(&kho_lock);
	return jumping;
}

/* The kexec lock is held besides, and will be until the end. */
void kho_set_jumping(void)
{
	lockdep_assert_held(&kho_lock);
	jumping = true;
}

void kho_set_state(enum kho_state to)
{
	lockdep_assert_held(&kho_lock);
	trace_kho_state(kho_state_name(state), kho_state_name(to));
	pr_debug("%s -> %s\n", kho_state_name(state), kho_state_name(to));
	state = to;
}
