// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices without a session: what the vfio-pci handler does, on request. The
 * device has to be attached to an address space, in which nothing is mapped.
 *
 * Locks: none.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/iommu_liveupdate.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../internal.h"
#include "test.h"

static int device_freeze(void *user)
{
	return 0;
}

static void device_thaw(void *user) { }

static const struct iommu_preserve_ops device_ops = {
	.freeze = device_freeze,
	.thaw = device_thaw,
};

static int preserve_device(struct pci_dev *pdev)
{
	int rc = pci_liveupdate_preserve(pdev);

	if (rc)
		return rc;
	rc = iommu_preserve_device(&pdev->dev, &device_ops, NULL);
	if (rc)
		pci_liveupdate_unpreserve(pdev);
	return rc;
}

static int unpreserve_device(struct pci_dev *pdev)
{
	if (!pci_liveupdate_is_preserved(pdev))
		return -EALREADY;
	iommu_unpreserve_device(&pdev->dev);
	pci_liveupdate_unpreserve(pdev);
	return 0;
}

static int discard_device(struct pci_dev *pdev)
{
	int rc = pci_liveupdate_discard(pdev);

	if (rc != -ENOENT)
		iommu_restored_device_discard(&pdev->dev);
	return rc;
}

/* As somebody does who resets it; for as long as "hold device" says. */
static int lock_device(struct pci_dev *pdev)
{
	device_lock(&pdev->dev);
	kho_test_hold("device");
	device_unlock(&pdev->dev);
	return 0;
}

/* Flip a bit of the record of a device, or, with NULL, of the list of devices. */
static int damage_device(const struct pci_dev *pdev, u64 bit)
{
	size_t size;
	u8 *record = pci_liveupdate_test_record(pdev, &size);

	if (!record)
		return -EINVAL;
	bit %= 8 * size;
	record[bit / 8] ^= 1 << (bit % 8);
	return 0;
}

static int run_device_command(char *line)
{
	unsigned int segment, bus, slot, func;
	struct pci_dev *pdev;
	char word[16];
	int nr, rc;
	s64 bit;

#ifdef CONFIG_IOMMU_LIVEUPDATE
	if (!strcmp(line, "extend-units")) {
		iommu_test_extend();
		return 0;
	}
#endif
	nr = sscanf(line, "%15s %x:%x:%x.%u %lli", word, &segment, &bus, &slot,
		    &func, &bit);
	if (nr < 5)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, func));
	if (!pdev)
		return -ENODEV;
	rc = -EINVAL;
	if (!strcmp(word, "preserve"))
		rc = preserve_device(pdev);
	else if (!strcmp(word, "unpreserve"))
		rc = unpreserve_device(pdev);
	else if (!strcmp(word, "discard"))
		rc = discard_device(pdev);
	else if (!strcmp(word, "lock"))
		rc = lock_device(pdev);
	else if (!strcmp(word, "damage") && nr == 6)
		rc = damage_device(pdev, bit);
	else if (!strcmp(word, "damage-list") && nr == 6)
		rc = damage_device(NULL, bit);
#ifdef CONFIG_IOMMU_LIVEUPDATE
	else if (!strcmp(word, "dirty") && nr == 6)
		rc = iommu_test_make_dirty(&pdev->dev, bit);
#endif
	pci_dev_put(pdev);
	return rc;
}

static ssize_t device_write(struct file *file, const char __user *from,
			    size_t count, loff_t *pos)
{
	char line[80];

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';
	return run_device_command(strim(line)) ?: count;
}

const struct file_operations kho_test_device_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = device_write,
};
