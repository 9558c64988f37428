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
#include <linux/libfdt.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "internal.h"

static bool __init is_ram(u64 pa, u64 size)
{
	return pa && PAGE_ALIGNED(pa) && size && size <= INT_MAX &&
	       pa + size > pa && memblock_is_region_memory(pa, size);
}

static u64 __init number(const void *fdt, int node, const char *name)
{
	const fdt64_t *prop;
	int len;

	prop = fdt_getprop(fdt, node, name, &len);
	return prop && len == sizeof(*prop) ? fdt64_ld(prop) : 0;
}

static bool __init has_version(const void *fdt, int node, const char *version)
{
	const char *prop;
	int len;

	prop = fdt_getprop(fdt, node, KHO_PROP_COMPATIBLE, &len);
	return prop && len == strlen(version) + 1 && !memcmp(prop, version, len);
}

static bool __init fdt_ok(const void *fdt, u64 size)
{
	return size >= sizeof(struct fdt_header) && !fdt_check_header(fdt) &&
	       fdt_totalsize(fdt) <= size;
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
	const void *blob, *fdt;
	u64 pa, size;
	int node;

	if (!header || !is_ram(header->blob_pa, header->blob_size))
		return NULL;
	blob = phys_to_virt(header->blob_pa);
	if (kho_checksum(0, blob, header->blob_size) != header->blob_checksum ||
	    !fdt_ok(blob, header->blob_size))
		return NULL;
	node = fdt_subnode_offset(blob, 0, name);
	if (node < 0 || !has_version(blob, node, compatible))
		return NULL;
	pa = number(blob, node, KHO_PROP_FDT);
	size = number(blob, node, KHO_PROP_SIZE);
	if (!is_ram(pa, size))
		return NULL;
	fdt = phys_to_virt(pa);
	if (kho_checksum(0, fdt, size) != number(blob, node, KHO_PROP_CHECKSUM))
		return NULL;
	return fdt_ok(fdt, size) ? fdt : NULL;
}
