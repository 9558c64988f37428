// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices that go on doing DMA across a kexec: what there is of them. See
 * liveupdate_preserve.c for the old kernel, liveupdate_restore.c for the next one,
 * and liveupdate_config.c for what must not be written to them.
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
 * Locks: pci_lu_lock for the entries, the records, and the flags in struct pci_dev,
 * which are read without it. It is taken below kho_lock, sessions' mutexes and
 * the lock for rescanning and removing devices, and held over nothing but
 * reading and writing configuration space, waiting for the end of a reset, and
 * functions of the handover core for memory, subtrees and items.
 */
#include <linux/kho.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "pci.h"
#include "liveupdate.h"

/* Entries, records, and the flags in struct pci_dev, which are read without it */
DEFINE_MUTEX(pci_lu_lock);
LIST_HEAD(pci_lu_entries);

struct lu_entry *pci_lu_entry_of(const struct pci_dev *dev)
{
	struct lu_entry *entry;

	lockdep_assert_held(&pci_lu_lock);
	list_for_each_entry(entry, &pci_lu_entries, list)
		if (entry->dev == dev)
			return entry;
	return NULL;
}

/* For devices that are being set up. */
struct lu_entry *pci_lu_incoming_at(const struct pci_dev *dev)
{
	struct lu_entry *entry;

	lockdep_assert_held(&pci_lu_lock);
	list_for_each_entry(entry, &pci_lu_entries, list) {
		const struct pci_index_ser *where = &entry->record.where;

		if (entry->incoming && !entry->dev &&
		    where->segment == pci_domain_nr(dev->bus) &&
		    where->bus == dev->bus->number &&
		    where->devfn == dev->devfn)
			return entry;
	}
	return NULL;
}

void pci_lu_change_flags(struct pci_dev *dev, unsigned long set,
			 unsigned long clear)
{
	lockdep_assert_held(&pci_lu_lock);
	WRITE_ONCE(dev->liveupdate, (dev->liveupdate | set) & ~clear);
}

/*
 * Whether a device is frozen changes only while no reset is under way, which is when
 * somebody has locked its configuration space: a reset leaves a frozen device alone from
 * its beginning to its end, see pci_dev_save_and_disable(). Resets end by themselves: each
 * has a time-out.
 */
void pci_lu_set_flags(struct pci_dev *dev, unsigned long flags)
{
	pci_cfg_access_lock(dev);
	pci_lu_change_flags(dev, flags, 0);
	pci_cfg_access_unlock(dev);
}

void pci_lu_clear_flags(struct pci_dev *dev, unsigned long flags)
{
	pci_cfg_access_lock(dev);
	pci_lu_change_flags(dev, 0, flags);
	pci_cfg_access_unlock(dev);
}

/* Return: false when it is being reset */
bool pci_lu_try_set_flags(struct pci_dev *dev, unsigned long flags)
{
	if (!pci_cfg_access_trylock(dev))
		return false;
	pci_lu_change_flags(dev, flags, 0);
	pci_cfg_access_unlock(dev);
	return true;
}

/* To an operator, and to a log */
void pci_lu_list_entry(struct lu_entry *entry, const char *state,
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

void pci_lu_unlist_entry(struct lu_entry *entry)
{
	if (entry->listed)
		kho_del_in_item(&entry->item);
	entry->listed = false;
}

/* Nobody has a use for it. */
bool pci_lu_entry_unused(const struct lu_entry *entry)
{
	return !entry->users && !entry->incoming;
}

void pci_lu_free_entry(struct lu_entry *entry)
{
	pci_lu_unlist_entry(entry);
	list_del(&entry->list);
	pci_dev_put(entry->dev);
	kfree(entry);
}
