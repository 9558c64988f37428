// SPDX-License-Identifier: GPL-2.0-only
/*
 * assign: gives a device memory, for measuring. It does nothing with it.
 *
 *	assign COMMAND...		see keeper.h
 *	assign start DIR COMMAND...
 *	assign on DIR COMMAND...
 *
 *	memory MIB 4k|2m	a file, which the device sees in pages of that size, for
 *				the most part; of huge pages with 2m
 *
 * and what assigned.h has: "open" before and "attach" after "memory".
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include <kho_iommufd.h>

#include "assigned.h"
#include "keeper/keeper.h"

#define IOVA		0x100000000ULL

static bool huge;

/* Pages that are neighbours for the device are none in the file, unless it is huge. */
static int map_all(const struct dma_file *file, int iommufd, uint32_t ioas)
{
	size_t i;

	if (huge)
		return kho_iommufd_map(iommufd, ioas, file->base, file->nr * DMA_PAGE, IOVA);
	for (i = 0; i < file->nr; i++)
		if (dma_file_map(file, i, iommufd, ioas, IOVA + i * DMA_PAGE))
			return -1;
	return 0;
}

static struct assigned dev = ASSIGNED_INIT(map_all);

static int make_memory(size_t mib, const char *kind)
{
	int fd;

	huge = !strcmp(kind, "2m");
	if (!huge)
		return assigned_memory(&dev, mib << 20 >> 12);
	fd = memfd_create("assign", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0 || ftruncate(fd, mib << 20) || dma_file_open(&dev.file, fd) ||
	    kho_iommufd_ioas_alloc(dev.iommufd, &dev.ioas))
		return -1;
	return map_all(&dev.file, dev.iommufd, dev.ioas);
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "memory") && nr == 3)
		return make_memory(strtoul(w[1], NULL, 0), w[2]);
	return assigned_run(&dev, w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
