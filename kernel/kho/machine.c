// SPDX-License-Identifier: GPL-2.0-only
/*
 * The steps of a handover from state to state (state.c).
 *
 * Each step calls the owners (owners.c); if one refuses, the state stays as it was. Each
 * step can be undone.
 *
 * Locks: kho_lock is held over a step, with owners' callbacks in it. The kexec lock is
 * not: a panic that finds it taken starts no crash kernel. It is taken below kho_lock, for
 * a look at the image that takes some instructions, at the begin and at the end of a step;
 * see image.c.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>

#include "internal.h"

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
	rc = kho_owners_activate();
	if (rc)
		return rc;
	rc = kho_target_look(&target);
	if (rc)
		goto err_deactivate;
	kho_target_put(&target);
	kho_stage_close(stage);
	kho_set_state(KHO_ACTIVE);
	return 0;

err_deactivate:
	kho_owners_deactivate();
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
	kho_owners_deactivate();
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
	rc = kho_owners_finalize();
	if (rc)
		return rc;
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
	kho_owners_unfinalize();
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
	kho_owners_unfinalize();
	return 0;
}
