// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps of a handover from state to state (state.c), and the owners that take part.
 *
 * Each step calls the owners in the order of their registration; if one refuses, those
 * before it are undone in reverse order and the state stays as it was. Each step can be
 * undone.
 *
 * Locks: kho_lock protects the list of owners, and is held over callbacks. The kexec
 * lock is not: a panic that finds it taken starts no crash kernel. It is taken below
 * kho_lock, for a look at the image that takes some instructions, at the begin and at the
 * end of a step; see image.c.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/mm.h>

#include "internal.h"
#include "trace.h"

static LIST_HEAD(owners);

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

/**
 * kho_unregister_owner - undo kho_register_owner()
 * @owner: the owner; a handover that is being prepared is undone first
 *
 * What it preserved and added stays; that is its own to undo. A step that is under
 * way comes to its end before. Once a jump cannot be refused any more nothing is
 * undone.
 *
 * Context: may sleep; not from an owner's callback, nor with a lock that is taken
 * in one.
 */
void kho_unregister_owner(struct kho_owner *owner)
{
	mutex_lock(&kho_lock);
	if (!kho_is_jumping() && kho_get_state() == KHO_FINAL)
		kho_unfinalize();
	if (!kho_is_jumping() && kho_get_state() == KHO_ACTIVE)
		kho_deactivate();
	list_del(&owner->list);
	mutex_unlock(&kho_lock);
}
EXPORT_SYMBOL_GPL(kho_unregister_owner);

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

/* The position after the last owner. */
static struct kho_owner *past_owners(void)
{
	return list_entry(&owners, struct kho_owner, list);
}

/**
 * kho_activate - start of preparation
 *
 * An image that is loaded is asked before the owners are, and after: it may be
 * another one then.
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, -EINVAL when not idle, -EBUSY while an image is being loaded, or the
 * errno of who refused
 */
int kho_activate(void)
{
	struct kho_stage_ser *stage;
	struct kho_target target;
	struct kho_owner *owner;
	int rc;

	lockdep_assert_held(&kho_lock);
	kho_clear_err();
	if (kho_get_state() != KHO_IDLE) {
		kho_set_err("core: already active");
		return -EINVAL;
	}
	rc = kho_target_look(&target);
	if (rc)
		return rc;
	kho_target_put(&target);

	kho_stages_restart(true);
	stage = kho_stage_open("activate", "");
	list_for_each_entry(owner, &owners, list) {
		rc = call_owner(owner, "activate", owner->ops->activate);
		if (rc) {
			refused(owner, "activate", rc);
			goto err_deactivate;
		}
	}
	rc = kho_target_look(&target);
	if (rc)
		goto err_deactivate;
	kho_target_put(&target);
	kho_stage_close(stage);
	kho_set_state(KHO_ACTIVE);
	return 0;

err_deactivate:
	deactivate_before(owner);
	return rc;
}

/**
 * kho_deactivate - undo kho_activate()
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, -EINVAL when not active
 */
int kho_deactivate(void)
{
	lockdep_assert_held(&kho_lock);
	if (kho_get_state() != KHO_ACTIVE) {
		kho_set_err(kho_get_state() == KHO_FINAL ?
			      "core: undo finalize first" : "core: not active");
		return -EINVAL;
	}
	deactivate_before(past_owners());
	kho_set_state(KHO_IDLE);
	return 0;
}

/**
 * kho_finalize - end of preparation
 *
 * The image that is loaded when the owners are done is asked, and gets its landing
 * zone. If it is exchanged afterwards, kho_kexec_prepare() does this again.
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, -EINVAL when not active, -EBUSY while an image is being loaded,
 * -ENOSPC when the next kernel would have too little memory to start in, -ENOMEM,
 * or the errno of who refused
 */
int kho_finalize(void)
{
	struct kho_stage_ser *stage;
	struct kho_target target;
	struct kho_owner *owner;
	int rc;

	lockdep_assert_held(&kho_lock);
	kho_clear_err();
	if (kho_get_state() != KHO_ACTIVE) {
		kho_set_err(kho_get_state() == KHO_FINAL ?
			      "core: already final" : "core: activate first");
		return -EINVAL;
	}

	kho_stages_restart(false);
	stage = kho_stage_open("finalize", "");
	list_for_each_entry(owner, &owners, list) {
		rc = call_owner(owner, "finalize", owner->ops->finalize);
		if (rc) {
			refused(owner, "finalize", rc);
			goto err_unfinalize;
		}
	}
	rc = kho_target_look(&target);
	if (rc)
		goto err_unfinalize;
	rc = kho_out_seal(&target);
	kho_target_put(&target);
	if (rc)
		goto err_unfinalize;
	kho_stage_close(stage);
	kho_set_state(KHO_FINAL);
	return 0;

err_unfinalize:
	unfinalize_before(owner);
	return rc;
}

/**
 * kho_unfinalize - undo kho_finalize()
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, -EINVAL when not final
 */
int kho_unfinalize(void)
{
	lockdep_assert_held(&kho_lock);
	if (kho_get_state() != KHO_FINAL) {
		kho_set_err("core: not final");
		return -EINVAL;
	}
	kho_out_unseal();
	kho_set_state(KHO_ACTIVE);
	unfinalize_before(past_owners());
	return 0;
}

static int __init kho_init(void)
{
	int rc;

	if (!kho_is_wanted() && !is_kho_boot())
		return 0;
	rc = kho_ram_init();
	if (rc)
		goto err;
	rc = kho_in_init();
	if (rc)
		goto err;
	kho_set_enabled(true);
	rc = kho_sysfs_init();
	if (!rc)
		return 0;
	kho_set_enabled(false);
err:
	pr_err("not started: %d\n", rc);
	return rc;
}
core_initcall(kho_init);
