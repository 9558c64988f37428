/* SPDX-License-Identifier: GPL-2.0-only */
/* Kexec handover in the decompressor. */
#ifndef BOOT_COMPRESSED_KHO_H
#define BOOT_COMPRESSED_KHO_H

#include <linux/types.h>

struct mem_vector;

#ifdef CONFIG_KEXEC_HANDOVER
bool kho_process_holes(bool (*fn)(struct mem_vector *, unsigned long,
				  unsigned long),
		       unsigned long minimum, unsigned long image_size);
#else
static inline bool kho_process_holes(bool (*fn)(struct mem_vector *,
						unsigned long, unsigned long),
				     unsigned long minimum,
				     unsigned long image_size)
{
	return false;
}
#endif

#endif /* BOOT_COMPRESSED_KHO_H */
