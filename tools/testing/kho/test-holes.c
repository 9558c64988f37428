// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of holes (kernel/kho/holes.c) against brute force on a small memory.
 *
 *   RAM, in ranges:    [==== group 0 ====][== group 1 ==]      [= group 2 =]
 *   preserved frames:     ##  # ####         #      ####         #
 *   holes worth a place:         (have 64 aligned free frames in one range)
 *   needed:                  ^must^
 */
#include "../../../kernel/kho/map.c"
#include "../../../kernel/kho/holes.c"

#include "lib.h"

#define FRAMES		BIT(16)
#define MAX_RANGES	12
#define MAX_MUST	6

static struct kho_map map = KHO_MAP_INIT(map);
static struct kho_range ram[MAX_RANGES], must[MAX_MUST];
static unsigned int nr_ram, nr_must;
static bool used[FRAMES];
static struct kho_holes holes;
static unsigned long nr_full;

/* A maximal run of free frames in one range of RAM. */
struct run {
	unsigned long start, end;
	unsigned int group;
	bool found, needed, listed;
	/* A needed extent that is preserved begins where it ends. */
	bool touched;
};

static struct run run[FRAMES];
static unsigned long nr_runs;

static void make_ram(void)
{
	unsigned long pfn = random_below(100);

	for (nr_ram = 0; nr_ram < MAX_RANGES && pfn < FRAMES - 200; nr_ram++) {
		if (random_below(2))
			pfn += random_below(100);
		ram[nr_ram].start = pfn;
		pfn = min(pfn + 1 + random_below(FRAMES / 4), FRAMES);
		ram[nr_ram].end = pfn;
		ram[nr_ram].group = random_below(random_below(2) ? 4 :
						 KHO_MAX_GROUPS);
	}
}

static unsigned int nr_groups(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < nr_ram; i++)
		nr = max(nr, ram[i].group + 1);
	return nr;
}

static void make_used(void)
{
	unsigned long pfn = random_below(300), nr, i, spread;

	memset(used, 0, sizeof(used));
	spread = 1UL << random_below(14);
	while (pfn < FRAMES) {
		nr = min(1 + random_below(random_below(2) ? 3 : 300), FRAMES - pfn);
		CHECK(!kho_map_add(&map, pfn, nr, 0));
		for (i = 0; i < nr; i++)
			used[pfn + i] = true;
		pfn += nr + 1 + random_below(spread);
	}
}

static void make_must(void)
{
	unsigned long start, nr, i;
	unsigned int tries;

	nr_must = 0;
	for (tries = random_below(MAX_MUST + 1); tries; tries--) {
		start = random_below(FRAMES);
		nr = 1 + random_below(min(FRAMES - start, 50UL));
		/* Mostly without a preserved frame, as its users promise. */
		for (i = 0; i < nr && !used[start + i]; i++)
			;
		if (i < nr && random_below(4))
			continue;
		must[nr_must].start = start;
		must[nr_must++].end = start + nr;
	}
}

static void find_runs(void)
{
	unsigned long pfn, at;
	unsigned int i, j;

	nr_runs = 0;
	for (i = 0; i < nr_ram; i++)
		for (pfn = ram[i].start; pfn < ram[i].end; pfn++) {
			struct run *r = &run[nr_runs];

			if (used[pfn])
				continue;
			r->start = pfn;
			while (pfn < ram[i].end && !used[pfn])
				pfn++;
			r->end = pfn;
			r->group = ram[i].group;
			at = round_up(r->start, 64);
			r->found = at + 64 <= r->end;
			r->needed = false;
			r->touched = false;
			for (j = 0; j < nr_must; j++) {
				if (r->start < must[j].end && r->end > must[j].start)
					r->needed = true;
				if (r->end == must[j].start)
					r->touched = true;
			}
			nr_runs++;
		}
}

static bool is_listed(u64 start, u64 end)
{
	unsigned int i;

	for (i = 0; i < holes.nr; i++)
		if (start >= holes.hole[i].start &&
		    end <= holes.hole[i].start + holes.hole[i].size)
			return true;
	return false;
}

/* Is it the first of the largest of its group? */
static bool is_best(unsigned long which)
{
	unsigned long size = run[which].end - run[which].start, i;

	for (i = 0; i < nr_runs; i++) {
		unsigned long other = run[i].end - run[i].start;

		if (run[i].group == run[which].group &&
		    (other > size || (other == size && i < which)))
			return false;
	}
	return true;
}

static void check_list(void)
{
	unsigned long nr_worth = 0, frames = 0, i, group, best;
	unsigned long smallest = ~0UL, largest = 0;
	unsigned int j;
	u64 end = 0;

	/* Sorted, not touching, and no frame in it that was not in a run. */
	CHECK(holes.nr <= KHO_MAX_LISTED);
	for (j = 0; j < holes.nr; j++) {
		CHECK(holes.hole[j].size && PAGE_ALIGNED(holes.hole[j].size));
		CHECK(PAGE_ALIGNED(holes.hole[j].start));
		CHECK(!j || holes.hole[j].start > end);
		end = holes.hole[j].start + holes.hole[j].size;
	}
	for (i = 0; i < nr_runs; i++) {
		run[i].listed = is_listed((u64)run[i].start << PAGE_SHIFT,
					  (u64)run[i].end << PAGE_SHIFT);
		if (run[i].listed)
			frames += run[i].end - run[i].start;
		CHECK(!run[i].listed || run[i].found || run[i].needed ||
		      run[i].touched);
		CHECK(run[i].listed || !run[i].needed);
		nr_worth += run[i].found || run[i].needed || run[i].touched;
	}
	CHECK(frames == holes.frames);
	for (j = 0; j < holes.nr; j++)
		frames -= holes.hole[j].size >> PAGE_SHIFT;
	CHECK(!frames);

	/* The largest of each group. */
	for (group = 0; group < KHO_MAX_GROUPS; group++) {
		bool listed = false;

		best = 0;
		for (i = 0; i < nr_runs; i++)
			if (run[i].group == group && run[i].found)
				best = max(best, run[i].end - run[i].start);
		for (i = 0; i < nr_runs; i++)
			if (run[i].group == group && run[i].listed &&
			    run[i].end - run[i].start >= best)
				listed = true;
		CHECK(!best || listed);
	}

	/* All of them while there are places, then large ones first. */
	if (nr_worth <= KHO_MAX_LISTED - nr_groups() - nr_must)
		for (i = 0; i < nr_runs; i++)
			CHECK(run[i].listed || !run[i].found);
	else
		nr_full++;
	for (i = 0; i < nr_runs; i++) {
		unsigned long size = run[i].end - run[i].start;

		if (run[i].found && !run[i].listed)
			largest = max(largest, size);
		if (run[i].listed && !run[i].needed && !run[i].touched &&
		    !is_best(i))
			smallest = min(smallest, size);
	}
	CHECK(!largest || ilog2(smallest) >= ilog2(largest));
	if (largest)
		CHECK(holes.nr >= (KHO_MAX_LISTED - nr_groups() - nr_must) / 4);
}

/* The place that looking at every multiple of the alignment finds. */
static u64 fit(u64 start, u64 end, u64 size, u64 align, bool top_down)
{
	u64 place, found = 0;

	for (place = round_up(start ?: 1, align); place < end; place += align) {
		if (size > end - place || !is_listed(place, place + max(size, 1ULL)))
			continue;
		if (!top_down)
			return place;
		found = place;
	}
	return found;
}

static void check_fit(void)
{
	const u64 limit = FRAMES << PAGE_SHIFT;
	u64 start = random_below(limit);
	u64 end = start + random_below(limit - start + 1);
	u64 size = 1 + random_below(random_below(2) ? 3 * PAGE_SIZE : 1 << 22);
	u64 align = PAGE_SIZE << random_below(10);
	bool top_down = random_below(2);

	if (random_below(2))
		start = round_down(start, PAGE_SIZE);
	if (!random_below(8))
		start = 0;
	CHECK(kho_holes_fit(holes.hole, holes.nr, start, end, size, align,
			    top_down) == fit(start, end, size, align, top_down));
	if (random_below(2))
		end = min(start + 1 + random_below(1 << 16), limit);
	CHECK(kho_holes_cover(holes.hole, holes.nr, start, end) ==
	      (start < end && is_listed(start, end)));
}

static void test_edges(void)
{
	static const struct kho_hole_ser hole[] = {
		{ 0, 0x2000 }, { 0x3000, 0x1000 }, { 0x10000, 0xf0000 },
		{ ~0ULL << 13, 0x1000 },
	};
	const u64 top = ~0ULL << 13;

	/* 0 means that there is none, so it is no place. */
	CHECK(kho_holes_fit(hole, 4, 0, ~0ULL, 0x1000, 0x1000, false) == 0x1000);
	CHECK(kho_holes_fit(hole, 1, 0, ~0ULL, 0x2000, 0x1000, false) == 0);
	CHECK(kho_holes_fit(hole, 4, 0, ~0ULL, 0x2000, 0x1000, false) == 0x10000);
	CHECK(kho_holes_fit(hole, 4, 0, 0x10000, 0x2000, 0x1000, true) == 0);
	CHECK(kho_holes_fit(hole, 4, 0, ~0ULL, 0x1000, 0x1000, true) == top);
	CHECK(kho_holes_fit(hole, 4, 0, ~0ULL, 16, 8, true) == top + 0x1000 - 16);
	CHECK(kho_holes_fit(hole, 4, 0x100001, ~0ULL, 1, 1ULL << 63, false) == 0);
	CHECK(kho_holes_fit(hole, 4, 5, 4, 1, 1, false) == 0);
	CHECK(kho_holes_fit(hole, 0, 0, ~0ULL, 1, 1, false) == 0);
	CHECK(kho_holes_fit(hole, 4, 0, ~0ULL, ~0ULL, 1, false) == 0);
	CHECK(kho_holes_cover(hole, 4, 0, 0x2000));
	CHECK(!kho_holes_cover(hole, 4, 0, 0x2001));
	CHECK(!kho_holes_cover(hole, 4, 0x1000, 0x1000));
	CHECK(!kho_holes_cover(hole, 4, 0x1000, 0x4000));
	CHECK(kho_holes_cover(hole, 4, top, top + 0x1000));
	CHECK(!kho_holes_cover(hole, 4, top, ~0ULL));
}

int main(void)
{
	unsigned long count, i, j, pfn;

	test_begin("holes");
	test_edges();
	count = test_count(400);
	arena_init(16, FRAMES * 2, 1);
	for (i = 0; i < count; i++) {
		make_ram();
		make_used();
		make_must();
		find_runs();
		kho_holes_find(&holes, &map, ram, nr_ram, must, nr_must);
		check_list();
		for (j = 0; j < 5; j++)
			check_fit();
		for (pfn = 0; pfn < FRAMES && map.root; pfn++)
			if (used[pfn])
				CHECK(!kho_map_del(&map, pfn, 1));
	}
	CHECK(!count || nr_full);
	arena_exit();
	test_end("%lu memories, %lu of them with more holes than places", count,
		 nr_full);
	return 0;
}
