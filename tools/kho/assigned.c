// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that programs with an assigned device have in common.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assigned.h"
#include "keeper.h"
#include "kho_vfio.h"
#include "session.h"

static int open_device(struct assigned *dev, const char *address)
{
	dev->iommufd = iommufd_open();
	if (dev->iommufd < 0)
		return -1;
	dev->device = vfio_open(address);
	if (dev->device < 0)
		return -1;
	return vfio_bind(dev->device, dev->iommufd, &dev->id);
}

int assigned_memory(struct assigned *dev, size_t pages)
{
	if (dma_file_make(&dev->file, pages) || iommufd_ioas_alloc(dev->iommufd, &dev->ioas))
		return -1;
	return dev->map(&dev->file, dev->iommufd, dev->ioas);
}

/* The page table is full before the device gets to see it. */
static int remap(struct assigned *dev)
{
	uint32_t hwpt;

	if (iommufd_ioas_alloc(dev->iommufd, &dev->ioas) ||
	    dev->map(&dev->file, dev->iommufd, dev->ioas) ||
	    iommufd_hwpt_alloc(dev->iommufd, dev->id, dev->ioas, &hwpt))
		return -1;
	return vfio_attach(dev->device, hwpt);
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
	int fd = session_take(dev->session, token);

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
		return vfio_attach(dev->device, dev->ioas);
	if (!strcmp(w[0], "master") && nr == 2)
		return vfio_set_master(dev->device, !strcmp(w[1], "on"));
	if (!strcmp(w[0], "session") && nr == 2)
		return (dev->session = session_create(w[1])) < 0 ? -1 : 0;
	if (!strcmp(w[0], "retrieve") && nr == 2)
		return (dev->session = session_retrieve(w[1])) < 0 ? -1 : 0;
	if (!strcmp(w[0], "preserve") && nr == 3)
		return session_preserve(dev->session, *descriptor(dev, w[1]), number(w[2]));
	if (!strcmp(w[0], "take") && nr == 3)
		return take(dev, w[1], number(w[2]));
	if (!strcmp(w[0], "bind") && nr == 1)
		return vfio_bind(dev->device, dev->iommufd, &dev->id);
	if (!strcmp(w[0], "remap") && nr == 1)
		return remap(dev);
	if (!strcmp(w[0], "finish") && nr == 1)
		return session_finish(dev->session);
	if (!strcmp(w[0], "close") && nr == 2)
		return close_what(dev, w[1]);
	keeper_problem("no such command");
	errno = EINVAL;
	return -1;
}
