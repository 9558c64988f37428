// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a page table of VT-d maps, as runs of bytes that are contiguous on both sides.
 *
 * For the IOMMU core, which compares the page table that the old kernel left with the
 * one that is to replace it, and for users that want to know what is behind a mapping.
 * Both kinds of page table are read: those of this kernel, and restored ones, whose
 * pages are believed to be page tables only if they were handed over.
 *
 * No locks: the caller sees to it that nothing is mapped or unmapped meanwhile.
 */
#include <linux/align.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/kho.h>

#include "table.h"

struct cursor {
	const struct dmar_domain *domain;
	bool restored;
	/* Where the search ended: in the last level, or above it at a hole or a large page */
	const struct dma_pte *table;
	int level;
};

static unsigned int table_index(u64 iova, int level)
{
	return (iova >> vtd_level_shift(level)) & LEVEL_MASK;
}

/* The entry that decides about @iova; NULL when a table is damaged. */
static const struct dma_pte *find_entry(struct cursor *cursor, u64 iova)
{
	const struct dma_pte *pte;
	phys_addr_t pa;

	cursor->table = cursor->domain->pgd;
	cursor->level = agaw_to_level(cursor->domain->agaw);
	for (;;) {
		pte = &cursor->table[table_index(iova, cursor->level)];
		if (!dma_pte_present((struct dma_pte *)pte) ||
		    cursor->level == 1 ||
		    dma_pte_superpage((struct dma_pte *)pte))
			return pte;
		pa = dma_pte_addr((struct dma_pte *)pte);
		if (cursor->restored && !kho_is_pending(pa, PAGE_SIZE))
			return NULL;
		cursor->table = phys_to_virt(pa);
		cursor->level--;
	}
}

/**
 * vtd_find_entry - what a page table has for an iova
 * @domain: a paging domain or a restored one
 * @iova: within what the table can map
 * @level: set to the level of the entry, or where it is missing
 *
 * Context: nothing is mapped or unmapped meanwhile.
 * Return: an entry that maps it, or that is not present; NULL when the table is damaged
 */
struct dma_pte *vtd_find_entry(struct iommu_domain *domain, u64 iova, int *level)
{
	struct cursor cursor = {
		.domain = to_dmar_domain(domain),
		.restored = iommu_domain_is_restored(domain),
	};
	const struct dma_pte *pte = find_entry(&cursor, iova);

	*level = cursor.level;
	return (struct dma_pte *)pte;
}

/* As find_entry(), when the cursor is at the entry before */
static const struct dma_pte *next_entry(struct cursor *cursor, u64 iova)
{
	unsigned int index = table_index(iova, cursor->level);
	const struct dma_pte *pte = &cursor->table[index];

	if (index && (cursor->level == 1 ||
		      !dma_pte_present((struct dma_pte *)pte) ||
		      dma_pte_superpage((struct dma_pte *)pte)))
		return pte;
	return find_entry(cursor, iova);
}

static int pte_prot(const struct dma_pte *pte)
{
	int prot = 0;

	if (pte->val & DMA_PTE_READ)
		prot |= IOMMU_READ;
	if (pte->val & DMA_PTE_WRITE)
		prot |= IOMMU_WRITE;
	return prot;
}

/**
 * vtd_next_run - the next thing that a page table maps
 * @domain: a paging domain or a restored one
 * @from: iova to begin at, page aligned
 * @last: iova to end with
 * @run: out, from @from on and not beyond @last; in: zeroes, or the run before
 *
 * Context: nothing is mapped or unmapped meanwhile.
 * Return: 0; -ENOENT when nothing is mapped from there on; -EINVAL when the page table
 * is damaged at @run->iova
 */
int vtd_next_run(struct iommu_domain *domain, u64 from, u64 last,
		 struct iommu_run *run)
{
	struct cursor cursor = {
		.domain = to_dmar_domain(domain),
		.restored = iommu_domain_is_restored(domain),
	};
	u64 end, size, iova = from;
	const struct dma_pte *pte;
	phys_addr_t pa;

	/*
	 * What the table can map. (gaw is of the unit that was attached last.)
	 * The last page of 64 bits is not worth the trouble: no guest has so many.
	 */
	last = min(last, BIT_ULL(min(agaw_to_width(cursor.domain->agaw), 63)) - 1);
	run->length = 0;
	if (from > last)
		return -ENOENT;
	if (run->table && run->next == from) {
		cursor.table = run->table;
		cursor.level = run->level;
		pte = &cursor.table[table_index(from, cursor.level)];
	} else {
		pte = find_entry(&cursor, iova);
	}
	run->table = NULL;
	for (;;) {
		run->iova = run->length ? run->iova : iova;
		if (!pte)
			return run->length ? 0 : -EINVAL;
		size = vtd_level_size(cursor.level);
		end = min(ALIGN_DOWN(iova, size) + size, last + 1);
		if (dma_pte_present((struct dma_pte *)pte)) {
			pa = dma_pte_addr((struct dma_pte *)pte) + (iova & (size - 1));
			if (!run->length) {
				run->pa = pa;
				run->prot = pte_prot(pte);
			} else if (run->pa + run->length != pa ||
				   run->prot != pte_prot(pte)) {
				run->table = cursor.table;
				run->level = cursor.level;
				run->next = iova;
				return 0;
			}
			run->length += end - iova;
		} else if (run->length) {
			return 0;
		}
		iova = end;
		if (iova > last)
			return run->length ? 0 : -ENOENT;
		pte = next_entry(&cursor, iova);
	}
}
