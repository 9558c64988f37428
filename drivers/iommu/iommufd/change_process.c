// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_IOAS_CHANGE_PROCESS: what all address spaces of an iommufd have mapped from
 * files is charged to the calling process from now on. Nothing is unpinned nor
 * unmapped, so DMA goes on.
 *
 * Life cycle: all address spaces are locked, then all iopt_pages in them that move.
 * The only step that can fail is charging the calling process, in one call for all of
 * them. After that each is uncharged from who it was charged to, and becomes the
 * calling process's.
 *
 * Locks, in this order: iommufd_ctx.ioas_lock for writing, so that address spaces
 * neither come nor go, and nobody else takes more than one of the following; the
 * domains_rwsem of every address space, for writing; the iova_rwsem of every address
 * space, for writing; the mutex of every iopt_pages that moves; the mmap_lock of a
 * process. With domains_rwsem held for writing no area is being set up or taken down,
 * so that what is pinned is what is charged.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/xarray.h>
#include <uapi/linux/iommufd.h>

#include "io_pagetable.h"
#include "iommufd_private.h"

/**
 * struct new_owner - the calling process
 * @task: its leader
 * @mm: its memory
 * @user: its user
 * @account_mode: what IOMMU_IOAS_MAP would use
 */
struct new_owner {
	struct task_struct *task;
	struct mm_struct *mm;
	struct user_struct *user;
	u8 account_mode;
};

static struct new_owner calling_process(const struct iommufd_ctx *ictx)
{
	struct new_owner owner = {
		.task = current->group_leader,
		.mm = current->mm,
		.user = current_user(),
		.account_mode = IOPT_PAGES_ACCOUNT_USER,
	};

	if (capable(CAP_IPC_LOCK))
		owner.account_mode = IOPT_PAGES_ACCOUNT_NONE;
	else if (ictx->account_mode == IOPT_PAGES_ACCOUNT_MM)
		owner.account_mode = IOPT_PAGES_ACCOUNT_MM;
	return owner;
}

/* Is the calling process charged already, of all that is to be its own? */
static bool is_charged(const struct iopt_pages *pages,
		       const struct new_owner *owner)
{
	if (pages->account_mode != owner->account_mode)
		return false;
	switch (pages->account_mode) {
	case IOPT_PAGES_ACCOUNT_USER:
		return pages->source_user == owner->user;
	case IOPT_PAGES_ACCOUNT_MM:
		return pages->source_mm == owner->mm;
	}
	return true;
}

static bool is_owned(const struct iopt_pages *pages,
		     const struct new_owner *owner)
{
	return is_charged(pages, owner) && pages->source_user == owner->user &&
	       pages->source_mm == owner->mm && pages->source_task == owner->task;
}

/*
 * The first address space from number @index on, NULL after the last. Other objects
 * can go away any time.
 */
static struct iommufd_ioas *next_ioas(struct iommufd_ctx *ictx,
				      unsigned long *index)
{
	struct iommufd_ioas *ioas = NULL;
	struct iommufd_object *obj;

	lockdep_assert_held_write(&ictx->ioas_lock);
	xa_lock(&ictx->objects);
	xa_for_each_start(&ictx->objects, *index, obj, *index) {
		if (obj->type == IOMMUFD_OBJ_IOAS) {
			ioas = container_of(obj, struct iommufd_ioas, obj);
			break;
		}
	}
	xa_unlock(&ictx->objects);
	return ioas;
}

#define for_each_ioas(ictx, index, ioas)				\
	for ((index) = 0; ((ioas) = next_ioas(ictx, &(index))); (index)++)

static void lock_ioases(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;
	unsigned long index;

	/* All of one kind in a row are one lock for lockdep. */
	for_each_ioas(ictx, index, ioas)
		down_write_nest_lock(&ioas->iopt.domains_rwsem,
				     &ictx->ioas_lock);
	for_each_ioas(ictx, index, ioas)
		down_write_nest_lock(&ioas->iopt.iova_rwsem, &ictx->ioas_lock);
}

static void unlock_ioases(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;
	unsigned long index;

	for_each_ioas(ictx, index, ioas)
		up_write(&ioas->iopt.iova_rwsem);
	for_each_ioas(ictx, index, ioas)
		up_write(&ioas->iopt.domains_rwsem);
}

/* Locks what moves, once, and lists it; also when that turns out to be refused. */
static int lock_pages(struct iommufd_ctx *ictx, struct io_pagetable *iopt,
		      const struct new_owner *owner, struct list_head *moving)
{
	struct iopt_area *area;

	for (area = iopt_area_iter_first(iopt, 0, ULONG_MAX); area;
	     area = iopt_area_iter_next(area, 0, ULONG_MAX)) {
		struct iopt_pages *pages = area->pages;

		/* It waits for the locks, and will be its process's. */
		if (!pages)
			continue;
		if (pages->type != IOPT_ADDRESS_FILE)
			return -EINVAL;
		if (!list_empty(&pages->moving) || is_owned(pages, owner))
			continue;
		mutex_lock_nest_lock(&pages->mutex, &ictx->ioas_lock);
		list_add_tail(&pages->moving, moving);
	}
	return 0;
}

static void unlock_pages(struct list_head *moving)
{
	struct iopt_pages *pages, *next;

	list_for_each_entry_safe(pages, next, moving, moving) {
		list_del_init(&pages->moving);
		mutex_unlock(&pages->mutex);
	}
}

/* Of a user, whose other processes may have locked memory, too */
static int charge_user(const struct new_owner *owner, unsigned long npages)
{
	const unsigned long limit = task_rlimit(owner->task, RLIMIT_MEMLOCK) >>
				    PAGE_SHIFT;
	long old = atomic_long_read(&owner->user->locked_vm);

	do {
		if (old + npages > limit)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&owner->user->locked_vm, &old,
					  old + npages));
	return 0;
}

static int charge(const struct new_owner *owner, const struct list_head *moving)
{
	unsigned long npages = 0;
	struct iopt_pages *pages;

	list_for_each_entry(pages, moving, moving) {
		WARN_ON_ONCE(pages->npinned != pages->last_npinned);
		if (!is_charged(pages, owner))
			npages += pages->npinned;
	}
	switch (owner->account_mode) {
	case IOPT_PAGES_ACCOUNT_USER:
		return charge_user(owner, npages);
	case IOPT_PAGES_ACCOUNT_MM:
		return account_locked_vm(owner->mm, npages, true);
	}
	return 0;
}

static void uncharge(struct iopt_pages *pages)
{
	switch (pages->account_mode) {
	case IOPT_PAGES_ACCOUNT_USER:
		atomic_long_sub(pages->npinned, &pages->source_user->locked_vm);
		break;
	case IOPT_PAGES_ACCOUNT_MM:
		/* The figure has gone with the process. */
		if (!mmget_not_zero(pages->source_mm))
			break;
		account_locked_vm(pages->source_mm, pages->npinned, false);
		mmput(pages->source_mm);
		break;
	}
}

static void move(struct iopt_pages *pages, const struct new_owner *owner)
{
	if (!is_charged(pages, owner))
		uncharge(pages);
	atomic64_add(pages->npinned, &owner->mm->pinned_vm);
	atomic64_sub(pages->npinned, &pages->source_mm->pinned_vm);

	mmdrop(pages->source_mm);
	put_task_struct(pages->source_task);
	free_uid(pages->source_user);
	mmgrab(owner->mm);
	pages->source_mm = owner->mm;
	pages->source_task = get_task_struct(owner->task);
	pages->source_user = get_uid(owner->user);
	pages->account_mode = owner->account_mode;
}

/**
 * iommufd_ioas_change_process - IOMMU_IOAS_CHANGE_PROCESS
 * @ucmd: the command
 *
 * Return: 0; -EINVAL when there is a mapping of user memory; -ENOMEM when the calling
 * process may not lock as much: nothing has changed then
 */
int iommufd_ioas_change_process(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_change_process *cmd = ucmd->cmd;
	struct iommufd_ctx *ictx = ucmd->ictx;
	struct new_owner owner = calling_process(ictx);
	struct iopt_pages *pages;
	struct iommufd_ioas *ioas;
	unsigned long index;
	LIST_HEAD(moving);
	int rc = 0;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	down_write(&ictx->ioas_lock);
	lock_ioases(ictx);
	for_each_ioas(ictx, index, ioas) {
		rc = lock_pages(ictx, &ioas->iopt, &owner, &moving);
		if (rc)
			goto out_unlock;
	}
	if (list_empty(&moving))
		goto out_unlock;
	rc = charge(&owner, &moving);
	if (rc)
		goto out_unlock;
	list_for_each_entry(pages, &moving, moving)
		move(pages, &owner);
out_unlock:
	unlock_pages(&moving);
	unlock_ioases(ictx);
	up_write(&ictx->ioas_lock);
	return rc;
}
