// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices that go on through a kexec, and somebody who wants to have one: its driver
 * unbound, or its slot switched off.
 *
 * Life cycle: as long as a device is preserved such a wish of userspace is refused; of one
 * that was handed over, and is not finished, only the second, as nobody uses it before it
 * is retrieved. A device that is pulled cannot be refused, and who was a little faster than
 * preserve cannot either: its driver then waits for the device's user, with the device
 * locked. So activate, finalize and the jump are refused while a
 * driver is leaving. From the moment that the jump has been asked no driver is told to
 * leave any more: that could wait for a user who is not there any more, and shutdown
 * would wait for the lock.
 *
 * Locks: that of liveupdate.c, for all that is below.
 */
#include <linux/kho.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/rwsem.h>

#include "pci.h"
#include "liveupdate.h"

/* The jump was asked, and was not refused. */
static bool leaving;

static const char *reason(const struct pci_dev *dev)
{
	if (pci_liveupdate_is_preserved(dev))
		return "is preserved for the next kexec: close its session first";
	if (pci_liveupdate_is_incoming(dev))
		return "was handed over to this kernel: finish or discard it first";
	return "has virtual functions that were handed over: finish them first";
}

static int refuse(struct pci_dev *dev, const char *what)
{
	pci_err(dev, "%s is refused: the device %s\n", what, reason(dev));
	return -EBUSY;
}

/**
 * pci_liveupdate_can_unbind - userspace wants the driver to leave
 * @dev: a PCI device
 *
 * Return: 0, or -EBUSY for a device that is preserved, or a bridge above one, or one whose
 * virtual functions would be removed
 */
int pci_liveupdate_can_unbind(struct device *dev)
{
	if (!pci_liveupdate_is_preserved(to_pci_dev(dev)) &&
	    !pci_liveupdate_has_vfs(to_pci_dev(dev)))
		return 0;
	return refuse(to_pci_dev(dev), "unbinding its driver");
}

/**
 * pci_liveupdate_power_off - userspace wants to switch off a slot
 * @slot: the slot
 *
 * Return: 0, or -EBUSY when there is a device that has to stay, or a bridge above one
 */
int pci_liveupdate_power_off(const struct pci_slot *slot)
{
	struct pci_dev *dev;
	int rc = 0;

	down_read(&pci_bus_sem);
	list_for_each_entry(dev, &slot->bus->devices, bus_list) {
		if (PCI_SLOT(dev->devfn) != slot->number ||
		    !pci_liveupdate_must_stay(dev))
			continue;
		rc = refuse(dev, "switching its slot off");
		break;
	}
	up_read(&pci_bus_sem);
	return rc;
}

/**
 * pci_liveupdate_unbind - a driver is about to leave
 * @dev: any device, locked
 *
 * Hook in pci_device_remove().
 *
 * Return: false when the driver must not be told
 */
bool pci_liveupdate_unbind(struct pci_dev *dev)
{
	bool may;

	mutex_lock(&pci_lu_lock);
	may = !leaving || !pci_liveupdate_must_stay(dev);
	if (may)
		pci_lu_change_flags(dev, PCI_LIVEUPDATE_UNBINDING, 0);
	mutex_unlock(&pci_lu_lock);
	return may;
}

/**
 * pci_liveupdate_unbound - a driver has left
 * @dev: the device
 *
 * To be called when pci_liveupdate_unbind() returned true.
 */
void pci_liveupdate_unbound(struct pci_dev *dev)
{
	mutex_lock(&pci_lu_lock);
	pci_lu_change_flags(dev, 0, PCI_LIVEUPDATE_UNBINDING);
	mutex_unlock(&pci_lu_lock);
}

/* Is the driver of a device leaving, or waiting to? */
bool pci_lu_is_unbinding(const struct pci_dev *dev)
{
	return pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_UNBINDING;
}

/**
 * pci_lu_leave - the jump begins
 * @owner: for whom it is refused
 *
 * No driver is told to leave a device that goes on from now on.
 *
 * Return: 0, or -EBUSY when a driver is leaving any device: shutdown would wait for it
 */
int pci_lu_leave(struct kho_owner *owner)
{
	struct pci_dev *dev = NULL;

	lockdep_assert_held(&pci_lu_lock);
	for_each_pci_dev(dev) {
		if (!pci_lu_is_unbinding(dev))
			continue;
		kho_refuse(owner, "%s: its driver is leaving: wait, or end who uses the device",
			   pci_name(dev));
		pci_dev_put(dev);
		return -EBUSY;
	}
	leaving = true;
	return 0;
}

/* The jump was refused. */
void pci_lu_stay(void)
{
	lockdep_assert_held(&pci_lu_lock);
	leaving = false;
}

bool pci_lu_is_leaving(void)
{
	lockdep_assert_held(&pci_lu_lock);
	return leaving;
}
