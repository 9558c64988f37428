/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices of vfio's character devices.
 *
 * Whatever returns an int gives -1 and sets errno when it fails.
 */
#ifndef KHO_VFIO_H
#define KHO_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* @address is the PCI device's, like 0000:00:03.0; vfio-pci has to be its driver. */
int kho_vfio_open(const char *address);

/* @device becomes the name that iommufd has for it. */
int kho_vfio_bind(int fd, int iommufd, uint32_t *device);

/* @pt is an IOAS or a HWPT; replaces what the device is attached to. */
int kho_vfio_attach(int fd, uint32_t pt);

/* Returns NULL when it fails. */
void *kho_vfio_map_bar(int fd, unsigned int bar, size_t *size);

int kho_vfio_config_read16(int fd, unsigned int offset, uint16_t *value);
int kho_vfio_config_write16(int fd, unsigned int offset, uint16_t value);

/* Bus master on or off, and the registers accessible */
int kho_vfio_set_master(int fd, bool on);

/* Each of the first @nr MSI-X vectors signals an eventfd; none with @nr 0. */
int kho_vfio_msix(int fd, const int *eventfds, unsigned int nr);

#ifdef __cplusplus
}
#endif

#endif
