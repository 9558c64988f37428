/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio-pci does for devices that survive a kexec: see liveupdate.c.
 */
#ifndef VFIO_PCI_LIVEUPDATE_H
#define VFIO_PCI_LIVEUPDATE_H

#include <linux/pci_liveupdate.h>
#include <linux/vfio_pci_core.h>

struct eventfd_ctx;
struct liveupdate_file_op_args;
struct vfio_pci_ser;

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

/* Hooks */
void vfio_pci_liveupdate_register(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_unregister(struct vfio_pci_core_device *vdev);
int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev);
int vfio_pci_liveupdate_restore_config(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_disable(struct vfio_pci_core_device *vdev);
void vfio_pci_liveupdate_close(struct vfio_pci_core_device *vdev);
bool vfio_pci_liveupdate_owes_intx(struct vfio_pci_core_device *vdev,
				   struct eventfd_ctx *trigger);
void vfio_pci_liveupdate_signal(struct vfio_pci_core_device *vdev,
				unsigned int vector,
				struct eventfd_ctx *trigger);
__le32 vfio_pci_liveupdate_keep_command(struct vfio_pci_core_device *vdev);
int vfio_pci_liveupdate_init(void);
void vfio_pci_liveupdate_exit(void);

/*
 * Between the files that make it up, each of which calls those above it here and none
 * below it.
 */

/* The only driver of devices that cross */
#define VFIO_PCI_DRIVER_NAME	"vfio-pci"

static inline void vfio_pci_liveupdate_lock(struct vfio_pci_core_device *vdev)
{
	mutex_lock(&vdev->vdev.dev_set->lock);
	mutex_lock(&vdev->igate);
	down_write(&vdev->memory_lock);
}

static inline void vfio_pci_liveupdate_unlock(struct vfio_pci_core_device *vdev)
{
	up_write(&vdev->memory_lock);
	mutex_unlock(&vdev->igate);
	mutex_unlock(&vdev->vdev.dev_set->lock);
}

static inline void
vfio_pci_liveupdate_set_ser(struct vfio_pci_core_device *vdev,
			    struct vfio_pci_ser *ser)
{
	mutex_lock(&vdev->vdev.dev_set->lock);
	vdev->liveupdate.ser = ser;
	mutex_unlock(&vdev->vdev.dev_set->lock);
}

/* liveupdate_preserve.c: file operations */
int vfio_pci_liveupdate_preserve(struct liveupdate_file_op_args *args);
void vfio_pci_liveupdate_unpreserve(struct liveupdate_file_op_args *args);
int vfio_pci_liveupdate_freeze(struct liveupdate_file_op_args *args);
void vfio_pci_liveupdate_unfreeze(struct liveupdate_file_op_args *args);

/* liveupdate_restore.c: file operations; and all hooks but init and exit */
int vfio_pci_liveupdate_retrieve(struct liveupdate_file_op_args *args);
bool vfio_pci_liveupdate_can_finish(struct liveupdate_file_op_args *args);
bool vfio_pci_liveupdate_put_back(struct liveupdate_file_op_args *args);
void vfio_pci_liveupdate_finish(struct liveupdate_file_op_args *args);

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

static inline bool
vfio_pci_liveupdate_owes_intx(struct vfio_pci_core_device *vdev,
			      struct eventfd_ctx *trigger)
{
	return false;
}

static inline void
vfio_pci_liveupdate_signal(struct vfio_pci_core_device *vdev,
			   unsigned int vector, struct eventfd_ctx *trigger)
{
}

static inline __le32
vfio_pci_liveupdate_keep_command(struct vfio_pci_core_device *vdev)
{
	return 0;
}

static inline int vfio_pci_liveupdate_init(void) { return 0; }
static inline void vfio_pci_liveupdate_exit(void) { }

#endif /* CONFIG_VFIO_PCI_LIVEUPDATE */
#endif /* VFIO_PCI_LIVEUPDATE_H */
