// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device goes from one paging domain to another without a moment at which its DMA
 * could fault: iommufd's replace, and whoever else attaches what is attached.
 *
 * The new domain becomes able to be used (domain id, cache tags, list of devices),
 * then a single 16-byte write makes the context entry, or in scalable mode the
 * PASID entry, point to it, then everything that was cached of the old domain is
 * invalidated, and at last the old domain is left. Until the invalidation is
 * complete, DMA is translated by either domain; the caller keeps both alive.
 *
 * Locks: the group's mutex, which the IOMMU core holds, over everything; inside it
 * dmar_domain.lock and intel_iommu.lock, never one inside the other.
 */
#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/cpufeature.h>
#include <linux/iommu.h>
#include <linux/pci.h>

#include "iommu.h"
#include "pasid.h"
#include "replace.h"
#include "table.h"

/* Nothing else writes to the entry: its lock is held, and hardware only reads it. */
static void write_entry(struct intel_iommu *iommu, u64 *entry, u64 low, u64 high)
{
	u128 old = (u128)entry[1] << 64 | entry[0];

	WARN_ON(!try_cmpxchg128((u128 *)entry, &old, (u128)high << 64 | low));
	if (!ecap_coherent(iommu->ecap))
		clflush_cache_range(entry, sizeof(old));
}

static int set_context(struct dmar_domain *domain,
		       struct device_domain_info *info, u16 alias)
{
	struct intel_iommu *iommu = info->iommu;
	struct context_entry new = { };
	struct context_entry *context;
	u16 did;

	context_set_domain_id(&new, domain_id_iommu(domain, iommu));
	context_set_address_root(&new, virt_to_phys(domain->pgd));
	context_set_address_width(&new, domain->agaw);
	context_set_translation_type(&new, info->ats_supported ?
				     CONTEXT_TT_DEV_IOTLB :
				     CONTEXT_TT_MULTI_LEVEL);
	context_set_fault_enable(&new);
	context_set_present(&new);

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, PCI_BUS_NUM(alias), alias & 0xff, 0);
	if (WARN_ON(!context || !context_present(context))) {
		spin_unlock(&iommu->lock);
		return -ENODEV;
	}
	did = context_domain_id(context);
	write_entry(iommu, &context->lo, new.lo, new.hi);
	spin_unlock(&iommu->lock);

	iommu->flush.flush_context(iommu, did, alias, DMA_CCMD_MASK_NOBIT,
				   DMA_CCMD_DEVICE_INVL);
	return 0;
}

struct aliases {
	struct dmar_domain *domain;
	struct device_domain_info *info;
};

static int set_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	struct aliases *aliases = data;

	return set_context(aliases->domain, aliases->info, alias);
}

static int set_contexts(struct dmar_domain *domain, struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct aliases aliases = { domain, info };

	if (!dev_is_pci(dev))
		return set_context(domain, info,
				   PCI_DEVID(info->bus, info->devfn));
	return pci_for_each_dma_alias(to_pci_dev(dev), set_alias, &aliases);
}

static int write_pasid(struct dmar_domain *domain, struct device *dev,
		       bool dirty_tracking)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	struct pasid_entry new = { };
	struct pasid_entry *pte;
	u16 did;

	pasid_set_domain_id(&new, domain_id_iommu(domain, iommu));
	pasid_set_slptr(&new, virt_to_phys(domain->pgd));
	pasid_set_address_width(&new, domain->agaw);
	pasid_set_translation_type(&new, PASID_ENTRY_PGTT_SL_ONLY);
	pasid_set_fault_enable(&new);
	pasid_set_page_snoop(&new, !!ecap_smpwc(iommu->ecap));
	if (dirty_tracking)
		pasid_set_ssade(&new);
	pasid_set_present(&new);

	spin_lock(&iommu->lock);
	pte = intel_pasid_get_entry(dev, IOMMU_NO_PASID);
	if (WARN_ON(!pte || !pasid_pte_is_present(pte) ||
		    pasid_pte_get_pgtt(pte) != PASID_ENTRY_PGTT_SL_ONLY)) {
		spin_unlock(&iommu->lock);
		return -ENODEV;
	}
	did = pasid_get_domain_id(pte);
	write_entry(iommu, pte->val, new.val[0], new.val[1]);
	spin_unlock(&iommu->lock);

	qi_flush_pasid_cache(iommu, did, QI_PC_PASID_SEL, IOMMU_NO_PASID);
	return 0;
}

static bool tracks_dirty(struct dmar_domain *domain)
{
	unsigned long flags;
	bool dirty;

	spin_lock_irqsave(&domain->lock, flags);
	dirty = domain->dirty_tracking;
	spin_unlock_irqrestore(&domain->lock, flags);
	return dirty;
}

static int set_pasid(struct dmar_domain *domain, struct device *dev)
{
	bool dirty;
	int rc;

	/*
	 * Dirty tracking can be switched at any time, for all devices of the
	 * domain, of which this is one already. The lock for that is taken inside
	 * the IOMMU's, so ask before and after.
	 */
	do {
		dirty = tracks_dirty(domain);
		rc = write_pasid(domain, dev, dirty);
	} while (!rc && dirty != tracks_dirty(domain));
	return rc;
}

/* A domain whose table one write can make the device's. */
static bool is_replaceable(struct dmar_domain *domain)
{
	return domain && !domain->use_first_level &&
	       (domain->domain.type & __IOMMU_DOMAIN_PAGING ||
		iommu_domain_is_restored(&domain->domain));
}

static void move_device(struct device_domain_info *info,
			struct dmar_domain *from, struct dmar_domain *to)
{
	unsigned long flags;

	spin_lock_irqsave(&from->lock, flags);
	list_del(&info->link);
	spin_unlock_irqrestore(&from->lock, flags);

	spin_lock_irqsave(&to->lock, flags);
	list_add(&info->link, &to->devices);
	spin_unlock_irqrestore(&to->lock, flags);
}

/**
 * intel_iommu_replace - attach a device that is attached, without blocking it
 * @domain: what to attach it to
 * @dev: the device
 *
 * Context: the group's mutex is held; may sleep.
 * Return: 0; -EOPNOTSUPP if this is no change from one paging domain to another, or
 * a processor without 16-byte writes; or why it failed. The device is where it was,
 * unless 0 is returned.
 */
int intel_iommu_replace(struct iommu_domain *domain, struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *new = to_dmar_domain(domain);
	struct intel_iommu *iommu = info->iommu;
	struct dmar_domain *old = info->domain;
	int rc;

	if (!info->domain_attached || !is_replaceable(old) ||
	    !is_replaceable(new) || dev_is_real_dma_subdevice(dev) ||
	    context_copied(iommu, info->bus, info->devfn) ||
	    !boot_cpu_has(X86_FEATURE_CX16))
		return -EOPNOTSUPP;

	if (old == new)
		return 0;
	/* A restored domain is as it was when the device left it. */
	rc = iommu_domain_is_restored(domain) ?
	     0 : prepare_domain_attach_device(domain, dev);
	if (rc)
		return rc;
	rc = domain_attach_iommu(new, iommu);
	if (rc)
		return rc;
	/* Before DMA uses the new domain, so that no unmap of it is missed. */
	rc = cache_tag_assign_domain(new, dev, IOMMU_NO_PASID);
	if (rc)
		goto err_detach;
	new->iotlb_sync_map |= domain_need_iotlb_sync_map(new, iommu);
	move_device(info, old, new);

	rc = sm_supported(iommu) ? set_pasid(new, dev) : set_contexts(new, dev);
	if (rc)
		goto err_move;

	info->domain = new;
	cache_tag_flush_all(old);
	vtd_pass_dirty(old, new);
	cache_tag_unassign_domain(old, dev, IOMMU_NO_PASID);
	domain_detach_iommu(old, iommu);
	return 0;

err_move:
	/* Some of several aliases may have been changed. */
	if (!sm_supported(iommu))
		set_contexts(old, dev);
	move_device(info, new, old);
	cache_tag_unassign_domain(new, dev, IOMMU_NO_PASID);
err_detach:
	domain_detach_iommu(new, iommu);
	return rc;
}
