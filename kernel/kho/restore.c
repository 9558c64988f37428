// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owners' interface to the incoming map: what was preserved becomes memory again.
 *
 * Life cycle: early.c has taken over the map. Owners restore their memory, each unit
 * once: a frame that is restored leaves the map and is an ordinary allocated page. What
 * is not restored is discarded, or stays as it is and is handed on by the next kexec.
 *
 * A preserved frame is allocated as far as the page allocator knows, with one
 * reference, but it is not counted as managed memory until it is restored.
 *
 * Locks: the map's own (map.c). Everything here may sleep.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/io.h>
#include <linux/late_memmap.h>
#include <linux/log2.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pgalloc_tag.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "../../mm/internal.h"
#include "internal.h"
#include "trace.h"

struct kho_map kho_in_map = KHO_MAP_INIT(kho_in_map);

/* Frames that are freed between two looks at the scheduler; a power of two */
#define FREE_BATCH	PFN_DOWN(SZ_1M)

/*
 * The zone of a page may change only where a page block ends. Frames that are
 * not RAM in this kernel have been found out before.
 */
static void account_frames(unsigned long pfn, unsigned long nr)
{
	while (nr) {
		unsigned long count = min(nr, pageblock_end_pfn(pfn) - pfn);

		adjust_managed_page_count(pfn_to_page(pfn), count);
		pfn += count;
		nr -= count;
	}
}

/* Are these frames in the state in which early boot leaves preserved ones? */
bool kho_frames_sane(unsigned long pfn, unsigned long nr)
{
	struct page *page, *end;
	unsigned long count;

	for (; nr; pfn += count, nr -= count) {
		/* Asked once for what is there, or is not, as a whole. */
		count = min(nr, PAGES_PER_SUBSECTION - pfn % PAGES_PER_SUBSECTION);
		page = pfn_to_online_page(pfn);
		if (!page)
			return false;
		for (end = page + count; page < end; page++)
			if (PageReserved(page) || page_ref_count(page) != 1)
				return false;
	}
	return true;
}

static int take_frames(unsigned long pfn, unsigned long nr, unsigned int order)
{
	int rc;

	late_memmap_settle(pfn, nr);
	if (kho_frames_sane(pfn, nr))
		rc = kho_map_take(&kho_in_map, pfn, nr, order);
	else
		rc = kho_map_covers(&kho_in_map, pfn, nr) ? -EINVAL : -ENOENT;
	if (!rc)
		account_frames(pfn, nr);
	trace_kho_restore(pfn, nr, order, rc);
	return rc;
}

/* Frames that were just taken, each with one reference */
static struct folio *make_folio(unsigned long pfn, unsigned int order)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long i;

	for (i = 0; i < 1UL << order; i++) {
		clear_page_tag_ref(page + i);
		if (i)
			set_page_count(page + i, 0);
	}
	if (order)
		prep_compound_page(page, order);
	kho_note_poison(page_folio(page));
	return page_folio(page);
}

/**
 * kho_restore_folio - take a preserved folio back
 * @phys: where it is
 *
 * The folio has the order with which it was preserved and one reference.
 *
 * Context: may sleep.
 * Return: the folio, or NULL when no unit is preserved here or it was restored
 * before, or between finalize and its undoing
 */
struct folio *kho_restore_folio(phys_addr_t phys)
{
	unsigned long nr, pfn = PHYS_PFN(phys);
	unsigned int order;

	nr = PAGE_ALIGNED(phys) ? kho_map_unit(&kho_in_map, pfn) : 0;
	if (!nr || !is_power_of_2(nr))
		return NULL;
	order = ilog2(nr);
	if (take_frames(pfn, nr, order))
		return NULL;

	return make_folio(pfn, order);
}
EXPORT_SYMBOL_GPL(kho_restore_folio);

/**
 * kho_can_restore_folio - is a folio of this order to be taken back here?
 * @phys: where
 * @order: its order
 *
 * For owners that want to do all that may fail before they restore anything, and
 * to know that what an address refers to can be read.
 *
 * Context: may sleep.
 */
bool kho_can_restore_folio(phys_addr_t phys, unsigned int order)
{
	unsigned long pfn = PHYS_PFN(phys), nr = 1UL << order;

	return PAGE_ALIGNED(phys) && IS_ALIGNED(pfn, nr) &&
	       kho_map_unit(&kho_in_map, pfn) == nr &&
	       pfn_to_online_page(pfn) && pfn_to_online_page(pfn + nr - 1);
}
EXPORT_SYMBOL_GPL(kho_can_restore_folio);

/**
 * kho_restore_pages - take preserved pages back
 * @phys: where the first one is
 * @nr_pages: how many
 *
 * Context: may sleep.
 * Return: the first page, each with one reference; or NULL, and nothing was
 * restored, when not all of these pages are preserved as single pages
 */
struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr_pages)
{
	unsigned long i;
	struct page *page;

	if (!PAGE_ALIGNED(phys) || take_frames(PHYS_PFN(phys), nr_pages, 0))
		return NULL;
	page = pfn_to_page(PHYS_PFN(phys));
	for (i = 0; i < nr_pages; i++)
		clear_page_tag_ref(page + i);
	return page;
}
EXPORT_SYMBOL_GPL(kho_restore_pages);

/**
 * kho_restore_pages_as_folio - take preserved pages back as one folio
 * @phys: where it begins, aligned as a folio is
 * @order: its order
 *
 * Context: may sleep.
 * Return: the folio, with one reference; or NULL, and nothing was restored, when not
 * all of these pages are preserved as single pages
 */
struct folio *kho_restore_pages_as_folio(phys_addr_t phys, unsigned int order)
{
	unsigned long pfn = PHYS_PFN(phys), nr = 1UL << order;

	if (!PAGE_ALIGNED(phys) || !IS_ALIGNED(pfn, nr) || take_frames(pfn, nr, 0))
		return NULL;
	return make_folio(pfn, order);
}

/**
 * kho_restore_range - take a preserved range back
 * @phys: begin, page aligned
 * @size: bytes, page aligned
 *
 * Context: may sleep.
 * Return: 0, or -ENOENT and nothing was restored; pages as with
 * kho_restore_pages()
 */
int kho_restore_range(phys_addr_t phys, size_t size)
{
	if (!PAGE_ALIGNED(size) ||
	    !kho_restore_pages(phys, size >> PAGE_SHIFT))
		return -ENOENT;
	return 0;
}
EXPORT_SYMBOL_GPL(kho_restore_range);

/**
 * kho_restore_free - take memory from kho_alloc_preserve() back and free it
 * @mem: where the old kernel had it: phys_to_virt() of its physical address; or NULL
 *
 * Context: may sleep.
 */
void kho_restore_free(void *mem)
{
	struct folio *folio;

	if (!mem)
		return;
	folio = kho_restore_folio(virt_to_phys(mem));
	if (folio)
		folio_put(folio);
}
EXPORT_SYMBOL_GPL(kho_restore_free);

/**
 * kho_discard_range - free preserved memory without restoring it
 * @phys: begin, page aligned, where a unit begins
 * @size: bytes, page aligned; ends where a unit ends
 *
 * Context: may sleep. Nothing may use the memory, DMA included.
 * Return: 0, -EINVAL, -EBUSY between finalize and its undoing, -ENOENT when not
 * all of it is preserved; what lies before the place of the error is freed
 */
int kho_discard_range(phys_addr_t phys, size_t size)
{
	unsigned long pfn = PHYS_PFN(phys);
	unsigned long end = pfn + (size >> PAGE_SHIFT);
	unsigned long nr;
	int rc;

	if (!PAGE_ALIGNED(phys | size) || end < pfn)
		return -EINVAL;
	while (pfn < end) {
		nr = kho_map_unit(&kho_in_map, pfn);
		if (!nr || nr > end - pfn)
			return -ENOENT;
		if (!is_power_of_2(nr))
			return -EINVAL;
		rc = take_frames(pfn, nr, ilog2(nr));
		if (rc)
			return rc;
		for (; nr; nr--, pfn++) {
			clear_page_tag_ref(pfn_to_page(pfn));
			__free_page(pfn_to_page(pfn));
			/* It may be a guest's whole memory. */
			if (IS_ALIGNED(pfn, FREE_BATCH))
				cond_resched();
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(kho_discard_range);

/**
 * kho_is_pending - is all of this memory waiting to be restored?
 * @phys: begin, page aligned
 * @size: bytes, page aligned
 *
 * For owners to check a record that they were handed before they use it. Without a
 * unit boundary at both ends, restoring may fail all the same.
 *
 * Context: may sleep.
 */
bool kho_is_pending(phys_addr_t phys, size_t size)
{
	unsigned long pfn = PHYS_PFN(phys), nr = size >> PAGE_SHIFT;

	return nr && PAGE_ALIGNED(phys | size) && pfn + nr > pfn &&
	       kho_map_covers(&kho_in_map, pfn, nr);
}
EXPORT_SYMBOL_GPL(kho_is_pending);

/* Nothing of the incoming side may change while it is part of what is sealed. */
void kho_in_freeze(void)
{
	down_write(&kho_in_map.sem);
	kho_in_map.sealed = true;
	up_write(&kho_in_map.sem);
}

void kho_in_thaw(void)
{
	down_write(&kho_in_map.sem);
	kho_in_map.sealed = false;
	up_write(&kho_in_map.sem);
	/* The last fragment may have been freed meanwhile. */
	if (!atomic_long_read(&kho_in_map.nr_frames))
		kho_map_trim(&kho_in_map);
}
