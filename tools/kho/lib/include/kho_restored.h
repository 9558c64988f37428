/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an iommufd held in the kernel before, and making it again.
 */
#ifndef KHO_RESTORED_H
#define KHO_RESTORED_H

#include <stdint.h>
#include <linux/iommufd_liveupdate.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The object number @nr, from 0: 1 and the object in @object, 0 when there are not so
 * many, or -1 with errno.
 */
int kho_restored_object(int iommufd, uint32_t nr, struct iommu_restore_object *object);

/* The same of area number @nr of an address space that had id @old_id */
int kho_restored_area(int iommufd, uint32_t old_id, uint32_t nr, struct iommu_restore_area *area);

/* The address space that had id @old_id, with its page tables; @ioas is its new id. */
int kho_restored_ioas(int iommufd, uint32_t old_id, uint32_t *ioas);

/* What a device that was attached to page table @old_id is to be attached to */
int kho_restored_attach_to(int iommufd, uint32_t old_id, uint32_t *pt);

#ifdef __cplusplus
}
#endif

#endif
