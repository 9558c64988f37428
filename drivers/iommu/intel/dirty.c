// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that are dirty stay so when a device goes from a restored domain to one that
 * takes its place, or back.
 *
 * Life cycle: a device that was preserved with dirty tracking on goes on setting dirty
 * bits in the old kernel's table, over the jump, until it is attached to a new one. Then
 * the bits that nobody has read yet are set in the table that its user reads from then on.
 *
 * Locks: none. Bits are set one by one, as hardware does. Whoever attaches the device sees
 * to it that nothing is mapped or unmapped meanwhile in the table that is not restored.
 */
#include <linux/align.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/kho.h>
#include <linux/sched.h>

#include "table.h"

struct pass {
	struct dmar_domain *to;
	bool from_restored;
};

/* Pages may be larger there than here, and the other way round. */
static void set_dirty(struct dmar_domain *to, u64 iova, u64 size)
{
	u64 end = iova + size, page;
	struct dma_pte *pte;
	int level;

	for (; iova < end; iova = ALIGN_DOWN(iova, page) + page) {
		pte = vtd_find_entry(&to->domain, iova, &level);
		page = vtd_level_size(level);
		if (!pte || !dma_pte_present(pte))
			continue;
		set_bit(DMA_SL_PTE_DIRTY_BIT, (unsigned long *)&pte->val);
		if (!to->iommu_coherency)
			clflush_cache_range(pte, sizeof(*pte));
	}
}

static void pass_table(const struct pass *pass, struct dma_pte *table, int level,
		       u64 iova)
{
	u64 size = vtd_level_size(level);
	struct dma_pte *pte;

	for (pte = table; pte < table + VTD_ENTRIES; pte++, iova += size) {
		if (!dma_pte_present(pte))
			continue;
		if (level == 1 || dma_pte_superpage(pte)) {
			if (dma_sl_pte_test_and_clear_dirty(pte, IOMMU_DIRTY_NO_CLEAR))
				set_dirty(pass->to, iova, size);
		} else if (!pass->from_restored ||
			   kho_is_pending(dma_pte_addr(pte), PAGE_SIZE)) {
			pass_table(pass, phys_to_virt(dma_pte_addr(pte)),
				   level - 1, iova);
		}
	}
	cond_resched();
}

/**
 * vtd_pass_dirty - what is dirty in one page table is dirty in another
 * @from: that no device is translated by any more, or which the caller will ask again
 *	  when the last one has left it
 * @to: what translates now
 *
 * Does nothing unless one of them is restored and both track what is dirty. In a restored
 * table that is damaged, what is behind the damage is not found: nobody has been given a
 * page table that took its place, as the comparison has found the damage too.
 *
 * Context: may sleep. Nothing is mapped or unmapped in either meanwhile.
 */
void vtd_pass_dirty(struct dmar_domain *from, struct dmar_domain *to)
{
	struct pass pass = {
		.to = to,
		.from_restored = iommu_domain_is_restored(&from->domain),
	};

	if (!from->dirty_tracking || !to->dirty_tracking ||
	    !(pass.from_restored || iommu_domain_is_restored(&to->domain)))
		return;
	pass_table(&pass, from->pgd, agaw_to_level(from->agaw), 0);
}
