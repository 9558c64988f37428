// SPDX-License-Identifier: GPL-2.0-only
/*
 * The blob: the flattened device tree that names the subtrees.
 *
 * Writing makes it in one go from lists, into a buffer that the caller makes
 * larger when it is too small. Reading believes nothing: it produces a list in
 * which every string is terminated and of bounded length, every address page
 * aligned, and no name occurs twice. Whether the addresses lead to preserved
 * memory is for the caller to check.
 *
 * Only libfdt and the list are used here, no lock is taken.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

static int write_subtree(void *buf, const struct kho_subtree *subtree)
{
	int rc;

	rc = fdt_begin_node(buf, subtree->name);
	rc = rc ?: fdt_property_string(buf, KHO_PROP_COMPATIBLE,
				       subtree->compatible);
	rc = rc ?: fdt_property_u64(buf, KHO_PROP_FDT, subtree->fdt_pa);
	rc = rc ?: fdt_property_u64(buf, KHO_PROP_SIZE, subtree->size);
	rc = rc ?: fdt_property_u64(buf, KHO_PROP_CHECKSUM, subtree->checksum);
	return rc ?: fdt_end_node(buf);
}

static int write_pending(void *buf, struct list_head *subtrees)
{
	const struct kho_subtree *subtree;
	int rc = 0;

	list_for_each_entry(subtree, subtrees, list)
		if (!rc && subtree->state == KHO_PENDING)
			rc = write_subtree(buf, subtree);
	return rc;
}

/**
 * kho_blob_write - write the blob
 * @buf: where
 * @size: bytes of @buf
 * @own: list of struct kho_subtree
 * @inherited: another one; of both, those that are KHO_PENDING are written
 *
 * Return: 0, -ENOSPC when @buf is too small, -EINVAL
 */
int kho_blob_write(void *buf, size_t size, struct list_head *own,
		   struct list_head *inherited)
{
	int rc;

	rc = fdt_create(buf, size);
	rc = rc ?: fdt_finish_reservemap(buf);
	rc = rc ?: fdt_begin_node(buf, "");
	rc = rc ?: fdt_property_string(buf, KHO_PROP_COMPATIBLE,
				       KHO_BLOB_COMPATIBLE);
	rc = rc ?: write_pending(buf, own);
	rc = rc ?: write_pending(buf, inherited);
	rc = rc ?: fdt_end_node(buf);
	rc = rc ?: fdt_finish(buf);
	if (!rc)
		return 0;
	return rc == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
}

static int read_string(const void *blob, int node, const char *prop, char *to)
{
	const char *value;
	int len;

	value = fdt_getprop(blob, node, prop, &len);
	if (!value || len < 2 || len > KHO_NAME_MAX + 1 || value[len - 1] ||
	    strnlen(value, len) != len - 1)
		return -EINVAL;
	memcpy(to, value, len);
	return 0;
}

static int read_u64(const void *blob, int node, const char *prop, u64 *to)
{
	const fdt64_t *value;
	int len;

	value = fdt_getprop(blob, node, prop, &len);
	if (!value || len != sizeof(*value))
		return -EINVAL;
	*to = fdt64_ld(value);
	return 0;
}

static int read_subtree(const void *blob, int node, struct kho_subtree *subtree)
{
	unsigned int nr_props = 0;
	const char *name;
	u64 fdt_pa, size;
	int prop, len;

	fdt_for_each_property_offset(prop, blob, node)
		nr_props++;
	name = fdt_get_name(blob, node, &len);
	if (!name || len < 1 || len > KHO_NAME_MAX || nr_props != 4)
		return -EINVAL;
	memcpy(subtree->name, name, len);

	if (read_string(blob, node, KHO_PROP_COMPATIBLE, subtree->compatible) ||
	    read_u64(blob, node, KHO_PROP_FDT, &fdt_pa) ||
	    read_u64(blob, node, KHO_PROP_SIZE, &size) ||
	    read_u64(blob, node, KHO_PROP_CHECKSUM, &subtree->checksum))
		return -EINVAL;
	if (!fdt_pa || !PAGE_ALIGNED(fdt_pa) || !size || size > INT_MAX ||
	    fdt_pa + size < fdt_pa)
		return -EINVAL;
	subtree->fdt_pa = fdt_pa;
	subtree->size = size;
	return 0;
}

/**
 * kho_subtree_find - find a subtree by its name
 * @subtrees: list of struct kho_subtree
 * @name: the name
 *
 * Return: the subtree or NULL
 */
struct kho_subtree *kho_subtree_find(struct list_head *subtrees,
				     const char *name)
{
	struct kho_subtree *subtree;

	list_for_each_entry(subtree, subtrees, list)
		if (!strcmp(subtree->name, name))
			return subtree;
	return NULL;
}

/**
 * kho_blob_free - free a list of subtrees
 * @subtrees: list of struct kho_subtree; empty afterwards
 */
void kho_blob_free(struct list_head *subtrees)
{
	struct kho_subtree *subtree, *next;

	list_for_each_entry_safe(subtree, next, subtrees, list) {
		list_del(&subtree->list);
		kfree(subtree);
	}
}

/**
 * kho_fdt_ok - may a flattened device tree be looked at?
 * @fdt: page aligned
 * @size: bytes that may be read
 *
 * libfdt checks every later access against the header's sizes.
 */
bool kho_fdt_ok(const void *fdt, size_t size)
{
	return size >= sizeof(struct fdt_header) && size <= INT_MAX &&
	       !fdt_check_header(fdt) && fdt_totalsize(fdt) <= size;
}

/**
 * kho_is_raw - is a subtree something of which only its owner knows what it is?
 * @subtree: of either list
 */
bool kho_is_raw(const struct kho_subtree *subtree)
{
	return !strcmp(subtree->compatible, KHO_RAW_COMPATIBLE);
}

/**
 * kho_blob_find - read one subtree of a blob
 * @blob: page aligned
 * @size: bytes that may be read
 * @name: name of the subtree
 * @subtree: filled in; it is in no list
 *
 * Allocates nothing, for early boot.
 *
 * Return: 0, -ENOENT, or -EINVAL as of kho_blob_read()
 */
int kho_blob_find(const void *blob, size_t size, const char *name,
		  struct kho_subtree *subtree)
{
	int node;

	memset(subtree, 0, sizeof(*subtree));
	if (!kho_fdt_ok(blob, size))
		return -EINVAL;
	node = fdt_subnode_offset(blob, 0, name);
	return node < 0 ? -ENOENT : read_subtree(blob, node, subtree);
}

/**
 * kho_blob_read - read a blob
 * @blob: page aligned
 * @size: bytes that may be read
 * @subtrees: empty list, gets a struct kho_subtree for each
 *
 * Return: 0, -EINVAL for anything that is not as kho_blob_write() makes it,
 * -ENOMEM; the list is empty on error.
 */
int kho_blob_read(const void *blob, size_t size, struct list_head *subtrees)
{
	struct kho_subtree *subtree;
	char compatible[KHO_NAME_MAX + 1];
	int node, depth = 0, rc;

	if (!kho_fdt_ok(blob, size))
		return -EINVAL;
	if (read_string(blob, 0, KHO_PROP_COMPATIBLE, compatible) ||
	    strcmp(compatible, KHO_BLOB_COMPATIBLE))
		return -EINVAL;

	/* Not fdt_for_each_subnode(): that cannot tell damage from the end. */
	for (node = fdt_next_node(blob, 0, &depth); node >= 0 && depth == 1;
	     node = fdt_next_node(blob, node, &depth)) {
		rc = -ENOMEM;
		subtree = kzalloc(sizeof(*subtree), GFP_KERNEL);
		if (!subtree)
			goto err_free;
		rc = read_subtree(blob, node, subtree);
		if (!rc && kho_subtree_find(subtrees, subtree->name))
			rc = -EINVAL;
		if (rc) {
			kfree(subtree);
			goto err_free;
		}
		list_add_tail(&subtree->list, subtrees);
	}
	/* The root node has ended, and nothing follows. */
	rc = -EINVAL;
	if (node >= 0 && depth < 0 &&
	    fdt_next_tag(blob, node, &node) == FDT_END && node >= 0)
		return 0;

err_free:
	kho_blob_free(subtrees);
	return rc;
}
