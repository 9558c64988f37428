// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices that go on doing DMA across a kexec, in the old kernel.
 *
 * Life cycle: preserve -> activate (frozen, record written) -> finalize -> shutdown:
 * bus master stays on, interrupts are masked. Each but the last can be undone. What
 * was handed over to this kernel, and is not finished, is handed on with the rest.
 *
 * Locks: that of liveupdate.c, for all that is below. Shutdown takes none.
 */
#define pr_fmt(fmt) "kho: pci: " fmt

#include <linux/bitfield.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kho.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "pci.h"
#include "liveupdate.h"

/* Since activate */
static bool active;
static void *subtree;
static size_t subtree_size;
static struct pci_dev_ser *records;
/* What the next kernel must know of, as there are such devices */
static bool needs_ats;
static bool needs_sriov;
/* Finalized with at least one record; written under pci_lu_lock */
static bool final;

/* What holds for a device and for a bridge */
static int check_common(struct pci_dev *dev, const char **why)
{
	u16 word;

	/* (a virtual function does not say what it is) */
	pci_read_config_word(pci_physfn(dev), PCI_VENDOR_ID, &word);
	if (pci_dev_is_disconnected(dev) || word != dev->vendor) {
		*why = "it does not answer; remove it";
		return -ENODEV;
	}
	if (dev->error_state != pci_channel_io_normal) {
		*why = "it is in error recovery; wait, or reset it";
		return -EIO;
	}
	if (pci_find_capability(dev, PCI_CAP_ID_EA)) {
		*why = "enhanced allocation is not supported";
		return -EOPNOTSUPP;
	}
	if (dev->pm_cap) {
		pci_read_config_word(dev, dev->pm_cap + PCI_PM_CTRL, &word);
		if (word & PCI_PM_CTRL_STATE_MASK) {
			*why = "it is not in D0; wake it up";
			return -EBUSY;
		}
	}
	return 0;
}

static int check_bridges(struct pci_dev *dev, const char **why)
{
	struct pci_dev *bridge;
	int rc;

	for (bridge = pci_upstream_bridge(dev); bridge;
	     bridge = pci_upstream_bridge(bridge)) {
		int type = pci_is_pcie(bridge) ? pci_pcie_type(bridge) : -1;

		if (!pci_lu_is_bridge(bridge) ||
		    (type != PCI_EXP_TYPE_ROOT_PORT &&
		     type != PCI_EXP_TYPE_UPSTREAM &&
		     type != PCI_EXP_TYPE_DOWNSTREAM)) {
			pci_err(bridge, "is no PCI Express port\n");
			*why = "it is below a bridge that is no PCI Express port; move it";
			return -EOPNOTSUPP;
		}
		rc = check_common(bridge, why);
		if (rc) {
			pci_err(bridge, "cannot go on through a kexec: %s\n",
				*why);
			*why = "a bridge above it cannot go on";
			return rc;
		}
	}
	return 0;
}

/* All BARs must be where the registers say. */
static int check_bars(struct pci_dev *dev, const char **why)
{
	struct pci_bus_region region;
	u32 bar, high;
	u64 address;
	int i;

	/* Those of virtual functions are in their physical function's registers. */
	if (dev->is_virtfn)
		return 0;
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		struct resource *res = &dev->resource[i];

		if (!res->flags)
			continue;
		pci_read_config_dword(dev, PCI_BASE_ADDRESS_0 + 4 * i, &bar);
		address = bar & (res->flags & IORESOURCE_IO ?
				 (u32)PCI_BASE_ADDRESS_IO_MASK :
				 (u32)PCI_BASE_ADDRESS_MEM_MASK);
		if (res->flags & IORESOURCE_MEM_64) {
			pci_read_config_dword(dev, PCI_BASE_ADDRESS_0 +
					      4 * i + 4, &high);
			address |= (u64)high << 32;
		}
		pcibios_resource_to_bus(dev->bus, &region, res);
		if (!res->parent || res->flags & IORESOURCE_UNSET ||
		    region.start != address) {
			*why = "a BAR has no address; enable the device first";
			return -EINVAL;
		}
	}
	return 0;
}

/* Can this device go on? */
static int check_device(struct pci_dev *dev, const char **why)
{
	int rc;

	if (dev->hdr_type != PCI_HEADER_TYPE_NORMAL) {
		*why = "it is a bridge; preserve the devices below it";
		return -EOPNOTSUPP;
	}
	/* Such numbers are made up anew by every kernel. */
	if (pci_domain_nr(dev->bus) > U16_MAX) {
		*why = "its segment is known to this kernel only";
		return -EOPNOTSUPP;
	}
	rc = check_common(dev, why);
	if (rc)
		return rc;
	rc = pci_lu_iov_check(dev, why);
	if (rc)
		return rc;
#ifdef CONFIG_PCI_PRI
	if (dev->pri_enabled) {
		*why = "page requests are enabled, which is not supported";
		return -EOPNOTSUPP;
	}
#endif
	rc = check_bars(dev, why);
	return rc ?: check_bridges(dev, why);
}

static u64 bar_size(const struct pci_dev *dev, int i)
{
	const struct resource *res = &dev->resource[i];

	if (dev->is_virtfn || (i == PCI_ROM_RESOURCE &&
			       (!res->parent ||
				res->flags & IORESOURCE_ROM_SHADOW)))
		return 0;
	return res->flags ? resource_size(res) : 0;
}

static void fill_where(struct pci_index_ser *where, const struct pci_dev *dev)
{
	unsigned long flags = pci_liveupdate_flags(dev);

	where->segment = pci_domain_nr(dev->bus);
	where->bus = dev->bus->number;
	where->devfn = dev->devfn;
	where->kind = pci_lu_is_bridge(dev) ? PCI_SER_BRIDGE : PCI_SER_ENDPOINT;
	if (flags & PCI_LIVEUPDATE_BLOCKED)
		where->kind |= PCI_SER_BLOCKED;
	where->reserved = 0;
}

/* What a guest may change after activate */
static void fill_volatile(struct pci_dev_ser *record, struct pci_dev *dev)
{
	u16 command;

	pci_read_config_word(dev, PCI_COMMAND, &command);
	record->header[PCI_COMMAND / 4] = command;
	if (record->msi_cap)
		pci_read_config_word(dev, record->msi_cap + PCI_MSI_FLAGS,
				     &record->msi_ctrl);
	if (record->msix_cap)
		pci_read_config_word(dev, record->msix_cap + PCI_MSIX_FLAGS,
				     &record->msix_ctrl);
	record->checksum = pci_dev_ser_checksum(record);
}

static void fill_record(struct pci_dev_ser *record, struct pci_dev *dev)
{
	int i, nr_bars = pci_lu_is_bridge(dev) ? 2 : PCI_STD_NUM_BARS;

	memset(record, 0, sizeof(*record));
	fill_where(&record->where, dev);
	pci_lu_read_header(dev, record->header);
	for (i = 0; i < nr_bars; i++)
		record->bar_size[i] = bar_size(dev, i);
	record->bar_size[PCI_SER_ROM] = bar_size(dev, PCI_ROM_RESOURCE);
	record->msi_cap = dev->msi_cap;
	record->msix_cap = dev->msix_cap;
	if (dev->broken_intx_masking)
		record->flags |= PCI_SER_INTX_MASK_BROKEN;
	if (pci_lu_uses_ats(dev))
		record->flags |= PCI_SER_ATS;
	if (pci_lu_is_bridge(dev)) {
		/* Secondary status */
		record->header[PCI_IO_BASE / 4] &= 0xffff;
		if (dev->io_window)
			record->flags |= PCI_SER_IO_WINDOW;
		if (dev->pref_window)
			record->flags |= PCI_SER_PREF_WINDOW;
		if (dev->pref_64_window)
			record->flags |= PCI_SER_PREF_64_WINDOW;
	}
	fill_volatile(record, dev);
}

/* Would the next kernel believe what is written about the device and its bridges? */
static int check_records(struct pci_dev *dev, const char **why)
{
	struct pci_dev_ser record;
	struct pci_dev *pos;

	for (pos = dev; pos; pos = pci_upstream_bridge(pos)) {
		fill_record(&record, pos);
		*why = pci_record_check(&record, &record.where);
		if (!*why)
			continue;
		if (pos != dev) {
			pci_err(pos, "cannot go on through a kexec: %s\n", *why);
			*why = "a bridge above it cannot go on";
		}
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Find or make the entry of a device or bridge. */
static struct lu_entry *get_entry(struct pci_dev *dev)
{
	struct lu_entry *entry = pci_lu_entry_of(dev);

	if (entry)
		return entry;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return NULL;
	entry->dev = pci_dev_get(dev);
	list_add_tail(&entry->list, &pci_lu_entries);
	return entry;
}

static void put_one(struct pci_dev *dev)
{
	struct lu_entry *entry = pci_lu_entry_of(dev);

	if (!--entry->users) {
		pci_lu_clear_flags(dev, PCI_LIVEUPDATE_PRESERVED |
			    PCI_LIVEUPDATE_FROZEN);
		if (pci_lu_entry_unused(entry))
			pci_lu_free_entry(entry);
	}
}

/* A device and the bridges above it */
static int get_users(struct pci_dev *dev)
{
	struct pci_dev *pos, *undo;
	struct lu_entry *entry;

	for (pos = dev; pos; pos = pci_upstream_bridge(pos)) {
		entry = get_entry(pos);
		if (!entry)
			goto err_put;
		entry->users++;
		pci_lu_set_flags(pos, PCI_LIVEUPDATE_PRESERVED);
	}
	return 0;

err_put:
	for (undo = dev; undo != pos; undo = pci_upstream_bridge(undo))
		put_one(undo);
	return -ENOMEM;
}

static void put_users(struct pci_dev *dev)
{
	struct pci_dev *pos, *above;

	/* (entries have the references that keep bridges from going away) */
	for (pos = dev; pos; pos = above) {
		above = pci_upstream_bridge(pos);
		put_one(pos);
	}
}

static int preserve_locked(struct pci_dev *dev, const char **why)
{
	int rc;

	lockdep_assert_held(&pci_lu_lock);
	if (!kho_is_enabled()) {
		*why = "kexec handover is off; boot without kho=off";
		return -EOPNOTSUPP;
	}
	if (active) {
		*why = "a handover is being prepared; write 0 to /sys/kernel/kho/activate first";
		return -EBUSY;
	}
	if (pci_liveupdate_is_incoming(dev)) {
		*why = "it was handed over to this kernel; finish that first";
		return -EBUSY;
	}
	if (pci_liveupdate_is_preserved(dev)) {
		*why = "it is preserved already";
		return -EBUSY;
	}
	if (pci_lu_is_unbinding(dev)) {
		*why = "somebody unbinds its driver";
		return -EBUSY;
	}
	rc = check_device(dev, why) ?: check_records(dev, why);
	if (rc)
		return rc;
	*why = "no memory";
	return get_users(dev);
}

/**
 * pci_liveupdate_preserve - let a device go on doing DMA through the next kexec
 * @dev: the device, in use by a driver that keeps it in D0
 *
 * The bridges above it are preserved with it. From activate on it cannot be
 * reset or go into a low power state, and from now on not be removed by
 * userspace. What it does DMA to, and its translation, have to be preserved by
 * others.
 *
 * Context: may sleep.
 * Return: 0; -EBUSY when it is preserved already, was handed over to this kernel
 * and is not finished, or is not in a state to go on; -ENOMEM; or another errno,
 * with a line in the log that says what cannot go on, and the remedy
 */
int pci_liveupdate_preserve(struct pci_dev *dev)
{
	const char *why;
	int rc;

	rc = pm_runtime_resume_and_get(&dev->dev);
	if (rc < 0) {
		pci_err(dev, "cannot be preserved: it does not wake up: %d\n",
			rc);
		return rc;
	}
	mutex_lock(&pci_lu_lock);
	rc = preserve_locked(dev, &why);
	mutex_unlock(&pci_lu_lock);
	kho_note_device(&dev->dev, "preserve", rc);
	if (rc) {
		pci_err(dev, "cannot be preserved: %s\n", why);
		pm_runtime_put(&dev->dev);
	}
	return rc;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_preserve);

/**
 * pci_liveupdate_unpreserve - undo pci_liveupdate_preserve()
 * @dev: the device; it may have been removed since
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void pci_liveupdate_unpreserve(struct pci_dev *dev)
{
	struct lu_entry *entry;
	bool preserved;

	mutex_lock(&pci_lu_lock);
	entry = pci_lu_entry_of(dev);
	preserved = entry && entry->users && !pci_lu_is_bridge(dev);
	if (preserved)
		put_users(dev);
	mutex_unlock(&pci_lu_lock);
	if (preserved) {
		kho_note_device(&dev->dev, "unpreserve", 0);
		pm_runtime_put(&dev->dev);
	}
}
EXPORT_SYMBOL_GPL(pci_liveupdate_unpreserve);

/* Copy the entries' records to what crosses. There were more entries before. */
static int write_out(void)
{
	struct pci_index_ser *index;
	struct lu_entry *entry;
	u32 nr = 0, i = 0;
	u64 pa;
	int rc;

	list_for_each_entry(entry, &pci_lu_entries, list)
		nr++;
	pa = nr ? virt_to_phys(records) : 0;
	rc = fdt_create(subtree, subtree_size);
	rc = rc ?: fdt_finish_reservemap(subtree);
	rc = rc ?: fdt_begin_node(subtree, "");
	rc = rc ?: fdt_property_string(subtree, "compatible",
				       PCI_LIVEUPDATE_COMPATIBLE);
	rc = rc ?: fdt_property(subtree, PCI_LIVEUPDATE_PROP_RECORDS, &pa,
				sizeof(pa));
	rc = rc ?: pci_lu_iov_write(subtree);
	rc = rc ?: fdt_property_placeholder(subtree,
					    PCI_LIVEUPDATE_PROP_DEVICES,
					    nr * sizeof(*index),
					    (void **)&index);
	if (rc)
		return -ENOSPC;
	list_for_each_entry(entry, &pci_lu_entries, list) {
		index[i] = entry->record.where;
		records[i++] = entry->record;
	}
	rc = fdt_end_node(subtree);
	rc = rc ?: fdt_finish(subtree);
	return rc ? -ENOSPC : 0;
}

static int refuse(struct kho_owner *owner, const struct pci_dev *dev,
		  const char *why, int rc)
{
	kho_refuse(owner, "%s: %s", pci_name(dev), why);
	return rc;
}

/* Only devices, each of which looks at the bridges above it */
static int check_preserved(struct kho_owner *owner)
{
	struct lu_entry *entry;
	const char *why;
	int rc;

	list_for_each_entry(entry, &pci_lu_entries, list) {
		rc = pci_lu_iov_check_handed_on(entry, &why);
		if (rc)
			return refuse(owner, entry->dev, why, rc);
		if (entry->users && entry->gone)
			return refuse(owner, entry->dev,
				      "was removed; finish without it: close its session",
				      -ENODEV);
		if (entry->users && pci_lu_is_unbinding(entry->dev))
			return refuse(owner, entry->dev,
				      "somebody unbinds its driver, which waits: close its session",
				      -EBUSY);
		if (!entry->users || pci_lu_is_bridge(entry->dev))
			continue;
		rc = check_device(entry->dev, &why);
		if (rc)
			return refuse(owner, entry->dev, why, rc);
	}
	return 0;
}

static bool any_uses_ats(void)
{
	struct lu_entry *entry;

	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->record.flags & PCI_SER_ATS)
			return true;
	return false;
}

static int make_subtree(struct kho_owner *owner, u32 nr)
{
	int rc;

	if (nr > PCI_SER_MAX_DEVICES) {
		kho_refuse(owner, "%u devices and bridges are too many: preserve %u at most",
			   nr, PCI_SER_MAX_DEVICES);
		return -E2BIG;
	}
	records = kho_alloc_preserve(nr * sizeof(*records));
	if (IS_ERR(records))
		return PTR_ERR(records);
	subtree_size = PAGE_ALIGN(SZ_1K + nr * (sizeof(struct pci_index_ser) +
						sizeof(struct pci_sriov_ser)));
	subtree = kho_alloc_preserve(subtree_size);
	if (IS_ERR(subtree)) {
		rc = PTR_ERR(subtree);
		goto err_free_records;
	}
	rc = write_out();
	rc = rc ?: kho_add_subtree(PCI_LIVEUPDATE_NAME, subtree,
				    subtree_size);
	if (rc == -EEXIST)
		kho_refuse(owner, "an older list is pending: write %s to discard first",
			   PCI_LIVEUPDATE_NAME);
	if (!rc)
		return 0;

	kho_unpreserve_free(subtree);
err_free_records:
	kho_unpreserve_free(records);
	subtree = NULL;
	return rc;
}

/* From now on resets leave it alone. */
static int freeze_all(struct kho_owner *owner)
{
	struct lu_entry *entry;

	list_for_each_entry(entry, &pci_lu_entries, list) {
		if (!entry->users ||
		    pci_lu_try_set_flags(entry->dev, PCI_LIVEUPDATE_FROZEN))
			continue;
		return refuse(owner, entry->dev, "it is being reset; wait",
			      -EBUSY);
	}
	return 0;
}

static void thaw_all(void)
{
	struct lu_entry *entry;

	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->dev &&
		    pci_liveupdate_flags(entry->dev) & PCI_LIVEUPDATE_FROZEN)
			pci_lu_clear_flags(entry->dev, PCI_LIVEUPDATE_FROZEN);
}

static void unneed_versions(void)
{
	if (needs_sriov)
		kho_unneed_version(PCI_LIVEUPDATE_SRIOV);
	if (needs_ats)
		kho_unneed_version(PCI_LIVEUPDATE_ATS);
	needs_sriov = false;
	needs_ats = false;
}

static int need_versions(void)
{
	int rc = 0;

	if (any_uses_ats()) {
		rc = kho_need_version(PCI_LIVEUPDATE_ATS);
		needs_ats = !rc;
	}
	if (!rc && pci_lu_iov_needed()) {
		rc = kho_need_version(PCI_LIVEUPDATE_SRIOV);
		needs_sriov = !rc;
	}
	if (rc)
		unneed_versions();
	return rc;
}

static int lu_activate(struct kho_owner *owner)
{
	struct lu_entry *entry;
	int rc, nr = 0;

	mutex_lock(&pci_lu_lock);
	subtree = NULL;
	/* First of all, or what is looked at could be reset afterwards. */
	rc = freeze_all(owner);
	rc = rc ?: check_preserved(owner);
	if (rc)
		goto err_thaw;
	list_for_each_entry(entry, &pci_lu_entries, list) {
		if (entry->dev) {
			fill_record(&entry->record, entry->dev);
			pci_lu_iov_fill(entry);
			entry->damaged = NULL;
		}
		nr++;
	}
	rc = need_versions();
	if (rc)
		goto err_thaw;
	if (nr)
		rc = make_subtree(owner, nr);
	if (rc)
		goto err_unneed;
	active = true;
	mutex_unlock(&pci_lu_lock);
	return 0;

err_unneed:
	unneed_versions();
err_thaw:
	thaw_all();
	mutex_unlock(&pci_lu_lock);
	return rc;
}

static void lu_deactivate(struct kho_owner *owner)
{
	mutex_lock(&pci_lu_lock);
	active = false;
	thaw_all();
	unneed_versions();
	if (subtree) {
		kho_remove_subtree(subtree);
		kho_unpreserve_free(subtree);
		kho_unpreserve_free(records);
		subtree = NULL;
	}
	mutex_unlock(&pci_lu_lock);
}

/* Does a device still do what it did at activate? */
static int check_unchanged(struct kho_owner *owner)
{
	u32 header[PCI_SER_HEADER_WORDS];
	struct lu_entry *entry;
	const char *wrong;

	list_for_each_entry(entry, &pci_lu_entries, list) {
		if (!entry->users)
			continue;
		pci_lu_read_header(entry->dev, header);
		wrong = pci_record_compare(&entry->record, header) ?:
			pci_record_goes_on(&entry->record, header) ?:
			pci_lu_iov_changed(entry);
		if (wrong)
			return refuse(owner, entry->dev, wrong, -EIO);
	}
	return 0;
}

static int lu_finalize(struct kho_owner *owner)
{
	struct lu_entry *entry;
	int rc = 0;

	mutex_lock(&pci_lu_lock);
	if (!subtree)
		goto out_unlock;
	rc = check_preserved(owner) ?: check_unchanged(owner);
	if (rc)
		goto out_unlock;
	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->dev)
			fill_volatile(&entry->record, entry->dev);
	rc = write_out();
	final = !rc && !list_empty(&pci_lu_entries);
out_unlock:
	mutex_unlock(&pci_lu_lock);
	return rc;
}

static void lu_unfinalize(struct kho_owner *owner)
{
	mutex_lock(&pci_lu_lock);
	final = false;
	mutex_unlock(&pci_lu_lock);
}

static int lu_jump(struct kho_owner *owner)
{
	int rc;

	mutex_lock(&pci_lu_lock);
	rc = check_preserved(owner) ?: pci_lu_leave(owner);
	mutex_unlock(&pci_lu_lock);
	return rc;
}

static void lu_unjump(struct kho_owner *owner)
{
	mutex_lock(&pci_lu_lock);
	pci_lu_stay();
	mutex_unlock(&pci_lu_lock);
}

static const struct kho_owner_ops lu_ops = {
	.activate = lu_activate,
	.deactivate = lu_deactivate,
	.finalize = lu_finalize,
	.unfinalize = lu_unfinalize,
	.jump = lu_jump,
	.unjump = lu_unjump,
};

static struct kho_owner lu_owner = {
	.name = PCI_LIVEUPDATE_NAME,
	.ops = &lu_ops,
};

/* After the sessions and before the IOMMU, whose owner asks after the devices */
static int __init lu_init(void)
{
	int rc;

	if (!kho_is_enabled())
		return 0;
	rc = kho_register_owner(&lu_owner);
	if (!rc)
		pci_lu_ats_init();
	return rc;
}
fs_initcall_sync(lu_init);

/*
 * Shutdown. The entries cannot change any more, since the jump is under way.
 */

/* An interrupt that comes from now on is pending until somebody unmasks it. */
static void mask_msix(struct pci_dev *dev)
{
	int nr, i, cap = dev->msix_cap;
	void __iomem *table = NULL;
	u16 ctrl, command;
	u32 where, vector;
	unsigned long bir;

	pci_read_config_word(dev, cap + PCI_MSIX_FLAGS, &ctrl);
	if (!(ctrl & PCI_MSIX_FLAGS_ENABLE))
		return;
	pci_bus_write_config_word(dev->bus, dev->devfn, cap + PCI_MSIX_FLAGS,
				  ctrl | PCI_MSIX_FLAGS_MASKALL);

	/* The function's mask does not outlive setting up MSI-X again. */
	nr = (ctrl & PCI_MSIX_FLAGS_QSIZE) + 1;
	pci_read_config_dword(dev, cap + PCI_MSIX_TABLE, &where);
	bir = where & PCI_MSIX_TABLE_BIR;
	where &= PCI_MSIX_TABLE_OFFSET;
	pci_read_config_word(dev, PCI_COMMAND, &command);
	if (bir < PCI_STD_NUM_BARS &&
	    (dev->no_command_memory || command & PCI_COMMAND_MEMORY) &&
	    (u64)where + nr * PCI_MSIX_ENTRY_SIZE <=
	    pci_resource_len(dev, bir))
		table = ioremap(pci_resource_start(dev, bir) + where,
				nr * PCI_MSIX_ENTRY_SIZE);
	if (!table) {
		pci_warn(dev, "MSI-X vectors cannot be masked: interrupts may be lost\n");
		return;
	}
	for (i = 0; i < nr; i++) {
		void __iomem *entry = table + i * PCI_MSIX_ENTRY_SIZE;

		vector = readl(entry + PCI_MSIX_ENTRY_VECTOR_CTRL);
		writel(vector | PCI_MSIX_ENTRY_CTRL_MASKBIT,
		       entry + PCI_MSIX_ENTRY_VECTOR_CTRL);
	}
	/* Wait for the last one. */
	readl(table + PCI_MSIX_ENTRY_VECTOR_CTRL);
	iounmap(table);
}

/* A device that cannot be masked has it turned off: the pin is off as well. */
static void mask_msi(struct pci_dev *dev)
{
	int reg = dev->msi_cap;
	u32 mask, vectors;
	u16 ctrl;

	pci_read_config_word(dev, reg + PCI_MSI_FLAGS, &ctrl);
	if (!(ctrl & PCI_MSI_FLAGS_ENABLE))
		return;
	if (!(ctrl & PCI_MSI_FLAGS_MASKBIT)) {
		pci_bus_write_config_word(dev->bus, dev->devfn,
					  reg + PCI_MSI_FLAGS,
					  ctrl & ~PCI_MSI_FLAGS_ENABLE);
		return;
	}
	reg += ctrl & PCI_MSI_FLAGS_64BIT ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;
	vectors = 1 << (FIELD_GET(PCI_MSI_FLAGS_QMASK, ctrl) & 7);
	pci_read_config_dword(dev, reg, &mask);
	mask |= (u32)((1ULL << min(vectors, 32U)) - 1);
	pci_bus_write_config_dword(dev->bus, dev->devfn, reg, mask);
}

/**
 * pci_liveupdate_shutdown - let a device go on, or make sure that it stops
 * @dev: any device
 *
 * Hook in pci_device_shutdown().
 *
 * Return: true when the device has to be left alone
 */
bool pci_liveupdate_shutdown(struct pci_dev *dev)
{
	unsigned long flags = pci_liveupdate_flags(dev);

	if (!kexec_in_progress || !READ_ONCE(final))
		return false;
	if (!(flags & (PCI_LIVEUPDATE_PRESERVED | PCI_LIVEUPDATE_INCOMING)) ||
	    flags & PCI_LIVEUPDATE_BLOCKED) {
		/* What has lost its driver is left to firmware otherwise. */
		if (dev->current_state == PCI_UNKNOWN)
			pci_lu_stop_dma(dev);
		return false;
	}
	if (pci_lu_is_bridge(dev)) {
		/* Services of the port end, with its own interrupt. */
		if (dev->driver && dev->driver->shutdown)
			dev->driver->shutdown(dev);
		return true;
	}
	if (dev->msix_cap)
		mask_msix(dev);
	if (dev->msi_cap)
		mask_msi(dev);
	pci_lu_mask_intx(dev);
	return true;
}

#ifdef CONFIG_KHO_TEST
/* For tests that damage what crosses: the record of a device, or the list of all */
void *pci_liveupdate_test_record(const struct pci_dev *dev, size_t *size)
{
	struct lu_entry *entry;
	unsigned int i = 0;
	void *found = NULL;

	mutex_lock(&pci_lu_lock);
	if (final && !dev) {
		*size = fdt_totalsize(subtree);
		found = subtree;
	} else if (final) {
		*size = sizeof(*records);
		list_for_each_entry(entry, &pci_lu_entries, list) {
			if (entry->dev == dev)
				found = &records[i];
			i++;
		}
	}
	mutex_unlock(&pci_lu_lock);
	return found;
}
#endif
