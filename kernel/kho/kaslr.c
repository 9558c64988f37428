// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a kernel goes that is entered without its decompressor: any place in the holes, at
 * random, as its decompressor would choose one.
 *
 * When the image is loaded it is placed where nothing preserved can come to lie, which is in
 * few places. At the jump it is known what is preserved, and all that is left to be done to
 * move it is to write another destination into the kimage. Until then it stays in the first
 * place, and when the jump is refused there is nothing to be undone.
 *
 * A place has to be clear of whatever is read while the segments are copied: the pages that
 * they are copied from, and the control pages. The rest of memory is dead by then, but for
 * the running kernel, in which other CPUs are halted, and the crash kernel's memory.
 *
 * Locks: the kexec lock, which the jump has; the map is sealed.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/kexec.h>
#include <linux/kho_kernel.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/string.h>
#include <asm/kho.h>

#include "image.h"
#include "internal.h"

/* How many places are tried: a page of the image is in the way in some. */
#define TRIES	64

/*
 * The entries of a kimage: a destination, then the pages that go there, one after the other;
 * and every now and then a page with further entries.
 *
 * Return: the entry at *@at, of any kind, with *@at at the next one; NULL at the end
 */
static kimage_entry_t *next_entry(kimage_entry_t **at)
{
	kimage_entry_t *entry = *at;

	if (!*entry || *entry & IND_DONE)
		return NULL;
	*at = *entry & IND_INDIRECTION ?
	      boot_phys_to_virt(*entry & PAGE_MASK) : entry + 1;
	return entry;
}

static bool is_inside(unsigned long pa, unsigned long size, unsigned long start,
		      unsigned long end)
{
	return pa < end && start < pa + size;
}

/* Is a page of the image in an extent? */
static bool has_source(struct kimage *image, unsigned long start,
		       unsigned long end)
{
	kimage_entry_t *at = &image->head, *entry;

	while ((entry = next_entry(&at)))
		if (*entry & (IND_SOURCE | IND_INDIRECTION) &&
		    is_inside(*entry & PAGE_MASK, PAGE_SIZE, start, end))
			return true;
	return false;
}

static bool has_control_page(const struct kimage *image, unsigned long start,
			     unsigned long end)
{
	struct page *page;

	list_for_each_entry(page, &image->control_pages, lru)
		if (is_inside(page_to_boot_pfn(page) << PAGE_SHIFT,
			      PAGE_SIZE << page_private(page), start, end))
			return true;
	return false;
}

static bool has_segment(const struct kimage *image, unsigned long start,
			unsigned long end, unsigned long except)
{
	unsigned long i;

	for (i = 0; i < image->nr_segments; i++)
		if (image->segment[i].mem != except &&
		    is_inside(image->segment[i].mem, image->segment[i].memsz,
			      start, end))
			return true;
	return false;
}

static bool may_go_to(struct kimage *image, const struct kho_kernel *kernel,
		      unsigned long start)
{
	unsigned long end = start + kernel->size;

	return end <= kernel->limit && kho_arch_is_mapped(start, end) &&
	       !kho_zone_keeps(start, end) &&
	       !has_segment(image, start, end, kernel->mem) &&
	       !has_control_page(image, start, end) &&
	       !has_source(image, start, end);
}

/* How many places there are in a hole; *first is the lowest. */
static u64 count_places(const struct kho_hole_ser *hole,
			const struct kho_kernel *kernel, u64 *first)
{
	u64 end = min_t(u64, hole->start + hole->size, kernel->limit);

	*first = round_up(max_t(u64, hole->start, kernel->min), kernel->align);
	if (*first >= end || end - *first < kernel->size)
		return 0;
	return (end - *first - kernel->size) / kernel->align + 1;
}

static u64 random_place(const struct kho_kernel *kernel,
			const struct kho_hole_ser *hole, unsigned int nr)
{
	u64 sum = 0, which, first, places;
	unsigned int i;

	for (i = 0; i < nr; i++)
		sum += count_places(&hole[i], kernel, &first);
	if (!sum || sum > U32_MAX)
		return 0;
	which = get_random_u32_below(sum);
	for (i = 0; i < nr; i++) {
		places = count_places(&hole[i], kernel, &first);
		if (which < places)
			return first + which * kernel->align;
		which -= places;
	}
	return 0;
}

/*
 * Find what is to be written at @pa by the image: the page that is copied there, or the
 * entry itself when @pa is where a segment begins and @kind is IND_DESTINATION.
 */
static kimage_entry_t *find_entry(struct kimage *image, unsigned long pa,
				  unsigned long kind)
{
	kimage_entry_t *at = &image->head, *entry;
	unsigned long dest = 0;

	while ((entry = next_entry(&at))) {
		if (*entry & IND_DESTINATION)
			dest = *entry & PAGE_MASK;
		if (*entry & kind && dest == (pa & PAGE_MASK))
			return entry;
		if (*entry & IND_SOURCE)
			dest += PAGE_SIZE;
	}
	return NULL;
}

/* Have some bytes written by the image; a page's end may be between them. */
static void write_bytes(struct kimage *image, unsigned long pa, const u8 *data,
			size_t len)
{
	kimage_entry_t *entry;
	size_t part;
	u8 *page;

	for (; len; pa += part, data += part, len -= part) {
		part = min(len, PAGE_SIZE - offset_in_page(pa));
		entry = find_entry(image, pa, IND_SOURCE);
		page = boot_phys_to_virt(*entry & PAGE_MASK);
		memcpy(page + offset_in_page(pa), data, part);
	}
}

/**
 * kho_kernel_scatter - move the kernel to a place at random
 * @image: the image that is about to be started
 *
 * Where no place is found it stays where it was loaded to.
 *
 * Context: kexec lock held; the header is complete; the jump cannot be refused any more.
 */
void kho_kernel_scatter(struct kimage *image)
{
	struct kho_kernel *kernel = kho_image_kernel(image);
	const struct kho_hole_ser *hole;
	unsigned int try, nr = kho_out_holes(&hole);
	kimage_entry_t *dest;
	unsigned long i;
	u64 to, entry;

	if (!kernel || !kernel->random || !kernel->entry_pa)
		return;
	dest = find_entry(image, kernel->mem, IND_DESTINATION);
	if (WARN_ON(!dest || !find_entry(image, kernel->entry_pa, IND_SOURCE) ||
		    !find_entry(image, kernel->entry_pa + sizeof(u64) - 1,
				IND_SOURCE)))
		return;
	for (try = 0; try < TRIES; try++) {
		to = random_place(kernel, hole, nr);
		if (to && may_go_to(image, kernel, to))
			break;
	}
	if (try == TRIES) {
		pr_notice("the next kernel is where it was loaded to: no other place was found in %d tries\n",
			  TRIES);
		return;
	}

	*dest = to | (*dest & ~PAGE_MASK);
	for (i = 0; i < image->nr_segments; i++)
		if (image->segment[i].mem == kernel->mem)
			image->segment[i].mem = to;
	kernel->mem = to;
	entry = to + kernel->entry;
	write_bytes(image, kernel->entry_pa, (const u8 *)&entry, sizeof(entry));
}
