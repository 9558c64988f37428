/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a kernel is entered without its decompressor.
 *
 * An image with this version in kernel_info holds, compressed: an ELF file whose segments go
 * to their physical addresses, all moved by a multiple of the header's kernel_alignment; its
 * entry point; and, if it may run at any virtual address, behind it three lists of 32-bit
 * words, each after a 0, that are the places (virtual addresses, cut to 32 bits) of 64-bit
 * addresses, of 32-bit numbers from which the distance is to be subtracted, and of 32-bit
 * addresses. It is entered with what its decompressor leaves in the boot parameters, and at
 * most 1 GiB from the begin of its virtual memory.
 *
 * What changes in this gets another version.
 */
#ifndef _LINUX_KHO_ABI_ENTRY_H
#define _LINUX_KHO_ABI_ENTRY_H

#include <linux/kho/abi/handover.h>

#define KHO_ENTRY_VERSION	"x86-entry-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_RELOCATABLE), "x86-entry-v1")

/* End of the virtual memory that a kernel may take, from its begin on. */
#define KHO_ENTRY_VIRTUAL_END	BIT_ULL(30)

#endif /* _LINUX_KHO_ABI_ENTRY_H */
