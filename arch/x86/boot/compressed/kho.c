// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kexec handover in the decompressor: the kernel may be put only where nothing
 * is preserved, which is in the holes that the header page lists.
 *
 * Nothing is allocated or changed here. A header page that cannot be believed
 * leaves the kernel where it was loaded, which is free for certain.
 */
#include "misc.h"
#include "kho.h"

#include <asm/bootparam.h>
#include <linux/kho/abi/handover.h>

static const struct kho_header_ser *find_header(void)
{
	const struct setup_data *data;
	const struct kho_setup_ser *setup;

	data = (void *)(unsigned long)boot_params_ptr->hdr.setup_data;
	for (; data; data = (void *)(unsigned long)data->next) {
		if (data->type != KHO_SETUP_TYPE || data->len < sizeof(*setup))
			continue;
		setup = (const void *)data->data;
		return (void *)(unsigned long)setup->header_pa;
	}
	return NULL;
}

/**
 * kho_process_holes - offer the holes as places for the kernel
 * @fn: takes one extent; returns true when it wants no more
 * @minimum: lowest address for the kernel
 * @image_size: its bytes
 *
 * Return: false when nothing is handed over and all memory may be used
 */
bool kho_process_holes(bool (*fn)(struct mem_vector *, unsigned long,
				  unsigned long),
		       unsigned long minimum, unsigned long image_size)
{
	const struct kho_header_ser *header = find_header();
	unsigned int i;

	if (!header || !header->magic)
		return false;
	if (!kho_header_ok(header))
		return true;
	for (i = 0; i < header->nr_holes; i++) {
		struct mem_vector hole = {
			.start = header->holes[i].start,
			.size = header->holes[i].size,
		};

		if (fn(&hole, minimum, image_size))
			break;
	}
	return true;
}
