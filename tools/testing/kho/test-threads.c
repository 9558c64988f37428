// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map (kernel/kho/map.c) used by several threads at a time. Built twice: with
 * ASan, for what must come out, and with TSan, for how it is arrived at.
 */
#include <sched.h>

static __thread unsigned int preempt_seed;

static void preempt(void)
{
	preempt_seed = preempt_seed * 1103515245 + 12345;
	if (!(preempt_seed >> 16 & 15))
		sched_yield();
}

#define PREEMPTION_POINT()	preempt()

#include "../../../kernel/kho/map.c"

#include "lib.h"

#define NR_THREADS	4
#define ROUNDS		300

static struct kho_map map = KHO_MAP_INIT(map);
static pthread_barrier_t barrier;
static unsigned long rounds;

static void run_threads(void *(*fn)(void *))
{
	pthread_t thread[NR_THREADS];
	unsigned long i;

	for (i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, fn, (void *)i));
	for (i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK(!map.root && !atomic_long_read(&map.nr_nodes));
	CHECK(!atomic_long_read(&map.nr_frames) && !arena_used());
}

/*
 * Disjoint frames of the same words: whatever a thread does comes out as if it
 * were alone. Often there is nothing in the map, so that nodes come and go.
 *
 *   threads:  0000 1111 2222 3333 0000 1111 ...   (units of 4 frames)
 */
static void *disjoint(void *arg)
{
	const unsigned long mine = (unsigned long)arg * 4;
	bool has[64] = { };
	unsigned long i, pfn;
	unsigned int slot;

	random_seed(mine);
	for (i = 0; i < rounds * 20; i++) {
		/* On both sides of a leaf's border. */
		slot = random_below(i & 256 ? 64 : 2);
		pfn = KHO_LEAF_FRAMES - 32 * 16 + slot * 16 + mine;
		CHECK(kho_map_covers(&map, pfn, 4) == has[slot]);
		switch (random_below(3)) {
		case 0:
			CHECK(kho_map_add(&map, pfn, 4, 2) ==
			      (has[slot] ? -EEXIST : 0));
			has[slot] = true;
			break;
		case 1:
			CHECK(kho_map_del(&map, pfn, 4) ==
			      (has[slot] ? 0 : -ENOENT));
			has[slot] = false;
			break;
		default:
			CHECK(kho_map_take(&map, pfn, 4, 2) ==
			      (has[slot] ? 0 : -ENOENT));
			has[slot] = false;
			break;
		}
	}
	for (slot = 0; slot < 64; slot++)
		if (has[slot])
			CHECK(!kho_map_del(&map, KHO_LEAF_FRAMES - 32 * 16 +
					   slot * 16 + mine, 4));
	return NULL;
}

static unsigned long nr_won;
static bool won[NR_THREADS];

/* The same range for all: one adds it, one takes it. */
static void *same(void *arg)
{
	unsigned long id = (unsigned long)arg, i, pfn, nr;
	unsigned int order;
	int rc;

	for (i = 0; i < rounds; i++) {
		random_seed(i);		/* the same for all */
		order = random_below(10);
		nr = (1 + random_below(4)) << order;
		pfn = KHO_LEAF_FRAMES - (random_below(8) << order);

		pthread_barrier_wait(&barrier);
		rc = kho_map_add(&map, pfn, nr, order);
		CHECK(rc == 0 || rc == -EEXIST);
		if (!rc)
			__atomic_add_fetch(&nr_won, 1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&barrier);
		if (!id) {
			CHECK(nr_won == 1);
			CHECK(kho_map_covers(&map, pfn, nr));
			nr_won = 0;
		}
		pthread_barrier_wait(&barrier);
		rc = kho_map_take(&map, pfn, nr, order);
		CHECK(rc == 0 || rc == -ENOENT);
		if (!rc)
			__atomic_add_fetch(&nr_won, 1, __ATOMIC_RELAXED);
		pthread_barrier_wait(&barrier);
		if (!id) {
			CHECK(nr_won == 1 && !map.root);
			nr_won = 0;
		}
	}
	return NULL;
}

/* Ranges that overlap: who wins has all of it, and somebody does. */
static void *overlapping(void *arg)
{
	unsigned long id = (unsigned long)arg, i, other, pfn[NR_THREADS];
	unsigned long nr[NR_THREADS], frames;

	for (i = 0; i < rounds; i++) {
		random_seed(i);
		for (other = 0; other < NR_THREADS; other++) {
			pfn[other] = KHO_LEAF_FRAMES - 200 + random_below(400);
			nr[other] = 1 + random_below(300);
		}
		pthread_barrier_wait(&barrier);
		won[id] = !kho_map_add(&map, pfn[id], nr[id], 0);
		pthread_barrier_wait(&barrier);
		frames = 0;
		for (other = 0; other < NR_THREADS; other++) {
			if (!won[other])
				continue;
			frames += nr[other];
			CHECK(kho_map_covers(&map, pfn[other], nr[other]));
			CHECK(!won[id] || other == id ||
			      pfn[id] + nr[id] <= pfn[other] ||
			      pfn[other] + nr[other] <= pfn[id]);
		}
		CHECK(frames && frames ==
		      (unsigned long)atomic_long_read(&map.nr_frames));
		pthread_barrier_wait(&barrier);
		if (won[id])
			CHECK(!kho_map_del(&map, pfn[id], nr[id]));
	}
	return NULL;
}

/*
 * Units that touch, each restored by a thread of its own as kho_restore_folio()
 * does: it asks for the size, and takes as much.
 *
 *   [unit][unit][unit][unit]
 *     0     1     2     3
 */
static void *neighbours(void *arg)
{
	unsigned long id = (unsigned long)arg, i, pfn;

	for (i = 0; i < rounds * 20; i++) {
		unsigned int order = i % 8;

		pfn = (1000 * 256) + (id << order);
		if (!id)
			CHECK(!kho_map_add(&map, pfn, 4UL << order, order));
		pthread_barrier_wait(&barrier);
		CHECK(kho_map_unit(&map, pfn) == 1UL << order);
		CHECK(!kho_map_take(&map, pfn, 1UL << order, order));
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* Trees of nodes that several threads begin at the same time. */
static void *nodes(void *arg)
{
	unsigned long id = (unsigned long)arg, i, pfn;

	for (i = 0; i < rounds; i++) {
		pfn = (1UL << 32) + id - (i & 1);
		pthread_barrier_wait(&barrier);
		CHECK(!kho_map_add(&map, pfn, 1, 0));
		pthread_barrier_wait(&barrier);
		CHECK(arena_used() == (unsigned long)atomic_long_read(&map.nr_nodes));
		pthread_barrier_wait(&barrier);
		CHECK(!kho_map_del(&map, pfn, 1));
	}
	return NULL;
}

/*
 * Fragments are claimed while units between them are taken: all of them, once,
 * and no frame that was preserved.
 */
#define FRAGMENT_WORDS	64

static void *fragments(void *arg)
{
	unsigned long id = (unsigned long)arg, i, pfn, end, position, at;
	unsigned long first = 5 * KHO_LEAF_FRAMES, last = first + FRAGMENT_WORDS * 64;
	u64 claimed;

	for (i = 0; i < rounds / 10; i++) {
		if (!id) {
			map.keep = true;
			for (pfn = first; pfn < last; pfn += 4)
				CHECK(!kho_map_add(&map, pfn, 2, 1));
			pfn = first;
			end = kho_map_next_open(&map, &pfn, last);
			CHECK(pfn == last && end == last);
			nr_won = 0;
		}
		pthread_barrier_wait(&barrier);
		if (id < 2) {
			for (position = first; ; ) {
				at = kho_map_claim_fragments(&map, &position, last, &claimed);
				if (at == last)
					break;
				CHECK(!(claimed & 0x3333333333333333ULL));
				__atomic_add_fetch(&nr_won, hweight64(claimed),
						   __ATOMIC_RELAXED);
			}
		} else {
			for (pfn = first + (id - 2) * 4; pfn < last; pfn += 8) {
				CHECK(kho_map_unit(&map, pfn) == 2);
				CHECK(!kho_map_take(&map, pfn, 2, 1));
			}
		}
		pthread_barrier_wait(&barrier);
		if (!id) {
			CHECK(nr_won == FRAGMENT_WORDS * 32);
			map.keep = false;
			CHECK(kho_map_trim(&map));
		}
	}
	return NULL;
}

int main(void)
{
	test_begin("threads");
	rounds = test_count(ROUNDS);
	CHECK(!pthread_barrier_init(&barrier, NULL, NR_THREADS));
	arena_init(64, 1UL << 20, 1);
	run_threads(disjoint);
	run_threads(same);
	run_threads(overlapping);
	run_threads(neighbours);
	run_threads(nodes);
	run_threads(fragments);
	arena_exit();
	test_end("%d threads, %lu rounds", NR_THREADS, rounds);
	return 0;
}
