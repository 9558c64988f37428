// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of huge pages across a kexec, in the next kernel.
 *
 * Life cycle: retrieve checks the record and makes an unlinked file. All that can
 * fail comes first: charges, entries of the reserve map, slots of the page cache,
 * which hold XA_ZERO_ENTRY meanwhile. Then each page is restored, becomes a
 * persistent page of the pool, which grows by it, and replaces its slot's entry.
 * When it is freed it goes to the pool's free pages. Until finish the size stays
 * frozen and the pages are held: none migrates, as a device may go on with DMA to
 * the frames that the old kernel told its IOMMU. A file that was not retrieved is
 * given up by finish: its pages go to the page allocator.
 *
 * Locks: the session's mutex for everything of a file that crosses; inode_lock()
 * for hugetlbfs_inode_info.frozen; hugetlb_lock for the pool. Nobody else has the
 * inode that is being retrieved.
 */
#define pr_fmt(fmt) "hugetlb: live update: " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_cgroup.h>
#include <linux/hugetlb_liveupdate.h>
#include <linux/kho.h>
#include <linux/kho_hwpoison.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/liveupdate.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "hugetlb_liveupdate.h"
#include "hugetlb_vmemmap.h"
#include "liveupdate_seals.h"

/* What the caller is charged for a page. */
struct charge {
	struct hugetlb_cgroup *cgroup;
	struct hugetlb_cgroup *cgroup_rsvd;
	bool memcg;
};

struct charges {
	struct mem_cgroup *memcg;
	struct charge *charge;
	u64 nr;
};

static int charge_page(struct hstate *h, struct mem_cgroup *memcg,
		       struct charge *charge)
{
	const unsigned long nr = pages_per_huge_page(h);
	int rc, idx = hstate_index(h);

	rc = mem_cgroup_hugetlb_try_charge(memcg, htlb_alloc_mask(h) |
					   __GFP_RETRY_MAYFAIL, nr);
	if (rc == -ENOMEM)
		return rc;
	charge->memcg = !rc;
	rc = hugetlb_cgroup_charge_cgroup_rsvd(idx, nr, &charge->cgroup_rsvd);
	if (rc)
		goto err_memcg;
	rc = hugetlb_cgroup_charge_cgroup(idx, nr, &charge->cgroup);
	if (rc)
		goto err_rsvd;
	return 0;

err_rsvd:
	hugetlb_cgroup_uncharge_cgroup_rsvd(idx, nr, charge->cgroup_rsvd);
err_memcg:
	if (charge->memcg)
		mem_cgroup_cancel_charge(memcg, nr);
	return rc;
}

static void uncharge_pages(struct hstate *h, struct charges *charges)
{
	const unsigned long nr = pages_per_huge_page(h);
	const int idx = hstate_index(h);

	while (charges->nr--) {
		struct charge *charge = &charges->charge[charges->nr];

		hugetlb_cgroup_uncharge_cgroup(idx, nr, charge->cgroup);
		hugetlb_cgroup_uncharge_cgroup_rsvd(idx, nr,
						    charge->cgroup_rsvd);
		if (charge->memcg)
			mem_cgroup_cancel_charge(charges->memcg, nr);
	}
}

static void free_charges(struct charges *charges)
{
	mem_cgroup_put(charges->memcg);
	kvfree(charges->charge);
}

/* Charge the calling process as if it had faulted in @nr pages. */
static int charge_pages(struct hstate *h, struct charges *charges, u64 nr)
{
	int rc = 0;

	*charges = (struct charges) {};
	charges->charge = kvcalloc(nr, sizeof(*charges->charge), GFP_KERNEL);
	if (nr && !charges->charge)
		return -ENOMEM;
	charges->memcg = get_mem_cgroup_from_current();
	for (; charges->nr < nr; charges->nr++) {
		rc = charge_page(h, charges->memcg,
				 &charges->charge[charges->nr]);
		if (rc)
			break;
		cond_resched();
	}
	if (rc) {
		uncharge_pages(h, charges);
		free_charges(charges);
	}
	return rc;
}

static int reserve_slot(struct address_space *mapping, u64 index,
			unsigned int order)
{
	XA_STATE_ORDER(xas, &mapping->i_pages, index << order, order);

	do {
		xas_lock_irq(&xas);
		xas_store(&xas, XA_ZERO_ENTRY);
		xas_unlock_irq(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL));
	return xas_error(&xas);
}

/* After this the inode can be thrown away like any empty one. */
static void unreserve(struct inode *inode)
{
	xa_destroy(&inode->i_data.i_pages);
	hugetlb_resv_clear(inode);
}

/* Everything of the inode that inserting pages will need. */
static int reserve(struct inode *inode, const struct hugetlb_file_ser *header)
{
	const unsigned int order = header->page_shift - PAGE_SHIFT;
	struct hugetlb_cursor cursor = hugetlb_first_of(header);
	const struct hugetlb_entry_ser *entry;
	u64 from = 0, to = 0;
	int rc = 0;

	while (!rc && (entry = hugetlb_next_entry(&cursor))) {
		if (entry->index != to) {
			if (to > from)
				rc = hugetlb_resv_add(inode, from, to);
			from = entry->index;
		}
		to = entry->index + 1;
		if (!rc)
			rc = reserve_slot(inode->i_mapping, entry->index, order);
		cond_resched();
	}
	if (!rc && to > from)
		rc = hugetlb_resv_add(inode, from, to);
	if (rc)
		unreserve(inode);
	return rc;
}

/* Restored pages, with no reference yet, which optimising them requires. */
static int restore_pages(struct hstate *h, const struct hugetlb_file_ser *header,
			 struct list_head *pages, struct xarray *bad)
{
	struct hugetlb_cursor cursor = hugetlb_first_of(header);
	const struct hugetlb_entry_ser *entry;
	int rc = 0;

	while ((entry = hugetlb_next_entry(&cursor))) {
		struct folio *folio = kho_restore_folio(PFN_PHYS(entry->pfn));

		if (WARN_ON_ONCE(!folio)) {
			rc = -EIO;
			continue;
		}
		kho_forget_poison(folio, bad);
		folio_ref_freeze(folio, 1);
		__folio_set_hugetlb(folio);
		folio_change_private(folio, NULL);
		hugetlb_set_folio_subpool(folio, NULL);
		set_hugetlb_cgroup(folio, NULL);
		set_hugetlb_cgroup_rsvd(folio, NULL);
		folio->index = entry->index << huge_page_order(h);
		list_add_tail(&folio->lru, pages);
		cond_resched();
	}
	hugetlb_vmemmap_optimize_folios(h, pages);
	return rc;
}

/* A page of the pool, in use, with a reference for the caller. */
static void add_to_pool(struct hstate *h, struct folio *folio,
			const struct charge *charge)
{
	const unsigned long nr = pages_per_huge_page(h);
	const int nid = folio_nid(folio), idx = hstate_index(h);

	folio_ref_unfreeze(folio, 1);
	spin_lock_irq(&hugetlb_lock);
	h->nr_huge_pages++;
	h->nr_huge_pages_node[nid]++;
	/* Persistent, so whoever sets the size of the pool counts it. */
	h->max_huge_pages++;
	list_move(&folio->lru, &h->hugepage_activelist);
	if (charge) {
		hugetlb_cgroup_commit_charge(idx, nr, charge->cgroup, folio);
		hugetlb_cgroup_commit_charge_rsvd(idx, nr, charge->cgroup_rsvd,
						  folio);
	}
	spin_unlock_irq(&hugetlb_lock);
}

static void insert_page(struct address_space *mapping, struct folio *folio)
{
	XA_STATE_ORDER(xas, &mapping->i_pages, folio->index, folio_order(folio));
	const unsigned long nr = folio_nr_pages(folio);

	folio_ref_add(folio, nr);
	folio->mapping = mapping;
	__folio_mark_uptodate(folio);
	xas_lock_irq(&xas);
	xas_store(&xas, folio);
	mapping->nrpages += nr;
	xas_unlock_irq(&xas);
	/* The slot is there. */
	WARN_ON_ONCE(xas_error(&xas));
	folio_mark_dirty(folio);
	folio_set_hugetlb_migratable(folio);
	folio_put(folio);
}

/* From here on there is no way back to the record. */
static int fill_file(struct file *file, const struct hugetlb_file_ser *header,
		     struct charges *charges)
{
	struct inode *inode = file_inode(file);
	struct hstate *h = hstate_inode(inode);
	const struct charge *charge = charges->charge;
	struct folio *folio, *next;
	DEFINE_XARRAY(bad);
	LIST_HEAD(pages);
	int rc;

	rc = restore_pages(h, header, &pages, &bad);
	list_for_each_entry_safe(folio, next, &pages, lru) {
		add_to_pool(h, folio, rc ? NULL : charge);
		if (rc) {
			folio_put(folio);
			continue;
		}
		if (charge->memcg)
			mem_cgroup_commit_charge(folio, charges->memcg);
		insert_page(inode->i_mapping, folio);
		charge++;
		cond_resched();
	}
	if (!rc)
		inode->i_blocks += blocks_per_huge_page(h) * header->nr;
	/* Before anybody can touch them. */
	kho_report_poison(&bad);
	return rc;
}

static void set_attributes(struct file *file,
			   const struct hugetlb_file_ser *header)
{
	struct inode *inode = file_inode(file);

	i_size_write(inode, header->size);
	inode->i_mode = S_IFREG | header->mode;
	liveupdate_set_seals(inode->i_mapping, &HUGETLBFS_I(inode)->seals,
			     header->seals);
}

/* An empty, unlinked file, open like the old one. */
static struct file *make_file(const struct hugetlb_file_ser *header)
{
	struct file *file, *reopened;

	file = hugetlb_file_setup((const char *)header->name, 0, VM_NORESERVE,
				  HUGETLB_ANONHUGE_INODE, header->page_shift);
	if (IS_ERR(file))
		return file;
	if (header->flags != O_RDWR) {
		reopened = dentry_open(&file->f_path,
				       header->flags | O_LARGEFILE,
				       current_cred());
		fput(file);
		file = reopened;
		if (IS_ERR(file))
			return file;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file->f_flags |= O_LARGEFILE;
	file->f_pos = header->pos;
	HUGETLBFS_I(file_inode(file))->frozen = HUGETLB_HELD;
	return file;
}

int hugetlb_liveupdate_retrieve(struct liveupdate_file_op_args *args)
{
	const struct hugetlb_file_ser *header = hugetlb_read_record(args);
	struct charges charges;
	struct hstate *h;
	struct file *file;
	int rc;

	if (IS_ERR(header))
		return PTR_ERR(header);
	h = size_to_hstate(1UL << header->page_shift);
	if (!h) {
		pr_err("token %#llx: this kernel has no huge pages of %llu KiB\n",
		       args->token, 1ULL << (header->page_shift - 10));
		return -EOPNOTSUPP;
	}
	file = make_file(header);
	if (IS_ERR(file))
		return PTR_ERR(file);
	rc = charge_pages(h, &charges, header->nr);
	if (rc)
		goto err_put;
	rc = reserve(file_inode(file), header);
	if (rc)
		goto err_uncharge;
	rc = fill_file(file, header, &charges);
	if (rc)
		goto err_unreserve;
	hugetlb_pool_arrived(header->page_shift, header->nr);
	set_attributes(file, header);
	free_charges(&charges);
	hugetlb_free_record(header);
	args->file = file;
	return 0;

err_unreserve:
	unreserve(file_inode(file));
err_uncharge:
	uncharge_pages(h, &charges);
	free_charges(&charges);
err_put:
	fput(file);
	return rc;
}

/* Nobody wanted the file: free its pages. */
static void discard(const struct liveupdate_file_op_args *args)
{
	const struct hugetlb_file_ser *header = hugetlb_read_record(args);
	const struct hugetlb_entry_ser *entry;
	struct hugetlb_cursor cursor;

	if (IS_ERR(header))
		return;
	cursor = hugetlb_first_of(header);
	while ((entry = hugetlb_next_entry(&cursor))) {
		if (kho_discard_range(PFN_PHYS(entry->pfn),
				      1UL << header->page_shift))
			pr_err("token %#llx: page %llu cannot be freed\n",
			       args->token, entry->index);
		cond_resched();
	}
	hugetlb_pool_arrived(header->page_shift, header->nr);
	hugetlb_free_record(header);
}

void hugetlb_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	if (args->retrieve_status > 0)
		hugetlb_set_frozen(file_inode(args->file), HUGETLB_HELD,
				   HUGETLB_NOT_FROZEN);
	else
		discard(args);
}
