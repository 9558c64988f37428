// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices of vfio-pci across a kexec, in the old kernel.
 *
 * Life cycle: preserve wants a descriptor of the device's cdev that is
 * bound to an iommufd, which was preserved before in the same session, and a device
 * that can be left alone. It tells the PCI core and, through iommufd, the IOMMU core.
 * From activate to its undoing userspace can neither reset the device nor take its
 * power, see hold(). freeze, at finalize, writes what is emulated for userspace.
 *
 * Locks: see liveupdate.c. hold() and release() are called with locks of other
 * subsystems.
 */
#include <linux/err.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/iommufd_liveupdate.h>
#include <linux/kho.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/rwsem.h>
#include <linux/string.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#include <linux/xarray.h>

#include "liveupdate.h"
#include "vfio_pci_priv.h"

static struct vfio_pci_core_device *to_vdev(struct vfio_device *device)
{
	return container_of(device, struct vfio_pci_core_device, vdev);
}

/* Why a device cannot be left alone, and what helps. */
struct obstacle {
	int rc;
	const char *what;
	const char *remedy;
};

static bool makes_vfs(const struct vfio_pci_core_device *vdev)
{
	return vdev->sriov_active != !!pci_num_vf(vdev->pdev);
}

static bool in_low_power(const struct vfio_pci_core_device *vdev)
{
	return vdev->pm_runtime_engaged ||
	       vdev->pdev->current_state != PCI_D0 ||
	       pm_runtime_suspended(&vdev->pdev->dev);
}

static bool in_reset(struct pci_dev *pdev)
{
	if (!pci_cfg_access_trylock(pdev))
		return true;
	pci_cfg_access_unlock(pdev);
	return false;
}

static struct obstacle find_obstacle(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;

	lockdep_assert_held(&vdev->igate);
	lockdep_assert_held_write(&vdev->memory_lock);

	if (makes_vfs(vdev))
		return (struct obstacle) { -EBUSY,
			"makes or removes virtual functions", "try again" };
	if (vdev->num_regions)
		return (struct obstacle) { -EOPNOTSUPP,
			"has regions besides its BARs", "assign another device" };
	if (pdev->error_state != pci_channel_io_normal)
		return (struct obstacle) { -EBUSY,
			"had an error", "try again when it has recovered" };
	if (in_reset(pdev))
		return (struct obstacle) { -EBUSY,
			"is being reset", "try again" };
	if (in_low_power(vdev))
		return (struct obstacle) { -EBUSY,
			"is in low power", "let it return to D0" };
	return (struct obstacle) {};
}

/* At activate: whatever would stop or change the device gets EBUSY from now on. */
static int hold(void *data)
{
	struct vfio_pci_core_device *vdev = data;
	struct obstacle obstacle;

	vfio_pci_liveupdate_lock(vdev);
	obstacle = find_obstacle(vdev);
	if (!obstacle.rc)
		WRITE_ONCE(vdev->vdev.frozen, true);
	vfio_pci_liveupdate_unlock(vdev);
	if (obstacle.rc)
		iommu_liveupdate_refuse("%s: %s: %s, or give its session up",
					pci_name(vdev->pdev), obstacle.what,
					obstacle.remedy);
	return obstacle.rc;
}

static void release(void *data)
{
	struct vfio_pci_core_device *vdev = data;

	vfio_pci_liveupdate_lock(vdev);
	WRITE_ONCE(vdev->vdev.frozen, false);
	vfio_pci_liveupdate_unlock(vdev);
}

static const struct iommufd_preserve_ops hold_ops = {
	.freeze = hold,
	.thaw = release,
};

static void write_id(struct vfio_pci_id_ser *id, const struct pci_dev *pdev,
		     u64 iommufd_token)
{
	*id = (struct vfio_pci_id_ser) {
		.segment = pci_domain_nr(pdev->bus),
		.bdf = PCI_DEVID(pdev->bus->number, pdev->devfn),
		.vendor = pdev->vendor,
		.device = pdev->device,
		.subsystem_vendor = pdev->subsystem_vendor,
		.subsystem_device = pdev->subsystem_device,
		.class = pdev->class,
		.config_size = pdev->cfg_size,
		.iommufd_token = iommufd_token,
	};
	id->checksum = vfio_pci_id_checksum(id);
}

static u32 count_vectors(struct vfio_pci_core_device *vdev)
{
	unsigned long i;
	void *entry;
	u32 nr = 0;

	xa_for_each(&vdev->ctx, i, entry)
		nr++;
	return nr;
}

static u32 irq_type_of(const struct vfio_pci_core_device *vdev)
{
	if (vdev->irq_type == VFIO_PCI_MSIX_IRQ_INDEX)
		return VFIO_PCI_SER_IRQ_MSIX;
	if (vdev->irq_type == VFIO_PCI_MSI_IRQ_INDEX)
		return VFIO_PCI_SER_IRQ_MSI;
	if (vdev->irq_type == VFIO_PCI_INTX_IRQ_INDEX)
		return VFIO_PCI_SER_IRQ_INTX;
	return VFIO_PCI_SER_IRQ_NONE;
}

static void write_token(struct vfio_pci_state_ser *state,
			struct vfio_pci_vf_token *token)
{
	mutex_lock(&token->lock);
	export_uuid(state->vf_token, &token->uuid);
	mutex_unlock(&token->lock);
}

static void write_state(struct vfio_pci_state_ser *state,
			struct vfio_pci_core_device *vdev)
{
	unsigned int i;

	mutex_lock(&vdev->igate);
	state->irq_type = irq_type_of(vdev);
	state->nr_irqs = count_vectors(vdev);
	mutex_unlock(&vdev->igate);
	state->flags = 0;
	if (vdev->virq_disabled)
		state->flags |= VFIO_PCI_SER_VIRQ_DISABLED;
	if (vdev->bardirty)
		state->flags |= VFIO_PCI_SER_BARDIRTY;
	state->msi_qmax = vdev->msi_qmax;
	memset(state->vf_token, 0, sizeof(state->vf_token));
	if (pci_num_vf(vdev->pdev))
		write_token(state, vdev->vf_token);
	for (i = 0; i < VFIO_PCI_SER_NR_REGIONS; i++) {
		state->rbar[i] = vdev->rbar[i];
		state->region_size[i] = pci_resource_len(vdev->pdev, i);
	}
	memcpy(state->vconfig, vdev->vconfig, vdev->pdev->cfg_size);
	state->checksum = vfio_pci_state_checksum(state);
}

/* Nothing else but what is known without asking others. */
static int check_device(struct vfio_pci_core_device *vdev,
			const struct file *file)
{
	struct pci_dev *pdev = vdev->pdev;
	struct obstacle obstacle;

	if (!vfio_cdev_file_is_bound(file)) {
		pci_err(pdev, "cannot be preserved: not bound to an iommufd by this descriptor: bind it first\n");
		return -EINVAL;
	}
	if (vfio_pci_is_inherited(vdev)) {
		pci_err(pdev, "cannot be preserved: the session that it came from is not finished: finish that first\n");
		return -EBUSY;
	}
	if (vdev->liveupdate.ser)
		return -EBUSY;
	obstacle = find_obstacle(vdev);
	if (obstacle.rc)
		pci_err(pdev, "cannot be preserved: it %s: %s\n", obstacle.what,
			obstacle.remedy);
	return obstacle.rc;
}

/* The session has the file, so the device stays bound and cannot be closed. */
int vfio_pci_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev =
		to_vdev(vfio_device_from_cdev_file(args->file));
	struct iommufd_preserved *preserved;
	struct vfio_pci_ser *ser;
	u64 token;
	int rc;

	ser = kho_alloc_preserve(VFIO_PCI_SER_SIZE);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	vfio_pci_liveupdate_lock(vdev);
	rc = check_device(vdev, args->file);
	if (!rc)
		vdev->liveupdate.ser = ser;
	vfio_pci_liveupdate_unlock(vdev);
	if (rc)
		goto err_free;

	rc = pci_liveupdate_preserve(vdev->pdev);
	if (rc)
		goto err_clear;
	preserved = iommufd_device_preserve(vdev->vdev.iommufd_device,
					    args->session, &token, &hold_ops,
					    vdev);
	rc = PTR_ERR_OR_ZERO(preserved);
	if (rc)
		goto err_unpreserve;

	write_id(&ser->id, vdev->pdev, token);
	ser->id_copy = ser->id;
	vdev->liveupdate.preserved = preserved;
	args->serialized_data = virt_to_phys(ser);
	args->private_data = vdev;
	return 0;

err_unpreserve:
	pci_liveupdate_unpreserve(vdev->pdev);
err_clear:
	vfio_pci_liveupdate_set_ser(vdev, NULL);
err_free:
	kho_unpreserve_free(ser);
	return rc;
}

void vfio_pci_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;
	struct vfio_pci_ser *ser = vdev->liveupdate.ser;

	iommufd_device_unpreserve(vdev->liveupdate.preserved);
	vdev->liveupdate.preserved = NULL;
	pci_liveupdate_unpreserve(vdev->pdev);
	vfio_pci_liveupdate_set_ser(vdev, NULL);
	kho_unpreserve_free(ser);
}

int vfio_pci_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;
	struct vfio_pci_state_ser *state = &vdev->liveupdate.ser->state;

	write_state(state, vdev);
	return state->irq_type == VFIO_PCI_SER_IRQ_INTX ?
	       kho_need_version(VFIO_PCI_LIVEUPDATE_INTX) : 0;
}

void vfio_pci_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;

	if (vdev->liveupdate.ser->state.irq_type == VFIO_PCI_SER_IRQ_INTX)
		kho_unneed_version(VFIO_PCI_LIVEUPDATE_INTX);
}
