// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins for DMA on pages of memfds, of files on tmpfs and of hugetlb, where nobody
 * needs to have them mapped.
 *
 * Life cycle: pin_file_hold() checks that the caller may have a range of a file
 * pinned and, for writing, counts as a writable shared mapping does, so that the
 * file cannot be sealed against writing. pin_file_pages() pins, in any context that
 * may sleep and as often as wanted; unpin_user_page_range_dirty_lock() and its
 * siblings unpin, as every page gets a pin of its own. pin_file_release() when there
 * will be no more pins. Truncating the file or punching a hole does not wait for
 * pins: the pages are then only those who have pinned them see.
 *
 * Locks: pin_file_pages() takes the inode's lock, which truncation, punching holes,
 * and freezing for a live update take too: what is allocated is in the file, and
 * adjacent. Page faults go on meanwhile; hugetlb_fault_mutex_table keeps them from
 * filling the same hole.
 */
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/pin_file.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>

#include "internal.h"

/**
 * pin_file_hold - see whether a range of a file may be pinned
 * @file: the file
 * @start: first byte
 * @length: in bytes
 * @write: whether pages will be written to
 *
 * The caller has a reference to @file until pin_file_release().
 *
 * Return: 0; -EINVAL when this is not a file of shared memory or of huge pages, or
 * does not reach that far; -EACCES when it was not opened for what is wanted; -EPERM
 * when it is sealed against that
 */
int pin_file_hold(struct file *file, u64 start, u64 length, bool write)
{
	u64 end;

	if (!shmem_file(file) && !is_file_hugepages(file))
		return -EINVAL;
	if (!length || check_add_overflow(start, length, &end) ||
	    end > i_size_read(file_inode(file)))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (!write)
		return 0;
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	/* What cannot have seals has none. */
	if (max(memfd_fcntl(file, F_GET_SEALS, 0), 0L) & F_SEAL_FUTURE_WRITE)
		return -EPERM;
	/* Refused after F_SEAL_WRITE, and refuses that from now on. */
	return mapping_map_writable(file->f_mapping);
}
EXPORT_SYMBOL_GPL(pin_file_hold);

/**
 * pin_file_release - undo pin_file_hold()
 * @file: the file
 * @write: as it was then
 */
void pin_file_release(struct file *file, bool write)
{
	if (write)
		mapping_unmap_writable(file->f_mapping);
}
EXPORT_SYMBOL_GPL(pin_file_release);

#ifdef CONFIG_HUGETLBFS
/* Put a zeroed page into a hole; returns 0 as well when there is a page now. */
static int fill_huge_hole(struct file *file, pgoff_t huge_index)
{
	struct address_space *mapping = file->f_mapping;
	struct hstate *h = hstate_file(file);
	/* The pool wants one, although nobody maps the file. */
	struct vm_area_struct vma;
	unsigned long address = huge_index << huge_page_shift(h);
	const u32 hash = hugetlb_fault_mutex_hash(mapping, huge_index);
	struct folio *folio;
	int rc = 0;

	mutex_lock(&hugetlb_fault_mutex_table[hash]);
	folio = filemap_get_folio(mapping, huge_index << huge_page_order(h));
	if (!IS_ERR(folio)) {
		folio_put(folio);
		goto out_unlock;
	}
	vma_init(&vma, current->mm);
	vm_flags_init(&vma, VM_HUGETLB | VM_MAYSHARE | VM_SHARED);
	vma.vm_file = file;
	folio = alloc_hugetlb_folio(&vma, address, false);
	if (IS_ERR(folio)) {
		/* -ENOSPC is said of the address space, too. */
		rc = PTR_ERR(folio) == -ENOSPC ? -ENOMEM : PTR_ERR(folio);
		goto out_unlock;
	}
	folio_zero_user(folio, address);
	__folio_mark_uptodate(folio);
	rc = hugetlb_add_to_page_cache(folio, mapping, huge_index);
	if (rc) {
		restore_reserve_on_error(h, &vma, address, folio);
		folio_put(folio);
		goto out_unlock;
	}
	folio_set_hugetlb_migratable(folio);
	folio_unlock(folio);
	folio_put(folio);
out_unlock:
	mutex_unlock(&hugetlb_fault_mutex_table[hash]);
	return rc;
}

/*
 * memfd_pin_folios() would take pages that are reserved for others, and those of a
 * pool of limited size without being counted.
 */
static int fill_huge_holes(struct file *file, pgoff_t first, pgoff_t last)
{
	unsigned int order, flags;
	pgoff_t i;
	int rc = 0;

	if (!is_file_hugepages(file))
		return 0;
	order = huge_page_order(hstate_file(file));
	/* Or it would be moved at once. */
	flags = memalloc_pin_save();
	for (i = first >> order; !rc && i <= last >> order; i++) {
		rc = fatal_signal_pending(current) ? -EINTR :
						     fill_huge_hole(file, i);
		cond_resched();
	}
	memalloc_pin_restore(flags);
	return rc;
}
#else
static int fill_huge_holes(struct file *file, pgoff_t first, pgoff_t last)
{
	return 0;
}
#endif

/*
 * A page that fallocate() made has whatever was in it before, until somebody looks
 * for it in the way that faults do. Pinned like that it would tell the device, and
 * be zeroed under it later.
 */
static int make_uptodate(struct file *file, struct folio *folio)
{
	struct folio *found;

	if (folio_test_uptodate(folio))
		return 0;
	found = shmem_read_folio(file->f_mapping, folio->index);
	if (IS_ERR(found))
		return PTR_ERR(found);
	folio_put(found);
	return WARN_ON_ONCE(found != folio) ? -EIO : 0;
}

/*
 * A page that was found without a lock may be on its way out of the file: to be
 * replaced by a huge page, say. Who does that locks it, then sees that nobody else
 * has a reference, and unlocks it when it is out.
 */
static int check_in_file(struct file *file, struct folio *folio)
{
	bool in_file;

	if (folio_lock_killable(folio))
		return -EINTR;
	in_file = folio->mapping == file->f_mapping;
	folio_unlock(folio);
	return in_file ? 0 : -EAGAIN;
}

/**
 * pin_file_pages - pin pages of a file, also into holes
 * @file: a file for which pin_file_hold() was called
 * @index: the first page
 * @nr: number of pages
 * @pages: becomes their list, of as many entries
 *
 * Context: may sleep; takes the inode's lock. Neither current->mm nor what current
 * has open matters.
 * Return: the number of pages that were pinned, at least 1 and possibly less than
 * @nr; -EINVAL when the file has become too short, or another error: nothing is
 * pinned then
 */
long pin_file_pages(struct file *file, pgoff_t index, unsigned long nr,
		    struct page **pages)
{
	/* There are at most as many folios as pages. */
	struct folio **folios = (struct folio **)pages;
	struct inode *inode = file_inode(file);
	pgoff_t next, end;
	pgoff_t unused;
	long i, done;
	int rc;

	if (WARN_ON_ONCE(!nr || nr > LONG_MAX / PAGE_SIZE))
		return -EINVAL;
	if (fatal_signal_pending(current))
		return -EINTR;

	nr = min_t(unsigned long, nr, INT_MAX);
	end = index + nr;
	inode_lock(inode);
	if (PFN_PHYS(end - 1) >= i_size_read(inode)) {
		done = -EINVAL;
		goto out_unlock;
	}
	rc = fill_huge_holes(file, index, end - 1);
	if (rc) {
		done = rc;
		goto out_unlock;
	}
again:
	/* The file may end within the last page. */
	done = memfd_pin_folios(file, PFN_PHYS(index), PFN_PHYS(end - 1), folios,
				nr, &unused);
	if (done <= 0) {
		if (WARN_ON_ONCE(!done))
			done = -EIO;
		goto out_unlock;
	}

	/* A folio has one pin by now, from here on one for each page. */
	for (i = 0, next = index, rc = 0; i < done; i++) {
		struct folio *folio = folios[i];
		pgoff_t last = min(folio_next_index(folio), end) - 1;

		rc = check_in_file(file, folio);
		if (!rc && WARN_ON_ONCE(folio->index > next || last < next))
			rc = -EIO;
		if (!rc)
			rc = make_uptodate(file, folio);
		if (!rc && last > next)
			rc = try_grab_folio(folio, last - next, FOLL_PIN);
		if (rc) {
			unpin_folios(folios + i, done - i);
			break;
		}
		next = last + 1;
	}
	if (!i && rc == -EAGAIN)
		goto again;
	done = i ? (long)(next - index) : rc;

	/* From the end, as no folio's entry is after that of its first page. */
	while (i--) {
		struct folio *folio = folios[i];
		const pgoff_t first = max(folio->index, index);

		while (next > first) {
			next--;
			pages[next - index] = folio_page(folio,
							 next - folio->index);
		}
	}
out_unlock:
	inode_unlock(inode);
	return done;
}
EXPORT_SYMBOL_GPL(pin_file_pages);
