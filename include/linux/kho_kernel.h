/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The next kernel, decompressed when its image is loaded: what the architecture knows of
 * it, for the core, which chooses its place in memory at the jump (kernel/kho/kaslr.c).
 */
#ifndef _LINUX_KHO_KERNEL_H
#define _LINUX_KHO_KERNEL_H

#include <linux/types.h>

struct kimage;

/**
 * struct kho_kernel - a kernel that is entered without its decompressor
 * @buf: its memory as far as that is not zero, until it has been loaded; from vmalloc()
 * @size: bytes that it takes in memory, 0 when its decompressor is entered
 * @align: of its place, a power of 2
 * @min: lowest address of its place
 * @limit: end of what is mapped when it is entered
 * @entry: its entry point, bytes from its begin
 * @random: its place is to be chosen at random
 * @mem: its place
 * @entry_pa: where in another segment the address of its entry point is, a u64; 0 when it
 *	      cannot be changed
 *
 * Nothing but @buf and @mem changes once the image is loaded; the kexec lock.
 */
struct kho_kernel {
	void *buf;
	unsigned long size;
	unsigned long align;
	unsigned long min;
	unsigned long limit;
	unsigned long entry;
	bool random;
	unsigned long mem;
	unsigned long entry_pa;
};

struct kho_kernel *kho_image_kernel(const struct kimage *image);
int kho_image_damaged(const char *what);
bool kho_image_lists(const struct kimage *image, const char *version);
void *kho_unpack(const u8 *data, size_t len, size_t size, const char **format);

#endif /* _LINUX_KHO_KERNEL_H */
