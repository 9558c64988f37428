// SPDX-License-Identifier: GPL-2.0-only
/*
 * An address space of an iommufd that crossed a kexec is made again in the next kernel.
 *
 * Life cycle: once for each address space, in any order, at once or not at all: maps,
 * page tables, pins, and then the page tables are compared with those that have been in
 * force since the old kernel. From then on they are objects like any others.
 *
 * Locks, outer ones first: iommufd_restore.lock, which the caller holds,
 * iommufd_ctx.ioas_lock, iommufd_ioas.mutex, iommufd_group.lock.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd_liveupdate.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate.h"

static int restore_allowed(struct iommufd_restore *restore,
			   struct iommufd_ioas *ioas, u64 *nr, u32 old_id)
{
	struct rb_root_cached tree = RB_ROOT_CACHED;
	const struct iommufd_map_ser *map;
	struct interval_tree_node *node;
	struct iopt_allowed *allowed;
	int rc = 0;

	for (; *nr < restore->record->ser->nr_maps; ++*nr) {
		map = iommufd_record_map(restore->record, *nr);
		if (map->ioas != old_id || map->flags != IOMMUFD_MAP_SER_ALLOWED)
			break;
		allowed = kzalloc(sizeof(*allowed), GFP_KERNEL_ACCOUNT);
		if (!allowed) {
			rc = -ENOMEM;
			break;
		}
		allowed->node.start = map->iova;
		allowed->node.last = map->offset;
		interval_tree_insert(&allowed->node, &tree);
	}
	if (!rc && !RB_EMPTY_ROOT(&tree.rb_root))
		rc = iopt_set_allow_iova(&ioas->iopt, &tree);
	/* That exchanged the trees. */
	while ((node = interval_tree_iter_first(&tree, 0, ULONG_MAX))) {
		interval_tree_remove(node, &tree);
		kfree(container_of(node, struct iopt_allowed, node));
	}
	return rc;
}

/* The pages of a map, with a reference: new ones, or those of another map */
static struct iopt_pages *get_source(struct iommufd_restore *restore,
				     const struct iommufd_map_ser *map)
{
	struct iopt_pages **source = &restore->sources[map->source];
	u64 end = map->source_start + map->source_length;
	struct iopt_pages *pages;
	struct file *file;

	if (!*source) {
		file = xa_load(&restore->files, map->token);
		if (!file) {
			pr_err("iova %#llx: the file with token %#llx is lost\n",
			       map->iova, map->token);
			return ERR_PTR(-ENXIO);
		}
		if (i_size_read(file_inode(file)) < end) {
			pr_err("iova %#llx: the file with token %#llx ends before %#llx: was it truncated?\n",
			       map->iova, map->token, end);
			return ERR_PTR(-EINVAL);
		}
		pages = iopt_alloc_file_pages(file, map->source_start,
					      map->source_length,
					      map->flags & IOMMUFD_MAP_SER_WRITABLE);
		if (IS_ERR(pages))
			return pages;
		*source = pages;
	}
	kref_get(&(*source)->kref);
	return *source;
}

static int restore_map(struct iommufd_restore *restore,
		       struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
		       const struct iommufd_map_ser *map)
{
	unsigned long iova = map->iova;
	struct iopt_pages *pages;
	int prot = IOMMU_CACHE;

	pages = get_source(restore, map);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	if (map->flags & IOMMUFD_MAP_SER_READ)
		prot |= IOMMU_READ;
	if (map->flags & IOMMUFD_MAP_SER_WRITE)
		prot |= IOMMU_WRITE;
	return iopt_map_alloced(ictx, &ioas->iopt, pages, &iova,
				map->offset - map->source_start, map->length,
				prot, 0);
}

static int restore_maps(struct iommufd_restore *restore,
			struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			u32 old_id)
{
	u64 i = iommufd_record_first_map(restore->record, old_id);
	const struct iommufd_map_ser *map;
	int rc;

	rc = restore_allowed(restore, ioas, &i, old_id);
	for (; !rc && i < restore->record->ser->nr_maps; i++) {
		map = iommufd_record_map(restore->record, i);
		if (map->ioas != old_id)
			break;
		rc = restore_map(restore, ictx, ioas, map);
		cond_resched();
	}
	return rc;
}

/* Sources that nothing is mapped of are accounted to whoever tries next. */
static void drop_unused_sources(struct iommufd_restore *restore)
{
	u32 i;

	for (i = 0; i < restore->record->ser->nr_sources; i++) {
		if (!restore->sources[i] ||
		    kref_read(&restore->sources[i]->kref) > 1)
			continue;
		iopt_put_pages(restore->sources[i]);
		restore->sources[i] = NULL;
	}
}

static bool is_at(struct device *dev, u64 bdf)
{
	return dev_is_pci(dev) && iommufd_bdf_of(to_pci_dev(dev)) == bdf;
}

static bool is_device(const struct iommufd_object *obj)
{
	return obj->type == IOMMUFD_OBJ_DEVICE;
}

/* The next device at or after @index, with a reference, or NULL */
static struct iommufd_device *next_device(struct iommufd_ctx *ictx,
					  unsigned long *index)
{
	struct iommufd_object *obj = iommufd_next_object(ictx, index, is_device);

	return obj ? container_of(obj, struct iommufd_device, obj) : NULL;
}

/* The device if it is bound to the iommufd, with a reference, or NULL */
static struct iommufd_device *get_bound(struct iommufd_ctx *ictx, u64 bdf)
{
	struct iommufd_device *idev;
	unsigned long index = 0;

	for (; (idev = next_device(ictx, &index)); index++) {
		if (is_at(idev->dev, bdf))
			return idev;
		iommufd_put_object(ictx, &idev->obj);
	}
	return NULL;
}

static bool was_attached(const struct iommufd_ser *ser, struct device *dev)
{
	u32 i;

	for (i = 0; i < ser->nr; i++)
		if (ser->object[i].type == IOMMUFD_SER_DEVICE &&
		    ser->object[i].flags & IOMMUFD_SER_PRESERVED &&
		    is_at(dev, ser->object[i].bdf))
			return true;
	return false;
}

/*
 * A device that goes on with what another iommufd mapped must not get what this one
 * did, for want of a record that it can be compared with.
 */
static int check_bound(struct iommufd_restore *restore,
		       struct iommufd_ctx *ictx)
{
	struct iommufd_device *idev;
	unsigned long index = 0;
	bool foreign;

	for (; (idev = next_device(ictx, &index)); index++) {
		foreign = iommu_device_is_restored(idev->dev) &&
			  !was_attached(restore->record->ser, idev->dev);
		if (foreign)
			dev_err(idev->dev, "was not attached in this iommufd in the old kernel: bind it to another one\n");
		iommufd_put_object(ictx, &idev->obj);
		if (foreign)
			return -EINVAL;
	}
	return 0;
}

static bool still_restored(u64 bdf)
{
	struct pci_dev *pdev;
	bool restored;

	pdev = pci_liveupdate_get_dev(bdf >> 16, bdf);
	if (!pdev)
		return false;
	/* One that is blocked does no DMA, and nobody can bind it. */
	restored = iommu_device_is_restored(&pdev->dev) &&
		   !pci_liveupdate_is_blocked(pdev);
	pci_dev_put(pdev);
	return restored;
}

/*
 * The device that was attached to the page table, with a reference. NULL when it is not
 * translated by the old kernel's table any more: it could not be restored, or was
 * discarded, or is attached to something else by now. The same is one that is blocked.
 */
static struct iommufd_device *get_attached(struct iommufd_ctx *ictx, u64 bdf)
{
	struct iommufd_device *idev;

	if (!still_restored(bdf))
		return NULL;
	idev = get_bound(ictx, bdf);
	if (idev)
		return idev;
	pr_err("%04llx:%02llx:%02llx.%llx is not bound to the iommufd: do that before its address space is restored\n",
	       bdf >> 16, (u64)PCI_BUS_NUM(bdf), (u64)PCI_SLOT(bdf),
	       (u64)PCI_FUNC(bdf));
	return ERR_PTR(-ENXIO);
}

/* Does the page table say what is in force for the device? */
static int compare(struct iommufd_device *idev,
		   const struct iommufd_hwpt_paging *hwpt)
{
	u64 iova;
	int rc;

	/* It cannot be attached to anything else meanwhile. */
	mutex_lock(&idev->igroup->lock);
	rc = iommu_restored_device_compare(idev->dev, hwpt->common.domain,
					   &iova);
	mutex_unlock(&idev->igroup->lock);
	if (rc == -EINVAL)
		dev_err(idev->dev, "what the files say is not what has been in force since the old kernel, from iova %#llx on: the address space is not restored\n",
			iova);
	/* It was attached to something else before. */
	return rc == -ENODEV ? 0 : rc;
}

/* Before a device is attached, which makes what it dirtied until then dirty here. */
static int track_dirty(struct iommufd_hwpt_paging *hwpt)
{
	int rc = iopt_set_dirty_tracking(&hwpt->ioas->iopt, hwpt->common.domain,
					 true);

	if (!rc)
		hwpt->tracks_dirty = true;
	return rc;
}

static struct iommufd_hwpt_paging *
alloc_hwpt(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
	   struct iommufd_device *idev, const struct iommufd_object_ser *object)
{
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	static_assert(IOMMUFD_SER_HWPT_NEST_PARENT == IOMMU_HWPT_ALLOC_NEST_PARENT);
	static_assert(IOMMUFD_SER_HWPT_DIRTY == IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	hwpt = iommufd_hwpt_paging_alloc(ictx, ioas, idev, IOMMU_NO_PASID,
					 object->hwpt_flags, false, NULL);
	if (hwpt == ERR_PTR(-EOPNOTSUPP))
		dev_err(idev->dev, "its IOMMU has no page tables with flags %#x, which the old kernel's had: the address space is not restored\n",
			object->hwpt_flags);
	if (IS_ERR(hwpt))
		return hwpt;
	hwpt->auto_domain = object->flags & IOMMUFD_SER_AUTO;
	if (object->flags & IOMMUFD_SER_TRACKS_DIRTY) {
		rc = track_dirty(hwpt);
		if (rc) {
			iommufd_object_abort_and_destroy(ictx, &hwpt->common.obj);
			return ERR_PTR(rc);
		}
	}
	return hwpt;
}

/*
 * Page table number @i of the record, filled, not yet finalized. NULL when it has no
 * device any more.
 */
static struct iommufd_hwpt_paging *
restore_hwpt(struct iommufd_restore *restore, struct iommufd_ctx *ictx,
	     struct iommufd_ioas *ioas, u32 i)
{
	const struct iommufd_ser *ser = restore->record->ser;
	const struct iommufd_object_ser *device;
	struct iommufd_hwpt_paging *hwpt = NULL;
	struct iommufd_device *idev;
	int rc = 0;
	u32 j;

	lockdep_assert_held(&ioas->mutex);
	for (j = 0; j < ser->nr && !rc; j++) {
		device = &ser->object[j];
		if (device->type != IOMMUFD_SER_DEVICE ||
		    !(device->flags & IOMMUFD_SER_PRESERVED) ||
		    device->parent != ser->object[i].id)
			continue;
		idev = get_attached(ictx, device->bdf);
		if (!idev)
			continue;
		if (IS_ERR(idev)) {
			rc = PTR_ERR(idev);
			break;
		}
		if (!hwpt)
			hwpt = alloc_hwpt(ictx, ioas, idev, &ser->object[i]);
		if (IS_ERR(hwpt)) {
			rc = PTR_ERR(hwpt);
			hwpt = NULL;
		} else {
			rc = compare(idev, hwpt);
		}
		iommufd_put_object(ictx, &idev->obj);
	}
	if (!rc)
		return hwpt;
	if (hwpt)
		iommufd_object_abort_and_destroy(ictx, &hwpt->common.obj);
	return ERR_PTR(rc);
}

static bool is_hwpt_of(const struct iommufd_object_ser *object, u32 ioas)
{
	return object->type == IOMMUFD_SER_HWPT && object->parent == ioas &&
	       object->flags & IOMMUFD_SER_PRESERVED;
}

/* All page tables into @hwpts, by their numbers in the record, or none */
static int restore_hwpts(struct iommufd_restore *restore,
			 struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			 u32 old_id, struct iommufd_hwpt_paging **hwpts)
{
	const struct iommufd_ser *ser = restore->record->ser;
	int rc;
	u32 i;

	for (i = 0; i < ser->nr; i++) {
		if (!is_hwpt_of(&ser->object[i], old_id))
			continue;
		hwpts[i] = restore_hwpt(restore, ictx, ioas, i);
		if (IS_ERR(hwpts[i])) {
			rc = PTR_ERR(hwpts[i]);
			goto err_abort;
		}
	}
	return 0;

err_abort:
	while (i--)
		if (hwpts[i])
			iommufd_object_abort_and_destroy(ictx,
							 &hwpts[i]->common.obj);
	return rc;
}

/**
 * iommufd_restore_one_ioas - make an address space again
 * @restore: of the iommufd, locked
 * @ucmd: the call
 * @nr: number in the record, of an address space that was recorded with its maps
 *
 * Return: see uapi/linux/iommufd_liveupdate.h
 */
int iommufd_restore_one_ioas(struct iommufd_restore *restore,
			     struct iommufd_ucmd *ucmd, u32 nr)
{
	const struct iommufd_object_ser *object = &restore->record->ser->object[nr];
	struct iommu_restore_ioas *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging **hwpts;
	struct iommufd_ioas *ioas;
	u32 i, nr_objects = restore->record->ser->nr;
	int rc;

	rc = check_bound(restore, ucmd->ictx);
	if (rc)
		return rc;
	hwpts = kvcalloc(nr_objects, sizeof(*hwpts), GFP_KERNEL);
	if (!hwpts)
		return -ENOMEM;
	/* What is not finalized is not seen by those who move all to another process. */
	down_read(&ucmd->ictx->ioas_lock);
	ioas = iommufd_ioas_alloc(ucmd->ictx);
	rc = PTR_ERR_OR_ZERO(ioas);
	if (rc)
		goto out_up;
	ioas->iopt.disable_large_pages = object->flags & IOMMUFD_SER_SMALL_PAGES;
	rc = restore_maps(restore, ucmd->ictx, ioas, object->id);
	if (rc)
		goto err_ioas;

	mutex_lock(&ioas->mutex);
	rc = restore_hwpts(restore, ucmd->ictx, ioas, object->id, hwpts);
	if (rc)
		goto err_unlock;
	cmd->out_ioas_id = ioas->obj.id;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		goto err_hwpts;
	restore->new_ids[nr] = ioas->obj.id;
	iommufd_object_finalize(ucmd->ictx, &ioas->obj);
	for (i = 0; i < nr_objects; i++) {
		if (!hwpts[i])
			continue;
		restore->new_ids[i] = hwpts[i]->common.obj.id;
		iommufd_object_finalize(ucmd->ictx, &hwpts[i]->common.obj);
	}
	mutex_unlock(&ioas->mutex);
	goto out_up;

err_hwpts:
	for (i = nr_objects; i--; )
		if (hwpts[i])
			iommufd_object_abort_and_destroy(ucmd->ictx,
							 &hwpts[i]->common.obj);
err_unlock:
	mutex_unlock(&ioas->mutex);
err_ioas:
	iommufd_object_abort_and_destroy(ucmd->ictx, &ioas->obj);
	drop_unused_sources(restore);
out_up:
	up_read(&ucmd->ictx->ioas_lock);
	kvfree(hwpts);
	return rc;
}
