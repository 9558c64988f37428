// SPDX-License-Identifier: GPL-2.0-only
/*
 * In place of hardware, for tests: units that track what is dirty, and that nest, which no
 * emulator has. They are told to say so, and dirty bits are set by hand, where the unit
 * would: in the table that the device's entry leads to, if that entry has it switched on.
 *
 * Locks: dmar_global_lock for the list of units. Who asks for a bit to be set does so
 * while nothing is mapped, unmapped or attached.
 */
#include <linux/dmar.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/pci.h>

#include "liveupdate.h"

/*
 * In the extended capability register: nested translation; second-stage dirty bits; and
 * coherent page walks in scalable mode, without which there are none
 */
#define ECAP_NEST	BIT_ULL(26)
#define ECAP_SSADS	BIT_ULL(45)
#define ECAP_SMPWC	BIT_ULL(48)

/**
 * iommu_test_extend - let all units say that they can do what page tables may be for
 */
void iommu_test_extend(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	down_write(&dmar_global_lock);
	for_each_active_iommu(iommu, drhd)
		iommu->ecap |= ECAP_NEST | ECAP_SSADS | ECAP_SMPWC;
	up_write(&dmar_global_lock);
}

/**
 * iommu_test_make_dirty - as if a device had written to a page
 * @dev: the device
 * @iova: in the page
 *
 * Return: 0; -EPERM when that leaves no trace, as dirty tracking is off; -ENOENT when
 * nothing is mapped there
 */
int iommu_test_make_dirty(struct device *dev, u64 iova)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct pasid_entry *entry;
	struct dma_pte *pte;
	int level;

	entry = info && info->pasid_table ?
		intel_pasid_get_entry(dev, IOMMU_NO_PASID) : NULL;
	if (!entry || !pasid_pte_is_present(entry) || !pasid_get_ssade(entry))
		return -EPERM;
	if (!vtd_pasid_uses(entry, virt_to_phys(info->domain->pgd),
			    info->domain->agaw))
		return -EINVAL;
	pte = vtd_find_entry(&info->domain->domain, iova, &level);
	if (!pte || !dma_pte_present(pte))
		return -ENOENT;
	set_bit(DMA_SL_PTE_DIRTY_BIT, (unsigned long *)&pte->val);
	return 0;
}
