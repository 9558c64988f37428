// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map: the set of preserved frames.
 *
 * A radix tree of fixed depth whose nodes refer to each other by physical
 * address (include/linux/kho/abi/handover.h). The live structure is the one
 * that crosses the kexec: nothing is serialised. A leaf has two bits per frame:
 * "used" (preserved) and "head" (a unit begins here), from which the next
 * kernel rebuilds folios of the right order.
 *
 * Life cycle: empty, without a node. kho_map_add() and kho_map_del() run at any
 * time and concurrently, under the read side of kho_map.sem: nodes are added by
 * cmpxchg, and bits are claimed by cmpxchg word by word; kho_map_take() has the
 * write side, so that kho_map_unit() sees whole units. When the last frame is
 * gone, kho_map_trim() frees the nodes. kho_map_seal() makes the map immutable
 * and marks its own nodes in it, so that the next kernel leaves them alone too;
 * kho_map_unseal() undoes this.
 *
 * In the next kernel kho_map_adopt() checks what came and takes it over, and
 * kho_map_withdraw() takes out what somebody else has by then. From then on it is
 * an ordinary map in which frames are only ever deleted.
 *
 * The kho_map_next_*() functions take no lock: their users either hold the
 * write side, or run in early boot, or look at a sealed map.
 */
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "internal.h"

/* A part of a range that lies in one 64-bit word of a leaf. */
struct word_part {
	unsigned int index;
	unsigned int count;
	u64 mask;
};

static struct word_part word_part(unsigned long pfn, unsigned long nr)
{
	unsigned int bit = pfn % 64;
	struct word_part part;

	part.index = pfn % KHO_LEAF_FRAMES / 64;
	part.count = min_t(unsigned long, nr, 64 - bit);
	part.mask = GENMASK_ULL(bit + part.count - 1, bit);
	return part;
}

/* Heads in a word, the first frame of which begins a unit of 1 << @order. */
static u64 word_heads(unsigned int order)
{
	static const u64 every[] = {
		~0ULL, 0x5555555555555555ULL, 0x1111111111111111ULL,
		0x0101010101010101ULL, 0x0001000100010001ULL,
		0x0000000100000001ULL,
	};

	return order < ARRAY_SIZE(every) ? every[order] : 1;
}

/* Heads in @part of a range whose units have 1 << @order frames. */
static u64 head_mask(unsigned long pfn, const struct word_part *part,
		     unsigned int order)
{
	if (order < 6)
		return word_heads(order) & part->mask;
	return pfn & ((1UL << order) - 1) ? 0 : BIT_ULL(pfn % 64);
}

static unsigned int slot_index(unsigned long pfn, int level)
{
	return (pfn >> (KHO_LEAF_SHIFT + level * KHO_NODE_SHIFT)) &
	       (KHO_NODE_SLOTS - 1);
}

/* Frames below one slot of a node at @level. */
static unsigned long slot_span(int level)
{
	return 1UL << (KHO_LEAF_SHIFT + level * KHO_NODE_SHIFT);
}

static struct kho_leaf_ser *map_leaf(const struct kho_map *map,
				     unsigned long pfn)
{
	struct kho_node_ser *node = READ_ONCE(map->root);
	int level;

	if (!node)
		return NULL;
	for (level = KHO_MAP_LEVELS - 1; level >= 0; level--) {
		u64 pa = READ_ONCE(node->slot_pa[slot_index(pfn, level)]);

		if (!pa)
			return NULL;
		node = phys_to_virt(pa);
	}
	return (struct kho_leaf_ser *)node;
}

/* As map_leaf(), but says how far the hole reaches when there is no leaf. */
static struct kho_leaf_ser *map_leaf_or_gap(const struct kho_map *map,
					    unsigned long pfn,
					    unsigned long *gap_end)
{
	struct kho_node_ser *node = READ_ONCE(map->root);
	unsigned long span = slot_span(KHO_MAP_LEVELS);
	int level;

	for (level = KHO_MAP_LEVELS - 1; node && level >= 0; level--) {
		u64 pa = READ_ONCE(node->slot_pa[slot_index(pfn, level)]);

		span = slot_span(level);
		node = pa ? phys_to_virt(pa) : NULL;
	}
	*gap_end = (pfn | (span - 1)) + 1;
	return (struct kho_leaf_ser *)node;
}

static struct kho_leaf_ser *map_get_leaf(struct kho_map *map, unsigned long pfn)
{
	struct kho_node_ser *node = READ_ONCE(map->root);
	struct kho_node_ser *new;
	int level;

	if (!node) {
		new = kho_alloc_pages(0);
		if (!new)
			return NULL;
		node = cmpxchg(&map->root, NULL, new);
		if (node) {
			free_page((unsigned long)new);
		} else {
			node = new;
			atomic_long_inc(&map->nr_nodes);
		}
	}

	for (level = KHO_MAP_LEVELS - 1; level >= 0; level--) {
		__u64 *slot = &node->slot_pa[slot_index(pfn, level)];
		u64 pa = READ_ONCE(*slot);

		if (!pa) {
			new = kho_alloc_pages(0);
			if (!new)
				return NULL;
			pa = cmpxchg(slot, 0, virt_to_phys(new));
			if (pa) {
				free_page((unsigned long)new);
			} else {
				pa = virt_to_phys(new);
				atomic_long_inc(&map->nr_nodes);
			}
		}
		node = phys_to_virt(pa);
	}
	return (struct kho_leaf_ser *)node;
}

/* Claim the bits of @mask, all or none. */
static bool claim(__u64 *word, u64 mask)
{
	u64 old = READ_ONCE(*word);

	do {
		if (old & mask)
			return false;
	} while (!try_cmpxchg(word, &old, old | mask));
	return true;
}

static void set_bits(__u64 *word, u64 mask)
{
	u64 old = READ_ONCE(*word);

	while (mask && !try_cmpxchg(word, &old, old | mask))
		;
}

static void clear_bits(__u64 *word, u64 mask)
{
	u64 old = READ_ONCE(*word);

	while (!try_cmpxchg(word, &old, old & ~mask))
		;
}

/* Frames of a range that are whole words of one leaf, if it begins with one. */
static unsigned long whole_words(unsigned long pfn, unsigned long nr)
{
	unsigned long in_leaf = KHO_LEAF_FRAMES - pfn % KHO_LEAF_FRAMES;

	return pfn % 64 ? 0 : round_down(min(nr, in_leaf), 64);
}

/*
 * Claim whole words of a leaf and set their heads. Large units and long runs are
 * mostly these, so it is done with one atomic operation a word: the heads of
 * frames that are claimed have no other writer.
 *
 * Return: how many frames were claimed; not all of them when some are in use
 */
static unsigned long claim_words(struct kho_leaf_ser *leaf, unsigned long pfn,
				 unsigned long nr, unsigned int order)
{
	__u64 *used = &leaf->used[pfn % KHO_LEAF_FRAMES / 64];
	__u64 *head = &leaf->head[pfn % KHO_LEAF_FRAMES / 64];
	const unsigned long inside = order < 6 ? 0 : (1UL << order) - 1;
	const unsigned long end = pfn + nr;
	unsigned long at;

	for (at = pfn; at < end; at += 64, used++, head++) {
		if (cmpxchg(used, 0, ~0ULL))
			break;
		if (!(at & inside))
			WRITE_ONCE(*head, word_heads(order));
	}
	return at - pfn;
}

/* Undo claim_words(). */
static void clear_words(struct kho_leaf_ser *leaf, unsigned long pfn,
			unsigned long nr)
{
	unsigned long i = pfn % KHO_LEAF_FRAMES / 64;

	for (; nr; nr -= 64, i++) {
		WRITE_ONCE(leaf->head[i], 0);
		/* From here on somebody else may claim the frames. */
		smp_store_release(&leaf->used[i], 0);
	}
}

static void map_clear(struct kho_map *map, unsigned long pfn, unsigned long nr)
{
	struct kho_leaf_ser *leaf = NULL;

	while (nr) {
		struct word_part part = word_part(pfn, nr);
		unsigned long words = whole_words(pfn, nr);

		if (!leaf || !(pfn % KHO_LEAF_FRAMES))
			leaf = map_leaf(map, pfn);
		if (words) {
			clear_words(leaf, pfn, words);
			pfn += words;
			nr -= words;
			continue;
		}
		clear_bits(&leaf->head[part.index], part.mask);
		/* From here on somebody else may claim the frames. */
		clear_bits(&leaf->used[part.index], part.mask);
		pfn += part.count;
		nr -= part.count;
	}
}

static int map_set(struct kho_map *map, unsigned long pfn, unsigned long nr,
		   unsigned int order)
{
	const unsigned long start = pfn;
	struct kho_leaf_ser *leaf = NULL;
	int rc;

	if (order >= KHO_MAP_PFN_BITS || (pfn | nr) & ((1UL << order) - 1))
		return -EINVAL;
	if (!nr || pfn + nr < pfn || (pfn + nr - 1) >> KHO_MAP_PFN_BITS)
		return -EINVAL;

	while (nr) {
		struct word_part part = word_part(pfn, nr);
		unsigned long words = whole_words(pfn, nr), done;

		if (!leaf || !(pfn % KHO_LEAF_FRAMES)) {
			rc = -ENOMEM;
			leaf = map_get_leaf(map, pfn);
			if (!leaf)
				goto err_clear;
		}
		rc = -EEXIST;
		if (words) {
			done = claim_words(leaf, pfn, words, order);
			pfn += done;
			nr -= done;
			if (done != words)
				goto err_clear;
			continue;
		}
		if (!claim(&leaf->used[part.index], part.mask))
			goto err_clear;
		set_bits(&leaf->head[part.index], head_mask(pfn, &part, order));
		pfn += part.count;
		nr -= part.count;
	}
	return 0;

err_clear:
	map_clear(map, start, pfn - start);
	return rc;
}

/*
 * As map_set(), for what most callers come with: a part of a word, or whole words,
 * of a leaf that is there already.
 */
static bool map_set_in_leaf(struct kho_map *map, unsigned long pfn,
			    unsigned long nr, unsigned int order)
{
	struct kho_leaf_ser *leaf;
	struct word_part part;
	unsigned long done;

	if (order >= KHO_LEAF_SHIFT || (pfn | nr) & ((1UL << order) - 1) ||
	    pfn >> KHO_MAP_PFN_BITS)
		return false;
	leaf = map_leaf(map, pfn);
	if (!leaf)
		return false;
	if (nr <= 64 - pfn % 64) {
		part = word_part(pfn, nr);
		if (!claim(&leaf->used[part.index], part.mask))
			return false;
		set_bits(&leaf->head[part.index],
			 head_mask(pfn, &part, order));
		return true;
	}
	if (whole_words(pfn, nr) != nr)
		return false;
	done = claim_words(leaf, pfn, nr, order);
	if (done != nr)
		clear_words(leaf, pfn, done);
	return done == nr;
}

/**
 * kho_map_add - preserve frames
 * @map: the map
 * @pfn: first frame
 * @nr: number of frames
 * @order: every 1 << @order of them are a unit; @pfn and @nr are aligned to it
 *
 * All or nothing. May sleep.
 *
 * Return: 0, -EBUSY when the map is sealed, -EEXIST when one of the frames is
 * in the map, -EINVAL, -ENOMEM.
 */
int kho_map_add(struct kho_map *map, unsigned long pfn, unsigned long nr,
		unsigned int order)
{
	int rc = 0;

	down_read(&map->sem);
	if (map->sealed)
		rc = -EBUSY;
	else if (!nr || !map_set_in_leaf(map, pfn, nr, order))
		rc = map_set(map, pfn, nr, order);
	if (!rc)
		atomic_long_add(nr, &map->nr_frames);
	up_read(&map->sem);

	/* Nodes may have been added before there was no memory for more. */
	if (rc == -ENOMEM && !atomic_long_read(&map->nr_frames))
		kho_map_trim(map);
	return rc;
}

/* Are all frames of a part preserved? */
static bool has_all(const struct kho_leaf_ser *leaf, const struct word_part *part)
{
	return (READ_ONCE(leaf->used[part->index]) & part->mask) == part->mask;
}

/* Frames that a map could have */
static bool are_frames(unsigned long pfn, unsigned long nr)
{
	return nr && pfn + nr > pfn && pfn + nr <= 1UL << KHO_MAP_PFN_BITS;
}

static bool map_covers(struct kho_map *map, unsigned long pfn, unsigned long nr)
{
	struct word_part part = word_part(pfn, nr);
	const struct kho_leaf_ser *leaf;

	if (!are_frames(pfn, nr))
		return false;
	/* Often it is one page. */
	if (part.count < nr)
		return kho_map_next_free(map, pfn, pfn + nr) == pfn + nr;
	leaf = map_leaf(map, pfn);
	return leaf && has_all(leaf, &part);
}

/**
 * kho_map_covers - are all frames of a range preserved?
 * @map: the map
 * @pfn: first frame
 * @nr: number of frames
 */
bool kho_map_covers(struct kho_map *map, unsigned long pfn, unsigned long nr)
{
	bool covers;

	down_read(&map->sem);
	covers = map_covers(map, pfn, nr);
	up_read(&map->sem);
	return covers;
}

/**
 * kho_map_end_of_used - up to where are all frames preserved?
 * @map: the map
 * @pfn: where to begin
 * @end: where to end, exclusive
 *
 * Return: the first frame that is not preserved, or @end
 */
unsigned long kho_map_end_of_used(struct kho_map *map, unsigned long pfn,
				  unsigned long end)
{
	down_read(&map->sem);
	pfn = kho_map_next_free(map, pfn, end);
	up_read(&map->sem);
	return pfn;
}

/**
 * kho_map_del - take frames out
 * @map: the map
 * @pfn: first frame
 * @nr: number of frames
 *
 * The caller owns the frames: two callers never delete the same ones.
 *
 * Return: 0, -EBUSY when the map is sealed, -ENOENT when one of the frames is
 * not in the map, and nothing was changed.
 */
int kho_map_del(struct kho_map *map, unsigned long pfn, unsigned long nr)
{
	bool empty = false;
	int rc = 0;

	down_read(&map->sem);
	if (map->sealed) {
		rc = -EBUSY;
	} else if (!map_covers(map, pfn, nr)) {
		rc = -ENOENT;
	} else {
		map_clear(map, pfn, nr);
		empty = !atomic_long_sub_return(nr, &map->nr_frames);
	}
	up_read(&map->sem);

	if (empty)
		kho_map_trim(map);
	return rc;
}

/* Are all of these frames preserved, as units of 1 << @order frames each? */
static bool are_units(const struct kho_map *map, unsigned long pfn,
		      unsigned long nr, unsigned int order)
{
	const struct kho_leaf_ser *leaf = NULL;
	struct word_part part;

	for (; nr; pfn += part.count, nr -= part.count) {
		part = word_part(pfn, nr);
		if (!leaf || !(pfn % KHO_LEAF_FRAMES))
			leaf = map_leaf(map, pfn);
		if (!leaf || !has_all(leaf, &part) ||
		    (READ_ONCE(leaf->head[part.index]) & part.mask) !=
		    head_mask(pfn, &part, order))
			return false;
	}
	/* A used frame behind them that is no head: the last unit is larger. */
	part = word_part(pfn, 1);
	if (!(pfn % KHO_LEAF_FRAMES))
		leaf = pfn >> KHO_MAP_PFN_BITS ? NULL : map_leaf(map, pfn);
	return !leaf || !(leaf->used[part.index] & part.mask &
			  ~READ_ONCE(leaf->head[part.index]));
}

/**
 * kho_map_take - take units out, once
 * @map: the map
 * @pfn: first frame
 * @nr: number of frames
 * @order: they are units of 1 << @order frames each
 *
 * As kho_map_del(), but checks that the frames were added with this order, and
 * several callers may compete for the same units.
 *
 * Return: 0, -EBUSY when the map is sealed, -EINVAL, -ENOENT when this is not
 * what is in the map; on error nothing was changed.
 */
int kho_map_take(struct kho_map *map, unsigned long pfn, unsigned long nr,
		 unsigned int order)
{
	bool empty = false;
	int rc = 0;

	if (order >= BITS_PER_LONG || (pfn | nr) & ((1UL << order) - 1))
		return -EINVAL;

	/* A unit that is half taken would look like the end of the one before. */
	down_write(&map->sem);
	if (map->sealed) {
		rc = -EBUSY;
	} else if (!are_frames(pfn, nr) || !are_units(map, pfn, nr, order)) {
		rc = -ENOENT;
	} else {
		map_clear(map, pfn, nr);
		empty = !atomic_long_sub_return(nr, &map->nr_frames);
	}
	up_write(&map->sem);

	if (empty)
		kho_map_trim(map);
	return rc;
}

/**
 * kho_map_unit - size of the unit that begins at a frame
 * @map: the map
 * @pfn: the frame
 *
 * Return: frames of the unit, 0 when no unit begins at @pfn
 */
unsigned long kho_map_unit(struct kho_map *map, unsigned long pfn)
{
	unsigned long next = pfn + 1;
	struct kho_leaf_ser *leaf;

	down_read(&map->sem);
	leaf = pfn >> KHO_MAP_PFN_BITS ? NULL : map_leaf(map, pfn);
	if (!leaf || !(leaf->used[pfn % KHO_LEAF_FRAMES / 64] &
		       READ_ONCE(leaf->head[pfn % KHO_LEAF_FRAMES / 64]) &
		       BIT_ULL(pfn % 64)))
		next = pfn;
	while (next != pfn) {
		struct word_part part = word_part(next, 64);
		u64 rest;

		if (!(next % KHO_LEAF_FRAMES))
			leaf = map_leaf(map, next);
		if (!leaf)
			break;
		/* Used frames that begin no unit belong to this one. */
		rest = (READ_ONCE(leaf->head[part.index]) |
			~leaf->used[part.index]) & part.mask;
		if (rest) {
			next = round_down(next, 64) + __ffs64(rest);
			break;
		}
		next += part.count;
	}
	up_read(&map->sem);
	return next - pfn;
}

static unsigned long map_next(const struct kho_map *map, unsigned long pfn,
			      unsigned long end, bool want_used)
{
	unsigned long limit = min(end, 1UL << KHO_MAP_PFN_BITS);
	struct kho_leaf_ser *leaf = NULL;
	unsigned long gap_end;

	while (pfn < limit) {
		struct word_part part = word_part(pfn, limit - pfn);
		u64 hits;

		if (!leaf || !(pfn % KHO_LEAF_FRAMES))
			leaf = map_leaf_or_gap(map, pfn, &gap_end);
		if (!leaf) {
			if (!want_used)
				return pfn;
			pfn = gap_end;
			continue;
		}
		hits = READ_ONCE(leaf->used[part.index]);
		hits = (want_used ? hits : ~hits) & part.mask;
		if (hits)
			return round_down(pfn, 64) + __ffs64(hits);
		pfn += part.count;
	}
	return want_used ? end : max(min(pfn, end), limit);
}

/**
 * kho_map_next_used - find the next preserved frame
 * @map: the map, see the top of this file about locks
 * @pfn: where to begin
 * @end: where to end, exclusive
 *
 * Return: the frame, or @end when there is none
 */
unsigned long kho_map_next_used(const struct kho_map *map, unsigned long pfn,
				unsigned long end)
{
	return map_next(map, pfn, end, true);
}

/**
 * kho_map_next_free - find the next frame that is not preserved
 * @map: the map, see the top of this file about locks
 * @pfn: where to begin
 * @end: where to end, exclusive
 *
 * Return: the frame, or @end when there is none
 */
unsigned long kho_map_next_free(const struct kho_map *map, unsigned long pfn,
				unsigned long end)
{
	return map_next(map, pfn, end, false);
}

/**
 * kho_map_next_clear_word - find the next 64 aligned frames that are all free
 * @map: the map, see the top of this file about locks
 * @pfn: where to begin
 * @end: where to end, exclusive; a word that reaches beyond is not looked at
 *
 * Return: the first of the frames, or @end when there are none
 */
unsigned long kho_map_next_clear_word(const struct kho_map *map,
				      unsigned long pfn, unsigned long end)
{
	struct kho_leaf_ser *leaf = NULL;
	unsigned long gap_end;

	for (pfn = round_up(pfn, 64); pfn < end && end - pfn >= 64; pfn += 64) {
		if (!leaf || !(pfn % KHO_LEAF_FRAMES))
			leaf = map_leaf_or_gap(map, pfn, &gap_end);
		if (!leaf || !READ_ONCE(leaf->used[pfn % KHO_LEAF_FRAMES / 64]))
			return pfn;
	}
	return end;
}

/*
 * Walk the nodes. A node's parent comes before it, and is not looked at again
 * after its last child, so @fn may free what it is given when @post is set.
 */
struct node_walk {
	int (*fn)(struct kho_map *map, void *node, int level, void *arg);
	void *arg;
	bool post;
};

static int walk_nodes(struct kho_map *map, struct kho_node_ser *node, int level,
		      const struct node_walk *walk)
{
	unsigned int i;
	int rc = 0;

	if (!walk->post)
		rc = walk->fn(map, node, level, walk->arg);
	/* Recursion is at most KHO_MAP_LEVELS deep. */
	for (i = 0; !rc && level && i < KHO_NODE_SLOTS; i++)
		if (node->slot_pa[i])
			rc = walk_nodes(map, phys_to_virt(node->slot_pa[i]),
					level - 1, walk);
	if (!rc && walk->post)
		rc = walk->fn(map, node, level, walk->arg);
	return rc;
}

static int map_walk(struct kho_map *map, const struct node_walk *walk)
{
	return map->root ?
	       walk_nodes(map, map->root, KHO_MAP_LEVELS, walk) : 0;
}

static int free_node(struct kho_map *map, void *node, int level, void *arg)
{
	free_page((unsigned long)node);
	return 0;
}

/**
 * kho_map_trim - free the nodes of a map without frames
 * @map: the map
 *
 * Return: true when the map has no node any more
 */
bool kho_map_trim(struct kho_map *map)
{
	static const struct node_walk walk = { .fn = free_node, .post = true };
	bool trimmed = false;

	down_write(&map->sem);
	if (!map->sealed && !map->keep && !atomic_long_read(&map->nr_frames)) {
		map_walk(map, &walk);
		map->root = NULL;
		atomic_long_set(&map->nr_nodes, 0);
		trimmed = true;
	}
	up_write(&map->sem);
	return trimmed;
}

/* As kho_map_next_open(), which marks what it passes over. */
static unsigned long next_open(struct kho_map *map, unsigned long *pfn,
			       unsigned long end, bool mark)
{
	struct kho_leaf_ser *leaf = NULL;
	unsigned long gap_end, at = *pfn;
	bool open = false;

	while (at < end) {
		struct word_part part = word_part(at, end - at);
		u64 used;

		if (!leaf || !(at % KHO_LEAF_FRAMES))
			leaf = map_leaf_or_gap(map, at, &gap_end);
		used = leaf ? READ_ONCE(leaf->used[part.index]) : 0;
		if (used) {
			if (open)
				return at;
			if (mark)
				leaf->head[part.index] |= ~used & part.mask;
		} else if (!open) {
			open = true;
			*pfn = at;
		}
		at = leaf ? at + part.count : min(gap_end, end);
	}
	if (!open)
		*pfn = end;
	return end;
}

/**
 * kho_map_next_open - find the next frames in words without a preserved frame
 * @map: the map; no lock, see below
 * @pfn: in: where to begin; out: first such frame
 * @end: where to end, exclusive
 *
 * What the map does not preserve but what shares a word with a preserved frame
 * is passed over and marked as a fragment: a head that is not used. Nobody else
 * looks at such heads, and kho_map_claim_fragments() finds them again.
 *
 * Context: early boot; tasks that run at the same time have disjoint words.
 * Return: end of these frames, exclusive; or @end, and *@pfn is @end, when there
 * are none
 */
unsigned long kho_map_next_open(struct kho_map *map, unsigned long *pfn,
				unsigned long end)
{
	return next_open(map, pfn, end, true);
}

/**
 * kho_map_peek_open - find again what kho_map_next_open() has found
 * @map: the map
 * @pfn: in: where to begin; out: first such frame
 * @end: where to end, exclusive
 *
 * Changes nothing.
 *
 * Context: no node may be freed meanwhile: @map->keep is set; in words that are looked at nothing
 * is deleted
 * Return: as kho_map_next_open()
 */
unsigned long kho_map_peek_open(const struct kho_map *map, unsigned long *pfn,
				unsigned long end)
{
	return next_open((struct kho_map *)map, pfn, end, false);
}

/**
 * kho_map_claim_fragments - find the next fragments
 * @map: the map
 * @pfn: where to begin; out: where to go on
 * @end: where to end, exclusive
 * @fragments: the frames found, a bit each
 *
 * The fragments are the caller's, and are not marked any more.
 *
 * Context: no node may be freed meanwhile: @map->keep is set, or its sem is held
 * Return: the frame of bit 0 of @fragments; @end when there are no more
 */
unsigned long kho_map_claim_fragments(struct kho_map *map, unsigned long *pfn,
				      unsigned long end, u64 *fragments)
{
	struct kho_leaf_ser *leaf = NULL;
	unsigned long gap_end, at = round_down(*pfn, 64);

	while (at < end) {
		struct word_part part = word_part(at, 64);
		__u64 *head;
		u64 old;

		if (!leaf || !(at % KHO_LEAF_FRAMES))
			leaf = map_leaf_or_gap(map, at, &gap_end);
		if (!leaf) {
			at = gap_end;
			continue;
		}
		head = &leaf->head[part.index];
		old = READ_ONCE(*head);
		do {
			*fragments = old & ~READ_ONCE(leaf->used[part.index]);
		} while (*fragments && !try_cmpxchg(head, &old, old & ~*fragments));
		at += 64;
		if (*fragments) {
			*pfn = at;
			return at - 64;
		}
	}
	*pfn = end;
	return end;
}

/**
 * kho_map_merge - preserve what another map has
 * @map: the map to add to
 * @other: its frames; must not change
 *
 * Return: 0, or -EEXIST, -EBUSY, -ENOMEM, and nothing was changed.
 */
int kho_map_merge(struct kho_map *map, const struct kho_map *other)
{
	unsigned long first = 0, last = 1UL << KHO_MAP_PFN_BITS;
	unsigned long pfn, end;
	int rc = 0;

	down_write(&map->sem);
	if (map->sealed)
		rc = -EBUSY;
	for (pfn = kho_map_next_used(other, first, last); !rc && pfn < last;
	     pfn = kho_map_next_used(other, end, last)) {
		struct word_part part = word_part(pfn, 64);
		struct kho_leaf_ser *from = map_leaf(other, pfn);
		struct kho_leaf_ser *to = map_get_leaf(map, pfn);
		u64 mask = from->used[part.index];

		end = round_down(pfn, 64) + 64;
		if (!to)
			rc = -ENOMEM;
		else if (!claim(&to->used[part.index], mask))
			rc = -EEXIST;
		if (rc) {
			last = round_down(pfn, 64);
			break;
		}
		set_bits(&to->head[part.index], from->head[part.index] & mask);
		atomic_long_add(hweight64(mask), &map->nr_frames);
	}
	up_write(&map->sem);
	if (rc && rc != -EBUSY) {
		/* Undo the part that was done: all frames below last. */
		for (pfn = kho_map_next_used(other, 0, last); pfn < last;
		     pfn = kho_map_next_used(other, end, last)) {
			end = kho_map_next_free(other, pfn, last);
			kho_map_del(map, pfn, end - pfn);
		}
		if (!atomic_long_read(&map->nr_frames))
			kho_map_trim(map);
	}
	return rc;
}

/**
 * kho_map_unmerge - undo kho_map_merge()
 * @map: the map that was added to
 * @other: unchanged since then
 */
void kho_map_unmerge(struct kho_map *map, const struct kho_map *other)
{
	const unsigned long last = 1UL << KHO_MAP_PFN_BITS;
	unsigned long pfn, end;

	for (pfn = kho_map_next_used(other, 0, last); pfn < last;
	     pfn = kho_map_next_used(other, end, last)) {
		end = kho_map_next_free(other, pfn, last);
		kho_map_del(map, pfn, end - pfn);
	}
}

static int mark_node(struct kho_map *map, void *node, int level, void *arg)
{
	unsigned long pfn = virt_to_phys(node) >> PAGE_SHIFT;
	bool *changed = arg;
	int rc;

	rc = map_set(map, pfn, 1, 0);
	if (rc == -EEXIST)
		return 0;
	*changed = true;
	return rc;
}

static int unmark_node(struct kho_map *map, void *node, int level, void *arg)
{
	unsigned long pfn = virt_to_phys(node) >> PAGE_SHIFT;

	if (map_covers(map, pfn, 1))
		map_clear(map, pfn, 1);
	return 0;
}

/**
 * kho_map_seal - make a map immutable and complete
 * @map: the map
 *
 * Marks the map's own nodes in it, which may take further nodes.
 *
 * Return: 0 or -ENOMEM, and nothing was changed.
 */
int kho_map_seal(struct kho_map *map)
{
	static const struct node_walk undo = { .fn = unmark_node };
	bool changed;
	int rc;

	down_write(&map->sem);
	/*
	 * Marking a node may need a node, which has to be marked in its turn.
	 * Ends because each round that changes something adds a leaf.
	 */
	do {
		struct node_walk walk = { .fn = mark_node, .arg = &changed };

		changed = false;
		rc = map_walk(map, &walk);
	} while (changed && !rc);
	if (rc)
		map_walk(map, &undo);
	else
		map->sealed = true;
	up_write(&map->sem);
	return rc;
}

/**
 * kho_map_unseal - undo kho_map_seal()
 * @map: the map
 */
void kho_map_unseal(struct kho_map *map)
{
	static const struct node_walk walk = { .fn = unmark_node };

	down_write(&map->sem);
	if (map->sealed) {
		map_walk(map, &walk);
		map->sealed = false;
	}
	up_write(&map->sem);
}

static int add_node(struct kho_map *map, void *node, int level, void *arg)
{
	return kho_map_add(arg, virt_to_phys(node) >> PAGE_SHIFT, 1, 0);
}

/**
 * kho_map_add_nodes - mark the nodes of another map
 * @map: an unsealed map
 * @other: its nodes; the caller holds its sem
 *
 * Return: as kho_map_add(); on error, some are marked
 */
int kho_map_add_nodes(struct kho_map *map, struct kho_map *other)
{
	struct node_walk walk = { .fn = add_node, .arg = map };

	return map_walk(other, &walk);
}

static int sum_node(struct kho_map *map, void *node, int level, void *arg)
{
	u64 *sum = arg;

	*sum = kho_checksum(*sum, node, sizeof(struct kho_node_ser));
	return 0;
}

/**
 * kho_map_checksum - checksum of all nodes, each before its children
 * @map: the map, sealed
 */
__u64 kho_map_checksum(const struct kho_map *map)
{
	u64 sum = 0;
	struct node_walk walk = { .fn = sum_node, .arg = &sum };

	map_walk((struct kho_map *)map, &walk);
	return sum;
}

struct adoption {
	bool (*readable)(phys_addr_t pa);
	u64 nodes_left;
	u64 sum;
	u64 nr_used;
};

/* A head that is not used would be taken for a fragment. */
static int check_leaf(const struct kho_leaf_ser *leaf,
		      struct adoption *adoption)
{
	unsigned int i;

	for (i = 0; i < KHO_LEAF_WORDS; i++) {
		if (leaf->head[i] & ~leaf->used[i])
			return -EINVAL;
		if (leaf->used[i])
			adoption->nr_used += hweight64(leaf->used[i]);
	}
	return 0;
}

/* Checks a node before its slots are followed. */
static int check_node(struct kho_map *map, void *node, int level, void *arg)
{
	struct kho_node_ser *inner = node;
	struct adoption *adoption = arg;
	unsigned int i;

	/* A damaged slot that closes a cycle ends here. */
	if (!adoption->nodes_left--)
		return -EINVAL;
	adoption->sum = kho_checksum(adoption->sum, node, sizeof(*inner));
	for (i = 0; level && i < KHO_NODE_SLOTS; i++) {
		u64 pa = inner->slot_pa[i];

		if (pa && (!PAGE_ALIGNED(pa) || !adoption->readable(pa)))
			return -EINVAL;
	}
	return level ? 0 : check_leaf(node, adoption);
}

/* A node that is not marked would be given away as free memory. */
static int check_marked(struct kho_map *map, void *node, int level, void *arg)
{
	return map_covers(map, virt_to_phys(node) >> PAGE_SHIFT, 1) ? 0 : -EINVAL;
}

/**
 * kho_map_adopt - take over a map that another kernel has sealed
 * @map: an empty map; holds the other's frames and nodes on success
 * @header: checked with kho_header_ok()
 * @readable: is there RAM at this page's physical address?
 *
 * Takes no lock: runs in early boot.
 *
 * Return: 0 or -EINVAL, and @map is empty
 */
int kho_map_adopt(struct kho_map *map, const struct kho_header_ser *header,
		  bool (*readable)(phys_addr_t pa))
{
	struct adoption adoption = {
		.readable = readable,
		.nodes_left = header->nr_nodes,
	};
	struct node_walk walk = { .fn = check_node, .arg = &adoption };
	static const struct node_walk marks = { .fn = check_marked };

	if (!header->map_root_pa)
		return header->nr_nodes || header->nr_frames ? -EINVAL : 0;
	if (!readable(header->map_root_pa))
		return -EINVAL;

	map->root = phys_to_virt(header->map_root_pa);
	if (map_walk(map, &walk) || adoption.nodes_left ||
	    adoption.sum != header->map_checksum ||
	    adoption.nr_used != header->nr_frames + header->nr_nodes ||
	    map_walk(map, &marks)) {
		map->root = NULL;
		return -EINVAL;
	}
	atomic_long_set(&map->nr_frames, header->nr_frames);
	atomic_long_set(&map->nr_nodes, header->nr_nodes);
	map->sealed = true;
	return 0;
}

struct withdrawal {
	unsigned long pfn;
	unsigned long end;
	void *(*move)(void);
	long nr_moved;
};

/* A copy of the node at *@pa if that lies in the extent: *@pa is its new place. */
static int move_node(struct kho_map *map, __u64 *pa, struct withdrawal *out)
{
	unsigned long pfn = *pa >> PAGE_SHIFT;
	void *copy;

	if (pfn < out->pfn || pfn >= out->end)
		return 0;
	copy = out->move();
	if (!copy)
		return -ENOMEM;
	memcpy(copy, phys_to_virt(*pa), sizeof(struct kho_node_ser));
	*pa = virt_to_phys(copy);
	/* One that was moved before is not marked. */
	out->nr_moved += map_covers(map, pfn, 1);
	return 0;
}

static int move_children(struct kho_map *map, void *node, int level, void *arg)
{
	struct kho_node_ser *inner = node;
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && level && i < KHO_NODE_SLOTS; i++)
		if (inner->slot_pa[i])
			rc = move_node(map, &inner->slot_pa[i], arg);
	return rc;
}

static bool is_tail(const struct kho_map *map, unsigned long pfn)
{
	const struct kho_leaf_ser *leaf = pfn >> KHO_MAP_PFN_BITS ?
					  NULL : map_leaf(map, pfn);
	unsigned int i = pfn % KHO_LEAF_FRAMES / 64;

	return leaf && leaf->used[i] & ~leaf->head[i] & BIT_ULL(pfn % 64);
}

/**
 * kho_map_withdraw - take out what lies in an extent that somebody else has
 * @map: the map, just adopted
 * @first: first frame of the extent; out: of the first unit that reached into it
 * @last: its end, exclusive; out: of the last such unit
 * @move: gets a page, of which nobody else knows, for a node that lies there
 *
 * A unit of which a part lies in the extent goes as a whole: it could not be
 * restored. Nodes are moved, and are not marked at their new place. Costs a walk
 * of the nodes if there is anything to take out, and next to nothing else.
 *
 * Takes no lock: runs in early boot.
 *
 * Return: number of frames that were preserved and are not any more, nodes not
 * counted; or -ENOMEM when there is no page for a node: then the extent is in use
 * by the map, which must not be used any more
 */
long kho_map_withdraw(struct kho_map *map, unsigned long *first,
		      unsigned long *last, void *(*move)(void))
{
	struct withdrawal out = { .pfn = *first, .end = *last, .move = move };
	struct node_walk walk = { .fn = move_children, .arg = &out };
	unsigned long pfn = *first, end = *last;
	unsigned long used, free;
	__u64 root_pa;
	long nr;
	int rc;

	if (kho_map_next_used(map, pfn, end) == end)
		return 0;
	root_pa = virt_to_phys(map->root);
	rc = move_node(map, &root_pa, &out);
	if (!rc) {
		map->root = phys_to_virt(root_pa);
		rc = map_walk(map, &walk);
	}
	if (rc)
		return rc;

	while (is_tail(map, pfn))
		pfn--;
	while (is_tail(map, end))
		end++;
	nr = -out.nr_moved;
	for (used = kho_map_next_used(map, pfn, end); used < end;
	     used = kho_map_next_used(map, free, end)) {
		free = kho_map_next_free(map, used, end);
		map_clear(map, used, free - used);
		nr += free - used;
	}
	atomic_long_sub(nr, &map->nr_frames);
	*first = pfn;
	*last = end;
	return nr;
}

struct disowning {
	void (*node)(struct kho_map *map, void *va);
};

static int disown_node(struct kho_map *map, void *node, int level, void *arg)
{
	struct disowning *disowning = arg;

	disowning->node(map, node);
	return unmark_node(map, node, level, NULL);
}

/**
 * kho_map_disown - make an adopted map an ordinary, unsealed one
 * @map: the map
 * @node: called for each node, which is ordinary memory from then on
 */
void kho_map_disown(struct kho_map *map,
		    void (*node)(struct kho_map *map, void *va))
{
	struct disowning disowning = { .node = node };
	struct node_walk walk = { .fn = disown_node, .arg = &disowning };

	down_write(&map->sem);
	map_walk(map, &walk);
	map->sealed = false;
	up_write(&map->sem);
}
