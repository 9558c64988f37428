/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks in mm/shmem.c for files that survive a kexec, and what their handler
 * needs of shmem. See mm/shmem_liveupdate.c and mm/shmem_restore.c.
 */
#ifndef _LINUX_SHMEM_LIVEUPDATE_H
#define _LINUX_SHMEM_LIVEUPDATE_H

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/migrate_mode.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/shmem_fs.h>
#include <linux/xarray.h>

/*
 * Bits in shmem_inode_info.liveupdate. Those in flags have other writers, and locks.
 * FROZEN: the size must not change, nor memory be taken away.
 * FINAL: nor be added.
 * HELD: memory must stay in its frames, see mm/shmem_restore.c.
 * YIELDS: it is FROZEN and HELD only until somebody wants another size.
 */
#define SHMEM_HELD	BIT(0)
#define SHMEM_FROZEN	BIT(1)
#define SHMEM_FINAL	BIT(2)
#define SHMEM_YIELDS	BIT(3)

/* mm/shmem.c */
int shmem_add_to_page_cache(struct folio *folio, struct address_space *mapping,
			    pgoff_t index, void *expected, gfp_t gfp);
int shmem_inode_acct_blocks(struct inode *inode, long pages);
void shmem_recalc_inode(struct inode *inode, long alloced, long swapped);

#ifdef CONFIG_LIVEUPDATE

int __shmem_wait_final(struct inode *inode, struct vm_fault *vmf,
		       vm_fault_t *fault_type);
int __shmem_wait_to_write(struct inode *inode, loff_t pos, size_t count);
int __shmem_may_resize(struct inode *inode);
int __shmem_restore_at(struct inode *inode, pgoff_t index);
int __shmem_restore_all(struct inode *inode);
u64 __shmem_restore_left(struct inode *inode);
int shmem_migrate_folio(struct address_space *mapping, struct folio *dst,
			struct folio *src, enum migrate_mode mode);
void __shmem_restore_end(struct inode *inode);

/*
 * May the size become another, or memory be taken away? 0, -EBUSY, or an error in making
 * it so.
 */
static inline int shmem_may_resize(struct inode *inode)
{
	const struct shmem_inode_info *info =
		container_of(inode, struct shmem_inode_info, vfs_inode);

	return unlikely(READ_ONCE(info->liveupdate) & SHMEM_FROZEN) ?
	       __shmem_may_resize(inode) : 0;
}

/* May memory be added? Decides under the lock of i_pages. */
static inline bool shmem_final(const struct inode *inode)
{
	const struct shmem_inode_info *info =
		container_of(inode, struct shmem_inode_info, vfs_inode);

	return READ_ONCE(info->liveupdate) & SHMEM_FINAL;
}

/* Would this change the permissions, which the next kernel has been told? */
static inline bool shmem_mode_final(const struct inode *inode,
				    const struct iattr *attr)
{
	return unlikely(shmem_final(inode)) && attr->ia_valid & ATTR_MODE &&
	       (inode->i_mode ^ attr->ia_mode) & 0777;
}

/* Must memory stay in its frames? If not, it never will have to. */
static inline bool shmem_held(const struct inode *inode)
{
	const struct shmem_inode_info *info =
		container_of(inode, struct shmem_inode_info, vfs_inode);

	return unlikely(READ_ONCE(info->liveupdate) & SHMEM_HELD);
}

/*
 * Wait until memory may be added: 0 or -EINTR. A fault does so without its lock; then
 * this returns 1, and what the fault is to return.
 */
static inline int shmem_wait_final(struct inode *inode, struct vm_fault *vmf,
				   vm_fault_t *fault_type)
{
	return unlikely(shmem_final(inode)) ?
	       __shmem_wait_final(inode, vmf, fault_type) : 0;
}

/* Wait, without the inode's lock, until a part of the file may be written to. */
static inline int shmem_wait_to_write(struct inode *inode, loff_t pos,
				      size_t count)
{
	return unlikely(shmem_final(inode)) ?
	       __shmem_wait_to_write(inode, pos, count) : 0;
}

/* Adding memory failed, but not because there is some: say so. */
static inline int shmem_add_error(struct inode *inode, pgoff_t index, int error)
{
	return error == -EEXIST && !xa_load(&inode->i_mapping->i_pages, index) ?
	       -EBUSY : error;
}

/* Is there memory of the old kernel that is not in the page cache yet? */
static inline bool shmem_restoring(const struct inode *inode)
{
	const struct shmem_inode_info *info =
		container_of(inode, struct shmem_inode_info, vfs_inode);

	return unlikely(rcu_access_pointer(info->restore));
}

/*
 * The page cache has nothing here: 0 if the file has not either, 1 to look again,
 * or an error and the memory is as before.
 */
static inline int shmem_restore_at(struct inode *inode, pgoff_t index)
{
	return shmem_restoring(inode) ? __shmem_restore_at(inode, index) : 0;
}

/* Put all into the page cache; 0, or an error and the rest is as before. */
static inline int shmem_restore_all(struct inode *inode)
{
	return shmem_restoring(inode) ? __shmem_restore_all(inode) : 0;
}

/* How many pages are not in the page cache yet. */
static inline u64 shmem_restore_left(struct inode *inode)
{
	return shmem_restoring(inode) ? __shmem_restore_left(inode) : 0;
}

/* Nothing comes back any more. */
static inline void shmem_restore_end(struct inode *inode)
{
	if (shmem_restoring(inode))
		__shmem_restore_end(inode);
}

#else

#define shmem_migrate_folio	migrate_folio

static inline int shmem_may_resize(struct inode *inode)
{
	return 0;
}

static inline bool shmem_final(const struct inode *inode)
{
	return false;
}

static inline bool shmem_mode_final(const struct inode *inode,
				    const struct iattr *attr)
{
	return false;
}

static inline bool shmem_held(const struct inode *inode)
{
	return false;
}

static inline int shmem_wait_final(struct inode *inode, struct vm_fault *vmf,
				   vm_fault_t *fault_type)
{
	return 0;
}

static inline int shmem_wait_to_write(struct inode *inode, loff_t pos,
				      size_t count)
{
	return 0;
}

static inline int shmem_add_error(struct inode *inode, pgoff_t index, int error)
{
	return error;
}

static inline bool shmem_restoring(const struct inode *inode)
{
	return false;
}

static inline int shmem_restore_at(struct inode *inode, pgoff_t index)
{
	return 0;
}

static inline int shmem_restore_all(struct inode *inode)
{
	return 0;
}

static inline u64 shmem_restore_left(struct inode *inode)
{
	return 0;
}

static inline void shmem_restore_end(struct inode *inode) { }

#endif /* CONFIG_LIVEUPDATE */
#endif /* _LINUX_SHMEM_LIVEUPDATE_H */
