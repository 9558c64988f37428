// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad frames: what the hardware found an error in stays out of use in the next kernel,
 * and what had its contents there stays an error to touch.
 *
 * Life cycle, old kernel: activate looks at all pages if any is bad; finalize looks
 * once more if their number has changed, preserves those that nobody else has, and
 * adds the list as a subtree, an optional one. This owner is registered last, so that
 * whatever others preserve in finalize has been preserved.
 *
 * Next kernel: before anybody restores anything, the frames on the list are marked
 * as memory_failure() does it. One that was of no use is taken back, and held for
 * ever. One in the memory of somebody else is an error to touch once that memory was
 * restored, and is not used again when it is freed.
 *
 * Locks: kho_lock, which is held over the callbacks.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho/abi/hwpoison.h>
#include <linux/libfdt.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

static u64 *frames;
static size_t nr_frames;
/* How many bad pages there were when the list was made. */
static long nr_known;
static void *fdt;

static bool is_bad(struct page *page)
{
	const struct folio *folio = page_folio(page);

	/* The first page stands for all, and there is a list of which it is. */
	if (folio_test_hugetlb(folio))
		return folio_test_hwpoison(folio) &&
		       is_raw_hwpoison_page_in_hugepage(page);
	return PageHWPoison(page);
}

/* Look at all pages; up to @max of the bad ones are put into @list. */
static size_t find_bad(u64 *list, size_t max)
{
	unsigned long pfn, end;
	struct kho_range *ram;
	struct page *page;
	unsigned int i, nr_ram;
	size_t nr = 0;

	if (kho_ram_ranges(&ram, &nr_ram))
		return 0;
	for (i = 0; i < nr_ram; i++) {
		end = ram[i].end;
		for (pfn = ram[i].start; pfn < end; pfn++) {
			if (IS_ALIGNED(pfn, PAGES_PER_SECTION))
				cond_resched();
			page = pfn_to_online_page(pfn);
			if (!page || !is_bad(page))
				continue;
			if (nr < max)
				list[nr] = pfn;
			nr++;
		}
	}
	return nr;
}

static void forget_list(void)
{
	kvfree(frames);
	frames = NULL;
	nr_frames = 0;
	nr_known = 0;
}

static int make_list(void)
{
	long known = atomic_long_read(&num_poisoned_pages);
	size_t nr;

	lockdep_assert_held(&kho_lock);
	forget_list();
	if (known <= 0)
		return 0;
	/* More may go bad meanwhile: finalize will see that. */
	nr = find_bad(NULL, 0);
	if (nr) {
		frames = kvcalloc(nr, sizeof(*frames), GFP_KERNEL);
		if (!frames)
			return -ENOMEM;
		nr_frames = min(find_bad(frames, nr), nr);
	}
	nr_known = known;
	return 0;
}

static int hwpoison_activate(struct kho_owner *owner)
{
	return make_list();
}

static void hwpoison_deactivate(struct kho_owner *owner)
{
	forget_list();
}

static void unpreserve_unused(void)
{
	size_t i;

	for (i = 0; i < nr_frames; i++) {
		if (!(frames[i] & HWPOISON_UNUSED))
			continue;
		frames[i] &= HWPOISON_PFN_MASK;
		kho_unpreserve_pages(pfn_to_page(frames[i]), 1);
	}
}

static int preserve_unused(void)
{
	size_t i;
	int rc;

	for (i = 0; i < nr_frames; i++) {
		if (kho_is_kept(PFN_PHYS(frames[i]), PAGE_SIZE))
			continue;
		rc = kho_preserve_pages(pfn_to_page(frames[i]), 1);
		/* (what the kernel took at boot, and would have died of) */
		if (rc == -EINVAL)
			continue;
		if (rc) {
			unpreserve_unused();
			return rc;
		}
		frames[i] |= HWPOISON_UNUSED;
	}
	return 0;
}

static int write_fdt(size_t size)
{
	int rc;

	rc = fdt_create(fdt, size);
	rc = rc ?: fdt_finish_reservemap(fdt);
	rc = rc ?: fdt_begin_node(fdt, "");
	rc = rc ?: fdt_property_string(fdt, KHO_PROP_COMPATIBLE,
				       HWPOISON_COMPATIBLE);
	rc = rc ?: fdt_property(fdt, HWPOISON_PROP_FRAMES, frames,
				nr_frames * sizeof(*frames));
	rc = rc ?: fdt_end_node(fdt);
	rc = rc ?: fdt_finish(fdt);
	return rc ? -ENOSPC : 0;
}

static int hwpoison_finalize(struct kho_owner *owner)
{
	size_t size;
	int rc = 0;

	if (atomic_long_read(&num_poisoned_pages) != nr_known)
		rc = make_list();
	if (rc || !nr_frames)
		return rc;
	rc = preserve_unused();
	if (rc)
		return rc;
	size = PAGE_ALIGN(SZ_1K + nr_frames * sizeof(*frames));
	fdt = kho_alloc_preserve(size);
	if (IS_ERR(fdt)) {
		rc = PTR_ERR(fdt);
		goto err_unpreserve;
	}
	rc = write_fdt(size);
	rc = rc ?: kho_add_optional_subtree(HWPOISON_NAME, fdt, size);
	if (rc)
		goto err_free;
	pr_info("%zu bad frames are handed over\n", nr_frames);
	return 0;

err_free:
	kho_unpreserve_free(fdt);
err_unpreserve:
	fdt = NULL;
	unpreserve_unused();
	kho_refuse(owner, "the list of bad frames cannot be made: %d", rc);
	return rc;
}

static void hwpoison_unfinalize(struct kho_owner *owner)
{
	if (!fdt)
		return;
	kho_remove_subtree(fdt);
	kho_unpreserve_free(fdt);
	fdt = NULL;
	unpreserve_unused();
}

static const struct kho_owner_ops hwpoison_ops = {
	.activate = hwpoison_activate,
	.deactivate = hwpoison_deactivate,
	.finalize = hwpoison_finalize,
	.unfinalize = hwpoison_unfinalize,
};

static struct kho_owner hwpoison_owner = {
	.name = HWPOISON_NAME,
	.ops = &hwpoison_ops,
};

static int __init hwpoison_register(void)
{
	return kho_is_enabled() ? kho_register_owner(&hwpoison_owner) : 0;
}

/* After all others but modules. */
late_initcall_sync(hwpoison_register);

/*
 * The next kernel
 */

/* An entry of the list that can be believed */
static bool __init entry_ok(u64 entry, u64 min)
{
	u64 pfn = entry & HWPOISON_PFN_MASK;

	return !(entry & ~(HWPOISON_PFN_MASK | HWPOISON_UNUSED)) &&
	       pfn >= min && pfn < 1ULL << KHO_MAP_PFN_BITS &&
	       kho_is_pending(PFN_PHYS(pfn), PAGE_SIZE) &&
	       pfn_to_online_page(pfn);
}

static bool __init list_ok(const u64 *list, size_t nr)
{
	u64 min = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!entry_ok(list[i], min))
			return false;
		min = (list[i] & HWPOISON_PFN_MASK) + 1;
	}
	return nr;
}

static void __init mark(u64 entry)
{
	unsigned long pfn = entry & HWPOISON_PFN_MASK;
	struct page *page = pfn_to_page(pfn);

	if (entry & HWPOISON_UNUSED &&
	    !kho_restore_pages(PFN_PHYS(pfn), 1)) {
		pr_warn("bad frame %#lx is not as recorded: it stays preserved\n",
			pfn);
		return;
	}
	SetPageHWPoison(page);
	num_poisoned_pages_inc(pfn);
}

static int __init hwpoison_init(void)
{
	phys_addr_t pa;
	const u64 *list;
	size_t i, nr;
	void *tree;
	int len;

	if (kho_retrieve_subtree(HWPOISON_NAME, &pa, NULL))
		return 0;
	tree = phys_to_virt(pa);
	list = fdt_getprop(tree, 0, HWPOISON_PROP_FRAMES, &len);
	nr = list && len > 0 ? len / sizeof(*list) : 0;
	if (!list_ok(list, nr) || nr * sizeof(*list) != len) {
		kho_reject_subtree(HWPOISON_NAME, "list of bad frames damaged");
		return 0;
	}
	for (i = 0; i < nr; i++)
		mark(list[i]);
	pr_info("%zu bad frames stay out of use\n", nr);
	kho_restore_free(tree);
	kho_finish_subtree(HWPOISON_NAME);
	return 0;
}
postcore_initcall(hwpoison_init);
