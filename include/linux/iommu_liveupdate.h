/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translation that stays in force across a kexec: see drivers/iommu/liveupdate.c.
 *
 * Three groups of users: whoever has a device that is to be preserved (iommufd,
 * vfio-pci), the drivers of IOMMUs, and the hooks in the IOMMU core.
 */
#ifndef _LINUX_IOMMU_LIVEUPDATE_H
#define _LINUX_IOMMU_LIVEUPDATE_H

#include <linux/errno.h>
#include <linux/types.h>

struct device;
struct iommu_domain;

/**
 * struct iommu_preserve_ops - calls to the user of a preserved device
 * @freeze: activate: from now on neither the device's attachment nor the mappings
 *	    of the domain that it is attached to may change. To refuse, call
 *	    iommu_liveupdate_refuse() with the reason and the remedy, and return
 *	    an errno
 * @thaw: undo @freeze; never fails
 *
 * Both may sleep, and run under the handover's locks, see
 * Documentation/core-api/kho/owners.rst.
 */
struct iommu_preserve_ops {
	int (*freeze)(void *user);
	void (*thaw)(void *user);
};

/**
 * struct iommu_run - something that a domain maps
 * @iova: where
 * @length: bytes
 * @pa: of @iova, and contiguous from there
 * @prot: IOMMU_READ and IOMMU_WRITE
 * @table: the driver's: where the next one is, without looking for it
 * @level: the driver's
 * @next: the driver's
 */
struct iommu_run {
	u64 iova;
	u64 length;
	phys_addr_t pa;
	int prot;
	const void *table;
	int level;
	u64 next;
};

#ifdef CONFIG_IOMMU_LIVEUPDATE

int iommu_domain_next_run(struct iommu_domain *domain, u64 from, u64 last,
			  struct iommu_run *run);

#ifdef CONFIG_KHO_TEST
void iommu_test_extend(void);
int iommu_test_make_dirty(struct device *dev, u64 iova);
#endif

/* Old kernel */
int iommu_preserve_device(struct device *dev,
			  const struct iommu_preserve_ops *ops, void *user);
void iommu_unpreserve_device(struct device *dev);
__printf(1, 2) void iommu_liveupdate_refuse(const char *fmt, ...);

/* Next kernel */
bool iommu_device_is_restored(struct device *dev);
int iommu_restored_device_retrieve(struct device *dev);
void iommu_restored_device_discard(struct device *dev);
void iommu_restored_device_forget(u32 segment, u16 id);
int iommu_restored_device_compare(struct device *dev,
				  struct iommu_domain *domain, u64 *iova);

#else

static inline int iommu_domain_next_run(struct iommu_domain *domain, u64 from,
					u64 last, struct iommu_run *run)
{
	return -EOPNOTSUPP;
}

static inline int iommu_preserve_device(struct device *dev,
					const struct iommu_preserve_ops *ops,
					void *user)
{
	return -EOPNOTSUPP;
}

static inline void iommu_unpreserve_device(struct device *dev) { }

static inline __printf(1, 2)
void iommu_liveupdate_refuse(const char *fmt, ...)
{
}

static inline bool iommu_device_is_restored(struct device *dev)
{
	return false;
}

static inline int iommu_restored_device_retrieve(struct device *dev)
{
	return -EOPNOTSUPP;
}

static inline void iommu_restored_device_discard(struct device *dev) { }
static inline void iommu_restored_device_forget(u32 segment, u16 id) { }

static inline int iommu_restored_device_compare(struct device *dev,
						struct iommu_domain *domain,
						u64 *iova)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_IOMMU_LIVEUPDATE */
#endif /* _LINUX_IOMMU_LIVEUPDATE_H */
