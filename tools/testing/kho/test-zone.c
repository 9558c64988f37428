// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the next kernel's image goes (kernel/kho/zone.c): the first kind of memory
 * in the order of preference in which there is room is the one that is chosen,
 * nothing is chosen that is preserved or has to stay, and nothing is kept but what
 * was allocated for the purpose.
 *
 *   RAM:   [== below 4 GiB ==]    4 GiB [== above, not always ==]
 *   boot memory, reserved:  ####  ##      ########
 *     of it the memory map:   ##            ##     (in pieces, at times in too many)
 *     and what stays:      t      c         the running image, the crash kernel's
 *   the rest is free, or used, and some of that is preserved
 *
 * The model has a byte per frame, and looks for the place frame by frame.
 */
#include "../../../kernel/kho/map.c"

#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "lib.h"

#define CONFIG_CONTIG_ALLOC 1
#define CONFIG_CRASH_DUMP 1

#define __pa_symbol(symbol)	((phys_addr_t)(unsigned long)(symbol))
#define SINGLE_DEPTH_NESTING	1

struct kimage {
	struct kho_image *kho;
};

struct kexec_buf {
	struct kimage *image;
	unsigned long mem, memsz, buf_align, buf_min, buf_max;
	bool top_down;
};

#define PART		BIT(12)
#define FRAMES		(2 * PART)
#define HIGH		(SZ_4G >> PAGE_SHIFT)
/* Struct pages of one PMD, which are those of the whole of a part. */
#define MEMMAP_PAGES	(PMD_SIZE / PAGE_SIZE)

enum { FREE, USED, ALLOCATED, BOOT, TEXT, CRASH, LOW_CRASH, OFFLINE };

/* Frame i of the model is frame i of the memory, or HIGH + i - PART. */
static u8 frame[FRAMES];
static bool was_boot[FRAMES], in_zone_list[FRAMES], is_memmap[FRAMES], kept[FRAMES];
/* Of those that are kept */
static bool own[FRAMES];
static u64 memmap_pa[2][MEMMAP_PAGES];
static bool have_high, memmap_overflows, memmap_known;
static struct kho_range ram[2];
static struct kho_hole_ser boot_run[FRAMES];
static unsigned int nr_boot_runs;
static struct resource crashk_res, crashk_low_res;
static char *_text, *_end;
static struct kho_map kho_out_map = KHO_MAP_INIT(kho_out_map);
static struct kho_map kho_in_map = KHO_MAP_INIT(kho_in_map);
static unsigned long nr_kind[8];

static unsigned long to_pfn(unsigned long i)
{
	return i < PART ? i : HIGH + i - PART;
}

static unsigned long from_pfn(unsigned long pfn)
{
	if (pfn < PART)
		return pfn;
	CHECK(pfn >= HIGH && pfn < HIGH + PART);
	return PART + pfn - HIGH;
}

/* A place where nothing is, so that it is noticed when somebody looks there. */
static struct page *pfn_to_page(unsigned long pfn)
{
	return (struct page *)0x7000000000000000UL + pfn;
}

static unsigned long page_to_pfn(struct page *page)
{
	return page - (struct page *)0x7000000000000000UL;
}

static struct page *pfn_to_online_page(unsigned long pfn)
{
	return frame[from_pfn(pfn)] == OFFLINE ? NULL : pfn_to_page(pfn);
}

static bool PageReserved(struct page *page)
{
	return frame[from_pfn(page_to_pfn(page))] >= BOOT;
}

static phys_addr_t slow_virt_to_phys(void *va)
{
	unsigned long at = (unsigned long)va - 0x7000000000000000UL;
	unsigned long nr = at / PAGE_SIZE, high = HIGH * sizeof(struct page) / PAGE_SIZE;

	if (nr < MEMMAP_PAGES)
		return memmap_pa[0][nr];
	CHECK(nr >= high && nr < high + MEMMAP_PAGES);
	return memmap_pa[1][nr - high];
}

static bool kho_frames_ok(unsigned long pfn, unsigned long nr)
{
	CHECK(nr);
	from_pfn(pfn);
	from_pfn(pfn + nr - 1);
	return true;
}

static int kho_ram_ranges(struct kho_range **ranges, unsigned int *nr)
{
	*ranges = ram;
	*nr = have_high ? 2 : 1;
	return 0;
}

static unsigned int kho_early_boot_runs(const struct kho_hole_ser **runs)
{
	*runs = boot_run;
	return nr_boot_runs;
}

static int numa_node_id(void)
{
	return 0;
}

/* The highest place for so many frames, 0 if there is none. */
static unsigned long free_place(unsigned long nr)
{
	unsigned long i = have_high ? FRAMES : PART, run = 0;

	while (i--) {
		run = frame[i] == FREE && !kept[i] ? run + 1 : 0;
		if (i == PART - 1 && have_high)
			run = frame[i] == FREE && !kept[i];
		if (run == nr)
			return i;
	}
	return 0;
}

static struct page *alloc_contig_pages(unsigned long nr, int gfp, int nid, void *nodes)
{
	unsigned long i = free_place(nr);

	if (!i)
		return NULL;
	memset(frame + i, ALLOCATED, nr);
	return pfn_to_page(to_pfn(i));
}

static void free_contig_range(unsigned long pfn, unsigned long nr)
{
	unsigned long i = from_pfn(pfn);

	for (; nr; nr--, i++) {
		CHECK(frame[i] == ALLOCATED);
		frame[i] = FREE;
	}
}

/* What the core hands over itself and is in no map yet. There is memory for that. */
static int kho_own_mark(struct kho_map *map)
{
	long budget = alloc_budget;
	unsigned long i;

	alloc_budget = -1;
	for (i = 0; i < FRAMES; i++)
		if (own[i])
			CHECK(!kho_map_add(map, to_pfn(i), 1, 0));
	alloc_budget = budget;
	return 0;
}

/* As the kernel is built */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include "../../../kernel/kho/zone.c"

/* As locate_mem_hole_callback(), for extents that it takes in one piece. */
static int try_extent(struct resource *res, void *arg)
{
	struct kexec_buf *kbuf = arg;
	u64 start = max_t(u64, res->start, kbuf->buf_min);
	u64 end = min_t(u64, res->end, kbuf->buf_max) + 1, at;

	CHECK(PAGE_ALIGNED(res->start) && PAGE_ALIGNED(res->end + 1));
	CHECK(res->start <= res->end);
	if (end < start + kbuf->memsz)
		return 0;
	at = kbuf->top_down ? round_down(end - kbuf->memsz, kbuf->buf_align) :
			      round_up(start, kbuf->buf_align);
	if (at < start || at + kbuf->memsz > end)
		return 0;
	kbuf->mem = at;
	return 1;
}

static void make_run(u8 state, unsigned long most)
{
	unsigned long nr = 1 + random_below(most);
	unsigned long i = 1 + random_below(FRAMES - nr - 1);

	for (; nr; nr--, i++)
		if (frame[i] == FREE)
			frame[i] = state;
}

/* An extent with something that stays, in boot memory */
static void make_fixed(u8 state, u64 *start, u64 *end)
{
	unsigned long nr = 1 + random_below(40), first = 1 + random_below(PART - nr - 1), i;

	for (i = first; i < first + nr; i++)
		if (frame[i] < TEXT)
			frame[i] = state;
		else
			break;
	nr = i - first;
	*start = PFN_PHYS(to_pfn(first));
	*end = nr ? PFN_PHYS(to_pfn(first + nr)) : *start;
	/* As when there is none */
	if (!nr)
		*start = *end = 0;
}

static void make_memmap(void)
{
	unsigned long part, i, at = 0, run = 0;
	unsigned int runs = 0;
	u64 last = 0;

	memset(is_memmap, 0, sizeof(is_memmap));
	for (part = 0; part < (have_high ? 2 : 1); part++) {
		for (i = 0; i < MEMMAP_PAGES; i++) {
			if (!run) {
				at = 1 + random_below(PART - MEMMAP_PAGES);
				if (have_high && random_below(2))
					at += PART;
				run = 1 + random_below(random_below(8) ? MEMMAP_PAGES : 8);
			}
			memmap_pa[part][i] = PFN_PHYS(to_pfn(at));
			is_memmap[at] = true;
			if (frame[at] < TEXT)
				frame[at] = BOOT;
			if (!runs || memmap_pa[part][i] != last)
				runs++;
			last = memmap_pa[part][i] + PAGE_SIZE;
			at++;
			run--;
		}
	}
	memmap_overflows = runs > MAX_MEMMAP_RUNS;
	CHECK(MAX_MEMMAP_RUNS == 64);
}

static bool ends_run(unsigned long i)
{
	return i == FRAMES || i == PART || !was_boot[i];
}

static void make_boot_runs(void)
{
	unsigned long i, start, run;

	nr_boot_runs = 0;
	memset(in_zone_list, 0, sizeof(in_zone_list));
	for (i = 0; i < FRAMES; i++)
		was_boot[i] = frame[i] >= BOOT && frame[i] != OFFLINE;
	for (i = 1; i < FRAMES; i++) {
		if (!was_boot[i])
			continue;
		for (start = i++; !ends_run(i); i++)
			;
		boot_run[nr_boot_runs].start = PFN_PHYS(to_pfn(start));
		boot_run[nr_boot_runs++].size = (i - start) << PAGE_SHIFT;
		/* Some of it is given back before an image is loaded. */
		if (!random_below(4))
			for (run = start + random_below(i - start);
			     run < i && random_below(20); run++)
				if (frame[run] == BOOT && !is_memmap[run])
					frame[run] = FREE;
		i--;
	}
}

/* What is long enough to be listed when the first image is loaded */
static void note_listed(void)
{
	unsigned long i, start;

	for (i = 1; i < FRAMES; i++) {
		if (!was_boot[i] || frame[i] < BOOT || frame[i] == OFFLINE)
			continue;
		for (start = i; i < FRAMES && (i == start || i != PART) && was_boot[i] &&
		     frame[i] >= BOOT && frame[i] != OFFLINE; i++)
			;
		if (i - start >= SZ_64K >> PAGE_SHIFT)
			memset(in_zone_list + start, true, i - start);
		i--;
	}
}

static void preserve_some(void)
{
	unsigned long i;

	memset(kept, 0, sizeof(kept));
	memset(own, 0, sizeof(own));
	for (i = 1; i < FRAMES; i++) {
		if (frame[i] > USED || random_below(random_below(4) ? 20 : 300))
			continue;
		kept[i] = true;
		frame[i] = USED;
		own[i] = !random_below(8);
		if (own[i])
			continue;
		CHECK(!kho_map_add(random_below(2) ? &kho_out_map : &kho_in_map,
				   to_pfn(i), 1, 0));
	}
}

static void make_memory(void)
{
	unsigned int n;
	u64 start, end;

	memset(frame, FREE, sizeof(frame));
	frame[0] = BOOT;
	have_high = random_below(4);
	ram[0].start = 0;
	ram[0].end = PART;
	ram[1].start = HIGH;
	ram[1].end = HIGH + PART;
	/* Without a part above, whatever is there does not count. */
	for (n = random_below(8); n; n--)
		make_run(BOOT, random_below(2) ? 40 : 800);
	for (n = random_below(40); n; n--)
		make_run(USED, random_below(2) ? 10 : 700);
	make_fixed(TEXT, &start, &end);
	_text = (char *)start;
	_end = (char *)end;
	make_fixed(CRASH, &crashk_res.start, &end);
	crashk_res.end = end ? end - 1 : 0;
	make_fixed(LOW_CRASH, &crashk_low_res.start, &end);
	crashk_low_res.end = end ? end - 1 : 0;
	make_memmap();
	if (!have_high)
		memset(frame + PART, OFFLINE, PART);
	make_boot_runs();
	preserve_some();
}

static bool stays(unsigned long i)
{
	return frame[i] >= TEXT && frame[i] <= LOW_CRASH;
}

/* The kinds of memory, in the order of preference; the last two of them need no more */
enum kind { BOOT_HIGH, NEW_HIGH, BOOT_ANY, NEW_ANY, BOOT_MEMMAP, NOT_PRESERVED, NONE };

static bool is_of(enum kind kind, unsigned long i)
{
	bool boot = in_zone_list[i] && frame[i] == BOOT;

	switch (kind) {
	case BOOT_HIGH:
		return i >= PART && is_of(BOOT_ANY, i);
	case BOOT_ANY:
		return boot && memmap_known && !memmap_overflows && !is_memmap[i];
	case BOOT_MEMMAP:
		return boot;
	case NOT_PRESERVED:
		/* An extent that is none has the first frame. */
		return !kept[i] && !stays(i) &&
		       (i || (crashk_res.end && crashk_low_res.end));
	default:
		return false;
	}
}

/* Is there a place for the segment in that kind of memory? */
static bool has_room(enum kind kind, const struct kexec_buf *kbuf)
{
	unsigned long nr = kbuf->memsz >> PAGE_SHIFT, i, n;
	unsigned long all = have_high ? FRAMES : PART;

	if (kind == NEW_HIGH || kind == NEW_ANY) {
		i = alloc_budget ? free_place(nr + (kbuf->buf_align >> PAGE_SHIFT)) : 0;
		return i && (kind == NEW_ANY || i >= PART) &&
		       PFN_PHYS(to_pfn(i)) >= kbuf->buf_min;
	}
	for (i = 0; i + nr <= all; i++) {
		u64 at = PFN_PHYS(to_pfn(i));

		if (at < kbuf->buf_min || !IS_ALIGNED(at, kbuf->buf_align) ||
		    (i < PART && i + nr > PART))
			continue;
		for (n = 0; n < nr && is_of(kind, i + n); n++)
			;
		if (n == nr)
			return true;
	}
	return false;
}

static void place_segment(void)
{
	struct kho_image kho = { .blocks = { &kho.blocks, &kho.blocks } };
	struct kimage image = { .kho = &kho };
	struct kexec_buf kbuf = {
		.image = &image,
		.memsz = (1 + random_below(random_below(2) ? 30 : 400)) << PAGE_SHIFT,
		.buf_align = PAGE_SIZE << random_below(5),
		.buf_min = random_below(2) ? 0 : random_below(PART) << PAGE_SHIFT,
		.buf_max = ~0UL,
		.top_down = random_below(2),
	};
	const unsigned long buf_min = kbuf.buf_min;
	static u8 before[FRAMES];
	unsigned long i, first;
	enum kind kind;

	/* One allocation for where the memory map is, two for blocks */
	alloc_budget = random_below(8) ? -1 : 0;
	memmap_known = alloc_budget;
	memcpy(before, frame, sizeof(frame));
	for (kind = have_high ? BOOT_HIGH : BOOT_ANY; kind < NONE; kind++)
		if (has_room(kind, &kbuf))
			break;
	CHECK(kho_locate_mem_hole(&kbuf, try_extent) == (kind != NONE));
	alloc_budget = -1;
	CHECK(kbuf.buf_min == buf_min);
	nr_kind[kind]++;

	if (kind != NONE) {
		CHECK(IS_ALIGNED(kbuf.mem, kbuf.buf_align) && kbuf.mem >= buf_min);
		first = from_pfn(PHYS_PFN(kbuf.mem));
		CHECK(from_pfn(PHYS_PFN(kbuf.mem + kbuf.memsz - 1)) - first ==
		      (kbuf.memsz >> PAGE_SHIFT) - 1);
		for (i = first; i < first + (kbuf.memsz >> PAGE_SHIFT); i++) {
			CHECK(!kept[i] && !stays(i));
			if (kind == NEW_HIGH || kind == NEW_ANY)
				CHECK(frame[i] == ALLOCATED);
			else
				CHECK(is_of(kind, i));
		}
		CHECK((kind != BOOT_HIGH && kind != NEW_HIGH) || first >= PART);
	}
	CHECK(list_empty(&kho.blocks) == (kind != NEW_HIGH && kind != NEW_ANY));
	kho_zone_free(&kho);
	CHECK(list_empty(&kho.blocks));
	CHECK(!memcmp(before, frame, sizeof(frame)));
}

static void drop_map(struct kho_map *map)
{
	unsigned long i;

	for (i = 0; i < FRAMES; i++)
		if (kho_map_covers(map, to_pfn(i), 1))
			CHECK(!kho_map_del(map, to_pfn(i), 1));
	CHECK(kho_map_trim(map));
}

static void one_memory(void)
{
	unsigned int n;

	arena_init(100, 1000, 1);
	make_memory();
	/* What the first load finds is what the later ones look at. */
	nr_boot_memory = 0;
	note_listed();
	for (n = 0; n < 8; n++)
		place_segment();
	drop_map(&kho_out_map);
	drop_map(&kho_in_map);
	arena_exit();
}

int main(void)
{
	unsigned long n = test_count(2000);
	unsigned int kind;

	test_begin("zone");
	while (n--)
		one_memory();
	/* A model that never gets somewhere would find nothing wrong there. */
	for (kind = BOOT_HIGH; kind <= NONE; kind++)
		CHECK(nr_kind[kind]);
	test_end("%lu+%lu in boot memory, %lu+%lu new, %lu memory map, %lu elsewhere, %lu nowhere",
		 nr_kind[BOOT_HIGH], nr_kind[BOOT_ANY], nr_kind[NEW_HIGH],
		 nr_kind[NEW_ANY], nr_kind[BOOT_MEMMAP],
		 nr_kind[NOT_PRESERVED], nr_kind[NONE]);
	return 0;
}
