// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the core itself hands over: the header page, the page of the timeline, the blob
 * and the nodes of the map.
 *
 * Life cycle: the header page is allocated once and stays at one address, so that an
 * image can be loaded before anything is known of what it will receive. Without magic
 * it says that nothing is handed over. Header page, timeline and blob are in the
 * outgoing map from sealing to its undoing; nodes are put there by the map itself.
 *
 * Locks: the header page is allocated by whoever needs it first, with whatever lock; its
 * contents are under kho_lock. Whoever seals serialises the rest.
 */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "internal.h"

static struct kho_header_ser *header;
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
 * kho_own_mark - mark what a handover takes that is in no map before finalize
 * @map: to mark it in; the caller holds the outgoing map's sem
 *
 * The nodes of the outgoing map, the header page and the timeline.
 *
 * Return: as kho_map_add()
 */
int kho_own_mark(struct kho_map *map)
{
	int rc = kho_map_add_nodes(map, &kho_out_map);

	if (!rc && header)
		rc = kho_map_add(map, PHYS_PFN(virt_to_phys(header)), 1, 0);
	if (!rc && kho_stages_page())
		rc = kho_map_add(map, PHYS_PFN(kho_stages_page()), 1, 0);
	return rc;
}

/**
 * kho_own_add - preserve the header page, the timeline and the blob
 * @blob: the blob
 * @order: of its pages
 *
 * Context: kho_lock held, there is a header page. May sleep.
 * Return: as kho_map_add(); all or nothing
 */
int kho_own_add(const void *blob, unsigned int order)
{
	unsigned long blob_pfn = PHYS_PFN(virt_to_phys((void *)blob));
	unsigned long header_pfn = PHYS_PFN(kho_header_pa());
	phys_addr_t stages_pa;
	int rc;

	rc = kho_map_add(&kho_out_map, blob_pfn, 1UL << order, order);
	if (rc)
		return rc;
	rc = kho_map_add(&kho_out_map, header_pfn, 1, 0);
	if (rc)
		goto err_del_blob;
	stages_pa = kho_stages_pa();
	if (stages_pa)
		rc = kho_map_add(&kho_out_map, PHYS_PFN(stages_pa), 1, 0);
	if (rc)
		goto err_del_header;
	own_frames = 1 + !!stages_pa + (1UL << order);
	return 0;

err_del_header:
	kho_map_del(&kho_out_map, header_pfn, 1);
err_del_blob:
	kho_map_del(&kho_out_map, blob_pfn, 1UL << order);
	return rc;
}

/**
 * kho_own_del - undo kho_own_add()
 * @blob: the blob
 * @order: of its pages
 *
 * Context: kho_lock held, may sleep.
 */
void kho_own_del(const void *blob, unsigned int order)
{
	phys_addr_t stages_pa = kho_stages_pa();

	own_frames = 0;
	if (stages_pa)
		kho_map_del(&kho_out_map, PHYS_PFN(stages_pa), 1);
	kho_map_del(&kho_out_map, PHYS_PFN(kho_header_pa()), 1);
	kho_map_del(&kho_out_map, PHYS_PFN(virt_to_phys((void *)blob)), 1UL << order);
}

/* How many frames kho_own_add() has preserved. */
unsigned long kho_own_frames(void)
{
	return own_frames;
}
