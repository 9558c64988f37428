// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices of vfio's character devices: thin wrappers of the ioctls, each of one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kho_vfio.h"

int kho_vfio_open(const char *address)
{
	char path[256], name[64] = "";
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", address);
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(name, sizeof(name), "%.60s", entry->d_name);
	closedir(dir);
	if (!name[0]) {
		errno = ENODEV;
		return -1;
	}
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	return open(path, O_RDWR | O_CLOEXEC);
}

int kho_vfio_bind(int fd, int iommufd, uint32_t *device)
{
	struct vfio_device_bind_iommufd arg = {
		.argsz = sizeof(arg),
		.iommufd = iommufd,
	};

	if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &arg))
		return -1;
	*device = arg.out_devid;
	return 0;
}

int kho_vfio_attach(int fd, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.pt_id = pt,
	};

	return ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static int region(int fd, unsigned int index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) { .argsz = sizeof(*info), .index = index };
	return ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info);
}

void *kho_vfio_map_bar(int fd, unsigned int bar, size_t *size)
{
	struct vfio_region_info info;
	void *at;

	if (region(fd, VFIO_PCI_BAR0_REGION_INDEX + bar, &info))
		return NULL;
	at = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, info.offset);
	if (at == MAP_FAILED)
		return NULL;
	*size = info.size;
	return at;
}

/* Whether all of it was read or written; a part of it is a failure, which sets no errno. */
static int whole(ssize_t done, size_t size)
{
	if (done == (ssize_t)size)
		return 0;
	if (done >= 0)
		errno = EIO;
	return -1;
}

int kho_vfio_config_read16(int fd, unsigned int offset, uint16_t *value)
{
	struct vfio_region_info info;

	if (region(fd, VFIO_PCI_CONFIG_REGION_INDEX, &info))
		return -1;
	return whole(pread(fd, value, sizeof(*value), info.offset + offset), sizeof(*value));
}

int kho_vfio_config_write16(int fd, unsigned int offset, uint16_t value)
{
	struct vfio_region_info info;

	if (region(fd, VFIO_PCI_CONFIG_REGION_INDEX, &info))
		return -1;
	return whole(pwrite(fd, &value, sizeof(value), info.offset + offset), sizeof(value));
}

int kho_vfio_set_master(int fd, bool on)
{
	uint16_t command;

	if (kho_vfio_config_read16(fd, PCI_COMMAND, &command))
		return -1;
	command |= PCI_COMMAND_MEMORY;
	command = on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER;
	return kho_vfio_config_write16(fd, PCI_COMMAND, command);
}

int kho_vfio_msix(int fd, const int *eventfds, unsigned int nr)
{
	size_t size = sizeof(struct vfio_irq_set) + nr * sizeof(*eventfds);
	struct vfio_irq_set *set = calloc(1, size);
	int rc;

	if (!set)
		return -1;
	set->argsz = size;
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER;
	set->flags |= nr ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->count = nr;
	memcpy(set->data, eventfds, nr * sizeof(*eventfds));
	rc = ioctl(fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return rc;
}
