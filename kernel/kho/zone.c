// SPDX-License-Identifier: GPL-2.0-only
/*
 * The landing zone: where the segments of the next kernel's image go.
 *
 * Nothing preserved may come to lie there, and it is chosen before anything is
 * known of what will be preserved. Candidates, in this order:
 *
 * 1. memory that this kernel took before it had a page allocator and has kept:
 *    it was never in the page allocator, so no owner can have it. What it keeps for
 *    firmware is none of it (early.c);
 * 2. memory that is allocated for the purpose, until the image is unloaded;
 * 3. as 1, but also the memory map, parts of which are given to the page
 *    allocator when the struct pages of huge pages are optimised away;
 * 4. where nothing is preserved at present, and nothing lies that is handed over
 *    with it: what else is in that memory is dead after the jump;
 * 5. anywhere, as without a handover.
 *
 * Of 1 and 2 memory above 4 GiB comes first, if there is any.
 *
 * With 3 to 5 something may be preserved there later. kho_target_check() finds
 * out before the jump, and the image has to be loaded again.
 *
 * The running kernel's own image and the crash kernel's memory are left out of 1
 * and 3: other CPUs halt in the former, and the latter may be needed any time.
 *
 * Locks: the kexec lock, which every caller holds.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/ioport.h>
#include <linux/kexec.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <asm/sections.h>

#include "image.h"
#include "internal.h"

/* Memory held by an image. */
struct block {
	struct list_head list;
	unsigned long pfn;
	unsigned long nr;
};

#define MAX_MEMMAP_RUNS	64

/* Where the memory map is, in frames. */
struct memmap_runs {
	struct kho_range run[MAX_MEMMAP_RUNS];
	unsigned int nr;
	bool overflow;
};

/*
 * Boot memory that was still reserved when the first image was loaded. From then
 * on PageReserved does not tell: pages that hold a loaded image have it too.
 */
static struct kho_range boot_memory[256];
static unsigned int nr_boot_memory;

static bool is_reserved(unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return page && PageReserved(page);
}

static void find_boot_memory(void)
{
	const struct kho_hole_ser *runs;
	unsigned int i, nr = kho_early_boot_runs(&runs);

	for (i = 0; i < nr; i++) {
		unsigned long pfn = PHYS_PFN(runs[i].start);
		unsigned long end = pfn + PHYS_PFN(runs[i].size);

		while (pfn < end && nr_boot_memory < ARRAY_SIZE(boot_memory)) {
			unsigned long start = pfn;

			while (pfn < end && is_reserved(pfn))
				pfn++;
			if (PFN_PHYS(pfn - start) >= SZ_64K) {
				boot_memory[nr_boot_memory].start = start;
				boot_memory[nr_boot_memory++].end = pfn;
			}
			while (pfn < end && !is_reserved(pfn))
				pfn++;
		}
	}
}

static bool overlaps(unsigned long pfn, phys_addr_t start, phys_addr_t end)
{
	return PFN_PHYS(pfn) < end && PFN_PHYS(pfn + 1) > start;
}

static bool is_ours_to_keep(unsigned long pfn)
{
	if (overlaps(pfn, __pa_symbol(_text), __pa_symbol(_end)))
		return true;
	if (!IS_ENABLED(CONFIG_CRASH_DUMP))
		return false;
	return overlaps(pfn, crashk_res.start, crashk_res.end) ||
	       overlaps(pfn, crashk_low_res.start, crashk_low_res.end);
}

/**
 * kho_zone_keeps - is something in an extent that stays in use until the jump is over?
 * @start: bytes
 * @end: bytes, exclusive
 */
bool kho_zone_keeps(phys_addr_t start, phys_addr_t end)
{
	unsigned long pfn;

	for (pfn = PHYS_PFN(start); pfn < PHYS_PFN(end); pfn++)
		if (is_ours_to_keep(pfn))
			return true;
	return false;
}

static void add_memmap(struct memmap_runs *runs, unsigned long pfn,
		       unsigned long nr)
{
	if (runs->nr && runs->run[runs->nr - 1].end == pfn) {
		runs->run[runs->nr - 1].end += nr;
	} else if (runs->nr == MAX_MEMMAP_RUNS) {
		runs->overflow = true;
	} else {
		runs->run[runs->nr].start = pfn;
		runs->run[runs->nr++].end = pfn + nr;
	}
}

/*
 * Struct pages are mapped in blocks of the size of a PMD if there was memory for
 * that at boot, else page by page.
 */
static void find_memmap(struct memmap_runs *runs)
{
	const unsigned long step = PMD_SIZE / sizeof(struct page);
	struct kho_range *ram;
	unsigned int i, nr_ram;

	runs->nr = 0;
	runs->overflow = !!kho_ram_ranges(&ram, &nr_ram);
	for (i = 0; !runs->overflow && i < nr_ram; i++) {
		unsigned long pfn = round_down(ram[i].start, step);

		for (; pfn < ram[i].end && !runs->overflow; pfn += step) {
			unsigned long va = (unsigned long)pfn_to_page(pfn);
			unsigned long offset;

			/* RAM that this kernel was told not to use. */
			if (!pfn_to_online_page(pfn))
				continue;
			for (offset = 0; offset < PMD_SIZE; offset += PAGE_SIZE) {
				phys_addr_t pa = slow_virt_to_phys((void *)(va + offset));

				add_memmap(runs, PHYS_PFN(pa), 1);
			}
		}
	}
}

static bool in_memmap(const struct memmap_runs *runs, unsigned long pfn)
{
	unsigned int i;

	if (runs->overflow)
		return true;
	for (i = 0; i < runs->nr; i++)
		if (pfn >= runs->run[i].start && pfn < runs->run[i].end)
			return true;
	return false;
}

static bool stays_reserved(unsigned long pfn, const struct memmap_runs *avoid)
{
	return is_reserved(pfn) && !is_ours_to_keep(pfn) &&
	       !(avoid && in_memmap(avoid, pfn));
}

/* Offer every run of boot memory that is still what it was, highest first. */
static int try_boot_memory(struct kexec_buf *kbuf,
			   int (*func)(struct resource *, void *),
			   const struct memmap_runs *avoid)
{
	unsigned int nr;
	int rc = 0;

	if (!nr_boot_memory)
		find_boot_memory();
	nr = nr_boot_memory;
	while (!rc && nr--) {
		unsigned long first = boot_memory[nr].start;
		unsigned long end = boot_memory[nr].end;

		while (!rc && end > first) {
			struct resource res = { .flags = IORESOURCE_SYSTEM_RAM };
			unsigned long start;

			if (!stays_reserved(end - 1, avoid)) {
				end--;
				continue;
			}
			for (start = end - 1; start > first; start--)
				if (!stays_reserved(start - 1, avoid))
					break;
			if (kho_frames_ok(start, end - start)) {
				res.start = PFN_PHYS(start);
				res.end = PFN_PHYS(end) - 1;
				rc = func(&res, kbuf);
			}
			end = start;
		}
	}
	return rc;
}

#ifdef CONFIG_CONTIG_ALLOC
static int try_allocation(struct kexec_buf *kbuf,
			  int (*func)(struct resource *, void *))
{
	unsigned long nr = PFN_UP(kbuf->memsz) + PFN_UP(kbuf->buf_align);
	struct kho_image *kho = kbuf->image->kho;
	struct resource res = { .flags = IORESOURCE_SYSTEM_RAM };
	struct page *page;
	struct block *block;

	block = kmalloc(sizeof(*block), GFP_KERNEL);
	if (!block)
		return 0;
	page = alloc_contig_pages(nr, GFP_KERNEL | __GFP_NOWARN, numa_node_id(),
				  NULL);
	if (!page)
		goto err_free;
	block->pfn = page_to_pfn(page);
	block->nr = nr;
	res.start = PFN_PHYS(block->pfn);
	res.end = PFN_PHYS(block->pfn + nr) - 1;
	if (!kho_frames_ok(block->pfn, nr) || !func(&res, kbuf))
		goto err_free_pages;
	list_add(&block->list, &kho->blocks);
	return 1;

err_free_pages:
	free_contig_range(block->pfn, nr);
err_free:
	kfree(block);
	return 0;
}

static void free_block(struct block *block)
{
	free_contig_range(block->pfn, block->nr);
}
#else
static int try_allocation(struct kexec_buf *kbuf,
			  int (*func)(struct resource *, void *))
{
	return 0;
}

static void free_block(struct block *block) { }
#endif

/*
 * What the core itself hands over is in the outgoing map from finalize on only. It
 * lies where it is before that, too.
 */
static struct kho_map own_map = KHO_MAP_INIT(own_map);

static void clear_own(void)
{
	const unsigned long last = 1UL << KHO_MAP_PFN_BITS;
	unsigned long pfn, end;

	for (pfn = kho_map_next_used(&own_map, 0, last); pfn < last;
	     pfn = kho_map_next_used(&own_map, end, last)) {
		end = kho_map_next_free(&own_map, pfn, last);
		kho_map_del(&own_map, pfn, end - pfn);
	}
	kho_map_trim(&own_map);
}

/* Is this frame preserved, or not to be used? Then *end is where that ends. */
static bool is_taken(unsigned long pfn, unsigned long *end)
{
	const struct kho_range keep[] = {
		{ PHYS_PFN(__pa_symbol(_text)), PFN_UP(__pa_symbol(_end)) },
#ifdef CONFIG_CRASH_DUMP
		{ PHYS_PFN(crashk_res.start), PHYS_PFN(crashk_res.end) + 1 },
		{ PHYS_PFN(crashk_low_res.start), PHYS_PFN(crashk_low_res.end) + 1 },
#endif
	};
	unsigned long limit = *end, free;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keep); i++) {
		if (pfn >= keep[i].start && pfn < keep[i].end) {
			*end = min(keep[i].end, limit);
			return true;
		}
		if (keep[i].start > pfn)
			*end = min(*end, keep[i].start);
	}
	free = max3(kho_map_next_free(&kho_out_map, pfn, limit),
		    kho_map_next_free(&kho_in_map, pfn, limit),
		    kho_map_next_free(&own_map, pfn, limit));
	if (free > pfn) {
		*end = free;
		return true;
	}
	*end = min(*end, kho_map_next_used(&kho_out_map, pfn, limit));
	*end = min(*end, kho_map_next_used(&kho_in_map, pfn, limit));
	*end = min(*end, kho_map_next_used(&own_map, pfn, limit));
	return false;
}

/* Offer every extent in which nothing is preserved at present. */
static int try_unpreserved(struct kexec_buf *kbuf,
			   int (*func)(struct resource *, void *))
{
	unsigned long pfn, end;
	struct kho_range *ram;
	unsigned int nr_ram;
	int rc = 0;

	if (kho_ram_ranges(&ram, &nr_ram))
		return 0;
	/* No node may go away while the maps are looked at. */
	down_write(&kho_out_map.sem);
	down_write_nested(&kho_in_map.sem, SINGLE_DEPTH_NESTING);
	/* Without memory for that, what comes of it is found out before the jump. */
	if (!kho_out_map.sealed)
		kho_own_mark(&own_map);
	while (!rc && nr_ram--) {
		for (pfn = ram[nr_ram].start; !rc && pfn < ram[nr_ram].end;
		     pfn = end) {
			struct resource res = { .flags = IORESOURCE_SYSTEM_RAM };

			end = ram[nr_ram].end;
			if (is_taken(pfn, &end))
				continue;
			res.start = PFN_PHYS(pfn);
			res.end = PFN_PHYS(end) - 1;
			rc = func(&res, kbuf);
		}
	}
	up_write(&kho_in_map.sem);
	up_write(&kho_out_map.sem);
	clear_own();
	return rc;
}

/*
 * Below 4 GiB large holes are few, and the next kernel needs them for its bounce
 * buffers.
 */
static int try_above_4g(struct kexec_buf *kbuf,
			int (*func)(struct resource *, void *),
			const struct memmap_runs *avoid)
{
	const unsigned long buf_min = kbuf->buf_min;
	struct kho_range *ram;
	unsigned int nr_ram;
	int rc;

	if (kho_ram_ranges(&ram, &nr_ram) ||
	    ram[nr_ram - 1].end <= PHYS_PFN(SZ_4G))
		return 0;
	kbuf->buf_min = max_t(unsigned long, buf_min, SZ_4G);
	rc = try_boot_memory(kbuf, func, avoid);
	if (!rc)
		rc = try_allocation(kbuf, func);
	kbuf->buf_min = buf_min;
	return rc;
}

/**
 * kho_locate_mem_hole - find a place for a segment of a receiving image
 * @kbuf: the segment
 * @func: tries one extent, returns 1 when the segment fits in
 *
 * Return: 1 when a place was found; 0 means to look anywhere
 */
int kho_locate_mem_hole(struct kexec_buf *kbuf,
			int (*func)(struct resource *, void *))
{
	const bool can_shrink =
		IS_ENABLED(CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP) ||
		IS_ENABLED(CONFIG_MEMORY_HOTREMOVE);
	struct memmap_runs *memmap = NULL;
	int rc = 0;

	if (can_shrink) {
		memmap = kzalloc(sizeof(*memmap), GFP_KERNEL);
		if (memmap)
			find_memmap(memmap);
	}
	if (!can_shrink || memmap) {
		rc = try_above_4g(kbuf, func, memmap);
		if (!rc)
			rc = try_boot_memory(kbuf, func, memmap);
	}
	kfree(memmap);
	if (!rc)
		rc = try_allocation(kbuf, func);
	if (!rc)
		rc = try_boot_memory(kbuf, func, NULL);
	if (!rc)
		rc = try_unpreserved(kbuf, func);
	if (!rc)
		pr_info("no landing zone of %lu KiB is safe from later use; load the image again after preserving if the jump is refused\n",
			kbuf->memsz >> 10);
	return rc;
}

/* Give back what is held for an image. */
void kho_zone_free(struct kho_image *kho)
{
	struct block *block, *next;

	list_for_each_entry_safe(block, next, &kho->blocks, list) {
		list_del(&block->list);
		free_block(block);
		kfree(block);
	}
}
