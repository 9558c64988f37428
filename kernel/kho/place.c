// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving what files have to where it can be preserved. (alloc.c allocates it there, and
 * says where that is.)
 *
 * A handler that goes through the folios of a file asks kho_fits() of each of them
 * before it holds them. It collects those which do not with kho_move_add(), has them
 * moved with kho_move_run(), and looks again at what the file has.
 *
 * Locks: none. A struct kho_move belongs to one task.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/kho_place.h>
#include <linux/list.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include "../../mm/internal.h"
#include "internal.h"

/* How often the pool of huge pages is asked. */
#define TRIES		8
/* How often somebody may be in the way of moving, some of them a tick apart. */
#define MOVE_TRIES	50

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
		page = kho_alloc_fit(gfp, folio_order(src), folio_nid(src), 0);
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
