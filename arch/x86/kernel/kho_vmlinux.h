/* SPDX-License-Identifier: GPL-2.0-only */
/* What is in a bzImage, decompressed: see kho_vmlinux.c. */
#ifndef _ARCH_X86_KERNEL_KHO_VMLINUX_H
#define _ARCH_X86_KERNEL_KHO_VMLINUX_H

#include <linux/elf.h>
#include <linux/types.h>

/**
 * struct kho_vmlinux - a kernel as an ELF file, and its relocations
 * @elf: the file
 * @base: physical address that it is linked for
 * @filled: bytes in memory from @base on that the file has something for
 * @size: all that it takes there
 * @entry: of its entry point
 * @relocs: the places that hold virtual addresses, see kho_vmlinux_write(); NULL when
 *	    none are listed
 * @nr_relocs: words
 */
struct kho_vmlinux {
	const struct elf64_hdr *elf;
	u64 base;
	u64 filled;
	u64 size;
	u64 entry;
	const u8 *relocs;
	u64 nr_relocs;
};

int kho_vmlinux_read(struct kho_vmlinux *vmlinux, const void *data, u64 len,
		     u64 base);
int kho_vmlinux_write(const struct kho_vmlinux *vmlinux, u8 *memory, u64 delta);

#endif /* _ARCH_X86_KERNEL_KHO_VMLINUX_H */
