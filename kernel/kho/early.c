// SPDX-License-Identifier: GPL-2.0-only
/*
 * Early boot of a kernel that receives a handover.
 *
 * Life cycle:
 *   kho_early_setup() reads the header page before memblock knows any memory.
 *   From then on memblock finds free memory only in the holes and below 1 MiB.
 *   kho_early_free_begin() takes over the map, once all RAM is mapped, and takes
 *   out of it what somebody has reserved by address, around the search: for such
 *   memory nobody asks whether it is free. The reservation is believed, what was
 *   handed over there is lost, and nothing else is.
 *   for_each_kho_free_range() then leaves preserved frames out of what memblock
 *   and the deferred initialisation of struct pages give to the page allocator,
 *   and for now also free frames that are scattered among them (fragments.c).
 *   kho_early_free_end() lifts the restriction to the holes.
 *
 * A header that is damaged is reported and not used: nothing is known then, and
 * devices that go on with DMA are stopped at once. A map that is damaged leaves the
 * holes: everything else counts as preserved, and stays so until the next cold boot.
 *
 * Everything runs on one CPU but the deferred initialisation, which only reads. A part of that may
 * come when userspace runs (mm/late_memmap.c).
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/late_memmap.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/pageblock-flags.h>
#include <linux/page-isolation.h>
#include <linux/sizes.h>
#include <asm/e820/api.h>
#include <asm/kho.h>

#include "internal.h"

/* Boot memory that may serve as landing zone is kept from this size on. */
#define MIN_BOOT_RUN	SZ_64K

static union {
	struct kho_header_ser header;
	u8 page[KHO_HEADER_SIZE];
} early __aligned(8);

static phys_addr_t early_header_pa __ro_after_init;
static bool have_header __ro_after_init;
static bool scoped;
static bool map_usable __ro_after_init;
static const char *damage __ro_after_init;

/* What somebody reserved although it was handed over, as far as there is room. */
static unsigned long nr_withdrawn __ro_after_init;
static struct kho_range withdrawn[16] __ro_after_init;
static unsigned int nr_withdrawn_ranges __ro_after_init;

static void *blob_copy __ro_after_init;

/* When memblock began to hand its memory over */
static u64 free_begin __initdata;
static unsigned long early_need __ro_after_init;
static struct kho_hole_ser boot_runs[128] __ro_after_init;
static unsigned int nr_boot_runs __ro_after_init;

/* The header as it was received, NULL if there was none that can be used. */
const struct kho_header_ser *kho_early_header(void)
{
	return have_header ? &early.header : NULL;
}

/**
 * is_kho_boot - was something handed over to this kernel?
 */
bool is_kho_boot(void)
{
	return kho_early_header();
}
EXPORT_SYMBOL_GPL(is_kho_boot);

/* Handovers since the last cold boot. */
u64 kho_generation(void)
{
	return is_kho_boot() ? kho_early_header()->generation : 0;
}

/* Where the header page is of which kho_early_header() is a copy. */
phys_addr_t kho_early_header_pa(void)
{
	return early_header_pa;
}

/* What of the core's own data was damaged, NULL if nothing was. */
const char *kho_early_damage(void)
{
	return damage;
}

/* Frames that were handed over and are lost, because somebody reserved them. */
unsigned long kho_early_withdrawn(void)
{
	return nr_withdrawn;
}

/**
 * kho_was_withdrawn - does somebody else have some of this memory that was handed over?
 * @phys: begin, page aligned
 * @size: bytes, page aligned; 0 asks whether there is any such memory at all
 *
 * For owners of what lets devices write to memory: they must not any more.
 */
bool kho_was_withdrawn(phys_addr_t phys, size_t size)
{
	unsigned long pfn = PHYS_PFN(phys), end = pfn + PHYS_PFN(size);
	unsigned int i;

	if (!size || nr_withdrawn_ranges > ARRAY_SIZE(withdrawn))
		return nr_withdrawn_ranges;
	for (i = 0; i < nr_withdrawn_ranges; i++)
		if (pfn < withdrawn[i].end && end > withdrawn[i].start)
			return true;
	return false;
}

/* The blob, when it lay in such frames: a copy in pages of its own, else NULL. */
void *kho_early_blob(void)
{
	return blob_copy;
}

/* Frames that this kernel took before it had a page allocator. */
unsigned long kho_early_need(void)
{
	return early_need;
}

/*
 * Extents that memblock had given out when it was replaced by the page
 * allocator, in address order. Parts of them may have been freed since.
 */
unsigned int kho_early_boot_runs(const struct kho_hole_ser **runs)
{
	*runs = boot_runs;
	return nr_boot_runs;
}

/**
 * kho_early_setup - read the header page
 * @header_pa: its address, from the setup_data record
 *
 * Context: early boot, with early_memremap() but without memblock.
 */
void __init kho_early_setup(phys_addr_t header_pa)
{
	void *page;

	if (have_header || damage)
		return;
	if (!PAGE_ALIGNED(header_pa) ||
	    !e820__mapped_all(header_pa, header_pa + PAGE_SIZE, E820_TYPE_RAM)) {
		damage = "header address";
		goto bad;
	}
	page = early_memremap(header_pa, PAGE_SIZE);
	if (!page) {
		damage = "header not mappable";
		goto bad;
	}
	memcpy(&early, page, sizeof(early));
	early_memunmap(page, PAGE_SIZE);

	if (!early.header.magic) {
		pr_info("the previous kernel handed nothing over\n");
		return;
	}
	if (!kho_header_ok(&early.header)) {
		damage = "header";
		goto bad;
	}
	have_header = true;
	kho_stage_stamp(KHO_STAMP_SETUP);
	early_header_pa = header_pa;
	scoped = true;
	pr_info("handover %llu: %llu KiB preserved, allocating from %u holes\n",
		early.header.generation,
		early.header.nr_frames << (PAGE_SHIFT - 10),
		early.header.nr_holes);
	return;
bad:
	pr_err("%s damaged at %pa: what was handed over is lost; cold boot before you rely on this machine\n",
	       damage, &header_pa);
	kho_arch_stop_dma();
}

/**
 * kho_early_scoped - is memblock restricted to holes?
 */
bool __init_memblock kho_early_scoped(void)
{
	return scoped;
}

/**
 * kho_early_find - find a place in a free range of memblock
 * @start: begin of the range
 * @end: its end, exclusive
 * @size: bytes that are needed
 * @align: power of 2
 * @top_down: take the highest place
 *
 * Return: the place, 0 when there is none
 */
phys_addr_t __init_memblock kho_early_find(phys_addr_t start, phys_addr_t end,
					   phys_addr_t size, phys_addr_t align,
					   bool top_down)
{
	/* Never preserved, and the real-mode trampoline must be there. */
	static const struct kho_hole_ser low = { .start = 0, .size = SZ_1M };
	phys_addr_t place = 0;

	if (!top_down)
		place = kho_holes_fit(&low, 1, start, end, size, align, false);
	if (!place)
		place = kho_holes_fit(early.header.holes, early.header.nr_holes,
				      start, end, size, align, top_down);
	if (!place && top_down)
		place = kho_holes_fit(&low, 1, start, end, size, align, true);
	if (!place)
		place = kho_holes_fit(early.header.holes + early.header.nr_holes,
				      early.header.nr_spares, start, end, size,
				      align, top_down);
	return place;
}

/*
 * Also where somebody has reserved it: whether he has written to it by now, the
 * checksum tells.
 */
static bool __init is_ram(phys_addr_t pa)
{
	return pa && PAGE_ALIGNED(pa) &&
	       memblock_is_region_memory(pa, PAGE_SIZE);
}

static void __init add_boot_run(phys_addr_t start, phys_addr_t end)
{
	struct kho_hole_ser *run = &boot_runs[nr_boot_runs];

	if (start < SZ_1M || end < start + MIN_BOOT_RUN ||
	    nr_boot_runs == ARRAY_SIZE(boot_runs))
		return;
	run->start = PAGE_ALIGN(start);
	run->size = PAGE_ALIGN_DOWN(end) - run->start;
	/* Touching regions differ in node or flags only. */
	if (nr_boot_runs && run[-1].start + run[-1].size == run->start)
		run[-1].size += run->size;
	else
		nr_boot_runs++;
}

/*
 * What is reserved but is no RAM in this kernel's table has been set aside for
 * firmware, whose tables the next kernel reads as well.
 */
static void __init add_boot_runs(phys_addr_t start, phys_addr_t end)
{
	unsigned int i;

	for (i = 0; i < e820_table->nr_entries; i++) {
		const struct e820_entry *entry = &e820_table->entries[i];
		phys_addr_t from = max(start, entry->addr);
		phys_addr_t to = min(end, entry->addr + entry->size);

		if (from < to && (entry->type == E820_TYPE_RAM ||
				  entry->type == E820_TYPE_RESERVED_KERN))
			add_boot_run(from, to);
	}
}

static void __init record_boot_memory(void)
{
	struct memblock_region *region;

	for_each_reserved_mem_region(region) {
		phys_addr_t end = region->base + region->size;

		/* Huge pages of the command line: not part of the need. */
		if (!memblock_is_reserved_noinit(region) ||
		    late_memmap_is_left(region->base))
			early_need += PFN_UP(end) - PFN_DOWN(region->base);
		add_boot_runs(region->base, end);
	}
}

static void *__init new_node(void)
{
	return memblock_alloc(PAGE_SIZE, PAGE_SIZE);
}

/* The blob is all that leads to the subtrees, and is not much. */
static int __init keep_blob(unsigned long pfn, unsigned long end)
{
	unsigned long blob = PHYS_PFN(early.header.blob_pa);
	u64 size = early.header.blob_size;

	if (blob_copy || size > INT_MAX || !PAGE_ALIGNED(size) ||
	    blob >= end || blob + PHYS_PFN(size) <= pfn ||
	    !kho_map_covers(&kho_in_map, blob, PHYS_PFN(size)))
		return 0;
	blob_copy = memblock_alloc(size, PAGE_SIZE);
	if (!blob_copy)
		return -ENOMEM;
	memcpy(blob_copy, phys_to_virt(early.header.blob_pa), size);
	return 0;
}

static int __init withdraw(phys_addr_t start, phys_addr_t end)
{
	unsigned long pfn = PFN_DOWN(start), end_pfn = PFN_UP(end);
	long nr;

	if (keep_blob(pfn, end_pfn))
		return -ENOMEM;
	nr = kho_map_withdraw(&kho_in_map, &pfn, &end_pfn, new_node);
	/* (of the map alone nothing is lost, as it has been moved) */
	if (nr <= 0)
		return nr;
	nr_withdrawn += nr;
	if (nr_withdrawn_ranges < ARRAY_SIZE(withdrawn)) {
		withdrawn[nr_withdrawn_ranges].start = pfn;
		withdrawn[nr_withdrawn_ranges].end = end_pfn;
	}
	nr_withdrawn_ranges++;
	pr_err("%ld KiB of what was handed over are lost: this kernel reserved [%pa-%pa) by address, there or around; look for an address on its command line\n",
	       nr << (PAGE_SHIFT - 10), &start, &end);
	return 0;
}

/*
 * What memblock allocated lies in holes, so a reservation which hits the map is
 * one that was made by address. Looks at the map once for each reservation.
 */
static int __init withdraw_reserved(void)
{
	struct memblock_region *region;
	phys_addr_t start, end;
	int rc = 0;

again:
	for_each_reserved_mem_region(region) {
		start = region->base;
		end = start + region->size;
		if (kho_map_next_used(&kho_in_map, PFN_DOWN(start),
				      PFN_UP(end)) == PFN_UP(end))
			continue;
		rc = withdraw(start, end);
		/* The table may be another one now. */
		if (!rc)
			goto again;
		break;
	}
	return rc;
}

/**
 * kho_early_free_begin - take over the map
 *
 * Context: just before memblock's free memory goes to the page allocator.
 */
void __init kho_early_free_begin(void)
{
	free_begin = kho_stage_begin();
	record_boot_memory();
	if (!have_header)
		return;
	if (kho_map_adopt(&kho_in_map, &early.header, is_ram)) {
		damage = "map";
		pr_err("map damaged: only the %u holes are used, what was handed over cannot be restored\n",
		       early.header.nr_holes);
		return;
	}
	if (withdraw_reserved()) {
		kho_in_map.root = NULL;
		atomic_long_set(&kho_in_map.nr_frames, 0);
		atomic_long_set(&kho_in_map.nr_nodes, 0);
		damage = "map";
		pr_err("no memory to take reserved memory out of the map: only the %u holes are used, what was handed over cannot be restored\n",
		       early.header.nr_holes);
		return;
	}
	map_usable = true;
	kho_in_map.keep = true;
}

/**
 * kho_early_free_end - memblock has handed its memory over
 */
void __init kho_early_free_end(void)
{
	scoped = false;
	if (map_usable)
		kho_fragments_free_early();
	kho_boot_part("memmap", "free", free_begin);
	kho_stage_stamp(KHO_STAMP_MEMORY);
}

/* Without a map only the holes and the first MiB are known to be free. */
static bool next_hole(unsigned long *pfn, unsigned long end,
		      unsigned long *range_end)
{
	unsigned int i;

	if (*pfn < PFN_DOWN(SZ_1M)) {
		*range_end = min(end, PFN_DOWN(SZ_1M));
		return *pfn < end;
	}
	for (i = 0; i < early.header.nr_holes; i++) {
		unsigned long hole = PFN_DOWN(early.header.holes[i].start);
		unsigned long hole_end = hole +
					 PFN_DOWN(early.header.holes[i].size);

		if (hole_end <= *pfn)
			continue;
		*pfn = max(*pfn, hole);
		*range_end = min(end, hole_end);
		return *pfn < end;
	}
	return false;
}

/*
 * Deferred initialisation sets the type of a page block when the block's first
 * frame is freed. Preserved frames are not freed, so it is done here.
 */
static void init_pageblocks(unsigned long pfn, unsigned long end)
{
	for (pfn = pageblock_align(pfn); pfn < end; pfn += pageblock_nr_pages)
		set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_MOVABLE);
}

/* Changes nothing but, at first, the map's marks on fragments */
static bool find_free_range(unsigned long *pfn, unsigned long end,
			    unsigned long *range_end)
{
	if (*pfn >= end)
		return false;
	if (!have_header)
		*range_end = end;
	else if (!map_usable)
		return next_hole(pfn, end, range_end);
	else if (scoped)
		*range_end = kho_map_next_open(&kho_in_map, pfn, end);
	else
		*range_end = kho_map_peek_open(&kho_in_map, pfn, end);
	return *pfn < end;
}

/**
 * kho_next_free_range - find the next frames that can be freed now
 * @pfn: in: where to begin; out: first such frame
 * @end: where to end, exclusive
 * @range_end: end of the run of such frames, exclusive
 *
 * Leaves out preserved frames, and fragments among them (fragments.c). These are marked when it is
 * called for the first time, from memblock_free_all(), for all of memory.
 *
 * Context: struct pages of the frames are initialised, and nobody else has to do with them, but in
 * memblock_free_all(), where they may not be
 * Return: false when there are none
 */
bool kho_next_free_range(unsigned long *pfn, unsigned long end,
			 unsigned long *range_end)
{
	unsigned long from = *pfn;
	bool found = find_free_range(pfn, end, range_end);

	if (have_header && !scoped)
		init_pageblocks(from, found ? *pfn : end);
	return found;
}

/**
 * kho_has_free_range - would kho_next_free_range() find any?
 * @pfn: where to begin
 * @end: where to end, exclusive
 */
bool kho_has_free_range(unsigned long pfn, unsigned long end)
{
	unsigned long range_end;

	return find_free_range(&pfn, end, &range_end);
}
