// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocating memory where it can be preserved.
 *
 * Two kinds of memory are in the page allocator which must not be preserved. RAM
 * that the next kernel is not told of, because it was added after boot: it could not
 * be left alone there (kho_frames_ok()). And memory that is lent to movable pages
 * only, that of CMA and of ZONE_MOVABLE: it would be taken from its owner until the
 * jump, as by a long-term pin.
 *
 * The page allocator cannot be asked for a range. So it is asked a few times; then for
 * memory below 4 GiB, where all that is there was there at boot; then blocks that are
 * free are looked for in the ranges, and at last pages are moved out of the way. That
 * takes long, so more is taken than is needed, and the rest kept in a pool for those who
 * come next, of up to a page block; memory reclaim empties it.
 *
 * Locks: pool_lock for the pool, held for moments.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "../../mm/internal.h"
#include "internal.h"

/* How often the page allocator is asked before other ways are tried. */
#define TRIES		8
/* How many blocks of movable pages are tried. */
#define BLOCK_TRIES	16

/* The page allocator has given out memory that cannot be handed over. */
static bool seen_unfit;

static struct page *try_allocator(gfp_t gfp, unsigned int order, int nid)
{
	struct page *page, *next, *fit = NULL;
	LIST_HEAD(unfit);
	int i;

	for (i = 0; !fit && i < TRIES; i++) {
		page = __alloc_pages(gfp, order, nid, NULL);
		if (!page)
			break;
		if (kho_frames_ok(page_to_pfn(page), 1UL << order)) {
			fit = page;
			continue;
		}
		WRITE_ONCE(seen_unfit, true);
		list_add(&page->lru, &unfit);
	}
	list_for_each_entry_safe(page, next, &unfit, lru)
		__free_pages(page, order);
	return fit;
}

#ifdef CONFIG_CONTIG_ALLOC
/* May pages be taken from this block for something that does not move? */
static bool block_ok(struct page *page)
{
	return page && page_zonenum(page) != ZONE_MOVABLE &&
	       !is_migrate_cma_page(page) && !is_migrate_isolate_page(page);
}

static DEFINE_SPINLOCK(pool_lock);
static LIST_HEAD(pool);
static unsigned long nr_pool;

static struct page *pool_get(void)
{
	struct page *page;

	spin_lock(&pool_lock);
	page = list_first_entry_or_null(&pool, struct page, lru);
	if (page) {
		list_del(&page->lru);
		nr_pool--;
	}
	spin_unlock(&pool_lock);
	return page;
}

static void pool_put(unsigned long pfn, unsigned long nr)
{
	spin_lock(&pool_lock);
	for (nr_pool += nr; nr; nr--)
		list_add_tail(&pfn_to_page(pfn++)->lru, &pool);
	spin_unlock(&pool_lock);
}

static unsigned long pool_count(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	return READ_ONCE(nr_pool) ?: SHRINK_EMPTY;
}

static unsigned long pool_shrink(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct page *page;
	unsigned long nr;

	for (nr = 0; nr < sc->nr_to_scan; nr++) {
		page = pool_get();
		if (!page)
			break;
		__free_page(page);
	}
	return nr ?: SHRINK_STOP;
}

static int __init pool_init(void)
{
	struct shrinker *shrinker;

	if (!kho_is_enabled())
		return 0;
	shrinker = shrinker_alloc(0, "kho_pool");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = pool_count;
	shrinker->scan_objects = pool_shrink;
	shrinker_register(shrinker);
	return 0;
}
late_initcall(pool_init);

static struct page *charge(struct page *page, gfp_t gfp, unsigned int order)
{
	if (!(gfp & __GFP_ACCOUNT) || !memcg_kmem_charge_page(page, gfp, order))
		return page;
	__free_pages(page, order);
	return NULL;
}

/* Take 1 << @free frames, of which only 1 << @order are needed now. */
static struct page *take_range(unsigned long pfn, unsigned int free,
			       unsigned int order)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long i, nr = 1UL << order, all = 1UL << free;

	if (alloc_contig_range(pfn, pfn + all, MIGRATE_MOVABLE,
			       GFP_KERNEL | __GFP_NOWARN))
		return NULL;
	pool_put(pfn + nr, all - nr);
	/* They came as single pages. */
	for (i = 1; i < nr; i++)
		set_page_count(page + i, 0);
	if (order)
		prep_compound_page(page, order);
	return page;
}

/* Nothing is taken of what the page allocator keeps back itself. */
static bool has_room(const struct page *page, unsigned int order)
{
	struct zone *zone = page_zone(page);

	return zone_watermark_ok(zone, 0, high_wmark_pages(zone) +
				 (1UL << order), zone_idx(zone), 0);
}

/* A free block; that it is one may change any time, and is checked when it is taken. */
static struct page *try_free_blocks(unsigned int order,
				    const struct kho_range *ram)
{
	unsigned long pfn = round_up(ram->start, 1UL << order);
	struct page *got;

	while (pfn + (1UL << order) <= ram->end) {
		struct page *page = pfn_to_online_page(pfn);
		unsigned int take, free = 0;

		if (!block_ok(page)) {
			pfn = pageblock_end_pfn(pfn);
			continue;
		}
		if (PageBuddy(page))
			free = buddy_order_unsafe(page);
		if (free > MAX_PAGE_ORDER)
			free = 0;
		/* More for the pool, when a page is wanted. */
		take = order ? order : min(free, pageblock_order);
		if (PageBuddy(page) && free >= order && has_room(page, take) &&
		    pfn + (1UL << take) <= ram->end) {
			got = take_range(pfn, take, order);
			if (got)
				return got;
		}
		pfn += 1UL << max(free, order);
	}
	return NULL;
}

/* What is in the block can be moved, most likely. */
static struct page *try_movable_blocks(unsigned int order,
				       const struct kho_range *ram,
				       unsigned int *tries)
{
	unsigned long pfn = pageblock_align(ram->start);
	struct page *got;

	for (; *tries && pfn + pageblock_nr_pages <= ram->end;
	     pfn += pageblock_nr_pages) {
		struct page *page = pfn_to_online_page(pfn);

		if (!block_ok(page) ||
		    get_pageblock_migratetype(page) != MIGRATE_MOVABLE ||
		    !PageLRU(page))
			continue;
		--*tries;
		got = take_range(pfn, order, order);
		if (got)
			return got;
	}
	return NULL;
}

static struct page *try_ranges(gfp_t gfp, unsigned int order,
			       unsigned int tries)
{
	unsigned int i, nr_ram;
	struct page *page = NULL;
	struct kho_range *ram;

	/* The isolation of blocks does not do with less. */
	if (kho_ram_ranges(&ram, &nr_ram) || order > pageblock_order)
		return NULL;
	for (i = nr_ram; !page && i; i--)
		page = try_free_blocks(order, &ram[i - 1]);
	for (i = nr_ram; !page && i; i--)
		page = try_movable_blocks(order, &ram[i - 1], &tries);
	return page ? charge(page, gfp, order) : NULL;
}

/* What an earlier search has left over. */
static struct page *try_pool(gfp_t gfp, unsigned int order)
{
	struct page *page = !order && READ_ONCE(nr_pool) ? pool_get() : NULL;

	return page ? charge(page, gfp, 0) : NULL;
}
#else
static struct page *try_pool(gfp_t gfp, unsigned int order)
{
	return NULL;
}

static struct page *try_ranges(gfp_t gfp, unsigned int order,
			       unsigned int tries)
{
	return NULL;
}
#endif

/**
 * kho_alloc_fit - allocate a compound page that can be handed over
 * @gfp: as for alloc_pages()
 * @order: of the page
 * @nid: the node that is preferred
 * @tries: as many blocks may be tried to be emptied for it
 *
 * Return: the page, not zeroed, or NULL
 */
struct page *kho_alloc_fit(gfp_t gfp, unsigned int order, int nid,
			   unsigned int tries)
{
	struct page *page;

	gfp |= __GFP_COMP | __GFP_NOWARN;
	page = try_pool(gfp, order);
	if (!page)
		page = try_allocator(gfp, order, nid);
	if (!page)
		page = try_allocator(gfp | GFP_DMA32, order, nid);
	/* Where all there is may be handed over, there is none of this size. */
	if (!page && READ_ONCE(seen_unfit))
		page = try_ranges(gfp, order, tries);
	return page;
}

/**
 * kho_alloc_pages - allocate zeroed pages that can be handed over
 * @order: 1 << @order of them, as one folio
 *
 * They are charged to the memory cgroup of the caller, on whose behalf something is
 * preserved.
 *
 * Return: their address, to be freed with free_pages(), or NULL
 */
void *kho_alloc_pages(unsigned int order)
{
	struct page *page = kho_alloc_fit(GFP_KERNEL_ACCOUNT, order,
					  numa_mem_id(), BLOCK_TRIES);
	unsigned long i;

	for (i = 0; page && i < 1UL << order; i++)
		clear_page(page_address(page + i));
	return page ? page_address(page) : NULL;
}

/**
 * kho_vzalloc - allocate a zeroed area that kho_preserve_vmalloc() takes
 * @size: bytes
 *
 * Not every vmalloc area can be preserved: its pages may lie where they cannot.
 *
 * Context: may sleep.
 * Return: the area, to be freed with vfree(), or NULL
 */
void *kho_vzalloc(size_t size)
{
	unsigned long i, nr = PFN_UP(size);
	struct page **pages;
	void *page, *area;

	/* Who wants to preserve it will be told. */
	if (!kho_is_enabled())
		return vzalloc(size);
	if (!nr || nr > totalram_pages())
		return NULL;
	pages = kvcalloc(nr, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return NULL;
	for (i = 0; i < nr; i++) {
		page = kho_alloc_pages(0);
		if (!page)
			goto err_free;
		pages[i] = virt_to_page(page);
	}
	/* vfree() will free the pages and the array. */
	area = vmap(pages, nr, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	if (area)
		return area;
err_free:
	while (i--)
		__free_page(pages[i]);
	kvfree(pages);
	return NULL;
}
