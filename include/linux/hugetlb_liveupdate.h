/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks of live update in the code for huge pages: what may not happen to a file
 * while it is preserved.
 */
#ifndef _LINUX_HUGETLB_LIVEUPDATE_H
#define _LINUX_HUGETLB_LIVEUPDATE_H

#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm_types.h>

#if defined(CONFIG_LIVEUPDATE) && defined(CONFIG_HUGETLBFS)

/* Values of hugetlbfs_inode_info.frozen, which inode_lock() protects. */
enum hugetlb_frozen {
	HUGETLB_NOT_FROZEN,
	HUGETLB_SIZE_FROZEN,	/* pages may be added into holes only */
	HUGETLB_PAGES_FROZEN,	/* nothing that is recorded may change: faults in holes wait */
	HUGETLB_HELD,		/* as SIZE_FROZEN, and pages stay in their frames */
};

static inline void hugetlb_init_frozen(struct inode *inode)
{
	HUGETLBFS_I(inode)->frozen = HUGETLB_NOT_FROZEN;
}

static inline bool hugetlb_size_frozen(struct inode *inode)
{
	return READ_ONCE(HUGETLBFS_I(inode)->frozen) != HUGETLB_NOT_FROZEN;
}

static inline bool hugetlb_pages_frozen(struct inode *inode)
{
	return READ_ONCE(HUGETLBFS_I(inode)->frozen) == HUGETLB_PAGES_FROZEN;
}

/* Would this change the permissions, which the next kernel has been told? */
static inline bool hugetlb_mode_final(struct inode *inode,
				      const struct iattr *attr)
{
	return unlikely(hugetlb_pages_frozen(inode)) &&
	       attr->ia_valid & ATTR_MODE &&
	       (inode->i_mode ^ attr->ia_mode) & S_IALLUGO;
}

static inline bool hugetlb_held(struct inode *inode)
{
	return READ_ONCE(HUGETLBFS_I(inode)->frozen) == HUGETLB_HELD;
}

vm_fault_t hugetlb_wait_thawed(struct vm_fault *vmf);

/* For hugetlb_preserve.c and hugetlb_restore.c; in hugetlb.c as much is static there */
int hugetlb_resv_add(struct inode *inode, long from, long to);
void hugetlb_resv_clear(struct inode *inode);
void hugetlb_fault_barrier(void);

/* mm/hugetlb_pool_liveupdate.c */
void hugetlb_pool_outgoing(unsigned int shift, long nr);
void hugetlb_pool_arrived(unsigned int shift, u64 nr);
u64 hugetlb_pool_under_way(u64 size);
void hugetlb_pool_ask_less(struct hstate *h);

#else

static inline void hugetlb_init_frozen(struct inode *inode) { }
static inline bool hugetlb_size_frozen(struct inode *inode) { return false; }
static inline bool hugetlb_pages_frozen(struct inode *inode) { return false; }
static inline bool hugetlb_mode_final(struct inode *inode,
				      const struct iattr *attr)
{
	return false;
}

static inline bool hugetlb_held(struct inode *inode) { return false; }
static inline vm_fault_t hugetlb_wait_thawed(struct vm_fault *vmf) { return 0; }
static inline u64 hugetlb_pool_under_way(u64 size) { return 0; }
static inline void hugetlb_pool_ask_less(struct hstate *h) { }

#endif /* CONFIG_LIVEUPDATE && CONFIG_HUGETLBFS */
#endif /* _LINUX_HUGETLB_LIVEUPDATE_H */
