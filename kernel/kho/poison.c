// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad frames in memory that was handed over: hwpoison.c has marked them, and a folio that
 * is restored must not pass for whole.
 *
 * Locks: none. The folios are nobody else's.
 */
#include <linux/kho_hwpoison.h>
#include <linux/mm.h>
#include <linux/xarray.h>

#include "internal.h"

/**
 * kho_note_poison - a folio that was handed over is a folio again
 * @folio: it; nobody else has it
 *
 * If one of its frames is bad, it must not be mapped as a whole.
 */
void kho_note_poison(struct folio *folio)
{
	unsigned long i;

	if (!folio_test_large(folio) || !atomic_long_read(&num_poisoned_pages))
		return;
	for (i = 0; i < folio_nr_pages(folio); i++)
		if (PageHWPoison(folio_page(folio, i)))
			folio_set_has_hwpoisoned(folio);
}

/**
 * kho_forget_poison - take the marks of bad frames off a folio
 * @folio: just restored; nobody else has it
 * @bad: gets the frames, as indices, for kho_report_poison()
 *
 * For hugetlb, which marks its folios in a way of its own.
 *
 * Context: may sleep.
 */
void kho_forget_poison(struct folio *folio, struct xarray *bad)
{
	unsigned long i, pfn = folio_pfn(folio);

	if (!folio_test_has_hwpoisoned(folio))
		return;
	folio_clear_has_hwpoisoned(folio);
	for (i = 0; i < folio_nr_pages(folio); i++) {
		if (!TestClearPageHWPoison(folio_page(folio, i)))
			continue;
		num_poisoned_pages_sub(pfn + i, 1);
		xa_store(bad, pfn + i, xa_mk_value(1),
			 GFP_KERNEL | __GFP_NOFAIL);
	}
}

/**
 * kho_report_poison - report frames as bad, as if their error was found now
 * @bad: the frames; empty afterwards
 *
 * Context: may sleep.
 */
void kho_report_poison(struct xarray *bad)
{
	unsigned long pfn;
	void *entry;

	xa_for_each(bad, pfn, entry)
		memory_failure(pfn, 0);
	xa_destroy(bad);
}
