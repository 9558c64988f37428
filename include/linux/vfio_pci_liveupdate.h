/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a PCI device of vfio needs to survive a kexec: see
 * drivers/vfio/pci/liveupdate.c.
 */
#ifndef _LINUX_VFIO_PCI_LIVEUPDATE_H
#define _LINUX_VFIO_PCI_LIVEUPDATE_H

#include <linux/types.h>

struct iommufd_preserved;
struct vfio_pci_ser;

/**
 * struct vfio_pci_liveupdate - a part of struct vfio_pci_core_device
 * @ser: what crosses: in the old kernel from preserve on, in the next kernel from
 *	 retrieve to finish. NULL otherwise
 * @preserved: in the old kernel, for iommufd_device_unpreserve()
 * @unsignalled: next kernel: vectors of which the first eventfd is going to be
 *		 signalled; NULL when it was not opened inherited
 * @nr_vectors: bits in @unsignalled
 * @msix_enabled: next kernel: MSI-X was on when the device was opened
 */
struct vfio_pci_liveupdate {
	struct vfio_pci_ser *ser;
	struct iommufd_preserved *preserved;
	unsigned long *unsignalled;
	unsigned int nr_vectors;
	bool msix_enabled;
};

#endif /* _LINUX_VFIO_PCI_LIVEUPDATE_H */
