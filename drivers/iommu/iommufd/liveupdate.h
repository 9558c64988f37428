/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What iommufd asks about a handover, and what it offers: see liveupdate.c.
 */
#ifndef __IOMMUFD_LIVEUPDATE_H
#define __IOMMUFD_LIVEUPDATE_H

#include <linux/iommu_liveupdate.h>
#include <linux/lockdep.h>

#include "iommufd_private.h"

/*
 * Is there a preserved device that uses these mappings, and has it been activated?
 * Both locks are held for writing when that changes, so either will do.
 */
static inline bool iopt_is_frozen(const struct io_pagetable *iopt)
{
	lockdep_assert(lockdep_is_held(&iopt->domains_rwsem) ||
		       lockdep_is_held(&iopt->iova_rwsem));
	return iopt->frozen;
}

static inline bool iommufd_group_is_frozen(const struct iommufd_group *igroup)
{
	lockdep_assert_held(&igroup->lock);
	return igroup->frozen;
}

#ifdef CONFIG_IOMMUFD_LIVEUPDATE
int iommufd_liveupdate_init(void);
void iommufd_liveupdate_exit(void);
#else
static inline int iommufd_liveupdate_init(void) { return 0; }
static inline void iommufd_liveupdate_exit(void) { }
#endif

/* main.c */
struct file *iommufd_getfile(void);
bool iommufd_file_is_ours(const struct file *file);

#endif /* __IOMMUFD_LIVEUPDATE_H */
