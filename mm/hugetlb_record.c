// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of a file of huge pages: a header, and a chain of chunks that list its
 * pages.
 *
 * Life cycle: the old kernel makes a chain, in memory that is preserved, and seals it
 * when it is complete. The next kernel checks all of the record before it believes any
 * of it, and frees it when the pages are restored or discarded.
 *
 * Locks: the session's mutex.
 */
#define pr_fmt(fmt) "hugetlb: live update: " fmt

#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "hugetlb_liveupdate.h"
#include "liveupdate_seals.h"

static_assert(sizeof(struct hugetlb_chunk_ser) == HUGETLB_CHUNK_SIZE);

const struct hugetlb_entry_ser *hugetlb_next_entry(struct hugetlb_cursor *cursor)
{
	const struct hugetlb_chunk_ser *chunk = cursor->chunk;

	if (chunk && cursor->i == chunk->nr) {
		chunk = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		cursor->chunk = chunk;
		cursor->i = 0;
	}
	return chunk ? &chunk->entry[cursor->i++] : NULL;
}

int hugetlb_chain_add(struct hugetlb_chain *chain, u64 index, u64 pfn)
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

void hugetlb_chain_free(struct hugetlb_chain *chain)
{
	struct hugetlb_chunk_ser *chunk = chain->first, *next;

	for (; chunk; chunk = next) {
		next = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		kho_unpreserve_free(chunk);
	}
	*chain = (struct hugetlb_chain) {};
}

void hugetlb_chain_sum(struct hugetlb_chain *chain)
{
	struct hugetlb_chunk_ser *chunk = chain->first, *next;

	for (; chunk; chunk = next) {
		next = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		chunk->checksum = hugetlb_chunk_checksum(chunk);
	}
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
	struct hugetlb_cursor cursor = hugetlb_first_of(header);
	const struct hugetlb_entry_ser *entry;
	u64 *pfns, i = 0;
	int rc = 0;

	if (!header->nr)
		return 0;
	pfns = kvmalloc_array(header->nr, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	while ((entry = hugetlb_next_entry(&cursor)))
		pfns[i++] = entry->pfn;
	sort(pfns, header->nr, sizeof(*pfns), compare_pfns, NULL);
	for (i = 1; i < header->nr; i++)
		if (pfns[i] == pfns[i - 1])
			rc = -EINVAL;
	kvfree(pfns);
	return rc;
}

/* The header of a file of the old kernel, or ERR_PTR() and nothing changed. */
const struct hugetlb_file_ser *
hugetlb_read_record(const struct liveupdate_file_op_args *args)
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
void hugetlb_free_record(const struct hugetlb_file_ser *header)
{
	const struct hugetlb_chunk_ser *chunk = hugetlb_first_of(header).chunk, *next;

	for (; chunk; chunk = next) {
		next = chunk->next_pa ? phys_to_virt(chunk->next_pa) : NULL;
		kho_restore_free((void *)chunk);
	}
	kho_restore_free((void *)header);
}
