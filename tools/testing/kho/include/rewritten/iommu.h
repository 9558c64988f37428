/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for VT-d's own header: what page tables are made of. */
#ifndef _KHO_TEST_VTD_H
#define _KHO_TEST_VTD_H

#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/types.h>

#define VTD_PAGE_SHIFT		12
#define VTD_PAGE_SIZE		(1UL << VTD_PAGE_SHIFT)
#define VTD_PAGE_MASK		(~(u64)(VTD_PAGE_SIZE - 1))
#define LEVEL_STRIDE		9
#define LEVEL_MASK		((1ULL << LEVEL_STRIDE) - 1)

#define DMA_PTE_READ		0x1
#define DMA_PTE_WRITE		0x2
#define DMA_PTE_LARGE_PAGE	0x80
#define DMA_SL_PTE_DIRTY_BIT	9

struct dma_pte {
	u64 val;
};

struct dmar_domain {
	struct iommu_domain domain;
	struct dma_pte *pgd;
	int agaw;
	bool dirty_tracking;
	bool iommu_coherency;
};

#define to_dmar_domain(dom)	((struct dmar_domain *)(dom))

#define agaw_to_level(agaw)	((agaw) + 2)
#define agaw_to_width(agaw)	(30 + (agaw) * LEVEL_STRIDE)

#define dma_pte_present(pte)	(((pte)->val & (DMA_PTE_READ | DMA_PTE_WRITE)) != 0)
#define dma_pte_superpage(pte)	(((pte)->val & DMA_PTE_LARGE_PAGE) != 0)
#define dma_pte_addr(pte)	((pte)->val & VTD_PAGE_MASK)

#define IOMMU_DIRTY_NO_CLEAR	1
#define dma_sl_pte_test_and_clear_dirty(pte, flags)	\
	((void)(flags), ((pte)->val >> DMA_SL_PTE_DIRTY_BIT & 1) != 0)

#define set_bit(nr, word)	((void)(*(word) |= 1UL << (nr)))

void clflush_cache_range(void *va, unsigned int size);

#endif
