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

/* Pages that come back together: more than a read fault maps, as the first one is wasted. */
#define AROUND		(SZ_256K >> PAGE_SHIFT)
/* Pages that come back together when all do. */
#define AROUND_ALL	(SZ_2M >> PAGE_SHIFT)

/* Pages that enter the page cache together */
#define BATCH		AROUND

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
 * @last: memory that was found last, where the next search may begin
 */
struct list {
	struct place *places;
	unsigned long nr;
	struct shmem_record_iter last;
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
 * @folios: memory that the core has given back and the page cache has not got: pages that follow
 *	    each other in the file, or one large folio
 * @first: the first of them
 * @end: behind the last
 * @index: where the first goes
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
	struct folio *folios[BATCH];
	unsigned int first;
	unsigned int end;
	u64 index;
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
static bool find_memory(struct list *list, u64 index,
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
	if (list->last.page == place->page && list->last.nr && list->last.index <= index)
		*iter = list->last;
	else
		*iter = shmem_record_start(place->page, place->header, place->index);
	if (!shmem_record_seek(iter, index))
		return false;
	list->last = *iter;
	return true;
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

/* Put memory that the core has given back into the page cache. */
static int insert(struct shmem_restore *r)
{
	struct mem_cgroup *old;
	unsigned long nr;
	u64 nr_pages;
	int rc;

	lockdep_assert_held(&r->lock);
	if (r->first == r->end)
		return 0;
	/* All are of one size, see add_folio(). */
	nr = folio_nr_pages(r->folios[r->first]);
	nr_pages = nr * (r->end - r->first);
	rc = shmem_inode_acct_blocks(r->inode, nr_pages);
	if (rc)
		return rc;
	old = set_active_memcg(r->memcg);
	while (rc >= 0 && r->first < r->end) {
		rc = shmem_insert(r->inode, r->index, &r->folios[r->first], r->end - r->first);
		if (rc > 0) {
			r->first += rc;
			r->index += rc * nr;
			r->nr_left -= rc * nr;
		}
	}
	set_active_memcg(old);
	/* Takes back what was accounted for folios that are not there. */
	shmem_recalc_inode(r->inode, nr_pages, 0);
	return min(rc, 0);
}

/* How many pages may join what waits to be inserted, if the first of them goes to this place */
static unsigned int room(const struct shmem_restore *r, u64 index)
{
	if (r->first == r->end)
		return ARRAY_SIZE(r->folios);
	if (folio_test_large(r->folios[r->first]) || index != r->index + r->end - r->first)
		return 0;
	return ARRAY_SIZE(r->folios) - r->end;
}

/* The core has given back a folio: it is inserted with those that follow. */
static void add_folio(struct shmem_restore *r, u64 index, struct folio *folio)
{
	if (r->first == r->end) {
		r->first = 0;
		r->end = 0;
		r->index = index;
	}
	r->folios[r->end++] = folio;
}

/* The core has not. */
static void note_broken(struct shmem_restore *r, unsigned long pfn)
{
	pr_err_ratelimited("memory of a file is not as recorded: pfn %#lx\n", pfn);
	r->broken = true;
}

static int restore_large(struct shmem_restore *r, u64 index, unsigned long pfn,
			 struct folio *folio)
{
	if (!folio) {
		note_broken(r, pfn);
		return 0;
	}
	/* Such as shmem allocates */
	folio_set_large_rmappable(folio);
	add_folio(r, index, folio);
	return insert(r);
}

/* Take single pages that follow each other back from the core, as many as there is room for. */
static int take_pages(struct shmem_restore *r, u64 index, unsigned long pfn, unsigned long *nr)
{
	unsigned int nr_room = room(r, index);
	struct page *page;
	unsigned long i;
	int rc;

	if (!nr_room) {
		rc = insert(r);
		if (rc)
			return rc;
		nr_room = room(r, index);
	}
	*nr = min(*nr, nr_room);
	page = kho_restore_pages(PFN_PHYS(pfn), *nr);
	if (!page)
		note_broken(r, pfn);
	for (i = 0; page && i < *nr; i++)
		add_folio(r, index + i, page_folio(page + i));
	return 0;
}

/* The order of the folio that single pages may become which begin here, or 0 */
static unsigned int large_order(u64 index, unsigned long pfn, unsigned long nr)
{
	unsigned int order = min_t(unsigned int, __ffs64(index | pfn | AROUND_ALL), ilog2(nr));

	return may_be_large() && order >= LARGE_MIN ? order : 0;
}

/*
 * Take single pages that follow each other back from the core. Where they lie aligned they come
 * back as large folios, each in one step; the others stay to be inserted together.
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
			rc = insert(r) ?:
			     restore_large(r, index, pfn,
					   kho_restore_pages_as_folio(PFN_PHYS(pfn), order));
			continue;
		}
		/* (to where the next large one may begin) */
		count = nr;
		if (may_be_large() && !((index ^ pfn) & (BIT(LARGE_MIN) - 1)))
			count = min(nr, round_up(index + 1, BIT(LARGE_MIN)) - index);
		rc = take_pages(r, index, pfn, &count);
	}
	return rc;
}

/* Take memory back from the core; the last of it waits for insert(). */
static int restore_memory(struct shmem_restore *r, u64 index, unsigned long pfn,
			  unsigned long nr, unsigned int order)
{
	if (!order)
		return restore_pages(r, index, pfn, nr);
	return insert(r) ?:
	       restore_large(r, index, pfn, kho_can_restore_folio(PFN_PHYS(pfn), order) ?
					    kho_restore_folio(PFN_PHYS(pfn)) : NULL);
}

/* What becomes of memory that the page cache has not got. */
typedef int (*missing_fn)(struct shmem_restore *r, u64 index, unsigned long pfn,
			  unsigned long nr, unsigned int order);

/* The first place of a part of the file where the page cache has something, or its end */
static u64 next_there(struct shmem_restore *r, u64 index, u64 end)
{
	XA_STATE(xas, &r->inode->i_mapping->i_pages, index);

	rcu_read_lock();
	if (xas_find(&xas, end - 1))
		end = max_t(u64, xas.xa_index, index);
	rcu_read_unlock();
	return end;
}

/* What the page cache has not got of single pages in a row. */
static int missing_run(struct shmem_restore *r, missing_fn fn, u64 index,
		       unsigned long pfn, unsigned long nr)
{
	u64 end = index + nr;
	int rc = 0;

	while (!rc && index < end) {
		nr = next_there(r, index, end) - index;
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
	/* Asked once, as often each page is a run by itself. */
	bool more, none = next_there(r, start, end) == end;
	struct shmem_record_iter iter;
	int i, rc = 0;

	lockdep_assert_held(&r->lock);

	for (i = 0; i < ARRAY_SIZE(r->lists); i++) {
		more = find_memory(&r->lists[i], start, &iter);
		while (!rc && more && iter.index < end) {
			u64 from = max(iter.index, start);
			u64 to = min(iter.index + iter.nr, end);

			unsigned long pfn = iter.pfn + from - iter.index;

			if (iter.order)
				rc = missing_folios(r, fn, &iter, from, to);
			else if (none)
				rc = fn(r, from, pfn, to - from, 0);
			else
				rc = missing_run(r, fn, from, pfn, to - from);
			more = shmem_record_next(&iter);
		}
	}
	return rc;
}

/* Restore what the record has of a part of the file. */
static int restore_part(struct shmem_restore *r, u64 start, u64 end)
{
	return insert(r) ?: for_missing(r, restore_memory, start, end) ?: insert(r);
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
	for (; r->first < r->end; r->first++) {
		r->nr_left -= folio_nr_pages(r->folios[r->first]);
		folio_put(r->folios[r->first]);
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
