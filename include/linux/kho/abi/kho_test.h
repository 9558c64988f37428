/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test owner (kernel/kho/test/) passes to the next kernel. This is a
 * contract between kernels: a change needs a new version.
 *
 * The subtree's root node has:
 *   compatible  KHO_TEST_COMPATIBLE
 *   sets        array of struct kho_test_set_ser
 */
#ifndef _LINUX_KHO_ABI_KHO_TEST_H
#define _LINUX_KHO_ABI_KHO_TEST_H

#include <linux/kho.h>
#include <linux/kho/abi/handover.h>
#include <linux/types.h>

#define KHO_TEST_NAME		"kho-test"
#define KHO_TEST_COMPATIBLE	"kho-test-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_KHO_TEST), "kho-test-v1")
#define KHO_TEST_FILE_COMPATIBLE	"kho-test-file-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_KHO_TEST) && IS_ENABLED(CONFIG_LIVEUPDATE), "kho-test-file-v1")
#define KHO_TEST_PROP_SETS	"sets"

/* Kinds of memory, as numbers that never change */
#define KHO_TEST_FOLIO		1	/* kho_preserve_folio() */
#define KHO_TEST_PAGES		2	/* kho_preserve_pages() */
#define KHO_TEST_RANGE		3	/* kho_preserve_range() */
#define KHO_TEST_VMALLOC	4	/* kho_preserve_vmalloc() */

/**
 * struct kho_test_set_ser - a set of units of memory of one kind
 * @kind: KHO_TEST_*
 * @order: each unit has 1 << @order pages
 * @nr: number of units; of KHO_TEST_VMALLOC there is one unit per set
 * @seed: from which the contents follow
 * @units: vmalloc area with the physical addresses of the units, as u64;
 *	   for KHO_TEST_VMALLOC the unit itself
 */
struct kho_test_set_ser {
	__u32 kind;
	__u32 order;
	__u64 nr;
	__u64 seed;
	struct kho_vmalloc units;
};

#endif /* _LINUX_KHO_ABI_KHO_TEST_H */
