// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices that go on doing DMA across a kexec.
 *
 * Life cycle of a device, and of every bridge above it:
 *
 *   old kernel    preserve -> activate (frozen, record written) -> finalize ->
 *                 shutdown: bus master stays on, interrupts are masked
 *   next kernel   setup: found in the record, held -> driver bound -> finish:
 *                 an ordinary device again; or discard; or, when it cannot be
 *                 used, block: bus master off, and listed until it is discarded
 *
 * While a device is held nothing in this kernel can write to its configuration
 * space: that is decided in one place, pci_write_config_*(), and not by everybody
 * who writes while devices are enumerated. Only what reads back what it has
 * written (BARs, windows, INTx) gets its answer from the record. When the driver
 * is bound writes go through again, except for those that would stop DMA or
 * change where the device is. Of an endpoint no driver but vfio-pci can be bound,
 * and userspace's writes go through the driver.
 *
 * What is neither finished nor discarded is handed on by the next kexec.
 *
 * A bridge is preserved with the first device below it, and finished with the
 * last one. There is one entry for each device and bridge. It has a reference to
 * the device, which may be gone nevertheless: removed, or not there at all.
 *
 * Locks: lu_lock for the entries, the records, and the flags in struct pci_dev,
 * which are read without it. It is taken below kho_lock, sessions' mutexes and
 * the lock for rescanning and removing devices, and held over nothing but
 * reading and writing configuration space, and functions of the handover core
 * for memory, subtrees and items.
 */
#define pr_fmt(fmt) "kho: pci: " fmt

#include <linux/bitfield.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
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
#include "liveupdate_record.h"

/* The only driver for what was handed over */
#define DRIVER_NAME	"vfio-pci"

/**
 * struct lu_entry - a device or bridge that is preserved, or was handed over
 * @list: in entries
 * @dev: the device, with a reference; NULL when it is not there (any more)
 * @record: where it is, and, incoming or since activate, what crosses the kexec
 * @users: preserved devices: itself, or those below a bridge
 * @incoming: was handed over, and is not finished
 * @damaged: what is wrong with @record, which is handed on only; or NULL
 * @gone: it was removed while it was preserved
 * @listed: @item is in the core's list
 * @item: what the operator sees
 */
struct lu_entry {
	struct list_head list;
	struct pci_dev *dev;
	struct pci_dev_ser record;
	unsigned int users;
	bool incoming;
	const char *damaged;
	bool gone;
	bool listed;
	struct kho_in_item item;
};

static DEFINE_MUTEX(lu_lock);
static LIST_HEAD(entries);

/* Since activate */
static bool active;
static void *subtree;
static size_t subtree_size;
static struct pci_dev_ser *records;
/* Finalized with at least one record; written under lu_lock */
static bool final;

/* Was there a subtree, whether or not it could be used? */
static bool handed_over __read_mostly;

static bool is_bridge(const struct pci_dev *dev)
{
	return dev->hdr_type == PCI_HEADER_TYPE_BRIDGE;
}

static struct lu_entry *entry_of(const struct pci_dev *dev)
{
	struct lu_entry *entry;

	lockdep_assert_held(&lu_lock);
	list_for_each_entry(entry, &entries, list)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/* For devices that are being set up. */
static struct lu_entry *incoming_at(const struct pci_dev *dev)
{
	struct lu_entry *entry;

	lockdep_assert_held(&lu_lock);
	list_for_each_entry(entry, &entries, list) {
		const struct pci_index_ser *where = &entry->record.where;

		if (entry->incoming && !entry->dev &&
		    where->segment == pci_domain_nr(dev->bus) &&
		    where->bus == dev->bus->number &&
		    where->devfn == dev->devfn)
			return entry;
	}
	return NULL;
}

static void set_flags(struct pci_dev *dev, unsigned long flags)
{
	lockdep_assert_held(&lu_lock);
	WRITE_ONCE(dev->liveupdate, dev->liveupdate | flags);
}

static void clear_flags(struct pci_dev *dev, unsigned long flags)
{
	lockdep_assert_held(&lu_lock);
	WRITE_ONCE(dev->liveupdate, dev->liveupdate & ~flags);
}

/* To an operator, and to a log */
static void list_entry_as(struct lu_entry *entry, const char *state,
			  const char *reason)
{
	const struct pci_index_ser *where = &entry->record.where;

	if (!entry->listed) {
		entry->item.owner = PCI_LIVEUPDATE_NAME;
		snprintf(entry->item.name, sizeof(entry->item.name),
			 "%04x:%02x:%02x.%d", where->segment, where->bus,
			 PCI_SLOT(where->devfn), PCI_FUNC(where->devfn));
		entry->item.state = state;
		entry->listed = true;
		kho_add_in_item(&entry->item);
	}
	kho_set_in_item(&entry->item, state, "%s", reason);
}

static void unlist_entry(struct lu_entry *entry)
{
	if (entry->listed)
		kho_del_in_item(&entry->item);
	entry->listed = false;
}

/* Nobody has a use for it. */
static bool entry_unused(const struct lu_entry *entry)
{
	return !entry->users && !entry->incoming;
}

static void free_entry(struct lu_entry *entry)
{
	unlist_entry(entry);
	list_del(&entry->list);
	pci_dev_put(entry->dev);
	kfree(entry);
}

/*
 * Configuration space. While a device is held pci_write_config_*() refuses, so
 * what is to be written nevertheless takes the way below it.
 */

static void write_command(struct pci_dev *dev, u16 clear)
{
	u16 command;

	pci_read_config_word(dev, PCI_COMMAND, &command);
	if (!PCI_POSSIBLE_ERROR(command) && command & clear)
		pci_bus_write_config_word(dev->bus, dev->devfn, PCI_COMMAND,
					  command & ~clear);
}

static void stop_dma(struct pci_dev *dev)
{
	write_command(dev, PCI_COMMAND_MASTER);
	dev->is_busmaster = 0;
}

static void read_header(struct pci_dev *dev, u32 *header)
{
	unsigned int i;

	for (i = 0; i < PCI_SER_HEADER_WORDS; i++)
		pci_read_config_dword(dev, 4 * i, &header[i]);
}

/* Since DMA may go on, there is nothing else that must not be written. */
static bool stops_dma(const struct pci_dev *dev, int where, int size, u32 val)
{
	u16 kept = PCI_COMMAND_MASTER, command;

	if (where > PCI_COMMAND + 1 || where + size <= PCI_COMMAND)
		return false;
	if (is_bridge(dev))
		kept |= PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
	/* All these bits are in the first byte. */
	if (where != PCI_COMMAND)
		return false;
	pci_read_config_word(dev, PCI_COMMAND, &command);
	return command & kept & ~val;
}

/**
 * __pci_liveupdate_refuses - would a write to configuration space do harm?
 * @dev: a device whose liveupdate flags are not 0
 * @where: the register
 * @size: bytes
 * @val: what is to be written
 */
bool __pci_liveupdate_refuses(const struct pci_dev *dev, int where, int size,
			      u32 val)
{
	unsigned long flags = pci_liveupdate_flags(dev);
	bool refused = false;

	if (flags & PCI_LIVEUPDATE_BLOCKED)
		return false;
	if (flags & PCI_LIVEUPDATE_HELD)
		refused = true;
	else if (flags & PCI_LIVEUPDATE_INCOMING || is_bridge(dev))
		refused = stops_dma(dev, where, size, val);
	if (!refused && flags & PCI_LIVEUPDATE_INCOMING) {
		/* BARs; of a bridge its bus numbers, windows and control, too */
		refused = where >= PCI_BASE_ADDRESS_0 &&
			  where < (is_bridge(dev) ? PCI_STD_HEADER_SIZEOF :
						    PCI_CARDBUS_CIS) &&
			  !(is_bridge(dev) && where == PCI_SEC_STATUS) &&
			  where != PCI_INTERRUPT_LINE;
	}
	if (refused)
		pci_dbg(dev, "left alone: %#x is not written to %#x\n", val,
			where);
	return refused;
}
EXPORT_SYMBOL_GPL(__pci_liveupdate_refuses);

/*
 * Old kernel
 */

/* What holds for a device and for a bridge */
static int check_common(struct pci_dev *dev, const char **why)
{
	u16 word;

	pci_read_config_word(dev, PCI_VENDOR_ID, &word);
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

		if (!is_bridge(bridge) || (type != PCI_EXP_TYPE_ROOT_PORT &&
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
	if (dev->is_virtfn) {
		*why = "virtual functions are not supported; assign a physical one";
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
	if (dev->block_cfg_access) {
		*why = "it is being reset; wait";
		return -EBUSY;
	}
	if (pci_num_vf(dev)) {
		*why = "it has virtual functions; write 0 to its sriov_numvfs";
		return -EBUSY;
	}
#ifdef CONFIG_PCI_ATS
	if (dev->ats_enabled) {
		*why = "ATS is enabled, which is not supported; boot with pci=noats";
		return -EOPNOTSUPP;
	}
#endif
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

	if (i == PCI_ROM_RESOURCE &&
	    (!res->parent || res->flags & IORESOURCE_ROM_SHADOW))
		return 0;
	return res->flags ? resource_size(res) : 0;
}

static void fill_where(struct pci_index_ser *where, const struct pci_dev *dev)
{
	unsigned long flags = pci_liveupdate_flags(dev);

	where->segment = pci_domain_nr(dev->bus);
	where->bus = dev->bus->number;
	where->devfn = dev->devfn;
	where->kind = is_bridge(dev) ? PCI_SER_BRIDGE : PCI_SER_ENDPOINT;
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
	int i, nr_bars = is_bridge(dev) ? 2 : PCI_STD_NUM_BARS;

	memset(record, 0, sizeof(*record));
	fill_where(&record->where, dev);
	read_header(dev, record->header);
	for (i = 0; i < nr_bars; i++)
		record->bar_size[i] = bar_size(dev, i);
	record->bar_size[PCI_SER_ROM] = bar_size(dev, PCI_ROM_RESOURCE);
	record->msi_cap = dev->msi_cap;
	record->msix_cap = dev->msix_cap;
	if (dev->broken_intx_masking)
		record->flags |= PCI_SER_INTX_MASK_BROKEN;
	if (is_bridge(dev)) {
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

/* Would the next kernel believe it? */
static int check_record(struct pci_dev *dev, const char **why)
{
	struct pci_dev_ser record;

	fill_record(&record, dev);
	*why = pci_record_check(&record, &record.where);
	return *why ? -EOPNOTSUPP : 0;
}

/* Find or make the entry of a device or bridge. */
static struct lu_entry *get_entry(struct pci_dev *dev)
{
	struct lu_entry *entry = entry_of(dev);

	if (entry)
		return entry;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return NULL;
	entry->dev = pci_dev_get(dev);
	list_add_tail(&entry->list, &entries);
	return entry;
}

static void put_one(struct pci_dev *dev)
{
	struct lu_entry *entry = entry_of(dev);

	if (!--entry->users) {
		clear_flags(dev, PCI_LIVEUPDATE_PRESERVED |
			    PCI_LIVEUPDATE_FROZEN);
		if (entry_unused(entry))
			free_entry(entry);
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
		set_flags(pos, PCI_LIVEUPDATE_PRESERVED);
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
	struct pci_dev *bridge;
	int rc;

	lockdep_assert_held(&lu_lock);
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
	rc = check_device(dev, why);
	rc = rc ?: check_record(dev, why);
	for (bridge = pci_upstream_bridge(dev); bridge && !rc;
	     bridge = pci_upstream_bridge(bridge))
		rc = check_record(bridge, why);
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
	mutex_lock(&lu_lock);
	rc = preserve_locked(dev, &why);
	mutex_unlock(&lu_lock);
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

	mutex_lock(&lu_lock);
	entry = entry_of(dev);
	preserved = entry && entry->users && !is_bridge(dev);
	if (preserved)
		put_users(dev);
	mutex_unlock(&lu_lock);
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

	list_for_each_entry(entry, &entries, list)
		nr++;
	pa = nr ? virt_to_phys(records) : 0;
	rc = fdt_create(subtree, subtree_size);
	rc = rc ?: fdt_finish_reservemap(subtree);
	rc = rc ?: fdt_begin_node(subtree, "");
	rc = rc ?: fdt_property_string(subtree, "compatible",
				       PCI_LIVEUPDATE_COMPATIBLE);
	rc = rc ?: fdt_property(subtree, PCI_LIVEUPDATE_PROP_RECORDS, &pa,
				sizeof(pa));
	rc = rc ?: fdt_property_placeholder(subtree,
					    PCI_LIVEUPDATE_PROP_DEVICES,
					    nr * sizeof(*index),
					    (void **)&index);
	if (rc)
		return -ENOSPC;
	list_for_each_entry(entry, &entries, list) {
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

	list_for_each_entry(entry, &entries, list) {
		if (entry->users && entry->gone)
			return refuse(owner, entry->dev,
				      "was removed; finish without it: close its session",
				      -ENODEV);
		if (!entry->users || is_bridge(entry->dev))
			continue;
		rc = check_device(entry->dev, &why);
		if (rc)
			return refuse(owner, entry->dev, why, rc);
	}
	return 0;
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
	subtree_size = PAGE_ALIGN(SZ_1K + nr * sizeof(struct pci_index_ser));
	subtree = kho_alloc_preserve(subtree_size);
	if (IS_ERR(subtree)) {
		rc = PTR_ERR(subtree);
		goto err_free_records;
	}
	rc = write_out();
	rc = rc ?: kho_add_subtree(PCI_LIVEUPDATE_NAME, subtree);
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

static int lu_activate(struct kho_owner *owner)
{
	struct lu_entry *entry;
	int rc, nr = 0;

	mutex_lock(&lu_lock);
	rc = check_preserved(owner);
	if (rc)
		goto out_unlock;
	list_for_each_entry(entry, &entries, list) {
		if (entry->dev) {
			fill_record(&entry->record, entry->dev);
			entry->damaged = NULL;
		}
		nr++;
	}
	subtree = NULL;
	if (nr)
		rc = make_subtree(owner, nr);
	if (rc)
		goto out_unlock;
	list_for_each_entry(entry, &entries, list)
		if (entry->users)
			set_flags(entry->dev, PCI_LIVEUPDATE_FROZEN);
	active = true;
out_unlock:
	mutex_unlock(&lu_lock);
	return rc;
}

static void lu_deactivate(struct kho_owner *owner)
{
	struct lu_entry *entry;

	mutex_lock(&lu_lock);
	active = false;
	list_for_each_entry(entry, &entries, list)
		if (entry->dev)
			clear_flags(entry->dev, PCI_LIVEUPDATE_FROZEN);
	if (subtree) {
		kho_remove_subtree(subtree);
		kho_unpreserve_free(subtree);
		kho_unpreserve_free(records);
		subtree = NULL;
	}
	mutex_unlock(&lu_lock);
}

static int lu_finalize(struct kho_owner *owner)
{
	struct lu_entry *entry;
	int rc = 0;

	mutex_lock(&lu_lock);
	if (!subtree)
		goto out_unlock;
	rc = check_preserved(owner);
	if (rc)
		goto out_unlock;
	list_for_each_entry(entry, &entries, list)
		if (entry->dev)
			fill_volatile(&entry->record, entry->dev);
	rc = write_out();
	final = !rc && !list_empty(&entries);
out_unlock:
	mutex_unlock(&lu_lock);
	return rc;
}

static void lu_unfinalize(struct kho_owner *owner)
{
	mutex_lock(&lu_lock);
	final = false;
	mutex_unlock(&lu_lock);
}

static const struct kho_owner_ops lu_ops = {
	.activate = lu_activate,
	.deactivate = lu_deactivate,
	.finalize = lu_finalize,
	.unfinalize = lu_unfinalize,
};

static struct kho_owner lu_owner = {
	.name = PCI_LIVEUPDATE_NAME,
	.ops = &lu_ops,
};

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
	if (bir < PCI_STD_NUM_BARS && command & PCI_COMMAND_MEMORY &&
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
			stop_dma(dev);
		return false;
	}
	if (is_bridge(dev)) {
		/* Services of the port end, with its own interrupt. */
		if (dev->driver && dev->driver->shutdown)
			dev->driver->shutdown(dev);
		return true;
	}
	if (dev->msix_cap)
		mask_msix(dev);
	if (dev->msi_cap)
		mask_msi(dev);
	return true;
}

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
	stop_dma(dev);
	pr_warn("%04x:%02x:%02x.%d was not handed over and has bus master on: switched off\n",
		pci_domain_nr(dev->bus), dev->bus->number,
		PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));
}

static void block_entry(struct lu_entry *entry, struct pci_dev *dev,
			const char *reason)
{
	/* First of all, DMA must have stopped. */
	stop_dma(dev);
	clear_flags(dev, PCI_LIVEUPDATE_HELD);
	set_flags(dev, PCI_LIVEUPDATE_BLOCKED);
	list_entry_as(entry, "blocked", reason);
	kho_note_device(&dev->dev, "block", 0);
	pr_err("%s: blocked, bus master is off: %s; discard it\n",
	       entry->item.name, reason);
}

static void setup_incoming(struct lu_entry *entry, struct pci_dev *dev)
{
	bool bridge = entry->record.where.kind & PCI_SER_BRIDGE;
	const char *wrong = entry->damaged;
	u32 header[PCI_SER_HEADER_WORDS];

	read_header(dev, header);
	/* With a damaged record there is nothing else to tell by. */
	if (bridge != is_bridge(dev) ||
	    (!wrong && !pci_record_is_of(&entry->record, header))) {
		list_entry_as(entry, "missing", "another device is there");
		pr_err("%s: was handed over, but another device is there: %04x:%04x\n",
		       entry->item.name, dev->vendor, dev->device);
		setup_unknown(dev);
		return;
	}
	if (!wrong)
		wrong = pci_record_compare(&entry->record, header);
	if (!wrong && entry->record.where.kind & PCI_SER_BLOCKED)
		wrong = "the kernel before could not use it";

	set_flags(dev, PCI_LIVEUPDATE_INCOMING | PCI_LIVEUPDATE_HELD);
	if (wrong && !bridge) {
		block_entry(entry, dev, wrong);
		return;
	}
	/* What is in a bridge's registers is in force for all below it. */
	if (wrong)
		pr_warn("%s: the bridge is kept as it is, although %s\n",
			entry->item.name, wrong);
	list_entry_as(entry, "pending", "");
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

	if (!handed_over || dev->is_virtfn)
		return;
	mutex_lock(&lu_lock);
	entry = incoming_at(dev);
	if (entry)
		setup_incoming(entry, dev);
	else
		setup_unknown(dev);
	mutex_unlock(&lu_lock);
}

/**
 * pci_liveupdate_size_bar - what would a BAR read after writing all ones to it?
 * @dev: a device that is being set up
 * @reg: the register
 * @mask: what it reads now; changed for a device that is held
 *
 * Hook in __pci_read_base(), after writing.
 */
void pci_liveupdate_size_bar(const struct pci_dev *dev, int reg, u32 *mask)
{
	struct lu_entry *entry;

	if (!(pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_HELD))
		return;
	mutex_lock(&lu_lock);
	entry = incoming_at(dev);
	if (entry && !entry->damaged)
		*mask = pci_record_bar_mask(&entry->record, reg);
	else
		*mask = 0;
	mutex_unlock(&lu_lock);
}

static void add_incoming(struct lu_entry *entry, struct pci_dev *dev)
{
	u32 flags = entry->damaged ? 0 : entry->record.flags;
	u16 command;
	int i;

	entry->dev = pci_dev_get(dev);
	/* Until finish */
	pm_runtime_get_noresume(&dev->dev);
	if (pci_liveupdate_is_blocked(dev))
		return;

	/* Unknown otherwise, which vfio-pci takes for a reason to restore it. */
	pci_update_current_state(dev, PCI_D0);
	pci_read_config_word(dev, PCI_COMMAND, &command);
	dev->is_busmaster = !!(command & PCI_COMMAND_MASTER);
	if (!entry->damaged)
		dev->broken_intx_masking = !!(flags & PCI_SER_INTX_MASK_BROKEN);
	if (is_bridge(dev)) {
		dev->io_window |= !!(flags & PCI_SER_IO_WINDOW);
		dev->pref_window |= !!(flags & PCI_SER_PREF_WINDOW);
		dev->pref_64_window |= !!(flags & PCI_SER_PREF_64_WINDOW);
	}
	for (i = 0; i <= PCI_ROM_RESOURCE; i++)
		if (dev->resource[i].flags)
			dev->resource[i].flags |= IORESOURCE_PCI_FIXED;
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
	struct lu_entry *entry;

	if (!pci_liveupdate_is_incoming(dev))
		return;
	mutex_lock(&lu_lock);
	entry = incoming_at(dev);
	if (entry)
		add_incoming(entry, dev);
	mutex_unlock(&lu_lock);
	if (!is_bridge(dev) &&
	    device_set_driver_override(&dev->dev, DRIVER_NAME))
		pci_warn(dev, "driver_override is not set: no memory\n");
}

/**
 * pci_liveupdate_keeps_buses - must bus numbers stay as they are?
 */
bool pci_liveupdate_keeps_buses(void)
{
	bool keeps;

	mutex_lock(&lu_lock);
	keeps = !list_empty(&entries);
	mutex_unlock(&lu_lock);
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
	if (!is_bridge(dev) && strcmp(driver->name, DRIVER_NAME))
		return -ENODEV;
	mutex_lock(&lu_lock);
	clear_flags(dev, PCI_LIVEUPDATE_HELD);
	mutex_unlock(&lu_lock);
	return 0;
}

/* Removal cannot be refused: the device may have been pulled. */
void __pci_liveupdate_remove(struct pci_dev *dev)
{
	struct lu_entry *entry;

	mutex_lock(&lu_lock);
	entry = entry_of(dev);
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
	clear_flags(dev, ~0UL);
	if (entry_unused(entry))
		free_entry(entry);
out_unlock:
	mutex_unlock(&lu_lock);
}

/*
 * Next kernel: what becomes of a device
 */

static void release_incoming(struct lu_entry *entry)
{
	struct pci_dev *dev = entry->dev;
	int i;

	for (i = 0; i <= PCI_ROM_RESOURCE; i++)
		dev->resource[i].flags &= ~IORESOURCE_PCI_FIXED;
	clear_flags(dev, PCI_LIVEUPDATE_INCOMING | PCI_LIVEUPDATE_HELD |
		    PCI_LIVEUPDATE_BLOCKED);
	pm_runtime_put(&dev->dev);
	entry->incoming = false;
	unlist_entry(entry);
	if (entry_unused(entry))
		free_entry(entry);
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

	list_for_each_entry(entry, &entries, list)
		if (entry->incoming && entry->dev && !is_bridge(entry->dev) &&
		    is_above(bridge, entry->dev))
			return true;
	return false;
}

/* Bridges above nothing that was handed over are ordinary ones again. */
static void release_bridges(void)
{
	struct lu_entry *entry, *next;

	lockdep_assert_held(&lu_lock);
	list_for_each_entry_safe(entry, next, &entries, list)
		if (entry->incoming && entry->dev && is_bridge(entry->dev) &&
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

	mutex_lock(&lu_lock);
	entry = entry_of(dev);
	if (entry && entry->incoming && !is_bridge(dev)) {
		kho_note_device(&dev->dev, "finish", 0);
		release_incoming(entry);
		release_bridges();
	}
	mutex_unlock(&lu_lock);
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

/**
 * pci_liveupdate_discard - give a device up that was handed over
 * @dev: the device, not in use
 *
 * Its bus master is switched off and it is reset. It is an ordinary device then,
 * for any driver. To be called before what it did DMA to is freed.
 *
 * Context: may sleep; without the device's lock.
 * Return: 0; -ENOENT when it was not handed over; or why it could not be reset, and
 * it is an ordinary device, with bus master off, nevertheless
 */
int pci_liveupdate_discard(struct pci_dev *dev)
{
	struct lu_entry *entry;
	int rc;

	mutex_lock(&lu_lock);
	entry = entry_of(dev);
	if (!entry || !entry->incoming || is_bridge(dev)) {
		mutex_unlock(&lu_lock);
		return -ENOENT;
	}
	clear_flags(dev, PCI_LIVEUPDATE_HELD);
	set_flags(dev, PCI_LIVEUPDATE_BLOCKED);
	stop_dma(dev);
	mutex_unlock(&lu_lock);

	disable_msi(dev);
	rc = pci_reset_function(dev);
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

	mutex_lock(&lu_lock);
	entry = entry_of(dev);
	if (entry && entry->incoming && !is_bridge(dev) &&
	    !pci_liveupdate_is_blocked(dev))
		block_entry(entry, dev, reason);
	mutex_unlock(&lu_lock);
}
EXPORT_SYMBOL_GPL(pci_liveupdate_block);

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
	list_add_tail(&entry->list, &entries);
	list_entry_as(entry, "missing", wrong ?: "no such device was found");
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
	return NULL;
}

/* Before the first device is enumerated */
static int __init lu_read(void)
{
	struct lu_entry *entry, *next;
	void *fdt, *folio = NULL;
	const char *wrong;
	phys_addr_t pa;
	int rc;

	rc = kho_retrieve_subtree(PCI_LIVEUPDATE_NAME, &pa);
	if (rc == -ENOENT)
		return 0;
	handed_over = true;
	if (rc) {
		pr_err("the list of devices cannot be read: bus master is switched off wherever it is on\n");
		return 0;
	}
	fdt = phys_to_virt(pa);
	mutex_lock(&lu_lock);
	wrong = read_subtree(fdt, &folio);
	if (wrong) {
		list_for_each_entry_safe(entry, next, &entries, list)
			free_entry(entry);
	}
	mutex_unlock(&lu_lock);
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

/* After the sessions and before the IOMMU, whose owner asks after the devices */
static int __init lu_init(void)
{
	if (!kho_is_enabled())
		return 0;
	return kho_register_owner(&lu_owner);
}
fs_initcall_sync(lu_init);

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

	mutex_lock(&lu_lock);
	list_for_each_entry(entry, &entries, list) {
		struct pci_dev *dev = entry->dev;

		if (!dev) {
			pr_err("%s: was handed over, and is not there\n",
			       entry->item.name);
			continue;
		}
		if (!entry->incoming || is_bridge(dev) ||
		    pci_liveupdate_is_blocked(dev))
			continue;
		if (!bars_claimed(dev))
			block_entry(entry, dev, "a BAR is in another device's way");
		else if (IS_ENABLED(CONFIG_IOMMU_LIVEUPDATE) &&
			 !iommu_device_is_restored(&dev->dev))
			block_entry(entry, dev, "the IOMMU does not translate for it");
	}
	release_bridges();
	mutex_unlock(&lu_lock);
	return 0;
}
device_initcall(lu_check);

#ifdef CONFIG_KHO_TEST
/* For tests that damage what crosses: the record of a device, or the list of all */
void *pci_liveupdate_test_record(const struct pci_dev *dev, size_t *size)
{
	struct lu_entry *entry;
	unsigned int i = 0;
	void *found = NULL;

	mutex_lock(&lu_lock);
	if (final && !dev) {
		*size = fdt_totalsize(subtree);
		found = subtree;
	} else if (final) {
		*size = sizeof(*records);
		list_for_each_entry(entry, &entries, list) {
			if (entry->dev == dev)
				found = &records[i];
			i++;
		}
	}
	mutex_unlock(&lu_lock);
	return found;
}
#endif
