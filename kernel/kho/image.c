// SPDX-License-Identifier: GPL-2.0-only
/*
 * The next kernel's image: can it receive a handover, and does what was loaded
 * still fit what is preserved?
 *
 * Life cycle: kho_image_probe() looks at an image while it is being loaded and
 * leaves a struct kho_image at the kimage; kho_image_free() drops it with the
 * kimage. What was tolerable at load (nothing was preserved then) is checked
 * again by kho_target_check() at activate, finalize and before the jump. Crash
 * images and images from kexec_load() have no struct kho_image.
 *
 * Locks: the kexec lock, which whoever loads or unloads holds. A panic that finds it
 * taken starts no crash kernel, so a step of a handover does not hold it: it takes
 * what it has to know of the image as a struct kho_target, which is a matter of some
 * instructions, and works with that. Meanwhile another image may be loaded; so every
 * step takes another look at its end, and kho_kexec_prepare() goes on until it has
 * the kexec lock and the image that it has looked at. The lock has no queue, and it
 * is never waited for but here, in sleep and for a limited time.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/delay.h>
#include <linux/kexec.h>
#include <linux/late_memmap.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/kho.h>

#include "../kexec_internal.h"
#include "image.h"
#include "internal.h"

/**
 * kho_image_receives - does an image know the handover record?
 * @image: the image, may be a crash image or from kexec_load()
 */
bool kho_image_receives(const struct kimage *image)
{
	return image->kho && image->kho->receives;
}

/**
 * kho_image_header - address of the header page for the setup_data record
 * @image: the image
 *
 * Return: the address, 0 when the image gets no record
 */
phys_addr_t kho_image_header(const struct kimage *image)
{
	return kho_image_receives(image) ? kho_header_pa() : 0;
}

/* Can an image restore a version of a subtree? */
bool kho_image_reads(const struct kho_image *kho, const char *compatible)
{
	return kho_reads(kho->versions, kho->versions_size, compatible, NULL);
}

/**
 * kho_image_kernel - what is known of the kernel that an image enters itself
 * @image: the image
 *
 * Return: it, with a size of 0 as long as the decompressor is entered; NULL when the image
 * receives nothing
 */
struct kho_kernel *kho_image_kernel(const struct kimage *image)
{
	return kho_image_receives(image) ? &image->kho->kernel : NULL;
}

/**
 * kho_image_lists - is a version in the list of an image that is being loaded?
 * @image: the image
 * @version: the version
 */
bool kho_image_lists(const struct kimage *image, const char *version)
{
	return kho_image_receives(image) && kho_image_reads(image->kho, version);
}

/**
 * kho_image_damaged - an image that is being loaded cannot be what it was made as
 * @what: what is wrong with it
 *
 * Return: -EBADMSG, with last_error set
 */
int kho_image_damaged(const char *what)
{
	kho_set_err("image: %s; it is damaged", what);
	return -EBADMSG;
}

static int check_properties(const struct kho_image *kho)
{
	if (!kho || !kho->receives ||
	    !kho_image_reads(kho, KHO_BLOB_COMPATIBLE)) {
		kho_set_err("image: the loaded kernel cannot receive a handover; load one that can, with kexec -s");
		return -ENOEXEC;
	}
	return kho_cmdline_check(kho) ?: kho_needs_check(kho);
}

static void put_image(struct kho_image *kho)
{
	if (!kho || !refcount_dec_and_test(&kho->refs))
		return;
	kfree(kho->cmdline);
	kfree(kho->versions);
	kfree(kho);
}

/*
 * Tries of kho_target_get() and kho_target_lock(), and the time between two, in
 * microseconds: a second in all. Whoever only looks is gone by then, and most loads
 * are.
 */
#define LOCK_TRIES	1000
#define LOCK_PAUSE	1000

/* The kexec lock, for a moment: with it comes that the caller is not preempted. */
static int lock_for_a_look(void)
{
	unsigned int try;

	for (try = 0; try < LOCK_TRIES; try++) {
		preempt_disable();
		if (kexec_trylock())
			return 0;
		preempt_enable();
		fsleep(LOCK_PAUSE);
	}
	return -EBUSY;
}

static void unlock_after_look(void)
{
	kexec_unlock();
	preempt_enable();
}

/* The kexec lock cannot be had. */
int kho_image_busy(void)
{
	kho_set_err("image: one is being loaded or unloaded; try again");
	return -EBUSY;
}

/**
 * kho_target_get - look at the image that is loaded
 * @target: the result; empty when there is none
 *
 * Context: may sleep, not under the kexec lock.
 * Return: 0, and kho_target_put() is to be called; -EBUSY when the kexec lock cannot
 * be had
 */
int kho_target_get(struct kho_target *target)
{
	unsigned long i;

	memset(target, 0, sizeof(*target));
	if (lock_for_a_look())
		return -EBUSY;
	target->image = kexec_image;
	if (kexec_image) {
		target->kho = kexec_image->kho;
		if (target->kho)
			refcount_inc(&target->kho->refs);
		for (i = 0; i < kexec_image->nr_segments; i++) {
			const struct kexec_segment *from = &kexec_image->segment[i];
			struct kho_range *to = &target->segment[i];

			to->start = PHYS_PFN(from->mem);
			to->end = PFN_UP(from->mem + from->memsz);
		}
		target->nr_segments = kexec_image->nr_segments;
	}
	unlock_after_look();
	return 0;
}

/**
 * kho_target_put - undo kho_target_get()
 * @target: may have been put before
 */
void kho_target_put(struct kho_target *target)
{
	put_image(target->kho);
	target->kho = NULL;
}

/* Is this what is loaded? The kexec lock is held. */
static bool is_loaded(const struct kho_target *target)
{
	/* A reference makes one that is known to the core unlike all later ones. */
	return kexec_image && kexec_image == target->image &&
	       kexec_image->kho == target->kho &&
	       !kexec_image->preserve_context;
}

/**
 * kho_target_lock - take the kexec lock to keep it
 * @target: the image that was looked at
 *
 * Context: may sleep.
 * Return: 0; 1 when another image is loaded than the one that was looked at, or none;
 * -EBUSY when the lock cannot be had, or the image that is loaded comes back: last_error
 * is set
 */
int kho_target_lock(const struct kho_target *target)
{
	bool comes_back;

	if (lock_for_a_look())
		return kho_image_busy();
	if (is_loaded(target)) {
		preempt_enable();
		return 0;
	}
	comes_back = kexec_image && kexec_image->preserve_context;
	unlock_after_look();
	if (!comes_back)
		return 1;
	kho_set_err("image: one that comes back was loaded meanwhile");
	return -EBUSY;
}

static int check_placement(const struct kho_target *target)
{
	unsigned int i;

	for (i = 0; i < target->nr_segments; i++) {
		unsigned long pfn = target->segment[i].start;
		unsigned long end = target->segment[i].end;

		if (kho_frames_unused(pfn, end))
			continue;
		kho_set_err("image: memory has been preserved where the image would go; load the image again");
		return -EAGAIN;
	}
	return 0;
}

/**
 * kho_target_check - can a loaded image take what is handed over?
 * @target: the image; without one there is nothing to say
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, or an errno with last_error set
 */
int kho_target_check(const struct kho_target *target)
{
	int rc;

	lockdep_assert_held(&kho_lock);
	if (!target->image || !kho_have_state())
		return 0;
	rc = check_properties(target->kho);
	return rc ?: check_placement(target);
}

/**
 * kho_target_look - get the loaded image, and check it
 * @target: as of kho_target_get(), with 0 only
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, -EBUSY when the kexec lock cannot be had, or as kho_target_check();
 * last_error is set
 */
int kho_target_look(struct kho_target *target)
{
	int rc;

	lockdep_assert_held(&kho_lock);
	if (kho_target_get(target))
		return kho_image_busy();
	rc = kho_target_check(target);
	if (rc)
		kho_target_put(target);
	return rc;
}

/**
 * kho_kexec_load_check - may kexec_load() install an image?
 * @flags: of the system call
 *
 * Such an image gets its boot parameters from user space and cannot receive.
 *
 * Return: 0 or -EOPNOTSUPP
 */
int kho_kexec_load_check(unsigned long flags)
{
	if (flags & KEXEC_ON_CRASH || !kho_have_state())
		return 0;
	kho_set_err("image: kexec_load cannot hand over what is preserved; use kexec -s");
	return -EOPNOTSUPP;
}

/**
 * kho_image_probe - look at an image that is being loaded
 * @image: the image
 * @kernel: a bzImage
 * @kernel_len: its bytes
 * @cmdline: the command line it will get, or NULL
 *
 * Return: 0, -ENOMEM, or the errno of kho_target_check() when there is state that
 * this image would lose
 */
int kho_image_probe(struct kimage *image, const char *kernel,
		    unsigned long kernel_len, const char *cmdline)
{
	const char *versions;
	struct kho_image *kho;
	size_t size;
	int rc;

	if (!kho_is_enabled() || image->type == KEXEC_TYPE_CRASH)
		return 0;

	late_memmap_finish();
	kho = kzalloc(sizeof(*kho), GFP_KERNEL);
	if (!kho)
		return -ENOMEM;
	refcount_set(&kho->refs, 1);
	INIT_LIST_HEAD(&kho->blocks);
	image->kho = kho;

	if (!kho_arch_image_versions(kernel, kernel_len, &versions, &size)) {
		kho->versions = kmemdup(versions, size, GFP_KERNEL);
		if (!kho->versions)
			return -ENOMEM;
		kho->versions_size = size;
		kho->receives = kho_header_pa();
	}
	rc = kho_cmdline_probe(image, kho, cmdline);
	if (rc)
		return rc;
	return kho_have_state() ? check_properties(kho) : 0;
}

/**
 * kho_image_loaded - drop what is of no use once the segments of an image are filled
 * @image: the image, may have been freed by kho_image_free()
 */
void kho_image_loaded(struct kimage *image)
{
	if (!image->kho)
		return;
	vfree(image->kho->kernel.buf);
	image->kho->kernel.buf = NULL;
}

/**
 * kho_image_free - drop what belongs to an image
 * @image: the image, on its way out
 */
void kho_image_free(struct kimage *image)
{
	struct kho_image *kho = image->kho;

	if (!kho)
		return;
	kho_image_loaded(image);
	image->kho = NULL;
	kho_zone_free(kho);
	put_image(kho);
}
