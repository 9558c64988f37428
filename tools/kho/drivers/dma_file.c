// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for a device: a memfd, of which the device sees each page by itself.
 */
#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <kho_iommufd.h>

#include "dma_file.h"
#include "frames/frame.h"
#include "keeper/keeper.h"

static size_t common_divisor(size_t a, size_t b)
{
	while (b) {
		size_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

int dma_file_open(struct dma_file *file, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	file->fd = fd;
	file->nr = st.st_size / DMA_PAGE;
	if (!file->nr) {
		errno = EINVAL;
		return -1;
	}
	/* Going round by a step that has no divisor in common meets every page once. */
	file->step = file->nr * 5 / 8 + 1;
	while (common_divisor(file->step, file->nr) != 1)
		file->step++;
	file->base = mmap(NULL, file->nr * DMA_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return file->base == MAP_FAILED ? -1 : 0;
}

int dma_file_make(struct dma_file *file, size_t nr)
{
	int fd = memfd_create("dma", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!ftruncate(fd, nr * DMA_PAGE) && !dma_file_open(file, fd))
		return 0;
	close(fd);
	return -1;
}

size_t dma_file_place(const struct dma_file *file, size_t number)
{
	return number * file->step % file->nr;
}

void *dma_file_page(const struct dma_file *file, size_t number)
{
	return file->base + dma_file_place(file, number) * DMA_PAGE;
}

int dma_file_map(const struct dma_file *file, size_t number, int iommufd, uint32_t ioas,
		 uint64_t iova)
{
	return kho_iommufd_map(iommufd, ioas, dma_file_page(file, number), DMA_PAGE, iova);
}

void dma_file_fill(const struct dma_file *file, size_t number, uint64_t seed)
{
	uint64_t *word = dma_file_page(file, number);
	size_t i;

	for (i = 0; i < DMA_PAGE / sizeof(*word); i++)
		word[i] = frame_mix(frame_mix(seed) + i);
}

int dma_file_check(const struct dma_file *file, size_t number, size_t from, size_t to,
		   uint64_t seed)
{
	const uint64_t *word = dma_file_page(file, number);
	size_t i;

	for (i = from / sizeof(*word); i < to / sizeof(*word); i++) {
		if (word[i] != frame_mix(frame_mix(seed) + i)) {
			keeper_problem("page %zu has %#lx at %#zx, not what %#lx says", number,
				       word[i], i * sizeof(*word), seed);
			errno = EBADMSG;
			return -1;
		}
	}
	return 0;
}
