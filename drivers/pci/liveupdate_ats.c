// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices that go on through a kexec and keep translations themselves (ATS).
 *
 * Life cycle: the record says that it is on. The next kernel must be able to use it, or
 * nobody would tell the device to forget a translation; so what would keep it from doing so
 * is refused. While it enumerates devices nothing is written, as the device is held, and it
 * takes ATS for off; the driver of the IOMMU adopts it when it takes the device's
 * translation over. For a device that is blocked it is switched off.
 *
 * Locks: that of liveupdate.c for the list of devices. What is in struct pci_dev belongs to
 * the driver of the IOMMU, which probes one device at a time.
 */
#include <linux/err.h>
#include <linux/kho.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/pci_liveupdate.h>
#include <linux/string.h>

#include "pci.h"
#include "liveupdate.h"

/* Is it on, for all that this kernel knows? */
bool pci_lu_uses_ats(const struct pci_dev *dev)
{
	return dev->ats_enabled;
}

/* Of a device without bus master, unless the driver of its IOMMU has adopted it */
void pci_lu_stop_ats(struct pci_dev *dev)
{
	u16 ctrl;
	int cap;

	if (dev->ats_enabled)
		return;
	cap = pci_find_ext_capability(dev, PCI_EXT_CAP_ID_ATS);
	if (!cap)
		return;
	pci_read_config_word(dev, cap + PCI_ATS_CTRL, &ctrl);
	if (ctrl & PCI_ATS_CTRL_ENABLE)
		pci_bus_write_config_word(dev->bus, dev->devfn,
					  cap + PCI_ATS_CTRL,
					  ctrl & ~PCI_ATS_CTRL_ENABLE);
}

/**
 * pci_liveupdate_adopt_ats - a device from the old kernel may use ATS
 * @dev: the device, whose translation is taken over
 * @ps: page shift of the IOMMU
 *
 * Afterwards it is as if pci_enable_ats() had been called, though nothing is written.
 *
 * Context: probing by the driver of the IOMMU.
 * Return: 1 when ATS is on, to be undone by pci_disable_ats(); 0 when it is off; -EINVAL
 * when it was set up for pages of another size
 */
int pci_liveupdate_adopt_ats(struct pci_dev *dev, int ps)
{
	u16 ctrl;

	if (!dev->ats_cap)
		return 0;
	pci_read_config_word(dev, dev->ats_cap + PCI_ATS_CTRL, &ctrl);
	if (!(ctrl & PCI_ATS_CTRL_ENABLE))
		return 0;
	if (ctrl != (PCI_ATS_CTRL_ENABLE | PCI_ATS_CTRL_STU(ps - PCI_ATS_MIN_STU)))
		return -EINVAL;
	dev->ats_stu = ps;
	dev->ats_enabled = 1;
	return 1;
}

/* As pci_setup() reads it */
static bool look_for_noats(const char *name, const char *value, void *data)
{
	if (!parameq(name, "pci"))
		return false;
	for (; value; value = strchr(value, ',')) {
		value += *value == ',';
		if (!strncmp(value, "noats", 5))
			return true;
	}
	return false;
}

/* While there is a device that uses it */
static const char *without_ats(const char *cmdline)
{
	struct lu_entry *entry;
	bool needed = false;
	int rc;

	mutex_lock(&pci_lu_lock);
	list_for_each_entry(entry, &pci_lu_entries, list)
		needed |= entry->dev && pci_lu_uses_ats(entry->dev);
	mutex_unlock(&pci_lu_lock);
	if (!needed)
		return NULL;
	rc = kho_cmdline_walk(cmdline, look_for_noats, NULL);
	if (rc < 0)
		return ERR_PTR(rc);
	return rc ? "pci=noats" : NULL;
}

static struct kho_cmdline_need ats_need = {
	.check = without_ats,
	.why = "keeps the next kernel from having preserved devices forget translations",
};

void __init pci_lu_ats_init(void)
{
	kho_add_cmdline_need(&ats_need);
}
