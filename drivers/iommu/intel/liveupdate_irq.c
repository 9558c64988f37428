// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt remapping across a kexec: it stays on, with an entry for each interrupt of a
 * preserved device that drops what arrives.
 *
 * At the jump the entries of preserved devices become not present, with faults disabled;
 * all others are cleared. Such a device masks its interrupts where it can, and keeps
 * them pending. What comes nevertheless, by plain MSI without mask bits, ends here, with
 * neither a stray vector nor a fault in the next kernel, which signals every interrupt
 * once after it was set up again.
 *
 * The next kernel copies the table before the first interrupt is set up, and keeps these
 * entries allocated: the device's message refers to them until a driver writes another
 * one. They are not freed one by one. At the next jump they are cleared, unless the
 * device is preserved again and this kernel has set up none of its interrupts: then its
 * messages still refer to them.
 *
 * Locks: none, at the jump and in early boot a single processor runs.
 */
#define pr_fmt(fmt) "DMAR-IR: " fmt

#include <linux/bitmap.h>
#include <linux/dmar.h>
#include <linux/io.h>
#include <linux/kho.h>

#include "liveupdate.h"

/* Tables of the old kernel that were copied */
static phys_addr_t old_irts[DMAR_UNITS_SUPPORTED];
static unsigned int nr_old_irts;

#define IRT_SIZE	(INTR_REMAP_TABLE_ENTRIES * sizeof(struct irte))

/*
 * Devices whose interrupts this kernel has set up. A device has an id of its own at each
 * unit, so the ids of one unit at a time are enough.
 */
static DECLARE_BITMAP(set_up, U16_MAX + 1);

static void find_set_up(const struct intel_iommu *iommu)
{
	unsigned int i;

	bitmap_zero(set_up, U16_MAX + 1);
	for (i = 0; i < INTR_REMAP_TABLE_ENTRIES; i++) {
		const struct irte *irte = &iommu->ir_table->base[i];

		if (irte->present)
			__set_bit(irte->sid, set_up);
	}
}

/**
 * vtd_shutdown_irt - leave nothing that delivers an interrupt
 * @iommu: a unit
 * @unit: its index, for @kept
 * @kept: is the device with this id preserved?
 *
 * Context: at the jump, no other processor runs.
 */
void vtd_shutdown_irt(struct intel_iommu *iommu, u32 unit,
		      bool (*kept)(u32 unit, u16 sid))
{
	unsigned int i;

	if (!iommu->ir_table)
		return;
	find_set_up(iommu);
	for (i = 0; i < INTR_REMAP_TABLE_ENTRIES; i++) {
		struct irte *irte = &iommu->ir_table->base[i];
		struct irte quiet = { .fpd = 1 };

		if (!irte->low && !irte->high)
			continue;
		if (kept(unit, irte->sid) &&
		    (irte->present || !test_bit(irte->sid, set_up)))
			quiet.high = irte->high;
		else
			quiet.low = 0;
		WRITE_ONCE(irte->low, quiet.low);
		WRITE_ONCE(irte->high, quiet.high);
	}
	__iommu_flush_cache(iommu, iommu->ir_table->base, IRT_SIZE);
	qi_global_iec(iommu);
}

/**
 * intel_liveupdate_take_irt - go on from the old kernel's table of interrupts
 * @iommu: a unit with remapping on and a new, empty table
 *
 * Context: early boot.
 * Return: whether remapping may stay on
 */
bool intel_liveupdate_take_irt(struct intel_iommu *iommu)
{
	const struct irte *old;
	unsigned int i, nr = 0;
	u64 irta;

	if (!is_kho_boot())
		return false;
	irta = dmar_readq(iommu->reg + DMAR_IRTA_REG);
	if ((irta & INTR_REMAP_TABLE_REG_SIZE_MASK) != INTR_REMAP_TABLE_REG_SIZE ||
	    !kho_is_pending(irta & VTD_PAGE_MASK, IRT_SIZE) ||
	    nr_old_irts == ARRAY_SIZE(old_irts))
		return false;
	old = phys_to_virt(irta & VTD_PAGE_MASK);
	for (i = 0; i < INTR_REMAP_TABLE_ENTRIES; i++) {
		/* The old kernel left no other kind. */
		if (old[i].present || !old[i].fpd)
			continue;
		iommu->ir_table->base[i] = old[i];
		__set_bit(i, iommu->ir_table->bitmap);
		nr++;
	}
	__iommu_flush_cache(iommu, iommu->ir_table->base, IRT_SIZE);
	old_irts[nr_old_irts++] = irta & VTD_PAGE_MASK;
	pr_info("%s: stays on, with %u entries of preserved devices\n",
		iommu->name, nr);
	return true;
}

/* Hardware has gone over to the copies. */
static int __init free_old_irts(void)
{
	unsigned int i;

	for (i = 0; i < nr_old_irts; i++)
		kho_discard_range(old_irts[i], IRT_SIZE);
	return 0;
}
fs_initcall(free_old_irts);
