// SPDX-License-Identifier: GPL-2.0-only
/*
 * The outgoing side: subtrees, and the sealing of map, blob and header.
 *
 * Life cycle: owners add and remove subtrees at any time before finalize. Sealing
 * takes, in this order: what is pending from the kernel before this one is added
 * to the map and to the subtrees; the blob is written; the map is sealed; holes
 * are computed; the header page gets its magic. Every step is undone in reverse
 * when a later one fails, and by kho_out_unseal().
 *
 * The header page is allocated once and stays at one address, so that an image
 * can be loaded before anything is known of what it will receive. Without magic
 * it says that nothing is handed over.
 *
 * Locks: kho_blob_lock for the list; sealing runs under kho_lock besides. The header
 * page is allocated by whoever needs it first, with whatever lock; its contents are
 * under kho_lock.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/kexec.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "internal.h"
#include "trace.h"

/* Both lists of subtrees, and the states of the incoming ones. */
DEFINE_MUTEX(kho_blob_lock);
static LIST_HEAD(subtrees);

static struct kho_header_ser *header;
static void *blob;
static unsigned int blob_order;
/* Frames in the sealed map that are the core's own. */
static unsigned long own_frames;

/* Physical address of the header page, 0 when the core did not start. */
phys_addr_t kho_header_pa(void)
{
	struct kho_header_ser *old, *page = READ_ONCE(header);

	if (!page) {
		page = kho_alloc_pages(0);
		if (!page)
			return 0;
		/* An image may be loaded while something is sealed. */
		old = cmpxchg(&header, NULL, page);
		if (old) {
			free_page((unsigned long)page);
			page = old;
		}
	}
	return virt_to_phys(page);
}

/**
 * kho_out_add_own - mark what a handover takes that is in no map before finalize
 * @map: to mark it in; the caller holds the outgoing map's sem
 *
 * The nodes of the outgoing map, the header page and the timeline.
 *
 * Return: as kho_map_add()
 */
int kho_out_add_own(struct kho_map *map)
{
	int rc = kho_map_add_nodes(map, &kho_out_map);

	if (!rc && header)
		rc = kho_map_add(map, PHYS_PFN(virt_to_phys(header)), 1, 0);
	if (!rc && kho_stages_page())
		rc = kho_map_add(map, PHYS_PFN(kho_stages_page()), 1, 0);
	return rc;
}

/* The version of a device tree, NULL if it has none that can be handed over. */
static const char *subtree_version(const void *fdt)
{
	const char *compatible;
	int size;

	if (fdt_check_header(fdt))
		return NULL;
	compatible = fdt_getprop(fdt, 0, KHO_PROP_COMPATIBLE, &size);
	if (!compatible || size < 2 || size > KHO_NAME_MAX + 1 ||
	    strnlen(compatible, size) != size - 1)
		return NULL;
	return compatible;
}

static struct kho_subtree *find_subtree(const char *name)
{
	struct kho_subtree *subtree;

	list_for_each_entry(subtree, &subtrees, list)
		if (!strcmp(subtree->name, name))
			return subtree;
	return NULL;
}

static int add_subtree(const char *name, void *fdt, bool optional)
{
	size_t len = strlen(name);
	struct kho_subtree *subtree;
	const char *compatible;
	int rc;

	if (!kho_is_enabled())
		return -EOPNOTSUPP;
	if (!len || len > KHO_NAME_MAX || strchr(name, '/') ||
	    !PAGE_ALIGNED(fdt))
		return -EINVAL;
	compatible = subtree_version(fdt);
	if (!compatible)
		return -EINVAL;

	subtree = kzalloc(sizeof(*subtree), GFP_KERNEL);
	if (!subtree)
		return -ENOMEM;
	strscpy(subtree->name, name);
	strscpy(subtree->compatible, compatible);
	subtree->fdt_pa = virt_to_phys(fdt);
	subtree->optional = optional;

	mutex_lock(&kho_blob_lock);
	if (kho_out_map.sealed)
		rc = -EBUSY;
	else if (find_subtree(name) || kho_in_has_pending(name))
		rc = -EEXIST;
	else
		rc = 0;
	if (!rc)
		list_add_tail(&subtree->list, &subtrees);
	mutex_unlock(&kho_blob_lock);
	trace_kho_subtree(name, "add", rc);
	pr_debug("subtree %s: add: %d\n", name, rc);
	if (rc)
		kfree(subtree);
	return rc;
}

/**
 * kho_add_subtree - hand over an owner's device tree
 * @name: name of the subtree, unique, at most KHO_NAME_MAX characters
 * @fdt: flattened device tree in preserved memory, with its version as the
 *	 root node's "compatible"; may still be edited until finalize
 *
 * An image that does not list this version is refused.
 *
 * Context: may sleep.
 * Return: 0, -EBUSY after finalize, -EEXIST when there is one of this name, or
 * one came from the kernel before and is still pending, -EINVAL, -ENOMEM,
 * -EOPNOTSUPP
 */
int kho_add_subtree(const char *name, void *fdt)
{
	return add_subtree(name, fdt, false);
}
EXPORT_SYMBOL_GPL(kho_add_subtree);

/**
 * kho_add_optional_subtree - hand over what the next kernel can do without
 * @name: as of kho_add_subtree()
 * @fdt: likewise
 *
 * An image that does not list its version may be started. The kernel in it has the
 * subtree as one that is pending, and hands it on.
 *
 * Context: may sleep.
 * Return: as kho_add_subtree()
 */
int kho_add_optional_subtree(const char *name, void *fdt)
{
	return add_subtree(name, fdt, true);
}
EXPORT_SYMBOL_GPL(kho_add_optional_subtree);

/**
 * kho_remove_subtree - undo kho_add_subtree()
 * @fdt: as given there
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_remove_subtree(void *fdt)
{
	struct kho_subtree *subtree;

	mutex_lock(&kho_blob_lock);
	list_for_each_entry(subtree, &subtrees, list) {
		if (subtree->fdt_pa != virt_to_phys(fdt))
			continue;
		if (WARN_ON_ONCE(kho_out_map.sealed))
			break;
		trace_kho_subtree(subtree->name, "remove", 0);
		pr_debug("subtree %s: remove\n", subtree->name);
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
	return find_subtree(name);
}

/* The outgoing subtree of this name, or NULL: for tests. */
void *kho_out_fdt(const char *name)
{
	struct kho_subtree *subtree;
	void *fdt = NULL;

	mutex_lock(&kho_blob_lock);
	subtree = find_subtree(name);
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
	empty = atomic_long_read(&kho_out_map.nr_frames) == own_frames &&
		list_empty(&subtrees);
	mutex_unlock(&kho_blob_lock);
	return empty;
}

/**
 * kho_out_check_versions - can an image restore what this kernel's owners made?
 * @kho: the loaded image
 *
 * Subtrees that this kernel only hands on are not asked about.
 *
 * Return: 0, or -EPROTONOSUPPORT with the subtree named in last_error
 */
int kho_out_check_versions(const struct kho_image *kho)
{
	struct kho_subtree *subtree;
	int rc = 0;

	if (kho_allow_unreadable)
		return 0;
	mutex_lock(&kho_blob_lock);
	list_for_each_entry(subtree, &subtrees, list) {
		if (subtree->optional ||
		    kho_image_reads(kho, subtree->compatible))
			continue;
		kho_set_err("image: cannot restore %s (%s); load a kernel that can, or write 1 to allow_unreadable",
			    subtree->name, subtree->compatible);
		rc = -EPROTONOSUPPORT;
		break;
	}
	mutex_unlock(&kho_blob_lock);
	return rc ?: kho_needs_check(kho);
}

/* Subtrees may have been edited since they were added. */
static int measure_subtrees(void)
{
	struct kho_subtree *subtree;

	list_for_each_entry(subtree, &subtrees, list) {
		void *fdt = phys_to_virt(subtree->fdt_pa);
		unsigned long pfn = PHYS_PFN(subtree->fdt_pa);
		const char *compatible;

		compatible = kho_map_covers(&kho_out_map, pfn, 1) ?
			     subtree_version(fdt) : NULL;
		if (!compatible || strcmp(compatible, subtree->compatible) ||
		    !kho_map_covers(&kho_out_map, pfn,
				    PFN_UP(fdt_totalsize(fdt)))) {
			kho_set_err("%s: subtree is damaged, of another version than when it was added, or not in preserved memory",
				    subtree->name);
			return -EINVAL;
		}
		subtree->size = fdt_totalsize(fdt);
		subtree->checksum = kho_checksum(0, fdt, subtree->size);
	}
	return 0;
}

static int write_blob(void)
{
	int rc;

	for (blob_order = 0; blob_order <= MAX_PAGE_ORDER; blob_order++) {
		blob = kho_alloc_pages(blob_order);
		if (!blob)
			return -ENOMEM;
		rc = kho_blob_write(blob, PAGE_SIZE << blob_order, &subtrees,
				    &kho_in_subtrees);
		if (!rc)
			return 0;
		free_pages((unsigned long)blob, blob_order);
		blob = NULL;
		if (rc != -ENOSPC)
			break;
	}
	return rc;
}

/*
 * Find the holes, with the landing zone among them, and complete the header. The map
 * is sealed.
 */
static int fill_header(const struct kho_target *target)
{
	struct kho_range spare[KHO_MAX_SPARES], *ram;
	unsigned int nr_ram, nr_spares, i;
	unsigned long need, room;
	struct kho_holes *holes;
	int rc;

	rc = kho_ram_ranges(&ram, &nr_ram);
	if (rc)
		return rc;
	holes = kvzalloc(sizeof(*holes), GFP_KERNEL);
	if (!holes)
		return -ENOMEM;
	nr_spares = kho_spares_find(spare, ARRAY_SIZE(spare));
	rc = kho_spares_cut(spare, nr_spares, &ram, &nr_ram);
	if (rc)
		goto out_free_holes;
	kho_holes_find(holes, &kho_out_map, ram, nr_ram, target->segment,
		       target->nr_segments);

	room = holes->frames;
	for (i = 0; i < nr_spares; i++)
		room += spare[i].end - spare[i].start;
	need = kho_early_need();
	rc = -ENOSPC;
	if (room < need) {
		kho_set_err("core: the next kernel needs about %lu KiB outside of preserved memory before it can read the map, and only %lu KiB lie in large enough holes: %lu KiB are missing; preserve less",
			    need << (PAGE_SHIFT - 10),
			    room << (PAGE_SHIFT - 10),
			    (need - room) << (PAGE_SHIFT - 10));
		goto out_free_ram;
	}

	memset(header, 0, KHO_HEADER_SIZE);
	header->version = KHO_HEADER_VERSION;
	header->generation = kho_generation() + 1;
	if (kho_out_map.root)
		header->map_root_pa = virt_to_phys(kho_out_map.root);
	header->map_checksum = kho_map_checksum(&kho_out_map);
	header->nr_frames = atomic_long_read(&kho_out_map.nr_frames);
	header->nr_nodes = atomic_long_read(&kho_out_map.nr_nodes);
	header->blob_pa = virt_to_phys(blob);
	header->blob_size = PAGE_SIZE << blob_order;
	header->blob_checksum = kho_checksum(0, blob, header->blob_size);
	header->stages_pa = kho_stages_pa();
	header->nr_holes = holes->nr;
	memcpy(header->holes, holes->hole, holes->nr * sizeof(holes->hole[0]));
	header->nr_spares = nr_spares;
	for (i = 0; i < nr_spares; i++) {
		struct kho_hole_ser *to = &header->holes[header->nr_holes + i];

		to->start = PFN_PHYS(spare[i].start);
		to->size = PFN_PHYS(spare[i].end - spare[i].start);
	}
	header->magic = KHO_HEADER_MAGIC;
	header->checksum = kho_header_checksum(header);
	trace_kho_seal(header->nr_frames, header->nr_nodes, header->nr_holes,
		       header->blob_size);
	pr_debug("sealed: %llu frames, %llu of the map, %u holes, blob of %llu bytes\n",
		 header->nr_frames, header->nr_nodes, header->nr_holes,
		 header->blob_size);
	rc = 0;

out_free_ram:
	kvfree(ram);
out_free_holes:
	kvfree(holes);
	return rc;
}

static int add_stages(void)
{
	phys_addr_t pa = kho_stages_pa();

	return pa ? kho_map_add(&kho_out_map, PHYS_PFN(pa), 1, 0) : 0;
}

static void del_stages(void)
{
	phys_addr_t pa = kho_stages_pa();

	if (pa)
		kho_map_del(&kho_out_map, PHYS_PFN(pa), 1);
}

/**
 * kho_out_seal - complete and freeze everything that is handed over
 * @target: the loaded image, if there is one
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, or an errno with last_error set, and nothing was changed
 */
int kho_out_seal(const struct kho_target *target)
{
	int rc;

	lockdep_assert_held(&kho_lock);
	mutex_lock(&kho_blob_lock);

	rc = -ENOMEM;
	if (!kho_header_pa())
		goto err_unlock;
	rc = measure_subtrees();
	if (rc)
		goto err_unlock;

	/* Nothing of the old kernel's is given back once this is sealed. */
	kho_in_freeze();
	rc = kho_map_merge(&kho_out_map, &kho_in_map);
	if (rc)
		goto err_thaw;

	rc = write_blob();
	if (rc)
		goto err_unmerge;
	rc = kho_map_add(&kho_out_map, PHYS_PFN(virt_to_phys(blob)),
			 1UL << blob_order, blob_order);
	if (rc)
		goto err_free_blob;
	rc = kho_map_add(&kho_out_map, PHYS_PFN(kho_header_pa()), 1, 0);
	if (rc)
		goto err_del_blob;
	rc = add_stages();
	if (rc)
		goto err_del_header;

	rc = kho_map_seal(&kho_out_map);
	if (rc)
		goto err_del_stages;
	rc = fill_header(target);
	if (rc)
		goto err_unseal;

	own_frames = 1 + !!kho_stages_pa() + (1UL << blob_order);
	mutex_unlock(&kho_blob_lock);
	return 0;

err_unseal:
	kho_map_unseal(&kho_out_map);
err_del_stages:
	del_stages();
err_del_header:
	kho_map_del(&kho_out_map, PHYS_PFN(kho_header_pa()), 1);
err_del_blob:
	kho_map_del(&kho_out_map, PHYS_PFN(virt_to_phys(blob)),
		    1UL << blob_order);
err_free_blob:
	free_pages((unsigned long)blob, blob_order);
	blob = NULL;
err_unmerge:
	kho_map_unmerge(&kho_out_map, &kho_in_map);
err_thaw:
	kho_in_thaw();
	if (!atomic_long_read(&kho_out_map.nr_frames))
		kho_map_trim(&kho_out_map);
err_unlock:
	mutex_unlock(&kho_blob_lock);
	if (!kho_last_error()[0])
		kho_set_err("core: the handover cannot be sealed: %d", rc);
	return rc;
}

/**
 * kho_out_unseal - undo kho_out_seal()
 *
 * Context: kho_lock held, may sleep.
 */
void kho_out_unseal(void)
{
	lockdep_assert_held(&kho_lock);
	mutex_lock(&kho_blob_lock);
	header->magic = 0;
	own_frames = 0;
	kho_map_unseal(&kho_out_map);
	del_stages();
	kho_map_del(&kho_out_map, PHYS_PFN(virt_to_phys(header)), 1);
	kho_map_del(&kho_out_map, PHYS_PFN(virt_to_phys(blob)),
		    1UL << blob_order);
	free_pages((unsigned long)blob, blob_order);
	blob = NULL;
	kho_map_unmerge(&kho_out_map, &kho_in_map);
	kho_in_thaw();
	if (!atomic_long_read(&kho_out_map.nr_frames))
		kho_map_trim(&kho_out_map);
	mutex_unlock(&kho_blob_lock);
}

/**
 * kho_out_reseal_header - choose the holes anew for another landing zone
 * @target: the loaded image
 *
 * Context: kho_lock held, sealed, may sleep.
 * Return: 0, or an errno with last_error set; the header is as it was
 */
int kho_out_reseal_header(const struct kho_target *target)
{
	lockdep_assert_held(&kho_lock);
	return fill_header(target);
}

/* Does an extent, in bytes, lie in one of the listed holes? */
bool kho_out_hole_covers(u64 start, u64 end)
{
	return kho_holes_cover(header->holes, header->nr_holes, start, end);
}

/* The blob as it is in memory, nothing before finalize; kho_lock is held. */
void kho_out_show_blob(struct seq_file *m)
{
	lockdep_assert_held(&kho_lock);
	if (blob)
		seq_write(m, blob, fdt_totalsize(blob));
}
