// SPDX-License-Identifier: GPL-2.0-only
/*
 * The jump: what is left of a handover when kexec is about to start the image.
 *
 * Locks: comes with the kexec lock, gives it up to take kho_lock, and has both when the
 * jump can be refused no more; see image.c.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/kexec.h>
#include <linux/mm.h>

#include "../kexec_internal.h"
#include "image.h"
#include "internal.h"

/* What kho_kexec_prepare() did, and has to undo when the jump is refused */
struct steps {
	bool activated;
	bool finalized;
	bool hands_over;
};

/* Make the handover ready for an image, as far as it is not. */
static int prepare(const struct kho_target *target, struct steps *done)
{
	unsigned int i;
	int rc;

	if (!target->image) {
		kho_set_err("image: none is loaded any more");
		return -EINVAL;
	}
	/* A kernel that cannot receive may be started when nothing is lost. */
	done->hands_over = (target->kho && target->kho->receives) ||
			   kho_have_state();
	if (!done->hands_over)
		return 0;

	if (kho_get_state() == KHO_IDLE) {
		rc = kho_activate();
		if (rc)
			return rc;
		done->activated = true;
	}
	if (kho_get_state() == KHO_ACTIVE) {
		rc = kho_finalize();
		if (rc)
			return rc;
		done->finalized = true;
	}

	/* An image that was loaded since finalize has another landing zone. */
	rc = kho_target_check(target);
	if (rc)
		return rc;
	for (i = 0; i < target->nr_segments; i++)
		if (!kho_out_hole_covers(PFN_PHYS(target->segment[i].start),
					 PFN_PHYS(target->segment[i].end)))
			return kho_out_reseal_header(target);
	return 0;
}

/*
 * Nobody can make the rest of the way wait, and the image is still the one that was
 * checked. Return: 0 with the kexec lock held, or as kho_target_lock(), or an errno
 */
static int leave(const struct kho_target *target, const struct steps *done)
{
	int rc = 0;

	if (done->hands_over) {
		kho_clear_err();
		rc = kho_owners_jump();
	}
	if (rc)
		return rc;
	rc = kho_target_lock(target);
	if (rc && done->hands_over)
		kho_owners_unjump();
	return rc;
}

/**
 * kho_kexec_prepare - the last point before a jump at which it can be refused
 *
 * Activates and finalizes if nobody did. On error everything is as it was.
 *
 * Owners' callbacks take long, and a panic has to find the kexec lock free then. So
 * the lock is given up meanwhile, and the image that it is taken with again need not
 * be the one that was there: it is checked anew. Of two callers one waits for the
 * other to be refused, or to jump.
 *
 * Context: kexec lock held, may sleep. The lock is held on success, and is not when
 * an errno is returned.
 * Return: 0 or the errno for the caller of reboot(2)
 */
int kho_kexec_prepare(void)
{
	u64 begin = kho_stage_begin();
	struct kho_target target;
	struct steps done = { };
	int rc;

	if (!kho_is_enabled())
		return 0;
	kexec_unlock();
	mutex_lock(&kho_lock);
	if (kho_is_jumping()) {
		mutex_unlock(&kho_lock);
		return -EBUSY;
	}

	do {
		if (kho_target_get(&target)) {
			rc = kho_image_busy();
			break;
		}
		rc = prepare(&target, &done) ?: leave(&target, &done);
		kho_target_put(&target);
	} while (rc > 0);

	if (rc) {
		if (done.finalized)
			kho_unfinalize();
		if (done.activated)
			kho_deactivate();
		pr_err("kexec refused (%d): %s\n", rc, kho_last_error());
	} else {
		kho_set_jumping();
		if (done.hands_over) {
			kho_kernel_scatter(kexec_image);
			kho_stages_jump(begin);
			pr_info("handing over to the next kernel\n");
		}
	}
	mutex_unlock(&kho_lock);
	return rc;
}
