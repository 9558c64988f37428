// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared-memory files (memfds, files on tmpfs) that survive a kexec in a session.
 *
 * Life cycle, old kernel: preserve brings in what is swapped out, holds a
 * reference to every folio, which keeps it in its place and at its size, preserves
 * the memory and writes down what lies where. From then on the size is frozen;
 * writing goes on. Pages that are added to holes meanwhile are looked for in
 * freeze, and only when the number of pages says that there are any; unfreeze
 * forgets them again. Between freeze and unfreeze whoever touches a hole waits.
 *
 * Next kernel: retrieve checks the whole record, makes a file, and puts the
 * memory into its page cache, charged to the caller. finish lifts the freeze, or
 * frees the memory if the file was not retrieved.
 *
 * Locks: inode_lock over preserve, unpreserve and freeze, which excludes whatever
 * takes memory away. SHMEM_FINAL is set under it, and read under the lock of
 * i_pages by those who add memory. A waiter may hold inode_lock, so unfreeze does
 * without it.
 */
#define pr_fmt(fmt) "memfd: " fmt

#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho/abi/handover.h>
#include <linux/kho/abi/memfd.h>
#include <linux/liveupdate.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/shmem_liveupdate.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/wait.h>

#include "internal.h"

/* Who wants to add memory between freeze and unfreeze. */
static DECLARE_WAIT_QUEUE_HEAD(final_wait);

/**
 * __shmem_wait_final - wait until memory may be added to a file again
 * @inode: the file's
 *
 * Context: may sleep, possibly until the jump.
 * Return: 0, or -EINTR when the task is being killed
 */
int __shmem_wait_final(struct inode *inode)
{
	return wait_event_killable(final_wait, !shmem_final(inode)) ?
	       -EINTR : 0;
}

static void set_flag(struct inode *inode, unsigned long flag, bool on)
{
	struct shmem_inode_info *info = SHMEM_I(inode);

	spin_lock(&info->lock);
	if (on)
		WRITE_ONCE(info->flags, info->flags | flag);
	else
		WRITE_ONCE(info->flags, info->flags & ~flag);
	spin_unlock(&info->lock);
}

/*
 * Reading and writing the record
 */

/**
 * struct writer - a part of a record that is being written
 * @first: its first page
 * @last: its last page
 * @words: words of @last
 * @room: how many words @last can have
 * @index: where in the file the next memory goes
 * @nr_pages: of the file, that are written or in the run
 * @run_pfn: single pages that follow each other and are neither preserved nor
 *	     written yet: first frame
 * @run_nr: how many
 */
struct writer {
	struct memfd_words_ser *first;
	struct memfd_words_ser *last;
	u64 *words;
	u64 room;
	u64 index;
	u64 nr_pages;
	unsigned long run_pfn;
	unsigned long run_nr;
};

typedef int memory_fn(void *arg, u64 index, unsigned long pfn,
		      unsigned long nr, unsigned int order);

static u64 page_checksum(const struct memfd_words_ser *page)
{
	return kho_checksum(0, &page->next_pa,
			    MEMFD_SER_PAGE - sizeof(page->checksum));
}

static int writer_init(struct writer *w, size_t header)
{
	void *page = kho_alloc_preserve(PAGE_SIZE);

	if (IS_ERR(page))
		return PTR_ERR(page);
	*w = (struct writer) {
		.first = page,
		.last = page,
		.words = page + header,
		.room = (PAGE_SIZE - header) / sizeof(u64),
	};
	return 0;
}

static int write_word(struct writer *w, u64 word)
{
	struct memfd_words_ser *page;

	if (w->last->nr == w->room) {
		page = kho_alloc_preserve(PAGE_SIZE);
		if (IS_ERR(page))
			return PTR_ERR(page);
		w->last->next_pa = virt_to_phys(page);
		w->last->checksum = page_checksum(w->last);
		w->last = page;
		w->words = (u64 *)(page + 1);
		w->room = MEMFD_MORE_WORDS;
	}
	w->words[w->last->nr++] = word;
	return 0;
}

static void free_pages_of(struct memfd_words_ser *page)
{
	while (page) {
		u64 next_pa = page->next_pa;

		kho_unpreserve_free(page);
		page = next_pa ? phys_to_virt(next_pa) : NULL;
	}
}

/* Call @fn for all memory in a record that can be believed. */
static int walk(const struct memfd_words_ser *page, size_t header,
		memory_fn *fn, void *arg)
{
	u64 i, index = 0;
	int rc;

	while (page) {
		const u64 *words = (const void *)page + header;

		for (i = 0; i < page->nr; i++) {
			unsigned int order = words[i] >> MEMFD_ORDER_SHIFT &
					     MEMFD_ORDER_MASK;
			unsigned long nr = order ? 1UL << order :
				((words[i] >> MEMFD_PFN_BITS) &
				 (MEMFD_RUN_MAX - 1)) + 1;

			if (words[i] & MEMFD_WORD_INDEX) {
				index = words[i] & MEMFD_INDEX_MASK;
				continue;
			}
			rc = fn(arg, index, words[i] & MEMFD_PFN_MASK, nr,
				order);
			if (rc)
				return rc;
			index += nr;
			cond_resched();
		}
		page = page->next_pa ? phys_to_virt(page->next_pa) : NULL;
		header = sizeof(*page);
	}
	return 0;
}

/*
 * Preserving
 */

/**
 * struct preserved - a file that is preserved
 * @main: what preserve found
 * @tail: what freeze found besides; its first page is NULL when it found nothing
 */
struct preserved {
	struct writer main;
	struct writer tail;
};

/* Preserve and write the run. */
static int flush_run(struct writer *w)
{
	unsigned long nr = w->run_nr;
	int rc;

	if (!nr)
		return 0;
	rc = kho_preserve_pages(pfn_to_page(w->run_pfn), nr);
	if (rc)
		return rc;
	rc = write_word(w, w->run_pfn | (u64)(nr - 1) << MEMFD_PFN_BITS);
	if (rc) {
		kho_unpreserve_pages(pfn_to_page(w->run_pfn), nr);
		return rc;
	}
	w->run_nr = 0;
	return 0;
}

/* Takes over the reference to the folio, whether it succeeds or not. */
static int add_folio(struct writer *w, struct folio *folio)
{
	unsigned int order = folio_order(folio);
	unsigned long pfn = folio_pfn(folio);
	int rc;

	if (!order && w->run_nr && w->index == folio->index &&
	    pfn == w->run_pfn + w->run_nr && w->run_nr < MEMFD_RUN_MAX)
		goto longer;

	rc = flush_run(w);
	if (!rc && w->index != folio->index) {
		rc = write_word(w, MEMFD_WORD_INDEX | folio->index);
		w->index = folio->index;
	}
	if (rc)
		goto err_put;
	if (!order) {
		w->run_pfn = pfn;
		goto longer;
	}

	rc = kho_preserve_folio(folio);
	if (rc)
		goto err_put;
	rc = write_word(w, pfn | (u64)order << MEMFD_ORDER_SHIFT);
	if (rc)
		goto err_unpreserve;
	w->index += 1UL << order;
	w->nr_pages += 1UL << order;
	return 0;

longer:
	w->run_nr++;
	w->index++;
	w->nr_pages++;
	return 0;

err_unpreserve:
	kho_unpreserve_folio(folio);
err_put:
	folio_put(folio);
	return rc;
}

static void put_run(unsigned long pfn, unsigned long nr)
{
	for (; nr; nr--, pfn++)
		folio_put(pfn_folio(pfn));
}

static int unpreserve_memory(void *unused, u64 index, unsigned long pfn,
			     unsigned long nr, unsigned int order)
{
	if (order) {
		kho_unpreserve_folio(pfn_folio(pfn));
		folio_put(pfn_folio(pfn));
	} else {
		kho_unpreserve_pages(pfn_to_page(pfn), nr);
		put_run(pfn, nr);
	}
	return 0;
}

/* Undo everything that a writer did. */
static void writer_undo(struct writer *w, size_t header)
{
	if (!w->first)
		return;
	put_run(w->run_pfn, w->run_nr);
	walk(w->first, header, unpreserve_memory, NULL);
	free_pages_of(w->first);
	w->first = NULL;
}

/* Finish a part; what follows it comes at @next_pa. */
static void seal(struct writer *w, u64 next_pa)
{
	w->last->next_pa = next_pa;
	w->last->checksum = page_checksum(w->last);
}

/**
 * struct cursor - where a sorted record is, for looking up growing indices
 * @page: current page
 * @words: its words
 * @next: next word
 * @start: what the last memory covers
 * @end: exclusive
 */
struct cursor {
	const struct memfd_words_ser *page;
	const u64 *words;
	u64 next;
	u64 start;
	u64 end;
};

static bool written(struct cursor *c, u64 index)
{
	while (c->end <= index) {
		unsigned int order;
		u64 word;

		if (c->next == c->page->nr) {
			if (!c->page->next_pa)
				return false;
			c->page = phys_to_virt(c->page->next_pa);
			c->words = (const u64 *)(c->page + 1);
			c->next = 0;
			continue;
		}
		word = c->words[c->next++];
		if (word & MEMFD_WORD_INDEX) {
			c->start = word & MEMFD_INDEX_MASK;
			c->end = c->start;
			continue;
		}
		order = word >> MEMFD_ORDER_SHIFT & MEMFD_ORDER_MASK;
		c->start = c->end;
		c->end += order ? 1ULL << order :
			  ((word >> MEMFD_PFN_BITS) & (MEMFD_RUN_MAX - 1)) + 1;
	}
	return c->start <= index;
}

/* Memory that was allocated but never used is filled, so that it can cross. */
static int make_uptodate(struct inode *inode, struct folio *folio)
{
	struct folio *same;
	int rc;

	/* Waits for whoever has just added it. */
	folio_lock(folio);
	folio_unlock(folio);
	if (folio_test_uptodate(folio))
		return 0;
	rc = shmem_get_folio(inode, folio->index, 0, &same, SGP_CACHE);
	if (rc)
		return rc;
	folio_unlock(same);
	folio_put(same);
	return 0;
}

/*
 * Add all memory of a file to a record, but for what is in @known. Memory beyond
 * the end was allocated in advance and is empty: it does not cross.
 */
static int scan(struct inode *inode, struct writer *w, struct cursor *known)
{
	pgoff_t start = 0, end = DIV_ROUND_UP(i_size_read(inode), PAGE_SIZE);
	pgoff_t indices[PAGEVEC_SIZE];
	struct folio_batch batch;
	unsigned int i;
	int rc = 0;

	folio_batch_init(&batch);
	while (!rc && end && start < end &&
	       find_get_entries(inode->i_mapping, &start, end - 1, &batch,
				indices)) {
		for (i = 0; i < folio_batch_count(&batch); i++) {
			struct folio *folio = batch.folios[i];

			if (xa_is_value(folio)) {
				if (rc)
					continue;
				/* Then look again: it may be of another size. */
				rc = shmem_get_folio(inode, indices[i], 0,
						     &folio, SGP_CACHE);
				if (!rc) {
					folio_unlock(folio);
					folio_put(folio);
					start = min(start, indices[i]);
					rc = -EAGAIN;
				}
				continue;
			}
			if (rc || (known && written(known, folio->index))) {
				folio_put(folio);
				continue;
			}
			rc = make_uptodate(inode, folio);
			if (rc)
				folio_put(folio);
			else
				rc = add_folio(w, folio);
		}
		if (rc == -EAGAIN)
			rc = 0;
		folio_batch_reinit(&batch);
		cond_resched();
	}
	return rc ?: flush_run(w);
}

static void fill_header(const struct preserved *p, struct file *file)
{
	struct memfd_ser *ser = (struct memfd_ser *)p->main.first;
	struct inode *inode = file_inode(file);

	ser->size = i_size_read(inode);
	ser->pos = file->f_pos;
	ser->nr_pages = p->main.nr_pages +
			(p->tail.first ? p->tail.nr_pages : 0);
	ser->seals = SHMEM_I(inode)->seals;
	ser->mode = inode->i_mode & 0777;
	ser->flags = file->f_flags & (O_ACCMODE | O_APPEND | O_NONBLOCK |
				      O_LARGEFILE);
	strscpy_pad(ser->name, file->f_path.dentry->d_name.name);
	ser->words.checksum = page_checksum(&ser->words);
}

static bool shmem_can_preserve(struct liveupdate_file_handler *handler,
			       struct file *file)
{
	return S_ISREG(file_inode(file)->i_mode) && shmem_file(file);
}

static int shmem_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct preserved *p;
	int rc;

	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return -ENOMEM;

	inode_lock(inode);
	rc = -EBUSY;
	if (shmem_size_frozen(inode))
		goto err_unlock;
	rc = writer_init(&p->main, sizeof(struct memfd_ser));
	if (rc)
		goto err_unlock;
	set_flag(inode, SHMEM_FROZEN, true);
	rc = scan(inode, &p->main, NULL);
	if (rc)
		goto err_undo;
	seal(&p->main, 0);
	fill_header(p, args->file);
	inode_unlock(inode);

	args->serialized_data = virt_to_phys(p->main.first);
	args->private_data = p;
	return 0;

err_undo:
	writer_undo(&p->main, sizeof(struct memfd_ser));
	set_flag(inode, SHMEM_FROZEN, false);
err_unlock:
	inode_unlock(inode);
	kfree(p);
	return rc;
}

static void shmem_unpreserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct preserved *p = args->private_data;

	inode_lock(inode);
	writer_undo(&p->main, sizeof(struct memfd_ser));
	set_flag(inode, SHMEM_FROZEN, false);
	inode_unlock(inode);
	kfree(p);
}

static void set_final(struct inode *inode, bool on)
{
	xa_lock_irq(&inode->i_mapping->i_pages);
	set_flag(inode, SHMEM_FINAL, on);
	xa_unlock_irq(&inode->i_mapping->i_pages);
	if (!on)
		wake_up_all(&final_wait);
}

static int shmem_freeze(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct preserved *p = args->private_data;
	struct cursor known = {
		.page = p->main.first,
		.words = (void *)p->main.first + sizeof(struct memfd_ser),
	};
	int rc = 0;

	inode_lock(inode);
	set_final(inode, true);
	if (inode->i_mapping->nrpages == p->main.nr_pages &&
	    !SHMEM_I(inode)->swapped)
		goto out;

	rc = writer_init(&p->tail, sizeof(struct memfd_words_ser));
	if (rc)
		goto err_final;
	rc = scan(inode, &p->tail, &known);
	if (rc)
		goto err_undo;
	seal(&p->tail, 0);
	seal(&p->main, virt_to_phys(p->tail.first));
out:
	fill_header(p, args->file);
	inode_unlock(inode);
	return 0;

err_undo:
	writer_undo(&p->tail, sizeof(struct memfd_words_ser));
err_final:
	set_final(inode, false);
	inode_unlock(inode);
	return rc;
}

static void shmem_unfreeze(struct liveupdate_file_op_args *args)
{
	struct preserved *p = args->private_data;

	seal(&p->main, 0);
	writer_undo(&p->tail, sizeof(struct memfd_words_ser));
	fill_header(p, args->file);
	set_final(file_inode(args->file), false);
}

/*
 * Retrieving
 */

/* All pages of the record are where they should be and as they were. */
static const struct memfd_ser *check_pages(u64 first_pa)
{
	size_t header = sizeof(struct memfd_ser);
	const struct memfd_words_ser *page;
	u64 pa, pages = 0;

	for (pa = first_pa; pa; pa = page->next_pa) {
		if (!PAGE_ALIGNED(pa) || !kho_is_pending(pa, PAGE_SIZE) ||
		    pages++ > totalram_pages())
			return NULL;
		page = phys_to_virt(pa);
		if (page->checksum != page_checksum(page) ||
		    page->nr > (PAGE_SIZE - header) / sizeof(u64))
			return NULL;
		header = sizeof(*page);
	}
	return pages ? phys_to_virt(first_pa) : NULL;
}

/* What is checked of all memory before any is restored. */
struct check {
	u64 end;
	u64 nr_pages;
};

static int check_memory(void *arg, u64 index, unsigned long pfn,
			unsigned long nr, unsigned int order)
{
	struct check *check = arg;

	if (order > MAX_PAGE_ORDER || !IS_ALIGNED(index, 1UL << order) ||
	    !IS_ALIGNED(pfn, 1UL << order) ||
	    index >= DIV_ROUND_UP(check->end, PAGE_SIZE) ||
	    !kho_is_pending(PFN_PHYS(pfn), nr << PAGE_SHIFT))
		return -EINVAL;
	check->nr_pages += nr;
	return 0;
}

static const struct memfd_ser *check_record(u64 first_pa)
{
	const struct memfd_ser *ser = check_pages(first_pa);
	struct check check = { };

	if (!ser)
		return NULL;
	check.end = ser->size;
	if (ser->size > MAX_LFS_FILESIZE || ser->pos > MAX_LFS_FILESIZE ||
	    ser->reserved || ser->mode & ~0777 ||
	    strnlen(ser->name, sizeof(ser->name)) == sizeof(ser->name) ||
	    walk(&ser->words, sizeof(*ser), check_memory, &check) ||
	    check.nr_pages != ser->nr_pages)
		return NULL;
	return ser;
}

/* Frees what cannot be used. */
static int insert_folio(struct inode *inode, u64 index, struct folio *folio)
{
	/* All that may fail has been done before: nothing could be undone. */
	const gfp_t gfp = GFP_KERNEL | __GFP_NOFAIL;
	int rc;

	__folio_set_locked(folio);
	__folio_set_swapbacked(folio);
	folio_mark_uptodate(folio);
	rc = mem_cgroup_charge(folio, current->mm, gfp);
	rc = rc ?: shmem_add_to_page_cache(folio, inode->i_mapping, index, NULL,
					   gfp);
	if (!rc) {
		shmem_recalc_inode(inode, folio_nr_pages(folio), 0);
		folio_mark_dirty(folio);
		folio_add_lru(folio);
	}
	folio_unlock(folio);
	folio_put(folio);
	return rc;
}

static int restore_memory(void *arg, u64 index, unsigned long pfn,
			  unsigned long nr, unsigned int order)
{
	struct inode *inode = arg;
	struct folio *folio;
	struct page *page;
	int rc = 0;

	if (order) {
		folio = kho_restore_folio(PFN_PHYS(pfn));
		if (!folio)
			return -EINVAL;
		/* Such as shmem allocates */
		folio_set_large_rmappable(folio);
		return insert_folio(inode, index, folio);
	}
	page = kho_restore_pages(PFN_PHYS(pfn), nr);
	if (!page)
		return -EINVAL;
	for (; nr; nr--, page++, index++)
		rc = insert_folio(inode, index, page_folio(page)) ?: rc;
	return rc;
}

/* The file as it was, but without contents. */
static struct file *make_file(const struct memfd_ser *ser)
{
	struct file *file, *same;
	struct inode *inode;

	file = shmem_file_setup(ser->name, 0, VM_NORESERVE);
	if (IS_ERR(file))
		return file;
	inode = file_inode(file);
	inode->i_mode = S_IFREG | ser->mode;
	if ((ser->flags & O_ACCMODE) != O_RDWR) {
		same = dentry_open(&file->f_path, ser->flags & O_ACCMODE,
				   current_cred());
		fput(file);
		if (IS_ERR(same))
			return same;
		file = same;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file->f_flags |= ser->flags & (O_APPEND | O_NONBLOCK | O_LARGEFILE);
	file->f_pos = ser->pos;
	i_size_write(inode, ser->size);
	SHMEM_I(inode)->seals = ser->seals;
	return file;
}

static void free_record(const struct memfd_ser *ser)
{
	u64 pa = virt_to_phys((void *)ser);

	while (pa) {
		struct memfd_words_ser *page = phys_to_virt(pa);

		pa = page->next_pa;
		kho_restore_free(page);
	}
}

static int shmem_retrieve(struct liveupdate_file_op_args *args)
{
	const struct memfd_ser *ser = check_record(args->serialized_data);
	struct inode *inode;
	struct file *file;
	int rc;

	if (!ser) {
		pr_err("token %#llx: the record is damaged\n", args->token);
		return -EINVAL;
	}
	file = make_file(ser);
	if (IS_ERR(file))
		return PTR_ERR(file);
	inode = file_inode(file);
	rc = shmem_inode_acct_blocks(inode, ser->nr_pages);
	if (rc)
		goto err_put;

	inode_lock(inode);
	set_flag(inode, SHMEM_FROZEN, true);
	rc = walk(&ser->words, sizeof(*ser), restore_memory, inode);
	inode_unlock(inode);
	if (rc) {
		/* The record was whole, so this is a bug; do not hide it. */
		WARN_ONCE(1, "memory of a file is not as recorded: %d\n", rc);
		goto err_put;
	}
	free_record(ser);
	args->file = file;
	return 0;

err_put:
	fput(file);
	return rc;
}

static int discard_memory(void *unused, u64 index, unsigned long pfn,
			  unsigned long nr, unsigned int order)
{
	return kho_discard_range(PFN_PHYS(pfn), nr << PAGE_SHIFT);
}

static void shmem_finish(struct liveupdate_file_op_args *args)
{
	const struct memfd_ser *ser;

	if (args->retrieved) {
		set_flag(file_inode(args->file), SHMEM_FROZEN, false);
		return;
	}
	ser = check_record(args->serialized_data);
	if (!ser) {
		pr_err("token %#llx: the record is damaged; its memory stays until /memory is discarded\n",
		       args->token);
		return;
	}
	walk(&ser->words, sizeof(*ser), discard_memory, NULL);
	free_record(ser);
}

static const struct liveupdate_file_ops shmem_liveupdate_ops = {
	.can_preserve = shmem_can_preserve,
	.preserve = shmem_preserve,
	.unpreserve = shmem_unpreserve,
	.freeze = shmem_freeze,
	.unfreeze = shmem_unfreeze,
	.retrieve = shmem_retrieve,
	.finish = shmem_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler shmem_handler = {
	.ops = &shmem_liveupdate_ops,
	.compatible = MEMFD_COMPATIBLE,
};

static int __init shmem_liveupdate_init(void)
{
	return liveupdate_enabled() ?
	       liveupdate_register_file_handler(&shmem_handler) : 0;
}
late_initcall(shmem_liveupdate_init);
