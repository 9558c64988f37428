// SPDX-License-Identifier: GPL-2.0-only
/*
 * Properties of the map (kernel/kho/map.c), against a model with one byte per
 * frame.
 *
 * The model covers windows of frames around the borders of words, leaves and
 * inner nodes, and at both ends of what a map can hold:
 *
 *   frame 0          leaf | leaf     node | node               the last frame
 *   [======]      [======|======]  [=====|=====]                    [=======]
 *   window 0         window 1      windows 2, 3                     window 4
 */
#include "../../../kernel/kho/map.c"

#include "lib.h"

#define ALL_FRAMES	BIT(KHO_MAP_PFN_BITS)
#define NR_WINDOWS	5

/* What the model knows of a frame. */
enum { FREE, TAIL, HEAD };

static const unsigned long borders[NR_WINDOWS] = {
	0, 5UL << 20, 1UL << 23, 3UL << 32, ALL_FRAMES,
};

static struct kho_range window[NR_WINDOWS];
static unsigned long operations;

struct model {
	u8 *frame[NR_WINDOWS];
	unsigned long nr_frames;
	bool sealed;
};

static void set_windows(unsigned long frames)
{
	int w;

	for (w = 0; w < NR_WINDOWS; w++) {
		window[w].start = borders[w] < frames / 2 ? 0 :
			min(borders[w] - frames / 2, ALL_FRAMES - frames);
		window[w].end = window[w].start + frames;
	}
}

static struct model model_new(void)
{
	struct model model = { };
	int w;

	for (w = 0; w < NR_WINDOWS; w++) {
		model.frame[w] = calloc(window[w].end - window[w].start, 1);
		CHECK(model.frame[w]);
	}
	return model;
}

static void model_free(struct model *model)
{
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		free(model->frame[w]);
}

/* FREE outside of the windows */
static u8 model_at(const struct model *model, unsigned long pfn)
{
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		if (pfn >= window[w].start && pfn < window[w].end)
			return model->frame[w][pfn - window[w].start];
	return FREE;
}

static int model_window(unsigned long pfn)
{
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		if (pfn >= window[w].start && pfn < window[w].end)
			return w;
	return -1;
}

/* The part of a range's model, or NULL when not all of it is in one window. */
static u8 *model_range(struct model *model, unsigned long pfn, unsigned long nr)
{
	int w = model_window(pfn);

	if (w < 0 || nr > window[w].end - pfn)
		return NULL;
	return model->frame[w] + (pfn - window[w].start);
}

static bool aligned(unsigned long pfn, unsigned long nr, unsigned int order)
{
	return order < KHO_MAP_PFN_BITS && !((pfn | nr) & ((1UL << order) - 1));
}

/* Each function changes the model and says what the map must return. */
static int model_add(struct model *model, unsigned long pfn, unsigned long nr,
		     unsigned int order)
{
	unsigned long i;
	u8 *at;

	if (model->sealed)
		return -EBUSY;
	if (!nr || !aligned(pfn, nr, order) || nr > ALL_FRAMES ||
	    pfn > ALL_FRAMES - nr)
		return -EINVAL;
	at = model_range(model, pfn, nr);
	CHECK(at);
	for (i = 0; i < nr; i++)
		if (at[i] != FREE)
			return -EEXIST;
	for (i = 0; i < nr; i++)
		at[i] = i % (1UL << order) ? TAIL : HEAD;
	model->nr_frames += nr;
	return 0;
}

static int model_del(struct model *model, unsigned long pfn, unsigned long nr)
{
	u8 *at = model_range(model, pfn, nr);

	if (model->sealed)
		return -EBUSY;
	if (!nr || !at || memchr(at, FREE, nr))
		return -ENOENT;
	memset(at, FREE, nr);
	model->nr_frames -= nr;
	return 0;
}

static int model_take(struct model *model, unsigned long pfn, unsigned long nr,
		      unsigned int order)
{
	u8 *at = model_range(model, pfn, nr);
	unsigned long i;

	if (!aligned(pfn, nr, order))
		return -EINVAL;
	if (model->sealed)
		return -EBUSY;
	if (!nr || !at)
		return -ENOENT;
	for (i = 0; i < nr; i++)
		if (at[i] != (i % (1UL << order) ? TAIL : HEAD))
			return -ENOENT;
	/* The last unit must not be larger. */
	if (model_at(model, pfn + nr) == TAIL)
		return -ENOENT;
	return model_del(model, pfn, nr);
}

static unsigned long model_unit(const struct model *model, unsigned long pfn)
{
	unsigned long nr = 1;

	if (model_at(model, pfn) != HEAD)
		return 0;
	while (model_at(model, pfn + nr) == TAIL)
		nr++;
	return nr;
}

static unsigned long model_next(const struct model *model, unsigned long pfn,
				unsigned long end, bool used)
{
	int w;

	while (pfn < end && (model_at(model, pfn) != FREE) != used) {
		/* Outside of the windows all is free. */
		if (model_window(pfn) >= 0) {
			pfn++;
			continue;
		}
		for (w = 0; w < NR_WINDOWS && window[w].start < pfn; w++)
			;
		pfn = w < NR_WINDOWS ? min(window[w].start, end) : end;
	}
	return min(pfn, end);
}

/* The bits of all frames of a window are what the model says. */
static void compare_window(struct kho_map *map, const struct model *model, int w)
{
	unsigned long pfn;

	for (pfn = window[w].start; pfn < window[w].end; pfn++) {
		const struct kho_leaf_ser *leaf = map_leaf(map, pfn);
		unsigned int index = pfn % KHO_LEAF_FRAMES / 64;
		u8 frame = model->frame[w][pfn - window[w].start];

		CHECK(!!(leaf && leaf->used[index] & BIT_ULL(pfn % 64)) ==
		      (frame != FREE));
		CHECK(!!(leaf && leaf->head[index] & BIT_ULL(pfn % 64)) ==
		      (frame == HEAD));
	}
}

static void compare(struct kho_map *map, const struct model *model)
{
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		compare_window(map, model, w);
	CHECK((unsigned long)atomic_long_read(&map->nr_frames) ==
	      model->nr_frames);
}

static int count_node(struct kho_map *map, void *node, int level, void *arg)
{
	++*(unsigned long *)arg;
	return 0;
}

static unsigned long count_nodes(struct kho_map *map)
{
	unsigned long nr = 0;
	struct node_walk walk = { .fn = count_node, .arg = &nr };

	map_walk(map, &walk);
	CHECK(nr == (unsigned long)atomic_long_read(&map->nr_nodes));
	return nr;
}

/* Marked frames in all of the map, the nodes of a seal included. */
static unsigned long count_used(const struct kho_map *map)
{
	unsigned long pfn = 0, end, nr = 0;

	while ((pfn = kho_map_next_used(map, pfn, ALL_FRAMES)) < ALL_FRAMES) {
		end = kho_map_next_free(map, pfn, ALL_FRAMES);
		CHECK(end > pfn);
		nr += end - pfn;
		pfn = end;
	}
	return nr;
}

static unsigned long random_pfn(void)
{
	const struct kho_range *range = &window[random_below(NR_WINDOWS)];

	return range->start + random_below(range->end - range->start);
}

/* Everything that reads, at a place at random. */
static void query(struct kho_map *map, struct model *model)
{
	unsigned long pfn = random_pfn(), end;
	unsigned long nr = 1 + random_below(200);
	u8 *at = model_range(model, pfn, nr);

	CHECK(kho_map_unit(map, pfn) == model_unit(model, pfn));
	if (at)
		CHECK(kho_map_covers(map, pfn, nr) == !memchr(at, FREE, nr));
	end = random_below(2) ? random_pfn() : pfn + random_below(300);
	/* The model does not know of the nodes between the windows. */
	if (model->sealed)
		end = min(end, window[model_window(pfn)].end);
	CHECK(kho_map_next_used(map, pfn, end) ==
	      (pfn < end ? model_next(model, pfn, end, true) : end));
	CHECK(kho_map_next_free(map, pfn, end) ==
	      (pfn < end ? model_next(model, pfn, end, false) : end));
}

/* A range in a window; aligned to its order, or now and then not. */
static void random_range(unsigned int max_order, unsigned long *pfn,
			 unsigned long *nr, unsigned int *order)
{
	const struct kho_range *range = &window[random_below(NR_WINDOWS)];
	unsigned long frames = range->end - range->start;
	unsigned long units;

	*order = random_below(max_order + 1);
	if (random_below(2))
		*order = min(*order, 3U);
	units = frames >> *order;
	*nr = random_below(2) ? 1 : 1 + random_below(min(units, 200UL));
	*pfn = range->start + (random_below(units - *nr + 1) << *order);
	*nr <<= *order;
	if (!random_below(16) && *order)
		*pfn += 1 + random_below(range->end - *pfn - *nr + 1);
	if (*pfn + *nr > range->end)
		*nr = range->end - *pfn;
}

static void operate(struct kho_map *map, struct model *model,
		    unsigned int max_order)
{
	unsigned long pfn, nr, nr_nodes = atomic_long_read(&map->nr_nodes);
	struct kho_map before = *map;
	unsigned int order;
	int rc, want;

	random_range(max_order, &pfn, &nr, &order);
	/* Half of the time, something that is there. */
	if (random_below(2) && model_unit(model, pfn)) {
		nr = model_unit(model, pfn);
		order = ilog2(nr);
	}
	operations++;
	switch (random_below(8)) {
	case 0 ... 3:
		alloc_failed = false;
		alloc_budget = random_below(4) ? -1 : (long)random_below(6);
		rc = kho_map_add(map, pfn, nr, order);
		alloc_budget = -1;
		want = alloc_failed ? -ENOMEM :
				      model_add(model, pfn, nr, order);
		CHECK(rc == want);
		break;
	case 4:
		want = model_del(model, pfn, nr);
		CHECK(kho_map_del(map, pfn, nr) == want);
		break;
	default:
		want = model_take(model, pfn, nr, order);
		CHECK(kho_map_take(map, pfn, nr, order) == want);
		break;
	}
	if (want && want != -ENOMEM && want != -EEXIST)
		CHECK(map->root == before.root &&
		      (unsigned long)atomic_long_read(&map->nr_nodes) == nr_nodes);
	if (!model->nr_frames && !model->sealed)
		CHECK(!map->root && !arena_used());
	compare_window(map, model, model_window(pfn));
	query(map, model);
}

/* Delete all that the model has. */
static void delete_all(struct kho_map *map, struct model *model)
{
	unsigned long pfn = 0, end;

	while ((pfn = kho_map_next_used(map, pfn, ALL_FRAMES)) < ALL_FRAMES) {
		end = kho_map_next_free(map, pfn, ALL_FRAMES);
		CHECK(!model_del(model, pfn, end - pfn));
		CHECK(!kho_map_del(map, pfn, end - pfn));
		if (!map->root)
			break;
		pfn = end;
	}
	CHECK(!model->nr_frames && !map->root);
	CHECK(!atomic_long_read(&map->nr_nodes));
}

/* What differs between an unsealed and a sealed map are its marked nodes. */
static void check_sealed(struct kho_map *map, struct model *model)
{
	unsigned long nr_nodes = count_nodes(map);

	CHECK(nr_nodes <= arena_used());
	compare(map, model);
	CHECK(count_used(map) == model->nr_frames + nr_nodes);
}

static int check_node_marked(struct kho_map *map, void *node, int level,
			     void *arg)
{
	CHECK(kho_map_unit(map, virt_to_phys(node) >> PAGE_SHIFT) >= 1);
	return 0;
}

static void fill_header(struct kho_header_ser *header, const struct kho_map *map)
{
	memset(header, 0, KHO_HEADER_SIZE);
	header->magic = KHO_HEADER_MAGIC;
	header->version = KHO_HEADER_VERSION;
	header->map_root_pa = map->root ? virt_to_phys(map->root) : 0;
	header->map_checksum = kho_map_checksum(map);
	header->nr_frames = atomic_long_read(&map->nr_frames);
	header->nr_nodes = atomic_long_read(&map->nr_nodes);
	header->checksum = kho_header_checksum(header);
	CHECK(kho_header_ok(header));
}

static unsigned long nr_disowned;

static void disowned(struct kho_map *map, void *va)
{
	CHECK(map && arena_has(virt_to_phys(va)));
	nr_disowned++;
}

/* Seal, hand over to another map, disown, and be as before. */
static void hand_over(struct kho_map *map, struct model *model)
{
	static const struct node_walk marked = { .fn = check_node_marked };
	static u64 page[KHO_HEADER_SIZE / 8];
	struct kho_header_ser *header = (void *)page;
	struct kho_map next = KHO_MAP_INIT(next);
	unsigned long nr_nodes, budget;
	u64 sum;
	int rc;

	/* The n-th allocation fails, for every n. */
	for (budget = 0; ; budget++) {
		alloc_budget = budget;
		alloc_failed = false;
		rc = kho_map_seal(map);
		alloc_budget = -1;
		CHECK(rc == (alloc_failed ? -ENOMEM : 0));
		if (!rc)
			break;
		CHECK(!map->sealed && count_used(map) == model->nr_frames);
		compare(map, model);
	}
	model->sealed = true;
	check_sealed(map, model);
	map_walk(map, &marked);
	sum = kho_map_checksum(map);
	CHECK(!kho_map_trim(map));
	operate(map, model, 5);
	query(map, model);
	CHECK(sum == kho_map_checksum(map));

	kho_map_unseal(map);
	CHECK(!map->sealed && count_used(map) == model->nr_frames);
	CHECK(!kho_map_seal(map));
	CHECK(sum == kho_map_checksum(map));

	nr_nodes = count_nodes(map);
	fill_header(header, map);
	CHECK(!kho_map_adopt(&next, header, arena_has));
	check_sealed(&next, model);
	CHECK(kho_map_checksum(&next) == sum);
	CHECK(!map->root || kho_map_take(&next, random_pfn(), 1, 0) == -EBUSY);
	nr_disowned = 0;
	kho_map_disown(&next, disowned);
	CHECK(nr_disowned == nr_nodes && !next.sealed);
	CHECK(count_used(&next) == model->nr_frames);

	/* It is the same memory: go on with what it has become. */
	map->root = next.root;
	map->sealed = false;
	model->sealed = false;
	compare(map, model);
	if (!model->nr_frames)
		CHECK(kho_map_trim(map));
}

static void run(unsigned long rounds, unsigned long nr_operations,
		unsigned int max_order)
{
	while (rounds--) {
		struct kho_map map = KHO_MAP_INIT(map);
		struct model model = model_new();
		unsigned long i;

		arena_init_random(600, window, NR_WINDOWS);
		for (i = 0; i < nr_operations; i++) {
			operate(&map, &model, max_order);
			if (!random_below(nr_operations))
				hand_over(&map, &model);
		}
		compare(&map, &model);
		count_nodes(&map);
		hand_over(&map, &model);
		delete_all(&map, &model);
		arena_exit();
		model_free(&model);
	}
}

/* Every order can be added, is one unit, and is taken with that order only. */
static void test_orders(void)
{
	struct kho_map map = KHO_MAP_INIT(map);
	unsigned int order, other;
	unsigned long pfn, nr;

	arena_init(128, 1UL << 30, 1);
	for (order = 0; order <= 18; order++) {
		nr = 1UL << order;
		for (pfn = 0; pfn <= 3 * nr; pfn += nr) {
			CHECK(!kho_map_add(&map, pfn, nr, order));
			CHECK(kho_map_unit(&map, pfn) == nr);
			CHECK(!kho_map_unit(&map, pfn + nr));
			CHECK(nr == 1 || !kho_map_unit(&map, pfn + nr / 2));
		}
		for (other = 0; other <= 20; other++) {
			if (other == order)
				continue;
			CHECK(kho_map_take(&map, 0, 1UL << other, other) ==
			      -ENOENT);
			CHECK(kho_map_unit(&map, 0) == nr);
		}
		CHECK(!kho_map_take(&map, nr, 2 * nr, order));
		CHECK(kho_map_take(&map, 0, 4 * nr, order) == -ENOENT);
		CHECK(!kho_map_take(&map, 0, nr, order));
		CHECK(!kho_map_take(&map, 3 * nr, nr, order));
		CHECK(!map.root);
	}
	arena_exit();
}

static void test_limits(void)
{
	struct kho_map map = KHO_MAP_INIT(map);
	unsigned long last = ALL_FRAMES - 1;
	int round;

	arena_init(128, 1UL << 30, 1);
	/* Without, then with nodes. */
	for (round = 0; round < 2; round++) {
		CHECK(kho_map_add(&map, 0, 0, 0) == -EINVAL);
		CHECK(kho_map_add(&map, 5, 0, 0) == -EINVAL);
		CHECK(kho_map_add(&map, ALL_FRAMES, 1, 0) == -EINVAL);
		CHECK(kho_map_add(&map, last, 2, 0) == -EINVAL);
		CHECK(kho_map_add(&map, ~0UL, 1, 0) == -EINVAL);
		CHECK(kho_map_add(&map, ~0UL, 2, 0) == -EINVAL);
		CHECK(kho_map_add(&map, 1, ~0UL, 0) == -EINVAL);
		CHECK(kho_map_add(&map, 2, 1, 1) == -EINVAL);
		CHECK(kho_map_add(&map, 1, 2, 1) == -EINVAL);
		CHECK(kho_map_add(&map, 0, 1, KHO_MAP_PFN_BITS) == -EINVAL);
		CHECK(kho_map_add(&map, 0, 1, 64) == -EINVAL);
		CHECK(kho_map_add(&map, 0, 1, ~0U) == -EINVAL);
		CHECK(kho_map_take(&map, 0, 1, 64) == -EINVAL);
		CHECK(kho_map_take(&map, 1, 2, 1) == -EINVAL);
		CHECK(kho_map_take(&map, 1, 0, 0) == -ENOENT);
		CHECK(kho_map_take(&map, ALL_FRAMES, 1, 0) == -ENOENT);
		CHECK(kho_map_take(&map, last, 2, 0) == -ENOENT);
		CHECK(kho_map_del(&map, 1, 0) == -ENOENT);
		CHECK(kho_map_del(&map, 1, ~0UL) == -ENOENT);
		CHECK(kho_map_del(&map, last, 2) == -ENOENT);
		CHECK(!kho_map_unit(&map, ALL_FRAMES));
		CHECK(!kho_map_unit(&map, ~0UL));
		CHECK(!kho_map_covers(&map, 1, 0));
		CHECK(!kho_map_covers(&map, ~0UL, 2));
		CHECK(kho_map_next_used(&map, ALL_FRAMES, ~0UL) == ~0UL);
		CHECK(kho_map_next_free(&map, ALL_FRAMES, ~0UL) == ALL_FRAMES);
		CHECK(kho_map_next_free(&map, last, last) == last);
		if (!round) {
			CHECK(!map.root);
			CHECK(!kho_map_add(&map, last, 1, 0));
			CHECK(!kho_map_add(&map, 0, 1, 0));
		}
	}
	CHECK(kho_map_next_used(&map, 1, ~0UL) == last);
	CHECK(kho_map_next_free(&map, last, ~0UL) == ALL_FRAMES);
	CHECK(kho_map_unit(&map, last) == 1);
	CHECK(!kho_map_take(&map, last, 1, 0));
	CHECK(!kho_map_del(&map, 0, 1));
	arena_exit();
}

/* The n-th allocation fails, for every n: nothing is changed, nothing is lost. */
static void test_no_memory(void)
{
	/* Across a border of the highest level: 7 nodes. */
	const unsigned long pfn = (1UL << 32) - 64, nr = 128;
	struct kho_map map = KHO_MAP_INIT(map);
	long budget;
	int rc;

	arena_init(64, 1UL << 40, 1);
	for (budget = 0; ; budget++) {
		alloc_budget = budget;
		rc = kho_map_add(&map, pfn, nr, 3);
		alloc_budget = -1;
		if (!rc)
			break;
		CHECK(rc == -ENOMEM && !atomic_long_read(&map.nr_frames));
		CHECK(!map.root && !arena_used());
	}
	CHECK(budget == 7 && arena_used() == 7);
	CHECK(!kho_map_del(&map, pfn, nr));

	/* With something else in the map. */
	for (budget = 0; ; budget++) {
		CHECK(!kho_map_add(&map, 1, 1, 0));
		alloc_budget = budget;
		rc = kho_map_add(&map, pfn, nr, 3);
		alloc_budget = -1;
		if (!rc)
			break;
		CHECK(rc == -ENOMEM && count_used(&map) == 1);
		CHECK(count_nodes(&map) == arena_used());
		CHECK(!kho_map_del(&map, 1, 1));
		CHECK(!arena_used());
	}
	CHECK(!kho_map_del(&map, pfn, nr));
	CHECK(!kho_map_del(&map, 1, 1));
	arena_exit();
}

/*
 * Early boot frees whole words without a preserved frame, and marks the other free
 * frames, which are then found again, each once:
 *
 *   words:       [ ........ ][ ..##.... ][ ........ ]
 *   open:         ^^^^^^^^^^              ^^^^^^^^^^
 *   fragments:                ^^  ^^^^
 */
static void test_fragments(unsigned long rounds)
{
	struct kho_map map = KHO_MAP_INIT(map);
	struct model model;
	unsigned long pfn, nr, at, end, first, last, i;
	unsigned int order, w;
	u64 claimed, sum, marked;
	u8 *open;

	open = malloc(window[0].end - window[0].start);
	while (rounds--) {
		model = model_new();
		arena_init_random(600, window, NR_WINDOWS);
		for (i = random_below(20); i; i--) {
			random_range(4, &pfn, &nr, &order);
			CHECK(kho_map_add(&map, pfn, nr, order) ==
			      model_add(&model, pfn, nr, order));
		}
		sum = map.root ? kho_map_checksum(&map) : 0;
		w = random_below(NR_WINDOWS);
		first = window[w].start + random_below(64);
		last = window[w].end - random_below(64);
		CHECK(kho_map_next_clear_word(&map, first, first) == first);

		/* 1: a frame that was free then, 2: that is claimed now */
		memset(open, 0, window[0].end - window[0].start);
		for (pfn = first; pfn < last; pfn = end) {
			at = pfn;
			end = kho_map_next_open(&map, &pfn, last);
			CHECK(pfn >= at && end >= pfn && end <= last);
			CHECK(pfn < end || end == last);
			for (at = pfn; at < end; at++)
				open[at - window[w].start] = 1;
		}
		CHECK(count_used(&map) == model.nr_frames);
		marked = map.root ? kho_map_checksum(&map) : 0;
		for (pfn = first; pfn < last; pfn = end) {
			at = pfn;
			end = kho_map_peek_open(&map, &pfn, last);
			for (; at < end; at++)
				CHECK(open[at - window[w].start] == (at >= pfn));
		}
		CHECK(!map.root || kho_map_checksum(&map) == marked);
		for (at = 0; ; ) {
			pfn = kho_map_claim_fragments(&map, &at, last, &claimed);
			if (pfn == last)
				break;
			CHECK(claimed && pfn % 64 == 0 && pfn < at);
			for (; claimed; claimed &= claimed - 1) {
				u8 *o = &open[pfn + __ffs64(claimed) - window[w].start];

				CHECK(!*o);
				*o = 2;
			}
		}
		for (pfn = window[w].start; pfn < window[w].end; pfn++) {
			unsigned long word = round_down(pfn, 64);
			bool alone = true;

			for (i = word; i < word + 64; i++)
				if (model_at(&model, i) != FREE)
					alone = false;
			if (pfn < first || pfn >= last || model_at(&model, pfn))
				CHECK(!open[pfn - window[w].start]);
			else
				CHECK(open[pfn - window[w].start] == (alone ? 1 : 2));
		}
		CHECK(sum == (map.root ? kho_map_checksum(&map) : 0));

		for (pfn = first; pfn < last; pfn++) {
			end = pfn + random_below(last - pfn + 1);
			for (at = round_up(pfn, 64); at + 64 <= end; at += 64) {
				for (i = 0; i < 64 && model_at(&model, at + i) == FREE; i++)
					;
				if (i == 64)
					break;
			}
			CHECK(kho_map_next_clear_word(&map, pfn, end) ==
			      (at + 64 <= end ? at : end));
		}
		if (model.nr_frames)
			delete_all(&map, &model);
		arena_exit();
		model_free(&model);
	}
	free(open);
}

static void model_merge(struct model *to, const struct model *from, bool undo)
{
	unsigned long i;
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		for (i = 0; i < window[w].end - window[w].start; i++)
			if (from->frame[w][i])
				to->frame[w][i] = undo ? FREE :
							 from->frame[w][i];
	if (undo)
		to->nr_frames -= from->nr_frames;
	else
		to->nr_frames += from->nr_frames;
}

static bool models_overlap(const struct model *a, const struct model *b)
{
	unsigned long i;
	int w;

	for (w = 0; w < NR_WINDOWS; w++)
		for (i = 0; i < window[w].end - window[w].start; i++)
			if (a->frame[w][i] && b->frame[w][i])
				return true;
	return false;
}

static void test_merge(unsigned long rounds)
{
	unsigned long nr_merged = 0;

	while (rounds--) {
		struct kho_map a = KHO_MAP_INIT(a), b = KHO_MAP_INIT(b);
		struct model in_a = model_new(), in_b = model_new();
		unsigned long i, pfn, nr;
		unsigned int order;
		bool overlap;
		u64 sum;
		int rc;

		arena_init_random(600, window, NR_WINDOWS);
		for (i = random_below(12); i; i--) {
			bool to_a = random_below(2);

			random_range(4, &pfn, &nr, &order);
			if (!random_below(4) || !model_range(&in_a, pfn, nr) ||
			    (kho_map_next_used(&a, pfn, pfn + nr) == pfn + nr &&
			     kho_map_next_used(&b, pfn, pfn + nr) == pfn + nr))
				CHECK(kho_map_add(to_a ? &a : &b, pfn, nr, order) ==
				      model_add(to_a ? &in_a : &in_b, pfn, nr, order));
		}
		/* Of the part below an overlap nothing must stay. */
		overlap = models_overlap(&in_a, &in_b);
		sum = b.root ? kho_map_checksum(&b) : 0;
		alloc_failed = false;
		alloc_budget = random_below(2) ? -1 : (long)random_below(8);
		rc = kho_map_merge(&a, &b);
		alloc_budget = -1;
		CHECK(rc == (alloc_failed ? -ENOMEM : overlap ? -EEXIST : 0));
		if (!rc) {
			nr_merged++;
			model_merge(&in_a, &in_b, false);
			compare(&a, &in_a);
			query(&a, &in_a);
			if (random_below(2))
				hand_over(&a, &in_a);
			kho_map_unmerge(&a, &b);
			model_merge(&in_a, &in_b, true);
		}
		compare(&a, &in_a);
		CHECK(sum == (b.root ? kho_map_checksum(&b) : 0));
		count_nodes(&a);

		CHECK(!kho_map_seal(&a));
		CHECK(kho_map_merge(&a, &b) == -EBUSY);
		kho_map_unseal(&a);
		compare(&a, &in_a);
		if (in_a.nr_frames)
			delete_all(&a, &in_a);
		else
			CHECK(kho_map_trim(&a));
		if (in_b.nr_frames)
			delete_all(&b, &in_b);
		arena_exit();
		model_free(&in_a);
		model_free(&in_b);
	}
	CHECK(nr_merged);
}

static int check_in_map(struct kho_map *map, void *node, int level, void *own)
{
	CHECK(kho_map_covers(own, virt_to_phys(node) >> PAGE_SHIFT, 1));
	return 0;
}

/* The nodes of a map that is not sealed, all of them and nothing else, in another. */
static void check_nodes(struct kho_map *map)
{
	struct kho_map own = KHO_MAP_INIT(own);
	const unsigned long before = arena_used();
	struct node_walk walk = { .fn = check_in_map, .arg = &own };
	unsigned long pfn = 0, end, nr = 0;

	CHECK(!kho_map_add_nodes(&own, map));
	map_walk(map, &walk);
	while ((pfn = kho_map_next_used(&own, pfn, ALL_FRAMES)) < ALL_FRAMES) {
		end = kho_map_next_free(&own, pfn, ALL_FRAMES);
		CHECK(!kho_map_del(&own, pfn, end - pfn));
		nr += end - pfn;
		pfn = end;
	}
	CHECK(nr == count_nodes(map) && arena_used() == before);
}

/* What is partly in the extent goes as a whole; returns how many frames. */
static unsigned long model_withdraw(struct model *model, unsigned long *first,
				    unsigned long *last)
{
	unsigned long pfn, end, nr = 0;
	u8 *at;

	while (model_at(model, *first) == TAIL)
		--*first;
	while (model_at(model, *last) == TAIL)
		++*last;
	for (pfn = *first, end = *last; pfn < end; pfn++) {
		at = model_range(model, pfn, 1);
		if (!at || *at == FREE)
			continue;
		*at = FREE;
		nr++;
	}
	model->nr_frames -= nr;
	return nr;
}

static void *page_for_node(void)
{
	return kho_alloc_pages(0);
}

static void *nth_node;

static int find_node(struct kho_map *map, void *node, int level, void *arg)
{
	if (!--*(unsigned long *)arg)
		nth_node = node;
	return 0;
}

/*
 * Of a map that is sealed, extents are taken out at random, some of which hold a
 * node. What is left is as the model has it, can be read through nodes that lie
 * elsewhere, and can be deleted.
 */
static void test_withdraw(unsigned long rounds)
{
	unsigned long nr_taken = 0, nr_partly = 0, nr_moved = 0, nr_failed = 0;

	while (rounds--) {
		struct kho_map map = KHO_MAP_INIT(map);
		struct model model = model_new();
		unsigned long i, pfn, end, nr, nodes, moved = 0, want, first, last;
		unsigned int order;
		long rc;

		arena_init_random(600, window, NR_WINDOWS);
		for (i = 1 + random_below(20); i; i--) {
			random_range(6, &pfn, &nr, &order);
			CHECK(kho_map_add(&map, pfn, nr, order) ==
			      model_add(&model, pfn, nr, order));
		}
		check_nodes(&map);
		CHECK(!kho_map_seal(&map));
		nodes = count_nodes(&map);
		for (i = random_below(6); map.root && i; i--) {
			struct kho_map before = map;

			random_range(6, &pfn, &nr, &order);
			end = pfn + nr;
			nth_node = NULL;
			if (!random_below(3)) {
				nr = 1 + random_below(nodes);
				map_walk(&map, &(struct node_walk){
						.fn = find_node, .arg = &nr });
				pfn = virt_to_phys(nth_node) >> PAGE_SHIFT;
				end = pfn + 1;
				/* As if the node's frame was reserved twice */
				if (!kho_map_covers(&map, pfn, 1))
					continue;
			}
			alloc_failed = false;
			alloc_budget = random_below(4) ? -1 : 0;
			first = pfn;
			last = end;
			rc = kho_map_withdraw(&map, &first, &last, page_for_node);
			alloc_budget = -1;
			if (alloc_failed) {
				CHECK(rc == -ENOMEM && nth_node);
				CHECK(map.root == before.root);
				nr_failed++;
				continue;
			}
			nr_partly += model_at(&model, pfn) == TAIL ||
				     model_at(&model, end) == TAIL;
			want = model_withdraw(&model, &pfn, &end);
			CHECK(rc >= 0 && (unsigned long)rc == want);
			CHECK(nth_node || !want || (first == pfn && last == end));
			nr_taken += want;
			first = pfn;
			last = end;
			CHECK(!kho_map_withdraw(&map, &first, &last,
						page_for_node));
			CHECK(first == pfn && last == end);
			if (nth_node) {
				moved++;
				CHECK(!kho_map_covers(&map, pfn, 1));
				free_page((unsigned long)nth_node);
			}
			compare(&map, &model);
			CHECK(count_nodes(&map) == nodes);
			CHECK(count_used(&map) == model.nr_frames + nodes - moved);
		}
		nr_moved += moved;
		kho_map_disown(&map, disowned);
		compare(&map, &model);
		CHECK(count_used(&map) == model.nr_frames);
		CHECK(arena_used() == nodes);
		if (model.nr_frames)
			delete_all(&map, &model);
		else
			CHECK(kho_map_trim(&map));
		arena_exit();
		model_free(&model);
	}
	CHECK(nr_taken && nr_partly && nr_moved && nr_failed);
}

int main(void)
{
	unsigned long count;

	test_begin("map");
	count = test_count(20000);
	test_orders();
	test_limits();
	test_no_memory();
	set_windows(512);
	run(count / 100 + 1, 60, 8);
	test_merge(count / 40 + 1);
	test_fragments(count / 100 + 1);
	test_withdraw(count / 40 + 1);
	/* With orders up to 18. */
	set_windows(1UL << 20);
	run(count / 10000 + 1, 60, 18);
	test_end("%lu operations at random", operations);
	return 0;
}
