// SPDX-License-Identifier: GPL-2.0-only
/*
 * RAM as the next kernel will see it: frames elsewhere cannot be handed over.
 *
 * The table is made once, at core_initcall, from the memory map that the next kernel
 * gets. No locks.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/init.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <asm/e820/api.h>

#include "internal.h"

/* RAM as the next kernel will see it, per node and split at 4 GiB. */
static struct kho_range *ram;
static unsigned int nr_ram;

/**
 * kho_ram_ranges - RAM as the next kernel will see it
 * @ranges: sorted extents; a group is a node, above or below 4 GiB
 * @nr: number of extents
 *
 * Return: 0, or -ENODEV when the core did not start
 */
int kho_ram_ranges(struct kho_range **ranges, unsigned int *nr)
{
	if (!ram)
		return -ENODEV;
	*ranges = ram;
	*nr = nr_ram;
	return 0;
}

/*
 * A node, above or below 4 GiB; numbered as they come, so that few are given the same
 * number even where there are many nodes with few of them below 4 GiB.
 */
static unsigned int group_of(int nid, bool high)
{
	static u16 groups[2][MAX_NUMNODES];
	static unsigned int nr_groups;

	if (!groups[high][nid])
		groups[high][nid] = ++nr_groups;
	return (groups[high][nid] - 1) % KHO_MAX_GROUPS;
}

static void add_ram(unsigned long start, unsigned long end)
{
	const unsigned long low_end = PFN_DOWN(SZ_4G);

	while (start < end) {
		int nid = pfn_valid(start) ? pfn_to_nid(start) : 0;
		unsigned long stop = end;

		if (start < low_end)
			stop = min(stop, low_end);
		if (pgdat_end_pfn(NODE_DATA(nid)) > start)
			stop = min(stop, pgdat_end_pfn(NODE_DATA(nid)));
		if (ram) {
			ram[nr_ram].start = start;
			ram[nr_ram].end = stop;
			ram[nr_ram].group = group_of(nid, start >= low_end);
		}
		nr_ram++;
		start = stop;
	}
}

static void walk_e820(void)
{
	/* More do not fit into the boot parameters of an image. */
	unsigned int nr = min_t(u32, e820_table_kexec->nr_entries,
				E820_MAX_ENTRIES_ZEROPAGE);
	unsigned int i;

	nr_ram = 0;
	for (i = 0; i < nr; i++) {
		const struct e820_entry *entry = &e820_table_kexec->entries[i];

		if (entry->type == E820_TYPE_RAM)
			add_ram(max(PFN_UP(entry->addr), PFN_DOWN(SZ_1M)),
				PFN_DOWN(entry->addr + entry->size));
	}
}

/* Learn which RAM can be handed over. */
int kho_ram_init(void)
{
	struct kho_range *table;

	walk_e820();
	if (e820_table_kexec->nr_entries > E820_MAX_ENTRIES_ZEROPAGE)
		pr_warn("the memory map has %u entries, of which kexec passes on %u: memory in the others cannot be handed over\n",
			e820_table_kexec->nr_entries, E820_MAX_ENTRIES_ZEROPAGE);
	table = kcalloc(nr_ram, sizeof(*table), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	ram = table;
	walk_e820();
	return 0;
}

/**
 * kho_frames_ok - can the next kernel leave these frames alone?
 * @pfn: first frame
 * @nr: number of frames
 *
 * Does not look at the pages.
 */
bool kho_frames_ok(unsigned long pfn, unsigned long nr)
{
	static unsigned int last;
	unsigned long end = pfn + nr;
	unsigned int i = READ_ONCE(last);

	/* Most callers come with many pages of one extent. */
	if (likely(i < nr_ram && pfn >= ram[i].start && end <= ram[i].end))
		return end > pfn;

	for (i = 0; i < nr_ram && pfn < end; i++)
		if (pfn >= ram[i].start && pfn < ram[i].end) {
			WRITE_ONCE(last, i);
			pfn = ram[i].end;
		}
	return pfn >= end && nr;
}
