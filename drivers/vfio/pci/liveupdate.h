/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio-pci does for devices that survive a kexec: see liveupdate.c.
 */
#ifndef VFIO_PCI_LIVEUPDATE_H
#define VFIO_PCI_LIVEUPDATE_H

#include <linux/vfio_pci_core.h>

struct eventfd_ctx;

/* Did the device come from the old kernel, and is its session not finished? */
static inline bool vfio_pci_is_inherited(const struct vfio_pci_core_device *vdev)
{
	return vfio_device_is_inherited(&vdev->vdev);
}

/*
 * Must the device go on as it is? With memory_lock or igate held, the answer is
 * good as long as they are.
 */
static inline bool vfio_pci_is_crossing(const struct vfio_pci_core_device *vdev)
{
	return vfio_device_is_crossing(&vdev->vdev);
}

#ifdef CONFIG_VFIO_PCI_LIVEUPDATE

void vfio_pci_liveupdate_register(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_unregister(struct vfio_pci_core_device *vdev);
int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev);
int vfio_pci_liveupdate_restore_config(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_disable(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_close(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_signal(struct vfio_pci_core_device *vdev,
				unsigned int vector,
				struct eventfd_ctx *trigger);
int vfio_pci_liveupdate_init(void);
void vfio_pci_liveupdate_exit(void);

#else

static inline void
vfio_pci_liveupdate_register(struct vfio_pci_core_device *vdev)
{
}

static inline void
vfio_pci_liveupdate_unregister(struct vfio_pci_core_device *vdev)
{
}

static inline int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev)
{
	return -EOPNOTSUPP;
}

static inline int
vfio_pci_liveupdate_restore_config(struct vfio_pci_core_device *vdev)
{
	return 0;
}

static inline void
vfio_pci_liveupdate_disable(struct vfio_pci_core_device *vdev)
{
}

static inline void vfio_pci_liveupdate_close(struct vfio_pci_core_device *vdev)
{
}

static inline void
vfio_pci_liveupdate_signal(struct vfio_pci_core_device *vdev,
			   unsigned int vector, struct eventfd_ctx *trigger)
{
}

static inline int vfio_pci_liveupdate_init(void) { return 0; }
static inline void vfio_pci_liveupdate_exit(void) { }

#endif /* CONFIG_VFIO_PCI_LIVEUPDATE */
#endif /* VFIO_PCI_LIVEUPDATE_H */
