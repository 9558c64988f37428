// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owners that take part in a handover.
 *
 * Each step calls them in the order of their registration; if one refuses, those before
 * it are undone in reverse order. An owner leaves by kho_unregister_owner(), which has to
 * undo steps and so is in machine.c.
 *
 * Locks: kho_lock protects the list, and is held over callbacks.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/string.h>

#include "internal.h"
#include "trace.h"

static LIST_HEAD(owners);

/**
 * kho_register_owner - take part in handovers
 * @owner: must stay until it is unregistered
 *
 * Context: may sleep; not from an owner's callback.
 * Return: 0, -EEXIST when the name is taken, -EBUSY when a handover is under way
 */
int kho_register_owner(struct kho_owner *owner)
{
	int rc = 0;

	mutex_lock(&kho_lock);
	if (kho_get_state() != KHO_IDLE)
		rc = -EBUSY;
	else if (kho_find_owner(owner->name))
		rc = -EEXIST;
	else
		list_add_tail(&owner->list, &owners);
	mutex_unlock(&kho_lock);
	return rc;
}
EXPORT_SYMBOL_GPL(kho_register_owner);

/* Find an owner by the name of its subtree; kho_lock is held. */
struct kho_owner *kho_find_owner(const char *name)
{
	struct kho_owner *owner;

	lockdep_assert_held(&kho_lock);
	list_for_each_entry(owner, &owners, list)
		if (!strcmp(owner->name, name))
			return owner;
	return NULL;
}

static int call_owner(struct kho_owner *owner, const char *step,
		      int (*op)(struct kho_owner *owner))
{
	struct kho_stage_ser *stage;
	int rc;

	if (!op)
		return 0;
	stage = kho_stage_open(step, owner->name);
	rc = op(owner);
	kho_stage_close(stage);
	trace_kho_owner(owner->name, step, rc);
	pr_debug("%s: %s: %d\n", owner->name, step, rc);
	return rc;
}

static void undo_owner(struct kho_owner *owner, const char *step,
		       void (*op)(struct kho_owner *owner))
{
	if (!op)
		return;
	op(owner);
	trace_kho_owner(owner->name, step, 0);
	pr_debug("%s: %s\n", owner->name, step);
}

static void refused(const struct kho_owner *owner, const char *step, int rc)
{
	if (!kho_last_error()[0])
		kho_set_err("%s: %s failed: %d", owner->name, step, rc);
}

static void deactivate_before(struct kho_owner *owner)
{
	list_for_each_entry_continue_reverse(owner, &owners, list)
		undo_owner(owner, "deactivate", owner->ops->deactivate);
}

static void unfinalize_before(struct kho_owner *owner)
{
	list_for_each_entry_continue_reverse(owner, &owners, list)
		undo_owner(owner, "unfinalize", owner->ops->unfinalize);
}

static void unjump_before(struct kho_owner *owner)
{
	list_for_each_entry_continue_reverse(owner, &owners, list)
		undo_owner(owner, "unjump", owner->ops->unjump);
}

/* The position after the last owner. */
static struct kho_owner *past_owners(void)
{
	return list_entry(&owners, struct kho_owner, list);
}

/**
 * kho_owners_activate - ask all owners to activate
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, or the errno of who refused, with last_error set: then all are undone
 */
int kho_owners_activate(void)
{
	struct kho_owner *owner;
	int rc;

	lockdep_assert_held(&kho_lock);
	list_for_each_entry(owner, &owners, list) {
		rc = call_owner(owner, "activate", owner->ops->activate);
		if (rc) {
			refused(owner, "activate", rc);
			deactivate_before(owner);
			return rc;
		}
	}
	return 0;
}

/* Undo kho_owners_activate(). */
void kho_owners_deactivate(void)
{
	lockdep_assert_held(&kho_lock);
	deactivate_before(past_owners());
}

/**
 * kho_owners_finalize - ask all owners to finalize
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, or the errno of who refused, with last_error set: then all are undone
 */
int kho_owners_finalize(void)
{
	struct kho_owner *owner;
	int rc;

	lockdep_assert_held(&kho_lock);
	list_for_each_entry(owner, &owners, list) {
		rc = call_owner(owner, "finalize", owner->ops->finalize);
		if (rc) {
			refused(owner, "finalize", rc);
			unfinalize_before(owner);
			return rc;
		}
	}
	return 0;
}

/* Undo kho_owners_finalize(). */
void kho_owners_unfinalize(void)
{
	lockdep_assert_held(&kho_lock);
	unfinalize_before(past_owners());
}

/**
 * kho_owners_jump - ask all owners whether anything would keep the jump waiting
 *
 * Context: kho_lock held, may sleep. All is final, the timeline too.
 * Return: 0, or the errno of who refused, with last_error set: then all are undone
 */
int kho_owners_jump(void)
{
	struct kho_owner *owner;
	int rc;

	lockdep_assert_held(&kho_lock);
	list_for_each_entry(owner, &owners, list) {
		rc = owner->ops->jump ? owner->ops->jump(owner) : 0;
		trace_kho_owner(owner->name, "jump", rc);
		if (rc) {
			refused(owner, "jump", rc);
			unjump_before(owner);
			return rc;
		}
	}
	return 0;
}

/* Undo kho_owners_jump(). */
void kho_owners_unjump(void)
{
	lockdep_assert_held(&kho_lock);
	unjump_before(past_owners());
}
