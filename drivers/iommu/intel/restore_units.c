// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d in the next kernel: units go on with the old kernel's tables.
 *
 * Life cycle: before init_dmars() would turn translation off. A unit whose root table is
 * the recorded one, and whose tables have entries of recorded devices only, goes on with
 * that root table and its context tables, which become ordinary memory of this kernel.
 * Page tables stay as they were handed over: nobody changes them, and a further kexec
 * hands them on without anything being done.
 *
 * If a whole unit cannot, all devices behind it are blocked before translation is turned
 * off.
 *
 * Locks: none: single-threaded, under dmar_global_lock.
 */
#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/dmar.h>
#include <linux/iommu.h>
#include <linux/kho.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>

#include "../iommu-pages.h"
#include "restore.h"

/* Also of a unit that this kernel ignores */
static bool is_behind(struct pci_dev *pdev, const struct intel_iommu *iommu)
{
	const struct dmar_drhd_unit *drhd = dmar_find_matched_drhd_unit(pdev);

	return drhd && drhd->iommu == iommu;
}

/*
 * Translation is about to be turned off, or on with empty tables. The old kernel
 * stopped all devices but those that it preserved; which those are need not be known.
 */
static void block_all(struct intel_iommu *iommu, const char *reason)
{
	struct pci_dev *pdev = NULL;
	u16 command;

	for_each_pci_dev(pdev) {
		if (pci_is_bridge(pdev) || (iommu && !is_behind(pdev, iommu)))
			continue;
		pci_read_config_word(pdev, PCI_COMMAND, &command);
		if (!(command & PCI_COMMAND_MASTER) || PCI_POSSIBLE_ERROR(command))
			continue;
		pr_err("%s is blocked: %s\n", pci_name(pdev), reason);
		pci_liveupdate_block(pdev, "%s", reason);
		pci_clear_master(pdev);
	}
}

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
	return vtd_pasid_uses(pte, domain->pgd_pa, domain->agaw) &&
	       (pte->val[1] & GENMASK_ULL(15, 0)) == ser->did;
}

static bool context_matches(const struct iommu_device_ser *ser,
			    const struct iommu_domain_ser *domain,
			    struct context_entry *context)
{
	u64 type = (context->lo >> 2) & 3;

	return vtd_context_uses(context, domain->pgd_pa, domain->agaw) &&
	       context_domain_id(context) == ser->did &&
	       (type == CONTEXT_TT_MULTI_LEVEL || type == CONTEXT_TT_DEV_IOTLB);
}

static int is_withdrawn(struct vtd_walk *walk, phys_addr_t pa, size_t size)
{
	return kho_was_withdrawn(pa, size);
}

/*
 * Does a page table lead to memory that this kernel has reserved for somebody? Or did
 * one of its pages lie there, so that nobody knows.
 */
static bool leads_to_withdrawn(const struct iommu_domain_ser *domain)
{
	struct vtd_walk walk = { .leaf = is_withdrawn, .foreign = true };

	return vtd_walk_table(&walk, phys_to_virt(domain->pgd_pa),
			      agaw_to_level(domain->agaw));
}

/* What hardware uses is what was recorded. */
static const char *entry_fault(u32 i, u32 unit, bool scalable,
			       struct intel_iommu *iommu,
			       struct context_entry *context)
{
	const struct iommu_device_ser *ser = &vtd_incoming.record.devices[i];
	const struct iommu_domain_ser *domain;
	const char *fault = vtd_record_device_fault(&vtd_incoming.record, i);

	if (fault)
		return fault;
	if (ser->unit != unit)
		return "it is recorded with another unit";
	if (ser->did >= cap_ndoms(iommu->cap) || ser->did == FLPT_DEFAULT_DID)
		return "its domain id is out of range";
	domain = &vtd_incoming.record.domains[ser->domain];
	if (!kho_is_pending(domain->pgd_pa, PAGE_SIZE))
		return "its page table is not in preserved memory";
	if (scalable ? !pasid_entry_matches(ser, domain, context) :
		       !context_matches(ser, domain, context))
		return "its tables are not those that were recorded";
	/* A look at all that it maps, only if there is reason to. */
	if (kho_was_withdrawn(0, 0) && leads_to_withdrawn(domain))
		return "memory that it uses was reserved by address";
	return NULL;
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
		dev = vtd_find_device(iommu->segment, vtd_half_sid(half, i));
		if (dev < vtd_nr_devices() &&
		    vtd_incoming.states[dev] == DEVICE_RECORDED) {
			fault = entry_fault(dev, unit, scalable, iommu, context);
			if (!fault) {
				vtd_incoming.states[dev] = DEVICE_TRANSLATED;
				set_bit(vtd_incoming.record.devices[dev].did,
					iommu->domain_ids);
				continue;
			}
			vtd_block_device(dev, fault);
		} else {
			vtd_block_id(iommu->segment, vtd_half_sid(half, i),
				     "its record is missing or damaged");
		}
		vtd_clear_context(iommu, context);
	}
	return true;
}

/* Root table of the record, if it is also what hardware uses */
static const char *unit_fault(struct intel_iommu *iommu, u32 unit)
{
	const struct iommu_unit_ser *ser = &vtd_incoming.record.units[unit];
	const char *fault = vtd_record_unit_fault(&vtd_incoming.record, unit);
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

	for (i = 0; i < vtd_incoming.table->nr_units; i++)
		if (vtd_incoming.record.units[i].reg_pa == iommu->reg_phys)
			break;
	return i;
}

/* Devices of the unit that were not seen in its tables */
static void block_rest(u32 unit, const char *reason)
{
	const char *fault;
	u32 i;

	for (i = 0; i < vtd_nr_devices(); i++) {
		if (vtd_incoming.states[i] != DEVICE_RECORDED ||
		    vtd_incoming.record.devices[i].unit != unit)
			continue;
		fault = vtd_record_device_fault(&vtd_incoming.record, i);
		if (fault) {
			/* It may name another device. */
			pr_err("record of device %u: %s\n", i, fault);
			vtd_incoming.states[i] = DEVICE_BLOCKED;
			continue;
		}
		vtd_block_device(i, reason);
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

	if (!kho_may_have(IOMMU_SER_NAME) ||
	    !(iommu->flags & VTD_FLAG_TRANS_PRE_ENABLED))
		return false;
	fault = "the IOMMU's tables were not handed over";
	if (!vtd_load_record())
		goto refuse;
	unit = find_unit(iommu);
	if (unit == vtd_incoming.table->nr_units)
		goto refuse;
	fault = unit_fault(iommu, unit);
	if (fault)
		goto refuse_unit;
	fault = "the root table is not in preserved memory";
	page = kho_restore_pages(vtd_incoming.record.units[unit].root_pa, 1);
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
 * intel_liveupdate_ignore - translation of a unit is about to be turned off
 * @iommu: the unit, which this kernel does not use
 *
 * Context: init_dmars().
 */
void intel_liveupdate_ignore(struct intel_iommu *iommu)
{
	if (kho_may_have(IOMMU_SER_NAME))
		block_all(iommu,
			  "its IOMMU is ignored: start this kernel without intel_iommu=igfx_off");
}

static void all_off(const char *reason)
{
	if (kho_may_have(IOMMU_SER_NAME))
		block_all(NULL, reason);
}

/**
 * intel_liveupdate_off - translation is about to be turned off, by configuration
 */
void intel_liveupdate_off(void)
{
	all_off("the IOMMU is turned off: start this kernel with intel_iommu=on");
}

/**
 * intel_liveupdate_fail - translation is about to be turned off, after an error
 *
 * Context: init_dmars(), before tables are freed that were taken over.
 */
void intel_liveupdate_fail(void)
{
	all_off("the IOMMU cannot be set up: see the log");
}
