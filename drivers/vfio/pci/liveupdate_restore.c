// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI devices of vfio-pci across a kexec, in the next kernel.
 *
 * Life cycle: vfio-pci is bound to the device by the PCI core. From then to finish
 * the device is inherited: nobody can open it but by retrieving its file from the
 * session, and it does not suspend. Retrieve makes that file; it is bound to an
 * iommufd as usual, which enables the device without a reset, and with bus master and
 * all else as it is; then it is attached, which takes it out of the restored domain.
 * After that it can be finished and is an ordinary device. If instead the session is
 * closed, and nobody has the file, the file is released again, see put_back(): the
 * device is as before retrieve. A device of which the file was not retrieved is given
 * up by finish: it is quiesced, and then it is an ordinary device too.
 *
 * Locks: see liveupdate.c.
 */
#define pr_fmt(fmt) "vfio-pci: live update: " fmt

#include <linux/bitmap.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho.h>
#include <linux/kho/abi/vfio_pci.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "liveupdate.h"
#include "vfio_pci_priv.h"

#define SER_ORDER	1
#define MSI_QMAX_MAX	5
/* Capabilities of 4 bytes at least, in what lies behind the header */
#define MAX_CAPS	((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / 4)
#define MAX_ECAPS	((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / 8)

static_assert(sizeof(struct vfio_pci_ser) <= VFIO_PCI_SER_SIZE);
static_assert(PAGE_SIZE << SER_ORDER == VFIO_PCI_SER_SIZE);
static_assert(sizeof_field(struct vfio_pci_state_ser, vconfig) == PCI_CFG_SPACE_EXP_SIZE);

/* The record */

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
	       state->irq_type <= VFIO_PCI_SER_IRQ_INTX &&
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
	pdev = pci_liveupdate_get_dev(id->segment, id->bdf);
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
	if (!pdev->driver || strcmp(pdev->driver->name, VFIO_PCI_DRIVER_NAME))
		return NULL;
	return pci_get_drvdata(pdev);
}

/* Retrieve and finish */

/* Nobody will ever have it, so it is not to go on with what it does. */
static int refuse_for_good(struct pci_dev *pdev, const char *why)
{
	pci_err(pdev, "cannot be retrieved: %s: discard its session\n", why);
	pci_liveupdate_block(pdev, "%s", why);
	return -EINVAL;
}

static int check_record(struct pci_dev *pdev, const struct vfio_pci_ser *ser,
			const struct vfio_pci_id_ser *id)
{
	if (!state_ok(&ser->state))
		return refuse_for_good(pdev, "the record of its emulated state is damaged");
	if (!is_same_device(pdev, id) || !regions_ok(pdev, &ser->state))
		return refuse_for_good(pdev, "it is not the device that was preserved");
	if (!iommu_device_is_restored(&pdev->dev)) {
		pci_err(pdev, "cannot be retrieved: its translation was not restored: discard its session\n");
		return -EIO;
	}
	return 0;
}

static void restore_token(struct vfio_pci_vf_token *token,
			  const struct vfio_pci_state_ser *state)
{
	mutex_lock(&token->lock);
	import_uuid(&token->uuid, state->vf_token);
	mutex_unlock(&token->lock);
}

/* Makes the file; the PCI device is locked. */
static int retrieve_locked(struct liveupdate_file_op_args *args,
			   struct pci_dev *pdev, struct vfio_pci_ser *ser)
{
	struct vfio_pci_core_device *vdev = find_vdev(pdev);
	struct file *file;
	int rc;

	if (!vdev) {
		pci_err(pdev, "cannot be retrieved: bind it to " VFIO_PCI_DRIVER_NAME "\n");
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
	vfio_pci_liveupdate_set_ser(vdev, ser);
	if (pci_num_vf(pdev))
		restore_token(vdev->vf_token, &ser->state);
	args->file = file;
	args->private_data = vdev;
	return 0;
}

int vfio_pci_liveupdate_retrieve(struct liveupdate_file_op_args *args)
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

	vfio_pci_liveupdate_lock(vdev);
	inherited = vdev->vdev.inherited;
	WRITE_ONCE(vdev->vdev.inherited, false);
	vdev->liveupdate.ser = NULL;
	vfio_pci_liveupdate_unlock(vdev);
	if (inherited)
		pm_runtime_put(&vdev->pdev->dev);
}

bool vfio_pci_liveupdate_can_finish(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;

	if (args->retrieve_status <= 0 ||
	    !iommu_device_is_restored(&vdev->pdev->dev))
		return true;
	pci_warn(vdev->pdev, "the session of token %#llx cannot be finished: the device is still translated by the old kernel's table: attach it\n",
		 args->token);
	return false;
}

/*
 * The session is closed while the device is still in the restored domain: without
 * anybody who has the file, it is as before retrieve again.
 */
bool vfio_pci_liveupdate_put_back(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_core_device *vdev = args->private_data;
	struct pci_dev *pdev = pci_dev_get(vdev->pdev);

	if (file_count(args->file) > 1) {
		pci_warn(pdev, "somebody still has a descriptor of it: close that\n");
		pci_dev_put(pdev);
		return false;
	}
	/* As long as the file is there, so is the vfio device. */
	vfio_pci_liveupdate_set_ser(vdev, NULL);
	__fput_sync(args->file);
	pci_dev_put(pdev);
	return true;
}

static void give_up(const struct vfio_pci_id_ser *id)
{
	struct pci_dev *pdev = find_device(id);
	struct vfio_pci_core_device *vdev;

	if (!pdev && id) {
		pci_liveupdate_forget(id->segment, id->bdf);
		iommu_restored_device_forget(id->segment, id->bdf);
	}
	if (!pdev)
		return;
	/* Whether it could be reset or not, it does no DMA any more. */
	if (pci_liveupdate_discard(pdev) != -ENOENT)
		iommu_restored_device_discard(&pdev->dev);
	device_lock(&pdev->dev);
	vdev = find_vdev(pdev);
	if (vdev)
		end_inheritance(vdev);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
}

void vfio_pci_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	struct vfio_pci_ser *ser = find_ser(args->serialized_data);

	if (args->retrieve_status > 0) {
		struct vfio_pci_core_device *vdev = args->private_data;

		pci_liveupdate_finish(vdev->pdev);
		end_inheritance(vdev);
	} else {
		give_up(find_id(ser));
	}
	if (ser)
		kho_restore_free(ser);
}

/* Hooks in vfio-pci */

/**
 * vfio_pci_liveupdate_register - the driver is bound to a device
 * @vdev: the device, locked; nobody else knows it yet
 *
 * If it has virtual functions, it is as if they had been made by writing to sriov_numvfs.
 */
void vfio_pci_liveupdate_register(struct vfio_pci_core_device *vdev)
{
	if (pci_num_vf(vdev->pdev))
		vfio_pci_core_sriov_configure(vdev, pci_num_vf(vdev->pdev));
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
	/* When it could not be registered */
	if (vdev->sriov_active)
		vfio_pci_core_sriov_configure(vdev, 0);
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

/* One for INTx */
static unsigned int max_vectors(struct pci_dev *pdev)
{
	return max3(pci_msix_vec_count(pdev), pci_msi_vec_count(pdev), 1);
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
	lu->unsignalled = bitmap_alloc(lu->nr_vectors, GFP_KERNEL_ACCOUNT);
	if (!lu->unsignalled)
		return -ENOMEM;
	bitmap_fill(lu->unsignalled, lu->nr_vectors);
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

/*
 * Old kernels put the number of vectors that can be had into the id of MSI's capability,
 * instead of into the register behind it.
 */
static bool same_cap(u8 id, u8 recorded)
{
	u8 altered = id == PCI_CAP_ID_MSI ? PCI_MSI_FLAGS_QMASK : 0;

	return !((id ^ recorded) & ~altered);
}

/* @a is the device's, @b the record's. */
static bool caps_match(const u8 *a, const u8 *b, unsigned int size)
{
	unsigned int i, pos;

	if (memcmp(a, b, PCI_COMMAND) || a[PCI_CAPABILITY_LIST] !=
					 b[PCI_CAPABILITY_LIST])
		return false;
	pos = a[PCI_CAPABILITY_LIST] & ~3;
	for (i = 0; pos && i < MAX_CAPS; i++) {
		if (!same_cap(a[pos], b[pos]) ||
		    a[pos + PCI_CAP_LIST_NEXT] != b[pos + PCI_CAP_LIST_NEXT])
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

/* What may have been switched off since the record was written */
static void restore_command(struct vfio_pci_core_device *vdev)
{
	__le16 *emulated = (__le16 *)&vdev->vconfig[PCI_COMMAND];
	u16 decoding = PCI_COMMAND_IO | PCI_COMMAND_MEMORY, command;

	pci_read_config_word(vdev->pdev, PCI_COMMAND, &command);
	*emulated &= cpu_to_le16(~decoding);
	*emulated |= cpu_to_le16(command & decoding);
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
	if (pdev->msi_cap)
		vdev->vconfig[pdev->msi_cap] = PCI_CAP_ID_MSI;
	restore_command(vdev);
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

static bool is_owed(const struct vfio_pci_liveupdate *lu, unsigned int vector)
{
	return lu->unsignalled && vector < lu->nr_vectors &&
	       test_bit(vector, lu->unsignalled);
}

/**
 * vfio_pci_liveupdate_owes_intx - is INTx to be signalled once when it has been set up?
 * @vdev: the device
 * @trigger: the eventfd, NULL when there is none
 *
 * If so it is masked, as after every signal of INTx. When userspace unmasks it, the device
 * says by its status whether there is more: whether its pin is looked at by then depends
 * on interrupt controllers, some of which take no notice of what was asserted before they
 * were set up.
 *
 * Context: igate is held.
 */
bool vfio_pci_liveupdate_owes_intx(struct vfio_pci_core_device *vdev,
				   struct eventfd_ctx *trigger)
{
	lockdep_assert_held(&vdev->igate);
	return trigger && !vdev->virq_disabled && is_owed(&vdev->liveupdate, 0);
}

/**
 * vfio_pci_liveupdate_signal - userspace has set the eventfd of a vector
 * @vdev: the device
 * @vector: number of the vector, 0 for INTx
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
	lockdep_assert_held(&vdev->igate);
	if (!is_owed(&vdev->liveupdate, vector))
		return;
	__clear_bit(vector, vdev->liveupdate.unsignalled);
	eventfd_signal(trigger);
}
