// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fragments: free frames that share a word of the map with preserved ones.
 *
 * Giving each of them to the page allocator would make early boot the longer the
 * more scattered the preserved memory is. So early boot frees whole words only,
 * and marks the rest in the map. The fragments are freed in the background, at
 * the lowest priority; sooner when memory is short: in early boot as many as it
 * takes to have some memory free, and by a notifier before the OOM killer would
 * look for a victim.
 *
 * Until then a fragment is what a preserved frame is: allocated, with one
 * reference, and not counted as managed. The nodes of the map are kept meanwhile.
 *
 * Locks: fragment_lock lets one task at a time go through the map.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/late_memmap.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/oom.h>
#include <linux/pgalloc_tag.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>

#include "internal.h"

/* Early boot frees as many fragments as it takes to have this much free. */
#define EARLY_MINIMUM	PFN_DOWN(SZ_256M)

/* Frames that are freed between two looks at the scheduler. */
#define BATCH		PFN_DOWN(SZ_1M)

static DEFINE_MUTEX(fragment_lock);
/* Where the next look at the map begins. */
static unsigned long position;
static bool done;

static void free_fragments(unsigned long pfn, u64 fragments)
{
	late_memmap_settle(pfn, 64);
	adjust_managed_page_count(pfn_to_page(pfn), hweight64(fragments));
	for (; fragments; fragments &= fragments - 1) {
		struct page *page = pfn_to_page(pfn + __ffs64(fragments));

		clear_page_tag_ref(page);
		__free_page(page);
	}
}

/*
 * Free up to @max fragments, more or less; returns how many. Called with the
 * scheduler at work, or so early that there is neither that nor a watchdog: then it
 * has nothing to look at.
 */
static unsigned long free_some(unsigned long end, unsigned long max)
{
	unsigned long pfn, freed = 0, looked = 0;
	u64 fragments;

	while (freed < max) {
		pfn = kho_map_claim_fragments(&kho_in_map, &position, end,
					      &fragments);
		if (pfn == end)
			break;
		free_fragments(pfn, fragments);
		freed += hweight64(fragments);
		if (freed - looked >= BATCH) {
			looked = freed;
			cond_resched();
		}
	}
	return freed;
}

/* The last one has been freed: nodes without a frame can go. */
static void finish(void)
{
	down_write(&kho_in_map.sem);
	kho_in_map.keep = false;
	up_write(&kho_in_map.sem);
	kho_map_trim(&kho_in_map);
	done = true;
}

static int free_in_background(void *unused)
{
	const unsigned long end = 1UL << KHO_MAP_PFN_BITS;
	unsigned long freed, sum = 0;

	set_user_nice(current, MAX_NICE);
	/* (each needs its chunk of struct pages, and nobody needs these frames yet) */
	late_memmap_wait();
	do {
		mutex_lock(&fragment_lock);
		freed = free_some(end, BATCH);
		sum += freed;
		if (!freed && !done)
			finish();
		mutex_unlock(&fragment_lock);
		cond_resched();
	} while (freed);
	pr_info("%lu KiB between preserved pages freed\n",
		sum << (PAGE_SHIFT - 10));
	return 0;
}

/**
 * kho_fragments_settle - free all fragments now
 *
 * For whoever wants to count memory.
 *
 * Context: may sleep.
 */
void kho_fragments_settle(void)
{
	if (!is_kho_boot())
		return;
	late_memmap_finish();
	mutex_lock(&fragment_lock);
	free_some(1UL << KHO_MAP_PFN_BITS, ULONG_MAX);
	if (!done)
		finish();
	mutex_unlock(&fragment_lock);
}

static int free_before_oom(struct notifier_block *nb, unsigned long unused,
			   void *parm)
{
	unsigned long *freed = parm;

	/* Whoever holds the lock is freeing. */
	if (!done && mutex_trylock(&fragment_lock)) {
		late_memmap_rush();
		*freed += free_some(1UL << KHO_MAP_PFN_BITS, BATCH);
		mutex_unlock(&fragment_lock);
	}
	return NOTIFY_OK;
}

static struct notifier_block oom_notifier = {
	.notifier_call = free_before_oom,
};

static void __init free_up_to_minimum(unsigned long end)
{
	unsigned long nr = global_zone_page_state(NR_FREE_PAGES);

	if (nr >= EARLY_MINIMUM)
		return;
	late_memmap_rush();
	free_some(end, EARLY_MINIMUM - nr);
}

/**
 * kho_fragments_free_early - do not wait when there is little memory
 *
 * Context: memblock has given its memory away; one CPU. Struct pages may not be
 * initialised above the first part of each node.
 */
void __init kho_fragments_free_early(void)
{
	unsigned long end = 1UL << KHO_MAP_PFN_BITS;

#ifdef CONFIG_DEFERRED_STRUCT_PAGE_INIT
	int nid;

	for_each_online_node(nid)
		end = min(end, NODE_DATA(nid)->first_deferred_pfn);
#endif
	free_up_to_minimum(end);
	position = 0;
}

/**
 * kho_fragments_init - start freeing in the background
 *
 * Context: struct pages are initialised, or will be (mm/late_memmap.c).
 */
void __init kho_fragments_init(void)
{
	struct task_struct *task;

	free_up_to_minimum(1UL << KHO_MAP_PFN_BITS);
	register_oom_notifier(&oom_notifier);
	task = kthread_run(free_in_background, NULL, "kho_fragments");
	if (IS_ERR(task))
		free_in_background(NULL);
}
