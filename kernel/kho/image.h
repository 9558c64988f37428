/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core knows about a loaded image: for the files of its floor, and for zone.c,
 * which keeps there what it holds for the image.
 */
#ifndef _KERNEL_KHO_IMAGE_H
#define _KERNEL_KHO_IMAGE_H

#include <linux/kho_kernel.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/types.h>

/**
 * struct kho_image - what the core knows about a loaded image
 * @refs: of the kimage, and of every struct kho_target
 * @receives: it knows the handover record
 * @cmdline: its command line, or NULL
 * @bootconfig: a parameter that its bootconfig may have, or NULL
 * @versions: subtree versions it can restore, see versions.c
 * @versions_size: bytes of @versions
 * @kernel: the kernel in it, when its decompressor is not entered
 * @blocks: memory that is held as landing zone until the image is unloaded, see
 *	    zone.c; the kexec lock
 *
 * But for @blocks, and what struct kho_kernel says, nothing changes once the image is loaded.
 */
struct kho_image {
	refcount_t refs;
	bool receives;
	char *cmdline;
	const char *bootconfig;
	char *versions;
	size_t versions_size;
	struct kho_kernel kernel;
	struct list_head blocks;
};

#endif /* _KERNEL_KHO_IMAGE_H */
