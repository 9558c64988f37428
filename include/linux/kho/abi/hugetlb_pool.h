/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the next kernel learns how many huge pages come to its pools with what is handed
 * over, so that hugepages= counts them. This is a contract between kernels: a change
 * needs a new version.
 *
 * The subtree's root node has:
 *   compatible  HUGETLB_POOL_COMPATIBLE
 *   pools       array of struct hugetlb_pool_ser, no size twice
 *
 * The subtree is optional.
 */
#ifndef _LINUX_KHO_ABI_HUGETLB_POOL_H
#define _LINUX_KHO_ABI_HUGETLB_POOL_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define HUGETLB_POOL_NAME	"hugetlb-pool"
#define HUGETLB_POOL_COMPATIBLE	"hugetlb-pool-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_LIVEUPDATE) && IS_ENABLED(CONFIG_HUGETLBFS), "hugetlb-pool-v1")
#define HUGETLB_POOL_PROP	"pools"

/**
 * struct hugetlb_pool_ser - huge pages of one size
 * @size: bytes of one
 * @nr: how many are handed over
 */
struct hugetlb_pool_ser {
	__u64 size;
	__u64 nr;
};

#endif /* _LINUX_KHO_ABI_HUGETLB_POOL_H */
