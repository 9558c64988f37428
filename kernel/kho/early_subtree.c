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
#include <linux/sizes.h>
#include <linux/string.h>
#include <asm/e820/api.h>

#include "internal.h"

static bool __init is_ram(u64 pa, u64 size)
{
	return pa && PAGE_ALIGNED(pa) && size && size <= INT_MAX &&
	       pa + size > pa && memblock_is_region_memory(pa, size);
}

/* Before memory is mapped no more than this can be, at a time. */
#define EARLY_MAP_MAX	SZ_128K

/* Mapped, for early_memunmap(), if it is what has this checksum; else NULL */
static void *__init map_early(u64 pa, u64 size, u64 checksum)
{
	void *at;

	if (!pa || !PAGE_ALIGNED(pa) || !size || size > EARLY_MAP_MAX ||
	    !e820__mapped_all(pa, pa + size, E820_TYPE_RAM))
		return NULL;
	at = early_memremap(pa, size);
	if (at && kho_checksum(0, at, size) != checksum) {
		early_memunmap(at, size);
		at = NULL;
	}
	return at;
}

static bool __init read_prop(const void *fdt, const struct kho_subtree *subtree,
			     const char *prop, void *buf, int size)
{
	const void *value;
	int len;

	if (!kho_fdt_ok(fdt, subtree->size))
		return false;
	value = fdt_getprop(fdt, 0, prop, &len);
	if (!value || len != size)
		return false;
	memcpy(buf, value, size);
	return true;
}

/**
 * kho_early_read_prop - copy a property of a subtree before memory is mapped
 * @name: name of the subtree
 * @compatible: the version that is wanted
 * @prop: a property of its root
 * @buf: filled in
 * @size: bytes of the property, all of it
 *
 * Context: early boot, from when the header was read
 * Return: whether it is there; not that it makes sense
 */
bool __init kho_early_read_prop(const char *name, const char *compatible,
				const char *prop, void *buf, int size)
{
	const struct kho_header_ser *header = kho_early_header();
	struct kho_subtree subtree;
	bool found = false;
	void *blob, *fdt;

	if (!header)
		return false;
	blob = map_early(header->blob_pa, header->blob_size,
			 header->blob_checksum);
	if (!blob)
		return false;
	if (!kho_blob_find(blob, header->blob_size, name, &subtree) &&
	    !strcmp(subtree.compatible, compatible)) {
		fdt = map_early(subtree.fdt_pa, subtree.size, subtree.checksum);
		if (fdt) {
			found = read_prop(fdt, &subtree, prop, buf, size);
			early_memunmap(fdt, subtree.size);
		}
	}
	early_memunmap(blob, header->blob_size);
	return found;
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
