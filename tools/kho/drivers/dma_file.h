/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for a device: a memfd, of which the device sees each page by itself.
 *
 * Pages have numbers. What the program and the device take for neighbours lies
 * far apart in the file, so that the page tables have one 4 KiB entry for each.
 */
#ifndef KHO_DMA_FILE_H
#define KHO_DMA_FILE_H

#include <stddef.h>
#include <stdint.h>

#define DMA_PAGE	4096UL

struct dma_file {
	int fd;
	uint8_t *base;
	size_t nr;		/* pages */
	size_t step;		/* in the file, from one number to the next */
};

/* A new file of @nr pages; -1 with errno when that fails */
int dma_file_make(struct dma_file *file, size_t nr);

/* One that is there, whatever process or kernel made it */
int dma_file_open(struct dma_file *file, int fd);

/* Where in the file page @number is */
size_t dma_file_place(const struct dma_file *file, size_t number);

void *dma_file_page(const struct dma_file *file, size_t number);

/* The device is to find page @number at @iova. */
int dma_file_map(const struct dma_file *file, size_t number, int iommufd, uint32_t ioas,
		 uint64_t iova);

/*
 * Makes the page's content what @seed says. Then that can be checked, from one offset to
 * another: -1 with errno EBADMSG, and a problem for keeper.h, when a byte is different.
 */
void dma_file_fill(const struct dma_file *file, size_t number, uint64_t seed);
int dma_file_check(const struct dma_file *file, size_t number, size_t from, size_t to,
		   uint64_t seed);

#endif
