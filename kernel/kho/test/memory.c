// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for the test owner: making, filling, checking and freeing sets of it; and
 * filling all memory there is.
 *
 * Locks: that of control.c for the sets; churned_lock for what churning has taken.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/list.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "../internal.h"
#include "test.h"

static u64 first_word(u64 seed, u64 pa)
{
	return (seed + (pa >> PAGE_SHIFT)) * 0x9e3779b97f4a7c15ULL;
}

static void fill_page(void *page, u64 seed, u64 pa)
{
	u64 value = first_word(seed, pa);
	u64 *word = page;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++, value += pa | 1)
		word[i] = value;
}

static bool check_page(const void *page, u64 seed, u64 pa)
{
	u64 value = first_word(seed, pa);
	const u64 *word = page;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++, value += pa | 1)
		if (word[i] != value)
			return false;
	return true;
}

/* The pages of a vmalloc area move in virtual space only. */
static u64 page_pa(const struct test_set *set, u64 unit, u64 page)
{
	if (set->ser.kind == KHO_TEST_VMALLOC)
		return page_to_phys(vmalloc_to_page(set->area +
						    (unit << PAGE_SHIFT)));
	return set->unit_pa[unit] + (page << PAGE_SHIFT);
}

static u64 pages_per_unit(const struct test_set *set)
{
	return set->ser.kind == KHO_TEST_VMALLOC ? 1 : 1UL << set->ser.order;
}

static void fill_set(const struct test_set *set)
{
	u64 i, j, pa;

	for (i = 0; i < set->ser.nr; i++) {
		for (j = 0; j < pages_per_unit(set); j++) {
			pa = page_pa(set, i, j);
			fill_page(phys_to_virt(pa), set->ser.seed, pa);
		}
		cond_resched();
	}
}

/* Compare every byte of what is held. */
int kho_test_verify(void)
{
	u64 i, j, pa, good = 0, bad = 0;
	struct test_set *set;

	list_for_each_entry(set, &kho_test_sets, list) {
		for (i = 0; i < set->ser.nr; i++) {
			for (j = 0; j < pages_per_unit(set); j++) {
				pa = page_pa(set, i, j);
				if (check_page(phys_to_virt(pa), set->ser.seed, pa))
					good++;
				else if (!bad++)
					pr_err("page at %pa differs\n", &pa);
			}
			cond_resched();
		}
	}
	pr_info("%llu pages as they were, %llu differ\n", good, bad);
	return bad ? -EIO : 0;
}

/* Compare the bytes of a unit that is not held: what became of lost memory. */
int kho_test_look(u64 pa, unsigned int order, u64 seed)
{
	u64 i;

	if (order > MAX_PAGE_ORDER || !IS_ALIGNED(pa, PAGE_SIZE << order) ||
	    !pfn_valid(PHYS_PFN(pa)))
		return -EINVAL;
	for (i = 0; i < 1UL << order; i++, pa += PAGE_SIZE) {
		if (!check_page(phys_to_virt(pa), seed, pa)) {
			pr_err("page at %pa differs\n", &pa);
			return -EIO;
		}
	}
	return 0;
}

static void free_unit(const struct test_set *set, u64 pa)
{
	struct page *page = pfn_to_page(PHYS_PFN(pa));
	u64 i;

	switch (set->ser.kind) {
	case KHO_TEST_FOLIO:
		folio_put(page_folio(page));
		break;
	default:
		for (i = 0; i < 1UL << set->ser.order; i++)
			__free_page(page + i);
	}
}

static void free_set(struct test_set *set)
{
	u64 i;

	if (set->ser.kind == KHO_TEST_VMALLOC) {
		vfree(set->area);
	} else {
		for (i = 0; i < set->ser.nr; i++)
			free_unit(set, set->unit_pa[i]);
		vfree(set->unit_pa);
	}
	kfree(set);
}

int kho_test_free(void)
{
	struct test_set *set, *next;

	if (kho_test_subtree)
		return -EBUSY;
	list_for_each_entry_safe(set, next, &kho_test_sets, list) {
		list_del(&set->list);
		free_set(set);
	}
	return 0;
}

/* Make room for a set of @nr units; they are added by add_unit(). */
static struct test_set *new_set(u32 kind, u32 order, u64 nr, u64 seed)
{
	struct test_set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	if (!set)
		return NULL;
	set->ser.kind = kind;
	set->ser.order = order;
	set->ser.seed = seed;
	if (kind != KHO_TEST_VMALLOC) {
		set->unit_pa = kho_vzalloc(array_size(nr, sizeof(u64)));
		if (!set->unit_pa) {
			kfree(set);
			return NULL;
		}
	}
	return set;
}

static void keep_set(struct test_set *set)
{
	fill_set(set);
	list_add_tail(&set->list, &kho_test_sets);
}

static int add_vmalloc(u64 nr, u64 seed)
{
	struct test_set *set = new_set(KHO_TEST_VMALLOC, 0, nr, seed);

	if (!set)
		return -ENOMEM;
	set->area = vmalloc(nr << PAGE_SHIFT);
	if (!set->area) {
		kfree(set);
		return -ENOMEM;
	}
	set->ser.nr = nr;
	keep_set(set);
	return 0;
}

int kho_test_add(u32 kind, u32 order, u64 nr, u64 seed)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	struct test_set *set;

	if (kho_test_subtree)
		return -EBUSY;
	if (!nr || nr > totalram_pages() || order > MAX_PAGE_ORDER)
		return -EINVAL;
	if (kind == KHO_TEST_VMALLOC)
		return add_vmalloc(nr, seed);
	if (kind == KHO_TEST_FOLIO)
		gfp |= __GFP_COMP;

	set = new_set(kind, order, nr, seed);
	if (!set)
		return -ENOMEM;
	for (; set->ser.nr < nr; set->ser.nr++) {
		struct page *page = alloc_pages(gfp, order);
		u64 i;

		if (!page) {
			free_set(set);
			return -ENOMEM;
		}
		if (kind != KHO_TEST_FOLIO)
			split_page(page, order);
		for (i = 0; i < 1UL << order; i++)
			clear_page(page_address(page + i));
		set->unit_pa[set->ser.nr] = page_to_phys(page);
	}
	keep_set(set);
	return 0;
}

/* Take nearly all memory, and give back all but units chosen at random. */
int kho_test_scatter(u32 percent, u32 order, u64 seed)
{
	gfp_t gfp = GFP_KERNEL | __GFP_COMP | __GFP_NOWARN | __GFP_NORETRY;
	u64 all = totalram_pages() >> order, want = all * percent / 100;
	struct page *page, *next;
	struct test_set *set;
	LIST_HEAD(rest);
	u64 taken = 0;

	if (kho_test_subtree)
		return -EBUSY;
	if (percent > 100 || order > MAX_PAGE_ORDER)
		return -EINVAL;
	set = new_set(KHO_TEST_FOLIO, order, all, seed);
	if (!set)
		return -ENOMEM;

	while (taken < all) {
		page = alloc_pages(gfp, order);
		if (!page)
			break;
		taken++;
		list_add(&page->lru, &rest);
	}
	list_for_each_entry_safe(page, next, &rest, lru) {
		u64 pa = page_to_phys(page);
		bool chosen = (first_word(seed, pa) >> 32) % taken < want;

		list_del(&page->lru);
		if (chosen && set->ser.nr < want)
			set->unit_pa[set->ser.nr++] = pa;
		else
			__free_pages(page, order);
	}
	pr_info("%llu of %llu units of order %u kept\n", set->ser.nr, taken,
		order);
	keep_set(set);
	return 0;
}

/* What churn() has taken; it ends when somebody else is out of memory. */
static LIST_HEAD(churned);
static DEFINE_SPINLOCK(churned_lock);
static bool churned_enough;

static unsigned long give_back_churned(unsigned long max)
{
	unsigned long nr;
	struct page *page;

	for (nr = 0; nr < max; nr++) {
		spin_lock(&churned_lock);
		page = list_first_entry_or_null(&churned, struct page, lru);
		if (page)
			list_del(&page->lru);
		spin_unlock(&churned_lock);
		if (!page)
			break;
		__free_page(page);
	}
	return nr;
}

static int give_way(struct notifier_block *nb, unsigned long unused, void *parm)
{
	unsigned long *freed = parm;

	WRITE_ONCE(churned_enough, true);
	*freed += give_back_churned(PFN_DOWN(SZ_4M));
	return NOTIFY_OK;
}

/* Write to all memory that is free. */
int kho_test_churn(void)
{
	struct notifier_block notifier = { .notifier_call = give_way };
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
	unsigned long nr = 0;
	struct page *page;
	int rc;

	churned_enough = false;
	rc = register_oom_notifier(&notifier);
	if (rc)
		return rc;
	while (!READ_ONCE(churned_enough) && (page = alloc_page(gfp))) {
		memset(page_address(page), 0xa5, PAGE_SIZE);
		spin_lock(&churned_lock);
		list_add(&page->lru, &churned);
		spin_unlock(&churned_lock);
		nr++;
	}
	give_back_churned(ULONG_MAX);
	unregister_oom_notifier(&notifier);
	pr_info("wrote to %lu KiB of free memory\n", nr << (PAGE_SHIFT - 10));
	return 0;
}
