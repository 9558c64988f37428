// SPDX-License-Identifier: GPL-2.0-only
/*
 * Struct pages that nobody needs to wait for when a kernel was started by a kexec that hands over.
 *
 * Deferred initialisation (mm_init.c) leaves most struct pages to threads, but waits for these
 * before anything else goes on, and the wait grows with the memory. Here nobody waits.
 *
 * Life cycle: late_memmap_leave() leaves out the struct pages of the memory map's own memory, of
 * which there are the more the more memory there is, and late_memmap_leave_low() those of the zone
 * below 4 GiB, where deferred initialisation leaves none. late_memmap_begin() notes all frames that
 * are left, and how many of them are free. A chunk of the largest order goes two steps. First its
 * struct pages are initialised: by late_memmap_ensure() at once for whoever comes with the number
 * of a frame, for which pfn_to_online_page() is the place. Then its frames are given to the page
 * allocator, but for those that were handed over: by threads that run when nothing else does; by
 * the allocator when its lists are empty; and by late_memmap_settle() before anything of the chunk
 * that was handed over is given back, as nobody could tell afterwards. late_memmap_finish() does
 * all that is left: before memory is plugged, before the map that was handed over goes, before the
 * next handover is activated. When it is over, a static key removes all of it.
 *
 * The allocator looks at no frame outside of a chunk when it merges what is freed there, so none of
 * a chunk may be freed before the chunk is given. What memblock has reserved may be freed by
 * anybody, at any time: chunks with a reserved frame are given at the beginning.
 *
 * Frames that wait count as free and as managed from the beginning, so nothing that looks at these
 * numbers has to be told later: MemTotal, MemFree, watermarks, limits that are derived from them.
 * How many there are in one of several nodes is an estimate, which is mended at the end.
 *
 * Locks: whoever moves the state of a chunk to one of those that end in -ing does the step, with
 * interrupts off until it is done, so others can wait for him anywhere but in an NMI, and he never
 * waits for himself. The first step takes no lock. The second takes that of the zone.
 * end_mutex is for the end. The arrays of a node are freed after a grace period.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/kho.h>
#include <linux/kstrtox.h>
#include <linux/kthread.h>
#include <linux/late_memmap.h>
#include <linux/math.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/topology.h>
#include <linux/vmstat.h>
#include <linux/wait_bit.h>
#include <uapi/linux/sched/types.h>

#include "internal.h"

#define CHUNK		MAX_ORDER_NR_PAGES

/* What the allocator asks for at once, when its lists are empty */
#define GROW		PHYS_PFN(SZ_16M)

/* Of a node, one for so many processors */
#define CPUS_PER_THREAD	8
#define THREADS_MAX	8

/* Of a chunk, in this order */
enum late_state {
	LATE_UNTOUCHED,
	LATE_INITIALISING,
	LATE_INITIALISED,
	LATE_GIVING,
	LATE_GIVEN,
};

struct late_range {
	unsigned long start, end;
	bool reserved;			/* the memory map itself: nothing to give */
};

/* Of a node, or of its low zone */
struct late_node {
	struct zone *zone;
	unsigned long first;		/* frame that is left */
	unsigned long start;		/* the first frame of chunk 0 */
	unsigned long nr_chunks;
	u8 *states;			/* of the chunks, enum late_state */
	struct late_range *ranges;	/* frames that are left, in order */
	unsigned int nr_ranges;
	unsigned long nr_frames;	/* in them */
	atomic_long_t credit;		/* of them count as free, and are not yet */
	atomic_long_t left;		/* chunks not given, for whoever watches */
	atomic_long_t next;		/* chunk that a thread takes next, */
	atomic_long_t next_grow;	/* and the allocator */
};

DEFINE_STATIC_KEY_FALSE(late_memmap_key);
EXPORT_SYMBOL_GPL(late_memmap_key);

/* It has begun, and may be over. */
static bool begun __ro_after_init;

/* The low zone, of the only node that has one left, is before its node. */
static struct late_node *nodes[MAX_NUMNODES + 1];
static unsigned int nr_nodes;
static atomic_t nr_threads;
static DEFINE_MUTEX(end_mutex);
static unsigned long begin_jiffies;
static bool wanted __meminitdata = true;

/* Of the memory map, see late_memmap_leave(); and what became of that */
struct left_range {
	unsigned long start, end;
	int nid;
};

static struct left_range left[64] __initdata, left_parts[128] __initdata;
static unsigned int nr_left __initdata, nr_left_parts __initdata;

/* Of the zone below 4 GiB, see late_memmap_leave_low() */
static struct left_range low __meminitdata;

static bool only_on_demand __initdata;

static int __init late_memmap_param(char *arg)
{
	only_on_demand = arg && !strcmp(arg, "demand");
	return only_on_demand ? 0 : kstrtobool(arg, &wanted);
}
early_param("kho_late_memmap", late_memmap_param);

/* These are free in the page allocator from now on, or never will be. */
static void take_credit(struct late_node *node, long nr)
{
	atomic_long_sub(nr, &node->credit);
	atomic_long_sub(nr, &node->zone->managed_pages);
	mod_zone_page_state(node->zone, NR_FREE_PAGES, -nr);
}

/* The range with @pfn, or else the next one; nr_ranges when there is none */
static unsigned int find_range(const struct late_node *node, unsigned long pfn)
{
	unsigned int low = 0, high = node->nr_ranges;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (node->ranges[middle].end <= pfn)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The next frames that are left in chunk @nr, behind those of @part, which is 0 at first */
static bool next_part(const struct late_node *node, unsigned long nr,
		      struct late_range *part)
{
	unsigned long start = node->start + nr * CHUNK, end = start + CHUNK;
	unsigned long from = max(start, part->end);
	unsigned int i = find_range(node, from);
	const struct late_range *range = &node->ranges[i];

	if (i == node->nr_ranges || from >= end || range->start >= end)
		return false;
	part->start = max(range->start, from);
	part->end = min(range->end, end);
	part->reserved = range->reserved;
	return true;
}

static void init_frames(const struct late_node *node, unsigned long nr)
{
	int zid = zone_idx(node->zone), nid = zone_to_nid(node->zone);
	struct late_range part = {};
	unsigned long pfn;

	while (next_part(node, nr, &part)) {
		for (pfn = part.start; pfn < part.end; pfn++) {
			__init_single_page(pfn_to_page(pfn), pfn, zid, nid);
			if (part.reserved)
				SetPageReserved(pfn_to_page(pfn));
		}
	}
}

static unsigned long give_frames(struct late_node *node, unsigned long nr)
{
	unsigned long pfn, end, given = 0;
	struct late_range part = {};

	while (next_part(node, nr, &part)) {
		if (part.reserved)
			continue;
		for_each_kho_free_range(pfn, end, part.start, part.end) {
			take_credit(node, end - pfn);
			deferred_free_pages(pfn, end - pfn);
			given += end - pfn;
		}
	}
	return given;
}

/* Is there anything for the allocator? What was handed over can wait for a thread. */
static bool has_free(const struct late_node *node, unsigned long nr)
{
	struct late_range part = {};

	while (next_part(node, nr, &part))
		if (!part.reserved && kho_has_free_range(part.start, part.end))
			return true;
	return false;
}

static enum late_state chunk_state(const struct late_node *node, unsigned long nr)
{
	/* Whoever sees a state sees what was done before it. */
	return smp_load_acquire(&node->states[nr]);
}

static bool claim_chunk(struct late_node *node, unsigned long nr,
			enum late_state from, enum late_state to)
{
	return chunk_state(node, nr) == from &&
	       cmpxchg(&node->states[nr], from, to) == from;
}

/* Another processor does it, with interrupts off. */
static void wait_while(const struct late_node *node, unsigned long nr,
		       enum late_state state)
{
	while (chunk_state(node, nr) == state)
		cpu_relax();
}

static void init_chunk(struct late_node *node, unsigned long nr)
{
	unsigned long flags;

	local_irq_save(flags);
	if (claim_chunk(node, nr, LATE_UNTOUCHED, LATE_INITIALISING)) {
		init_frames(node, nr);
		/* (of which chunk_state() is the other side) */
		smp_store_release(&node->states[nr], LATE_INITIALISED);
	}
	local_irq_restore(flags);
	wait_while(node, nr, LATE_INITIALISING);
}

/* How many frames it has given; nothing if somebody else does it, or has */
static unsigned long give_chunk(struct late_node *node, unsigned long nr)
{
	unsigned long flags, given = 0;

	init_chunk(node, nr);
	local_irq_save(flags);
	if (claim_chunk(node, nr, LATE_INITIALISED, LATE_GIVING)) {
		given = give_frames(node, nr);
		/* (as above) */
		smp_store_release(&node->states[nr], LATE_GIVEN);
		atomic_long_dec(&node->left);
	}
	local_irq_restore(flags);
	return given;
}

static void settle_chunk(struct late_node *node, unsigned long nr)
{
	give_chunk(node, nr);
	wait_while(node, nr, LATE_GIVING);
}

/* Chunks of @node with a frame from @pfn to @end; false when there are none */
static bool find_chunks(const struct late_node *node, unsigned long pfn,
			unsigned long end, unsigned long *first, unsigned long *last)
{
	unsigned long node_end = node->start + node->nr_chunks * CHUNK;

	pfn = max(pfn, node->start);
	end = min(end, node_end);
	if (pfn >= end)
		return false;
	*first = (pfn - node->start) / CHUNK;
	*last = (end - 1 - node->start) / CHUNK;
	return true;
}

void __late_memmap_ensure(unsigned long pfn)
{
	unsigned long nr, last;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < READ_ONCE(nr_nodes); i++)
		if (find_chunks(nodes[i], pfn, pfn + 1, &nr, &last))
			init_chunk(nodes[i], nr);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(__late_memmap_ensure);

/**
 * late_memmap_settle - have the free frames around some others given to the page allocator
 * @pfn: the first of them, of any kind
 * @nr_frames: how many
 *
 * For whoever is about to free frames that did not come from the page allocator, or to let the map
 * forget that they were handed over.
 *
 * Context: any but NMI; no lock of a zone is held
 */
void late_memmap_settle(unsigned long pfn, unsigned long nr_frames)
{
	unsigned long nr, last;
	unsigned int i;

	if (!late_memmap_is_under_way())
		return;
	rcu_read_lock();
	for (i = 0; i < READ_ONCE(nr_nodes); i++)
		if (find_chunks(nodes[i], pfn, pfn + nr_frames, &nr, &last))
			for (; nr <= last; nr++)
				settle_chunk(nodes[i], nr);
	rcu_read_unlock();
}

/**
 * late_memmap_grow - give the page allocator some of the frames that wait
 * @zone: whose lists are empty
 *
 * Context: any from which memory can be allocated
 * Return: were there any?
 */
bool late_memmap_grow(struct zone *zone)
{
	unsigned long nr, given = 0;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < READ_ONCE(nr_nodes); i++) {
		struct late_node *node = nodes[i];

		while (node->zone == zone && given < GROW) {
			nr = atomic_long_fetch_inc(&node->next_grow);
			if (nr >= node->nr_chunks) {
				atomic_long_set(&node->next_grow, node->nr_chunks);
				break;
			}
			if (chunk_state(node, nr) < LATE_GIVING && has_free(node, nr))
				given += give_chunk(node, nr);
		}
	}
	rcu_read_unlock();
	return given;
}

/**
 * late_memmap_has_begun - is the page allocator to come here from now on?
 *
 * True also when it is over. The initialisation of mm_init.c may be gone then.
 */
bool late_memmap_has_begun(void)
{
	return begun;
}

/* How many frames are in chunks that are left, for whoever watches */
unsigned long late_memmap_pages(void)
{
	unsigned long sum = 0;
	unsigned int i;

	if (!late_memmap_is_under_way())
		return 0;
	rcu_read_lock();
	for (i = 0; i < READ_ONCE(nr_nodes); i++)
		sum += atomic_long_read(&nodes[i]->left) * CHUNK;
	rcu_read_unlock();
	return sum;
}

static void free_node(struct late_node *node)
{
	if (!node)
		return;
	kvfree(node->states);
	kvfree(node->ranges);
	kfree(node);
}

/* All is given, and end_mutex is held. */
static void end(void)
{
	unsigned int i, nr = nr_nodes;
	unsigned long sum = 0;
	struct zone *zone;

	lockdep_assert_held(&end_mutex);
	for (i = 0; i < nr; i++) {
		/* (what the estimate was wrong by) */
		take_credit(nodes[i], atomic_long_read(&nodes[i]->credit));
		sum += nodes[i]->nr_frames;
	}
	static_branch_disable(&deferred_pages);
	static_branch_disable(&late_memmap_key);
	WRITE_ONCE(nr_nodes, 0);
	synchronize_rcu();
	for (i = 0; i < nr; i++)
		free_node(nodes[i]);
	for_each_populated_zone(zone)
		set_zone_contiguous(zone);
	pr_info("struct pages of %lu MiB initialised late, within %u ms\n",
		sum >> (20 - PAGE_SHIFT),
		jiffies_to_msecs(jiffies - begin_jiffies));
	wake_up_var(&nr_nodes);
}

/**
 * late_memmap_rush - initialise all struct pages that are left, before the OOM killer comes
 *
 * Context: any but NMI; takes long, without a look at the scheduler
 */
void late_memmap_rush(void)
{
	unsigned long nr;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < READ_ONCE(nr_nodes); i++)
		for (nr = 0; nr < nodes[i]->nr_chunks; nr++)
			settle_chunk(nodes[i], nr);
	rcu_read_unlock();
}

/**
 * late_memmap_finish - initialise all struct pages that are left, and that is over
 *
 * For whoever needs all of memory, or takes away what was handed over.
 *
 * Context: may sleep; no lock of memory hotplug or of processors is held
 */
void late_memmap_finish(void)
{
	unsigned long nr;
	unsigned int i;

	if (!late_memmap_is_under_way())
		return;
	mutex_lock(&end_mutex);
	for (i = 0; i < nr_nodes; i++) {
		for (nr = 0; nr < nodes[i]->nr_chunks; nr++) {
			settle_chunk(nodes[i], nr);
			cond_resched();
		}
	}
	if (nr_nodes)
		end();
	mutex_unlock(&end_mutex);
}

/**
 * late_memmap_wait - wait until all struct pages are initialised, without haste
 *
 * It may take hours on a machine that is never idle, which is not to look like a hang.
 *
 * Context: a kernel thread, may sleep
 */
void late_memmap_wait(void)
{
	wait_var_event_interruptible(&nr_nodes, !READ_ONCE(nr_nodes));
}

/* False when there is no chunk left for a thread, or nothing at all any more */
static bool do_next_chunk(struct late_node *node)
{
	unsigned long nr;
	bool more;

	/* (the node is there while there are any) */
	rcu_read_lock();
	more = READ_ONCE(nr_nodes);
	if (more) {
		nr = atomic_long_fetch_inc(&node->next);
		more = nr < node->nr_chunks;
		if (more)
			give_chunk(node, nr);
	}
	rcu_read_unlock();
	return more;
}

static int run_thread(void *data)
{
	while (do_next_chunk(data))
		cond_resched();
	/* The last thread of all nodes ends it, and somebody may wait for that. */
	sched_set_normal(current, 0);
	if (!atomic_dec_return(&nr_threads))
		late_memmap_finish();
	return 0;
}

static void __init start_threads(struct late_node *node)
{
	static const struct sched_param param;
	int nid = zone_to_nid(node->zone);
	const struct cpumask *cpus = cpumask_of_node(nid);
	unsigned int nr = clamp(cpumask_weight(cpus) / CPUS_PER_THREAD, 1U,
				(unsigned int)THREADS_MAX);
	struct task_struct *task;

	while (nr--) {
		task = kthread_create_on_node(run_thread, node, nid,
					      "late_memmap%d", nid);
		if (IS_ERR(task))
			break;
		atomic_inc(&nr_threads);
		sched_setscheduler_nocheck(task, SCHED_IDLE, &param);
		if (!cpumask_empty(cpus))
			set_cpus_allowed_ptr(task, cpus);
		wake_up_process(task);
	}
}

static int __init alloc_arrays(struct late_node *node, unsigned int nr_ranges)
{
	node->states = kvzalloc(node->nr_chunks, GFP_KERNEL);
	node->ranges = kvmalloc_array(nr_ranges, sizeof(*node->ranges), GFP_KERNEL);
	return node->states && node->ranges ? 0 : -ENOMEM;
}

static void __init note_range(struct late_node *node, unsigned long start,
			      unsigned long end, bool reserved)
{
	struct late_range *range = &node->ranges[node->nr_ranges];

	start = max(start, node->first);
	end = min(end, zone_end_pfn(node->zone));
	if (start >= end)
		return;
	range->start = start;
	range->end = end;
	range->reserved = reserved;
	node->nr_ranges++;
	if (!reserved)
		node->nr_frames += end - start;
}

static void __init init_left(const struct left_range *part)
{
	reserve_bootmem_region(PFN_PHYS(part->start), PFN_PHYS(part->end), part->nid);
}

/* What memblock has taken back since then of what was left is not left. */
static void __init find_left_parts(void)
{
	struct memblock_region *region;
	struct left_range part;
	unsigned int i;

	for_each_reserved_mem_region(region) {
		part.nid = memblock_get_region_node(region);
		for (i = 0; i < nr_left && memblock_is_reserved_noinit(region); i++) {
			part.start = max(left[i].start, PFN_DOWN(region->base));
			part.end = min(left[i].end, PFN_DOWN(region->base + region->size));
			if (part.start >= part.end)
				continue;
			if (nr_left_parts < ARRAY_SIZE(left_parts))
				left_parts[nr_left_parts++] = part;
			else
				init_left(&part);
		}
	}
}

static unsigned int __init count_ranges(int nid)
{
	unsigned int nr_ranges = nr_left_parts;
	phys_addr_t start, end;
	u64 i;

	for_each_free_mem_range(i, nid, MEMBLOCK_NONE, &start, &end, NULL)
		nr_ranges++;
	return nr_ranges;
}

static int __init compare_ranges(const void *a, const void *b)
{
	const struct late_range *one = a, *other = b;

	return one->start < other->start ? -1 : 1;
}

static void __init note_ranges(struct late_node *node)
{
	const struct left_range *part = left_parts;
	int nid = zone_to_nid(node->zone);
	phys_addr_t start, end;
	u64 i;

	for_each_free_mem_range(i, nid, MEMBLOCK_NONE, &start, &end, NULL)
		note_range(node, PFN_UP(start), PFN_DOWN(end), false);
	for (; part < left_parts + nr_left_parts; part++)
		if (part->nid == nid)
			note_range(node, part->start, part->end, true);
	sort(node->ranges, node->nr_ranges, sizeof(*node->ranges),
	     compare_ranges, NULL);
}

/* The frames of a zone from *@first on, which is over then for whoever else takes from there */
static void __init take_zone(struct zone *zone, unsigned long *first,
			     unsigned long none)
{
	pg_data_t *pgdat = zone->zone_pgdat;
	struct late_node *node;
	unsigned long flags;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return;
	node->zone = zone;
	node->start = round_down(*first, CHUNK);
	node->nr_chunks = DIV_ROUND_UP(zone_end_pfn(zone) - node->start, CHUNK);
	atomic_long_set(&node->left, node->nr_chunks);
	if (alloc_arrays(node, count_ranges(zone_to_nid(zone)))) {
		free_node(node);
		return;
	}

	/* The allocator may have taken more meanwhile, and does not from now on. */
	pgdat_resize_lock(pgdat, &flags);
	node->first = *first;
	*first = none;
	note_ranges(node);
	pgdat_resize_unlock(pgdat, &flags);
	nodes[nr_nodes++] = node;
}

/* What is not taken is initialised as ever. */
static void __init take_node(int nid)
{
	pg_data_t *pgdat = NODE_DATA(nid);
	struct zone *zone = &pgdat->node_zones[ZONE_DMA32];

	if (late_memmap_is_low(low.start) && low.nid == nid) {
		take_zone(zone, &low.start, low.end);
		while (late_memmap_grow_early(zone))
			;	/* (nothing else would) */
	}
	/* Deferred initialisation defers only the highest zone of a node. */
	if (pgdat->first_deferred_pfn != ULONG_MAX)
		take_zone(pgdat->node_zones + pgdat->nr_zones - 1,
			  &pgdat->first_deferred_pfn, ULONG_MAX);
}

/* What late_memmap_leave() has left and no node has taken */
static void __init init_left_part(struct left_range part)
{
	const struct late_node *node;
	struct left_range before;
	unsigned int i;

	for (i = 0; i < nr_nodes; i++) {
		node = nodes[i];
		if (zone_to_nid(node->zone) != part.nid)
			continue;
		before = part;
		before.end = min(part.end, node->first);
		if (before.start < before.end)
			init_left(&before);
		part.start = max(part.start, zone_end_pfn(node->zone));
	}
	if (part.start < part.end)
		init_left(&part);
}

/* What memblock has given away and the page allocator does not have yet */
static void __init give_credit(void)
{
	long sum = totalram_pages(), frames = 0, credit;
	struct zone *zone;
	unsigned int i;

	for_each_populated_zone(zone)
		sum -= zone_managed_pages(zone);
	for (i = 0; i < nr_nodes; i++)
		frames += nodes[i]->nr_frames;
	for (i = 0; i < nr_nodes && frames; i++) {
		credit = mult_frac(clamp(sum, 0, frames),
				   (long)nodes[i]->nr_frames, frames);
		take_credit(nodes[i], -credit);
	}
}

/* Chunks that are not free as a whole: somebody may free the rest at any time. */
static void __init for_partial_chunks(void (*fn)(struct late_node *node,
						 unsigned long nr))
{
	const struct late_range *range;
	struct late_node *node;
	unsigned int i, j;

	for (i = 0; i < nr_nodes; i++) {
		node = nodes[i];
		for (j = 0; j < node->nr_ranges; j++) {
			range = &node->ranges[j];
			if (!IS_ALIGNED(range->start, CHUNK))
				fn(node, (range->start - node->start) / CHUNK);
			if (!IS_ALIGNED(range->end, CHUNK))
				fn(node, (range->end - node->start) / CHUNK);
		}
	}
}

static int before_hibernation(struct notifier_block *nb, unsigned long action,
			      void *unused)
{
	if (action == PM_HIBERNATION_PREPARE)
		late_memmap_finish();
	return NOTIFY_OK;
}

static struct notifier_block pm_notifier = {
	.notifier_call = before_hibernation,
};

/**
 * late_memmap_leave - leave the struct pages of the memory map's own memory for later
 * @map: where it is, from memblock; or NULL
 * @size: its bytes; a part may be given back to memblock yet
 *
 * Does nothing in a kernel in which late_memmap_begin() does nothing, and in one that can take
 * memory out: that makes notes in these struct pages while it boots. (What comes from such a buffer
 * is mapped in blocks of a PMD, which is where hugetlb_vmemmap.c asks before it takes one apart.)
 *
 * Context: memblock is there, and has not given away its memory
 */
void __init late_memmap_leave(const void *map, unsigned long size)
{
	struct left_range *range = &left[nr_left];
	unsigned long start, end;

	if (!map || !wanted || !is_kho_boot() || nr_left == ARRAY_SIZE(left) ||
	    IS_ENABLED(CONFIG_HAVE_BOOTMEM_INFO_NODE))
		return;
	/* Others of a chunk may be freed early, and the allocator looks at all of it then. */
	start = round_up(PHYS_PFN(__pa(map)), CHUNK);
	end = round_down(PHYS_PFN(__pa(map) + size), CHUNK);
	if (start >= end ||
	    memblock_reserved_mark_noinit(PFN_PHYS(start), PFN_PHYS(end - start)))
		return;
	range->start = start;
	range->end = end;
	nr_left++;
}

/**
 * late_memmap_is_left - did late_memmap_leave() leave this?
 * @phys: an address in it
 */
bool __init late_memmap_is_left(phys_addr_t phys)
{
	unsigned int i;

	for (i = 0; i < nr_left; i++)
		if (PHYS_PFN(phys) >= left[i].start && PHYS_PFN(phys) < left[i].end)
			return true;
	return false;
}

/**
 * late_memmap_leave_low - may the rest of a zone that is not its node's highest wait?
 * @nid: the node
 * @pfn: the first frame of the rest
 * @end_pfn: the end of the zone
 *
 * That of the zone below 4 GiB may, but for its first section.
 *
 * Context: the memory map is being initialised, in the order of frames
 */
bool __meminit late_memmap_leave_low(int nid, unsigned long pfn, unsigned long end_pfn)
{
	pg_data_t *pgdat = NODE_DATA(nid);
	struct zone *zone = &pgdat->node_zones[ZONE_DMA32];

	if (low.end)
		return low.nid == nid && low.end == end_pfn && pfn >= low.start;
	if (!wanted || !is_kho_boot() || pgdat->nr_zones - 1 != ZONE_NORMAL ||
	    end_pfn != zone_end_pfn(zone) || pfn == zone->zone_start_pfn ||
	    !IS_ALIGNED(pfn, PAGES_PER_SECTION))
		return false;
	low.start = pfn;
	low.end = end_pfn;
	low.nid = nid;
	return true;
}

/**
 * late_memmap_is_low - is a frame in what late_memmap_leave_low() has left, and is it still?
 * @pfn: the frame
 */
bool __meminit late_memmap_is_low(unsigned long pfn)
{
	return pfn >= low.start && pfn < low.end;
}

/* The next chunk of the low zone, with the lock of the node's size */
static unsigned long __init grow_low(struct zone *zone)
{
	unsigned long start = low.start, end = min(start + CHUNK, low.end);
	unsigned long pfn, from, to, part, part_end, nr = 0;
	phys_addr_t base, limit;
	u64 i;

	low.start = end;
	for_each_free_mem_range(i, low.nid, MEMBLOCK_NONE, &base, &limit, NULL) {
		from = max(PFN_UP(base), start);
		to = min(PFN_DOWN(limit), end);
		for (pfn = from; pfn < to; pfn++)
			__init_single_page(pfn_to_page(pfn), pfn, zone_idx(zone), low.nid);
	}
	/* (a page that is freed looks at others of the chunk) */
	for_each_free_mem_range(i, low.nid, MEMBLOCK_NONE, &base, &limit, NULL) {
		from = max(PFN_UP(base), start);
		to = min(PFN_DOWN(limit), end);
		for_each_kho_free_range(part, part_end, from, to) {
			deferred_free_pages(part, part_end - part);
			nr += part_end - part;
		}
	}
	return nr;
}

/**
 * late_memmap_grow_early - what late_memmap_grow() does, before late_memmap_begin()
 * @zone: whose lists are empty
 *
 * Context: any from which memory can be allocated
 * Return: were there any frames?
 */
bool __init late_memmap_grow_early(struct zone *zone)
{
	unsigned long flags, nr = 0;

	if (zone_idx(zone) != ZONE_DMA32 || zone_to_nid(zone) != low.nid)
		return false;
	pgdat_resize_lock(zone->zone_pgdat, &flags);
	while (low.start < low.end && nr < GROW)
		nr += grow_low(zone);
	pgdat_resize_unlock(zone->zone_pgdat, &flags);
	return nr;
}

/**
 * late_memmap_begin - take the struct pages that are not initialised yet
 *
 * Does nothing in a kernel to which nothing was handed over, or with kho_late_memmap=off.
 *
 * Context: before the threads of deferred initialisation start, which find nothing then, and while
 * memblock is there
 */
void __init late_memmap_begin(void)
{
	unsigned int i;
	int nid;

	if (!wanted || !is_kho_boot())
		return;
	begin_jiffies = jiffies;
	find_left_parts();
	for_each_node_state(nid, N_MEMORY)
		take_node(nid);
	for (i = 0; i < nr_left_parts; i++)
		init_left_part(left_parts[i]);
	if (!nr_nodes)
		return;
	give_credit();
	/* (a chunk may be shared by two nodes) */
	for_partial_chunks(init_chunk);
	for_partial_chunks(settle_chunk);
	begun = true;
	static_branch_enable(&late_memmap_key);
	register_pm_notifier(&pm_notifier);
	if (only_on_demand)
		return;
	/* (none ends it before all have been started) */
	atomic_set(&nr_threads, 1);
	for (i = 0; i < nr_nodes; i++)
		start_threads(nodes[i]);
	if (atomic_dec_and_test(&nr_threads))
		late_memmap_finish();
}
