// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices that went on doing DMA across a kexec, in the next kernel.
 *
 * Life cycle: setup (found in the record, held) -> driver bound -> finish: an ordinary
 * device again; or discard; or, when it cannot be used, block: bus master off, and
 * listed until it is discarded.
 *
 * Locks: that of liveupdate.c, for all that is below.
 */
#define pr_fmt(fmt) "kho: pci: " fmt

#include <linux/init.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "pci.h"
#include "liveupdate.h"

/* The only driver for what was handed over */
#define DRIVER_NAME	"vfio-pci"

/* Was there a subtree, whether or not it could be used? */
static bool handed_over __read_mostly;

/*
 * Next kernel: what the hooks in enumeration call
 */

/* Nothing may do DMA that was not handed over. */
static void setup_unknown(struct pci_dev *dev)
{
	u16 command;

	if (dev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return;
	pci_read_config_word(dev, PCI_COMMAND, &command);
	if (PCI_POSSIBLE_ERROR(command) || !(command & PCI_COMMAND_MASTER))
		return;
	pci_lu_stop_dma(dev);
	pr_warn("%04x:%02x:%02x.%d was not handed over and has bus master on: switched off\n",
		pci_domain_nr(dev->bus), dev->bus->number,
		PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));
}

static void block_entry(struct lu_entry *entry, struct pci_dev *dev,
			const char *reason)
{
	/* First of all, DMA must have stopped. */
	pci_lu_stop_dma(dev);
	pci_lu_stop_ats(dev);
	pci_lu_clear_flags(dev, PCI_LIVEUPDATE_HELD);
	pci_lu_set_flags(dev, PCI_LIVEUPDATE_BLOCKED);
	pci_lu_list_entry(entry, "blocked", reason);
	kho_note_device(&dev->dev, "block", 0);
	pr_err("%s: blocked, bus master is off: %s; discard it\n",
	       entry->item.name, reason);
}

static void setup_incoming(struct lu_entry *entry, struct pci_dev *dev)
{
	bool bridge = entry->record.where.kind & PCI_SER_BRIDGE;
	const char *wrong = entry->damaged, *off;
	u32 header[PCI_SER_HEADER_WORDS];

	pci_lu_read_header(dev, header);
	/* With a damaged record there is nothing else to tell by. */
	if (bridge != pci_lu_is_bridge(dev) ||
	    (!wrong && !pci_record_is_of(&entry->record, header))) {
		pci_lu_list_entry(entry, "missing", "another device is there");
		pr_err("%s: was handed over, but another device is there: %04x:%04x\n",
		       entry->item.name, dev->vendor, dev->device);
		setup_unknown(dev);
		return;
	}
	if (!wrong)
		wrong = pci_record_compare(&entry->record, header);
	if (!wrong && entry->record.where.kind & PCI_SER_BLOCKED)
		wrong = "the kernel before could not use it";
	off = wrong ? NULL : pci_record_goes_on(&entry->record, header);
	if (off && bridge)
		wrong = off;
	else if (off)
		pr_warn("%s: %s since finalize, and stays so\n", entry->item.name,
			off);

	pci_lu_set_flags(dev, PCI_LIVEUPDATE_INCOMING | PCI_LIVEUPDATE_HELD);
	if (wrong && !bridge) {
		block_entry(entry, dev, wrong);
		return;
	}
	/* What is in a bridge's registers is in force for all below it. */
	if (wrong)
		pr_warn("%s: the bridge is kept as it is, although %s\n",
			entry->item.name, wrong);
	pci_lu_list_entry(entry, "pending", "");
	kho_note_device(&dev->dev, "keep", 0);
}

/**
 * pci_liveupdate_setup - is this device one that was handed over?
 * @dev: a device that is being set up; vendor, device and type of header are known
 *
 * Hook in pci_setup_device(), before anything is written to the device.
 */
void pci_liveupdate_setup(struct pci_dev *dev)
{
	struct lu_entry *entry;

	if (!handed_over)
		return;
	mutex_lock(&pci_lu_lock);
	entry = pci_lu_incoming_at(dev);
	if (entry)
		setup_incoming(entry, dev);
	else
		setup_unknown(dev);
	mutex_unlock(&pci_lu_lock);
}

/* When those of devices that were handed over have been added, it is too late. */
static bool vfs_added;

/**
 * pci_liveupdate_iov_init - set up the SR-IOV capability of a device that was handed over
 * @dev: a device of which pci_liveupdate_setup() knows
 *
 * Hook in pci_init_capabilities().
 *
 * Return: true when there is nothing else to do. If false it is set up as usual, which
 * switches virtual functions off.
 */
bool pci_liveupdate_iov_init(struct pci_dev *dev)
{
	struct pci_sriov_ser sriov = {};
	struct lu_entry *entry;
	const char *wrong;

	if (!pci_liveupdate_is_incoming(dev) || pci_liveupdate_is_blocked(dev))
		return false;
	mutex_lock(&pci_lu_lock);
	entry = pci_lu_incoming_at(dev);
	if (entry)
		sriov = entry->sriov;
	mutex_unlock(&pci_lu_lock);
	/* It finds out about BARs, which takes the lock. */
	wrong = vfs_added && sriov.num_vfs ?
		"it was found too late for its virtual functions" :
		pci_lu_iov_adopt(dev, &sriov);
	if (!wrong)
		return true;
	mutex_lock(&pci_lu_lock);
	entry = pci_lu_incoming_at(dev);
	if (entry)
		block_entry(entry, dev, wrong);
	mutex_unlock(&pci_lu_lock);
	return false;
}

/* Nobody moves what is in use. */
static void fix_bars(struct pci_dev *dev)
{
	int i;

	for (i = 0; i < PCI_BRIDGE_RESOURCES; i++)
		if (dev->resource[i].flags)
			dev->resource[i].flags |= IORESOURCE_PCI_FIXED;
}

static void release_bars(struct pci_dev *dev)
{
	int i;

	for (i = 0; i < PCI_BRIDGE_RESOURCES; i++)
		dev->resource[i].flags &= ~IORESOURCE_PCI_FIXED;
}

static void add_incoming(struct lu_entry *entry, struct pci_dev *dev)
{
	u32 flags = entry->damaged ? 0 : entry->record.flags;
	u16 command;

	entry->dev = pci_dev_get(dev);
	/* Until finish */
	pm_runtime_get_noresume(&dev->dev);
	if (pci_liveupdate_is_blocked(dev)) {
		/* Before, its capabilities were not known. */
		pci_lu_stop_ats(dev);
		return;
	}
	if (flags & PCI_SER_ATS && !pci_ats_supported(dev)) {
		block_entry(entry, dev, "it uses ATS: start this kernel without pci=noats");
		return;
	}

	/* Unknown otherwise, which vfio-pci takes for a reason to restore it. */
	pci_update_current_state(dev, PCI_D0);
	pci_read_config_word(dev, PCI_COMMAND, &command);
	dev->is_busmaster = !!(command & PCI_COMMAND_MASTER);
	if (!entry->damaged)
		dev->broken_intx_masking = !!(flags & PCI_SER_INTX_MASK_BROKEN);
	if (pci_lu_is_bridge(dev)) {
		dev->io_window |= !!(flags & PCI_SER_IO_WINDOW);
		dev->pref_window |= !!(flags & PCI_SER_PREF_WINDOW);
		dev->pref_64_window |= !!(flags & PCI_SER_PREF_64_WINDOW);
	} else {
		/* Its program may have unmasked it while processors were being stopped. */
		pci_lu_mask_intx(dev);
	}
	fix_bars(dev);
	pci_lu_iov_add(dev);
	pci_info(dev, "goes on as the kernel before left it\n");
}

/**
 * pci_liveupdate_add - a device that was handed over has been set up
 * @dev: any device that is added
 *
 * Hook in pci_device_add(), when its capabilities are known.
 */
void pci_liveupdate_add(struct pci_dev *dev)
{
	bool incoming = pci_liveupdate_is_incoming(dev);
	struct lu_entry *entry;

	/* Virtual functions of a device of userspace's are not for drivers of the host. */
	if (!incoming && !(dev->is_virtfn &&
			   pci_liveupdate_is_incoming(pci_physfn(dev))))
		return;
	mutex_lock(&pci_lu_lock);
	entry = incoming ? pci_lu_incoming_at(dev) : NULL;
	if (entry)
		add_incoming(entry, dev);
	mutex_unlock(&pci_lu_lock);
	if (!pci_lu_is_bridge(dev) &&
	    device_set_driver_override(&dev->dev, DRIVER_NAME))
		pci_warn(dev, "driver_override is not set: no memory\n");
}

/**
 * pci_liveupdate_keeps_buses - must bus numbers stay as they are?
 */
bool pci_liveupdate_keeps_buses(void)
{
	bool keeps;

	mutex_lock(&pci_lu_lock);
	keeps = !list_empty(&pci_lu_entries);
	mutex_unlock(&pci_lu_lock);
	return keeps;
}

/**
 * pci_liveupdate_probe - a driver takes a device
 * @dev: any device
 * @driver: the driver
 *
 * Bridges have whatever driver they like.
 *
 * Return: 0, or -ENODEV when this driver may not have it
 */
int pci_liveupdate_probe(struct pci_dev *dev, const struct device_driver *driver)
{
	if (!pci_liveupdate_is_incoming(dev))
		return 0;
	if (!pci_lu_is_bridge(dev) && strcmp(driver->name, DRIVER_NAME))
		return -ENODEV;
	mutex_lock(&pci_lu_lock);
	pci_lu_clear_flags(dev, PCI_LIVEUPDATE_HELD);
	mutex_unlock(&pci_lu_lock);
	return 0;
}

/*
 * Next kernel: what becomes of a device
 */

static void release_incoming(struct lu_entry *entry)
{
	struct pci_dev *dev = entry->dev;

	release_bars(dev);
	pci_lu_clear_flags(dev, PCI_LIVEUPDATE_INCOMING | PCI_LIVEUPDATE_HELD |
		    PCI_LIVEUPDATE_BLOCKED);
	pm_runtime_put(&dev->dev);
	entry->incoming = false;
	pci_lu_iov_release(dev);
	pci_lu_unlist_entry(entry);
	if (pci_lu_entry_unused(entry))
		pci_lu_free_entry(entry);
}

static bool is_above(const struct pci_dev *bridge, struct pci_dev *dev)
{
	for (dev = pci_upstream_bridge(dev); dev;
	     dev = pci_upstream_bridge(dev))
		if (dev == bridge)
			return true;
	return false;
}

static bool bridge_needed(const struct pci_dev *bridge)
{
	struct lu_entry *entry;

	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->incoming && entry->dev && !pci_lu_is_bridge(entry->dev) &&
		    !pci_liveupdate_is_unreset(entry->dev) &&
		    is_above(bridge, entry->dev))
			return true;
	return false;
}

/* Bridges above nothing that goes on are ordinary ones again. */
static void release_bridges(void)
{
	struct lu_entry *entry, *next;

	lockdep_assert_held(&pci_lu_lock);
	list_for_each_entry_safe(entry, next, &pci_lu_entries, list)
		if (entry->incoming && entry->dev && pci_lu_is_bridge(entry->dev) &&
		    !bridge_needed(entry->dev))
			release_incoming(entry);
}

/**
 * pci_liveupdate_finish - a device that was handed over is an ordinary one again
 * @dev: the device, in use by its driver
 *
 * Context: may sleep.
 */
void pci_liveupdate_finish(struct pci_dev *dev)
{
	struct lu_entry *entry;

	mutex_lock(&pci_lu_lock);
	entry = pci_lu_entry_of(dev);
	if (entry && entry->incoming && !pci_lu_is_bridge(dev)) {
		kho_note_device(&dev->dev, "finish", 0);
		release_incoming(entry);
		release_bridges();
	}
	mutex_unlock(&pci_lu_lock);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_finish);

static void disable_msi(struct pci_dev *dev)
{
	u16 ctrl;

	/* Those that this kernel has set up are its driver's to free. */
	if (dev->msi_cap && !dev->msi_enabled) {
		pci_read_config_word(dev, dev->msi_cap + PCI_MSI_FLAGS, &ctrl);
		pci_write_config_word(dev, dev->msi_cap + PCI_MSI_FLAGS,
				      ctrl & ~PCI_MSI_FLAGS_ENABLE);
	}
	if (dev->msix_cap && !dev->msix_enabled) {
		pci_read_config_word(dev, dev->msix_cap + PCI_MSIX_FLAGS,
				     &ctrl);
		pci_write_config_word(dev, dev->msix_cap + PCI_MSIX_FLAGS,
				      ctrl & ~PCI_MSIX_FLAGS_ENABLE);
	}
}

struct bus_search {
	const struct iommu_group *group;
	bool in_use;
};

static int look_for_user(struct pci_dev *dev, void *data)
{
	struct bus_search *search = data;

	search->in_use = dev->dev.iommu_group != search->group ||
			 !pci_liveupdate_is_unreset(dev);
	return search->in_use;
}

static int clear_unreset(struct pci_dev *dev, void *unused)
{
	pci_lu_clear_flags(dev, PCI_LIVEUPDATE_UNRESET);
	return 0;
}

/*
 * A device without a reset of its own is reset with its whole bus, when all that is
 * there was given up, as one group, of which nobody can have become the user.
 */
static int reset_bus(struct pci_dev *dev)
{
	struct bus_search search = { .group = dev->dev.iommu_group };
	int rc;

	if (pci_is_root_bus(dev->bus) || !search.group)
		return -ENOTTY;
	pci_walk_bus(dev->bus, look_for_user, &search);
	if (search.in_use)
		return -ENOTTY;
	rc = pci_reset_bus(dev);
	if (rc)
		return rc;
	mutex_lock(&pci_lu_lock);
	pci_walk_bus(dev->bus, clear_unreset, NULL);
	mutex_unlock(&pci_lu_lock);
	return 0;
}

/**
 * pci_liveupdate_discard - give a device up that was handed over
 * @dev: the device, not in use
 *
 * Its bus master is switched off and it is reset, with the others on its bus if there is
 * no other way, when they were given up before. It is an ordinary device then, for any
 * driver. To be called before what it did DMA to is freed.
 *
 * Context: may sleep; without the device's lock.
 * Return: 0; -ENOENT when it was not handed over; or why it could not be reset, and
 * it is an ordinary device, with bus master off, nevertheless, for which
 * pci_liveupdate_is_unreset() is true
 */
int pci_liveupdate_discard(struct pci_dev *dev)
{
	struct lu_entry *entry;
	int rc;

	mutex_lock(&pci_lu_lock);
	entry = pci_lu_entry_of(dev);
	if (!entry || !entry->incoming || pci_lu_is_bridge(dev)) {
		mutex_unlock(&pci_lu_lock);
		return -ENOENT;
	}
	pci_lu_clear_flags(dev, PCI_LIVEUPDATE_HELD);
	pci_lu_stop_dma(dev);
	pci_lu_set_flags(dev, PCI_LIVEUPDATE_BLOCKED | PCI_LIVEUPDATE_UNRESET);
	/* The bridge above it may be what resets it. */
	release_bridges();
	mutex_unlock(&pci_lu_lock);

	disable_msi(dev);
	rc = pci_reset_function(dev);
	if (rc && !reset_bus(dev))
		rc = 0;
	mutex_lock(&pci_lu_lock);
	if (!rc)
		pci_lu_clear_flags(dev, PCI_LIVEUPDATE_UNRESET);
	mutex_unlock(&pci_lu_lock);
	kho_note_device(&dev->dev, "discard", rc);
	if (rc)
		pci_warn(dev, "is discarded with bus master off, but cannot be reset: %d\n",
			 rc);
	else
		pci_info(dev, "is discarded\n");
	pci_liveupdate_finish(dev);
	device_set_driver_override(&dev->dev, "");
	return rc;
}
EXPORT_SYMBOL_GPL(pci_liveupdate_discard);

/**
 * pci_liveupdate_forget - give a device up that was handed over, and is not there
 * @segment: its segment
 * @id: bus << 8 | devfn
 *
 * It is not handed on. Nothing happens when it is there.
 */
void pci_liveupdate_forget(int segment, u16 id)
{
	struct lu_entry *entry;

	mutex_lock(&pci_lu_lock);
	list_for_each_entry(entry, &pci_lu_entries, list) {
		if (!entry->incoming || entry->dev ||
		    entry->record.where.segment != segment ||
		    PCI_DEVID(entry->record.where.bus,
			      entry->record.where.devfn) != id)
			continue;
		pr_info("%s: is given up, and was not there\n",
			entry->item.name);
		pci_lu_free_entry(entry);
		break;
	}
	mutex_unlock(&pci_lu_lock);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_forget);

/**
 * pci_liveupdate_block - a device that was handed over cannot be used
 * @dev: the device; nothing happens when it was not handed over
 * @fmt: the reason
 *
 * Bus master is switched off. The device stays listed, with the reason, and is
 * good for nothing but pci_liveupdate_discard().
 *
 * Context: may sleep.
 */
void pci_liveupdate_block(struct pci_dev *dev, const char *fmt, ...)
{
	char reason[KHO_ITEM_REASON_MAX + 1];
	struct lu_entry *entry;
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);

	mutex_lock(&pci_lu_lock);
	entry = pci_lu_entry_of(dev);
	if (entry && entry->incoming && !pci_lu_is_bridge(dev) &&
	    !pci_liveupdate_is_blocked(dev))
		block_entry(entry, dev, reason);
	mutex_unlock(&pci_lu_lock);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_block);

/*
 * Hook in pci_stop_dev(). Removal cannot be refused: the device may have been pulled.
 */
void __pci_liveupdate_remove(struct pci_dev *dev)
{
	struct lu_entry *entry;

	mutex_lock(&pci_lu_lock);
	if (pci_lu_is_leaving())
		goto out_unlock;
	mutex_unlock(&pci_lu_lock);
	if (pci_liveupdate_must_stay(dev))
		pci_lu_iov_remove(dev);

	mutex_lock(&pci_lu_lock);
	entry = pci_lu_entry_of(dev);
	if (!entry)
		goto out_unlock;
	if (entry->users) {
		pci_err(dev, "was removed: it cannot go on through a kexec\n");
		entry->gone = true;
	}
	if (entry->incoming) {
		pci_err(dev, "was removed: it is not handed on\n");
		entry->incoming = false;
	}
	pci_lu_iov_release(dev);
	pci_lu_clear_flags(dev, ~(unsigned long)PCI_LIVEUPDATE_UNBINDING);
	if (pci_lu_entry_unused(entry))
		pci_lu_free_entry(entry);
	release_bridges();
out_unlock:
	mutex_unlock(&pci_lu_lock);
}

/*
 * Next kernel: reading the record
 */

static int __init take_record(const struct pci_index_ser *where,
			      const struct pci_dev_ser *record)
{
	struct lu_entry *entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	const char *wrong;

	if (!entry)
		return -ENOMEM;
	entry->incoming = true;
	entry->record = *record;
	wrong = pci_record_check(&entry->record, where);
	entry->record.where = *where;
	entry->damaged = wrong;
	list_add_tail(&entry->list, &pci_lu_entries);
	pci_lu_list_entry(entry, "missing", wrong ?: "no such device was found");
	if (wrong)
		pr_err("%s: %s\n", entry->item.name, wrong);
	return 0;
}

static const char * __init read_subtree(const void *fdt, void **folio)
{
	const struct pci_index_ser *index;
	int len, pa_len, nr, i;
	const char *wrong;
	const u64 *pa;

	index = fdt_getprop(fdt, 0, PCI_LIVEUPDATE_PROP_DEVICES, &len);
	pa = fdt_getprop(fdt, 0, PCI_LIVEUPDATE_PROP_RECORDS, &pa_len);
	if (!index || len % sizeof(*index) || !pa || pa_len != sizeof(*pa))
		return "no list of devices";
	nr = len / sizeof(*index);
	wrong = pci_index_check(index, nr);
	if (wrong)
		return wrong;
	if (!nr)
		return NULL;
	if (!kho_can_restore_folio(*pa, get_order(nr *
						  sizeof(struct pci_dev_ser))))
		return "the records are not in preserved memory";
	*folio = phys_to_virt(*pa);
	for (i = 0; i < nr; i++)
		if (take_record(&index[i],
				(struct pci_dev_ser *)*folio + i))
			return "no memory";
	return pci_lu_iov_take(fdt, index, nr);
}

/* Before the first device is enumerated */
static int __init lu_read(void)
{
	struct lu_entry *entry, *next;
	void *fdt, *folio = NULL;
	const char *wrong;
	phys_addr_t pa;
	int rc;

	handed_over = kho_may_have(PCI_LIVEUPDATE_NAME);
	if (!handed_over)
		return 0;
	rc = kho_retrieve_subtree(PCI_LIVEUPDATE_NAME, &pa, NULL);
	if (rc) {
		pr_err("the list of devices cannot be read: bus master is switched off wherever it is on\n");
		return 0;
	}
	fdt = phys_to_virt(pa);
	mutex_lock(&pci_lu_lock);
	wrong = read_subtree(fdt, &folio);
	if (wrong) {
		list_for_each_entry_safe(entry, next, &pci_lu_entries, list)
			pci_lu_free_entry(entry);
	}
	mutex_unlock(&pci_lu_lock);
	if (wrong) {
		kho_reject_subtree(PCI_LIVEUPDATE_NAME, wrong);
		pr_err("bus master is switched off wherever it is on\n");
		return 0;
	}
	/* All of it was copied. */
	if (folio)
		kho_restore_free(folio);
	kho_restore_free(fdt);
	kho_finish_subtree(PCI_LIVEUPDATE_NAME);
	return 0;
}
postcore_initcall(lu_read);

/* When addresses are claimed, and before IOMMUs look at devices */
static int __init lu_add_vfs(void)
{
	struct pci_dev *dev = NULL;
	const char *wrong;

	pci_lock_rescan_remove();
	for_each_pci_dev(dev) {
		if (!pci_liveupdate_is_incoming(dev))
			continue;
		wrong = pci_lu_iov_add_vfs(dev);
		if (wrong)
			pci_liveupdate_block(dev, "%s", wrong);
	}
	vfs_added = true;
	pci_unlock_rescan_remove();
	return 0;
}
fs_initcall_sync(lu_add_vfs);

static bool __init bars_claimed(const struct pci_dev *dev)
{
	int i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (dev->resource[i].flags && !dev->resource[i].parent)
			return false;
	return true;
}

/* When devices and IOMMUs are there: does all go on? */
static int __init lu_check(void)
{
	struct lu_entry *entry;

	mutex_lock(&pci_lu_lock);
	list_for_each_entry(entry, &pci_lu_entries, list) {
		struct pci_dev *dev = entry->dev;

		if (!dev) {
			pr_err("%s: was handed over, and is not there\n",
			       entry->item.name);
			continue;
		}
		if (!entry->incoming || pci_lu_is_bridge(dev) ||
		    pci_liveupdate_is_blocked(dev))
			continue;
		if (!bars_claimed(dev))
			block_entry(entry, dev, "a BAR is in another device's way");
		else if (IS_ENABLED(CONFIG_IOMMU_LIVEUPDATE) &&
			 !iommu_device_is_restored(&dev->dev))
			block_entry(entry, dev, "the IOMMU does not translate for it");
	}
	release_bridges();
	mutex_unlock(&pci_lu_lock);
	return 0;
}
device_initcall(lu_check);
