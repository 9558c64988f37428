/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of a program with what the test owner (kernel/kho/test/memory.c) makes of a seed and of
 * where the memory is. Its command "look" knows that content when no file and no record
 * leads there any more, in any later kernel.
 */
#ifndef KHO_KNOWN_H
#define KHO_KNOWN_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define KNOWN_PAGE	4096UL

/* Of a page that is there */
static inline int known_address(int pagemap, const void *page, uint64_t *address)
{
	uint64_t entry;

	errno = EIO;	/* if only a part of it is read */
	if (pread(pagemap, &entry, sizeof(entry),
		  (uintptr_t)page / KNOWN_PAGE * sizeof(entry)) != sizeof(entry))
		return -1;
	*address = (entry & ((1ULL << 55) - 1)) * KNOWN_PAGE;
	if (entry >> 63 && *address)
		return 0;
	errno = EFAULT;
	return -1;
}

static inline void known_fill(uint64_t *page, uint64_t seed, uint64_t address)
{
	uint64_t value = (seed + address / KNOWN_PAGE) * 0x9e3779b97f4a7c15ULL;
	unsigned int i;

	for (i = 0; i < KNOWN_PAGE / sizeof(*page); i++, value += address | 1)
		page[i] = value;
}

/*
 * Fills @nr pages, all of which are there and stay where they are, and adds them to the
 * list in @path, as "look" takes them.
 */
static inline int known_pages(uint64_t *mem, uint64_t nr, uint64_t seed, const char *path)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), rc = -1;
	FILE *list = fopen(path, "ae");
	uint64_t *page, address;

	for (page = mem; nr && pagemap >= 0 && list; page += KNOWN_PAGE / sizeof(*page), nr--) {
		if (known_address(pagemap, page, &address))
			break;
		known_fill(page, seed, address);
		if (fprintf(list, "%llx 0 %llu\n", (unsigned long long)address,
			    (unsigned long long)seed) < 0)
			break;
	}
	if (!nr && pagemap >= 0 && list)
		rc = 0;
	if (list && fclose(list))
		rc = -1;
	if (pagemap >= 0)
		close(pagemap);
	return rc;
}

#endif /* KHO_KNOWN_H */
