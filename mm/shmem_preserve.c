// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared-memory files across a kexec, in the old kernel.
 *
 * Life cycle: preserve brings in what is swapped out, if there is room
 * for it, holds a reference to every folio, which keeps it in its place and at its
 * size, preserves the memory and writes down what lies where. From then on the size
 * is frozen; writing goes on. Pages that are added to holes meanwhile are looked for
 * in freeze, and only when the number of pages says that there are any; unfreeze
 * forgets them again. Between freeze and unfreeze whoever touches a hole waits. If
 * finalize comes before a file that was handed over is finished, and nobody has it any
 * more, keep makes a record of it again.
 *
 * Locks: inode_lock over preserve and freeze, which excludes whatever takes memory
 * away; afterwards SHMEM_FROZEN does that. SHMEM_FINAL is set under it, inside that
 * under the lock of i_pages, under which those who add memory read it. A waiter may
 * hold inode_lock, so unfreeze does without it.
 */
#define pr_fmt(fmt) "memfd: " fmt

#include <linux/bitops.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/kho.h>
#include <linux/kho_place.h>
#include <linux/liveupdate.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_liveupdate.h>
#include <linux/slab.h>
#include <linux/swap_cgroup.h>
#include <linux/swapops.h>

#include "internal.h"
#include "liveupdate_wait.h"
#include "shmem_liveupdate.h"
#include "shmem_record.h"

static bool is_final(struct inode *inode)
{
	return shmem_final(inode);
}

/**
 * __shmem_wait_final - wait until memory may be added to a file again
 * @inode: the file's
 * @vmf: of a fault, or NULL
 * @fault_type: out: what the fault returns
 *
 * Context: may sleep, possibly until the jump.
 * Return: 0, or -EINTR when the task is being killed; of a fault 1: it ends here
 */
int __shmem_wait_final(struct inode *inode, struct vm_fault *vmf,
		       vm_fault_t *fault_type)
{
	if (!vmf)
		return liveupdate_wait(inode, is_final);
	*fault_type = liveupdate_wait_fault(vmf, is_final);
	return 1;
}

/**
 * __shmem_wait_to_write - wait until none of what will be written to is a hole
 * that must not be filled
 * @inode: the file's, locked
 * @pos: where it begins, in bytes
 * @count: how much, in bytes
 *
 * So that nobody waits with the lock, which others want.
 *
 * Context: may sleep, possibly until the jump, without the lock.
 * Return: 0, or -EINTR when the task is being killed
 */
int __shmem_wait_to_write(struct inode *inode, loff_t pos, size_t count)
{
	/* Beyond the end it is refused. */
	loff_t end = min_t(u64, (u64)pos + count, i_size_read(inode));
	int rc = 0;

	while (!rc && shmem_final(inode) && pos < end &&
	       mapping_seek_hole_data(inode->i_mapping, pos, end,
				      SEEK_HOLE) < end) {
		inode_unlock(inode);
		rc = liveupdate_wait(inode, is_final);
		inode_lock(inode);
	}
	return rc;
}

/*
 * Preserving
 */

/* For the lock of a file that is being written to */
#define LOCK_TIMEOUT	(2 * HZ)

/* Pages of a run at most: preserving it does not take too long at a stretch. */
#define RUN_PAGES	MEMFD_RUN_MAX

/**
 * struct part - a list of the record, and what goes into it next
 * @record: the list
 * @run: folios of one order that follow each other and are neither preserved nor
 *	 written yet: the first one
 * @run_index: where in the file the next one would be
 * @run_pfn: and where in memory
 * @run_nr: how many there are
 * @run_order: their order
 */
struct part {
	struct shmem_record record;
	struct folio *run;
	u64 run_index;
	unsigned long run_pfn;
	unsigned long run_nr;
	unsigned int run_order;
};

/**
 * struct preserved - a file that is preserved
 * @main: what preserve found
 * @tail: what freeze found besides; its first page is NULL when it found nothing
 */
struct preserved {
	struct part main;
	struct part tail;
};

/* Preserve and write the run. */
static int flush_run(struct part *part)
{
	unsigned long nr = part->run_nr, pages = nr << part->run_order;
	int rc;

	if (!nr)
		return 0;
	rc = kho_preserve_folios(part->run, nr);
	if (rc)
		return rc;
	rc = shmem_record_add(&part->record, part->run_index - pages,
			      part->run_pfn - pages, nr, part->run_order);
	if (rc) {
		kho_unpreserve_folios(part->run, nr);
		return rc;
	}
	part->run_nr = 0;
	return 0;
}

/* Takes over the reference to the folio, whether it succeeds or not. */
static int add_folio(struct part *part, struct folio *folio)
{
	const unsigned int order = folio_order(folio);
	const unsigned long pfn = folio_pfn(folio);
	int rc;

	if (!part->run_nr || order != part->run_order ||
	    pfn != part->run_pfn || folio->index != part->run_index ||
	    part->run_nr << order >= RUN_PAGES) {
		rc = flush_run(part);
		if (rc) {
			folio_put(folio);
			return rc;
		}
		part->run = folio;
		part->run_index = folio->index;
		part->run_pfn = pfn;
		part->run_order = order;
	}
	part->run_nr++;
	part->run_index += 1UL << order;
	part->run_pfn += 1UL << order;
	return 0;
}

static void put_run(unsigned long pfn, unsigned long nr, unsigned int order)
{
	for (; nr; nr--, pfn += 1UL << order)
		folio_put(pfn_folio(pfn));
}

/* Undo everything that was done for a list. */
static void undo(struct part *part, size_t header)
{
	struct shmem_record_iter iter;
	unsigned long nr;

	if (!part->record.first)
		return;
	put_run(part->run_pfn - (part->run_nr << part->run_order), part->run_nr,
		part->run_order);
	/* The list of a freeze may be begun again. */
	part->run_nr = 0;
	iter = shmem_record_start(part->record.first, header, 0);
	while (shmem_record_next(&iter)) {
		nr = iter.nr >> iter.order;
		kho_unpreserve_folios(pfn_folio(iter.pfn), nr);
		put_run(iter.pfn, nr, iter.order);
		cond_resched();
	}
	shmem_record_free(&part->record);
}

/*
 * Memory that was allocated but never used is filled, so that it can cross. The
 * folio is one that find_entries() found, and stays.
 */
static int make_uptodate(struct inode *inode, struct folio *folio)
{
	struct folio *same;
	int rc;

	if (folio_test_uptodate(folio))
		return 0;
	rc = shmem_get_folio(inode, folio->index, 0, &same, SGP_CACHE);
	if (rc)
		return rc;
	folio_unlock(same);
	folio_put(same);
	return WARN_ON_ONCE(same != folio) ? -EIO : 0;
}

static bool is_known(struct shmem_record_iter *iter, u64 index)
{
	return shmem_record_seek(iter, index) && iter->index <= index;
}

/**
 * struct found - an entry of the page cache
 * @folio: with a reference, because of which it stays there; or NULL when it is
 *	   swapped out
 * @index: where in the file; anywhere in it for a large folio
 * @swap: where in swap
 */
struct found {
	struct folio *folio;
	pgoff_t index;
	swp_entry_t swap;
};

/*
 * The next entries of the page cache. As find_get_entries(), but with its lock
 * held, which makes a reference cost little: it is most of what preserving costs.
 *
 * Who takes a folio out of the page cache, or puts another in its place, locks it,
 * then sees that nobody else has a reference, and unlocks it when it is out. So one
 * that is there, and not locked by anybody, stays from the moment on when it has a
 * reference; one that is locked may have been seen without.
 *
 * Return: how many; -EINTR
 */
static int find_entries(struct address_space *mapping, pgoff_t start,
			pgoff_t end, struct found *found, int max)
{
	XA_STATE(xas, &mapping->i_pages, start);
	struct folio *busy;
	void *entry;
	int nr;

again:
	nr = 0;
	busy = NULL;
	xas_set(&xas, start);
	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, end) {
		found[nr].index = xas.xa_index;
		found[nr].folio = NULL;
		if (xa_is_value(entry)) {
			found[nr].swap = radix_to_swp_entry(entry);
		} else {
			found[nr].folio = entry;
			folio_get(entry);
			if (!folio_trylock(entry)) {
				busy = entry;
				break;
			}
			folio_unlock(entry);
		}
		if (++nr == max)
			break;
	}
	xas_unlock_irq(&xas);
	if (!busy)
		return nr;

	if (folio_lock_killable(busy)) {
		folio_put(busy);
		return nr ?: -EINTR;
	}
	if (busy->mapping == mapping) {
		folio_unlock(busy);
		return nr + 1;
	}
	folio_unlock(busy);
	folio_put(busy);
	if (nr)
		return nr;
	goto again;
}

#ifdef CONFIG_MEMCG
/* How much can be charged for what is in swap there, file pages being given up. */
static unsigned long charge_room(swp_entry_t swap)
{
	unsigned long limit, count, room = ULONG_MAX;
	struct swap_info_struct *si;
	struct mem_cgroup *memcg;

	/* Not what stands for a page that could not be read. */
	if (non_swap_entry(swap))
		return room;
	/* While it is there swapoff waits. */
	si = get_swap_device(swap);
	if (!si)
		return room;
	rcu_read_lock();
	memcg = mem_cgroup_from_id(lookup_swap_cgroup_id(swap));
	for (; memcg && !mem_cgroup_is_root(memcg);
	     memcg = parent_mem_cgroup(memcg)) {
		limit = READ_ONCE(memcg->memory.max);
		count = page_counter_read(&memcg->memory);
		count -= min(count, memcg_page_state(memcg, NR_ACTIVE_FILE) +
				    memcg_page_state(memcg, NR_INACTIVE_FILE));
		room = min(room, limit - min(count, limit));
	}
	rcu_read_unlock();
	put_swap_device(si);
	return room;
}
#else
static unsigned long charge_room(swp_entry_t swap)
{
	return ULONG_MAX;
}
#endif

/*
 * What is brought in stays until the file is given up. It must not take what others
 * need: all that is still swapped out has to fit into memory that is available
 * without swapping them out, or killing them, and where it is charged. (Where the
 * rest is charged is not known; mostly it is the same.)
 */
static int swap_in(struct liveupdate_file_op_args *args,
		   const struct found *found)
{
	struct address_space *mapping = args->file->f_mapping;
	unsigned long need = READ_ONCE(SHMEM_I(mapping->host)->swapped);
	unsigned long room = min_t(unsigned long, max(si_mem_available(), 0L),
				   charge_room(found->swap));
	struct folio *folio;

	if (need > room) {
		liveupdate_refuse(args,
				  "%lu MiB of the file are swapped out, and there is room for %lu: free memory, or raise the limit of its cgroup",
				  need >> (20 - PAGE_SHIFT),
				  room >> (20 - PAGE_SHIFT));
		return -ENOMEM;
	}
	/* If it does not fit after all, it fails, and nobody is killed for it. */
	folio = shmem_read_folio_gfp(mapping, found->index,
				     mapping_gfp_mask(mapping) |
				     __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	folio_put(folio);
	return 0;
}

/*
 * Add all memory of a file to a list, but for what is in @known. What lies where it
 * cannot be preserved is moved, and looked for again. Memory beyond the end was
 * allocated in advance and is empty: it does not cross.
 */
static int scan(struct liveupdate_file_op_args *args, struct part *part,
		struct shmem_record_iter *known)
{
	struct inode *inode = file_inode(args->file);
	pgoff_t start = 0, end = DIV_ROUND_UP(i_size_read(inode), PAGE_SIZE);
	struct found found[32];
	struct kho_move move;
	bool again, moving;
	int i, nr, rc = 0;

	kho_move_init(&move);
	while (!rc && start < end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		nr = find_entries(inode->i_mapping, start, end - 1, found,
				  ARRAY_SIZE(found));
		if (nr < 0)
			return nr;
		if (!nr)
			break;
		again = false;
		moving = false;
		for (i = 0; i < nr; i++) {
			struct folio *folio = found[i].folio;

			if (!folio && !rc && !again && !moving) {
				/* Look again: it may be of another size. */
				rc = swap_in(args, &found[i]);
				start = found[i].index;
				again = true;
			}
			if (!folio)
				continue;
			if (rc || again) {
				folio_put(folio);
				continue;
			}
			/* What is known has been preserved, so it fits. */
			if (!kho_fits(&move, folio)) {
				if (!moving)
					start = folio->index;
				moving = true;
				rc = kho_move_add(&move, folio);
				continue;
			}
			/* Others of these may have to move as well. */
			if (moving) {
				folio_put(folio);
				continue;
			}
			start = folio_next_index(folio);
			if (known && is_known(known, folio->index)) {
				folio_put(folio);
				continue;
			}
			rc = make_uptodate(inode, folio);
			if (rc)
				folio_put(folio);
			else
				rc = add_folio(part, folio);
		}
		rc = kho_move_run(&move, rc);
		cond_resched();
	}
	return rc ?: flush_run(part);
}

static void fill_header(const struct preserved *p, struct file *file)
{
	struct memfd_ser *ser = (struct memfd_ser *)p->main.record.first;
	bool tail = p->tail.record.first;
	struct inode *inode = file_inode(file);
	struct name_snapshot name;

	ser->size = i_size_read(inode);
	ser->pos = file->f_pos;
	ser->nr_pages = p->main.record.nr_pages +
			(tail ? p->tail.record.nr_pages : 0);
	ser->tail_pa = tail ? virt_to_phys(p->tail.record.first) : 0;
	ser->seals = SHMEM_I(inode)->seals;
	ser->mode = inode->i_mode & 0777;
	ser->flags = file->f_flags & SHMEM_RECORD_FLAGS;
	/* On tmpfs it may be given another one. */
	take_dentry_name_snapshot(&name, file->f_path.dentry);
	strscpy_pad(ser->name, name.name.name);
	release_dentry_name_snapshot(&name);
	shmem_record_seal(&ser->words);
}

/*
 * Whoever writes to the file holds inode_lock while he reads what he writes: memory
 * that may be a hole of a file which is final, or that a process provides when it
 * likes. So this gives up.
 */
static int lock_inode(struct inode *inode)
{
	unsigned long end = jiffies + LOCK_TIMEOUT;

	while (!inode_trylock(inode)) {
		if (time_after(jiffies, end))
			return -EBUSY;
		schedule_timeout_killable(1);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* Preserve and write down all that a file has; its inode is locked. */
static int make_record(struct liveupdate_file_op_args *args,
		       struct preserved *p)
{
	int rc = shmem_record_begin(&p->main.record, SHMEM_RECORD_MAIN);

	if (rc)
		return rc;
	rc = scan(args, &p->main, NULL);
	if (rc) {
		undo(&p->main, SHMEM_RECORD_MAIN);
		return rc;
	}
	shmem_record_end(&p->main.record);
	fill_header(p, args->file);
	args->serialized_data = virt_to_phys(p->main.record.first);
	args->private_data = p;
	return 0;
}

int shmem_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct preserved *p;
	int rc;

	if (!liveupdate_may_restrict(args->file))
		return -EACCES;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return -ENOMEM;

	rc = lock_inode(inode);
	if (rc)
		goto err_free;
	rc = -EBUSY;
	if (READ_ONCE(SHMEM_I(inode)->liveupdate) & SHMEM_FROZEN)
		goto err_unlock;
	shmem_set_liveupdate(inode, SHMEM_FROZEN, true);
	rc = make_record(args, p);
	if (!rc) {
		inode_unlock(inode);
		return 0;
	}
	shmem_set_liveupdate(inode, SHMEM_FROZEN, false);
err_unlock:
	inode_unlock(inode);
err_free:
	kfree(p);
	return rc;
}

/*
 * Without inode_lock, which somebody may hold for as long as he likes: all that would
 * change the size is refused until the very end.
 */
void shmem_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct preserved *p = args->private_data;

	undo(&p->main, SHMEM_RECORD_MAIN);
	shmem_set_liveupdate(inode, SHMEM_FROZEN, false);
	kfree(p);
}

static void set_final(struct inode *inode, bool on)
{
	xa_lock_irq(&inode->i_mapping->i_pages);
	shmem_set_liveupdate(inode, SHMEM_FINAL, on);
	xa_unlock_irq(&inode->i_mapping->i_pages);
	if (!on)
		liveupdate_wake();
}

/*
 * Does the file have more than preserve found? A page on its way to swap, or back, is
 * counted in both places, so it cannot be missed where one of them cannot change.
 */
static bool has_more(struct inode *inode, const struct part *part)
{
	struct address_space *mapping = inode->i_mapping;
	bool more;

	xa_lock_irq(&mapping->i_pages);
	more = mapping->nrpages != part->record.nr_pages ||
	       READ_ONCE(SHMEM_I(inode)->swapped);
	xa_unlock_irq(&mapping->i_pages);
	return more;
}

int shmem_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct preserved *p = args->private_data;
	struct shmem_record_iter known;
	int rc = lock_inode(inode);

	if (rc) {
		liveupdate_refuse(args, "somebody writes to the file for ever: end that program");
		return rc;
	}
	set_final(inode, true);
	if (!has_more(inode, &p->main))
		goto out;

	rc = shmem_record_begin(&p->tail.record, SHMEM_RECORD_TAIL);
	if (rc)
		goto err_final;
	known = shmem_record_start(p->main.record.first, SHMEM_RECORD_MAIN, 0);
	rc = scan(args, &p->tail, &known);
	if (rc)
		goto err_undo;
	/* Nothing besides: what there is more lies beyond the end. */
	if (p->tail.record.nr_pages)
		shmem_record_end(&p->tail.record);
	else
		shmem_record_free(&p->tail.record);
out:
	fill_header(p, args->file);
	inode_unlock(inode);
	return 0;

err_undo:
	undo(&p->tail, SHMEM_RECORD_TAIL);
err_final:
	set_final(inode, false);
	inode_unlock(inode);
	return rc;
}

void shmem_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct preserved *p = args->private_data;

	undo(&p->tail, SHMEM_RECORD_TAIL);
	fill_header(p, args->file);
	set_final(file_inode(args->file), false);
}

/*
 * As preserve and freeze, of a file that nobody can touch meanwhile. What is still to
 * come back does so first: there is one record, and that one is this kernel's.
 */
int shmem_liveupdate_keep(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct preserved *p;
	int rc;

	if (!liveupdate_is_unused(args->file))
		return -EBUSY;
	rc = shmem_restore_all(inode);
	if (rc) {
		liveupdate_refuse(args, "its memory cannot be restored: %d; discard the session",
				  rc);
		return rc;
	}
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return -ENOMEM;
	inode_lock(inode);
	shmem_restore_end(inode);
	rc = make_record(args, p);
	inode_unlock(inode);
	if (rc)
		kfree(p);
	return rc;
}

void shmem_liveupdate_unkeep(struct liveupdate_file_op_args *args)
{
	struct preserved *p = args->private_data;

	undo(&p->main, SHMEM_RECORD_MAIN);
	kfree(p);
}
