// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where memory may lie that is preserved: allocating it there, and moving it there.
 *
 * Two kinds of memory are in the page allocator which must not be preserved. RAM
 * that the next kernel is not told of, because it was added after boot: it could not
 * be left alone there (kho_frames_ok()). And memory that is lent to movable pages
 * only, that of CMA and of ZONE_MOVABLE: it would be taken from its owner until the
 * jump, as by a long-term pin.
 *
 * Allocating: the page allocator cannot be asked for a range. So it is asked a few
 * times; then for memory below 4 GiB, where all that is there was there at boot;
 * then blocks that are free are looked for in the ranges, and at last pages are moved
 * out of the way. That takes long, so more is taken than is needed, and the rest kept
 * in a pool for those who come next, of up to a page block; memory reclaim empties it.
 *
 * Moving: a handler that goes through the folios of a file asks kho_fits() of each
 * of them before it holds them. It collects those which do not with kho_move_add(),
 * has them moved with kho_move_run(), and looks again at what the file has.
 *
 * Locks: pool_lock for the pool, held for moments. A struct kho_move belongs to one
 * task.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/kho_place.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/page-isolation.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/vmalloc.h>

#include "../../mm/internal.h"
#include "internal.h"

/* How often the page allocator is asked before other ways are tried. */
#define TRIES		8
/* How many blocks of movable pages are tried. */
#define BLOCK_TRIES	16
/* How often somebody may be in the way of moving, some of them a tick apart. */
#define MOVE_TRIES	50

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

/*
 * A compound page that can be handed over, not zeroed, or NULL; as many blocks may be
 * tried to be emptied for it.
 */
static struct page *alloc_fit(gfp_t gfp, unsigned int order, int nid,
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
	struct page *page = alloc_fit(GFP_KERNEL_ACCOUNT, order, numa_mem_id(),
				      BLOCK_TRIES);
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

/**
 * kho_move_init - begin to look for folios that have to move
 * @move: to be used by one task, until kho_move_run() found nothing to move
 */
void kho_move_init(struct kho_move *move)
{
	INIT_LIST_HEAD(&move->folios);
	move->start = 0;
	move->end = 0;
	move->first = 0;
	move->tries = 0;
}

/* The slow half of kho_fits(): what is in one page block is of one kind. */
bool kho_fits_slow(struct kho_move *move, struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio), nr = folio_nr_pages(folio);

	if (!kho_frames_ok(pfn, nr))
		return false;
	/* Gigantic pages are taken from CMA on purpose, to stay. */
	if (folio_order(folio) <= MAX_PAGE_ORDER &&
	    !folio_is_longterm_pinnable(folio))
		return false;
	if (nr <= pageblock_nr_pages &&
	    kho_frames_ok(pageblock_start_pfn(pfn), pageblock_nr_pages)) {
		move->start = pageblock_start_pfn(pfn);
		move->end = pageblock_end_pfn(pfn);
	}
	return true;
}

static bool isolate(struct kho_move *move, struct folio *folio)
{
	if (folio_test_hugetlb(folio))
		return isolate_hugetlb(folio, &move->folios);
	if (!folio_isolate_lru(folio))
		return false;
	list_add_tail(&folio->lru, &move->folios);
	node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
			    folio_nr_pages(folio));
	return true;
}

/* Somebody holds one: for a moment, or for good. */
static int try_again(struct kho_move *move)
{
	if (move->tries++ == 0)
		lru_add_drain_all();
	else
		schedule_timeout_killable(1);
	if (fatal_signal_pending(current))
		return -EINTR;
	return move->tries < MOVE_TRIES ? 0 : -EBUSY;
}

static int complain(const struct kho_move *move, int rc)
{
	if (rc && rc != -EINTR)
		pr_warn_ratelimited("memory at %#llx was added after boot or belongs to CMA, so it cannot be handed over where it is, and it cannot be moved: %pe\n",
				    (u64)PFN_PHYS(move->first), ERR_PTR(rc));
	return rc;
}

/**
 * kho_move_add - have a folio moved by the next kho_move_run()
 * @move: from kho_move_init()
 * @folio: of the page cache, for which kho_fits() said no; the caller's reference is
 *	   given up
 *
 * Context: may sleep.
 * Return: 0, also when it cannot be moved just now; -EBUSY when it could not for some
 * time; -EINTR when the task is being killed
 */
int kho_move_add(struct kho_move *move, struct folio *folio)
{
	int rc = 0;

	if (list_empty(&move->folios))
		move->first = folio_pfn(folio);
	if (!isolate(move, folio))
		rc = try_again(move);
	folio_put(folio);
	return complain(move, rc);
}

static struct folio *alloc_target(struct folio *src, unsigned long unused)
{
	struct folio *folio, *next, *fit = NULL;
	LIST_HEAD(unfit);
	struct page *page;
	gfp_t gfp = GFP_USER;
	struct hstate *h;
	bool elsewhere;
	int i;

	if (!folio_test_hugetlb(src)) {
		if (folio_test_large(src))
			gfp |= __GFP_NORETRY;
		page = alloc_fit(gfp, folio_order(src), folio_nid(src), 0);
		return page ? page_rmappable_folio(page) : NULL;
	}

	h = folio_hstate(src);
	gfp = htlb_modify_alloc_mask(h, gfp | __GFP_NOWARN);
	elsewhere = htlb_allow_alloc_fallback(MR_LONGTERM_PIN);
	for (i = 0; !fit && i < TRIES; i++) {
		folio = alloc_hugetlb_folio_nodemask(h, folio_nid(src), NULL,
						     gfp, elsewhere);
		if (!folio)
			break;
		if (kho_frames_ok(folio_pfn(folio), folio_nr_pages(folio)))
			fit = folio;
		else
			list_add(&folio->lru, &unfit);
	}
	list_for_each_entry_safe(folio, next, &unfit, lru) {
		list_del_init(&folio->lru);
		folio_put(folio);
	}
	return fit;
}

/**
 * kho_move_run - move the folios that were collected to where they can be preserved
 * @move: as given to kho_move_add(); there is nothing in it afterwards
 * @rc: an errno of the caller's own: then nothing is moved
 *
 * The caller looks for what is in their places then, and asks kho_fits() again: some
 * may not have moved yet.
 *
 * Context: may sleep.
 * Return: @rc; -EINTR when the task is being killed; -ENOMEM; or -EBUSY when somebody
 * keeps them from being moved
 */
int kho_move_run(struct kho_move *move, int rc)
{
	unsigned int flags, moved = 0;

	if (list_empty(&move->folios))
		return rc;
	if (!rc) {
		flags = memalloc_pin_save();
		rc = migrate_pages(&move->folios, alloc_target, NULL, 0,
				   MIGRATE_SYNC, MR_LONGTERM_PIN, &moved);
		memalloc_pin_restore(flags);
		if (moved)
			move->tries = 0;
		if (rc > 0 || rc == -EAGAIN)
			rc = try_again(move);
		complain(move, rc);
	}
	putback_movable_pages(&move->folios);
	return rc;
}
