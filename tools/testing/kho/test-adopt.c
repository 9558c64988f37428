// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking over a damaged map (kho_map_adopt() in kernel/kho/map.c): every node
 * gets flipped bits and bad references, with and without a checksum that has
 * been made to fit. Nothing is followed that was not checked to be readable,
 * nothing goes on for ever, and the map stays empty unless all is well.
 */
#include "../../../kernel/kho/map.c"

#include "lib.h"

#define NR_PAGES	64
#define MAX_NODES	40

static u64 page[KHO_HEADER_SIZE / 8];
static struct kho_header_ser *header = (void *)page;
static struct kho_map old = KHO_MAP_INIT(old);
static void *node[MAX_NODES];
static int node_level[MAX_NODES];
static unsigned int nr_nodes;
static unsigned long tried;

/* What readable() has said yes to since the adoption began. */
static phys_addr_t approved[100000];
static unsigned long nr_approved;
static phys_addr_t unreadable = ~0ULL;

static bool readable(phys_addr_t pa)
{
	if (!arena_has(pa) || pa == unreadable)
		return false;
	CHECK(nr_approved < ARRAY_SIZE(approved));
	approved[nr_approved++] = pa;
	return true;
}

static bool was_approved(phys_addr_t pa)
{
	unsigned long i;

	for (i = 0; i < nr_approved; i++)
		if (approved[i] == pa)
			return true;
	return false;
}

static int adopt(void)
{
	struct kho_map map = KHO_MAP_INIT(map);
	int rc;

	tried++;
	nr_approved = 0;
	arena_guard = was_approved;
	rc = kho_map_adopt(&map, header, readable);
	arena_guard = NULL;
	CHECK(rc == 0 || rc == -EINVAL);
	CHECK(!rc == !!map.root && !rc == map.sealed);
	CHECK(!rc || !atomic_long_read(&map.nr_frames));
	return rc;
}

static int list_node(struct kho_map *map, void *va, int level, void *arg)
{
	CHECK(nr_nodes < MAX_NODES);
	node_level[nr_nodes] = level;
	node[nr_nodes++] = va;
	return 0;
}

static void make_map(void)
{
	static const struct node_walk walk = { .fn = list_node };

	arena_init(NR_PAGES, (1UL << 32) - 5, 1);
	CHECK(!kho_map_add(&old, 5, 1, 0));
	CHECK(!kho_map_add(&old, 512, 1024, 9));
	CHECK(!kho_map_add(&old, 7UL << 30, 1UL << 15, 15));
	CHECK(!kho_map_add(&old, 1UL << 40, 100, 0));
	CHECK(!kho_map_seal(&old));
	map_walk(&old, &walk);
	header->map_root_pa = virt_to_phys(old.root);
	header->map_checksum = kho_map_checksum(&old);
	header->nr_frames = atomic_long_read(&old.nr_frames);
	header->nr_nodes = nr_nodes;
	CHECK(nr_nodes == arena_used());
	CHECK(!adopt());
}

static void test_header(void)
{
	const struct kho_header_ser good = *header;

	header->nr_nodes = good.nr_nodes - 1;
	CHECK(adopt());
	header->nr_nodes = good.nr_nodes + 1;
	CHECK(adopt());
	header->nr_nodes = 0;
	CHECK(adopt());
	*header = good;
	header->nr_frames++;
	CHECK(adopt());
	*header = good;
	header->map_checksum ^= 1;
	CHECK(adopt());
	*header = good;
	header->map_root_pa += PAGE_SIZE;
	CHECK(adopt());
	header->map_root_pa = 1ULL << 63;
	CHECK(adopt());
	header->map_root_pa = 0;
	CHECK(adopt());
	header->nr_nodes = 0;
	CHECK(adopt());
	*header = good;
}

static void test_bits(unsigned long per_node)
{
	unsigned long i, bit;
	unsigned int n;

	for (n = 0; n < nr_nodes; n++) {
		u64 *word = node[n];

		for (i = 0; i < per_node; i++) {
			bit = i < 256 ? i : random_below(PAGE_SIZE * 8);
			word[bit / 64] ^= BIT_ULL(bit % 64);
			CHECK(adopt() == -EINVAL);
			word[bit / 64] ^= BIT_ULL(bit % 64);
		}
		/* The page is gone. */
		unreadable = virt_to_phys(node[n]);
		CHECK(adopt() == -EINVAL);
		unreadable = ~0ULL;
	}
	CHECK(!adopt());
}

/* Where a damaged slot may lead. */
static phys_addr_t bad_reference(void)
{
	phys_addr_t pa = virt_to_phys(node[random_below(nr_nodes)]);

	switch (random_below(5)) {
	case 0:
		return pa + 1 + random_below(PAGE_SIZE - 1);
	case 1:
		return random_u64();
	case 2:
		return random_u64() & ~(PAGE_SIZE - 1);
	case 3:
		return 1ULL << random_below(64);
	default:
		return pa;	/* a cycle, a node at two places or too deep */
	}
}

static int sum_readable(struct kho_node_ser *at, int level, u64 *sum, u64 *nr)
{
	int i;

	*sum = kho_checksum(*sum, at, sizeof(*at));
	++*nr;
	for (i = 0; level && i < KHO_NODE_SLOTS; i++) {
		u64 pa = at->slot_pa[i];

		if (pa && (!arena_has(pa) ||
			   sum_readable(phys_to_virt(pa), level - 1, sum, nr)))
			return -1;
	}
	return 0;
}

/* References that lead astray, the checksum and the counts fitting to them. */
static void test_references(unsigned long count)
{
	const struct kho_header_ser good = *header;
	unsigned long i, nr_accepted = 0;
	unsigned int n;
	u64 sum, nr;

	for (i = 0; i < count; i++) {
		struct kho_node_ser *at;
		struct kho_node_ser before;

		do
			n = random_below(nr_nodes);
		while (!node_level[n]);
		at = node[n];
		before = *at;
		at->slot_pa[random_below(KHO_NODE_SLOTS)] = bad_reference();
		if (random_below(2))
			at->slot_pa[random_below(8)] = bad_reference();
		sum = 0;
		nr = 0;
		if (!sum_readable(old.root, KHO_MAP_LEVELS, &sum, &nr)) {
			header->nr_nodes = nr;
			header->map_checksum = sum;
		}
		if (random_below(2))
			header->nr_nodes = ~0ULL;
		/*
		 * Now and then it is the reference that was there, or a second
		 * one to a leaf with a single frame, so that all counts fit.
		 */
		nr_accepted += !adopt();
		*at = before;
		*header = good;
	}
	CHECK(nr_accepted <= 10 + count / 1000);
	CHECK(!adopt());
}

/* Bits that are wrong from the beginning: the old kernel was at fault. */
static void test_leaves(void)
{
	const struct kho_header_ser good = *header;
	unsigned int n;

	for (n = 0; n < nr_nodes; n++) {
		struct kho_leaf_ser *leaf;
		unsigned long pfn = virt_to_phys(node[n]) >> PAGE_SHIFT;

		/* A head without its frame would be taken for a fragment. */
		leaf = map_leaf(&old, pfn);
		leaf->used[pfn % KHO_LEAF_FRAMES / 64] ^= BIT_ULL(pfn % 64);
		header->map_checksum = kho_map_checksum(&old);
		header->nr_frames--;
		CHECK(adopt() == -EINVAL);
		header->nr_frames++;

		/* A node that is not marked would be given away. */
		leaf->head[pfn % KHO_LEAF_FRAMES / 64] ^= BIT_ULL(pfn % 64);
		header->map_checksum = kho_map_checksum(&old);
		CHECK(adopt() == -EINVAL);
		header->nr_frames--;
		CHECK(adopt() == -EINVAL);
		header->nr_frames = good.nr_frames + 1;
		CHECK(adopt() == -EINVAL);
		leaf->used[pfn % KHO_LEAF_FRAMES / 64] ^= BIT_ULL(pfn % 64);
		leaf->head[pfn % KHO_LEAF_FRAMES / 64] ^= BIT_ULL(pfn % 64);
		*header = good;
	}
	CHECK(!adopt());
}

int main(void)
{
	unsigned long count;

	test_begin("adopt");
	count = test_count(20000);
	make_map();
	test_header();
	test_bits(count / 20);
	test_references(count);
	test_leaves();
	kho_map_unseal(&old);
	CHECK(!kho_map_del(&old, 5, 1) && !kho_map_del(&old, 512, 1024) &&
	      !kho_map_del(&old, 7UL << 30, 1UL << 15) &&
	      !kho_map_del(&old, 1UL << 40, 100));
	arena_exit();
	test_end("%lu maps, damaged in %u nodes", tried, nr_nodes);
	return 0;
}
