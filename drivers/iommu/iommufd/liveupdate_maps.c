// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is mapped in an address space, for the next kernel: the old kernel's side.
 *
 * Memory crosses a kexec as files, so every map must be of a part of a file: one that
 * was mapped by IOMMU_IOAS_MAP_FILE, or by address in a shared mapping of a file. In
 * the latter case the file is looked up when a device that can reach it is preserved,
 * or at the latest at activate, and remembered until the map is gone, as the process
 * may go away. At activate, when nothing can change any more, it is also made sure that
 * the page table has the file's pages: after a hole was punched into it, or when
 * something else is at the address by now, it has others.
 *
 * The record is written at finalize. It goes with the record of the objects.
 *
 * Locks: the session's mutex, inside it the lock of the group if there is one, inside
 * that iova_rwsem, inside that iopt_pages.mutex, which protects iopt_pages.origin.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate.h"

static_assert(sizeof(struct iommufd_map_ser) == 64);
static_assert(sizeof(struct iommufd_maps_ser) == 32);

/* Each record numbers sources anew. */
static atomic64_t last_writer;

static bool is_shared(const struct vm_area_struct *vma)
{
	return vma->vm_file && (vma->vm_flags & VM_MAYSHARE);
}

static const char *find_file(struct iopt_pages *pages, struct mm_struct *mm)
{
	unsigned long begin = (unsigned long)pages->uptr, addr = begin;
	unsigned long end = begin + pages->npages * PAGE_SIZE;
	unsigned long pos, start = 0;
	struct vm_area_struct *vma;
	struct file *file = NULL;
	struct vma_iterator vmi;

	mmap_assert_locked(mm);
	vma_iter_init(&vmi, mm, begin);
	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > addr)
			break;
		if (!is_shared(vma))
			return "is no shared mapping of a file: use a memfd";
		pos = (vma->vm_pgoff << PAGE_SHIFT) + (addr - vma->vm_start);
		if (!file) {
			file = vma->vm_file;
			start = pos;
		} else if (file_inode(file) != file_inode(vma->vm_file) ||
			   pos != start + (addr - begin)) {
			return "is not one part of one file: map each part by itself";
		}
		addr = min(vma->vm_end, end);
	}
	if (addr < end)
		return "has changed since at the address that was given: use IOMMU_IOAS_MAP_FILE";
	pages->origin.file = get_file(file);
	pages->origin.start = start;
	return NULL;
}

/* Why it is not known where the pages come from, or NULL: then it is. */
static const char *find_origin(struct iopt_pages *pages)
{
	struct mm_struct *mm = pages->source_mm;
	const char *why;

	lockdep_assert_held(&pages->mutex);
	if (pages->origin.file)
		return NULL;
	if (pages->type == IOPT_ADDRESS_FILE) {
		pages->origin.file = get_file(pages->file);
		pages->origin.start = pages->start;
		return NULL;
	}
	if (!mmget_not_zero(mm))
		return "was mapped by a process that is gone: use IOMMU_IOAS_MAP_FILE";
	/* That process may have its reasons not to let go of it. */
	if (mmap_read_lock_killable(mm)) {
		mmput(mm);
		return "was mapped by a process that goes on changing what it has mapped";
	}
	why = find_file(pages, mm);
	mmap_read_unlock(mm);
	mmput(mm);
	return why;
}

/*
 * Somebody is mapping it, has got no further than to its iova, and when it is frozen,
 * will get no further.
 */
static bool in_transit(const struct iopt_area *area)
{
	return !area->pages;
}

static const char *area_fault(struct iopt_area *area)
{
	const char *why;

	if (area->page_offset || !PAGE_ALIGNED(iopt_area_iova(area)) ||
	    !PAGE_ALIGNED(iopt_area_length(area)))
		return "is not whole pages";
	mutex_lock(&area->pages->mutex);
	why = find_origin(area->pages);
	mutex_unlock(&area->pages->mutex);
	return why;
}

/* Of a file that is mapped in many parts the token is looked up once. */
struct tokens {
	struct liveupdate_session *session;
	const struct file *file;
	u64 token;
};

static int find_token(struct tokens *tokens, const struct file *file,
		      const char **why)
{
	if (tokens->file == file)
		return 0;
	if (liveupdate_get_token_outgoing(tokens->session, file,
					  &tokens->token)) {
		*why = "is of a file that is not in the session: preserve that first";
		return -ENXIO;
	}
	tokens->file = file;
	return 0;
}

/* Are these the pages of the file from byte @pos on? */
static bool are_of_file(phys_addr_t pa, u64 length, const struct file *file,
			u64 pos)
{
	unsigned long pfn = PHYS_PFN(pa), end = pfn + (length >> PAGE_SHIFT);
	pgoff_t index = pos >> PAGE_SHIFT;
	unsigned long in_folio, nr;
	struct folio *folio;

	while (pfn < end) {
		if (!pfn_valid(pfn))
			return false;
		folio = pfn_folio(pfn);
		in_folio = folio_page_idx(folio, pfn_to_page(pfn));
		if (folio->mapping != file->f_mapping ||
		    folio->index + in_folio != index)
			return false;
		nr = min(folio_nr_pages(folio) - in_folio, end - pfn);
		index += nr;
		pfn += nr;
	}
	return true;
}

static const char *area_pages_fault(struct iopt_area *area,
				    struct iommu_domain *domain)
{
	u64 iova = iopt_area_iova(area), last = iopt_area_last_iova(area);
	struct iopt_origin *origin = &area->pages->origin;
	u64 pos = origin->start + iopt_area_start_byte(area, iova);
	struct iommu_run run = {};

	while (iova <= last) {
		if (iommu_domain_next_run(domain, iova, last, &run) ||
		    run.iova != iova)
			return "is not in the page table";
		if (!are_of_file(run.pa, run.length, origin->file, pos))
			return "has other pages than its file by now: unmap it, and map it again";
		iova += run.length;
		pos += run.length;
		cond_resched();
	}
	return NULL;
}

/* For a session @tokens, for a page table @domain; the other one is NULL. */
static int check_areas(struct io_pagetable *iopt, struct tokens *tokens,
		       struct iommu_domain *domain,
		       struct iommufd_maps_fault *fault)
{
	struct iopt_area *area;
	int rc = 0;

	down_read(&iopt->iova_rwsem);
	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX)) {
		if (in_transit(area))
			continue;
		fault->why = area_fault(area);
		if (!fault->why && domain)
			fault->why = area_pages_fault(area, domain);
		if (fault->why)
			rc = -EOPNOTSUPP;
		else if (tokens)
			rc = find_token(tokens, area->pages->origin.file,
					&fault->why);
		if (rc) {
			fault->iova = iopt_area_iova(area);
			fault->length = iopt_area_length(area);
			break;
		}
		cond_resched();
	}
	up_read(&iopt->iova_rwsem);
	return rc;
}

/**
 * iommufd_maps_check - can the next kernel map again what is mapped now?
 * @iopt: mappings of an address space
 * @session: of which a file operation is running
 * @fault: out: what cannot be mapped again, and why
 *
 * More may be mapped afterwards, so this is not the last word.
 *
 * Context: may sleep; with the mutex of @session.
 * Return: 0; -EOPNOTSUPP for what is no part of a file; -ENXIO when the file is not
 * in the session
 */
int iommufd_maps_check(struct io_pagetable *iopt,
		       struct liveupdate_session *session,
		       struct iommufd_maps_fault *fault)
{
	struct tokens tokens = { .session = session };

	return check_areas(iopt, &tokens, NULL, fault);
}

/**
 * iommufd_maps_verify - the same at activate, and does the page table say so?
 * @iopt: mappings that are frozen
 * @domain: one of their page tables
 * @fault: out: what cannot be mapped again, and why
 *
 * Context: may sleep. @domain stays.
 * Return: 0 or -EOPNOTSUPP
 */
int iommufd_maps_verify(struct io_pagetable *iopt, struct iommu_domain *domain,
			struct iommufd_maps_fault *fault)
{
	return check_areas(iopt, NULL, domain, fault);
}

/* --- Writing the record --- */

struct writer {
	struct iommufd_ser *ser;
	struct iommufd_maps_ser *unit;
	struct tokens tokens;
	u64 id;
	u32 ioas;
};

static struct iommufd_map_ser *next_map(struct writer *writer)
{
	struct iommufd_maps_ser *unit = writer->unit;

	if (!unit || unit->nr == IOMMUFD_MAPS_SER_MAPS) {
		unit = kho_alloc_preserve(IOMMUFD_MAPS_SER_PAGES * PAGE_SIZE);
		if (IS_ERR(unit))
			return ERR_CAST(unit);
		if (writer->unit)
			writer->unit->next_pa = virt_to_phys(unit);
		else
			writer->ser->maps_pa = virt_to_phys(unit);
		writer->unit = unit;
	}
	writer->ser->nr_maps++;
	return &unit->map[unit->nr++];
}

static int write_allowed(struct writer *writer, struct io_pagetable *iopt)
{
	struct iommufd_map_ser *map;
	struct iopt_allowed *allowed;

	for (allowed = iopt_allowed_iter_first(iopt, 0, ULONG_MAX); allowed;
	     allowed = iopt_allowed_iter_next(allowed, 0, ULONG_MAX)) {
		map = next_map(writer);
		if (IS_ERR(map))
			return PTR_ERR(map);
		*map = (struct iommufd_map_ser) {
			.iova = allowed->node.start,
			.offset = allowed->node.last,
			.ioas = writer->ioas,
			.flags = IOMMUFD_MAP_SER_ALLOWED,
		};
	}
	return 0;
}

static u32 source_number(struct writer *writer, struct iopt_origin *origin)
{
	if (origin->writer != writer->id) {
		origin->writer = writer->id;
		origin->number = writer->ser->nr_sources++;
	}
	return origin->number;
}

static int write_area(struct writer *writer, struct iopt_area *area)
{
	struct iopt_origin *origin = &area->pages->origin;
	unsigned long iova = iopt_area_iova(area);
	struct iommufd_map_ser *map = next_map(writer);

	if (IS_ERR(map))
		return PTR_ERR(map);
	*map = (struct iommufd_map_ser) {
		.iova = iova,
		.length = iopt_area_length(area),
		.token = writer->tokens.token,
		.offset = origin->start + iopt_area_start_byte(area, iova),
		.source_start = origin->start,
		.source_length = area->pages->npages * PAGE_SIZE,
		.ioas = writer->ioas,
	};
	mutex_lock(&area->pages->mutex);
	map->source = source_number(writer, origin);
	mutex_unlock(&area->pages->mutex);
	if (area->iommu_prot & IOMMU_READ)
		map->flags |= IOMMUFD_MAP_SER_READ;
	if (area->iommu_prot & IOMMU_WRITE)
		map->flags |= IOMMUFD_MAP_SER_WRITE;
	if (area->pages->writable)
		map->flags |= IOMMUFD_MAP_SER_WRITABLE;
	return 0;
}

static int write_areas(struct writer *writer, struct io_pagetable *iopt,
		       struct liveupdate_file_op_args *args)
{
	struct iopt_area *area;
	const char *why;
	int rc;

	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX)) {
		if (in_transit(area))
			continue;
		rc = find_token(&writer->tokens, area->pages->origin.file, &why);
		if (rc) {
			liveupdate_refuse(args, "what is mapped at %#lx (%#zx bytes) %s",
					  iopt_area_iova(area),
					  iopt_area_length(area), why);
			return rc;
		}
		rc = write_area(writer, area);
		if (rc)
			return rc;
	}
	return 0;
}

/* Writes what is in address space @id, if it is frozen. */
static int write_ioas(struct writer *writer, struct iommufd_ctx *ictx, u32 id,
		      struct liveupdate_file_op_args *args)
{
	struct iommufd_ioas *ioas = iommufd_get_ioas(ictx, id);
	int rc = 0;

	/* One that is frozen cannot go away. */
	if (IS_ERR(ioas))
		return 0;
	writer->ioas = id;
	down_read(&ioas->iopt.iova_rwsem);
	if (iopt_is_frozen(&ioas->iopt))
		rc = write_allowed(writer, &ioas->iopt) ?:
		     write_areas(writer, &ioas->iopt, args);
	up_read(&ioas->iopt.iova_rwsem);
	iommufd_put_object(ictx, &ioas->obj);
	return rc;
}

/**
 * iommufd_maps_free - undo iommufd_maps_write()
 * @ser: the record of the objects
 *
 * Context: may sleep.
 */
void iommufd_maps_free(struct iommufd_ser *ser)
{
	struct iommufd_maps_ser *unit;
	u64 pa = ser->maps_pa;

	while (pa) {
		unit = phys_to_virt(pa);
		pa = unit->next_pa;
		kho_unpreserve_free(unit);
	}
	ser->maps_pa = 0;
	ser->nr_maps = 0;
	ser->nr_sources = 0;
}

/**
 * iommufd_maps_write - record what is mapped in address spaces that are frozen
 * @ictx: the iommufd
 * @ser: the record of its objects, complete but for this
 * @args: of the running operation
 *
 * Context: may sleep; in the file operation freeze.
 * Return: 0, -ENXIO when something is of a file that is not in the session, which was
 * said, or as kho_alloc_preserve()
 */
int iommufd_maps_write(struct iommufd_ctx *ictx, struct iommufd_ser *ser,
		       struct liveupdate_file_op_args *args)
{
	struct writer writer = {
		.ser = ser,
		.tokens.session = args->session,
		.id = atomic64_inc_return(&last_writer),
	};
	struct iommufd_maps_ser *unit;
	u64 pa;
	u32 i;
	int rc = 0;

	for (i = 0; i < ser->nr && !rc; i++)
		if (ser->object[i].type == IOMMUFD_SER_IOAS)
			rc = write_ioas(&writer, ictx, ser->object[i].id, args);
	if (rc) {
		iommufd_maps_free(ser);
		return rc;
	}
	for (pa = ser->maps_pa; pa; pa = unit->next_pa) {
		unit = phys_to_virt(pa);
		unit->checksum = iommufd_maps_ser_checksum(unit);
	}
	return 0;
}
