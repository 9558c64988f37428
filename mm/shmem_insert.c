// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folios that follow each other in a shared-memory file enter its page cache together.
 *
 * Life cycle: the caller has folios with one reference each, which nobody else knows, and gives
 * them to the page cache. Those that do not get there stay as they were. What can be done once for
 * all of them is: the lock of the page cache, the search in it, the counters, the LRU lists.
 *
 * Each folio is locked from before it is found in the page cache until it is on an LRU list, so
 * that nobody frees it meanwhile.
 *
 * Locks: the page cache's, and then that of an LRU vector; neither inside the other.
 */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>

#include "internal.h"
#include "shmem_liveupdate.h"

/* The first folios of all that are in one zone, so that they count together */
static unsigned int in_one_zone(struct folio **folios, unsigned int nr)
{
	int zone = page_zone_id(&folios[0]->page);
	unsigned int i;

	for (i = 1; i < nr && page_zone_id(&folios[i]->page) == zone; i++)
		;
	return i;
}

static void prepare(struct folio *folio, struct address_space *mapping, pgoff_t index)
{
	__folio_set_locked(folio);
	__folio_set_swapbacked(folio);
	__folio_mark_uptodate(folio);
	folio->mapping = mapping;
	folio->index = index;
}

static void undo_prepare(struct folio *folio)
{
	folio->mapping = NULL;
	folio_clear_uptodate(folio);
	__folio_clear_swapbacked(folio);
	__folio_clear_locked(folio);
}

/* How many could be charged, at least one, or an error */
static int charge(struct folio **folios, unsigned int nr, gfp_t gfp)
{
	unsigned int i;
	int rc;

	for (i = 0; i < nr; i++) {
		rc = mem_cgroup_charge(folios[i], NULL, gfp);
		if (rc)
			return i ?: rc;
	}
	return nr;
}

/* As shmem_add_to_page_cache(), for several at once: how many, at least one, or an error */
static int add_to_page_cache(struct address_space *mapping, pgoff_t index, struct folio **folios,
			     unsigned int nr, gfp_t gfp)
{
	XA_STATE(xas, &mapping->i_pages, index);
	unsigned int before, done = 0;
	void *there;

	gfp &= GFP_RECLAIM_MASK;
	folio_throttle_swaprate(folios[0], gfp);
	do {
		before = done;
		xas_lock_irq(&xas);
		there = xas_load(&xas);
		while (done < nr) {
			if (there || shmem_final(mapping->host))
				xas_set_err(&xas, -EEXIST);
			else
				xas_store(&xas, folios[done]);
			if (xas_error(&xas))
				break;
			done++;
			there = xas_next(&xas);
		}
		if (done > before) {
			__lruvec_stat_mod_folio(folios[0], NR_FILE_PAGES, done - before);
			__lruvec_stat_mod_folio(folios[0], NR_SHMEM, done - before);
			mapping->nrpages += done - before;
		}
		xas_unlock_irq(&xas);
	} while (xas_nomem(&xas, gfp));
	return done ?: xas_error(&xas);
}

/* All on the list where the first one belongs */
static void add_to_list(struct lruvec *lruvec, struct folio **folios, unsigned int nr)
{
	enum lru_list lru = folio_lru_list(folios[0]);
	unsigned int i;

	update_lru_size(lruvec, lru, folio_zonenum(folios[0]), nr);
	for (i = 0; i < nr; i++) {
		list_add(&folios[i]->lru, &lruvec->lists[lru]);
		folio_set_lru(folios[i]);
	}
}

static void add_to_lru(struct address_space *mapping, struct folio **folios, unsigned int nr)
{
	struct lruvec *lruvec = folio_lruvec_lock_irq(folios[0]);
	bool together = !lru_gen_enabled() && !mapping_unevictable(mapping);
	unsigned int i;

	/* (of which sparse does not know) */
	__acquire(&lruvec->lru_lock);
	if (together)
		add_to_list(lruvec, folios, nr);
	unlock_page_lruvec_irq(lruvec);
	for (i = 0; !together && i < nr; i++)
		folio_add_lru(folios[i]);
}

static int insert_pages(struct address_space *mapping, pgoff_t index, struct folio **folios,
			unsigned int nr, gfp_t gfp)
{
	int i, done, charged;

	charged = charge(folios, in_one_zone(folios, nr), gfp);
	if (charged < 0)
		return charged;
	for (i = 0; i < charged; i++)
		prepare(folios[i], mapping, index + i);
	done = add_to_page_cache(mapping, index, folios, charged, gfp);
	for (i = max(done, 0); i < charged; i++) {
		undo_prepare(folios[i]);
		mem_cgroup_uncharge(folios[i]);
	}
	if (done <= 0)
		return done;
	for (i = 0; i < done; i++)
		folio_set_dirty(folios[i]);
	add_to_lru(mapping, folios, done);
	for (i = 0; i < done; i++)
		folio_unlock(folios[i]);
	return done;
}

static int insert_large(struct address_space *mapping, pgoff_t index, struct folio *folio,
			gfp_t gfp)
{
	int rc;

	rc = mem_cgroup_charge(folio, NULL, gfp);
	if (rc)
		return rc;
	prepare(folio, NULL, 0);
	rc = shmem_add_to_page_cache(folio, mapping, index, NULL, gfp);
	if (rc) {
		undo_prepare(folio);
		mem_cgroup_uncharge(folio);
		return rc;
	}
	folio_mark_dirty(folio);
	folio_add_lru(folio);
	folio_unlock(folio);
	folio_put(folio);
	return 1;
}

/**
 * shmem_insert - put folios into the page cache that follow each other in a file
 * @inode: the file's; nothing is in these places
 * @index: where the first one goes
 * @folios: pages, or one large folio; nobody else knows them
 * @nr: how many, at least one
 *
 * The page cache takes over the caller's reference. They are dirty, and charged to the active
 * memory cgroup.
 *
 * Context: may sleep; the caller sees to it that no other fills these places.
 * Return: how many of them, from the first on, the page cache has now; or if none -ENOMEM, -EEXIST
 */
int shmem_insert(struct inode *inode, pgoff_t index, struct folio **folios, unsigned int nr)
{
	struct address_space *mapping = inode->i_mapping;
	/* What must not wait for this file's own writeback says so there. */
	const gfp_t gfp = mapping_gfp_constraint(mapping, GFP_KERNEL);

	return folio_test_large(folios[0]) ?
	       insert_large(mapping, index, folios[0], gfp) :
	       insert_pages(mapping, index, folios, nr, gfp);
}
