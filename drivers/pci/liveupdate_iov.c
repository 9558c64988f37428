// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices that go on doing DMA across a kexec and are virtual functions, or have some
 * (SR-IOV).
 *
 * Life cycle: a virtual function can be preserved when its physical function is, as only
 * with that one left alone it goes on. Those that nobody preserves end like any device.
 * What is recorded of the physical function lets the next kernel set up its SR-IOV
 * capability without writing to it: there it is what it was, from the moment that the
 * device is found. When the addresses of devices are claimed all virtual functions are
 * added, and those that were preserved are found in the record, like any device. As long
 * as there is one of them that is not finished, its physical function is not reset and
 * virtual functions are neither made nor removed, whether it is finished itself or not.
 * If a physical function is blocked before its virtual functions are there, they are
 * switched off.
 *
 * Locks: that of liveupdate.c for the list of devices; that for rescanning and removing
 * devices, above it, while virtual functions are added or removed.
 */
#define pr_fmt(fmt) "kho: pci: " fmt

#include <linux/init.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "pci.h"
#include "liveupdate.h"

static_assert(PCI_SER_NR_VF_BARS == PCI_SRIOV_NUM_BARS);

static bool is_known(const struct lu_entry *entry)
{
	return entry && (entry->users || entry->incoming);
}

/* What is in the registers */
static void read_sriov(struct pci_dev *dev, int pos, struct pci_sriov_ser *sriov)
{
	unsigned int i;

	pci_read_config_word(dev, pos + PCI_SRIOV_CTRL, &sriov->ctrl);
	pci_read_config_word(dev, pos + PCI_SRIOV_NUM_VF, &sriov->num_vfs);
	pci_read_config_word(dev, pos + PCI_SRIOV_VF_OFFSET, &sriov->offset);
	pci_read_config_word(dev, pos + PCI_SRIOV_VF_STRIDE, &sriov->stride);
	pci_read_config_dword(dev, pos + PCI_SRIOV_SYS_PGSIZE,
			      &sriov->page_size);
	for (i = 0; i < PCI_SER_NR_VF_BARS; i++)
		pci_read_config_dword(dev, pos + PCI_SRIOV_BAR + 4 * i,
				      &sriov->bar[i]);
}

/* Has it a virtual function that is preserved, or one that was handed over and is not finished? */
static bool has_vf(const struct pci_dev *physfn, bool preserved)
{
	struct lu_entry *entry;

	lockdep_assert_held(&pci_lu_lock);
	list_for_each_entry(entry, &pci_lu_entries, list)
		if ((entry->incoming || (preserved && entry->users)) &&
		    entry->dev && entry->dev->is_virtfn &&
		    entry->dev->physfn == physfn)
			return true;
	return false;
}

/*
 * Old kernel
 */

/* One that stays would switch the routing ids of the others off and on. */
static bool first_one_stays(const struct pci_dev *dev)
{
	struct pci_dev *first = dev->sriov->dev;

	return first != dev && first->is_physfn && first->sriov->num_VFs &&
	       !is_known(pci_lu_entry_of(first));
}

static int check_physfn(struct pci_dev *dev, const char **why)
{
	struct pci_sriov *iov = dev->sriov;
	struct pci_sriov_ser now;

	read_sriov(dev, iov->pos, &now);
	if (now.num_vfs != iov->num_VFs ||
	    !!(now.ctrl & PCI_SRIOV_CTRL_VFE) != !!iov->num_VFs) {
		*why = "its virtual functions are being made or removed; wait";
		return -EBUSY;
	}
	if (iov->num_VFs && first_one_stays(dev)) {
		*why = "another function of it has some, too; preserve that first";
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * pci_lu_iov_check - can a device go on, as far as virtual functions are concerned?
 * @dev: any device
 * @why: set to what is in the way
 *
 * Return: 0 or an errno
 */
int pci_lu_iov_check(struct pci_dev *dev, const char **why)
{
	lockdep_assert_held(&pci_lu_lock);
	if (dev->is_physfn)
		return check_physfn(dev, why);
	if (dev->is_virtfn && !is_known(pci_lu_entry_of(dev->physfn))) {
		pci_info(dev->physfn,
			 "is not preserved, and neither can its virtual functions be\n");
		*why = "its physical function is not preserved; preserve that first";
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * pci_lu_iov_check_handed_on - can what was handed over be handed on?
 * @entry: its entry
 * @why: set to what is in the way
 *
 * The physical function may have been finished before its virtual functions.
 *
 * Return: 0 or an errno
 */
int pci_lu_iov_check_handed_on(const struct lu_entry *entry, const char **why)
{
	if (!entry->incoming || !entry->dev || !entry->dev->is_virtfn ||
	    is_known(pci_lu_entry_of(entry->dev->physfn)))
		return 0;
	*why = "its physical function would not be handed on; finish it, or preserve that";
	return -EBUSY;
}

/**
 * pci_lu_iov_changed - does a device have the virtual functions that it had at activate?
 * @entry: its entry
 *
 * Return: NULL, or what differs
 */
const char *pci_lu_iov_changed(const struct lu_entry *entry)
{
	struct pci_sriov_ser now;

	if (!entry->sriov.page_size)
		return NULL;
	read_sriov(entry->dev, entry->dev->sriov->pos, &now);
	return pci_sriov_compare(&entry->sriov, &now);
}

/* At activate, with the device's record */
void pci_lu_iov_fill(struct lu_entry *entry)
{
	struct pci_dev *dev = entry->dev;
	unsigned int i;

	memset(&entry->sriov, 0, sizeof(entry->sriov));
	if (dev->is_virtfn)
		entry->record.flags |= PCI_SER_VF;
	if (!dev->is_physfn)
		return;
	entry->sriov.where = entry->record.where;
	read_sriov(dev, dev->sriov->pos, &entry->sriov);
	entry->sriov.last_bus = dev->sriov->max_VF_buses;
	for (i = 0; i < PCI_SER_NR_VF_BARS; i++)
		entry->sriov.bar_size[i] = dev->sriov->barsz[i];
}

/* Is there anything that a kernel without these functions could not take over? */
bool pci_lu_iov_needed(void)
{
	struct lu_entry *entry;

	lockdep_assert_held(&pci_lu_lock);
	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->sriov.num_vfs || entry->record.flags & PCI_SER_VF)
			return true;
	return false;
}

/* The property, into a subtree that is being written */
int pci_lu_iov_write(void *fdt)
{
	struct pci_sriov_ser *sriov;
	struct lu_entry *entry;
	u32 nr = 0, i = 0;
	int rc;

	list_for_each_entry(entry, &pci_lu_entries, list)
		nr += !!entry->sriov.page_size;
	if (!nr)
		return 0;
	rc = fdt_property_placeholder(fdt, PCI_LIVEUPDATE_PROP_SRIOV,
				      nr * sizeof(*sriov), (void **)&sriov);
	if (rc)
		return rc;
	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->sriov.page_size)
			memcpy(&sriov[i++], &entry->sriov, sizeof(*sriov));
	return 0;
}

/**
 * pci_liveupdate_can_change_vfs - userspace wants to make or remove virtual functions
 * @dev: the physical function
 *
 * Return: 0, or -EBUSY
 */
int pci_liveupdate_can_change_vfs(struct pci_dev *dev)
{
	bool busy;

	mutex_lock(&pci_lu_lock);
	busy = pci_liveupdate_is_frozen(dev) || has_vf(dev, true);
	mutex_unlock(&pci_lu_lock);
	if (!busy)
		return 0;
	pci_err(dev, "changing its virtual functions is refused: it, or one of them, is preserved for the next kexec, or was handed over to this kernel\n");
	return -EBUSY;
}

/*
 * Next kernel
 */

static struct lu_entry *entry_at(const struct pci_index_ser *where)
{
	struct lu_entry *entry;

	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->record.where.segment == where->segment &&
		    entry->record.where.bus == where->bus &&
		    entry->record.where.devfn == where->devfn)
			return entry;
	return NULL;
}

/**
 * pci_lu_iov_take - read what was recorded
 * @fdt: the subtree
 * @index: the list of devices, each of which has its entry
 * @nr: entries of it
 *
 * Return: NULL, or what is wrong
 */
const char * __init pci_lu_iov_take(const void *fdt,
				    const struct pci_index_ser *index, size_t nr)
{
	const void *prop;
	const char *wrong;
	struct pci_sriov_ser *list;
	int len, i;

	prop = fdt_getprop(fdt, 0, PCI_LIVEUPDATE_PROP_SRIOV, &len);
	if (!prop)
		return NULL;
	if (len % sizeof(*list))
		return "no list of virtual functions";
	/* A property is aligned to 4 bytes only. */
	list = kmemdup(prop, len, GFP_KERNEL);
	if (!list)
		return "no memory";
	len /= sizeof(*list);
	wrong = pci_sriov_check(list, len, index, nr);
	for (i = 0; i < len && !wrong; i++)
		entry_at(&list[i].where)->sriov = list[i];
	kfree(list);
	return wrong;
}

/**
 * pci_lu_iov_bar_mask - as pci_record_bar_mask(), for BARs of virtual functions
 * @dev: a physical function that is held
 * @sriov: what was recorded
 * @reg: a register in extended configuration space
 *
 * Return: the value, 0 when it is none of these registers
 */
u32 pci_lu_iov_bar_mask(struct pci_dev *dev, const struct pci_sriov_ser *sriov,
			int reg)
{
	int pos = pci_find_ext_capability(dev, PCI_EXT_CAP_ID_SRIOV);

	return pci_sriov_bar_mask(sriov, (reg - pos - PCI_SRIOV_BAR) / 4);
}

/* The BARs, each of which serves all virtual functions that there can be */
static bool read_bars(struct pci_dev *dev, struct pci_sriov *iov)
{
	struct resource *res;
	int i, is_64;

	for (i = 0; i < PCI_SRIOV_NUM_BARS; i++) {
		res = &dev->resource[PCI_IOV_RESOURCES + i];
		is_64 = __pci_read_base(dev, pci_bar_unknown, res,
					iov->pos + PCI_SRIOV_BAR + 4 * i);
		if (!res->flags)
			continue;
		if (!PAGE_ALIGNED(resource_size(res)))
			return false;
		iov->barsz[i] = resource_size(res);
		res->end = res->start + iov->barsz[i] * iov->total_VFs - 1;
		iov->nres++;
		i += is_64;
	}
	return true;
}

static void clear_bars(struct pci_dev *dev)
{
	int i;

	for (i = PCI_IOV_RESOURCES; i <= PCI_IOV_RESOURCE_END; i++)
		dev->resource[i].flags = 0;
}

/* The function of the device that has the lowest number */
static struct pci_dev *first_physfn(struct pci_dev *dev)
{
	struct pci_dev *pos;

	list_for_each_entry(pos, &dev->bus->devices, bus_list)
		if (pos->is_physfn)
			return pci_dev_get(pos);
	return dev;
}

static const char *adopt(struct pci_dev *dev, struct pci_sriov *iov,
			 const struct pci_sriov_ser *sriov)
{
	struct pci_sriov_ser now;
	const char *wrong;
	int pos = iov->pos;

	read_sriov(dev, pos, &now);
	wrong = pci_sriov_compare(sriov, &now);
	if (wrong)
		return wrong;
	pci_read_config_dword(dev, pos + PCI_SRIOV_CAP, &iov->cap);
	pci_read_config_word(dev, pos + PCI_SRIOV_TOTAL_VF, &iov->total_VFs);
	pci_read_config_word(dev, pos + PCI_SRIOV_INITIAL_VF, &iov->initial_VFs);
	pci_read_config_word(dev, pos + PCI_SRIOV_VF_DID, &iov->vf_device);
	pci_read_config_byte(dev, pos + PCI_SRIOV_FUNC_LINK, &iov->link);
	if (pci_pcie_type(dev) == PCI_EXP_TYPE_RC_END)
		iov->link = PCI_DEVFN(PCI_SLOT(dev->devfn), iov->link);
	if (now.num_vfs > iov->total_VFs || !read_bars(dev, iov)) {
		clear_bars(dev);
		return "its virtual functions make no sense";
	}
	iov->ctrl = now.ctrl;
	iov->offset = now.offset;
	iov->stride = now.stride;
	iov->pgsz = now.page_size;
	iov->max_VF_buses = sriov->last_bus;
	iov->driver_max_VFs = iov->total_VFs;
	iov->drivers_autoprobe = true;
	iov->self = dev;
	iov->dev = first_physfn(dev);
	return NULL;
}

/**
 * pci_lu_iov_adopt - as pci_iov_init(), without a write
 * @dev: a device that was handed over, and is held
 * @sriov: what was recorded; its page_size is 0 when there is nothing
 *
 * Return: NULL, or why its virtual functions cannot go on
 */
const char *pci_lu_iov_adopt(struct pci_dev *dev,
			     const struct pci_sriov_ser *sriov)
{
	int pos = pci_find_ext_capability(dev, PCI_EXT_CAP_ID_SRIOV);
	struct pci_sriov *iov;
	const char *wrong;
	u16 ctrl;

	if (!pos)
		return sriov->page_size ? "its virtual functions are out of reach" :
					  NULL;
	if (!sriov->page_size) {
		/* From a kernel that hands over no virtual functions */
		pci_read_config_word(dev, pos + PCI_SRIOV_CTRL, &ctrl);
		return ctrl & PCI_SRIOV_CTRL_VFE ?
		       "it has virtual functions that were not handed over" : NULL;
	}
	iov = kzalloc(sizeof(*iov), GFP_KERNEL);
	if (!iov)
		return "no memory";
	iov->pos = pos;
	wrong = adopt(dev, iov, sriov);
	if (wrong) {
		kfree(iov);
		return wrong;
	}
	dev->sriov = iov;
	dev->is_physfn = 1;
	return NULL;
}

/* A virtual function goes on: so must the physical one. */
void pci_lu_iov_add(struct pci_dev *dev)
{
	if (dev->is_virtfn)
		pci_lu_set_flags(dev->physfn, PCI_LIVEUPDATE_VFS);
}

/* A virtual function is finished, or was removed. */
void pci_lu_iov_release(struct pci_dev *dev)
{
	if (dev->is_virtfn && !has_vf(dev->physfn, false))
		pci_lu_clear_flags(dev->physfn, PCI_LIVEUPDATE_VFS);
}

/**
 * pci_lu_iov_remove - a device that was preserved or handed over is removed
 * @dev: the device
 *
 * Its virtual functions are removed before it; the driver that usually does so may not have
 * been bound yet.
 *
 * Context: with the lock for removing devices, without that of liveupdate.c
 */
void pci_lu_iov_remove(struct pci_dev *dev)
{
	if (dev->is_physfn)
		pci_disable_sriov(dev);
}

static const char * __init add_vfs(struct pci_dev *dev)
{
	struct pci_sriov *iov = dev->sriov;
	u16 nr, i;
	int bar;

	for (bar = PCI_IOV_RESOURCES; bar <= PCI_IOV_RESOURCE_END; bar++)
		if (dev->resource[bar].flags && !dev->resource[bar].parent)
			return "a BAR of its virtual functions is in another device's way";
	pci_read_config_word(dev, iov->pos + PCI_SRIOV_NUM_VF, &nr);
	for (i = 0; i < nr; i++) {
		if (pci_iov_add_virtfn(dev, i))
			goto err_remove;
	}
	iov->num_VFs = nr;
	return NULL;

err_remove:
	while (i--)
		pci_iov_remove_virtfn(dev, i);
	return "a virtual function cannot be added";
}

/**
 * pci_lu_iov_add_vfs - add the virtual functions of a device that was handed over
 * @dev: the device, adopted
 *
 * Context: with the lock for rescanning, without that of liveupdate.c
 * Return: NULL, or why there are none, and they are switched off
 */
const char * __init pci_lu_iov_add_vfs(struct pci_dev *dev)
{
	struct pci_sriov *iov = dev->sriov;
	const char *wrong;

	if (!dev->is_physfn || !(iov->ctrl & PCI_SRIOV_CTRL_VFE))
		return NULL;
	wrong = pci_liveupdate_is_blocked(dev) ? "it is blocked" : add_vfs(dev);
	if (!wrong)
		return NULL;
	iov->ctrl &= ~(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
	pci_bus_write_config_word(dev->bus, dev->devfn,
				  iov->pos + PCI_SRIOV_CTRL, iov->ctrl);
	pci_bus_write_config_word(dev->bus, dev->devfn,
				  iov->pos + PCI_SRIOV_NUM_VF, 0);
	return wrong;
}
