// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d in the next kernel: the old kernel's tables are taken over.
 *
 * Before init_dmars() would turn translation off, the record is read. A unit whose root
 * table is the recorded one, and whose tables have entries of recorded devices only, goes
 * on with that root table and its context tables, which become ordinary memory of this
 * kernel. Page tables stay as they were handed over: nobody changes them, and a further
 * kexec hands them on without anything being done.
 *
 * When the IOMMU core probes a recorded device, the device gets its PASID table back and
 * a restored domain around the old page table. The domain is freed by the IOMMU core when
 * its last device has left it, the page table with it.
 *
 * What cannot be taken over is blocked: bus master off at the device, no entry in the
 * tables. If a whole unit cannot be, that is done to all devices behind it before
 * translation is turned off. The page tables of such a device stay preserved.
 *
 * Locks: until the probing of devices this runs single-threaded, under
 * dmar_global_lock. Afterwards devices[] and domains[] change under incoming_lock, inside
 * the group's mutex.
 */
#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/cleanup.h>
#include <linux/dmar.h>
#include <linux/iommu.h>
#include <linux/kho.h>
#include <linux/libfdt.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "../iommu-pages.h"
#include "liveupdate.h"
#include "replace.h"

enum device_state {
	DEVICE_RECORDED,	/* nothing found out yet */
	DEVICE_TRANSLATED,	/* its entry is in a table that was taken over */
	DEVICE_RESTORED,	/* it is in its restored domain, or was */
	DEVICE_BLOCKED,		/* its page table is kept */
	DEVICE_FORGOTTEN,
};

static struct {
	bool loaded;
	struct iommu_table_ser *table;	/* a copy of the record */
	struct vtd_record record;
	enum device_state *states;
	struct dmar_domain **domains;	/* restored ones, by index */
} incoming;

static DEFINE_MUTEX(incoming_lock);

static const struct iommu_domain_ops restored_ops;

/* --- The record --- */

static int read_record(const char **reason)
{
	const struct iommu_table_ser *table;
	const fdt64_t *prop;
	phys_addr_t fdt_pa, pa;
	size_t size;
	void *fdt;
	int len, rc;

	rc = kho_retrieve_subtree(IOMMU_SER_NAME, &fdt_pa);
	if (rc) {
		*reason = "the record of the IOMMU is missing or damaged";
		return rc;
	}
	*reason = "the record of the IOMMU is damaged";
	fdt = phys_to_virt(fdt_pa);
	prop = fdt_getprop(fdt, 0, IOMMU_SER_PROP_TABLE, &len);
	if (!prop || len != sizeof(*prop))
		goto err_reject;
	pa = fdt64_to_cpu(*prop);
	if (!kho_is_pending(pa, PAGE_SIZE))
		goto err_reject;
	table = phys_to_virt(pa);
	size = vtd_record_check(table);
	if (!size || !kho_is_pending(pa, PAGE_ALIGN(size)))
		goto err_reject;

	*reason = "out of memory";
	incoming.table = kvmalloc(size, GFP_KERNEL);
	if (!incoming.table)
		goto err_reject;
	memcpy(incoming.table, table, size);
	incoming.states = kvcalloc(table->nr_devices + 1,
				   sizeof(*incoming.states), GFP_KERNEL);
	incoming.domains = kvcalloc(table->nr_domains + 1,
				    sizeof(*incoming.domains), GFP_KERNEL);
	if (!incoming.states || !incoming.domains)
		goto err_free;
	vtd_record_open(&incoming.record, incoming.table);
	kho_restore_free((void *)table);
	kho_restore_free(fdt);
	return 0;

err_free:
	kvfree(incoming.domains);
	kvfree(incoming.states);
	kvfree(incoming.table);
	memset(&incoming, 0, sizeof(incoming));
err_reject:
	kho_reject_subtree(IOMMU_SER_NAME, *reason);
	return -EINVAL;
}

/* Once; afterwards there is a record, or there is none. */
static bool load_record(void)
{
	const char *reason;

	if (incoming.loaded)
		return incoming.table;
	incoming.loaded = true;
	if (!is_kho_boot())
		return false;
	if (read_record(&reason))
		pr_err("no translation is taken over: %s\n", reason);
	return incoming.table;
}

static u32 nr_devices(void)
{
	return incoming.table ? incoming.table->nr_devices : 0;
}

static u32 find_device(u32 segment, u16 sid)
{
	const struct iommu_device_ser *ser;
	u32 i;

	for (i = 0; i < nr_devices(); i++) {
		ser = &incoming.record.devices[i];
		if (ser->segment == segment && ser->sid == sid)
			break;
	}
	return i;
}

/* --- Blocking --- */

static void block_id(u32 segment, u16 sid, const char *reason)
{
	struct pci_dev *pdev;

	pr_err("%04x:%02x:%02x.%d is blocked: %s\n", segment, PCI_BUS_NUM(sid),
	       PCI_SLOT(sid), PCI_FUNC(sid), reason);
	pdev = pci_get_domain_bus_and_slot(segment, PCI_BUS_NUM(sid), sid & 0xff);
	if (!pdev)
		return;
	pci_liveupdate_block(pdev, "%s", reason);
	pci_clear_master(pdev);
	pci_dev_put(pdev);
}

static void block_device(u32 i, const char *reason)
{
	const struct iommu_device_ser *ser = &incoming.record.devices[i];

	incoming.states[i] = DEVICE_BLOCKED;
	block_id(ser->segment, ser->sid, reason);
}

/*
 * Translation is about to be turned off, or on with empty tables. The old kernel
 * stopped all devices but those that it preserved; which those are need not be known.
 */
static void block_all(struct intel_iommu *iommu, const char *reason)
{
	struct pci_dev *pdev = NULL;
	u16 command;
	u8 bus, devfn;

	for_each_pci_dev(pdev) {
		if (pci_is_bridge(pdev) ||
		    (iommu && device_lookup_iommu(&pdev->dev, &bus, &devfn) != iommu))
			continue;
		pci_read_config_word(pdev, PCI_COMMAND, &command);
		if (!(command & PCI_COMMAND_MASTER) || PCI_POSSIBLE_ERROR(command))
			continue;
		pr_err("%s is blocked: %s\n", pci_name(pdev), reason);
		pci_liveupdate_block(pdev, "%s", reason);
		pci_clear_master(pdev);
	}
}

/* --- Units --- */

static bool pasid_entry_matches(const struct iommu_device_ser *ser,
				const struct iommu_domain_ser *domain,
				struct context_entry *context)
{
	struct pasid_dir_entry *dir;
	struct pasid_entry *pte;
	phys_addr_t table;

	if ((context->lo & VTD_PAGE_MASK) != ser->pasid_dir_pa ||
	    !kho_is_pending(ser->pasid_dir_pa, PAGE_SIZE << ser->pasid_order))
		return false;
	dir = phys_to_virt(ser->pasid_dir_pa);
	if (!pasid_pde_is_present(dir))
		return false;
	table = dir->val & PDE_PFN_MASK;
	if (!kho_is_pending(table, PAGE_SIZE))
		return false;
	pte = phys_to_virt(table);
	return pasid_pte_is_present(pte) &&
	       pasid_pte_get_pgtt(pte) == PASID_ENTRY_PGTT_SL_ONLY &&
	       (pte->val[0] & VTD_PAGE_MASK) == domain->pgd_pa &&
	       ((pte->val[0] >> 2) & 7) == domain->agaw &&
	       (pte->val[1] & GENMASK_ULL(15, 0)) == ser->did;
}

static bool context_matches(const struct iommu_device_ser *ser,
			    const struct iommu_domain_ser *domain,
			    struct context_entry *context)
{
	u64 type = (context->lo >> 2) & 3;

	return (context->lo & VTD_PAGE_MASK) == domain->pgd_pa &&
	       (context->hi & 7) == domain->agaw &&
	       context_domain_id(context) == ser->did &&
	       (type == CONTEXT_TT_MULTI_LEVEL || type == CONTEXT_TT_DEV_IOTLB);
}

/*
 * Does a page table lead to memory that this kernel has reserved for somebody? Or did
 * one of its pages lie there, so that nobody knows.
 */
static bool leads_to_withdrawn(phys_addr_t table_pa, int level)
{
	struct dma_pte *pte = phys_to_virt(table_pa);
	unsigned int i, shift = VTD_PAGE_SHIFT + (level - 1) * LEVEL_STRIDE;

	for (i = 0; i < BIT(LEVEL_STRIDE); i++, pte++) {
		phys_addr_t pa = dma_pte_addr(pte);

		if (!dma_pte_present(pte))
			continue;
		if (level == 1 || dma_pte_superpage(pte)) {
			if (kho_was_withdrawn(pa, 1UL << shift))
				return true;
		} else if (!kho_is_pending(pa, VTD_PAGE_SIZE) ||
			   leads_to_withdrawn(pa, level - 1)) {
			return true;
		}
	}
	return false;
}

/* What hardware uses is what was recorded. */
static const char *entry_fault(u32 i, u32 unit, bool scalable,
			       struct intel_iommu *iommu,
			       struct context_entry *context)
{
	const struct iommu_device_ser *ser = &incoming.record.devices[i];
	const struct iommu_domain_ser *domain;
	const char *fault = vtd_record_device_fault(&incoming.record, i);

	if (fault)
		return fault;
	if (ser->unit != unit)
		return "it is recorded with another unit";
	if (ser->did >= cap_ndoms(iommu->cap) || ser->did == FLPT_DEFAULT_DID)
		return "its domain id is out of range";
	domain = &incoming.record.domains[ser->domain];
	if (!kho_is_pending(domain->pgd_pa, PAGE_SIZE))
		return "its page table is not in preserved memory";
	if (scalable ? !pasid_entry_matches(ser, domain, context) :
		       !context_matches(ser, domain, context))
		return "its tables are not those that were recorded";
	/* A look at all that it maps, only if there is reason to. */
	if (kho_was_withdrawn(0, 0) &&
	    leads_to_withdrawn(domain->pgd_pa, agaw_to_level(domain->agaw)))
		return "memory that it uses was reserved by address";
	return NULL;
}

static void clear_context(struct intel_iommu *iommu,
			  struct context_entry *context)
{
	context_clear_present(context);
	context_clear_entry(context);
	__iommu_flush_cache(iommu, context, sizeof(*context));
}

static bool take_over_context(struct intel_iommu *iommu, u32 unit,
			      const struct vtd_half *half, bool scalable)
{
	struct context_entry *context;
	phys_addr_t pa = *half->entry & VTD_PAGE_MASK;
	struct page *page;
	const char *fault;
	unsigned int i;
	u32 dev;

	page = kho_restore_pages(pa, 1);
	if (!page)
		return false;
	__iommu_alloc_account(page, 0);
	for (i = 0; i < half->nr; i++) {
		context = vtd_context(half, scalable, i);
		if (!context_present(context))
			continue;
		dev = find_device(iommu->segment, vtd_half_sid(half, i));
		if (dev < nr_devices() &&
		    incoming.states[dev] == DEVICE_RECORDED) {
			fault = entry_fault(dev, unit, scalable, iommu, context);
			if (!fault) {
				incoming.states[dev] = DEVICE_TRANSLATED;
				set_bit(incoming.record.devices[dev].did,
					iommu->domain_ids);
				continue;
			}
			block_device(dev, fault);
		} else {
			block_id(iommu->segment, vtd_half_sid(half, i),
				 "its record is missing or damaged");
		}
		clear_context(iommu, context);
	}
	return true;
}

/* Root table of the record, if it is also what hardware uses */
static const char *unit_fault(struct intel_iommu *iommu, u32 unit)
{
	const struct iommu_unit_ser *ser = &incoming.record.units[unit];
	const char *fault = vtd_record_unit_fault(&incoming.record, unit);
	bool scalable;
	u64 rtaddr;

	if (fault)
		return fault;
	scalable = ser->flags & IOMMU_UNIT_SCALABLE;
	if (scalable != sm_supported(iommu))
		return scalable ? "tables of scalable mode: boot with intel_iommu=on,sm_on" :
				  "tables of legacy mode: boot with intel_iommu=on,sm_off";
	rtaddr = dmar_readq(iommu->reg + DMAR_RTADDR_REG);
	if (!(readl(iommu->reg + DMAR_GSTS_REG) & DMA_GSTS_TES) ||
	    (rtaddr & VTD_PAGE_MASK) != ser->root_pa ||
	    !(rtaddr & DMA_RTADDR_SMT) == scalable ||
	    ser->segment != iommu->segment)
		return "the unit does not use the tables that were recorded";
	return NULL;
}

static u32 find_unit(struct intel_iommu *iommu)
{
	u32 i;

	for (i = 0; i < incoming.table->nr_units; i++)
		if (incoming.record.units[i].reg_pa == iommu->reg_phys)
			break;
	return i;
}

/* Devices of the unit that were not seen in its tables */
static void block_rest(u32 unit, const char *reason)
{
	const char *fault;
	u32 i;

	for (i = 0; i < nr_devices(); i++) {
		if (incoming.states[i] != DEVICE_RECORDED ||
		    incoming.record.devices[i].unit != unit)
			continue;
		fault = vtd_record_device_fault(&incoming.record, i);
		if (fault) {
			/* It may name another device. */
			pr_err("record of device %u: %s\n", i, fault);
			incoming.states[i] = DEVICE_BLOCKED;
			continue;
		}
		block_device(i, reason);
	}
}

/**
 * intel_liveupdate_take_over - go on with the tables that a unit uses
 * @iommu: the unit, with invalidation queue and domain ids but without a root table
 *
 * If it is not done, devices behind the unit that could still do DMA are stopped.
 *
 * Context: init_dmars().
 * Return: whether @iommu has its root table
 */
bool intel_liveupdate_take_over(struct intel_iommu *iommu)
{
	struct vtd_half half;
	const char *fault;
	struct page *page;
	bool scalable;
	u32 unit, i;

	if (!is_kho_boot() || !(iommu->flags & VTD_FLAG_TRANS_PRE_ENABLED))
		return false;
	fault = "the IOMMU's tables were not handed over";
	if (!load_record())
		goto refuse;
	unit = find_unit(iommu);
	if (unit == incoming.table->nr_units)
		goto refuse;
	fault = unit_fault(iommu, unit);
	if (fault)
		goto refuse_unit;
	fault = "the root table is not in preserved memory";
	page = kho_restore_pages(incoming.record.units[unit].root_pa, 1);
	if (!page)
		goto refuse_unit;
	__iommu_alloc_account(page, 0);

	iommu->root_entry = page_address(page);
	scalable = sm_supported(iommu);
	for (i = 0; vtd_half(iommu->root_entry, scalable, i, &half); i++) {
		if (!(*half.entry & 1) ||
		    take_over_context(iommu, unit, &half, scalable))
			continue;
		WRITE_ONCE(*half.entry, 0);
		__iommu_flush_cache(iommu, half.entry, sizeof(u64));
	}
	block_rest(unit, "it has no entry in the unit's tables");
	iommu->flags &= ~VTD_FLAG_TRANS_PRE_ENABLED;
	pr_info("%s: translation stays on\n", iommu->name);
	return true;

refuse_unit:
	block_rest(unit, fault);
refuse:
	block_all(iommu, fault);
	return false;
}

/**
 * intel_liveupdate_off - translation is about to be turned off, by configuration
 */
void intel_liveupdate_off(void)
{
	if (is_kho_boot() && load_record())
		block_all(NULL, "the IOMMU is turned off: start this kernel with intel_iommu=on");
}

/* --- Devices --- */

/* What hardware still does for a device that cannot be restored */
static void stop_translating(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct intel_iommu *iommu = info->iommu;
	struct context_entry *context;

	spin_lock(&iommu->lock);
	context = iommu_context_addr(iommu, info->bus, info->devfn, 0);
	if (context)
		clear_context(iommu, context);
	spin_unlock(&iommu->lock);
	iommu->flush.flush_context(iommu, 0, 0, 0, DMA_CCMD_GLOBAL_INVL);
	if (sm_supported(iommu))
		qi_flush_pasid_cache(iommu, 0, QI_PC_GLOBAL, 0);
	iommu->flush.flush_iotlb(iommu, 0, 0, 0, DMA_TLB_GLOBAL_FLUSH);
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
		return nr_devices();
	i = find_device(info->segment, PCI_DEVID(info->bus, info->devfn));
	if (i == nr_devices() || incoming.states[i] != DEVICE_TRANSLATED)
		return nr_devices();
	if (is_handed_over(dev))
		return i;
	block_device(i, "it was not handed over with its PCI state");
	stop_translating(dev);
	return nr_devices();
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

	if (i == nr_devices())
		return intel_pasid_alloc_table(dev);
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		goto err_block;
	ser = &incoming.record.devices[i];
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
	block_device(i, "its PASID table cannot be restored");
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
	const struct iommu_domain_ser *ser = &incoming.record.domains[i];
	struct dmar_domain *domain = incoming.domains[i];

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
	incoming.domains[i] = domain;
	return domain;
}

static int enter_restored(struct device *dev, u32 i)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	const struct iommu_device_ser *ser = &incoming.record.devices[i];
	struct dmar_domain *domain;
	int rc;

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
	info->domain = domain;
	info->domain_attached = true;
	list_add(&info->link, &domain->devices);
	incoming.states[i] = DEVICE_RESTORED;
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

	if (i == nr_devices())
		return;
	rc = enter_restored(dev, i);
	if (!rc) {
		dev_info(dev, "goes on with the old kernel's translation\n");
		return;
	}
	block_device(i, "out of memory");
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
	for (i = 0; i < incoming.table->nr_domains; i++)
		if (incoming.domains[i])
			return;
	for (i = 0; i < nr_devices(); i++)
		if (incoming.states[i] != DEVICE_RESTORED &&
		    incoming.states[i] != DEVICE_FORGOTTEN)
			return;
	kho_finish_subtree(IOMMU_SER_NAME);
}

/* Is the page table of a blocked device nobody else's? */
static bool is_last(u32 i)
{
	const struct iommu_device_ser *devices = incoming.record.devices;
	u32 j;

	if (vtd_record_device_fault(&incoming.record, i) ||
	    incoming.domains[devices[i].domain])
		return false;
	for (j = 0; j < nr_devices(); j++)
		if (devices[j].domain == devices[i].domain &&
		    incoming.states[j] == DEVICE_BLOCKED)
			return false;
	return true;
}

/**
 * vtd_forget - free what is kept for a device that is blocked
 * @dev: the device
 *
 * Context: may sleep.
 */
void vtd_forget(struct device *dev)
{
	const struct iommu_domain_ser *domain;
	u32 i;

	if (!dev_is_pci(dev))
		return;
	guard(mutex)(&incoming_lock);
	i = find_device(pci_domain_nr(to_pci_dev(dev)->bus),
			pci_dev_id(to_pci_dev(dev)));
	if (i == nr_devices() || incoming.states[i] != DEVICE_BLOCKED)
		return;
	incoming.states[i] = DEVICE_FORGOTTEN;
	if (is_last(i)) {
		domain = &incoming.record.domains[incoming.record.devices[i].domain];
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
	for (i = 0; i < incoming.table->nr_domains; i++)
		if (incoming.domains[i] == restored)
			incoming.domains[i] = NULL;
	kfree(restored->qi_batch);
	kfree(restored);
	finish_record();
}

static const struct iommu_domain_ops restored_ops = {
	.attach_dev = restored_attach,
	.iova_to_phys = restored_iova_to_phys,
	.free = restored_free,
};

/**
 * vtd_discard - free a record that could not be used
 * @fdt: physical address of the subtree
 *
 * The tables that it describes go when no subtree is left that could have a claim.
 *
 * Context: &kho_owner_ops.discard.
 * Return: 0, or as kho_discard_range()
 */
int vtd_discard(phys_addr_t fdt)
{
	return kho_discard_range(fdt, PAGE_SIZE);
}
