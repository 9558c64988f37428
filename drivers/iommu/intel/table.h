/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables of VT-d, of as many levels and with pages as large as there are: runs.c,
 * walk.c and dirty.c. They need nothing else of VT-d, and are tested in user space as well.
 */
#ifndef _INTEL_TABLE_H
#define _INTEL_TABLE_H

#include "../liveupdate.h"
#include "iommu.h"

/* One page each, of a table that hardware walks */
#define VTD_ENTRIES	512

/* What an entry of a level covers: bits of the iova, and bytes */
static inline unsigned int vtd_level_shift(int level)
{
	return VTD_PAGE_SHIFT + (level - 1) * LEVEL_STRIDE;
}

static inline u64 vtd_level_size(int level)
{
	return BIT_ULL(vtd_level_shift(level));
}

#ifdef CONFIG_IOMMU_LIVEUPDATE

/* runs.c */
struct dma_pte *vtd_find_entry(struct iommu_domain *domain, u64 iova,
			       int *level);
int vtd_next_run(struct iommu_domain *domain, u64 from, u64 last,
		 struct iommu_run *run);

/* dirty.c */
void vtd_pass_dirty(struct dmar_domain *from, struct dmar_domain *to);

/* walk.c */
/**
 * struct vtd_walk - what is called for what a page table has
 * @table: each page of the table, before what it points to
 * @leaf: each extent of memory that is mapped
 * @foreign: it is another kernel's: what it points to has to be checked
 * @count: pages, for the caller
 * @begin: of an extent, for the caller
 * @end: its end
 */
struct vtd_walk {
	int (*table)(struct vtd_walk *walk, struct dma_pte *table);
	int (*leaf)(struct vtd_walk *walk, phys_addr_t pa, size_t size);
	bool foreign;
	unsigned long count;
	phys_addr_t begin, end;
};

int vtd_walk_table(struct vtd_walk *walk, struct dma_pte *table, int level);

static inline int vtd_walk_domain(struct vtd_walk *walk,
				  struct dmar_domain *domain)
{
	return vtd_walk_table(walk, domain->pgd, agaw_to_level(domain->agaw));
}

#else

static inline void vtd_pass_dirty(struct dmar_domain *from,
				  struct dmar_domain *to)
{
}

#endif /* CONFIG_IOMMU_LIVEUPDATE */
#endif /* _INTEL_TABLE_H */
