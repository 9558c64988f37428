/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VT-d translation that stays in force across a kexec: preserve.c in the old kernel,
 * restore*.c in the next one, liveupdate_irq.c in both, and what is in table.h.
 */
#ifndef _INTEL_LIVEUPDATE_H
#define _INTEL_LIVEUPDATE_H

#include <linux/pci.h>

#include "../liveupdate.h"
#include "iommu.h"
#include "pasid.h"
#include "record.h"
#include "table.h"

/* A context table, as one half of a root entry points to it */
struct vtd_half {
	u64 *entry;		/* in the root table */
	unsigned int bus;
	unsigned int first;	/* devfn of its first entry */
	unsigned int nr;	/* entries */
};

static inline bool vtd_half(struct root_entry *root, bool scalable,
			    unsigned int i, struct vtd_half *half)
{
	half->bus = scalable ? i / 2 : i;
	if (half->bus >= 256)
		return false;
	half->first = scalable && i % 2 ? 0x80 : 0;
	half->nr = scalable ? 0x80 : 0x100;
	half->entry = half->first ? &root[half->bus].hi : &root[half->bus].lo;
	return true;
}

/* An entry of scalable mode has the size of two. */
static inline struct context_entry *vtd_context(const struct vtd_half *half,
						bool scalable, unsigned int i)
{
	struct context_entry *table = phys_to_virt(*half->entry & VTD_PAGE_MASK);

	return table + (scalable ? 2 * i : i);
}

static inline void vtd_clear_context(struct intel_iommu *iommu,
				     struct context_entry *context)
{
	context_clear_present(context);
	context_clear_entry(context);
	__iommu_flush_cache(iommu, context, sizeof(*context));
}

/* Whatever hardware has cached of the unit's tables */
static inline void vtd_flush_all(struct intel_iommu *iommu)
{
	iommu->flush.flush_context(iommu, 0, 0, 0, DMA_CCMD_GLOBAL_INVL);
	if (sm_supported(iommu))
		qi_flush_pasid_cache(iommu, 0, QI_PC_GLOBAL, 0);
	iommu->flush.flush_iotlb(iommu, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH);
}

/* Does a context entry of legacy mode, or the entry of a PASID, lead to this table? */
static inline bool vtd_context_uses(const struct context_entry *context,
				    phys_addr_t pgd_pa, u8 agaw)
{
	return (context->lo & VTD_PAGE_MASK) == pgd_pa &&
	       (context->hi & 7) == agaw;
}

static inline bool vtd_pasid_uses(struct pasid_entry *pte, phys_addr_t pgd_pa,
				  u8 agaw)
{
	return pasid_pte_is_present(pte) &&
	       pasid_pte_get_pgtt(pte) == PASID_ENTRY_PGTT_SL_ONLY &&
	       (pte->val[0] & VTD_PAGE_MASK) == pgd_pa &&
	       ((pte->val[0] >> 2) & 7) == agaw;
}

static inline u16 vtd_half_sid(const struct vtd_half *half, unsigned int i)
{
	return PCI_DEVID(half->bus, half->first + i);
}

#ifdef CONFIG_IOMMU_LIVEUPDATE

/*
 * Hooks are intel_liveupdate_*(), the rest is for other files of ours: each calls those
 * above it here and none below it.
 */

/* liveupdate_irq.c */
bool intel_liveupdate_take_irt(struct intel_iommu *iommu);
void vtd_shutdown_irt(struct intel_iommu *iommu, u32 unit,
		      bool (*kept)(u32 unit, u16 sid));

/* restore.c, see restore.h */
int vtd_discard(phys_addr_t fdt);

/* restore_units.c */
bool intel_liveupdate_take_over(struct intel_iommu *iommu);
void intel_liveupdate_ignore(struct intel_iommu *iommu);
void intel_liveupdate_off(void);
void intel_liveupdate_fail(void);

/* restore_devices.c */
int intel_liveupdate_pasid_table(struct device *dev);
void intel_liveupdate_probe(struct device *dev);
void intel_liveupdate_release(struct device *dev);
void vtd_forget(u32 segment, u16 sid);

/* preserve.c */
bool intel_liveupdate_shutdown(void);

#else

static inline bool intel_liveupdate_shutdown(void)
{
	return false;
}

static inline bool intel_liveupdate_take_over(struct intel_iommu *iommu)
{
	return false;
}

static inline void intel_liveupdate_ignore(struct intel_iommu *iommu) { }
static inline void intel_liveupdate_off(void) { }
static inline void intel_liveupdate_fail(void) { }

static inline int intel_liveupdate_pasid_table(struct device *dev)
{
	return intel_pasid_alloc_table(dev);
}

static inline void intel_liveupdate_probe(struct device *dev) { }
static inline void intel_liveupdate_release(struct device *dev) { }

static inline bool intel_liveupdate_take_irt(struct intel_iommu *iommu)
{
	return false;
}

#endif /* CONFIG_IOMMU_LIVEUPDATE */
#endif /* _INTEL_LIVEUPDATE_H */
