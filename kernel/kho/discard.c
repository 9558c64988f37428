// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving up what nobody has restored.
 *
 * A subtree is given up by its owner. Memory of a subtree without a usable owner is known
 * to nobody. It is freed when that subtree is discarded and no other can have a claim:
 * when all others are discarded, or their owners have said that they are finished.
 *
 * Locks: kho_lock, as for a step; kho_blob_lock for the list and the states.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "internal.h"

static bool claims_left(void)
{
	struct kho_subtree *subtree;

	list_for_each_entry(subtree, &kho_in_subtrees, list)
		if (subtree->state == KHO_PENDING ||
		    (subtree->state == KHO_RESTORED && !subtree->finished))
			return true;
	return kho_in_blob_damaged;
}

/* Frames to which no subtree has a claim any more. */
static void free_leftovers(void)
{
	unsigned long last = 1UL << KHO_MAP_PFN_BITS;
	unsigned long pfn = 0, end, freed = 0;

	while (atomic_long_read(&kho_in_map.nr_frames)) {
		pfn = kho_map_next_used(&kho_in_map, pfn, last);
		if (pfn == last)
			break;
		end = pfn + max(kho_map_unit(&kho_in_map, pfn), 1UL);
		if (!kho_discard_range(PFN_PHYS(pfn), PFN_PHYS(end - pfn)))
			freed += end - pfn;
		pfn = end;
		cond_resched();
	}
	pr_info("%lu KiB of discarded memory freed\n", freed << (PAGE_SHIFT - 10));
}

static int discard_subtree(struct kho_subtree *subtree)
{
	struct kho_owner *owner = kho_find_owner(subtree->name);
	int rc = 0;

	if (owner && owner->ops->discard && !subtree->unusable)
		rc = owner->ops->discard(owner, subtree->fdt_pa);
	pr_info("%s: %s\n", subtree->name, rc ? "not discarded" : "discarded");
	return rc;
}

/**
 * kho_in_discard - give up a subtree that nobody restored
 * @name: its name, KHO_BLOB_NAME when the blob was damaged, or KHO_MEMORY_NAME for what
 *	  belongs to no subtree
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, -ENOENT, -EBUSY after finalize or, for KHO_MEMORY_NAME, while a subtree
 * may have a claim to it; or what the owner returned
 */
int kho_in_discard(const char *name)
{
	bool tried = false, leftovers;
	u64 begin = kho_stage_begin();
	struct kho_subtree *subtree;
	int rc = 0;

	lockdep_assert_held(&kho_lock);
	if (kho_get_state() == KHO_FINAL)
		return -EBUSY;

	mutex_lock(&kho_blob_lock);
	subtree = kho_subtree_find(&kho_in_subtrees, name);
	if (!strcmp(name, KHO_BLOB_NAME) && kho_in_blob_damaged)
		kho_in_blob_damaged = false;
	else if (!strcmp(name, KHO_MEMORY_NAME) && is_kho_boot())
		rc = claims_left() ? -EBUSY : 0;
	else if (subtree && subtree->state == KHO_PENDING)
		tried = true;
	else
		rc = -ENOENT;
	if (tried)
		subtree->state = KHO_DISCARDED;
	mutex_unlock(&kho_blob_lock);

	/* The owner's own locks come before ours. */
	if (tried)
		rc = discard_subtree(subtree);

	mutex_lock(&kho_blob_lock);
	if (rc && tried)
		subtree->state = KHO_PENDING;
	leftovers = !rc && !claims_left();
	mutex_unlock(&kho_blob_lock);

	if (leftovers)
		free_leftovers();
	kho_note_subtree(name, "discard", rc);
	if (!rc)
		kho_stage_end("discard", name, begin);
	return rc;
}
