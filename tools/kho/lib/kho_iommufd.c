// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces and page tables of iommufd: thin wrappers of the ioctls, each of one.
 */
#include <fcntl.h>
#include <linux/iommufd.h>
#include <sys/ioctl.h>

#include "kho_iommufd.h"

int kho_iommufd_open(void)
{
	return open("/dev/iommu", O_RDWR | O_CLOEXEC);
}

int kho_iommufd_ioas_alloc(int iommufd, uint32_t *ioas)
{
	struct iommu_ioas_alloc arg = { .size = sizeof(arg) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &arg))
		return -1;
	*ioas = arg.out_ioas_id;
	return 0;
}

int kho_iommufd_map(int iommufd, uint32_t ioas, void *va, size_t size, uint64_t iova)
{
	struct iommu_ioas_map arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = size,
		.iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &arg);
}

int kho_iommufd_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start, size_t size,
			 uint64_t iova, bool writable)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = size,
		.iova = iova,
	};

	if (writable)
		arg.flags |= IOMMU_IOAS_MAP_WRITEABLE;
	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &arg);
}

int kho_iommufd_unmap(int iommufd, uint32_t ioas, size_t size, uint64_t iova)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg),
		.ioas_id = ioas,
		.iova = iova,
		.length = size,
	};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &arg);
}

int kho_iommufd_hwpt_alloc(int iommufd, uint32_t device, uint32_t ioas, uint32_t *hwpt)
{
	struct iommu_hwpt_alloc arg = {
		.size = sizeof(arg),
		.dev_id = device,
		.pt_id = ioas,
	};

	if (ioctl(iommufd, IOMMU_HWPT_ALLOC, &arg))
		return -1;
	*hwpt = arg.out_hwpt_id;
	return 0;
}
