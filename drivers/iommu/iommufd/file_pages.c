// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of files: IOMMU_IOAS_MAP_FILE. The pages of a range of a memfd, or of
 * another file of shared memory or of huge pages, are mapped with no user address
 * anywhere, so that neither who mapped them nor its address space needs to exist.
 *
 * Life cycle: an iopt_pages of type IOPT_ADDRESS_FILE has a reference to the file,
 * and is held for pinning, from iopt_alloc_file_pages() until iopt_release_pages()
 * calls iopt_release_file(). pages.c pins with iopt_pin_file() where it would pin
 * user memory, and unpins in the same way.
 *
 * Locks: iopt_pages.mutex is held for pinning. type, file and start never change.
 */
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/pin_file.h>
#include <uapi/linux/iommufd.h>

#include "io_pagetable.h"

/**
 * iopt_alloc_file_pages - make the pages of a range of a file
 * @file: a file of shared memory or of huge pages; a reference is taken
 * @start: first byte
 * @length: in bytes
 * @writable: whether they can be mapped for writing
 *
 * The first page is the one @start is in. The calling process is charged for what
 * gets pinned.
 *
 * Return: the pages, with one reference; -EOVERFLOW when the range is none, or an
 * error of pin_file_hold()
 */
struct iopt_pages *iopt_alloc_file_pages(struct file *file, unsigned long start,
					 unsigned long length, bool writable)
{
	struct iopt_pages *pages;
	int rc;

	rc = pin_file_hold(file, start, length, writable);
	if (rc)
		return ERR_PTR(rc);
	/* What it does with an address is what an offset needs as well. */
	pages = iopt_alloc_pages((void __user *)start, length, writable);
	if (IS_ERR(pages)) {
		pin_file_release(file, writable);
		return pages;
	}
	pages->type = IOPT_ADDRESS_FILE;
	pages->file = get_file(file);
	pages->start = ALIGN_DOWN(start, PAGE_SIZE);
	return pages;
}

/**
 * iopt_release_file - undo what iopt_alloc_file_pages() did with the file
 * @pages: that nobody uses any more
 */
void iopt_release_file(struct iopt_pages *pages)
{
	pin_file_release(pages->file, pages->writable);
	fput(pages->file);
}

/**
 * iopt_pin_file - pin some pages of a file
 * @pages: pages of a file
 * @index: first one
 * @npages: how many
 * @list: becomes their list
 *
 * Return: how many were pinned, or an error of pin_file_pages()
 */
long iopt_pin_file(struct iopt_pages *pages, unsigned long index,
		   unsigned long npages, struct page **list)
{
	lockdep_assert_held(&pages->mutex);
	return pin_file_pages(pages->file, PHYS_PFN(pages->start) + index,
			      npages, list);
}

/**
 * iopt_map_file_pages - map a range of a file
 * @ictx: iommufd_ctx the iopt is part of
 * @iopt: io_pagetable to act on
 * @iova: where to; with IOPT_ALLOC_IOVA becomes where it is
 * @fd: descriptor of the file
 * @start: first byte of the file
 * @length: in bytes
 * @iommu_prot: IOMMU_READ, IOMMU_WRITE, ...
 * @flags: IOPT_ALLOC_IOVA or 0
 *
 * Like iopt_map_user_pages(), of which everything holds that is not about memory of
 * the calling process.
 *
 * Return: 0 or an error
 */
int iopt_map_file_pages(struct iommufd_ctx *ictx, struct io_pagetable *iopt,
			unsigned long *iova, int fd, unsigned long start,
			unsigned long length, int iommu_prot,
			unsigned int flags)
{
	struct iopt_pages *pages;
	unsigned long end;
	struct file *file;

	if (check_add_overflow(start, length, &end))
		return -EOVERFLOW;
	file = fget(fd);
	if (!file)
		return -EBADF;
	pages = iopt_alloc_file_pages(file, start, length,
				      iommu_prot & IOMMU_WRITE);
	fput(file);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	return iopt_map_alloced(ictx, iopt, pages, iova, start - pages->start,
				length, iommu_prot, flags);
}
