// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state machine of a handover, and the owners that take part.
 *
 * Life cycle: idle -> active -> final -> the jump. Each step calls the owners in
 * the order of their registration; if one refuses, those before it are undone in
 * reverse order and the state stays as it was. Each step can be undone.
 *
 *   idle    owners preserve and unpreserve as they like
 *   active  layouts are frozen by their owners; preserving goes on and is included
 *   final   map, blob and header are sealed; preserve and restore give -EBUSY
 *
 * Locks: kho_lock protects the state and the list of owners, and is held over
 * callbacks. The kexec lock is not: a panic that finds it taken starts no crash
 * kernel. It is taken below kho_lock, for a look at the image that takes some
 * instructions, at the begin and at the end of a step; see image.c.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/spinlock.h>

#include "internal.h"
#include "trace.h"

#define ERROR_MAX	256

/* The state and the owners; held over owners' callbacks. */
DEFINE_MUTEX(kho_lock);
static enum kho_state state;
static LIST_HEAD(owners);
/* The kernel leaves: what is final stays so. Set under kho_lock, for good. */
static bool jumping;

static DEFINE_SPINLOCK(error_lock);
static char last_error[ERROR_MAX];

static bool wanted __ro_after_init = true;
static bool started __ro_after_init;

static int __init kho_param(char *arg)
{
	return kstrtobool(arg, &wanted);
}
early_param("kho", kho_param);

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

static void set_state(enum kho_state to)
{
	trace_kho_state(kho_state_name(state), kho_state_name(to));
	pr_debug("%s -> %s\n", kho_state_name(state), kho_state_name(to));
	state = to;
}

/**
 * kho_last_error - who refused last, and why
 *
 * Return: a string that changes only under kho_lock, or while a load fails
 */
const char *kho_last_error(void)
{
	return last_error;
}

static void clear_error(void)
{
	spin_lock(&error_lock);
	last_error[0] = '\0';
	spin_unlock(&error_lock);
}

static void set_error(const char *name, struct va_format *why)
{
	spin_lock(&error_lock);
	snprintf(last_error, sizeof(last_error), "%s%s%pV", name ?: "",
		 name ? ": " : "", why);
	spin_unlock(&error_lock);
	pr_err("%s\n", last_error);
}

/* The core's own reasons. */
void kho_set_err(const char *fmt, ...)
{
	struct va_format why = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	why.va = &args;
	set_error(NULL, &why);
	va_end(args);
}

/**
 * kho_refuse - say why an owner refuses
 * @owner: the owner
 * @fmt: the reason and, if there is one, the remedy
 *
 * To be called in activate() or finalize() before these return an errno.
 */
void kho_refuse(struct kho_owner *owner, const char *fmt, ...)
{
	struct va_format why = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	why.va = &args;
	set_error(owner->name, &why);
	va_end(args);
}
EXPORT_SYMBOL_GPL(kho_refuse);

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
	if (!last_error[0])
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
	if (state != KHO_IDLE)
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
	if (!jumping && state == KHO_FINAL)
		kho_unfinalize();
	if (!jumping && state == KHO_ACTIVE)
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
	clear_error();
	if (state != KHO_IDLE) {
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
	set_state(KHO_ACTIVE);
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
	if (state != KHO_ACTIVE) {
		kho_set_err(state == KHO_FINAL ?
			      "core: undo finalize first" : "core: not active");
		return -EINVAL;
	}
	deactivate_before(past_owners());
	set_state(KHO_IDLE);
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
	clear_error();
	if (state != KHO_ACTIVE) {
		kho_set_err(state == KHO_FINAL ?
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
	set_state(KHO_FINAL);
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
	if (state != KHO_FINAL) {
		kho_set_err("core: not final");
		return -EINVAL;
	}
	kho_out_unseal();
	set_state(KHO_ACTIVE);
	unfinalize_before(past_owners());
	return 0;
}

static int __init kho_init(void)
{
	int rc;

	if (!wanted && !is_kho_boot())
		return 0;
	rc = kho_out_init();
	if (rc)
		goto err;
	rc = kho_in_init();
	if (rc)
		goto err;
	started = true;
	rc = kho_sysfs_init();
	if (!rc)
		return 0;
	started = false;
err:
	pr_err("not started: %d\n", rc);
	return rc;
}
core_initcall(kho_init);
