// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d in the next kernel: devices go on with the old kernel's translation.
 *
 * Life cycle: when the IOMMU core probes a recorded device, the device gets its PASID
 * table back and a restored domain around the old page table. The domain is freed by the
 * IOMMU core when its last device has left it, the page table with it. What is kept for a
 * device that is blocked is freed when it is discarded.
 *
 * Locks: states and domains of the record change under incoming_lock, inside the group's
 * mutex.
 */
#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/kho.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "../iommu-pages.h"
#include "replace.h"
#include "restore.h"

static DEFINE_MUTEX(incoming_lock);

static const struct iommu_domain_ops restored_ops;

/* --- Devices --- */

static void clear_entry(struct intel_iommu *iommu, u8 bus, u8 devfn)
{
	struct context_entry *context;

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, bus, devfn, 0);
	if (context)
		vtd_clear_context(iommu, context);
	spin_unlock(&iommu->lock);
	vtd_flush_all(iommu);
}

/* What hardware still does for a device that cannot be restored */
static void stop_translating(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	clear_entry(info->iommu, info->bus, info->devfn);
}

/* The same for one that is not there */
static void stop_translating_missing(u32 i)
{
	const struct iommu_device_ser *ser = &vtd_incoming.record.devices[i];
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;

	guard(rwsem_read)(&dmar_global_lock);
	for_each_active_iommu(iommu, drhd)
		if (iommu->reg_phys == vtd_incoming.record.units[ser->unit].reg_pa)
			clear_entry(iommu, PCI_BUS_NUM(ser->sid), ser->sid & 0xff);
}

static bool is_handed_over(struct device *dev)
{
	return dev_is_pci(dev) && pci_liveupdate_is_incoming(to_pci_dev(dev)) &&
	       !pci_liveupdate_is_blocked(to_pci_dev(dev));
}

/*
 * The device's index, if hardware translates for it and the PCI core left it as it was.
 * If only the first is true, that ends here, before anybody attaches something else.
 */
static u32 find_translated(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	u32 i;

	if (!dev_is_pci(dev) || dev_is_real_dma_subdevice(dev))
		return vtd_nr_devices();
	i = vtd_find_device(info->segment, PCI_DEVID(info->bus, info->devfn));
	if (i == vtd_nr_devices() || vtd_incoming.states[i] != DEVICE_TRANSLATED)
		return vtd_nr_devices();
	if (is_handed_over(dev))
		return i;
	vtd_block_device(i, "it was not handed over with its PCI state");
	stop_translating(dev);
	return vtd_nr_devices();
}

/* The directory is freed in one piece, so all but its first page have no reference. */
static void *restore_table(phys_addr_t pa, unsigned int order)
{
	struct page *page = kho_restore_pages(pa, 1 << order);
	unsigned int i;

	if (!page)
		return NULL;
	for (i = 1; i < 1 << order; i++)
		set_page_count(page + i, 0);
	__iommu_alloc_account(page, order);
	return page_address(page);
}

/**
 * intel_liveupdate_pasid_table - give a device a PASID table, its old one if it has one
 * @dev: the device
 *
 * Context: probing of the device.
 * Return: as intel_pasid_alloc_table()
 */
int intel_liveupdate_pasid_table(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	const struct iommu_device_ser *ser;
	struct pasid_dir_entry *dir;
	struct pasid_table *table;
	u32 i = find_translated(dev);
	unsigned int j;

	if (i == vtd_nr_devices())
		return intel_pasid_alloc_table(dev);
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		goto err_block;
	ser = &vtd_incoming.record.devices[i];
	dir = restore_table(ser->pasid_dir_pa, ser->pasid_order);
	if (!dir)
		goto err_free;
	if (!restore_table(dir->val & PDE_PFN_MASK, 0))
		goto err_free_dir;
	table->table = dir;
	table->order = ser->pasid_order;
	table->max_pasid = 1 << (table->order + PAGE_SHIFT + 3);
	for (j = 1; j < table->max_pasid >> PASID_PDE_SHIFT; j++)
		WRITE_ONCE(dir[j].val, 0);
	info->pasid_table = table;
	return 0;

err_free_dir:
	stop_translating(dev);
	iommu_free_pages(dir, ser->pasid_order);
err_free:
	kfree(table);
err_block:
	vtd_block_device(i, "its PASID table cannot be restored");
	stop_translating(dev);
	return intel_pasid_alloc_table(dev);
}

static int use_domain_id(struct dmar_domain *domain, struct intel_iommu *iommu,
			 u16 did)
{
	struct iommu_domain_info *info = xa_load(&domain->iommu_array,
						 iommu->seq_id);
	int rc;

	if (info) {
		info->refcnt++;
		return 0;
	}
	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	info->iommu = iommu;
	info->did = did;
	info->refcnt = 1;
	rc = xa_err(xa_store(&domain->iommu_array, iommu->seq_id, info,
			     GFP_KERNEL));
	if (rc)
		kfree(info);
	return rc;
}

static struct dmar_domain *get_restored(u32 i, struct intel_iommu *iommu)
{
	const struct iommu_domain_ser *ser = &vtd_incoming.record.domains[i];
	struct dmar_domain *domain = vtd_incoming.domains[i];

	lockdep_assert_held(&incoming_lock);
	if (domain)
		return domain;
	domain = kzalloc(sizeof(*domain), GFP_KERNEL);
	if (!domain)
		return NULL;
	domain->domain.type = IOMMU_DOMAIN_RESTORED;
	domain->domain.ops = &restored_ops;
	domain->domain.owner = &intel_iommu_ops;
	domain->domain.geometry.force_aperture = true;
	domain->nid = NUMA_NO_NODE;
	domain->agaw = ser->agaw;
	domain->gaw = agaw_to_width(ser->agaw);
	domain->pgd = phys_to_virt(ser->pgd_pa);
	domain->iommu_coherency = sm_supported(iommu) ?
		ecap_smpwc(iommu->ecap) : ecap_coherent(iommu->ecap);
	xa_init(&domain->iommu_array);
	INIT_LIST_HEAD(&domain->devices);
	INIT_LIST_HEAD(&domain->dev_pasids);
	INIT_LIST_HEAD(&domain->cache_tags);
	spin_lock_init(&domain->lock);
	spin_lock_init(&domain->cache_lock);
	vtd_incoming.domains[i] = domain;
	return domain;
}

/* Its entry says so, and goes on saying so. */
static bool tracks_dirty(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct pasid_entry *pte;

	if (!info->pasid_table)
		return false;
	pte = intel_pasid_get_entry(dev, IOMMU_NO_PASID);
	return pte && pasid_get_ssade(pte);
}

/* A device that keeps translations is told to forget them from now on. */
static int adopt_ats(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	int rc = pci_liveupdate_adopt_ats(to_pci_dev(dev), VTD_PAGE_SHIFT);

	if (rc <= 0)
		return rc;
	info->ats_enabled = 1;
	return info->ats_supported && pci_ats_page_aligned(to_pci_dev(dev)) ?
	       0 : -EOPNOTSUPP;
}

static void drop_ats(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (info->ats_enabled)
		pci_disable_ats(to_pci_dev(dev));
	info->ats_enabled = 0;
}

static int enter_restored(struct device *dev, u32 i)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	const struct iommu_device_ser *ser = &vtd_incoming.record.devices[i];
	struct dmar_domain *domain;
	int rc;

	rc = adopt_ats(dev);
	if (rc)
		return rc;
	guard(mutex)(&incoming_lock);
	domain = get_restored(ser->domain, info->iommu);
	if (!domain)
		return -ENOMEM;
	rc = use_domain_id(domain, info->iommu, ser->did);
	if (rc)
		return rc;
	rc = cache_tag_assign_domain(domain, dev, IOMMU_NO_PASID);
	if (rc)
		goto err_detach;
	rc = iommu_restored_add(dev, &domain->domain);
	if (rc)
		goto err_unassign;
	if (tracks_dirty(dev))
		domain->dirty_tracking = true;
	info->domain = domain;
	info->domain_attached = true;
	list_add(&info->link, &domain->devices);
	vtd_incoming.states[i] = DEVICE_RESTORED;
	return 0;

err_unassign:
	cache_tag_unassign_domain(domain, dev, IOMMU_NO_PASID);
err_detach:
	domain_detach_iommu(domain, info->iommu);
	return rc;
}

/**
 * intel_liveupdate_probe - a device that was handed over enters its restored domain
 * @dev: any device that is probed, with its PASID table if it has one
 *
 * If it cannot, it is blocked, and is an ordinary device otherwise.
 */
void intel_liveupdate_probe(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	u32 i = find_translated(dev);
	int rc;

	if (i == vtd_nr_devices())
		return;
	rc = enter_restored(dev, i);
	if (!rc) {
		dev_info(dev, "goes on with the old kernel's translation\n");
		return;
	}
	vtd_block_device(i, rc == -ENOMEM ? "out of memory" :
			 "it keeps translations that this kernel cannot have it forget");
	drop_ats(dev);
	if (info->pasid_table)
		intel_pasid_tear_down_entry(info->iommu, dev, IOMMU_NO_PASID,
					    false);
	else
		stop_translating(dev);
}

/**
 * intel_liveupdate_release - a device goes away
 * @dev: any device, attached to nothing
 */
void intel_liveupdate_release(struct device *dev)
{
	iommu_restored_remove(dev);
}

/* --- The restored domain --- */

/*
 * Nobody attaches it, except to go back when another domain could not be attached to
 * all devices of a group.
 */
static int restored_attach(struct iommu_domain *domain, struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);

	if (info->domain == to_dmar_domain(domain))
		return 0;
	/* Bridges in the group are not attached to anything. */
	if (dev_is_pci(dev) && pci_is_bridge(to_pci_dev(dev)))
		return 0;
	if (!iommu_device_is_restored(dev))
		return -EBUSY;
	return intel_iommu_replace(domain, dev);
}

static phys_addr_t restored_iova_to_phys(struct iommu_domain *domain,
					 dma_addr_t iova)
{
	u64 first = iova & VTD_PAGE_MASK;
	struct iommu_run run = {};

	if (vtd_next_run(domain, first, first | ~VTD_PAGE_MASK, &run) ||
	    run.iova != first)
		return 0;
	return run.pa | (iova & ~VTD_PAGE_MASK);
}

/* What is not pending is no table of ours: damage is left alone. */
static void free_table(phys_addr_t pa, int level)
{
	struct page *page = kho_restore_pages(pa, 1);
	struct dma_pte *table;
	unsigned int i;

	if (!page)
		return;
	table = page_address(page);
	for (i = 0; level > 1 && i < VTD_ENTRIES; i++)
		if (dma_pte_present(&table[i]) && !dma_pte_superpage(&table[i]))
			free_table(dma_pte_addr(&table[i]), level - 1);
	__free_page(page);
	cond_resched();
}

static void finish_record(void)
{
	u32 i;

	lockdep_assert_held(&incoming_lock);
	for (i = 0; i < vtd_incoming.table->nr_domains; i++)
		if (vtd_incoming.domains[i])
			return;
	for (i = 0; i < vtd_nr_devices(); i++)
		if (vtd_incoming.states[i] != DEVICE_RESTORED &&
		    vtd_incoming.states[i] != DEVICE_FORGOTTEN)
			return;
	kho_finish_subtree(IOMMU_SER_NAME);
}

/* Is the page table of a blocked device nobody else's? */
static bool is_last(u32 i)
{
	const struct iommu_device_ser *devices = vtd_incoming.record.devices;
	u32 j;

	if (vtd_record_device_fault(&vtd_incoming.record, i) ||
	    vtd_incoming.domains[devices[i].domain])
		return false;
	for (j = 0; j < vtd_nr_devices(); j++)
		if (devices[j].domain == devices[i].domain &&
		    (vtd_incoming.states[j] == DEVICE_BLOCKED ||
		     vtd_incoming.states[j] == DEVICE_TRANSLATED))
			return false;
	return true;
}

/* Of a device that did not get them back; what it did get back is not pending. */
static void free_pasid_tables(u32 i)
{
	const struct iommu_device_ser *ser = &vtd_incoming.record.devices[i];
	struct pasid_dir_entry *dir;
	void *table;

	if (vtd_record_device_fault(&vtd_incoming.record, i) || !ser->pasid_dir_pa)
		return;
	dir = restore_table(ser->pasid_dir_pa, ser->pasid_order);
	if (!dir)
		return;
	table = pasid_pde_is_present(dir) ?
		restore_table(dir->val & PDE_PFN_MASK, 0) : NULL;
	if (table)
		iommu_free_pages(table, 0);
	iommu_free_pages(dir, ser->pasid_order);
}

/**
 * vtd_forget - free what is kept for a device that is blocked, or was not found
 * @segment: its segment
 * @sid: its requester id
 *
 * Context: may sleep.
 */
void vtd_forget(u32 segment, u16 sid)
{
	const struct iommu_domain_ser *domain;
	u32 i;

	guard(mutex)(&incoming_lock);
	i = vtd_find_device(segment, sid);
	if (i == vtd_nr_devices())
		return;
	if (vtd_incoming.states[i] == DEVICE_TRANSLATED)
		stop_translating_missing(i);
	else if (vtd_incoming.states[i] != DEVICE_BLOCKED)
		return;
	vtd_incoming.states[i] = DEVICE_FORGOTTEN;
	free_pasid_tables(i);
	if (is_last(i)) {
		domain = &vtd_incoming.record.domains[vtd_incoming.record.devices[i].domain];
		free_table(domain->pgd_pa, agaw_to_level(domain->agaw));
	}
	finish_record();
}

static void restored_free(struct iommu_domain *domain)
{
	struct dmar_domain *restored = to_dmar_domain(domain);
	u32 i;

	if (WARN_ON(!list_empty(&restored->devices)))
		return;
	free_table(virt_to_phys(restored->pgd), agaw_to_level(restored->agaw));
	guard(mutex)(&incoming_lock);
	for (i = 0; i < vtd_incoming.table->nr_domains; i++)
		if (vtd_incoming.domains[i] == restored)
			vtd_incoming.domains[i] = NULL;
	kfree(restored->qi_batch);
	kfree(restored);
	finish_record();
}

static const struct iommu_domain_ops restored_ops = {
	.attach_dev = restored_attach,
	.iova_to_phys = restored_iova_to_phys,
	.free = restored_free,
};
