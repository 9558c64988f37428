/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices bound to an iommufd that survive a kexec: for their drivers. See
 * drivers/iommu/iommufd/liveupdate.c.
 */
#ifndef _LINUX_IOMMUFD_LIVEUPDATE_H
#define _LINUX_IOMMUFD_LIVEUPDATE_H

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/types.h>

struct iommufd_device;
struct iommufd_preserved;
struct liveupdate_session;

/**
 * struct iommufd_preserve_ops - calls to the driver of a preserved device
 * @freeze: activate: from now on nothing may reset the device, or take its power.
 *	    To refuse, call iommu_liveupdate_refuse() with the reason and the
 *	    remedy, and return an errno
 * @thaw: undo @freeze; never fails
 */
struct iommufd_preserve_ops {
	int (*freeze)(void *data);
	void (*thaw)(void *data);
};

#ifdef CONFIG_IOMMUFD_LIVEUPDATE

struct iommufd_preserved *
iommufd_device_preserve(struct iommufd_device *idev,
			struct liveupdate_session *session, u64 *token,
			const struct iommufd_preserve_ops *ops, void *data);
void iommufd_device_unpreserve(struct iommufd_preserved *preserved);

#else

static inline struct iommufd_preserved *
iommufd_device_preserve(struct iommufd_device *idev,
			struct liveupdate_session *session, u64 *token,
			const struct iommufd_preserve_ops *ops, void *data)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void
iommufd_device_unpreserve(struct iommufd_preserved *preserved)
{
}

#endif /* CONFIG_IOMMUFD_LIVEUPDATE */
#endif /* _LINUX_IOMMUFD_LIVEUPDATE_H */
