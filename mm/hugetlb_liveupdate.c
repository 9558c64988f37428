// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live update of files of huge pages: memfds with MFD_HUGETLB, files on hugetlbfs.
 *
 * Life cycle, old kernel: preserve freezes the size of the file, takes a reference
 * to each of its pages (so that none migrates), preserves the page as one unit and
 * lists it. Faults may still add pages into holes. freeze stops that, looks for
 * pages that were added, and writes the header. Between freeze and unfreeze whoever
 * faults in a hole waits, because the page would be lost. unpreserve undoes all
 * this.
 *
 * Next kernel: retrieve checks the record and makes an unlinked file. All that can
 * fail comes first: charges, entries of the reserve map, slots of the page cache,
 * which hold XA_ZERO_ENTRY meanwhile. Then each page is restored, becomes a
 * persistent page of the pool, which grows by it, and replaces its slot's entry.
 * When it is freed it goes to the pool's free pages. Until finish the size stays
 * frozen and the pages are held: none migrates, as a device may go on with DMA to
 * the frames that the old kernel told its IOMMU. A file that was not retrieved is
 * given up by finish: its pages go to the page allocator. If finalize comes first, and
 * nobody has the file any more, keep makes a record of it again.
 *
 * Locks: the session's mutex for everything of a file that crosses; inode_lock()
 * for hugetlbfs_inode_info.frozen; hugetlb_lock for the pool. A page is added to
 * a file under one of the fault mutexes, which freeze takes in turn. Nobody else
 * has the inode that is being retrieved.
 */
#define pr_fmt(fmt) "hugetlb: live update: " fmt

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_cgroup.h>
#include <linux/hugetlb_liveupdate.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho_place.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/kho_hwpoison.h>
#include <linux/liveupdate.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/xarray.h>

#include "hugetlb_vmemmap.h"
#include "liveupdate_seals.h"
#include "liveupdate_wait.h"

static_assert(sizeof(struct hugetlb_chunk_ser) == HUGETLB_CHUNK_SIZE);

/* Entries of a chain of chunks, in ascending order of index. */
struct chain {
	struct hugetlb_chunk_ser *first;
	struct hugetlb_chunk_ser *last;
	u64 nr;
};

/* A file that is preserved. */
struct outgoing {
	struct inode *inode;
	struct hugetlb_file_ser *header;
	struct chain chain;
};

struct cursor {
	const struct hugetlb_chunk_ser *chunk;
	u64 i;
};

static const struct hugetlb_entry_ser *next_entry(struct cursor *cursor)
{
	const struct hugetlb_chunk_ser *chunk = cursor->chunk;

	if (chunk && cursor->i == chunk->nr) {
		chunk = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		cursor->chunk = chunk;
		cursor->i = 0;
	}
	return chunk ? &chunk->entry[cursor->i++] : NULL;
}

static struct cursor first_of(const struct hugetlb_file_ser *header)
{
	return (struct cursor) {
		.chunk = header->nr ? phys_to_virt(header->chunk_pa) : NULL,
	};
}

static int chain_add(struct chain *chain, u64 index, u64 pfn)
{
	struct hugetlb_chunk_ser *chunk = chain->last;

	if (!chunk || chunk->nr == HUGETLB_CHUNK_ENTRIES) {
		chunk = kho_alloc_preserve(sizeof(*chunk));
		if (IS_ERR(chunk))
			return PTR_ERR(chunk);
		if (chain->last)
			chain->last->next_pa = virt_to_phys(chunk);
		else
			chain->first = chunk;
		chain->last = chunk;
	}
	chunk->entry[chunk->nr].index = index;
	chunk->entry[chunk->nr].pfn = pfn;
	chunk->nr++;
	chain->nr++;
	return 0;
}

static void chain_free(struct chain *chain)
{
	struct hugetlb_chunk_ser *chunk = chain->first, *next;

	for (; chunk; chunk = next) {
		next = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		kho_unpreserve_free(chunk);
	}
	*chain = (struct chain) {};
}

static void chain_sum(struct chain *chain)
{
	struct hugetlb_chunk_ser *chunk = chain->first, *next;

	for (; chunk; chunk = next) {
		next = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		chunk->checksum = hugetlb_chunk_checksum(chunk);
	}
}

/* Give up the pages of @chain but for those that @known has too. */
static void release_pages_but(struct chain *chain, const struct chain *known)
{
	struct cursor cursor = { .chunk = chain->first };
	struct cursor old = { .chunk = known->first };
	const struct hugetlb_entry_ser *entry, *kept = next_entry(&old);

	while ((entry = next_entry(&cursor))) {
		struct folio *folio;

		if (kept && kept->index == entry->index) {
			kept = next_entry(&old);
			continue;
		}
		folio = pfn_folio(entry->pfn);
		kho_unpreserve_folio(folio);
		hugetlb_pool_outgoing(folio_order(folio) + PAGE_SHIFT, -1);
		folio_put(folio);
		cond_resched();
	}
	chain_free(chain);
}

static int add_page(struct chain *chain, struct folio *folio, u64 index)
{
	int rc;

	rc = kho_preserve_folio(folio);
	if (rc)
		return rc;
	rc = chain_add(chain, index, folio_pfn(folio));
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
	struct cursor cursor = { .chunk = out->chain.first };
	const struct hugetlb_entry_ser *known = next_entry(&cursor);
	struct chain chain = {};
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
				rc = chain_add(&chain, index, known->pfn);
				known = next_entry(&cursor);
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
	chain_sum(&chain);
	chain_free(&out->chain);
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

static bool
hugetlb_liveupdate_can_preserve(struct liveupdate_file_handler *handler,
				struct file *file)
{
	const struct inode *inode = file_inode(file);

	/* S_PRIVATE is System V shared memory. */
	return is_file_hugepages(file) && S_ISREG(inode->i_mode) &&
	       inode->i_sb->s_magic == HUGETLBFS_MAGIC &&
	       !(inode->i_flags & S_PRIVATE);
}

/* Changes the state from @from, or not at all. */
static bool set_frozen(struct inode *inode, enum hugetlb_frozen from,
		       enum hugetlb_frozen to)
{
	struct hugetlbfs_inode_info *info = HUGETLBFS_I(inode);
	bool ok;

	inode_lock(inode);
	ok = info->frozen == from;
	if (ok)
		WRITE_ONCE(info->frozen, to);
	inode_unlock(inode);
	return ok;
}

/* Pages may be added again. */
static void thaw_pages(struct inode *inode)
{
	set_frozen(inode, HUGETLB_PAGES_FROZEN, HUGETLB_SIZE_FROZEN);
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
	static const struct chain nothing;
	struct outgoing *out = args->private_data;

	release_pages_but(&out->chain, &nothing);
	kho_unpreserve_free(out->header);
	kfree(out);
}

static int hugetlb_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	int rc;

	if (!liveupdate_may_restrict(args->file))
		return -EACCES;
	if (!set_frozen(inode, HUGETLB_NOT_FROZEN, HUGETLB_SIZE_FROZEN))
		return -EBUSY;
	rc = make_record(args);
	if (rc)
		set_frozen(inode, HUGETLB_SIZE_FROZEN, HUGETLB_NOT_FROZEN);
	return rc;
}

static void hugetlb_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	undo_record(args);
	set_frozen(file_inode(args->file), HUGETLB_SIZE_FROZEN,
		   HUGETLB_NOT_FROZEN);
}

static int hugetlb_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct outgoing *out = args->private_data;
	struct hstate *h = hstate_inode(out->inode);
	int rc = 0;

	set_frozen(out->inode, HUGETLB_SIZE_FROZEN, HUGETLB_PAGES_FROZEN);
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

static void hugetlb_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct outgoing *out = args->private_data;

	thaw_pages(out->inode);
}

static bool header_ok(const struct hugetlb_file_ser *header)
{
	if (header->checksum != hugetlb_file_checksum(header))
		return false;
	if (header->size > MAX_LFS_FILESIZE || header->pos > MAX_LFS_FILESIZE)
		return false;
	if (header->flags & ~O_ACCMODE || header->flags == O_ACCMODE)
		return false;
	if (header->mode & ~S_IALLUGO ||
	    !liveupdate_seals_ok(header->seals, header->mode))
		return false;
	if (strnlen((const char *)header->name, sizeof(header->name)) ==
	    sizeof(header->name))
		return false;
	return header->page_shift > PAGE_SHIFT &&
	       header->page_shift < MAX_PHYSMEM_BITS &&
	       !header->nr == !header->chunk_pa;
}

static bool entry_ok(const struct hugetlb_entry_ser *entry, u64 min_index,
		     unsigned int page_shift)
{
	const unsigned int order = page_shift - PAGE_SHIFT;

	return entry->index >= min_index &&
	       entry->index <= MAX_LFS_FILESIZE >> page_shift &&
	       entry->pfn < 1ULL << (MAX_PHYSMEM_BITS - PAGE_SHIFT) &&
	       kho_can_restore_folio(PFN_PHYS(entry->pfn), order);
}

static bool chunks_ok(const struct hugetlb_file_ser *header)
{
	u64 i, nr = 0, min_index = 0, pa = header->chunk_pa;

	while (pa) {
		const struct hugetlb_chunk_ser *chunk = phys_to_virt(pa);

		if (!kho_can_restore_folio(pa, 0) ||
		    chunk->checksum != hugetlb_chunk_checksum(chunk) ||
		    chunk->reserved || !chunk->nr ||
		    chunk->nr > HUGETLB_CHUNK_ENTRIES)
			return false;
		/* A cycle would get beyond this. */
		nr += chunk->nr;
		if (nr > header->nr)
			return false;
		for (i = 0; i < chunk->nr; i++) {
			if (!entry_ok(&chunk->entry[i], min_index,
				      header->page_shift))
				return false;
			min_index = chunk->entry[i].index + 1;
		}
		pa = chunk->next_pa;
		cond_resched();
	}
	return nr == header->nr;
}

static int compare_pfns(const void *a, const void *b)
{
	const u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* A page that is listed twice could be restored once only. */
static int check_unique(const struct hugetlb_file_ser *header)
{
	struct cursor cursor = first_of(header);
	const struct hugetlb_entry_ser *entry;
	u64 *pfns, i = 0;
	int rc = 0;

	if (!header->nr)
		return 0;
	pfns = kvmalloc_array(header->nr, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	while ((entry = next_entry(&cursor)))
		pfns[i++] = entry->pfn;
	sort(pfns, header->nr, sizeof(*pfns), compare_pfns, NULL);
	for (i = 1; i < header->nr; i++)
		if (pfns[i] == pfns[i - 1])
			rc = -EINVAL;
	kvfree(pfns);
	return rc;
}

/* The header of a file of the old kernel, or ERR_PTR() and nothing changed. */
static const struct hugetlb_file_ser *
read_record(const struct liveupdate_file_op_args *args)
{
	const struct hugetlb_file_ser *header;
	int rc = -EINVAL;

	if (!kho_can_restore_folio(args->serialized_data, 0))
		goto damaged;
	header = phys_to_virt(args->serialized_data);
	if (!header_ok(header) || !chunks_ok(header))
		goto damaged;
	rc = check_unique(header);
	if (!rc)
		return header;

damaged:
	pr_err("token %#llx: the record %s\n", args->token,
	       rc == -ENOMEM ? "cannot be checked: no memory" : "is damaged");
	return ERR_PTR(rc);
}

/* Free the record, but not the pages that it lists. */
static void free_record(const struct hugetlb_file_ser *header)
{
	const struct hugetlb_chunk_ser *chunk = first_of(header).chunk, *next;

	for (; chunk; chunk = next) {
		next = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		kho_restore_free((void *)chunk);
	}
	kho_restore_free((void *)header);
}

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
	struct cursor cursor = first_of(header);
	const struct hugetlb_entry_ser *entry;
	u64 from = 0, to = 0;
	int rc = 0;

	while (!rc && (entry = next_entry(&cursor))) {
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
	struct cursor cursor = first_of(header);
	const struct hugetlb_entry_ser *entry;
	int rc = 0;

	while ((entry = next_entry(&cursor))) {
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

static int hugetlb_liveupdate_retrieve(struct liveupdate_file_op_args *args)
{
	const struct hugetlb_file_ser *header = read_record(args);
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
	free_record(header);
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

/* As preserve and freeze: the pages are held, and nobody can add any. */
static int hugetlb_liveupdate_keep(struct liveupdate_file_op_args *args)
{
	return liveupdate_is_unused(args->file) ? make_record(args) : -EBUSY;
}

static void hugetlb_liveupdate_unkeep(struct liveupdate_file_op_args *args)
{
	undo_record(args);
}

/* Nobody wanted the file: free its pages. */
static void discard(const struct liveupdate_file_op_args *args)
{
	const struct hugetlb_file_ser *header = read_record(args);
	const struct hugetlb_entry_ser *entry;
	struct cursor cursor;

	if (IS_ERR(header))
		return;
	cursor = first_of(header);
	while ((entry = next_entry(&cursor))) {
		if (kho_discard_range(PFN_PHYS(entry->pfn),
				      1UL << header->page_shift))
			pr_err("token %#llx: page %llu cannot be freed\n",
			       args->token, entry->index);
		cond_resched();
	}
	hugetlb_pool_arrived(header->page_shift, header->nr);
	free_record(header);
}

static void hugetlb_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	if (args->retrieved)
		set_frozen(file_inode(args->file), HUGETLB_HELD,
			   HUGETLB_NOT_FROZEN);
	else
		discard(args);
}

static const struct liveupdate_file_ops hugetlb_liveupdate_ops = {
	.can_preserve = hugetlb_liveupdate_can_preserve,
	.preserve = hugetlb_liveupdate_preserve,
	.unpreserve = hugetlb_liveupdate_unpreserve,
	.freeze = hugetlb_liveupdate_freeze,
	.unfreeze = hugetlb_liveupdate_unfreeze,
	.retrieve = hugetlb_liveupdate_retrieve,
	.keep = hugetlb_liveupdate_keep,
	.unkeep = hugetlb_liveupdate_unkeep,
	.finish = hugetlb_liveupdate_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler hugetlb_liveupdate_handler = {
	.ops = &hugetlb_liveupdate_ops,
	.compatible = HUGETLB_LIVEUPDATE_COMPATIBLE,
};

static int __init hugetlb_liveupdate_init(void)
{
	int rc;

	if (!hugepages_supported())
		return 0;
	rc = liveupdate_register_file_handler(&hugetlb_liveupdate_handler);
	if (rc)
		pr_err("not registered: %d\n", rc);
	return rc;
}
late_initcall(hugetlb_liveupdate_init);
