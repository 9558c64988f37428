// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd that crossed a kexec, in the next kernel.
 *
 * Life cycle: retrieve makes an iommufd without objects, but with the record of what
 * there was, and with the files of the session that were mapped. Userspace reads the
 * record and has address spaces made again, in any order, each at once or not at all:
 * maps, page tables, pins, and then the page tables are compared with those that have
 * been in force since the old kernel. From then on they are objects like any others.
 * finish drops the record and the files. An iommufd that everybody closed before goes
 * back to the session, and is retrieved anew.
 *
 * Locks, outer ones first: the session's mutex, iommufd_restore.lock,
 * iommufd_ctx.ioas_lock, iommufd_ioas.mutex, iommufd_group.lock. iommufd_ctx.restore
 * changes under the lock of iommufd_ctx.objects; who reads it takes a reference there.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd_liveupdate.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate.h"

/**
 * struct iommufd_restore - what an iommufd can be made of again
 * @kref: of the iommufd, and of calls that are running
 * @lock: of everything below
 * @record: the record; NULL when the session is finished
 * @files: those of the session that were mapped and could be retrieved, by token
 * @sources: by their numbers in the record, to be shared by all that they are mapped by
 * @new_ids: of @record's objects, 0 when they were not made again
 */
struct iommufd_restore {
	struct kref kref;
	struct mutex lock;	/* everything below */
	struct iommufd_record *record;
	struct xarray files;
	struct iopt_pages **sources;
	u32 *new_ids;
};

/* --- Retrieve and finish --- */

static void drop_contents(struct iommufd_restore *restore)
{
	unsigned long token;
	struct file *file;
	u32 i;

	if (!restore->record)
		return;
	for (i = 0; restore->sources && i < restore->record->ser->nr_sources; i++)
		if (restore->sources[i])
			iopt_put_pages(restore->sources[i]);
	xa_for_each(&restore->files, token, file)
		fput(file);
	xa_destroy(&restore->files);
	kvfree(restore->new_ids);
	kvfree(restore->sources);
	iommufd_record_close(restore->record);
	restore->record = NULL;
}

static void release(struct kref *kref)
{
	struct iommufd_restore *restore = container_of(kref,
						       struct iommufd_restore,
						       kref);

	drop_contents(restore);
	mutex_destroy(&restore->lock);
	kfree(restore);
}

/* A file that is missing is an error for the address space that needs it only. */
static int get_files(struct iommufd_restore *restore,
		     struct liveupdate_file_op_args *args)
{
	const struct iommufd_map_ser *map;
	u64 i, token = 0;
	struct file *file;
	bool any = false;
	int rc;

	for (i = 0; i < restore->record->ser->nr_maps; i++) {
		map = iommufd_record_map(restore->record, i);
		if (map->flags == IOMMUFD_MAP_SER_ALLOWED ||
		    (any && map->token == token) ||
		    xa_load(&restore->files, map->token))
			continue;
		any = true;
		token = map->token;
		rc = liveupdate_get_file_incoming(args->session, token, &file);
		if (rc == -ENOMEM)
			return rc;
		if (rc) {
			pr_err("token %#llx: the file with token %#llx, which was mapped, is lost: error %d\n",
			       args->token, token, rc);
			continue;
		}
		rc = xa_err(xa_store(&restore->files, token, file,
				     GFP_KERNEL_ACCOUNT));
		if (rc) {
			fput(file);
			return rc;
		}
	}
	return 0;
}

static struct iommufd_restore *
make_restore(struct liveupdate_file_op_args *args)
{
	struct iommufd_restore *restore;
	const struct iommufd_ser *ser;
	int rc;

	restore = kzalloc(sizeof(*restore), GFP_KERNEL_ACCOUNT);
	if (!restore)
		return ERR_PTR(-ENOMEM);
	kref_init(&restore->kref);
	mutex_init(&restore->lock);
	xa_init(&restore->files);
	restore->record = iommufd_record_open(args->serialized_data);
	if (IS_ERR(restore->record)) {
		rc = PTR_ERR(restore->record);
		restore->record = NULL;
		goto err_put;
	}
	ser = restore->record->ser;
	rc = -ENOMEM;
	restore->sources = kvcalloc(ser->nr_sources + 1UL,
				    sizeof(*restore->sources),
				    GFP_KERNEL_ACCOUNT);
	restore->new_ids = kvcalloc(ser->nr + 1UL, sizeof(*restore->new_ids),
				    GFP_KERNEL_ACCOUNT);
	if (!restore->sources || !restore->new_ids)
		goto err_put;
	rc = get_files(restore, args);
	if (rc)
		goto err_put;
	return restore;

err_put:
	kref_put(&restore->kref, release);
	return ERR_PTR(rc);
}

/**
 * iommufd_restore_retrieve - file operation
 * @args: of the operation
 *
 * Return: 0; -EINVAL when the record is damaged; -ENOMEM
 */
int iommufd_restore_retrieve(struct liveupdate_file_op_args *args)
{
	struct iommufd_restore *restore = make_restore(args);
	struct iommufd_ctx *ictx;
	struct file *file;

	if (restore == ERR_PTR(-EINVAL))
		pr_err("token %#llx: the record is damaged: use a new iommufd\n",
		       args->token);
	if (IS_ERR(restore))
		return PTR_ERR(restore);
	file = iommufd_getfile();
	if (IS_ERR(file)) {
		kref_put(&restore->kref, release);
		return PTR_ERR(file);
	}
	ictx = file->private_data;
	if (restore->record->ser->account_mode)
		ictx->account_mode = IOPT_PAGES_ACCOUNT_MM;
	/* Not into another session before this one is finished. */
	ictx->preserved = true;
	ictx->restore = restore;
	args->file = file;
	return 0;
}

/* Waits for calls that are running. */
static void end_restore(struct iommufd_ctx *ictx)
{
	struct iommufd_restore *restore;

	xa_lock(&ictx->objects);
	restore = ictx->restore;
	ictx->restore = NULL;
	xa_unlock(&ictx->objects);
	mutex_lock(&restore->lock);
	drop_contents(restore);
	mutex_unlock(&restore->lock);
	kref_put(&restore->kref, release);
}

/**
 * iommufd_restore_put_back - file operation
 * @args: of the operation
 *
 * Return: true, when nobody has it any more: a device in the session may still need
 * a new one
 */
bool iommufd_restore_put_back(struct liveupdate_file_op_args *args)
{
	if (file_count(args->file) > 1)
		return false;
	end_restore(args->file->private_data);
	__fput_sync(args->file);
	return true;
}

/**
 * iommufd_restore_finish - file operation
 * @args: of the operation
 */
void iommufd_restore_finish(struct liveupdate_file_op_args *args)
{
	if (args->retrieved) {
		end_restore(args->file->private_data);
		iommufd_set_preserved(args->file->private_data, false);
	}
	iommufd_record_free(args->serialized_data);
}

/* --- Calls --- */

/* With its lock, or an error pointer */
static struct iommufd_restore *lock_restore(struct iommufd_ctx *ictx)
{
	struct iommufd_restore *restore;

	xa_lock(&ictx->objects);
	restore = ictx->restore;
	if (restore)
		kref_get(&restore->kref);
	xa_unlock(&ictx->objects);
	if (!restore)
		return ERR_PTR(-ENOTTY);
	mutex_lock(&restore->lock);
	if (restore->record)
		return restore;
	mutex_unlock(&restore->lock);
	kref_put(&restore->kref, release);
	return ERR_PTR(-ENOTTY);
}

static void unlock_restore(struct iommufd_restore *restore)
{
	mutex_unlock(&restore->lock);
	kref_put(&restore->kref, release);
}

static void describe_object(const struct iommufd_restore *restore, u32 i,
			    struct iommu_restore_object *out)
{
	const struct iommufd_object_ser *object = &restore->record->ser->object[i];

	*out = (struct iommu_restore_object) {
		.old_id = object->id,
		.parent = object->parent,
		.new_id = restore->new_ids[i],
		.hwpt_flags = object->hwpt_flags,
		.bdf = object->bdf,
	};
	if (object->flags & IOMMUFD_SER_AUTO)
		out->flags |= IOMMU_RESTORE_AUTO;
	if (object->flags & IOMMUFD_SER_PRESERVED)
		out->flags |= IOMMU_RESTORE_PRESERVED;
	if (object->type == IOMMUFD_SER_IOAS)
		out->type = IOMMU_RESTORE_TYPE_IOAS;
	else if (object->type == IOMMUFD_SER_HWPT)
		out->type = IOMMU_RESTORE_TYPE_HWPT;
	else
		out->type = IOMMU_RESTORE_TYPE_DEVICE;
}

/**
 * iommufd_restore_list - ioctl(IOMMU_RESTORE_LIST)
 * @ucmd: the call
 *
 * Return: see uapi/linux/iommufd_liveupdate.h
 */
int iommufd_restore_list(struct iommufd_ucmd *ucmd)
{
	struct iommu_restore_list *cmd = ucmd->cmd;
	struct iommu_restore_object __user *user = u64_to_user_ptr(cmd->objects);
	struct iommu_restore_object object;
	struct iommufd_restore *restore;
	u32 i, nr, room = cmd->count;
	int rc = -EFAULT;

	if (cmd->flags)
		return -EOPNOTSUPP;
	restore = lock_restore(ucmd->ictx);
	if (IS_ERR(restore))
		return PTR_ERR(restore);
	nr = restore->record->ser->nr;
	cmd->count = nr - min(nr, cmd->first);
	for (i = 0; i < min(room, cmd->count); i++) {
		describe_object(restore, cmd->first + i, &object);
		if (copy_to_user(&user[i], &object, sizeof(object)))
			goto out_unlock;
	}
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
out_unlock:
	unlock_restore(restore);
	return rc;
}

/* The number of an address space that was recorded with its maps, or -ENOENT */
static int find_ioas(const struct iommufd_restore *restore, u32 id)
{
	const struct iommufd_ser *ser = restore->record->ser;
	u32 i;

	for (i = 0; i < ser->nr; i++)
		if (ser->object[i].id == id &&
		    ser->object[i].type == IOMMUFD_SER_IOAS &&
		    ser->object[i].flags & IOMMUFD_SER_PRESERVED)
			return i;
	return -ENOENT;
}

/* The first map or allowed range at or behind address space @id */
static u64 first_map(const struct iommufd_record *record, u32 id)
{
	u64 low = 0, high = record->ser->nr_maps;

	while (low < high) {
		u64 middle = low + (high - low) / 2;

		if (iommufd_record_map(record, middle)->ioas < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void describe_map(const struct iommufd_map_ser *map,
			 struct iommu_restore_area *out)
{
	*out = (struct iommu_restore_area) {
		.iova = map->iova,
		.length = map->length,
		.token = map->token,
		.offset = map->offset,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA,
		.source = map->source,
	};
	if (map->flags & IOMMUFD_MAP_SER_READ)
		out->flags |= IOMMU_IOAS_MAP_READABLE;
	if (map->flags & IOMMUFD_MAP_SER_WRITE)
		out->flags |= IOMMU_IOAS_MAP_WRITEABLE;
}

/**
 * iommufd_restore_areas - ioctl(IOMMU_RESTORE_AREAS)
 * @ucmd: the call
 *
 * Return: see uapi/linux/iommufd_liveupdate.h
 */
int iommufd_restore_areas(struct iommufd_ucmd *ucmd)
{
	struct iommu_restore_areas *cmd = ucmd->cmd;
	struct iommu_restore_area __user *user = u64_to_user_ptr(cmd->areas);
	const struct iommufd_map_ser *map;
	struct iommu_restore_area area;
	struct iommufd_restore *restore;
	u32 nr = 0, room = cmd->count;
	u64 i;
	int rc;

	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;
	restore = lock_restore(ucmd->ictx);
	if (IS_ERR(restore))
		return PTR_ERR(restore);
	rc = find_ioas(restore, cmd->old_id);
	if (rc < 0)
		goto out_unlock;
	for (i = first_map(restore->record, cmd->old_id);
	     i < restore->record->ser->nr_maps; i++) {
		map = iommufd_record_map(restore->record, i);
		if (map->ioas != cmd->old_id)
			break;
		if (map->flags == IOMMUFD_MAP_SER_ALLOWED)
			continue;
		nr++;
		if (nr <= cmd->first || nr - cmd->first > room)
			continue;
		describe_map(map, &area);
		rc = -EFAULT;
		if (copy_to_user(&user[nr - cmd->first - 1], &area, sizeof(area)))
			goto out_unlock;
		cond_resched();
	}
	cmd->count = nr - min(nr, cmd->first);
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
out_unlock:
	unlock_restore(restore);
	return rc;
}

/* --- Making an address space again --- */

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
	u64 i = first_map(restore->record, old_id);
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
	struct pci_dev *pdev;

	if (!dev_is_pci(dev))
		return false;
	pdev = to_pci_dev(dev);
	return ((u64)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev)) == bdf;
}

/* The device if it is bound to the iommufd, with a reference, or NULL */
static struct iommufd_device *get_bound(struct iommufd_ctx *ictx, u64 bdf)
{
	struct iommufd_device *idev, *found = NULL;
	struct iommufd_object *obj;
	unsigned long index;

	xa_lock(&ictx->objects);
	xa_for_each(&ictx->objects, index, obj) {
		if (obj->type != IOMMUFD_OBJ_DEVICE)
			continue;
		idev = container_of(obj, struct iommufd_device, obj);
		if (!is_at(idev->dev, bdf) || !iommufd_lock_obj(obj))
			continue;
		found = idev;
		break;
	}
	xa_unlock(&ictx->objects);
	return found;
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
	struct iommufd_object *obj;
	unsigned long index = 0;
	bool foreign;

	for (;; index++) {
		xa_lock(&ictx->objects);
		for (obj = xa_find(&ictx->objects, &index, ULONG_MAX, XA_PRESENT);
		     obj; obj = xa_find_after(&ictx->objects, &index, ULONG_MAX,
					      XA_PRESENT))
			if (obj->type == IOMMUFD_OBJ_DEVICE &&
			    iommufd_lock_obj(obj))
				break;
		xa_unlock(&ictx->objects);
		if (!obj)
			return 0;
		idev = container_of(obj, struct iommufd_device, obj);
		foreign = iommu_device_is_restored(idev->dev) &&
			  !was_attached(restore->record->ser, idev->dev);
		if (foreign)
			dev_err(idev->dev, "was not attached in this iommufd in the old kernel: bind it to another one\n");
		iommufd_put_object(ictx, obj);
		if (foreign)
			return -EINVAL;
	}
}

static bool still_restored(u64 bdf)
{
	struct pci_dev *pdev;
	bool restored;

	pdev = pci_get_domain_bus_and_slot(bdf >> 16, PCI_BUS_NUM(bdf), bdf & 0xff);
	if (!pdev)
		return false;
	restored = iommu_device_is_restored(&pdev->dev);
	pci_dev_put(pdev);
	return restored;
}

/*
 * The device that was attached to the page table, with a reference. NULL when it is not
 * translated by the old kernel's table any more: it could not be restored, or was
 * discarded, or is attached to something else by now.
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
			hwpt = iommufd_hwpt_paging_alloc(ictx, ioas, idev,
							 IOMMU_NO_PASID,
							 ser->object[i].hwpt_flags,
							 false, NULL);
		if (IS_ERR(hwpt)) {
			rc = PTR_ERR(hwpt);
			hwpt = NULL;
		} else {
			hwpt->auto_domain = ser->object[i].flags & IOMMUFD_SER_AUTO;
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

static int restore_ioas(struct iommufd_restore *restore,
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

/**
 * iommufd_restore_ioas - ioctl(IOMMU_RESTORE_IOAS)
 * @ucmd: the call
 *
 * Return: see uapi/linux/iommufd_liveupdate.h
 */
int iommufd_restore_ioas(struct iommufd_ucmd *ucmd)
{
	struct iommu_restore_ioas *cmd = ucmd->cmd;
	struct iommufd_restore *restore;
	int nr, rc;

	if (cmd->flags)
		return -EOPNOTSUPP;
	restore = lock_restore(ucmd->ictx);
	if (IS_ERR(restore))
		return PTR_ERR(restore);
	nr = find_ioas(restore, cmd->old_id);
	if (nr < 0)
		rc = nr;
	else if (restore->new_ids[nr])
		rc = -EEXIST;
	else
		rc = restore_ioas(restore, ucmd, nr);
	unlock_restore(restore);
	return rc;
}
