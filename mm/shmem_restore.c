// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a shared-memory file comes back at first touch.
 *
 * Life cycle: retrieve attaches the record to an inode that is empty. Whoever finds
 * nothing in the page cache asks here, and what the record has around that place is
 * put into the page cache, charged to the memory cgroup of who retrieved the file.
 * Whoever needs to see the file as a whole has all of it restored first; so does
 * finish, which then detaches the record. Until then the size is frozen: what was
 * restored never leaves an empty place in the page cache. An empty place that the
 * record covers is therefore one that was not restored yet.
 *
 * Until then a device may also go on with DMA to the frames that the old kernel told
 * its IOMMU, and nobody has pinned them in this kernel. So the file is held: its
 * pages are not migrated, not swapped out, and not replaced by huge ones. That is a
 * state of the file, and not a reference to each page as the old kernel has, so that
 * it costs nothing to end it.
 *
 * Single pages that lie in memory as they do in the file come back as large folios, which are the
 * same frames in fewer steps. They are split like any other when a part of them is freed.
 *
 * A file that nobody has any more is not restored first, to be freed then: what was
 * not touched is freed where it lies.
 *
 * Nothing is lost when something fails midway: memory that the core has given back
 * and that is not in the page cache is kept, and goes there before any other. What
 * the core does not give back, as the record is wrong, is never taken for a hole:
 * touching it is an error for as long as the file exists.
 *
 * Locks: shmem_restore.lock over everything; inside inode_lock, mmap_lock and
 * session locks, outside those of reclaim, the page cache and the core. An inode's
 * pointer is under RCU, with a reference taken to sleep.
 */
#define pr_fmt(fmt) "memfd: " fmt

#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/memcontrol.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/shmem_liveupdate.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include "internal.h"
#include "shmem_liveupdate.h"
#include "shmem_record.h"

/* Pages that come back together: those that a read fault maps as well. */
#define AROUND		(SZ_64K >> PAGE_SHIFT)
/* Pages that come back together when all do. */
#define AROUND_ALL	(SZ_2M >> PAGE_SHIFT)

/* The least order of a folio that single pages become, as the page cache has it */
#define LARGE_MIN	2

/**
 * struct place - where a page of the record begins
 * @index: first memory in the file that the page tells of
 * @page: the page
 * @header: what precedes its words
 */
struct place {
	u64 index;
	const struct memfd_words_ser *page;
	size_t header;
};

/**
 * struct list - one list of the record
 * @places: its pages, by index
 * @nr: how many
 */
struct list {
	struct place *places;
	unsigned long nr;
};

/**
 * struct shmem_restore - what a file still has to get
 * @rcu: to free it
 * @refs: the inode's, and of those who are about to take @lock
 * @lock: held to restore
 * @inode: whose
 * @ser: the record
 * @lists: of it
 * @memcg: to be charged
 * @nr_left: pages not in the page cache
 * @broken: some of them are not there as recorded
 * @page: memory that the core has given back and the page cache has not got
 * @index: where it goes
 * @nr: how many folios
 */
struct shmem_restore {
	struct rcu_head rcu;
	refcount_t refs;
	struct mutex lock;		/* see above */
	struct inode *inode;
	const struct memfd_ser *ser;
	struct list lists[2];
	struct mem_cgroup *memcg;
	u64 nr_left;
	bool broken;
	struct page *page;
	u64 index;
	unsigned long nr;
};

static void free_restore(struct shmem_restore *r)
{
	kvfree(r->lists[0].places);
	kvfree(r->lists[1].places);
	mem_cgroup_put(r->memcg);
	kfree_rcu(r, rcu);
}

static struct shmem_restore *get_restore(struct inode *inode)
{
	struct shmem_restore *r;

	rcu_read_lock();
	r = rcu_dereference(SHMEM_I(inode)->restore);
	if (r && !refcount_inc_not_zero(&r->refs))
		r = NULL;
	rcu_read_unlock();
	return r;
}

static void put_restore(struct shmem_restore *r)
{
	if (refcount_dec_and_test(&r->refs))
		free_restore(r);
}

/* Note where the pages of a list begin. */
static int make_list(struct list *list, const struct memfd_words_ser *first,
		     size_t header)
{
	struct shmem_record_iter iter = shmem_record_start(first, header, 0);
	const struct memfd_words_ser *page, *last = NULL;
	unsigned long nr = 0;

	for (page = first; page;
	     page = page->next_pa ? phys_to_virt(page->next_pa) : NULL)
		nr++;
	list->places = kvmalloc_array(nr, sizeof(*list->places),
				      GFP_KERNEL_ACCOUNT);
	if (!list->places)
		return -ENOMEM;
	while (shmem_record_next(&iter)) {
		if (iter.page == last)
			continue;
		last = iter.page;
		list->places[list->nr++] = (struct place) {
			.index = iter.index,
			.page = iter.page,
			.header = iter.page == first ? header :
						       SHMEM_RECORD_TAIL,
		};
	}
	return 0;
}

/* The first memory of a list that ends behind @index. */
static bool find_memory(const struct list *list, u64 index,
			struct shmem_record_iter *iter)
{
	unsigned long low = 0, high = list->nr;
	const struct place *place;

	if (!list->nr)
		return false;
	while (high - low > 1) {
		unsigned long mid = low + (high - low) / 2;

		if (list->places[mid].index <= index)
			low = mid;
		else
			high = mid;
	}
	place = &list->places[low];
	*iter = shmem_record_start(place->page, place->header, place->index);
	return shmem_record_seek(iter, index);
}

/*
 * Can single pages come back as large folios? They have to be split again where a part is freed or
 * swapped out, and not to be mapped as a whole where a frame is bad.
 */
static bool may_be_large(void)
{
#ifdef CONFIG_MEMORY_FAILURE
	if (atomic_long_read(&num_poisoned_pages))
		return false;
#endif
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE);
}

static int insert_folio(struct shmem_restore *r, struct folio *folio)
{
	struct address_space *mapping = r->inode->i_mapping;
	/* What must not wait for this file's own writeback says so there. */
	const gfp_t gfp = mapping_gfp_constraint(mapping, GFP_KERNEL);
	int rc;

	__folio_set_locked(folio);
	__folio_set_swapbacked(folio);
	folio_mark_uptodate(folio);
	rc = mem_cgroup_charge(folio, NULL, gfp);
	if (rc)
		goto err_unlock;
	rc = shmem_add_to_page_cache(folio, mapping, r->index, NULL, gfp);
	if (rc)
		goto err_uncharge;
	folio_mark_dirty(folio);
	folio_add_lru(folio);
	folio_unlock(folio);
	folio_put(folio);
	return 0;

err_uncharge:
	mem_cgroup_uncharge(folio);
err_unlock:
	folio_clear_uptodate(folio);
	__folio_clear_swapbacked(folio);
	__folio_clear_locked(folio);
	return rc;
}

/* Put memory that the core has given back into the page cache. */
static int insert(struct shmem_restore *r)
{
	struct mem_cgroup *old;
	u64 nr_pages;
	int rc;

	lockdep_assert_held(&r->lock);
	if (!r->nr)
		return 0;
	nr_pages = r->nr * folio_nr_pages(page_folio(r->page));
	rc = shmem_inode_acct_blocks(r->inode, nr_pages);
	if (rc)
		return rc;
	old = set_active_memcg(r->memcg);
	while (r->nr) {
		struct folio *folio = page_folio(r->page);
		unsigned long nr = folio_nr_pages(folio);

		rc = insert_folio(r, folio);
		if (rc)
			break;
		r->page += nr;
		r->index += nr;
		r->nr--;
		r->nr_left -= nr;
	}
	set_active_memcg(old);
	/* Takes back what was accounted for folios that are not there. */
	shmem_recalc_inode(r->inode, nr_pages, 0);
	return rc;
}

/* The core has given back folios, or has not; then as insert(). */
static int insert_new(struct shmem_restore *r, u64 index, unsigned long pfn,
		      unsigned long nr, struct page *page)
{
	r->page = page;
	if (!page) {
		pr_err_ratelimited("memory of a file is not as recorded: pfn %#lx\n",
				   pfn);
		r->broken = true;
		return 0;
	}
	r->index = index;
	r->nr = nr;
	return insert(r);
}

static int insert_large(struct shmem_restore *r, u64 index, unsigned long pfn,
			struct folio *folio)
{
	/* Such as shmem allocates */
	if (folio)
		folio_set_large_rmappable(folio);
	return insert_new(r, index, pfn, 1, folio ? folio_page(folio, 0) : NULL);
}

/* The order of the folio that single pages may become which begin here, or 0 */
static unsigned int large_order(u64 index, unsigned long pfn, unsigned long nr)
{
	unsigned int order = min_t(unsigned int, __ffs64(index | pfn | AROUND_ALL), ilog2(nr));

	return may_be_large() && order >= LARGE_MIN ? order : 0;
}

/*
 * Take single pages that follow each other back from the core. Where they lie aligned they come
 * back as large folios, each in one step.
 */
static int restore_pages(struct shmem_restore *r, u64 index, unsigned long pfn,
			 unsigned long nr)
{
	unsigned long count;
	unsigned int order;
	int rc = 0;

	for (; !rc && nr; index += count, pfn += count, nr -= count) {
		order = large_order(index, pfn, nr);
		if (order) {
			count = 1UL << order;
			rc = insert_large(r, index, pfn,
					  kho_restore_pages_as_folio(PFN_PHYS(pfn), order));
			continue;
		}
		/* (to where the next large one may begin) */
		count = nr;
		if (may_be_large() && !((index ^ pfn) & (BIT(LARGE_MIN) - 1)))
			count = min(nr, round_up(index + 1, BIT(LARGE_MIN)) - index);
		rc = insert_new(r, index, pfn, count,
				kho_restore_pages(PFN_PHYS(pfn), count));
	}
	return rc;
}

/* Take memory back from the core, and then as insert(). */
static int restore_memory(struct shmem_restore *r, u64 index, unsigned long pfn,
			  unsigned long nr, unsigned int order)
{
	if (!order)
		return restore_pages(r, index, pfn, nr);
	return insert_large(r, index, pfn,
			    kho_can_restore_folio(PFN_PHYS(pfn), order) ?
			    kho_restore_folio(PFN_PHYS(pfn)) : NULL);
}

/* What becomes of memory that the page cache has not got. */
typedef int (*missing_fn)(struct shmem_restore *r, u64 index, unsigned long pfn,
			  unsigned long nr, unsigned int order);

/* What the page cache has not got of single pages in a row. */
static int missing_run(struct shmem_restore *r, missing_fn fn, u64 index,
		       unsigned long pfn, unsigned long nr)
{
	XA_STATE(xas, &r->inode->i_mapping->i_pages, index);
	u64 end = index + nr;
	int rc = 0;

	while (!rc && index < end) {
		u64 there = end;

		rcu_read_lock();
		xas_set(&xas, index);
		if (xas_find(&xas, end - 1))
			there = max_t(u64, xas.xa_index, index);
		rcu_read_unlock();

		nr = there - index;
		if (nr)
			rc = fn(r, index, pfn, nr, 0);
		/* Also past the page that is there */
		index += nr + 1;
		pfn += nr + 1;
	}
	return rc;
}

/* The same of folios that begin in a part of the file, and the one it begins in. */
static int missing_folios(struct shmem_restore *r, missing_fn fn,
			  const struct shmem_record_iter *iter, u64 start,
			  u64 end)
{
	u64 index = round_down(start, 1UL << iter->order);
	int rc = 0;

	for (; !rc && index < end; index += 1UL << iter->order)
		if (!xa_load(&r->inode->i_mapping->i_pages, index))
			rc = fn(r, index, iter->pfn + index - iter->index, 1,
				iter->order);
	return rc;
}

/* What the record has of a part of the file, and the page cache has not got. */
static int for_missing(struct shmem_restore *r, missing_fn fn, u64 start,
		       u64 end)
{
	struct shmem_record_iter iter;
	int i, rc = 0;
	bool more;

	lockdep_assert_held(&r->lock);

	for (i = 0; i < ARRAY_SIZE(r->lists); i++) {
		more = find_memory(&r->lists[i], start, &iter);
		while (!rc && more && iter.index < end) {
			u64 from = max(iter.index, start);
			u64 to = min(iter.index + iter.nr, end);

			if (iter.order)
				rc = missing_folios(r, fn, &iter, from, to);
			else
				rc = missing_run(r, fn, from,
						 iter.pfn + from - iter.index,
						 to - from);
			more = shmem_record_next(&iter);
		}
	}
	return rc;
}

/* Restore what the record has of a part of the file. */
static int restore_part(struct shmem_restore *r, u64 start, u64 end)
{
	return insert(r) ?: for_missing(r, restore_memory, start, end);
}

/* Free memory where it lies. What is not there as recorded stays. */
static int discard_memory(struct shmem_restore *r, u64 index, unsigned long pfn,
			  unsigned long nr, unsigned int order)
{
	kho_discard_range(PFN_PHYS(pfn), nr << (order + PAGE_SHIFT));
	cond_resched();
	return 0;
}

/*
 * Nobody will ever see what is not in the page cache. In a record that is known to
 * be wrong, who knows whose memory that is.
 */
static void discard_rest(struct shmem_restore *r)
{
	for (; r->nr; r->nr--) {
		struct folio *folio = page_folio(r->page);

		r->page += folio_nr_pages(folio);
		r->nr_left -= folio_nr_pages(folio);
		folio_put(folio);
	}
	if (r->nr_left && !r->broken)
		for_missing(r, discard_memory, 0, U64_MAX);
}

/* Does the record have something here? */
static bool is_recorded(struct shmem_restore *r, u64 index)
{
	struct shmem_record_iter iter;
	int i;

	for (i = 0; i < ARRAY_SIZE(r->lists); i++)
		if (find_memory(&r->lists[i], index, &iter) &&
		    iter.index <= index)
			return true;
	return false;
}

/* How many pages around a place come back together: more where they become one folio */
static unsigned long around(struct shmem_restore *r, u64 index)
{
	struct shmem_record_iter iter;
	unsigned long nr;
	u64 start;
	int i;

	for (i = 0; may_be_large() && i < ARRAY_SIZE(r->lists); i++) {
		if (!find_memory(&r->lists[i], index, &iter) || iter.index > index || iter.order)
			continue;
		for (nr = AROUND_ALL; nr > AROUND; nr /= 2) {
			start = round_down(index, nr);
			if (start >= iter.index && start + nr <= iter.index + iter.nr &&
			    !((iter.pfn ^ iter.index) & (nr - 1)))
				return nr;
		}
	}
	return AROUND;
}

/**
 * __shmem_restore_at - restore what belongs to an empty place in the page cache
 * @inode: the file's
 * @index: the place
 *
 * Context: may sleep; inside inode_lock and mmap_lock.
 * Return: 0 if it is a hole; 1 if there is something now; -EINTR when the task is
 * being killed, -ENOMEM or -ENOSPC, and nothing is lost; -EIO if the record is wrong
 */
int __shmem_restore_at(struct inode *inode, pgoff_t index)
{
	struct shmem_restore *r = get_restore(inode);
	unsigned long nr;
	u64 start;
	int rc;

	if (!r)
		return 0;
	rc = mutex_lock_killable(&r->lock);
	if (rc)
		goto out_put;
	if (r->nr_left) {
		nr = around(r, index);
		start = round_down(index, nr);
		rc = restore_part(r, start, start + nr);
	}
	if (!rc)
		rc = !!xa_load(&inode->i_mapping->i_pages, index);
	if (!rc && r->broken && is_recorded(r, index))
		rc = -EIO;
	mutex_unlock(&r->lock);
out_put:
	put_restore(r);
	return rc;
}

/* Where the next memory of the record is, or U64_MAX. */
static u64 next_memory(struct shmem_restore *r, u64 index)
{
	struct shmem_record_iter iter;
	u64 next = U64_MAX;
	int i;

	for (i = 0; i < ARRAY_SIZE(r->lists); i++)
		if (find_memory(&r->lists[i], index, &iter))
			next = min(next, max(iter.index, index));
	return next;
}

/**
 * __shmem_restore_all - restore all that the record has
 * @inode: the file's
 *
 * Lets others restore what they need in between.
 *
 * Context: may sleep; inside inode_lock.
 * Return: 0; -ENOMEM or -ENOSPC, and nothing is lost; -EIO if all was restored but
 * for what is not as recorded
 */
int __shmem_restore_all(struct inode *inode)
{
	struct shmem_restore *r = get_restore(inode);
	u64 index = 0;
	int rc = 0;

	if (!r)
		return 0;
	while (!rc) {
		mutex_lock(&r->lock);
		index = r->nr_left ? next_memory(r, index) : U64_MAX;
		if (index != U64_MAX)
			rc = restore_part(r, index, index + AROUND_ALL);
		else
			rc = insert(r);
		mutex_unlock(&r->lock);
		if (index == U64_MAX)
			break;
		index += AROUND_ALL;
		cond_resched();
	}
	if (!rc && READ_ONCE(r->nr_left))
		rc = -EIO;
	put_restore(r);
	return rc;
}

/**
 * __shmem_restore_left - how much is not restored yet?
 * @inode: the file's
 *
 * Return: pages; a snapshot
 */
u64 __shmem_restore_left(struct inode *inode)
{
	struct shmem_restore *r = get_restore(inode);
	u64 left = 0;

	if (r) {
		left = READ_ONCE(r->nr_left);
		put_restore(r);
	}
	return left;
}

#ifdef CONFIG_MIGRATION

/**
 * shmem_migrate_folio - as migrate_folio(), but pages of a file that is held stay
 * @mapping: the file's
 * @dst: to there
 * @src: from here
 * @mode: how
 *
 * Return: 0 or an error; -EBUSY: do not try again
 */
int shmem_migrate_folio(struct address_space *mapping, struct folio *dst,
			struct folio *src, enum migrate_mode mode)
{
	if (shmem_held(mapping->host))
		return -EBUSY;
	return migrate_folio(mapping, dst, src, mode);
}

#endif /* CONFIG_MIGRATION */

/**
 * shmem_restore_begin - from now on touching brings memory back
 * @inode: an empty file, that nobody else knows
 * @ser: the record; has been checked
 *
 * Context: may sleep; the caller's memory cgroup will be charged.
 * Return: 0 or -ENOMEM
 */
int shmem_restore_begin(struct inode *inode, const struct memfd_ser *ser)
{
	const struct memfd_words_ser *tail = shmem_record_tail(ser);
	struct shmem_restore *r;
	int rc;

	r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
	if (!r)
		return -ENOMEM;
	refcount_set(&r->refs, 1);
	mutex_init(&r->lock);
	r->inode = inode;
	r->ser = ser;
	r->nr_left = ser->nr_pages;
	rc = make_list(&r->lists[0], &ser->words, SHMEM_RECORD_MAIN);
	if (!rc && tail)
		rc = make_list(&r->lists[1], tail, SHMEM_RECORD_TAIL);
	if (rc) {
		free_restore(r);
		return rc;
	}
	r->memcg = get_mem_cgroup_from_mm(current->mm);
	rcu_assign_pointer(SHMEM_I(inode)->restore, r);
	return 0;
}

/**
 * __shmem_restore_end - all has been restored, or the file is gone: forget the record
 * @inode: the file's; its page cache has not been emptied yet
 *
 * What was not restored is freed, unless the record is wrong.
 *
 * Context: may sleep.
 */
void __shmem_restore_end(struct inode *inode)
{
	struct shmem_restore *r;

	r = rcu_replace_pointer(SHMEM_I(inode)->restore, NULL, true);
	if (!r)
		return;
	/* Who came before this is still using the record. */
	mutex_lock(&r->lock);
	discard_rest(r);
	r->lists[0].nr = 0;
	r->lists[1].nr = 0;
	mutex_unlock(&r->lock);
	shmem_record_restore_free(r->ser);
	put_restore(r);
}
