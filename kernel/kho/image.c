// SPDX-License-Identifier: GPL-2.0-only
/*
 * The next kernel's image: can it receive a handover, and does what was loaded
 * still fit what is preserved?
 *
 * Life cycle: kho_image_probe() looks at an image while it is being loaded and
 * leaves a struct kho_image at the kimage; kho_image_free() drops it with the
 * kimage. What was tolerable at load (nothing was preserved then) is checked
 * again by kho_image_check() at activate, finalize and before the jump. Crash
 * images and images from kexec_load() have no struct kho_image.
 *
 * Locks: the kexec lock, which every caller holds.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/kexec.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/kho.h>

#include "../kexec_internal.h"
#include "image.h"
#include "internal.h"

/**
 * kho_have_state - is there anything that a jump could lose?
 */
bool kho_have_state(void)
{
	return !kho_out_empty() || !kho_in_empty();
}

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
bool kho_image_reads(const struct kimage *image, const char *compatible)
{
	return kho_reads(image->kho->versions, image->kho->versions_size,
			 compatible, NULL);
}

static int check_properties(struct kimage *image)
{
	if (!kho_image_receives(image) ||
	    !kho_image_reads(image, KHO_BLOB_COMPATIBLE)) {
		kho_set_err("image: the loaded kernel cannot receive a handover; load one that can, with kexec -s");
		return -ENOEXEC;
	}
	return kho_cmdline_check(image) ?: kho_out_check_versions(image);
}

/**
 * kho_frames_unused - is nothing preserved in an extent?
 * @pfn: first frame
 * @end: end, exclusive
 *
 * Context: may sleep.
 */
bool kho_frames_unused(unsigned long pfn, unsigned long end)
{
	bool unused;

	/* No node may go away while the maps are looked at. */
	down_write(&kho_out_map.sem);
	down_write_nested(&kho_in_map.sem, SINGLE_DEPTH_NESTING);
	unused = kho_map_next_used(&kho_out_map, pfn, end) == end &&
		 kho_map_next_used(&kho_in_map, pfn, end) == end;
	up_write(&kho_in_map.sem);
	up_write(&kho_out_map.sem);
	return unused;
}

static int check_placement(const struct kimage *image)
{
	unsigned long i, pfn, end;

	for (i = 0; i < image->nr_segments; i++) {
		pfn = PHYS_PFN(image->segment[i].mem);
		end = PFN_UP(image->segment[i].mem + image->segment[i].memsz);
		if (kho_frames_unused(pfn, end))
			continue;
		kho_set_err("image: memory has been preserved where the image would go; load the image again");
		return -EAGAIN;
	}
	return 0;
}

/**
 * kho_image_check - can a loaded image take what is handed over?
 * @image: the image
 *
 * Context: kexec lock and kho_lock held, may sleep.
 * Return: 0, or an errno with last_error set
 */
int kho_image_check(struct kimage *image)
{
	int rc;

	if (!kho_have_state())
		return 0;
	rc = check_properties(image);
	return rc ?: check_placement(image);
}

/**
 * kho_image_must - the landing zone, which the next kernel has to know as holes
 * @must: the result, in frames
 * @max: room in @must
 *
 * Return: number of extents
 */
unsigned int kho_image_must(struct kho_range *must, unsigned int max)
{
	unsigned int nr = 0;
	unsigned long i;

	for (i = 0; kexec_image && i < kexec_image->nr_segments && nr < max; i++) {
		const struct kexec_segment *segment = &kexec_image->segment[i];

		must[nr].start = PHYS_PFN(segment->mem);
		must[nr++].end = PFN_UP(segment->mem + segment->memsz);
	}
	return nr;
}

/**
 * kho_image_zone_show - list the landing zone
 * @buf: a page
 *
 * Context: kexec lock held.
 * Return: bytes written
 */
ssize_t kho_image_zone_show(char *buf)
{
	ssize_t len = 0;
	unsigned long i;

	for (i = 0; kexec_image && i < kexec_image->nr_segments; i++)
		len += sysfs_emit_at(buf, len, "%#lx-%#lx\n",
				     kexec_image->segment[i].mem,
				     kexec_image->segment[i].mem +
				     kexec_image->segment[i].memsz);
	return len;
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
 * Return: 0, -ENOMEM, or the errno of kho_image_check() when there is state that
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

	kho = kzalloc(sizeof(*kho), GFP_KERNEL);
	if (!kho)
		return -ENOMEM;
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
	return kho_have_state() ? check_properties(image) : 0;
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
	image->kho = NULL;
	kho_zone_free(kho);
	kfree(kho->cmdline);
	kfree(kho->versions);
	kfree(kho);
}

/**
 * kho_kexec_prepare - the last point before a jump at which it can be refused
 * @image: the image
 *
 * Activates and finalizes if nobody did. On error everything is as it was.
 *
 * Context: kexec lock held, may sleep.
 * Return: 0 or the errno for the caller of reboot(2)
 */
int kho_kexec_prepare(struct kimage *image)
{
	bool activated = false, finalized = false;
	u64 begin = kho_stage_begin();
	unsigned long i;
	int rc = 0;

	if (!kho_is_enabled())
		return 0;
	mutex_lock(&kho_lock);

	/* A kernel that cannot receive may be started when nothing is lost. */
	if (!kho_image_receives(image) && !kho_have_state())
		goto out_unlock;

	if (kho_get_state() == KHO_IDLE) {
		rc = kho_activate(image);
		if (rc)
			goto err_undo;
		activated = true;
	}
	if (kho_get_state() == KHO_ACTIVE) {
		rc = kho_finalize(image);
		if (rc)
			goto err_undo;
		finalized = true;
	}

	/* An image that was loaded since finalize has another landing zone. */
	rc = kho_image_check(image);
	if (rc)
		goto err_undo;
	for (i = 0; i < image->nr_segments; i++) {
		u64 start = image->segment[i].mem;

		if (kho_out_hole_covers(start, start + image->segment[i].memsz))
			continue;
		rc = kho_out_reseal_header();
		if (rc)
			goto err_undo;
		break;
	}
	kho_stages_jump(begin);
	pr_info("handing over to the next kernel\n");
	goto out_unlock;

err_undo:
	if (finalized)
		kho_unfinalize();
	if (activated)
		kho_deactivate();
	pr_err("kexec refused (%d): %s\n", rc, kho_last_error());
out_unlock:
	mutex_unlock(&kho_lock);
	return rc;
}
