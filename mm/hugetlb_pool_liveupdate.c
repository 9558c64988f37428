// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live update and the pools of huge pages: what is handed over counts as a part of what
 * hugepages= asks for, so that the next kernel can have the command line of this one.
 *
 * Life cycle, old kernel: files count their pages while they are preserved. At finalize
 * the numbers, and those of files that came and were not taken, are an optional
 * subtree.
 *
 * Next kernel: each pool that is filled at boot gets as many pages less. Those of a
 * size that only memblock has are asked for before the core has read its blob: they are
 * looked up there. A page that comes back into the pool, or is given up, is not counted
 * as under way any more.
 *
 * Locks: none; the numbers are atomic, and finalize comes when nothing changes them.
 */
#define pr_fmt(fmt) "hugetlb: live update: " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_liveupdate.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho/abi/hugetlb_pool.h>
#include <linux/libfdt.h>
#include <linux/log2.h>
#include <linux/mm.h>

/* By the size's logarithm */
#define NR_SIZES	64

static atomic64_t outgoing[NR_SIZES];
static atomic64_t incoming[NR_SIZES];
static bool read_early __initdata;

static void *fdt;

/**
 * hugetlb_pool_outgoing - pages of a file are preserved, or not any more
 * @shift: a page has 1 << @shift bytes
 * @nr: how many more, or less
 */
void hugetlb_pool_outgoing(unsigned int shift, long nr)
{
	atomic64_add(nr, &outgoing[shift]);
}

/**
 * hugetlb_pool_arrived - pages of the old kernel came back, or are given up
 * @shift: a page has 1 << @shift bytes
 * @nr: how many
 */
void hugetlb_pool_arrived(unsigned int shift, u64 nr)
{
	s64 left = atomic64_sub_return(nr, &incoming[shift]);

	/* They came from a kernel that did not count them. */
	if (left < 0)
		atomic64_sub(left, &incoming[shift]);
}

/**
 * hugetlb_pool_under_way - how many huge pages will the next kernel get?
 * @size: bytes of one
 */
u64 hugetlb_pool_under_way(u64 size)
{
	unsigned int shift;

	if (!is_power_of_2(size))
		return 0;
	shift = ilog2(size);
	return atomic64_read(&outgoing[shift]) +
	       max(atomic64_read(&incoming[shift]), 0LL);
}

/*
 * Old kernel
 */

static int write_fdt(void)
{
	struct hugetlb_pool_ser pools[HUGE_MAX_HSTATE];
	unsigned int nr = 0;
	struct hstate *h;
	int rc;

	for_each_hstate(h) {
		u64 pages = hugetlb_pool_under_way(huge_page_size(h));

		if (pages)
			pools[nr++] = (struct hugetlb_pool_ser) {
				.size = huge_page_size(h),
				.nr = pages,
			};
	}
	if (!nr)
		return -ENOENT;
	rc = fdt_create(fdt, PAGE_SIZE);
	rc = rc ?: fdt_finish_reservemap(fdt);
	rc = rc ?: fdt_begin_node(fdt, "");
	rc = rc ?: fdt_property_string(fdt, KHO_PROP_COMPATIBLE,
				       HUGETLB_POOL_COMPATIBLE);
	rc = rc ?: fdt_property(fdt, HUGETLB_POOL_PROP, pools,
				nr * sizeof(pools[0]));
	rc = rc ?: fdt_end_node(fdt);
	rc = rc ?: fdt_finish(fdt);
	return rc ? -ENOSPC : 0;
}

static int pool_finalize(struct kho_owner *owner)
{
	int rc;

	fdt = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(fdt)) {
		rc = PTR_ERR(fdt);
		goto err_refuse;
	}
	rc = write_fdt();
	rc = rc ?: kho_add_optional_subtree(HUGETLB_POOL_NAME, fdt,
					    PAGE_SIZE);
	if (!rc)
		return 0;
	kho_unpreserve_free(fdt);
	if (rc == -ENOENT) {
		fdt = NULL;
		return 0;
	}
err_refuse:
	fdt = NULL;
	kho_refuse(owner, "the huge pages cannot be counted: %d", rc);
	return rc;
}

static void pool_unfinalize(struct kho_owner *owner)
{
	if (!fdt)
		return;
	kho_remove_subtree(fdt);
	kho_unpreserve_free(fdt);
	fdt = NULL;
}

static const struct kho_owner_ops pool_ops = {
	.finalize = pool_finalize,
	.unfinalize = pool_unfinalize,
};

static struct kho_owner pool_owner = {
	.name = HUGETLB_POOL_NAME,
	.ops = &pool_ops,
};

static int __init pool_register(void)
{
	return kho_is_enabled() ? kho_register_owner(&pool_owner) : 0;
}

/* After the sessions, whose files may add pages at finalize */
late_initcall_sync(pool_register);

/*
 * Next kernel
 */

static bool __init read_pools(const void *tree)
{
	const struct hugetlb_pool_ser *pools;
	int i, len;

	pools = fdt_getprop(tree, 0, HUGETLB_POOL_PROP, &len);
	if (!pools || len % sizeof(*pools))
		return false;
	for (i = 0; i < len / sizeof(*pools); i++)
		if (!is_power_of_2(pools[i].size) || pools[i].nr > LONG_MAX)
			return false;
	for (i = 0; i < len / sizeof(*pools); i++)
		atomic64_set(&incoming[ilog2(pools[i].size)], pools[i].nr);
	return true;
}

/* Part of it may have been taken into account already. */
static int __init pool_init(void)
{
	phys_addr_t pa;

	if (kho_retrieve_subtree(HUGETLB_POOL_NAME, &pa, NULL))
		return 0;
	if (!read_pools(phys_to_virt(pa))) {
		kho_reject_subtree(HUGETLB_POOL_NAME, "numbers damaged");
		return 0;
	}
	kho_restore_free(phys_to_virt(pa));
	kho_finish_subtree(HUGETLB_POOL_NAME);
	return 0;
}
postcore_initcall(pool_init);

/**
 * hugetlb_pool_ask_less - a pool is going to be filled at boot
 * @h: its size of pages; what it asks for becomes less by what is to come back
 *
 * Context: early boot, from when the command line is read on.
 */
void __init hugetlb_pool_ask_less(struct hstate *h)
{
	const void *tree;
	u64 nr, less;
	int nid;

	if (!read_early && hstate_is_gigantic(h)) {
		read_early = true;
		tree = kho_early_subtree(HUGETLB_POOL_NAME,
					 HUGETLB_POOL_COMPATIBLE);
		if (tree)
			read_pools(tree);
	}
	nr = min_t(u64, h->max_huge_pages,
		   hugetlb_pool_under_way(huge_page_size(h)));
	if (!nr)
		return;
	pr_info("%llu of %lu pages of %lu KiB are handed over\n", nr,
		h->max_huge_pages, huge_page_size(h) >> 10);
	h->max_huge_pages -= nr;
	for_each_online_node(nid) {
		less = min_t(u64, nr, h->max_huge_pages_node[nid]);
		h->max_huge_pages_node[nid] -= less;
		nr -= less;
	}
}
