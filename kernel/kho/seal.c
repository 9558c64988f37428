// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sealing: map, blob and header become final.
 *
 * Life cycle: sealing takes, in this order: what is pending from the kernel before this
 * one is added to the map and to the subtrees; the blob is written; the map is sealed;
 * holes are computed; the header page gets its magic. Every step is undone in reverse
 * when a later one fails, and by kho_out_unseal().
 *
 * Locks: kho_lock, and kho_blob_lock below it.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/io.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/* The header page, once something was sealed. */
static struct kho_header_ser *header;
static void *blob;
static unsigned int blob_order;

static int write_blob(void)
{
	int rc;

	for (blob_order = 0; blob_order <= MAX_PAGE_ORDER; blob_order++) {
		blob = kho_alloc_pages(blob_order);
		if (!blob)
			return -ENOMEM;
		rc = kho_blob_write(blob, PAGE_SIZE << blob_order, &kho_out_subtrees,
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
	header = phys_to_virt(kho_header_pa());
	rc = kho_out_measure();
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
	rc = kho_own_add(blob, blob_order);
	if (rc)
		goto err_free_blob;

	rc = kho_map_seal(&kho_out_map);
	if (rc)
		goto err_del_own;
	rc = fill_header(target);
	if (rc)
		goto err_unseal;

	mutex_unlock(&kho_blob_lock);
	return 0;

err_unseal:
	kho_map_unseal(&kho_out_map);
err_del_own:
	kho_own_del(blob, blob_order);
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
	kho_map_unseal(&kho_out_map);
	kho_own_del(blob, blob_order);
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

/* The listed holes; returns their number. */
unsigned int kho_out_holes(const struct kho_hole_ser **holes)
{
	*holes = header->holes;
	return header->nr_holes;
}

/* The header page, complete when sealed. */
const struct kho_header_ser *kho_out_header(void)
{
	return header;
}

/* The blob as it is in memory, nothing before finalize; kho_lock is held. */
void kho_out_show_blob(struct seq_file *m)
{
	lockdep_assert_held(&kho_lock);
	if (blob)
		seq_write(m, blob, fdt_totalsize(blob));
}
