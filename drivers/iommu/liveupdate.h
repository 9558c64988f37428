/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Translation that stays in force across a kexec: between drivers/iommu/liveupdate.c,
 * the hooks in the IOMMU core, and the drivers of IOMMUs.
 */
#ifndef _IOMMU_LIVEUPDATE_PRIV_H
#define _IOMMU_LIVEUPDATE_PRIV_H

#include <linux/bits.h>
#include <linux/iommu.h>
#include <linux/iommu_liveupdate.h>
#include <linux/list.h>

struct iommu_group;

/*
 * The old kernel's tables, for a device that was handed over. Nothing can be mapped
 * or unmapped. Only the handover makes such a domain, and it is attached once.
 */
#define IOMMU_DOMAIN_RESTORED	BIT(16)

static inline bool iommu_domain_is_restored(const struct iommu_domain *domain)
{
	return domain->type == IOMMU_DOMAIN_RESTORED;
}

/**
 * struct iommu_kept - a device whose translation stays in force at the next jump
 * @list: all of them
 * @dev: the device; NULL when it was in a restored domain and has left it
 * @ops: of the user that preserves it; NULL when it is only restored
 * @user: for @ops
 * @domain: the restored domain, until the device has left it
 * @retrieved: its DMA ownership may be claimed
 * @given_up: it does no DMA any more, and leaves the domain with the others of its group
 * @frozen: @ops->freeze was called
 * @active: the driver's activate was called
 */
struct iommu_kept {
	struct list_head list;
	struct device *dev;
	const struct iommu_preserve_ops *ops;
	void *user;
	struct iommu_domain *domain;
	bool retrieved;
	bool given_up;
	bool frozen;
	bool active;
};

/**
 * struct iommu_liveupdate_driver - what a driver of IOMMUs does
 * @check: can the device be preserved? A reason not is printed
 * @activate: preserve the page table that the device uses
 * @deactivate: undo @activate
 * @finalize: preserve the rest, and write the record of all devices of the list
 * @unfinalize: undo @finalize
 * @discard: free a record that could not be used
 * @forget: free what is kept for a device that could not be restored, or is not there
 * @next_run: see iommu_domain_next_run()
 * @untranslated: the parameter of a command line with which the next kernel would not
 *	take the tables over, or NULL
 *
 * All may sleep.
 */
struct iommu_liveupdate_driver {
	int (*check)(struct device *dev);
	int (*activate)(struct iommu_kept *kept);
	void (*deactivate)(struct iommu_kept *kept);
	int (*finalize)(struct list_head *kept);
	void (*unfinalize)(void);
	int (*discard)(phys_addr_t fdt);
	void (*forget)(u32 segment, u16 id);
	int (*next_run)(struct iommu_domain *domain, u64 from, u64 last,
			struct iommu_run *run);
	const char *(*untranslated)(const char *cmdline);
};

#ifdef CONFIG_IOMMU_LIVEUPDATE

int iommu_liveupdate_register(const struct iommu_liveupdate_driver *driver);

int iommu_restored_add(struct device *dev, struct iommu_domain *domain);
void iommu_restored_remove(struct device *dev);

/* Hooks in the IOMMU core */
bool iommu_restored_enter(struct iommu_group *group);
void iommu_restored_claim(struct iommu_group *group, void *owner);
bool iommu_restored_put_back(struct iommu_group *group);
bool iommu_restored_may_leave(struct iommu_group *group);
void iommu_restored_leave(struct iommu_group *group, struct iommu_domain *to);
void iommu_restored_empty(struct iommu_group *group);
struct iommu_domain *iommu_restored_dma_domain(struct device *dev);

#else

static inline bool iommu_restored_enter(struct iommu_group *group)
{
	return false;
}

static inline void iommu_restored_claim(struct iommu_group *group, void *owner)
{
}

static inline bool iommu_restored_put_back(struct iommu_group *group)
{
	return false;
}

static inline bool iommu_restored_may_leave(struct iommu_group *group)
{
	return false;
}

static inline void iommu_restored_leave(struct iommu_group *group,
					struct iommu_domain *to)
{
}

static inline void iommu_restored_empty(struct iommu_group *group)
{
}

static inline struct iommu_domain *iommu_restored_dma_domain(struct device *dev)
{
	return NULL;
}

#endif /* CONFIG_IOMMU_LIVEUPDATE */
#endif /* _IOMMU_LIVEUPDATE_PRIV_H */
