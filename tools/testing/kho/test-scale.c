// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the map and the holes grow: 4 TiB of simulated memory, of which there are
 * only frame numbers; the nodes of the map are real. Says how many nodes there
 * are and what they take per GiB; no times.
 */
#include "../../../kernel/kho/map.c"
#include "../../../kernel/kho/holes.c"

#include "lib.h"

#define FRAMES		BIT(30)		/* 4 TiB */
#define GIB		BIT(18)
#define FOLIO_ORDER	9
#define FOLIO		BIT(FOLIO_ORDER)
#define NR_SCATTERED	BIT(20)

static struct kho_map map = KHO_MAP_INIT(map);
static struct kho_holes holes;
static u64 page[KHO_HEADER_SIZE / 8];

/* Nodes of a map with frames in every 64 MiB of memory, and in its own nodes. */
static unsigned long most_nodes(void)
{
	unsigned long leaves = FRAMES / KHO_LEAF_FRAMES;

	/* The arena is above; 2 more leaves and 2 inner nodes reach it all. */
	leaves += FRAMES / KHO_LEAF_FRAMES / KHO_LEAF_FRAMES + 2;
	return leaves + leaves / KHO_NODE_SLOTS + 2 + 1 + 1;
}

static void no_node(struct kho_map *of, void *va)
{
}

/* Seal, look for holes, let another map take it over, and undo. */
static void hand_over(const char *what)
{
	static const struct kho_range ram[] = {
		{ 256, FRAMES / 2, 0 }, { FRAMES / 2, FRAMES, 2 },
	};
	struct kho_header_ser *header = (void *)page;
	struct kho_map next = KHO_MAP_INIT(next);
	unsigned long nr_frames = atomic_long_read(&map.nr_frames);
	unsigned long used = 0, pfn = 0, end, nr_nodes;

	CHECK(!kho_map_seal(&map));
	nr_nodes = atomic_long_read(&map.nr_nodes);
	CHECK(nr_nodes == arena_used() && nr_nodes <= most_nodes());
	kho_holes_find(&holes, &map, ram, ARRAY_SIZE(ram), NULL, 0);
	CHECK(holes.nr <= KHO_MAX_LISTED);

	memset(header, 0, KHO_HEADER_SIZE);
	header->magic = KHO_HEADER_MAGIC;
	header->version = KHO_HEADER_VERSION;
	header->map_root_pa = virt_to_phys(map.root);
	header->map_checksum = kho_map_checksum(&map);
	header->nr_frames = nr_frames;
	header->nr_nodes = nr_nodes;
	header->nr_holes = holes.nr;
	memcpy(header->holes, holes.hole, holes.nr * sizeof(holes.hole[0]));
	header->checksum = kho_header_checksum(header);
	CHECK(kho_header_ok(header));
	CHECK(!kho_map_adopt(&next, header, arena_has));
	while ((pfn = kho_map_next_used(&next, pfn, FRAMES)) < FRAMES) {
		end = kho_map_next_free(&next, pfn, FRAMES);
		used += end - pfn;
		pfn = end;
	}
	CHECK(used == nr_frames);
	kho_map_disown(&next, no_node);
	kho_map_unseal(&map);

	CHECK(nr_nodes * PAGE_SIZE / (FRAMES / GIB) <= (64 << 10) + 512);
	printf("scale: %s: %lu GiB, %lu nodes, %lu bytes a GiB of memory, %lu GiB in %u holes\n",
	       what, nr_frames / GIB, nr_nodes,
	       nr_nodes * PAGE_SIZE / (FRAMES / GIB), holes.frames / GIB,
	       holes.nr);
}

int main(void)
{
	unsigned long pfn, nr, scattered = 0;

	test_begin("scale");
	arena_init(most_nodes(), FRAMES, 1);

	/* One folio in each 4 MiB, in between pages wherever they fall. */
	for (pfn = 0; pfn < FRAMES; pfn += 2 * FOLIO)
		CHECK(!kho_map_add(&map, pfn, FOLIO, FOLIO_ORDER));
	hand_over("every other 2 MiB");
	CHECK(!holes.nr || holes.hole[0].size == FOLIO << PAGE_SHIFT);
	for (nr = test_count(NR_SCATTERED); nr; nr--) {
		pfn = random_below(FRAMES) | FOLIO;
		if (!kho_map_add(&map, pfn, 1, 0))
			scattered++;
	}
	CHECK(atomic_long_read(&map.nr_frames) ==
	      (long)(FRAMES / 2 + scattered));
	hand_over("and 4 KiB pages at random");

	/* All of it. */
	for (pfn = FOLIO; pfn < FRAMES; pfn += 2 * FOLIO) {
		unsigned long at = pfn;

		while ((at = kho_map_next_used(&map, at, pfn + FOLIO)) < pfn + FOLIO)
			CHECK(!kho_map_take(&map, at, 1, 0));
		CHECK(!kho_map_add(&map, pfn, FOLIO, FOLIO_ORDER));
	}
	hand_over("every 2 MiB");
	CHECK(!holes.nr && !holes.frames);

	for (pfn = 0; pfn < FRAMES; pfn += GIB)
		CHECK(!kho_map_take(&map, pfn, GIB, FOLIO_ORDER));

	/* The worst: one page in each 64 MiB. */
	for (pfn = 4711; pfn < FRAMES; pfn += KHO_LEAF_FRAMES)
		CHECK(!kho_map_add(&map, pfn, 1, 0));
	hand_over("one page in each 64 MiB");
	for (pfn = 4711; pfn < FRAMES; pfn += KHO_LEAF_FRAMES)
		CHECK(!kho_map_del(&map, pfn, 1));
	arena_exit();
	test_end("4 TiB, %lu pages scattered", scattered);
	return 0;
}
