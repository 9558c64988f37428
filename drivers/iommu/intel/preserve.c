// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d in the old kernel: tables that go on being used across a kexec.
 *
 * Activate preserves the page tables of the domains that preserved devices are attached
 * to. They do not change from then on. A restored domain's table is preserved already:
 * it was handed over, and is handed on. Finalize checks that every frame that a device
 * can reach is preserved, preserves root and context tables and PASID tables, and writes
 * the record. Both are undone by an abort.
 *
 * At the jump intel_iommu_shutdown() leaves translation on. Entries of all other devices
 * are cleared then, so that the next kernel finds those of preserved devices only, and
 * everybody else is blocked.
 *
 * Locks: the IOMMU core calls one operation at a time; dmar_global_lock protects the
 * list of units. At shutdown no other processor runs, and one that was stopped may have
 * held any lock: none is taken.
 */
#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/dmar.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/kexec.h>
#include <linux/kho.h>
#include <linux/libfdt.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "../iommu-priv.h"
#include "liveupdate.h"

/* A domain whose table is preserved, and by how many devices */
struct kept_domain {
	struct list_head list;
	struct dmar_domain *domain;
	unsigned int users;
};

static LIST_HEAD(kept_domains);

/* Frames that are preserved from finalize to its undoing */
struct extent {
	phys_addr_t pa;
	size_t size;
};

static struct {
	void *fdt;
	struct iommu_table_ser *table;
	struct vtd_record record;
	struct extent *extents;
	unsigned int nr_extents;
} final;

/* --- Page tables --- */

static int preserve_table(struct vtd_walk *walk, struct dma_pte *table)
{
	int rc = 0;

	if (!kho_test_forgets())
		rc = kho_preserve_pages(virt_to_page(table), 1);
	if (!rc)
		walk->count++;
	return rc;
}

/* Tables do not change, so a walk is the same again. */
static int unpreserve_table(struct vtd_walk *walk, struct dma_pte *table)
{
	if (!walk->count)
		return 1;
	walk->count--;
	kho_unpreserve_pages(virt_to_page(table), 1);
	return 0;
}

static void unpreserve_domain(struct dmar_domain *domain, unsigned long count)
{
	struct vtd_walk walk = { .table = unpreserve_table, .count = count };

	vtd_walk_domain(&walk, domain);
}

static int preserve_domain(struct dmar_domain *domain)
{
	struct vtd_walk walk = { .table = preserve_table };
	int rc = vtd_walk_domain(&walk, domain);

	if (rc)
		unpreserve_domain(domain, walk.count);
	return rc;
}

static int check_extent(struct vtd_walk *walk)
{
	if (walk->begin == walk->end ||
	    kho_is_kept(walk->begin, walk->end - walk->begin))
		return 0;
	return -EINVAL;
}

static int check_leaf(struct vtd_walk *walk, phys_addr_t pa, size_t size)
{
	int rc;

	if (pa == walk->end && walk->begin != walk->end) {
		walk->end += size;
		return 0;
	}
	rc = check_extent(walk);
	if (rc)
		return rc;
	walk->begin = pa;
	walk->end = pa + size;
	return 0;
}

/* Memory that a device can reach is preserved, or it would write into the next kernel. */
static int check_frames(struct device *dev, struct dmar_domain *domain)
{
	struct vtd_walk walk = {
		.leaf = check_leaf,
		.foreign = iommu_domain_is_restored(&domain->domain),
	};
	int rc = vtd_walk_domain(&walk, domain) ?: check_extent(&walk);

	if (rc == -EINVAL) {
		/* Everybody may read last_error; where memory lies is for the log. */
		dev_err(dev, "memory from %pa to %pa is not preserved\n",
			&walk.begin, &walk.end);
		iommu_liveupdate_refuse("%s: reaches memory that is not preserved, see the log",
					dev_name(dev));
	} else if (rc) {
		iommu_liveupdate_refuse("%s: its old page table is damaged: discard the device",
					dev_name(dev));
	}
	return rc;
}

/* --- Preserve and activate --- */

static int count_alias(struct pci_dev *pdev, u16 alias, void *data)
{
	unsigned int *others = data;

	if (alias != pci_dev_id(pdev))
		(*others)++;
	return 0;
}

static int check_device(struct device *dev)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	unsigned int aliases = 0;

	if (!info || !dev_is_pci(dev) || dev_is_real_dma_subdevice(dev)) {
		dev_err(dev, "only PCI devices with DMA of their own can be preserved\n");
		return -EOPNOTSUPP;
	}
	pci_for_each_dma_alias(to_pci_dev(dev), count_alias, &aliases);
	if (aliases) {
		dev_err(dev, "does DMA under another device's name, as behind a PCI bridge: cannot be preserved\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Nothing but the domain of DMA without PASID */
static bool has_pasids(struct device_domain_info *info)
{
	struct pasid_dir_entry *dir = info->pasid_table->table;
	struct pasid_entry *table = get_pasid_table_from_pde(dir);
	unsigned int i;

	for (i = 1; i < info->pasid_table->max_pasid >> PASID_PDE_SHIFT; i++)
		if (pasid_pde_is_present(&dir[i]))
			return true;
	for (i = 1; table && i < PAGE_SIZE / sizeof(*table); i++)
		if (pasid_pte_is_present(&table[i]))
			return true;
	return false;
}

static const char *domain_fault(struct device_domain_info *info)
{
	struct dmar_domain *domain = info->domain;

	if (!info->domain_attached || !domain ||
	    domain->domain.type != IOMMU_DOMAIN_UNMANAGED)
		return "is not attached to an IOAS: attach it";
	/* (iommufd makes none) */
	if (domain->use_first_level)
		return "uses a first-level table: start this kernel with intel_iommu=sm_off";
	if (domain->nested_parent && !list_empty(&domain->s1_domains))
		return "has domains nested on its own: destroy them";
	if (info->pasid_table && has_pasids(info))
		return "has domains for PASIDs: detach them";
	return NULL;
}

static struct kept_domain *find_domain(const struct dmar_domain *domain)
{
	struct kept_domain *d;

	list_for_each_entry(d, &kept_domains, list)
		if (d->domain == domain)
			return d;
	return NULL;
}

static int activate(struct iommu_kept *kept)
{
	struct device_domain_info *info = dev_iommu_priv_get(kept->dev);
	struct kept_domain *d;
	const char *fault;
	int rc;

	fault = domain_fault(info);
	if (fault) {
		iommu_liveupdate_refuse("%s %s", dev_name(kept->dev), fault);
		return -EOPNOTSUPP;
	}
	d = find_domain(info->domain);
	if (d) {
		d->users++;
		return 0;
	}
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->domain = info->domain;
	d->users = 1;
	rc = preserve_domain(d->domain);
	if (rc) {
		kfree(d);
		return rc;
	}
	list_add_tail(&d->list, &kept_domains);
	return 0;
}

static void deactivate(struct iommu_kept *kept)
{
	struct device_domain_info *info;
	struct kept_domain *d;

	info = dev_iommu_priv_get(kept->dev);
	d = find_domain(info->domain);
	if (WARN_ON(!d) || --d->users)
		return;
	unpreserve_domain(d->domain, ULONG_MAX);
	list_del(&d->list);
	kfree(d);
}

/* --- Finalize --- */

static int preserve_extent(void *begin, size_t size)
{
	struct extent *extent = &final.extents[final.nr_extents];
	phys_addr_t pa = virt_to_phys(begin);
	unsigned int i;
	int rc;

	for (i = 0; i < final.nr_extents; i++)
		if (final.extents[i].pa == pa)
			return 0;
	rc = kho_preserve_range(pa, size);
	if (rc)
		return rc;
	extent->pa = pa;
	extent->size = size;
	final.nr_extents++;
	return 0;
}

static void *page_of(void *entry)
{
	return (void *)((unsigned long)entry & PAGE_MASK);
}

static u32 unit_index(const struct intel_iommu *iommu, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (final.record.units[i].reg_pa == iommu->reg_phys)
			break;
	return i;
}

static u32 domain_index(const struct dmar_domain *domain, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (final.record.domains[i].pgd_pa == virt_to_phys(domain->pgd))
			break;
	return i;
}

static int write_unit(struct iommu_unit_ser *ser, struct intel_iommu *iommu)
{
	int rc = preserve_extent(iommu->root_entry, VTD_PAGE_SIZE);

	if (!rc && iommu->ir_table)
		rc = preserve_extent(iommu->ir_table->base,
				     PAGE_SIZE << INTR_REMAP_PAGE_ORDER);
	if (rc)
		return rc;
	ser->reg_pa = iommu->reg_phys;
	ser->root_pa = virt_to_phys(iommu->root_entry);
	ser->segment = iommu->segment;
	ser->flags = sm_supported(iommu) ? IOMMU_UNIT_SCALABLE : 0;
	return 0;
}

static bool uses_table(struct device *dev, const struct context_entry *context,
		       const struct dmar_domain *domain)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	phys_addr_t pgd = virt_to_phys(domain->pgd);
	struct pasid_entry *pte;

	if (!info->pasid_table)
		return vtd_context_uses(context, pgd, domain->agaw);
	pte = intel_pasid_get_entry(dev, IOMMU_NO_PASID);
	return pte && vtd_pasid_uses(pte, pgd, domain->agaw);
}

static int write_device(struct iommu_device_ser *ser, struct device *dev,
			u32 nr_units, u32 *nr_domains)
{
	struct device_domain_info *info = dev_iommu_priv_get(dev);
	struct dmar_domain *domain = info->domain;
	struct iommu_domain_ser *domain_ser;
	struct context_entry *context;
	int rc;

	spin_lock(&info->iommu->lock);
	context = iommu_context_addr(info->iommu, info->bus, info->devfn, 0);
	spin_unlock(&info->iommu->lock);
	ser->unit = unit_index(info->iommu, nr_units);
	if (!context || !context_present(context) || ser->unit == nr_units) {
		iommu_liveupdate_refuse("%s: nothing translates for it: attach it to an IOAS",
					dev_name(dev));
		return -EINVAL;
	}
	/* (units of different width may want different levels of one table) */
	if (!uses_table(dev, context, domain)) {
		iommu_liveupdate_refuse("%s: its domain has another table: attach it anew",
					dev_name(dev));
		return -EINVAL;
	}
	rc = preserve_extent(page_of(context), VTD_PAGE_SIZE);
	if (rc)
		return rc;
	if (info->pasid_table) {
		void *table = get_pasid_table_from_pde(info->pasid_table->table);

		rc = preserve_extent(info->pasid_table->table,
				     PAGE_SIZE << info->pasid_table->order);
		if (!rc)
			rc = preserve_extent(table, PAGE_SIZE);
		if (rc)
			return rc;
		ser->pasid_dir_pa = virt_to_phys(info->pasid_table->table);
		ser->pasid_order = info->pasid_table->order;
	}
	ser->segment = info->segment;
	ser->sid = PCI_DEVID(info->bus, info->devfn);
	ser->did = domain_id_iommu(domain, info->iommu);

	ser->domain = domain_index(domain, *nr_domains);
	if (ser->domain < *nr_domains)
		return 0;
	domain_ser = (void *)&final.record.domains[ser->domain];
	domain_ser->pgd_pa = virt_to_phys(domain->pgd);
	domain_ser->agaw = domain->agaw;
	(*nr_domains)++;
	return check_frames(dev, domain);
}

static int write_record(struct list_head *list, u32 nr_devices)
{
	struct iommu_device_ser *device;
	struct iommu_unit_ser *unit;
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;
	struct iommu_kept *kept;
	u32 nr_units = 0, nr_domains = 0;
	int rc;

	lockdep_assert_held(&dmar_global_lock);
	for_each_active_iommu(iommu, drhd)
		nr_units++;
	final.extents = kvcalloc(2 * nr_units + 3 * nr_devices,
				 sizeof(*final.extents), GFP_KERNEL);
	if (!final.extents)
		return -ENOMEM;
	/* No more domains than devices */
	final.table = kho_alloc_preserve(vtd_record_size(nr_units, nr_devices,
							 nr_devices));
	if (IS_ERR(final.table)) {
		rc = PTR_ERR(final.table);
		final.table = NULL;
		return rc;
	}
	final.table->magic = IOMMU_SER_MAGIC;
	final.table->nr_units = nr_units;
	final.table->nr_domains = nr_devices;
	final.table->nr_devices = nr_devices;
	vtd_record_open(&final.record, final.table);

	unit = (void *)final.record.units;
	for_each_active_iommu(iommu, drhd) {
		rc = write_unit(unit++, iommu);
		if (rc)
			return rc;
	}
	device = (void *)final.record.devices;
	list_for_each_entry(kept, list, list) {
		if (!kept->dev)
			continue;
		rc = write_device(device++, kept->dev, nr_units, &nr_domains);
		if (rc)
			return rc;
	}
	/* Devices may share domains. */
	final.table->nr_domains = nr_domains;
	memmove((void *)(final.record.domains + nr_domains),
		final.record.devices, nr_devices * sizeof(*device));
	vtd_record_open(&final.record, final.table);
	vtd_record_seal(final.table);
	return 0;
}

static int write_fdt(void)
{
	u64 pa = virt_to_phys(final.table);
	int rc;

	final.fdt = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(final.fdt)) {
		rc = PTR_ERR(final.fdt);
		final.fdt = NULL;
		return rc;
	}
	rc = fdt_create(final.fdt, PAGE_SIZE);
	rc = rc ?: fdt_finish_reservemap(final.fdt);
	rc = rc ?: fdt_begin_node(final.fdt, "");
	rc = rc ?: fdt_property_string(final.fdt, "compatible",
				       IOMMU_SER_COMPATIBLE);
	rc = rc ?: fdt_property_u64(final.fdt, IOMMU_SER_PROP_TABLE, pa);
	rc = rc ?: fdt_end_node(final.fdt);
	rc = rc ?: fdt_finish(final.fdt);
	if (rc)
		return -ENOSPC;
	rc = kho_add_subtree(IOMMU_SER_NAME, final.fdt, PAGE_SIZE);
	if (rc == -EEXIST)
		iommu_liveupdate_refuse("a record of the kernel before is left: discard %s",
					IOMMU_SER_NAME);
	return rc;
}

/* All that is there, in reverse */
static void undo_record(void)
{
	unsigned int i = final.nr_extents;

	if (final.fdt)
		kho_unpreserve_free(final.fdt);
	while (i--)
		kho_unpreserve_range(final.extents[i].pa, final.extents[i].size);
	if (final.table)
		kho_unpreserve_free(final.table);
	kvfree(final.extents);
	memset(&final, 0, sizeof(final));
}

static int finalize(struct list_head *list)
{
	struct iommu_kept *kept;
	u32 nr_devices = 0;
	int rc;

	list_for_each_entry(kept, list, list)
		nr_devices += !!kept->dev;
	if (!nr_devices)
		return 0;
	down_read(&dmar_global_lock);
	rc = write_record(list, nr_devices) ?: write_fdt();
	up_read(&dmar_global_lock);
	if (rc)
		undo_record();
	return rc;
}

static void unfinalize(void)
{
	if (!final.fdt)
		return;
	kho_remove_subtree(final.fdt);
	undo_record();
}

/* --- The jump --- */

static bool keeps(u32 unit, u16 sid)
{
	u32 i;

	for (i = 0; i < final.table->nr_devices; i++)
		if (final.record.devices[i].unit == unit &&
		    final.record.devices[i].sid == sid)
			return true;
	return false;
}

static bool keeps_any(u32 unit, const struct vtd_half *half)
{
	unsigned int i;

	for (i = 0; i < half->nr; i++)
		if (keeps(unit, vtd_half_sid(half, i)))
			return true;
	return false;
}

static void clear_others(struct intel_iommu *iommu, u32 unit)
{
	bool scalable = sm_supported(iommu);
	struct context_entry *context;
	struct vtd_half half;
	unsigned int i, j;

	for (i = 0; vtd_half(iommu->root_entry, scalable, i, &half); i++) {
		if (!(*half.entry & 1))
			continue;
		if (!keeps_any(unit, &half)) {
			WRITE_ONCE(*half.entry, 0);
			__iommu_flush_cache(iommu, half.entry, sizeof(u64));
			continue;
		}
		for (j = 0; j < half.nr; j++) {
			if (keeps(unit, vtd_half_sid(&half, j)))
				continue;
			context = vtd_context(&half, scalable, j);
			vtd_clear_context(iommu, context);
		}
	}
	vtd_flush_all(iommu);
}

/**
 * intel_liveupdate_shutdown - leave translation on for preserved devices
 *
 * Context: at the jump, no other processor runs.
 * Return: whether that was done; otherwise translation is to be turned off
 */
bool intel_liveupdate_shutdown(void)
{
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;
	u32 unit;

	if (!kexec_in_progress || !final.table)
		return false;
	for_each_active_iommu(iommu, drhd) {
		unit = unit_index(iommu, final.table->nr_units);
		clear_others(iommu, unit);
		vtd_shutdown_irt(iommu, unit, keeps);
	}
	return true;
}

/**
 * struct setting - what a command line says about translation
 * @off: the parameter that turns it off, or NULL
 * @mode: the parameter that last said the mode, or NULL
 * @scalable: the mode
 */
struct setting {
	const char *off;
	const char *mode;
	bool scalable;
};

static bool starts(const char *word, const char *with)
{
	return !strncmp(word, with, strlen(with));
}

/* As iommu_setup() and intel_iommu_setup() will read them. */
static bool look_at(const char *name, const char *value, void *data)
{
	bool generic = !strcmp(name, "iommu");
	struct setting *set = data;
	const char *word = value;

	if (!value || (!generic && !parameq(name, "intel_iommu")))
		return false;
	for (; *word; word += strcspn(word, ","), word += strspn(word, ",")) {
		if (generic && starts(word, "off")) {
			set->off = "iommu=off";
		} else if (generic) {
			continue;
		} else if (starts(word, "off")) {
			set->off = set->off ?: "intel_iommu=off";
		} else if (starts(word, "on")) {
			if (set->off && starts(set->off, "intel"))
				set->off = NULL;
		} else if (starts(word, "sm_on")) {
			set->mode = "intel_iommu=sm_on";
			set->scalable = true;
		} else if (starts(word, "sm_off")) {
			set->mode = "intel_iommu=sm_off";
			set->scalable = false;
		}
	}
	return false;
}

/* Of a kernel of which the configuration is not known, the default is as here. */
static const char *untranslated(const char *cmdline)
{
	struct setting set = {
		.mode = "no intel_iommu=sm_on",
		.scalable = IS_ENABLED(CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON),
	};
	struct dmar_drhd_unit *drhd;
	struct intel_iommu *iommu;
	int rc;

	if (set.scalable)
		set.mode = "no intel_iommu=sm_off";
	rc = kho_cmdline_walk(cmdline, look_at, &set);
	if (rc)
		return ERR_PTR(rc);
	if (set.off)
		return set.off;
	guard(rwsem_read)(&dmar_global_lock);
	for_each_active_iommu(iommu, drhd)
		if (ecap_smts(iommu->ecap) &&
		    sm_supported(iommu) != set.scalable)
			return set.mode;
	return NULL;
}

static const struct iommu_liveupdate_driver vtd_driver = {
	.check = check_device,
	.activate = activate,
	.deactivate = deactivate,
	.finalize = finalize,
	.unfinalize = unfinalize,
	.discard = vtd_discard,
	.forget = vtd_forget,
	.next_run = vtd_next_run,
	.untranslated = untranslated,
};

static int __init intel_liveupdate_init(void)
{
	if (!kho_is_enabled() || !intel_iommu_enabled)
		return 0;
	return iommu_liveupdate_register(&vtd_driver);
}
device_initcall(intel_liveupdate_init);
