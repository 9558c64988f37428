// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that programs with an assigned device have in common.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kho_iommufd.h>
#include <kho_restored.h>
#include <kho_session.h>
#include <kho_vfio.h>

#include "assigned.h"
#include "keeper/keeper.h"

static int open_device(struct assigned *dev, const char *address)
{
	if (dev->iommufd < 0)
		dev->iommufd = kho_iommufd_open();
	if (dev->iommufd < 0)
		return -1;
	dev->device = kho_vfio_open(address);
	if (dev->device < 0)
		return -1;
	return kho_vfio_bind(dev->device, dev->iommufd, &dev->id);
}

int assigned_memory(struct assigned *dev, size_t pages)
{
	if (dma_file_make(&dev->file, pages))
		return -1;
	/* Another device of the iommufd may have one already. (None has the id 0.) */
	if (!dev->ioas && kho_iommufd_ioas_alloc(dev->iommufd, &dev->ioas))
		return -1;
	return dev->map(&dev->file, dev->iommufd, dev->ioas);
}

/* The page table is full before the device gets to see it. */
static int remap(struct assigned *dev)
{
	uint32_t hwpt;

	if (kho_iommufd_ioas_alloc(dev->iommufd, &dev->ioas) ||
	    dev->map(&dev->file, dev->iommufd, dev->ioas) ||
	    kho_iommufd_hwpt_alloc(dev->iommufd, dev->id, dev->ioas, &hwpt))
		return -1;
	return kho_vfio_attach(dev->device, hwpt);
}

static int attach_own(struct assigned *dev)
{
	uint32_t hwpt;

	if (kho_iommufd_hwpt_alloc(dev->iommufd, dev->id, dev->ioas, &hwpt))
		return -1;
	return kho_vfio_attach(dev->device, hwpt);
}

/* All that the kernel has a record of, for all devices that are bound */
static int restore(struct assigned *dev)
{
	struct iommu_restore_object object;
	uint32_t i, nr = 0;
	int rc;

	for (i = 0; (rc = kho_restored_object(dev->iommufd, i, &object)) > 0; i++) {
		if (object.type != IOMMU_RESTORE_TYPE_IOAS ||
		    !(object.flags & IOMMU_RESTORE_PRESERVED))
			continue;
		if (kho_restored_ioas(dev->iommufd, object.old_id, &dev->ioas))
			return -1;
		nr++;
	}
	if (rc || nr)
		return rc;
	keeper_problem("the iommufd has no address space of the old kernel");
	errno = ENOENT;
	return -1;
}

/* Its page table is known by the device, of which only the address is the same as before. */
static int rejoin(struct assigned *dev, const char *address)
{
	unsigned int segment, bus, slot, function;
	struct iommu_restore_object object;
	uint32_t i, pt;
	int rc;

	if (sscanf(address, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; (rc = kho_restored_object(dev->iommufd, i, &object)) > 0; i++) {
		if (object.type == IOMMU_RESTORE_TYPE_DEVICE &&
		    object.bdf == ((uint64_t)segment << 16 | bus << 8 | slot << 3 | function))
			return kho_restored_attach_to(dev->iommufd, object.parent, &pt) ?
			       -1 : kho_vfio_attach(dev->device, pt);
	}
	if (!rc)
		errno = ENODEV;
	return -1;
}

static int *descriptor(struct assigned *dev, const char *what)
{
	static int none;

	none = -1;
	if (!strcmp(what, "file"))
		return &dev->file.fd;
	if (!strcmp(what, "device"))
		return &dev->device;
	if (!strcmp(what, "iommufd"))
		return &dev->iommufd;
	if (!strcmp(what, "session"))
		return &dev->session;
	return &none;
}

static int take(struct assigned *dev, const char *what, uint64_t token)
{
	int fd = kho_session_take(dev->session, token);

	if (fd < 0)
		return -1;
	*descriptor(dev, what) = fd;
	return 0;
}

static int close_what(struct assigned *dev, const char *what)
{
	int *fd = descriptor(dev, what), rc = close(*fd);

	*fd = -1;
	return rc;
}

static uint64_t number(const char *word)
{
	return strtoull(word, NULL, 0);
}

int assigned_run(struct assigned *dev, char **w, int nr)
{
	if (!strcmp(w[0], "open") && nr == 2)
		return open_device(dev, w[1]);
	if (!strcmp(w[0], "attach") && nr == 1)
		return kho_vfio_attach(dev->device, dev->ioas);
	if (!strcmp(w[0], "attach") && nr == 2 && !strcmp(w[1], "own"))
		return attach_own(dev);
	if (!strcmp(w[0], "restore") && nr == 1)
		return restore(dev);
	if (!strcmp(w[0], "rejoin") && nr == 2)
		return rejoin(dev, w[1]);
	if (!strcmp(w[0], "master") && nr == 2)
		return kho_vfio_set_master(dev->device, !strcmp(w[1], "on"));
	if (!strcmp(w[0], "session") && nr == 2)
		return (dev->session = kho_session_create(w[1])) < 0 ? -1 : 0;
	if (!strcmp(w[0], "retrieve") && nr == 2)
		return (dev->session = kho_session_retrieve(w[1])) < 0 ? -1 : 0;
	if (!strcmp(w[0], "preserve") && nr == 3)
		return kho_session_preserve(dev->session, *descriptor(dev, w[1]), number(w[2]));
	if (!strcmp(w[0], "take") && nr == 3)
		return take(dev, w[1], number(w[2]));
	if (!strcmp(w[0], "bind") && nr == 1)
		return kho_vfio_bind(dev->device, dev->iommufd, &dev->id);
	if (!strcmp(w[0], "remap") && nr == 1)
		return remap(dev);
	if (!strcmp(w[0], "finish") && nr == 1)
		return kho_session_finish(dev->session);
	if (!strcmp(w[0], "close") && nr == 2)
		return close_what(dev, w[1]);
	keeper_problem("no such command");
	errno = EINVAL;
	return -1;
}
