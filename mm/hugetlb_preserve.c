// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of huge pages across a kexec, in the old kernel.
 *
 * Life cycle: preserve freezes the size of the file, takes a reference
 * to each of its pages (so that none migrates), preserves the page as one unit and
 * lists it. Faults may still add pages into holes. freeze stops that, looks for
 * pages that were added, and writes the header. Between freeze and unfreeze whoever
 * faults in a hole waits, because the page would be lost. unpreserve undoes all
 * this. A file that was handed over to this kernel, and that nobody has any more, is
 * handed on by keep, in the same way but with its pages held already.
 *
 * Locks: the session's mutex for everything of a file that crosses; inode_lock()
 * for hugetlbfs_inode_info.frozen. A page is added to a file under one of the fault
 * mutexes, which freeze takes in turn.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_liveupdate.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho_place.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "hugetlb_liveupdate.h"
#include "liveupdate_wait.h"

/* A file that is preserved. */
struct outgoing {
	struct inode *inode;
	struct hugetlb_file_ser *header;
	struct hugetlb_chain chain;
};

/* Give up the pages of @chain but for those that @known has too. */
static void release_pages_but(struct hugetlb_chain *chain,
			      const struct hugetlb_chain *known)
{
	struct hugetlb_cursor cursor = { .chunk = chain->first };
	struct hugetlb_cursor old = { .chunk = known->first };
	const struct hugetlb_entry_ser *entry, *kept = hugetlb_next_entry(&old);

	while ((entry = hugetlb_next_entry(&cursor))) {
		struct folio *folio;

		if (kept && kept->index == entry->index) {
			kept = hugetlb_next_entry(&old);
			continue;
		}
		folio = pfn_folio(entry->pfn);
		kho_unpreserve_folio(folio);
		hugetlb_pool_outgoing(folio_order(folio) + PAGE_SHIFT, -1);
		folio_put(folio);
		cond_resched();
	}
	hugetlb_chain_free(chain);
}

static int add_page(struct hugetlb_chain *chain, struct folio *folio, u64 index)
{
	int rc;

	rc = kho_preserve_folio(folio);
	if (rc)
		return rc;
	rc = hugetlb_chain_add(chain, index, folio_pfn(folio));
	if (rc) {
		kho_unpreserve_folio(folio);
		return rc;
	}
	folio_get(folio);
	hugetlb_pool_outgoing(folio_order(folio) + PAGE_SHIFT, 1);
	return 0;
}

/*
 * Preserve and list the pages that the file has. Since its size was frozen none
 * went away, so what the chain has been is a part of what it becomes. Pages that lie
 * where they cannot be preserved are moved, and looked for again.
 */
static int collect(struct outgoing *out)
{
	struct address_space *mapping = out->inode->i_mapping;
	const unsigned int order = huge_page_order(hstate_inode(out->inode));
	struct hugetlb_cursor cursor = { .chunk = out->chain.first };
	const struct hugetlb_entry_ser *known = hugetlb_next_entry(&cursor);
	struct hugetlb_chain chain = {};
	struct folio_batch batch;
	struct kho_move move;
	pgoff_t next = 0;
	unsigned int i;
	bool moving;
	int rc = 0;

	folio_batch_init(&batch);
	kho_move_init(&move);
	while (!rc && filemap_get_folios(mapping, &next,
					 MAX_LFS_FILESIZE >> PAGE_SHIFT,
					 &batch)) {
		moving = false;
		for (i = 0; !rc && i < folio_batch_count(&batch); i++) {
			struct folio *folio = batch.folios[i];
			u64 index = folio->index >> order;

			if (!kho_fits(&move, folio)) {
				if (!moving)
					next = folio->index;
				moving = true;
				folio_get(folio);
				rc = kho_move_add(&move, folio);
				continue;
			}
			/* Others of these may have to move as well. */
			if (moving)
				continue;
			if (known && known->index == index) {
				rc = hugetlb_chain_add(&chain, index, known->pfn);
				known = hugetlb_next_entry(&cursor);
			} else {
				rc = add_page(&chain, folio, index);
			}
		}
		folio_batch_release(&batch);
		rc = kho_move_run(&move, rc);
		cond_resched();
	}
	if (rc) {
		release_pages_but(&chain, &out->chain);
		return rc;
	}
	hugetlb_chain_sum(&chain);
	hugetlb_chain_free(&out->chain);
	out->chain = chain;
	return 0;
}

static void write_header(struct outgoing *out, struct file *file)
{
	struct hugetlb_file_ser *header = out->header;
	struct inode *inode = out->inode;
	struct name_snapshot name;

	header->size = i_size_read(inode);
	header->pos = file->f_pos;
	header->flags = file->f_flags & O_ACCMODE;
	header->mode = inode->i_mode & S_IALLUGO;
	header->seals = HUGETLBFS_I(inode)->seals;
	header->page_shift = huge_page_shift(hstate_inode(inode));
	header->nr = out->chain.nr;
	header->chunk_pa = out->chain.nr ? virt_to_phys(out->chain.first) : 0;
	/* On hugetlbfs it may be given another one. */
	take_dentry_name_snapshot(&name, file->f_path.dentry);
	strscpy_pad((char *)header->name, name.name.name,
		    sizeof(header->name));
	release_dentry_name_snapshot(&name);
	header->checksum = hugetlb_file_checksum(header);
}

/* Pages may be added again. */
static void thaw_pages(struct inode *inode)
{
	hugetlb_set_frozen(inode, HUGETLB_PAGES_FROZEN, HUGETLB_SIZE_FROZEN);
	liveupdate_wake();
}

/**
 * hugetlb_wait_thawed - wait until pages may be added to a file again
 * @vmf: of a fault in a hole
 *
 * Context: as liveupdate_wait_fault(). Neither the fault mutex nor
 * hugetlb_vma_lock_read() is held.
 * Return: as there
 */
vm_fault_t hugetlb_wait_thawed(struct vm_fault *vmf)
{
	return liveupdate_wait_fault(vmf, hugetlb_pages_frozen);
}

/* Make a record of a file that loses no page meanwhile. */
static int make_record(struct liveupdate_file_op_args *args)
{
	struct outgoing *out;
	int rc;

	out = kzalloc(sizeof(*out), GFP_KERNEL_ACCOUNT);
	if (!out)
		return -ENOMEM;
	out->inode = file_inode(args->file);
	out->header = kho_alloc_preserve(PAGE_SIZE);
	rc = PTR_ERR_OR_ZERO(out->header);
	if (rc)
		goto err_free;
	rc = collect(out);
	if (rc)
		goto err_free_header;
	write_header(out, args->file);
	args->serialized_data = virt_to_phys(out->header);
	args->private_data = out;
	return 0;

err_free_header:
	kho_unpreserve_free(out->header);
err_free:
	kfree(out);
	return rc;
}

static void undo_record(struct liveupdate_file_op_args *args)
{
	static const struct hugetlb_chain nothing;
	struct outgoing *out = args->private_data;

	release_pages_but(&out->chain, &nothing);
	kho_unpreserve_free(out->header);
	kfree(out);
}

int hugetlb_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	int rc;

	if (!liveupdate_may_restrict(args->file))
		return -EACCES;
	if (!hugetlb_set_frozen(inode, HUGETLB_NOT_FROZEN, HUGETLB_SIZE_FROZEN))
		return -EBUSY;
	rc = make_record(args);
	if (rc)
		hugetlb_set_frozen(inode, HUGETLB_SIZE_FROZEN, HUGETLB_NOT_FROZEN);
	return rc;
}

void hugetlb_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	undo_record(args);
	hugetlb_set_frozen(file_inode(args->file), HUGETLB_SIZE_FROZEN,
			   HUGETLB_NOT_FROZEN);
}

int hugetlb_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct outgoing *out = args->private_data;
	struct hstate *h = hstate_inode(out->inode);
	int rc = 0;

	hugetlb_set_frozen(out->inode, HUGETLB_SIZE_FROZEN, HUGETLB_PAGES_FROZEN);
	hugetlb_fault_barrier();
	if (out->inode->i_mapping->nrpages >> huge_page_order(h) !=
	    out->chain.nr)
		rc = collect(out);
	if (rc) {
		thaw_pages(out->inode);
		return rc;
	}
	write_header(out, args->file);
	return 0;
}

void hugetlb_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct outgoing *out = args->private_data;

	thaw_pages(out->inode);
}

/* As preserve and freeze: the pages are held, and nobody can add any. */
int hugetlb_liveupdate_keep(struct liveupdate_file_op_args *args)
{
	return liveupdate_is_unused(args->file) ? make_record(args) : -EBUSY;
}

void hugetlb_liveupdate_unkeep(struct liveupdate_file_op_args *args)
{
	undo_record(args);
}
