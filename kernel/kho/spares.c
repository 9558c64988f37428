// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spares: extents in which this kernel has contiguous memory for a purpose, the
 * crash kernel's and CMA areas. The next kernel is likely to be given the same
 * command line, and would not find such large extents a second time if it spent
 * them on whatever comes first. So they are no holes; they travel apart, and early
 * boot takes them when nothing else fits.
 *
 * An extent in which something is preserved is no spare. No locks: the map is
 * sealed.
 */
#include <linux/cma.h>
#include <linux/kexec.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "internal.h"

struct list {
	struct kho_range *spare;
	unsigned int nr;
	unsigned int max;
};

static void add(struct list *list, phys_addr_t start, phys_addr_t end)
{
	unsigned long pfn = PHYS_PFN(start), end_pfn = PHYS_PFN(end);

	if (pfn >= end_pfn || list->nr == list->max ||
	    kho_map_next_used(&kho_out_map, pfn, end_pfn) != end_pfn)
		return;
	list->spare[list->nr].start = pfn;
	list->spare[list->nr++].end = end_pfn;
}

#ifdef CONFIG_CMA
static int add_cma(struct cma *cma, void *list)
{
	add(list, cma_get_base(cma), cma_get_base(cma) + cma_get_size(cma));
	return 0;
}
#endif

static int compare(const void *a, const void *b)
{
	const struct kho_range *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

/**
 * kho_spares_find - list the spares
 * @spare: the result, sorted
 * @max: room in @spare
 *
 * Return: number of spares
 */
unsigned int kho_spares_find(struct kho_range *spare, unsigned int max)
{
	struct list list = { .spare = spare, .max = max };

#ifdef CONFIG_CRASH_DUMP
	if (crashk_res.end)
		add(&list, crashk_res.start, crashk_res.end + 1);
	if (crashk_low_res.end)
		add(&list, crashk_low_res.start, crashk_low_res.end + 1);
#endif
#ifdef CONFIG_CMA
	cma_for_each_area(add_cma, &list);
#endif
	sort(spare, list.nr, sizeof(*spare), compare, NULL);
	return list.nr;
}

/**
 * kho_spares_cut - take spares out of a list of RAM
 * @spare: sorted
 * @nr_spares: number of them
 * @ram: in: sorted extents; out: a new list, to be freed with kvfree()
 * @nr_ram: number of extents
 *
 * Return: 0 or -ENOMEM
 */
int kho_spares_cut(const struct kho_range *spare, unsigned int nr_spares,
		   struct kho_range **ram, unsigned int *nr_ram)
{
	struct kho_range *cut;
	unsigned int i, j, nr = 0;

	cut = kvcalloc(*nr_ram + nr_spares, sizeof(*cut), GFP_KERNEL);
	if (!cut)
		return -ENOMEM;
	for (i = 0; i < *nr_ram; i++) {
		struct kho_range rest = (*ram)[i];

		for (j = 0; j < nr_spares && rest.start < rest.end; j++) {
			if (spare[j].end <= rest.start ||
			    spare[j].start >= rest.end)
				continue;
			if (spare[j].start > rest.start) {
				cut[nr] = rest;
				cut[nr++].end = spare[j].start;
			}
			rest.start = min(spare[j].end, rest.end);
		}
		if (rest.start < rest.end)
			cut[nr++] = rest;
	}
	*ram = cut;
	*nr_ram = nr;
	return 0;
}
