// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an iommufd held in the kernel before, and making it again.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "kho_restored.h"

int kho_restored_object(int iommufd, uint32_t nr, struct iommu_restore_object *object)
{
	struct iommu_restore_list list = {
		.size = sizeof(list),
		.first = nr,
		.count = 1,
		.objects = (uintptr_t)object,
	};

	if (ioctl(iommufd, IOMMU_RESTORE_LIST, &list))
		return -1;
	return list.count > 0;
}

int kho_restored_area(int iommufd, uint32_t old_id, uint32_t nr, struct iommu_restore_area *area)
{
	struct iommu_restore_areas areas = {
		.size = sizeof(areas),
		.old_id = old_id,
		.first = nr,
		.count = 1,
		.areas = (uintptr_t)area,
	};

	if (ioctl(iommufd, IOMMU_RESTORE_AREAS, &areas))
		return -1;
	return areas.count > 0;
}

int kho_restored_ioas(int iommufd, uint32_t old_id, uint32_t *ioas)
{
	struct iommu_restore_ioas restore = { .size = sizeof(restore), .old_id = old_id };

	if (ioctl(iommufd, IOMMU_RESTORE_IOAS, &restore))
		return -1;
	*ioas = restore.out_ioas_id;
	return 0;
}

static int new_id(int iommufd, uint32_t old_id, uint32_t *id)
{
	struct iommu_restore_object object;
	uint32_t i;
	int rc;

	for (i = 0; (rc = kho_restored_object(iommufd, i, &object)) > 0; i++) {
		if (object.old_id != old_id)
			continue;
		/* A page table that nobody asked for is found by its address space. */
		if (object.flags & IOMMU_RESTORE_AUTO)
			return new_id(iommufd, object.parent, id);
		*id = object.new_id;
		if (*id)
			return 0;
		break;
	}
	if (rc >= 0)
		errno = ENOENT;
	return -1;
}

int kho_restored_attach_to(int iommufd, uint32_t old_id, uint32_t *pt)
{
	return new_id(iommufd, old_id, pt);
}
