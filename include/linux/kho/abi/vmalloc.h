/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a vmalloc area crosses a kexec: a list of preserved pages that hold the
 * addresses of the area's pages, in order. This is a contract between kernels;
 * owners who use it cover it with the version of their subtree.
 */
#ifndef _LINUX_KHO_ABI_VMALLOC_H
#define _LINUX_KHO_ABI_VMALLOC_H

#include <linux/types.h>

#define KHO_VMALLOC_LIST_PAGES	511

/**
 * struct kho_vmalloc_list_ser - one page of the list
 * @next_pa: the next one, 0 after the last
 * @page_pa: pages of the area
 */
struct kho_vmalloc_list_ser {
	__u64 next_pa;
	__u64 page_pa[KHO_VMALLOC_LIST_PAGES];
};

#endif /* _LINUX_KHO_ABI_VMALLOC_H */
