// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holes: physical extents without preserved memory.
 *
 * Until the next kernel can read the map it allocates from a short list of
 * holes, which travels in the header page. The list is computed when the map is
 * sealed, in the blackout, so only holes are looked for that are large enough to
 * be found word by word. There may be far more than places: the largest go in, and
 * besides, whatever their size, the holes around given extents (the landing
 * zone, the crash kernel's memory) and the largest hole of each group of RAM (a
 * NUMA node; above and below 4 GiB).
 *
 * Nothing here sleeps or takes locks; the map is sealed.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "internal.h"

typedef void hole_fn(void *arg, const struct kho_range *ram,
		     unsigned long start, unsigned long end);

/* The first frame of the nearest extent that has to be in the list. */
static unsigned long next_must(const struct kho_range *must,
			       unsigned int nr_must, unsigned long pfn,
			       unsigned long end)
{
	unsigned int i;

	for (i = 0; i < nr_must; i++)
		if (must[i].end > pfn)
			end = min(end, max(must[i].start, pfn));
	return end;
}

/*
 * Find the next hole that is worth a place: one with at least 64 aligned frames,
 * which is found by looking at words only, or one around a needed extent.
 */
static unsigned long next_hole(const struct kho_map *map,
			       const struct kho_range *must,
			       unsigned int nr_must, unsigned long pfn,
			       unsigned long end)
{
	unsigned long start = kho_map_next_clear_word(map, pfn, end);

	start = next_must(must, nr_must, pfn, start);
	/* Less than two words back is where the hole begins. */
	while (start > pfn && start < end &&
	       kho_map_next_free(map, start - 1, start) < start)
		start--;
	return start;
}

static void walk_holes(const struct kho_map *map,
		       const struct kho_range *ram, unsigned int nr_ram,
		       const struct kho_range *must, unsigned int nr_must,
		       hole_fn *fn, void *arg)
{
	unsigned long start, end;
	unsigned int i;

	for (i = 0; i < nr_ram; i++) {
		for (end = ram[i].start; end < ram[i].end; ) {
			start = next_hole(map, must, nr_must, end, ram[i].end);
			if (start >= ram[i].end)
				break;
			end = kho_map_next_used(map, start, ram[i].end);
			/* A needed extent that is preserved is no hole. */
			if (end == start)
				end = kho_map_next_free(map, start, ram[i].end);
			else
				fn(arg, &ram[i], start, end);
		}
	}
}

static void count_hole(void *arg, const struct kho_range *ram,
		       unsigned long start, unsigned long end)
{
	struct kho_census *census = arg;
	struct kho_range *best = &census->best[ram->group];
	unsigned long size = end - start;

	census->count[ilog2(size)]++;
	if (size > best->end - best->start) {
		best->start = start;
		best->end = end;
	}
}

struct selection {
	struct kho_holes *holes;
	const struct kho_census *census;
	const struct kho_range *must;
	unsigned int nr_must;
	/* Holes of at least 1 << all go in... */
	unsigned int all;
	/* ...and this many of the next smaller size. */
	unsigned int some;
};

static bool is_needed(const struct selection *sel, const struct kho_range *ram,
		      unsigned long start, unsigned long end)
{
	unsigned int i;

	if (sel->census->best[ram->group].start == start)
		return true;
	for (i = 0; i < sel->nr_must; i++)
		if (start < sel->must[i].end && end > sel->must[i].start)
			return true;
	return false;
}

static void select_hole(void *arg, const struct kho_range *ram,
			unsigned long start, unsigned long end)
{
	struct selection *sel = arg;
	struct kho_holes *holes = sel->holes;
	unsigned int order = ilog2(end - start);
	struct kho_hole_ser *last;
	bool take;

	take = order >= sel->all;
	if (!take && order + 1 == sel->all && sel->some) {
		sel->some--;
		take = true;
	}
	if (!take && !is_needed(sel, ram, start, end))
		return;

	last = holes->nr ? &holes->hole[holes->nr - 1] : NULL;
	if (last && last->start + last->size == (u64)start << PAGE_SHIFT) {
		last->size += (u64)(end - start) << PAGE_SHIFT;
	} else if (holes->nr < KHO_MAX_LISTED) {
		last = &holes->hole[holes->nr++];
		last->start = (u64)start << PAGE_SHIFT;
		last->size = (u64)(end - start) << PAGE_SHIFT;
	} else {
		return;
	}
	holes->frames += end - start;
}

/**
 * kho_holes_find - list the holes of a map
 * @holes: the result
 * @map: the map, sealed
 * @ram: extents of RAM, sorted, not overlapping
 * @nr_ram: number of them
 * @must: extents without preserved memory that have to be in the list
 * @nr_must: number of them, at most a quarter of KHO_MAX_HOLES
 *
 * RAM groups must be less than KHO_MAX_GROUPS.
 */
void kho_holes_find(struct kho_holes *holes, const struct kho_map *map,
		    const struct kho_range *ram, unsigned int nr_ram,
		    const struct kho_range *must, unsigned int nr_must)
{
	struct selection sel = {
		.holes = holes,
		.census = &holes->census,
		.must = must,
		.nr_must = nr_must,
	};
	unsigned int i, nr_groups = 0;
	unsigned long places;

	for (i = 0; i < nr_ram; i++)
		nr_groups = max(nr_groups, ram[i].group + 1);
	places = KHO_MAX_LISTED - nr_groups - nr_must;

	memset(holes, 0, sizeof(*holes));
	walk_holes(map, ram, nr_ram, must, nr_must, count_hole,
		   &holes->census);

	for (sel.all = BITS_PER_LONG; sel.all; sel.all--) {
		if (holes->census.count[sel.all - 1] > places)
			break;
		places -= holes->census.count[sel.all - 1];
	}
	sel.some = places;
	walk_holes(map, ram, nr_ram, must, nr_must, select_hole, &sel);
}

/**
 * kho_holes_cover - does an extent lie in one hole?
 * @hole: the list, sorted
 * @nr: entries
 * @start: bytes
 * @end: bytes, exclusive
 */
bool kho_holes_cover(const struct kho_hole_ser *hole, unsigned int nr,
		     u64 start, u64 end)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (start >= hole[i].start &&
		    end <= hole[i].start + hole[i].size)
			return start < end;
	return false;
}

/**
 * kho_holes_fit - find a place in the part of an extent that is in holes
 * @hole: the list, sorted
 * @nr: entries
 * @start: begin of the extent, bytes
 * @end: its end, exclusive
 * @size: bytes that are needed
 * @align: power of 2
 * @top_down: take the highest place, not the lowest
 *
 * Return: the place, 0 when there is none
 */
u64 kho_holes_fit(const struct kho_hole_ser *hole, unsigned int nr, u64 start,
		  u64 end, u64 size, u64 align, bool top_down)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct kho_hole_ser *h = &hole[top_down ? nr - 1 - i : i];
		/* Not at 0, which would mean that there is none. */
		u64 from = max3(start, h->start, 1ULL);
		u64 to = min(end, h->start + h->size);
		u64 place;

		if (from >= to || to - from < size)
			continue;
		place = top_down ? round_down(to - size, align) :
				   round_up(from, align);
		if (place >= from && place < to && to - place >= size)
			return place;
	}
	return 0;
}
