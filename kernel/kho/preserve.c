// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owners' interface to the outgoing map: preserve and unpreserve.
 *
 * Life cycle: memory is preserved at any time before finalize, and stays
 * preserved over any number of attempts to hand over, until it is unpreserved or
 * the next kernel runs. The owner keeps the memory allocated and in its place
 * all that time; the map takes no references.
 *
 * Refused are frames that the next kernel could not leave alone: the first MiB,
 * memory that the kernel took at boot (PageReserved), and RAM that is not in the
 * memory map which the next kernel gets (hot-added, see ram.c). alloc.c allocates
 * elsewhere, and place.c moves what files have there.
 *
 * Locks: the map's own (map.c). Everything here may sleep.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/mm.h>

#include "internal.h"
#include "trace.h"

struct kho_map kho_out_map = KHO_MAP_INIT(kho_out_map);

/* How many frames cross with what is preserved or pending now. */
u64 kho_preserved_frames(void)
{
	u64 frames = atomic_long_read(&kho_out_map.nr_frames);

	/* A sealed map has taken in what is handed on. */
	if (kho_get_state() != KHO_FINAL)
		frames += atomic_long_read(&kho_in_map.nr_frames);
	return frames;
}

static int preserve(unsigned long pfn, unsigned long nr, unsigned int order)
{
	unsigned long i;
	int rc;

	if (!kho_is_enabled())
		return -EOPNOTSUPP;
	rc = kho_frames_ok(pfn, nr) ? 0 : -EINVAL;
	if (rc)
		pr_warn_ratelimited("memory at %#llx cannot be handed over: the next kernel is not told of it; memory that was added after boot cannot cross\n",
				    (u64)PFN_PHYS(pfn));
	/* Of a folio, looking at the first page will do. */
	for (i = 0; !rc && i < nr; i += 1UL << order)
		if (PageReserved(pfn_to_page(pfn + i)))
			rc = -EINVAL;
	if (!rc)
		rc = kho_map_add(&kho_out_map, pfn, nr, order);
	trace_kho_preserve(pfn, nr, order, rc);
	return rc;
}

static bool unpreserve(unsigned long pfn, unsigned long nr)
{
	int rc = kho_map_del(&kho_out_map, pfn, nr);

	trace_kho_unpreserve(pfn, nr, 0, rc);
	WARN_ONCE(rc, "kho: %lu frames at %#lx cannot be taken back: %d\n",
		  nr, pfn, rc);
	return !rc;
}

/**
 * kho_preserve_folio - preserve a folio
 * @folio: of any order; must stay allocated and must not migrate
 *
 * Context: may sleep.
 * Return: 0, -EBUSY after finalize, -EEXIST when it is preserved already,
 * -EINVAL for memory that cannot be handed over, -ENOMEM, -EOPNOTSUPP
 */
int kho_preserve_folio(struct folio *folio)
{
	return preserve(folio_pfn(folio), folio_nr_pages(folio),
			folio_order(folio));
}
EXPORT_SYMBOL_GPL(kho_preserve_folio);

/**
 * kho_unpreserve_folio - undo kho_preserve_folio()
 * @folio: the folio
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_unpreserve_folio(struct folio *folio)
{
	unpreserve(folio_pfn(folio), folio_nr_pages(folio));
}
EXPORT_SYMBOL_GPL(kho_unpreserve_folio);

/**
 * kho_preserve_folios - preserve folios that follow each other
 * @folio: the first one; all have its order
 * @nr: how many
 *
 * As kho_preserve_folio() for each, but it costs less.
 *
 * Context: may sleep.
 * Return: as kho_preserve_folio(); all or nothing
 */
int kho_preserve_folios(struct folio *folio, unsigned long nr)
{
	return preserve(folio_pfn(folio), nr << folio_order(folio),
			folio_order(folio));
}
EXPORT_SYMBOL_GPL(kho_preserve_folios);

/**
 * kho_unpreserve_folios - undo kho_preserve_folios()
 * @folio: the first one
 * @nr: how many; a part of what was preserved will do
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_unpreserve_folios(struct folio *folio, unsigned long nr)
{
	unpreserve(folio_pfn(folio), nr << folio_order(folio));
}
EXPORT_SYMBOL_GPL(kho_unpreserve_folios);

/**
 * kho_preserve_pages - preserve pages that follow each other
 * @page: the first one
 * @nr_pages: how many
 *
 * They come back as single pages, by kho_restore_pages(), together or in parts.
 *
 * Context: may sleep.
 * Return: as kho_preserve_folio(); all or nothing
 */
int kho_preserve_pages(struct page *page, unsigned long nr_pages)
{
	return preserve(page_to_pfn(page), nr_pages, 0);
}
EXPORT_SYMBOL_GPL(kho_preserve_pages);

/**
 * kho_unpreserve_pages - undo kho_preserve_pages()
 * @page: the first page
 * @nr_pages: how many; a part of what was preserved will do
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_unpreserve_pages(struct page *page, unsigned long nr_pages)
{
	unpreserve(page_to_pfn(page), nr_pages);
}
EXPORT_SYMBOL_GPL(kho_unpreserve_pages);

/**
 * kho_preserve_range - preserve a physical range in bulk
 * @phys: begin, page aligned
 * @size: bytes, page aligned
 *
 * For owners that know extents, not pages. It comes back by
 * kho_restore_range() or kho_restore_pages().
 *
 * Context: may sleep.
 * Return: as kho_preserve_folio(); all or nothing
 */
int kho_preserve_range(phys_addr_t phys, size_t size)
{
	if (!PAGE_ALIGNED(phys | size))
		return -EINVAL;
	return preserve(PHYS_PFN(phys), size >> PAGE_SHIFT, 0);
}
EXPORT_SYMBOL_GPL(kho_preserve_range);

/**
 * kho_unpreserve_range - undo kho_preserve_range()
 * @phys: begin, page aligned
 * @size: bytes, page aligned; a part of what was preserved will do
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_unpreserve_range(phys_addr_t phys, size_t size)
{
	unpreserve(PHYS_PFN(phys), size >> PAGE_SHIFT);
}
EXPORT_SYMBOL_GPL(kho_unpreserve_range);

/**
 * kho_is_kept - will these frames be in the next kernel as they are in this one?
 * @phys: begin, page aligned
 * @size: bytes, page aligned
 *
 * That is, each is preserved, or was handed over and has not been restored.
 *
 * Context: may sleep.
 */
bool kho_is_kept(phys_addr_t phys, size_t size)
{
	unsigned long pfn = PHYS_PFN(phys);
	unsigned long end = pfn + PHYS_PFN(size);

	if (!PAGE_ALIGNED(phys | size) || end <= pfn ||
	    end > 1UL << KHO_MAP_PFN_BITS)
		return false;
	while (pfn < end) {
		unsigned long next = kho_map_end_of_used(&kho_out_map, pfn, end);

		if (next == pfn)
			next = kho_map_end_of_used(&kho_in_map, pfn, end);
		if (next == pfn)
			return false;
		pfn = next;
	}
	return true;
}
EXPORT_SYMBOL_GPL(kho_is_kept);

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

/**
 * kho_alloc_preserve - allocate zeroed memory and preserve it
 * @size: bytes; rounded up to a power of 2 of pages
 *
 * Context: may sleep.
 * Return: the memory, or ERR_PTR() as kho_preserve_folio()
 */
void *kho_alloc_preserve(size_t size)
{
	unsigned int order = get_order(size);
	void *mem;
	int rc;

	/* No page fits then, and that is no lack of memory. */
	if (!kho_is_enabled())
		return ERR_PTR(-EOPNOTSUPP);
	if (!size || order > MAX_PAGE_ORDER)
		return ERR_PTR(-EINVAL);
	mem = kho_alloc_pages(order);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	rc = kho_preserve_folio(virt_to_folio(mem));
	if (rc) {
		free_pages((unsigned long)mem, order);
		return ERR_PTR(rc);
	}
	return mem;
}
EXPORT_SYMBOL_GPL(kho_alloc_preserve);

/**
 * kho_unpreserve_free - undo kho_alloc_preserve()
 * @mem: what it returned
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_unpreserve_free(void *mem)
{
	struct folio *folio;

	if (IS_ERR_OR_NULL(mem))
		return;
	folio = virt_to_folio(mem);
	/* What the next kernel will be given must not be used again here. */
	if (unpreserve(folio_pfn(folio), folio_nr_pages(folio)))
		folio_put(folio);
}
EXPORT_SYMBOL_GPL(kho_unpreserve_free);
