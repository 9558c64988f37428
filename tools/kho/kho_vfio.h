/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices of vfio's character devices, and address spaces of iommufd.
 *
 * Whatever returns an int gives -1 and sets errno when it fails.
 */
#ifndef KHO_VFIO_H
#define KHO_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int iommufd_open(void);
int iommufd_ioas_alloc(int iommufd, uint32_t *ioas);
int iommufd_map(int iommufd, uint32_t ioas, void *va, size_t size, uint64_t iova);

/* The beginning of a file of shared memory */
int iommufd_map_file(int iommufd, uint32_t ioas, int fd, size_t size, uint64_t iova);

int iommufd_unmap(int iommufd, uint32_t ioas, size_t size, uint64_t iova);

/* A page table of its own for a device, filled with all that @ioas maps */
int iommufd_hwpt_alloc(int iommufd, uint32_t device, uint32_t ioas, uint32_t *hwpt);

/* @address is the PCI device's, like 0000:00:03.0; vfio-pci has to be its driver. */
int vfio_open(const char *address);

/* @device becomes the name that iommufd has for it. */
int vfio_bind(int fd, int iommufd, uint32_t *device);

/* @pt is an IOAS or a HWPT; replaces what the device is attached to. */
int vfio_attach(int fd, uint32_t pt);

/* Returns NULL when it fails. */
void *vfio_map_bar(int fd, unsigned int bar, size_t *size);

int vfio_config_read16(int fd, unsigned int offset, uint16_t *value);
int vfio_config_write16(int fd, unsigned int offset, uint16_t value);

/* Bus master on or off, and the registers accessible */
int vfio_set_master(int fd, bool on);

/* Each of the first @nr MSI-X vectors signals an eventfd; none with @nr 0. */
int vfio_msix(int fd, const int *eventfds, unsigned int nr);

#endif
