/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address spaces and page tables of iommufd.
 *
 * Whatever returns an int gives -1 and sets errno when it fails.
 */
#ifndef KHO_IOMMUFD_H
#define KHO_IOMMUFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int kho_iommufd_open(void);
int kho_iommufd_ioas_alloc(int iommufd, uint32_t *ioas);
int kho_iommufd_map(int iommufd, uint32_t ioas, void *va, size_t size, uint64_t iova);

/* A part of a file of shared memory, from @start on; devices may write to it if it is @writable. */
int kho_iommufd_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start, size_t size,
			 uint64_t iova, bool writable);

int kho_iommufd_unmap(int iommufd, uint32_t ioas, size_t size, uint64_t iova);

/* A page table of its own for a device, filled with all that @ioas maps */
int kho_iommufd_hwpt_alloc(int iommufd, uint32_t device, uint32_t ioas, uint32_t *hwpt);

#ifdef __cplusplus
}
#endif

#endif
