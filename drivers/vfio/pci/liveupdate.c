// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices of vfio-pci across a kexec: the kind of file "vfio-pci-v1".
 *
 * Life cycle, old kernel: preserve wants a descriptor of the device's cdev that is
 * bound to an iommufd, which was preserved before in the same session, and a device
 * that can be left alone. It tells the PCI core and, through iommufd, the IOMMU core.
 * From activate to its undoing userspace can neither reset the device nor take its
 * power, see hold(). freeze, at finalize, writes what is emulated for userspace.
 *
 * Next kernel: vfio-pci is bound to the device by the PCI core. From then to finish
 * the device is inherited: nobody can open it but by retrieving its file from the
 * session, and it does not suspend. Retrieve makes that file; it is bound to an
 * iommufd as usual, which enables the device without a reset, and with bus master and
 * all else as it is; then it is attached, which takes it out of the restored domain.
 * After that it can be finished and is an ordinary device. If instead the session is
 * closed, and nobody has the file, the file is released again, see put_back(): the
 * device is as before retrieve. A device of which the file was not retrieved is given
 * up by finish: it is quiesced, and then it is an ordinary device too.
 *
 * Locks: the session's mutex for everything of a file that crosses. In struct
 * vfio_device, inherited and vfio_pci_liveupdate.ser change under the lock of the
 * device set; frozen under that, igate and memory_lock, in this order, the last one
 * for writing. None of them is held while another subsystem is called, because these
 * call hold() with theirs.
 */
#define pr_fmt(fmt) "vfio-pci: live update: " fmt

#include <linux/bitmap.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/iommufd.h>
#include <linux/iommufd_liveupdate.h>
#include <linux/kho.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "liveupdate.h"
#include "vfio_pci_priv.h"

#define DRIVER_NAME	"vfio-pci"
#define SER_ORDER	1
#define MSI_QMAX_MAX	5
/* Capabilities of 4 bytes at least, in what lies behind the header */
#define MAX_CAPS	((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / 4)
#define MAX_ECAPS	((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8)

static_assert(sizeof(struct vfio_pci_ser) <= VFIO_PCI_SER_SIZE);
static_assert(PAGE_SIZE << SER_ORDER == VFIO_PCI_SER_SIZE);
static_assert(sizeof_field(struct vfio_pci_state_ser, vconfig) == PCI_CFG_SPACE_EXP_SIZE);

static struct vfio_pci_core_device *to_vdev(struct vfio_device *device)
{
	return container_of(device, struct vfio_pci_core_device, vdev);
}

/* Old kernel */

/* Why a device cannot be left alone, and what helps. */
struct obstacle {
	int rc;
	const char *what;
	const char *remedy;
};

static bool has_vfs(const struct vfio_pci_core_device *vdev)
{
	return vdev->sriov_active || pci_num_vf(vdev->pdev);
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

	if (pdev->is_virtfn)
		return (struct obstacle) { -EOPNOTSUPP,
			"is a virtual function", "assign a physical one" };
	if (has_vfs(vdev))
		return (struct obstacle) { -EOPNOTSUPP,
			"has virtual functions", "write 0 to its sriov_numvfs" };
	if (vdev->num_regions)
		return (struct obstacle) { -EOPNOTSUPP,
			"has regions besides its BARs", "assign another device" };
	if (vdev->irq_type == VFIO_PCI_INTX_IRQ_INDEX)
		return (struct obstacle) { -EOPNOTSUPP,
			"uses INTx", "let it use MSI-X or MSI" };
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

static void lock_device(struct vfio_pci_core_device *vdev)
{
	mutex_lock(&vdev->vdev.dev_set->lock);
	mutex_lock(&vdev->igate);
	down_write(&vdev->memory_lock);
}

static void unlock_device(struct vfio_pci_core_device *vdev)
{
	up_write(&vdev->memory_lock);
	mutex_unlock(&vdev->igate);
	mutex_unlock(&vdev->vdev.dev_set->lock);
}

/* At activate: whatever would stop or change the device gets EBUSY from now on. */
static int hold(void *data)
{
	struct vfio_pci_core_device *vdev = data;
	struct obstacle obstacle;

	lock_device(vdev);
	obstacle = find_obstacle(vdev);
	if (!obstacle.rc)
		WRITE_ONCE(vdev->vdev.frozen, true);
	unlock_device(vdev);
	if (obstacle.rc)
		iommu_liveupdate_refuse("%s: %s: %s, or give its session up",
					pci_name(vdev->pdev), obstacle.what,
					obstacle.remedy);
	return obstacle.rc;
}

static void release(void *data)
{
	struct vfio_pci_core_device *vdev = data;

	lock_device(vdev);
	WRITE_ONCE(vdev->vdev.frozen, false);
	unlock_device(vdev);
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
	return VFIO_PCI_SER_IRQ_NONE;
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
	for (i = 0; i < VFIO_PCI_SER_NR_REGIONS; i++) {
		state->rbar[i] = vdev->rbar[i];
		state->region_size[i] = pci_resource_len(vdev->pdev, i);
	}
	memcpy(state->vconfig, vdev->vconfig, vdev->pdev->cfg_size);
	state->checksum = vfio_pci_state_checksum(state);
}

static bool vfio_pci_can_preserve(struct liveupdate_file_handler *handler,
				  struct file *file)
{
	struct vfio_device *device = vfio_device_from_cdev_file(file);

	/* Drivers that add to vfio-pci may have state of their own. */
	return device && !strcmp(device->ops->name, DRIVER_NAME);
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

static void set_ser(struct vfio_pci_core_device *vdev, struct vfio_pci_ser *ser)
{
	mutex_lock(&vdev->vdev.dev_set->lock);
	vdev->liveupdate.ser = ser;
	mutex_unlock(&vdev->vdev.dev_set->lock);
}

/* The session has the file, so the device stays bound and cannot be closed. */
static int vfio_pci_preserve(struct liveupdate_file_op_args *args)
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
	lock_device(vdev);
	rc = check_device(vdev, args->file);
	if (!rc)
		vdev->liveupdate.ser = ser;
	unlock_device(vdev);
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
	set_ser(vdev, NULL);
err_free:
	kho_unpreserve_free(ser);
	return rc;
}

static void vfio_pci_unpreserve(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;
	struct vfio_pci_ser *ser = vdev->liveupdate.ser;

	iommufd_device_unpreserve(vdev->liveupdate.preserved);
	vdev->liveupdate.preserved = NULL;
	pci_liveupdate_unpreserve(vdev->pdev);
	set_ser(vdev, NULL);
	kho_unpreserve_free(ser);
}

static int vfio_pci_freeze(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;

	write_state(&vdev->liveupdate.ser->state, vdev);
	return 0;
}

/* Next kernel: the record */

static struct vfio_pci_ser *find_ser(phys_addr_t phys)
{
	return kho_can_restore_folio(phys, SER_ORDER) ? phys_to_virt(phys) : NULL;
}

static bool id_ok(const struct vfio_pci_id_ser *id)
{
	return id->checksum == vfio_pci_id_checksum(id) &&
	       id->segment <= INT_MAX && id->bdf <= U16_MAX &&
	       (id->config_size == PCI_CFG_SPACE_SIZE ||
		id->config_size == PCI_CFG_SPACE_EXP_SIZE) &&
	       !id->flags && !memchr_inv(id->reserved, 0, sizeof(id->reserved));
}

/* Which device it is about, if that can be read. */
static const struct vfio_pci_id_ser *find_id(const struct vfio_pci_ser *ser)
{
	if (ser && id_ok(&ser->id))
		return &ser->id;
	if (ser && id_ok(&ser->id_copy))
		return &ser->id_copy;
	return NULL;
}

static bool state_ok(const struct vfio_pci_state_ser *state)
{
	return state->checksum == vfio_pci_state_checksum(state) &&
	       state->irq_type <= VFIO_PCI_SER_IRQ_MSIX &&
	       !(state->flags & ~VFIO_PCI_SER_FLAGS) &&
	       state->msi_qmax <= MSI_QMAX_MAX && !state->reserved0 &&
	       !memchr_inv(state->reserved, 0, sizeof(state->reserved));
}

/* With a reference; NULL when it is not there, or not from the old kernel. */
static struct pci_dev *find_device(const struct vfio_pci_id_ser *id)
{
	struct pci_dev *pdev;

	if (!id)
		return NULL;
	pdev = pci_get_domain_bus_and_slot(id->segment, PCI_BUS_NUM(id->bdf),
					   id->bdf & 0xff);
	if (pdev && pci_liveupdate_is_incoming(pdev))
		return pdev;
	pci_dev_put(pdev);
	return NULL;
}

static bool is_same_device(const struct pci_dev *pdev,
			   const struct vfio_pci_id_ser *id)
{
	return pdev->vendor == id->vendor && pdev->device == id->device &&
	       pdev->subsystem_vendor == id->subsystem_vendor &&
	       pdev->subsystem_device == id->subsystem_device &&
	       pdev->class == id->class && pdev->cfg_size == id->config_size;
}

static bool regions_ok(const struct pci_dev *pdev,
		       const struct vfio_pci_state_ser *state)
{
	unsigned int i;

	for (i = 0; i < VFIO_PCI_SER_NR_REGIONS; i++)
		if (pci_resource_len(pdev, i) != state->region_size[i])
			return false;
	return true;
}

/* The vfio device, if the driver is bound; the PCI device is locked. */
static struct vfio_pci_core_device *find_vdev(struct pci_dev *pdev)
{
	device_lock_assert(&pdev->dev);
	if (!pdev->driver || strcmp(pdev->driver->name, DRIVER_NAME))
		return NULL;
	return pci_get_drvdata(pdev);
}

/* Next kernel: retrieve and finish */

static int check_record(struct pci_dev *pdev, const struct vfio_pci_ser *ser,
			const struct vfio_pci_id_ser *id)
{
	if (!state_ok(&ser->state)) {
		pci_err(pdev, "cannot be retrieved: the record of its emulated state is damaged: discard its session\n");
		return -EINVAL;
	}
	if (!is_same_device(pdev, id) || !regions_ok(pdev, &ser->state)) {
		pci_err(pdev, "cannot be retrieved: it is not the device that was preserved: discard its session\n");
		return -EINVAL;
	}
	if (!iommu_device_is_restored(&pdev->dev)) {
		pci_err(pdev, "cannot be retrieved: its translation was not restored: discard its session\n");
		return -EIO;
	}
	return 0;
}

/* Makes the file; the PCI device is locked. */
static int retrieve_locked(struct liveupdate_file_op_args *args,
			   struct pci_dev *pdev, struct vfio_pci_ser *ser)
{
	struct vfio_pci_core_device *vdev = find_vdev(pdev);
	struct file *file;
	int rc;

	if (!vdev) {
		pci_err(pdev, "cannot be retrieved: bind it to " DRIVER_NAME "\n");
		return -ENODEV;
	}
	file = vfio_device_cdev_getfile(&vdev->vdev);
	if (IS_ERR(file))
		return PTR_ERR(file);
	rc = iommu_restored_device_retrieve(&pdev->dev);
	if (rc) {
		fput(file);
		return rc;
	}
	set_ser(vdev, ser);
	args->file = file;
	args->private_data = vdev;
	return 0;
}

static int vfio_pci_retrieve(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_ser *ser = find_ser(args->serialized_data);
	const struct vfio_pci_id_ser *id = find_id(ser);
	struct pci_dev *pdev;
	int rc;

	if (!id) {
		pr_err("token %#llx: the record is damaged, and does not say of which device\n",
		       args->token);
		return -EINVAL;
	}
	pdev = find_device(id);
	if (!pdev) {
		pr_err("token %#llx: no device %04x:%02x:%02x.%x from the old kernel: discard the session\n",
		       args->token, id->segment, PCI_BUS_NUM(id->bdf),
		       PCI_SLOT(id->bdf), PCI_FUNC(id->bdf));
		return -ENODEV;
	}
	rc = check_record(pdev, ser, id);
	if (!rc) {
		device_lock(&pdev->dev);
		rc = retrieve_locked(args, pdev, ser);
		device_unlock(&pdev->dev);
	}
	pci_dev_put(pdev);
	return rc;
}

/* From now on an ordinary device. */
static void end_inheritance(struct vfio_pci_core_device *vdev)
{
	bool inherited;

	lock_device(vdev);
	inherited = vdev->vdev.inherited;
	WRITE_ONCE(vdev->vdev.inherited, false);
	vdev->liveupdate.ser = NULL;
	unlock_device(vdev);
	if (inherited)
		pm_runtime_put(&vdev->pdev->dev);
}

static bool vfio_pci_can_finish(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;

	if (!iommu_device_is_restored(&vdev->pdev->dev))
		return true;
	pci_warn(vdev->pdev, "the session of token %#llx cannot be finished: the device is still translated by the old kernel's table: attach it\n",
		 args->token);
	return false;
}

/*
 * The session is closed while the device is still in the restored domain: without
 * anybody who has the file, it is as before retrieve again.
 */
static bool vfio_pci_put_back(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;
	struct pci_dev *pdev = pci_dev_get(vdev->pdev);

	if (file_count(args->file) > 1) {
		pci_warn(pdev, "somebody still has a descriptor of it: close that\n");
		pci_dev_put(pdev);
		return false;
	}
	/* As long as the file is there, so is the vfio device. */
	set_ser(vdev, NULL);
	__fput_sync(args->file);
	pci_dev_put(pdev);
	return true;
}

static void give_up(const struct vfio_pci_id_ser *id)
{
	struct pci_dev *pdev = find_device(id);
	struct vfio_pci_core_device *vdev;
	int rc;

	if (!pdev)
		return;
	rc = pci_liveupdate_discard(pdev);
	if (rc)
		pci_err(pdev, "cannot be quiesced: %d\n", rc);
	else
		iommu_restored_device_discard(&pdev->dev);
	device_lock(&pdev->dev);
	vdev = find_vdev(pdev);
	if (vdev && !rc)
		end_inheritance(vdev);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
}

static void vfio_pci_finish(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_ser *ser = find_ser(args->serialized_data);

	if (args->retrieved) {
		struct vfio_pci_core_device *vdev = args->private_data;

		pci_liveupdate_finish(vdev->pdev);
		end_inheritance(vdev);
	} else {
		give_up(find_id(ser));
	}
	if (ser)
		kho_restore_free(ser);
}

/* Next kernel: hooks in vfio-pci */

/**
 * vfio_pci_liveupdate_register - the driver is bound to a device
 * @vdev: the device; nobody else knows it yet
 */
void vfio_pci_liveupdate_register(struct vfio_pci_core_device *vdev)
{
	if (!pci_liveupdate_is_incoming(vdev->pdev))
		return;
	vdev->vdev.inherited = true;
	/* Until finish. It is doing DMA although nobody has opened it. */
	pm_runtime_get_noresume(&vdev->pdev->dev);
}

/**
 * vfio_pci_liveupdate_unregister - the driver is unbound from a device
 * @vdev: the device, closed
 *
 * An inherited device goes on as it is, and so it will when the driver comes back.
 */
void vfio_pci_liveupdate_unregister(struct vfio_pci_core_device *vdev)
{
	if (vfio_pci_is_inherited(vdev))
		pm_runtime_put_noidle(&vdev->pdev->dev);
}

/* What the device is given at last close: this, but without bus master. */
static void save_state(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;

	pci_save_state(pdev);
	pdev->saved_config_space[PCI_COMMAND / 4] &=
		~(PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	vdev->pci_saved_state = pci_store_saved_state(pdev);
}

static unsigned int max_vectors(struct pci_dev *pdev)
{
	return max3(pci_msix_vec_count(pdev), pci_msi_vec_count(pdev), 0);
}

/**
 * vfio_pci_liveupdate_enable - first open of an inherited device
 * @vdev: the device
 *
 * As vfio_pci_core_enable() begins, but the device is doing DMA: no reset, nothing is
 * written to it that was not there before.
 *
 * Return: 0 or an errno
 */
int vfio_pci_liveupdate_enable(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_liveupdate *lu = &vdev->liveupdate;
	struct pci_dev *pdev = vdev->pdev;
	u16 command, enabled, flags = 0;
	int rc;

	lu->nr_vectors = max_vectors(pdev);
	if (lu->nr_vectors) {
		lu->unsignalled = bitmap_alloc(lu->nr_vectors,
					       GFP_KERNEL_ACCOUNT);
		if (!lu->unsignalled)
			return -ENOMEM;
		bitmap_fill(lu->unsignalled, lu->nr_vectors);
	}
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	rc = pci_enable_device(pdev);
	if (rc) {
		vfio_pci_liveupdate_close(vdev);
		return rc;
	}
	/* Enabling turns all decoding on, and lets a device that has a pin use it. */
	pci_read_config_word(pdev, PCI_COMMAND, &enabled);
	if (enabled != command)
		pci_write_config_word(pdev, PCI_COMMAND, command);
	if (pdev->msix_cap)
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				     &flags);
	lu->msix_enabled = flags & PCI_MSIX_FLAGS_ENABLE;
	vdev->reset_works = pdev->reset_methods[0];
	save_state(vdev);
	return 0;
}

static bool caps_match(const u8 *a, const u8 *b, unsigned int size)
{
	unsigned int i, pos;

	if (memcmp(a, b, PCI_COMMAND) || a[PCI_CAPABILITY_LIST] !=
					 b[PCI_CAPABILITY_LIST])
		return false;
	pos = a[PCI_CAPABILITY_LIST] & ~3;
	for (i = 0; pos && i < MAX_CAPS; i++) {
		if (memcmp(a + pos, b + pos, 2))
			return false;
		pos = a[pos + PCI_CAP_LIST_NEXT] & ~3;
	}
	if (size <= PCI_CFG_SPACE_SIZE)
		return true;
	pos = PCI_CFG_SPACE_SIZE;
	for (i = 0; pos >= PCI_CFG_SPACE_SIZE && i < MAX_ECAPS; i++) {
		if (memcmp(a + pos, b + pos, 4))
			return false;
		pos = PCI_EXT_CAP_NEXT(le32_to_cpu(*(__le32 *)(a + pos)));
	}
	return true;
}

/**
 * vfio_pci_liveupdate_restore_config - emulation goes on where it was
 * @vdev: the device, its emulation set up as for any device
 *
 * Return: 0, or -EINVAL when the record is about a device of another layout
 */
int vfio_pci_liveupdate_restore_config(struct vfio_pci_core_device *vdev)
{
	const struct vfio_pci_state_ser *state;
	struct pci_dev *pdev = vdev->pdev;
	u8 pin;

	if (!vfio_pci_is_inherited(vdev))
		return 0;
	/* There is no other way to a file of an inherited device. */
	if (WARN_ON_ONCE(!vdev->liveupdate.ser))
		return -EBUSY;
	state = &vdev->liveupdate.ser->state;
	/* Without extended capabilities that part of the emulation is not set up. */
	if (!caps_match(vdev->vconfig, state->vconfig, vdev->extended_caps ?
			pdev->cfg_size : PCI_CFG_SPACE_SIZE) ||
	    memcmp(vdev->rbar, state->rbar, sizeof(vdev->rbar))) {
		pci_err(pdev, "cannot be opened: capabilities or base addresses are not as they were: discard its session\n");
		return -EINVAL;
	}
	/* It says what this kernel can do, not what userspace did. */
	pin = vdev->vconfig[PCI_INTERRUPT_PIN];
	memcpy(vdev->vconfig, state->vconfig, pdev->cfg_size);
	vdev->vconfig[PCI_INTERRUPT_PIN] = pin;
	vdev->virq_disabled = state->flags & VFIO_PCI_SER_VIRQ_DISABLED;
	vdev->bardirty = state->flags & VFIO_PCI_SER_BARDIRTY;
	vdev->msi_qmax = state->msi_qmax;
	return 0;
}

/**
 * vfio_pci_liveupdate_disable - last close of a device that is still inherited
 * @vdev: the device, its interrupts torn down
 *
 * In place of what vfio_pci_core_disable() does to stop a device: it goes on as
 * before its file was retrieved.
 */
void vfio_pci_liveupdate_disable(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	u16 flags;

	/*
	 * Its vectors have all been masked one by one; masked as a whole it can
	 * latch what comes, and does not fall back on INTx.
	 */
	pci_intx(pdev, 0);
	if (vdev->liveupdate.msix_enabled) {
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				     &flags);
		flags |= PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
		pci_write_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				      flags);
	}
	kfree(vdev->pci_saved_state);
	vdev->pci_saved_state = NULL;
	vdev->needs_reset = false;
	/* pci_disable_device() would turn bus master off. */
	atomic_dec(&pdev->enable_cnt);
}

/**
 * vfio_pci_liveupdate_close - a device is closed, or could not be opened
 * @vdev: the device
 */
void vfio_pci_liveupdate_close(struct vfio_pci_core_device *vdev)
{
	bitmap_free(vdev->liveupdate.unsignalled);
	vdev->liveupdate.unsignalled = NULL;
	vdev->liveupdate.nr_vectors = 0;
}

/**
 * vfio_pci_liveupdate_signal - userspace has set the eventfd of a vector
 * @vdev: the device
 * @vector: number of the vector
 * @trigger: the eventfd
 *
 * Whatever the device wanted to say while no kernel listened, and did not keep, is
 * made up for by one signal, the first time after the device was opened again.
 *
 * Context: igate is held.
 */
void vfio_pci_liveupdate_signal(struct vfio_pci_core_device *vdev,
				unsigned int vector, struct eventfd_ctx *trigger)
{
	struct vfio_pci_liveupdate *lu = &vdev->liveupdate;

	lockdep_assert_held(&vdev->igate);
	if (lu->unsignalled && vector < lu->nr_vectors &&
	    __test_and_clear_bit(vector, lu->unsignalled))
		eventfd_signal(trigger);
}

static const struct liveupdate_file_ops vfio_pci_liveupdate_ops = {
	.can_preserve = vfio_pci_can_preserve,
	.preserve = vfio_pci_preserve,
	.unpreserve = vfio_pci_unpreserve,
	.freeze = vfio_pci_freeze,
	.retrieve = vfio_pci_retrieve,
	.can_finish = vfio_pci_can_finish,
	.put_back = vfio_pci_put_back,
	.finish = vfio_pci_finish,
	.uses_earlier = true,
	.unused = true,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler vfio_pci_liveupdate_handler = {
	.ops = &vfio_pci_liveupdate_ops,
	.compatible = VFIO_PCI_LIVEUPDATE_COMPATIBLE,
};

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
