/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Moving what is in a file to where it can be preserved, for those who preserve files
 * of shared memory. See kernel/kho/place.c.
 */
#ifndef _LINUX_KHO_PLACE_H
#define _LINUX_KHO_PLACE_H

#include <linux/list.h>
#include <linux/mm.h>

/**
 * struct kho_move - folios that have to move
 * @folios: isolated
 * @start: first frame of an extent of which it is known that all in it fits
 * @end: its end, exclusive
 * @first: frame of the first of @folios
 * @tries: how often something could not be moved since the last that was
 */
struct kho_move {
	struct list_head folios;
	unsigned long start;
	unsigned long end;
	unsigned long first;
	unsigned int tries;
};

void kho_move_init(struct kho_move *move);
int kho_move_add(struct kho_move *move, struct folio *folio);
int kho_move_run(struct kho_move *move, int rc);
bool kho_fits_slow(struct kho_move *move, struct folio *folio);

/**
 * kho_fits - may a folio be preserved where it lies?
 * @move: from kho_move_init()
 * @folio: with a reference
 */
static inline bool kho_fits(struct kho_move *move, struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio);

	/* Most lie beside the one before. */
	if (pfn >= move->start && pfn < move->end)
		return true;
	return kho_fits_slow(move, folio);
}

#endif /* _LINUX_KHO_PLACE_H */
