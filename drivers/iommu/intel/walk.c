// SPDX-License-Identifier: GPL-2.0-only
/*
 * All pages of a page table of VT-d, and all that they map, one after the other.
 *
 * Life cycle: the old kernel preserves and checks what its tables have, the next one
 * looks at what was handed over.
 *
 * No locks: the caller sees to it that nothing is mapped or unmapped meanwhile.
 */
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/sched.h>

#include "table.h"

/**
 * vtd_walk_table - walk through a part of a page table
 * @walk: what to call
 * @table: its first page
 * @level: level of that
 *
 * Context: may sleep.
 * Return: 0; what a call returned that is not 0, and ends the walk; -EIO when a foreign
 * table leads to what was not handed over
 */
int vtd_walk_table(struct vtd_walk *walk, struct dma_pte *table, int level)
{
	unsigned int i;
	int rc;

	if (walk->table) {
		rc = walk->table(walk, table);
		if (rc)
			return rc;
	}
	if (level == 1 && !walk->leaf)
		return 0;
	for (i = 0; i < VTD_ENTRIES; i++) {
		struct dma_pte *pte = &table[i];
		phys_addr_t pa = dma_pte_addr(pte);

		if (!dma_pte_present(pte))
			continue;
		if (level == 1 || dma_pte_superpage(pte)) {
			rc = 0;
			if (walk->leaf)
				rc = walk->leaf(walk, pa, vtd_level_size(level));
		} else if (walk->foreign && !kho_is_pending(pa, PAGE_SIZE)) {
			rc = -EIO;
		} else {
			rc = vtd_walk_table(walk, phys_to_virt(pa), level - 1);
		}
		if (rc)
			return rc;
	}
	cond_resched();
	return 0;
}
