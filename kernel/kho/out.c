// SPDX-License-Identifier: GPL-2.0-only
/*
 * The outgoing side: the subtrees that owners hand over.
 *
 * Life cycle: owners add and remove subtrees at any time before finalize. They are
 * measured when all is sealed (seal.c), as they may have been edited until then.
 *
 * Locks: kho_blob_lock for the list.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/io.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/* Both lists of subtrees, and the states of the incoming ones. */
DEFINE_MUTEX(kho_blob_lock);
LIST_HEAD(kho_out_subtrees);

/* Trace what a step does with a subtree, of either list. */
void kho_note_subtree(const char *name, const char *step, int rc)
{
	trace_kho_subtree(name, step, rc);
	pr_debug("subtree %s: %s: %d\n", name, step, rc);
}

/* The version of what is handed over, NULL if it has none that can be. */
static const char *subtree_version(const void *fdt, size_t room)
{
	const char *compatible;
	int size;

	if (room < sizeof(struct fdt_header) || fdt_check_header(fdt))
		return KHO_RAW_COMPATIBLE;
	if (fdt_totalsize(fdt) > room)
		return NULL;
	compatible = fdt_getprop(fdt, 0, KHO_PROP_COMPATIBLE, &size);
	if (!compatible || size < 2 || size > KHO_NAME_MAX + 1 ||
	    strnlen(compatible, size) != size - 1)
		return NULL;
	return compatible;
}

static int add_subtree(const char *name, void *fdt, size_t room, bool optional)
{
	size_t len = strlen(name);
	struct kho_subtree *subtree;
	const char *compatible;
	int rc;

	if (!kho_is_enabled())
		return -EOPNOTSUPP;
	if (!len || len > KHO_NAME_MAX || strchr(name, '/') ||
	    !PAGE_ALIGNED(fdt) || !room || room > INT_MAX)
		return -EINVAL;
	compatible = subtree_version(fdt, room);
	if (!compatible)
		return -EINVAL;

	subtree = kzalloc(sizeof(*subtree), GFP_KERNEL);
	if (!subtree)
		return -ENOMEM;
	strscpy(subtree->name, name);
	strscpy(subtree->compatible, compatible);
	subtree->fdt_pa = virt_to_phys(fdt);
	subtree->room = room;
	subtree->optional = optional || kho_is_raw(subtree);

	mutex_lock(&kho_blob_lock);
	if (kho_out_map.sealed)
		rc = -EBUSY;
	else if (kho_subtree_find(&kho_out_subtrees, name) ||
		 kho_in_has_pending(name))
		rc = -EEXIST;
	else
		rc = 0;
	if (!rc)
		list_add_tail(&subtree->list, &kho_out_subtrees);
	mutex_unlock(&kho_blob_lock);
	kho_note_subtree(name, "add", rc);
	if (rc)
		kfree(subtree);
	return rc;
}

/**
 * kho_add_subtree - hand over an owner's device tree, or whatever it has
 * @name: name of the subtree, unique, at most KHO_NAME_MAX characters
 * @blob: flattened device tree in preserved memory, page aligned, with its version as the
 *	  root node's "compatible"; may still be edited until finalize
 * @size: bytes that it may have
 *
 * An image that does not list this version is refused. Of what is no device tree nobody
 * knows a version: its owner has to look after that, and an image without it hands on all
 * @size bytes.
 *
 * Context: may sleep.
 * Return: 0, -EBUSY after finalize, -EEXIST when there is one of this name, or
 * one came from the kernel before and is still pending, -EINVAL, -ENOMEM,
 * -EOPNOTSUPP
 */
int kho_add_subtree(const char *name, void *blob, size_t size)
{
	return add_subtree(name, blob, size, false);
}
EXPORT_SYMBOL_GPL(kho_add_subtree);

/**
 * kho_add_optional_subtree - hand over what the next kernel can do without
 * @name: as of kho_add_subtree()
 * @fdt: likewise
 * @size: likewise
 *
 * An image that does not list its version may be started. The kernel in it has the
 * subtree as one that is pending, and hands it on.
 *
 * Context: may sleep.
 * Return: as kho_add_subtree()
 */
int kho_add_optional_subtree(const char *name, void *fdt, size_t size)
{
	return add_subtree(name, fdt, size, true);
}
EXPORT_SYMBOL_GPL(kho_add_optional_subtree);

/**
 * kho_remove_subtree - undo kho_add_subtree()
 * @blob: as given there
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_remove_subtree(void *blob)
{
	struct kho_subtree *subtree;

	mutex_lock(&kho_blob_lock);
	list_for_each_entry(subtree, &kho_out_subtrees, list) {
		if (subtree->fdt_pa != virt_to_phys(blob))
			continue;
		if (WARN_ON_ONCE(kho_out_map.sealed))
			break;
		kho_note_subtree(subtree->name, "remove", 0);
		list_del(&subtree->list);
		kfree(subtree);
		break;
	}
	mutex_unlock(&kho_blob_lock);
}
EXPORT_SYMBOL_GPL(kho_remove_subtree);

/* Is there an outgoing subtree of this name? kho_blob_lock is held. */
bool kho_out_has(const char *name)
{
	return kho_subtree_find(&kho_out_subtrees, name);
}

/* The outgoing subtree of this name, or NULL: for tests. */
void *kho_out_fdt(const char *name)
{
	struct kho_subtree *subtree;
	void *fdt = NULL;

	mutex_lock(&kho_blob_lock);
	subtree = kho_subtree_find(&kho_out_subtrees, name);
	if (subtree)
		fdt = phys_to_virt(subtree->fdt_pa);
	mutex_unlock(&kho_blob_lock);
	return fdt;
}

/* Has no owner preserved or added anything? Not half-way through sealing. */
bool kho_out_empty(void)
{
	bool empty;

	mutex_lock(&kho_blob_lock);
	empty = atomic_long_read(&kho_out_map.nr_frames) == kho_own_frames() &&
		list_empty(&kho_out_subtrees);
	mutex_unlock(&kho_blob_lock);
	return empty;
}

/**
 * kho_have_state - is there anything that a jump could lose?
 *
 * Context: may sleep.
 */
bool kho_have_state(void)
{
	return !kho_out_empty() || !kho_in_empty();
}

/**
 * kho_out_measure - size and checksum of each outgoing subtree
 *
 * They may have been edited since they were added.
 *
 * Context: kho_blob_lock held.
 * Return: 0, or -EINVAL with last_error set when one cannot be handed over
 */
int kho_out_measure(void)
{
	struct kho_subtree *subtree;
	size_t size;

	lockdep_assert_held(&kho_blob_lock);
	list_for_each_entry(subtree, &kho_out_subtrees, list) {
		void *fdt = phys_to_virt(subtree->fdt_pa);
		unsigned long pfn = PHYS_PFN(subtree->fdt_pa);
		const char *compatible;

		compatible = kho_map_covers(&kho_out_map, pfn, 1) ?
			     subtree_version(fdt, subtree->room) : NULL;
		size = subtree->room;
		if (compatible && !kho_is_raw(subtree))
			size = fdt_totalsize(fdt);
		if (!compatible || strcmp(compatible, subtree->compatible) ||
		    !kho_map_covers(&kho_out_map, pfn, PFN_UP(size))) {
			kho_set_err("%s: subtree is damaged, of another version than when it was added, or not in preserved memory",
				    subtree->name);
			return -EINVAL;
		}
		subtree->size = size;
		subtree->checksum = kho_checksum(0, fdt, subtree->size);
	}
	return 0;
}
