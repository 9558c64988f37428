// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd across a kexec, in the old kernel, and what its devices' drivers need to
 * preserve a device. What is mapped is recorded by liveupdate_maps.c.
 *
 * Life cycle: preserve marks the iommufd and refuses page tables that
 * cannot cross. The driver of a device that is bound to it calls
 * iommufd_device_preserve() then. Mapping goes on until activate, when the IOMMU
 * core calls preserved_freeze() for each device: from now until thaw, neither the
 * mappings of the address space that the device is attached to can change, nor
 * what it is attached to. Other address spaces of the same iommufd are not
 * affected, and are not recorded. freeze, at finalize, lists the objects.
 *
 * Nothing here is released while it is frozen: the session holds the files of the
 * iommufd and of the device, whatever userspace closes. When the session itself is
 * closed, unpreserve thaws first.
 *
 * Locks: the session's mutex for everything of a file that crosses; the lock of
 * iommufd_ctx.objects for iommufd_ctx.preserved; iommufd_group.lock for
 * iommufd_group.frozen; domains_rwsem and iova_rwsem, both for writing, for
 * io_pagetable.frozen.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/iommufd.h>
#include <linux/iommufd_liveupdate.h>
#include <linux/kho.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate.h"

static_assert(sizeof(struct iommufd_object_ser) == 32);
static_assert(sizeof(struct iommufd_ser) == 64);

/**
 * struct iommufd_preserved - a device of an iommufd that is preserved
 * @idev: the device
 * @iopt: the mappings that are frozen for it; NULL when they are not
 * @ops: calls to its driver
 * @data: what its driver wants to get with them
 */
struct iommufd_preserved {
	struct iommufd_device *idev;
	struct io_pagetable *iopt;
	const struct iommufd_preserve_ops *ops;
	void *data;
};

/* Why a page table cannot be used by the next kernel, or NULL. */
static const char *unsuitable(const struct iommufd_hw_pagetable *hwpt)
{
	if (hwpt->obj.type != IOMMUFD_OBJ_HWPT_PAGING)
		return "is nested";
	if (hwpt->fault)
		return "has a fault queue";
	return NULL;
}

static bool is_attached(const struct iommufd_device *idev)
{
	const struct iommufd_device *cur;

	lockdep_assert_held(&idev->igroup->lock);
	list_for_each_entry(cur, &idev->igroup->device_list, group_item)
		if (cur == idev)
			return true;
	return false;
}

/* Has the device what can be preserved? -EINVAL or -EOPNOTSUPP, and @why. */
static int check_attachment(const struct iommufd_device *idev,
			    const char **why)
{
	lockdep_assert_held(&idev->igroup->lock);
	*why = "is not there";
	if (!is_attached(idev))
		return -EINVAL;
	*why = unsuitable(idev->igroup->hwpt);
	return *why ? -EOPNOTSUPP : 0;
}

static void set_frozen(struct io_pagetable *iopt, struct iommufd_group *igroup,
		       int change)
{
	lockdep_assert_held(&igroup->lock);
	/* Waits for whoever is changing mappings. */
	down_write(&iopt->domains_rwsem);
	down_write(&iopt->iova_rwsem);
	iopt->frozen += change;
	up_write(&iopt->iova_rwsem);
	up_write(&iopt->domains_rwsem);
	igroup->frozen += change;
}

/* What there is to undo; with the group's lock, which it drops */
static void undo_freeze(struct iommufd_preserved *preserved)
{
	struct iommufd_group *igroup = preserved->idev->igroup;

	if (preserved->iopt)
		set_frozen(preserved->iopt, igroup, -1);
	preserved->iopt = NULL;
	mutex_unlock(&igroup->lock);
	preserved->ops->thaw(preserved->data);
}

static int preserved_freeze(void *user)
{
	struct iommufd_preserved *preserved = user;
	struct iommufd_device *idev = preserved->idev;
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_maps_fault fault;
	const char *why;
	int rc;

	rc = preserved->ops->freeze(preserved->data);
	if (rc)
		return rc;

	mutex_lock(&igroup->lock);
	rc = check_attachment(idev, &why);
	if (rc) {
		iommu_liveupdate_refuse("%s: its page table %s: attach it to another one",
					dev_name(idev->dev), why);
		goto err_undo;
	}
	preserved->iopt = &to_hwpt_paging(igroup->hwpt)->ioas->iopt;
	set_frozen(preserved->iopt, igroup, 1);
	rc = iommufd_maps_verify(preserved->iopt, igroup->hwpt->domain, &fault);
	if (rc) {
		iommu_liveupdate_refuse("%s: what is mapped at %#lx (%#zx bytes) %s",
					dev_name(idev->dev), fault.iova,
					fault.length, fault.why);
		goto err_undo;
	}
	mutex_unlock(&igroup->lock);
	return 0;

err_undo:
	undo_freeze(preserved);
	return rc;
}

static void preserved_thaw(void *user)
{
	struct iommufd_preserved *preserved = user;

	mutex_lock(&preserved->idev->igroup->lock);
	undo_freeze(preserved);
}

static const struct iommu_preserve_ops preserved_ops = {
	.freeze = preserved_freeze,
	.thaw = preserved_thaw,
};

/**
 * iommufd_device_preserve - preserve the translation of a device
 * @idev: the device; must not be unbound before iommufd_device_unpreserve()
 * @session: of which a file operation is running
 * @token: out: by which the iommufd is known in @session
 * @ops: calls to the device's driver
 * @data: for these calls
 *
 * The reason of a refusal is in the log.
 *
 * Context: may sleep; with the mutex of @session.
 * Return: what iommufd_device_unpreserve() wants, or an error pointer: -EINVAL
 * when the device is not attached to anything, -ENXIO when its iommufd, or a file that
 * is mapped, was not preserved before in @session, -EOPNOTSUPP when the page table, or
 * something that is mapped, is of a sort that cannot be preserved, -ENOMEM, or as
 * iommu_preserve_device()
 */
struct iommufd_preserved *
iommufd_device_preserve(struct iommufd_device *idev,
			struct liveupdate_session *session, u64 *token,
			const struct iommufd_preserve_ops *ops, void *data)
{
	struct iommufd_preserved *preserved;
	struct iommufd_maps_fault fault = {};
	const char *why;
	int rc;

	if (liveupdate_get_token_outgoing(session, idev->ictx->file, token)) {
		dev_err(idev->dev, "cannot be preserved: its iommufd is not in the session: preserve that first\n");
		return ERR_PTR(-ENXIO);
	}

	mutex_lock(&idev->igroup->lock);
	rc = check_attachment(idev, &why);
	if (!rc)
		rc = iommufd_maps_check(&to_hwpt_paging(idev->igroup->hwpt)->ioas->iopt,
					session, &fault);
	mutex_unlock(&idev->igroup->lock);
	if (fault.why) {
		dev_err(idev->dev, "cannot be preserved: what is mapped at %#lx (%#zx bytes) %s\n",
			fault.iova, fault.length, fault.why);
		return ERR_PTR(rc);
	}
	if (rc) {
		dev_err(idev->dev, "cannot be preserved: the page table of the device %s: attach it to an address space or an ordinary page table\n",
			why);
		return ERR_PTR(rc);
	}

	preserved = kzalloc(sizeof(*preserved), GFP_KERNEL_ACCOUNT);
	if (!preserved)
		return ERR_PTR(-ENOMEM);
	preserved->idev = idev;
	preserved->ops = ops;
	preserved->data = data;
	rc = iommu_preserve_device(idev->dev, &preserved_ops, preserved);
	if (rc) {
		kfree(preserved);
		return ERR_PTR(rc);
	}
	return preserved;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_preserve, IOMMUFD);

/**
 * iommufd_device_unpreserve - undo iommufd_device_preserve()
 * @preserved: what that returned
 *
 * Context: may sleep.
 */
void iommufd_device_unpreserve(struct iommufd_preserved *preserved)
{
	iommu_unpreserve_device(preserved->idev->dev);
	/* No more calls from there. */
	if (preserved->iopt)
		preserved_thaw(preserved);
	kfree(preserved);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_unpreserve, IOMMUFD);

/* Why objects of the iommufd cannot cross, or NULL; and the id of the first one. */
static const char *unsuitable_object(struct iommufd_ctx *ictx, u32 *id)
{
	struct iommufd_object *obj;
	const char *why = NULL;
	unsigned long index;

	xa_lock(&ictx->objects);
	xa_for_each(&ictx->objects, index, obj) {
		*id = obj->id;
		if (obj->type == IOMMUFD_OBJ_FAULT)
			why = "is a fault queue";
		else if (obj->type == IOMMUFD_OBJ_HWPT_PAGING ||
			 obj->type == IOMMUFD_OBJ_HWPT_NESTED)
			why = unsuitable(container_of(obj, struct iommufd_hw_pagetable,
						      obj));
		if (why)
			break;
	}
	xa_unlock(&ictx->objects);
	return why;
}

static bool is_listed(const struct iommufd_object *obj)
{
	return obj->type == IOMMUFD_OBJ_IOAS ||
	       obj->type == IOMMUFD_OBJ_HWPT_PAGING ||
	       obj->type == IOMMUFD_OBJ_DEVICE;
}

static u32 count_objects(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;
	unsigned long index;
	u32 nr = 0;

	xa_lock(&ictx->objects);
	xa_for_each(&ictx->objects, index, obj)
		nr += is_listed(obj);
	xa_unlock(&ictx->objects);
	return nr;
}

static void write_device(struct iommufd_object_ser *out,
			 struct iommufd_device *idev)
{
	out->type = IOMMUFD_SER_DEVICE;
	mutex_lock(&idev->igroup->lock);
	if (is_attached(idev)) {
		out->parent = idev->igroup->hwpt->obj.id;
		if (iommufd_group_is_frozen(idev->igroup))
			out->flags |= IOMMUFD_SER_PRESERVED;
	}
	mutex_unlock(&idev->igroup->lock);
	out->bdf = dev_is_pci(idev->dev) ? iommufd_bdf_of(to_pci_dev(idev->dev)) :
					   IOMMUFD_SER_NO_BDF;
}

static void write_ioas(struct iommufd_object_ser *out,
		       struct io_pagetable *iopt)
{
	out->type = IOMMUFD_SER_IOAS;
	down_read(&iopt->iova_rwsem);
	if (iopt_is_frozen(iopt))
		out->flags |= IOMMUFD_SER_PRESERVED;
	if (iopt->disable_large_pages)
		out->flags |= IOMMUFD_SER_SMALL_PAGES;
	up_read(&iopt->iova_rwsem);
}

static void write_hwpt(struct iommufd_object_ser *out,
		       const struct iommufd_hwpt_paging *hwpt)
{
	out->type = IOMMUFD_SER_HWPT;
	out->parent = hwpt->ioas->obj.id;
	if (hwpt->auto_domain)
		out->flags |= IOMMUFD_SER_AUTO;
	if (hwpt->nest_parent)
		out->hwpt_flags |= IOMMUFD_SER_HWPT_NEST_PARENT;
	if (hwpt->common.domain->dirty_ops)
		out->hwpt_flags |= IOMMUFD_SER_HWPT_DIRTY;
	if (READ_ONCE(hwpt->tracks_dirty))
		out->flags |= IOMMUFD_SER_TRACKS_DIRTY;
}

/* The next object at or after @index that is listed; false when there is none */
static bool write_next(struct iommufd_ctx *ictx, unsigned long *index,
		       struct iommufd_object_ser *out)
{
	struct iommufd_object *obj;

	*out = (struct iommufd_object_ser) {};
	obj = iommufd_next_object(ictx, index, is_listed);
	if (!obj)
		return false;
	out->id = obj->id;
	if (obj->type == IOMMUFD_OBJ_IOAS)
		write_ioas(out, &container_of(obj, struct iommufd_ioas,
					      obj)->iopt);
	else if (obj->type == IOMMUFD_OBJ_HWPT_PAGING)
		write_hwpt(out, container_of(obj, struct iommufd_hwpt_paging,
					     common.obj));
	else
		write_device(out, container_of(obj, struct iommufd_device, obj));
	iommufd_put_object(ictx, obj);
	*index = out->id + 1UL;
	return true;
}

/* Page tables that preserved devices are attached to */
static void mark_hwpts(struct iommufd_ser *ser)
{
	const struct iommufd_object_ser *device;
	struct iommufd_object_ser *hwpt;
	u32 i, j;

	for (i = 0; i < ser->nr; i++) {
		device = &ser->object[i];
		if (device->type != IOMMUFD_SER_DEVICE ||
		    !(device->flags & IOMMUFD_SER_PRESERVED))
			continue;
		for (j = 0; j < ser->nr; j++) {
			hwpt = &ser->object[j];
			if (hwpt->type == IOMMUFD_SER_HWPT &&
			    hwpt->id == device->parent)
				hwpt->flags |= IOMMUFD_SER_PRESERVED;
		}
	}
}

static bool has_hwpt_flags(const struct iommufd_ser *ser)
{
	u32 i;

	for (i = 0; i < ser->nr; i++)
		if (ser->object[i].hwpt_flags)
			return true;
	return false;
}

static struct iommufd_ser *alloc_record(u32 nr)
{
	size_t size = struct_size_t(struct iommufd_ser, object, nr);
	u32 pages = roundup_pow_of_two(PFN_UP(size));
	struct iommufd_ser *ser;

	if (pages > IOMMUFD_SER_MAX_PAGES)
		return ERR_PTR(-ENOSPC);
	ser = kho_alloc_preserve(pages * PAGE_SIZE);
	if (!IS_ERR(ser))
		ser->pages = pages;
	return ser;
}

static int write_record(struct iommufd_ctx *ictx, struct iommufd_ser *ser,
			struct liveupdate_file_op_args *args)
{
	struct iommufd_object_ser object;
	unsigned long index = 0;
	int rc;

	ser->nr = 0;
	ser->account_mode = ictx->account_mode == IOPT_PAGES_ACCOUNT_MM;
	while (write_next(ictx, &index, &object)) {
		if (ser->nr == iommufd_ser_room(ser->pages)) {
			liveupdate_refuse(args, "objects were made meanwhile: stop, and try again");
			return -ENOSPC;
		}
		ser->object[ser->nr++] = object;
	}
	mark_hwpts(ser);
	if (has_hwpt_flags(ser)) {
		rc = kho_need_version(IOMMUFD_LIVEUPDATE_HWPT_FLAGS);
		if (rc)
			return rc;
	}
	rc = iommufd_maps_write(ictx, ser, args);
	if (rc)
		goto err_unneed;
	ser->checksum = iommufd_ser_checksum(ser);
	return 0;

err_unneed:
	if (has_hwpt_flags(ser))
		kho_unneed_version(IOMMUFD_LIVEUPDATE_HWPT_FLAGS);
	return rc;
}

int iommufd_liveupdate_preserve(struct liveupdate_file_op_args *args)
{
	struct iommufd_ctx *ictx = args->file->private_data;
	struct iommufd_ser *ser;
	const char *why;
	u32 id;
	int rc;

	if (!iommufd_set_preserved(ictx, true))
		return -EBUSY;
	rc = -EOPNOTSUPP;
	if (ictx->no_iommu_mode) {
		pr_err("token %#llx: without IOMMU nothing can be preserved\n",
		       args->token);
		goto err_unmark;
	}
	why = unsuitable_object(ictx, &id);
	if (why) {
		pr_err("token %#llx: object %u %s and cannot be preserved: destroy it\n",
		       args->token, id, why);
		goto err_unmark;
	}
	ser = alloc_record(count_objects(ictx));
	rc = PTR_ERR_OR_ZERO(ser);
	if (rc)
		goto err_unmark;
	args->serialized_data = virt_to_phys(ser);
	return 0;

err_unmark:
	iommufd_set_preserved(ictx, false);
	return rc;
}

void iommufd_liveupdate_unpreserve(struct liveupdate_file_op_args *args)
{
	kho_unpreserve_free(phys_to_virt(args->serialized_data));
	iommufd_set_preserved(args->file->private_data, false);
}

int iommufd_liveupdate_freeze(struct liveupdate_file_op_args *args)
{
	struct iommufd_ser *old = phys_to_virt(args->serialized_data);
	struct iommufd_ctx *ictx = args->file->private_data;
	u32 nr = count_objects(ictx);
	struct iommufd_ser *ser = old;
	int rc;

	if (nr > iommufd_ser_room(old->pages))
		ser = alloc_record(nr);
	rc = PTR_ERR_OR_ZERO(ser);
	if (rc) {
		liveupdate_refuse(args, "%u objects cannot be listed: destroy what is not needed",
				  nr);
		return rc;
	}
	rc = write_record(ictx, ser, args);
	if (rc) {
		if (ser != old)
			kho_unpreserve_free(ser);
		return rc;
	}
	if (ser != old)
		kho_unpreserve_free(old);
	args->serialized_data = virt_to_phys(ser);
	return 0;
}

void iommufd_liveupdate_unfreeze(struct liveupdate_file_op_args *args)
{
	struct iommufd_ser *ser = phys_to_virt(args->serialized_data);

	iommufd_maps_free(ser);
	if (has_hwpt_flags(ser))
		kho_unneed_version(IOMMUFD_LIVEUPDATE_HWPT_FLAGS);
}
