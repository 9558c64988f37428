/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernel_info says about kexec handover, for kernel_info.S: the highest
 * setup_data type that this kernel understands, and the list of subtree versions
 * that it can restore, which kernel/kho/Makefile collects.
 */
#ifndef BOOT_COMPRESSED_KHO_INFO_H
#define BOOT_COMPRESSED_KHO_INFO_H

#include <linux/kho/abi/handover.h>

#ifdef CONFIG_KEXEC_HANDOVER
#define KHO_SETUP_TYPE_MAX	(KHO_SETUP_TYPE | SETUP_INDIRECT)
#else
#define KHO_SETUP_TYPE_MAX	SETUP_TYPE_MAX
#endif

	.macro KHO_VERSION compatible
	.asciz	"\compatible"
	.endm

	.macro kho_version_chunk
#ifdef CONFIG_KEXEC_HANDOVER
	.set	kho_version_chunk_start, .
	.long	KHO_KERNEL_INFO_MAGIC
	.long	kho_version_chunk_end - kho_version_chunk_start
#include "versions.inc"
	.set	kho_version_chunk_end, .
#endif
	.endm

#endif /* BOOT_COMPRESSED_KHO_INFO_H */
