/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks in mm/shmem.c for files that survive a kexec, and what their handler
 * needs of shmem. See mm/shmem_liveupdate.c.
 */
#ifndef _LINUX_SHMEM_LIVEUPDATE_H
#define _LINUX_SHMEM_LIVEUPDATE_H

#include <linux/bits.h>
#include <linux/shmem_fs.h>

/*
 * Bits in shmem_inode_info.flags, away from those of VMAs that are there as well.
 * FROZEN: the size must not change, nor memory be taken away.
 * FINAL: nor be added.
 */
#define SHMEM_FROZEN	BIT(62)
#define SHMEM_FINAL	BIT(63)

/* mm/shmem.c */
int shmem_add_to_page_cache(struct folio *folio, struct address_space *mapping,
			    pgoff_t index, void *expected, gfp_t gfp);
int shmem_inode_acct_blocks(struct inode *inode, long pages);
void shmem_recalc_inode(struct inode *inode, long alloced, long swapped);

#ifdef CONFIG_LIVEUPDATE

int __shmem_wait_final(struct inode *inode);

/* May the size become another, or memory be taken away? */
static inline bool shmem_size_frozen(const struct inode *inode)
{
	const struct shmem_inode_info *info =
		container_of(inode, struct shmem_inode_info, vfs_inode);

	return READ_ONCE(info->flags) & SHMEM_FROZEN;
}

/* May memory be added? Decides under the lock of i_pages. */
static inline bool shmem_final(const struct inode *inode)
{
	const struct shmem_inode_info *info =
		container_of(inode, struct shmem_inode_info, vfs_inode);

	return READ_ONCE(info->flags) & SHMEM_FINAL;
}

/* Wait until memory may be added; 0 or -EINTR. */
static inline int shmem_wait_final(struct inode *inode)
{
	return unlikely(shmem_final(inode)) ? __shmem_wait_final(inode) : 0;
}

#else

static inline bool shmem_size_frozen(const struct inode *inode)
{
	return false;
}

static inline bool shmem_final(const struct inode *inode)
{
	return false;
}

static inline int shmem_wait_final(struct inode *inode)
{
	return 0;
}

#endif /* CONFIG_LIVEUPDATE */
#endif /* _LINUX_SHMEM_LIVEUPDATE_H */
