// SPDX-License-Identifier: GPL-2.0-only
/*
 * The incoming side: the subtrees that were handed over to this kernel.
 *
 * Life cycle: early.c has taken over the map. kho_in_init() gives the frames of
 * the core's own data back and lists the subtrees, each with the reason if it
 * cannot be used. Owners retrieve their subtree, once, and restore their memory
 * (restore.c). What is not restored is discarded, or stays as it is and is handed
 * on by the next kexec.
 *
 * Locks: kho_blob_lock for the list and the states, the map has its own.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/late_memmap.h>
#include <linux/mm.h>
#include <linux/pgalloc_tag.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "internal.h"

LIST_HEAD(kho_in_subtrees);

#define MAP_NAME	"/map"
#define RESERVED_NAME	"/reserved"

/* Given up by kho_in_discard(); kho_blob_lock */
bool kho_in_blob_damaged;

/* Parts of subtrees, see kho_add_in_item(); kho_blob_lock */
static LIST_HEAD(in_items);

#define KHO_VERSION "\0"
static const char versions[] = ""
#include "versions.inc"
	;
#undef KHO_VERSION

/**
 * kho_restores_show - what this kernel restores
 * @buf: a page
 *
 * Return: bytes: a version a line
 */
int kho_restores_show(char *buf)
{
	const char *version, *end = versions + sizeof(versions);
	int len = 0;

	/* (each has a zero before it, too) */
	for (version = versions + 1; version < end; version += strlen(version) + 1)
		len += sysfs_emit_at(buf, len, "%s\n", version);
	return len;
}

/* Is a subtree of this name waiting? kho_blob_lock is held. */
bool kho_in_has_pending(const char *name)
{
	struct kho_subtree *subtree;

	lockdep_assert_held(&kho_blob_lock);
	subtree = kho_subtree_find(&kho_in_subtrees, name);
	return subtree && subtree->state == KHO_PENDING;
}

static bool any_pending(void)
{
	struct kho_subtree *subtree;

	list_for_each_entry(subtree, &kho_in_subtrees, list)
		if (subtree->state == KHO_PENDING)
			return true;
	return kho_in_blob_damaged;
}

/* Is nothing left that a further kexec would have to hand on? */
bool kho_in_empty(void)
{
	bool empty;

	mutex_lock(&kho_blob_lock);
	empty = !atomic_long_read(&kho_in_map.nr_frames) && !any_pending();
	mutex_unlock(&kho_blob_lock);
	return empty;
}

/**
 * kho_retrieve_subtree - get an owner's subtree, once
 * @name: as given to kho_add_subtree() in the old kernel
 * @phys: where it is
 * @size: its bytes; may be NULL
 *
 * It is intact, and, as a device tree, of a version that this kernel restores
 * (KHO_RESTORES()) if it restores any version of this owner. It lies in preserved memory,
 * which is the owner's to restore or free.
 *
 * Context: may sleep. Not before core_initcall.
 * Return: 0, -ENOENT when there is none or it was retrieved before, -EINVAL when
 * it is damaged or of a version unknown here, -EBUSY after finalize
 */
int kho_retrieve_subtree(const char *name, phys_addr_t *phys, size_t *size)
{
	struct kho_subtree *subtree;
	int rc = 0;

	mutex_lock(&kho_blob_lock);
	subtree = kho_subtree_find(&kho_in_subtrees, name);
	if (!subtree || subtree->state != KHO_PENDING)
		rc = -ENOENT;
	else if (subtree->unusable)
		rc = -EINVAL;
	else if (kho_out_map.sealed)
		rc = -EBUSY;
	if (!rc) {
		subtree->state = KHO_RESTORED;
		subtree->reason[0] = '\0';
		*phys = subtree->fdt_pa;
		if (size)
			*size = subtree->size;
	}
	mutex_unlock(&kho_blob_lock);
	kho_note_subtree(name, "retrieve", rc);
	return rc;
}
EXPORT_SYMBOL_GPL(kho_retrieve_subtree);

/**
 * kho_may_have - could there have been a subtree for this kernel?
 * @name: as given to kho_add_subtree() in the old kernel
 *
 * For owners that have to make something safe which was left running, even if nobody
 * can read any more what it was.
 *
 * Context: may sleep. Not before core_initcall.
 * Return: true when there is one, in whatever state, and when that is not known
 */
bool kho_may_have(const char *name)
{
	bool may;

	mutex_lock(&kho_blob_lock);
	may = kho_early_damage() || kho_in_blob_damaged ||
	      kho_subtree_find(&kho_in_subtrees, name);
	mutex_unlock(&kho_blob_lock);
	return may;
}
EXPORT_SYMBOL_GPL(kho_may_have);

/**
 * kho_reject_subtree - put a retrieved subtree back
 * @name: its name
 * @reason: why its owner cannot restore it, for the operator
 *
 * For an owner that found its data unusable, has restored nothing of it, and has
 * not added a subtree of its own yet. It is pending again and will be handed on.
 *
 * Context: may sleep.
 */
void kho_reject_subtree(const char *name, const char *reason)
{
	struct kho_subtree *subtree;

	mutex_lock(&kho_blob_lock);
	pr_err("%s: not restored: %s\n", name, reason);
	subtree = kho_subtree_find(&kho_in_subtrees, name);
	if (subtree && subtree->state == KHO_RESTORED &&
	    !kho_out_map.sealed && !kho_out_has(name)) {
		subtree->state = KHO_PENDING;
		strscpy(subtree->reason, reason);
	}
	mutex_unlock(&kho_blob_lock);
	kho_note_subtree(name, "reject", 0);
}
EXPORT_SYMBOL_GPL(kho_reject_subtree);

/**
 * kho_finish_subtree - an owner has restored all that it wants
 * @name: name of its subtree
 *
 * Optional. Lets memory that nobody knows be freed when the operator discards
 * the subtree which it belonged to.
 *
 * Context: may sleep.
 */
void kho_finish_subtree(const char *name)
{
	struct kho_subtree *subtree;

	mutex_lock(&kho_blob_lock);
	subtree = kho_subtree_find(&kho_in_subtrees, name);
	if (subtree && subtree->state == KHO_RESTORED)
		subtree->finished = true;
	mutex_unlock(&kho_blob_lock);
	kho_note_subtree(name, "finish", 0);
}
EXPORT_SYMBOL_GPL(kho_finish_subtree);

/**
 * kho_add_in_item - list a part of a subtree in "incoming"
 * @item: with @owner, @name and @state set; stays until kho_del_in_item()
 *
 * For owners that have restored their subtree, but for parts of it that wait for
 * somebody, or cannot be used.
 *
 * Context: may sleep.
 */
void kho_add_in_item(struct kho_in_item *item)
{
	mutex_lock(&kho_blob_lock);
	list_add_tail(&item->list, &in_items);
	mutex_unlock(&kho_blob_lock);
}
EXPORT_SYMBOL_GPL(kho_add_in_item);

/**
 * kho_set_in_item - the state of a part of a subtree has changed
 * @item: the part
 * @state: one word
 * @fmt: the reason, or ""
 *
 * Context: may sleep.
 */
void kho_set_in_item(struct kho_in_item *item, const char *state,
		     const char *fmt, ...)
{
	va_list args;

	mutex_lock(&kho_blob_lock);
	item->state = state;
	va_start(args, fmt);
	vsnprintf(item->reason, sizeof(item->reason), fmt, args);
	va_end(args);
	mutex_unlock(&kho_blob_lock);
}
EXPORT_SYMBOL_GPL(kho_set_in_item);

/**
 * kho_del_in_item - undo kho_add_in_item()
 * @item: the part
 *
 * Context: may sleep.
 */
void kho_del_in_item(struct kho_in_item *item)
{
	mutex_lock(&kho_blob_lock);
	list_del(&item->list);
	mutex_unlock(&kho_blob_lock);
}
EXPORT_SYMBOL_GPL(kho_del_in_item);

static int show_items(char *buf, int size, const char *owner)
{
	struct kho_in_item *item;
	int len = 0;

	list_for_each_entry(item, &in_items, list) {
		if (strcmp(item->owner, owner))
			continue;
		len += scnprintf(buf + len, size - len, "%s/%s %s%s%s\n",
				 owner, item->name, item->state,
				 item->reason[0] ? " - " : "", item->reason);
	}
	return len;
}

/**
 * kho_in_show - list what was handed over
 * @buf: where
 * @size: bytes of @buf
 *
 * Return: bytes written
 */
int kho_in_show(char *buf, int size)
{
	static const char * const states[] = {
		[KHO_PENDING] = "pending",
		[KHO_RESTORED] = "restored",
		[KHO_DISCARDED] = "discarded",
	};
	struct kho_subtree *subtree;
	unsigned long frames;
	int len = 0;

	mutex_lock(&kho_blob_lock);
	if (kho_early_damage() && strcmp(kho_early_damage(), "map") == 0)
		len += scnprintf(buf + len, size - len,
				 MAP_NAME " pending - damaged\n");
	else if (kho_early_damage())
		len += scnprintf(buf + len, size - len,
				 "/header lost - %s damaged\n",
				 kho_early_damage());
	if (kho_early_withdrawn())
		len += scnprintf(buf + len, size - len,
				 RESERVED_NAME " lost - %lu KiB that was reserved by address\n",
				 kho_early_withdrawn() << (PAGE_SHIFT - 10));
	if (kho_in_blob_damaged)
		len += scnprintf(buf + len, size - len,
				 KHO_BLOB_NAME " pending - damaged\n");
	list_for_each_entry(subtree, &kho_in_subtrees, list) {
		len += scnprintf(buf + len, size - len, "%s %s %s%s%s\n",
				 subtree->name, states[subtree->state],
				 subtree->compatible,
				 subtree->reason[0] ? " " : "",
				 subtree->reason);
		len += show_items(buf + len, size - len, subtree->name);
	}
	frames = atomic_long_read(&kho_in_map.nr_frames);
	if (frames)
		len += scnprintf(buf + len, size - len,
				 KHO_MEMORY_NAME " pending - %lu KiB not restored\n",
				 frames << (PAGE_SHIFT - 10));
	mutex_unlock(&kho_blob_lock);
	return len;
}

static void __init mark_unusable(struct kho_subtree *subtree, const char *reason)
{
	subtree->unusable = true;
	strscpy(subtree->reason, reason);
	pr_err("%s (%s) is kept but cannot be restored here: %s\n",
	       subtree->name, subtree->compatible, reason);
}

static void __init check_subtree(struct kho_subtree *subtree)
{
	unsigned long pfn = PHYS_PFN(subtree->fdt_pa);
	const void *fdt = phys_to_virt(subtree->fdt_pa);
	bool same_owner;

	if (!kho_map_covers(&kho_in_map, pfn, PFN_UP(subtree->size)) ||
	    !kho_frames_sane(pfn, PFN_UP(subtree->size)))
		mark_unusable(subtree, "damaged: not in preserved memory");
	else if (kho_checksum(0, fdt, subtree->size) != subtree->checksum ||
		 (!kho_is_raw(subtree) && !kho_fdt_ok(fdt, subtree->size)))
		mark_unusable(subtree, "damaged");
	else if (kho_reads(versions, sizeof(versions), subtree->compatible,
			   &same_owner))
		return;
	else if (same_owner && !kho_is_raw(subtree))
		mark_unusable(subtree, "version unknown to this kernel");
	else
		strscpy(subtree->reason, "no owner in this kernel");
}

static bool __init blob_in_place(const struct kho_header_ser *header)
{
	unsigned long pfn = PHYS_PFN(header->blob_pa);
	u64 size = header->blob_size;

	return size <= INT_MAX && PAGE_ALIGNED(size) &&
	       kho_map_covers(&kho_in_map, pfn, PHYS_PFN(size)) &&
	       kho_frames_sane(pfn, PHYS_PFN(size));
}

static void __init read_blob(const struct kho_header_ser *header)
{
	void *copy = kho_early_blob();
	const void *blob = copy ?: phys_to_virt(header->blob_pa);
	struct kho_subtree *subtree;

	if ((!copy && !blob_in_place(header)) ||
	    kho_checksum(0, blob, header->blob_size) != header->blob_checksum ||
	    kho_blob_read(blob, header->blob_size, &kho_in_subtrees)) {
		pr_err("blob damaged: %lu KiB stay preserved but cannot be restored; write /blob to discard to free them\n",
		       atomic_long_read(&kho_in_map.nr_frames) <<
		       (PAGE_SHIFT - 10));
		kho_in_blob_damaged = true;
		return;
	}
	list_for_each_entry(subtree, &kho_in_subtrees, list)
		check_subtree(subtree);
	/* Its strings have been copied. */
	if (copy)
		free_reserved_area(copy, copy + header->blob_size, -1, NULL);
	else
		kho_discard_range(header->blob_pa, header->blob_size);
}

static void __init adopt_node(struct kho_map *map, void *node)
{
	struct page *page = virt_to_page(node);

	/* (while it is still marked) */
	late_memmap_settle(page_to_pfn(page), 1);
	/* It was moved out of somebody's way. */
	if (PageReserved(page))
		ClearPageReserved(page);
	clear_page_tag_ref(page);
	adjust_managed_page_count(page, 1);
}

/* The page of which early.c has a copy. */
static void __init free_header_page(phys_addr_t pa)
{
	if (kho_discard_range(pa, PAGE_SIZE) && !kho_early_withdrawn())
		pr_warn("header page at %pa is not preserved\n", &pa);
}

static void __init restore_stages(phys_addr_t pa)
{
	if (pa && kho_restore_pages(pa, 1))
		kho_stages_init(phys_to_virt(pa));
	else if (pa)
		pr_warn("no timeline: its page is not preserved\n");
}

/**
 * kho_in_init - list what was handed over
 *
 * Return: 0
 */
int __init kho_in_init(void)
{
	const struct kho_header_ser *header = kho_early_header();

	if (!header || kho_early_damage())
		return 0;
	kho_map_disown(&kho_in_map, adopt_node);
	mutex_lock(&kho_blob_lock);
	read_blob(header);
	mutex_unlock(&kho_blob_lock);
	restore_stages(header->stages_pa);
	free_header_page(kho_early_header_pa());
	kho_fragments_init();
	return 0;
}
