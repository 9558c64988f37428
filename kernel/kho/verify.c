// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is sealed, read as the next kernel will read it first: header, map, blob, and the
 * place and checksum of each subtree, by the functions that it has for that. So that an
 * operator can rehearse a handover.
 *
 * Nothing is changed, so what owners do with their subtrees is not tried: they restore
 * what is in them, once.
 *
 * Locks: kho_lock.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "internal.h"

static bool is_ram(phys_addr_t pa)
{
	return pa && kho_frames_ok(PHYS_PFN(pa), 1);
}

static bool in_place(struct kho_map *map, phys_addr_t pa, u64 size)
{
	return kho_map_covers(map, PHYS_PFN(pa), PFN_UP(size)) &&
	       kho_frames_ok(PHYS_PFN(pa), PFN_UP(size));
}

static bool subtree_ok(struct kho_map *map, const struct kho_subtree *subtree)
{
	const void *fdt = phys_to_virt(subtree->fdt_pa);

	return in_place(map, subtree->fdt_pa, subtree->size) &&
	       kho_checksum(0, fdt, subtree->size) == subtree->checksum &&
	       (kho_is_raw(subtree) || kho_fdt_ok(fdt, subtree->size));
}

static int verify_blob(struct kho_map *map, const struct kho_header_ser *header,
		       char *buf)
{
	const void *blob = phys_to_virt(header->blob_pa);
	struct kho_subtree *subtree;
	LIST_HEAD(subtrees);
	int len = 0;

	if (!in_place(map, header->blob_pa, header->blob_size) ||
	    kho_checksum(0, blob, header->blob_size) != header->blob_checksum ||
	    kho_blob_read(blob, header->blob_size, &subtrees))
		return sysfs_emit(buf, "/blob damaged\n");
	list_for_each_entry(subtree, &subtrees, list)
		if (!subtree_ok(map, subtree))
			len += sysfs_emit_at(buf, len, "%s damaged\n",
					     subtree->name);
	kho_blob_free(&subtrees);
	return len;
}

/**
 * kho_verify - would the next kernel find intact what is sealed?
 * @buf: a page; gets a line for each part that it would not find so
 *
 * Context: kho_lock held, may sleep.
 * Return: bytes, or -EINVAL when nothing is sealed
 */
int kho_verify(char *buf)
{
	const struct kho_header_ser *header = kho_out_header();
	struct kho_map map = KHO_MAP_INIT(map);

	lockdep_assert_held(&kho_lock);
	if (kho_get_state() != KHO_FINAL)
		return -EINVAL;
	if (!kho_header_ok(header))
		return sysfs_emit(buf, "/header damaged\n");
	if (kho_map_adopt(&map, header, is_ram))
		return sysfs_emit(buf, "/map damaged\n");
	return verify_blob(&map, header, buf);
}
