// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd that crossed a kexec, in the next kernel.
 *
 * Life cycle: retrieve makes an iommufd without objects, but with the record of what
 * there was, and with the files of the session that were mapped. Userspace reads the
 * record and has address spaces made again, by liveupdate_restore_ioas.c. finish drops the
 * record and the files. An iommufd that everybody closed before goes back to the session,
 * and is retrieved anew.
 *
 * Locks, outer ones first: the session's mutex, iommufd_restore.lock,
 * iommufd_ctx.ioas_lock, iommufd_ioas.mutex, iommufd_group.lock. iommufd_ctx.restore
 * changes under the lock of iommufd_ctx.objects; who reads it takes a reference there.
 */
#define pr_fmt(fmt) "iommufd: live update: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kho.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd_liveupdate.h>

#include "io_pagetable.h"
#include "iommufd_private.h"
#include "liveupdate.h"

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
	if (args->retrieve_status > 0) {
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
	if (object->flags & IOMMUFD_SER_TRACKS_DIRTY)
		out->flags |= IOMMU_RESTORE_TRACKS_DIRTY;
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
	for (i = iommufd_record_first_map(restore->record, cmd->old_id);
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

/**
 * iommufd_restore_ioas - ioctl(IOMMU_RESTORE_IOAS)
 * @ucmd: the call
 *
 * Return: see uapi/linux/iommufd_liveupdate.h
 */
int iommufd_restore_ioas(struct iommufd_ucmd *ucmd)
{
	struct iommu_restore_ioas *cmd = ucmd->cmd;
	u64 begin = kho_stage_begin();
	struct iommufd_restore *restore;
	char what[sizeof("ioas-4294967295")];
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
		rc = iommufd_restore_one_ioas(restore, ucmd, nr);
	unlock_restore(restore);
	if (!rc) {
		snprintf(what, sizeof(what), "ioas-%u", cmd->old_id);
		kho_stage_end("restore", what, begin);
	}
	return rc;
}
