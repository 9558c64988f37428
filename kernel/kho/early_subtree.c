// SPDX-License-Identifier: GPL-2.0-only
/*
 * A look at a subtree before the core has read the blob: for what has to be known while
 * memory is still given out by memblock.
 *
 * Nothing is taken and nothing changes: the subtree can be retrieved later as ever.
 * Everything is checked as the core does later, but for the map, which is not there yet;
 * what is not in RAM of this kernel is not looked at.
 *
 * One CPU, no locks.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/init.h>
#include <linux/io.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "internal.h"

static bool __init is_ram(u64 pa, u64 size)
{
	return pa && PAGE_ALIGNED(pa) && size && size <= INT_MAX &&
	       pa + size > pa && memblock_is_region_memory(pa, size);
}

/**
 * kho_early_subtree - look at a subtree in early boot
 * @name: its name
 * @compatible: the version that is wanted
 *
 * Context: from when all RAM is mapped until the page allocator is there.
 * Return: the device tree, or NULL: there is none, or it cannot be believed
 */
const void *__init kho_early_subtree(const char *name, const char *compatible)
{
	const struct kho_header_ser *header = kho_early_header();
	struct kho_subtree subtree;
	const void *blob, *fdt;

	if (!header || !is_ram(header->blob_pa, header->blob_size))
		return NULL;
	blob = phys_to_virt(header->blob_pa);
	if (kho_checksum(0, blob, header->blob_size) != header->blob_checksum ||
	    kho_blob_find(blob, header->blob_size, name, &subtree) ||
	    strcmp(subtree.compatible, compatible) ||
	    !is_ram(subtree.fdt_pa, subtree.size))
		return NULL;
	fdt = phys_to_virt(subtree.fdt_pa);
	if (kho_checksum(0, fdt, subtree.size) != subtree.checksum ||
	    !kho_fdt_ok(fdt, subtree.size))
		return NULL;
	return fdt;
}
