// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices of vfio-pci across a kexec: the kind of file "vfio-pci-v1".
 *
 * Life cycle: liveupdate_preserve.c has it for the old kernel, liveupdate_restore.c for
 * the next one, with what vfio-pci asks it there. Here both are put together to one kind
 * of file.
 *
 * Locks: the session's mutex for everything of a file that crosses. In struct
 * vfio_device, inherited and vfio_pci_liveupdate.ser change under the lock of the
 * device set; frozen under that, igate and memory_lock, in this order, the last one
 * for writing. None of them is held while another subsystem is called, because these
 * call hold() with theirs.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "liveupdate.h"

static bool vfio_pci_can_preserve(struct liveupdate_file_handler *handler,
				  struct file *file)
{
	struct vfio_device *device = vfio_device_from_cdev_file(file);

	/* Drivers that add to vfio-pci may have state of their own. */
	return device && !strcmp(device->ops->name, VFIO_PCI_DRIVER_NAME);
}

static const struct liveupdate_file_ops vfio_pci_liveupdate_ops = {
	.can_preserve = vfio_pci_can_preserve,
	.preserve = vfio_pci_liveupdate_preserve,
	.unpreserve = vfio_pci_liveupdate_unpreserve,
	.freeze = vfio_pci_liveupdate_freeze,
	.unfreeze = vfio_pci_liveupdate_unfreeze,
	.retrieve = vfio_pci_liveupdate_retrieve,
	.can_finish = vfio_pci_liveupdate_can_finish,
	.put_back = vfio_pci_liveupdate_put_back,
	.finish = vfio_pci_liveupdate_finish,
	.uses_earlier = true,
	.unused = true,
	.retry = true,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler vfio_pci_liveupdate_handler = {
	.ops = &vfio_pci_liveupdate_ops,
	.compatible = VFIO_PCI_LIVEUPDATE_COMPATIBLE,
};

/**
 * vfio_pci_liveupdate_keep_command - what userspace cannot switch off now
 * @vdev: the device, of which userspace writes the command register
 *
 * From activate on, and after the kexec until its session is finished, bus master and
 * decoding stay on if they are: such bits are as if they were read-only.
 *
 * Context: memory_lock is held for writing.
 * Return: the bits, as they are in what is written
 */
__le32 vfio_pci_liveupdate_keep_command(struct vfio_pci_core_device *vdev)
{
	u16 command;

	lockdep_assert_held_write(&vdev->memory_lock);
	if (!vfio_pci_is_crossing(vdev))
		return 0;
	pci_read_config_word(vdev->pdev, PCI_COMMAND, &command);
	return cpu_to_le32(command & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
				      PCI_COMMAND_MASTER));
}

int __init vfio_pci_liveupdate_init(void)
{
	if (!liveupdate_enabled())
		return 0;
	return liveupdate_register_file_handler(&vfio_pci_liveupdate_handler);
}

void vfio_pci_liveupdate_exit(void)
{
	if (liveupdate_enabled())
		liveupdate_unregister_file_handler(&vfio_pci_liveupdate_handler);
}

MODULE_IMPORT_NS(IOMMUFD);
