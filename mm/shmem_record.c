// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of a shared-memory file that crosses a kexec: writing it, walking it,
 * and checking one that another kernel wrote. What is in it: see
 * linux/kho/abi/memfd.h.
 *
 * Life cycle: begin, add in the order of the file, end; freed by the kernel that
 * wrote it, or by the next one when nothing needs it any more.
 *
 * Locks: none; the caller sees to it that a record has one writer, or readers.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho/abi/handover.h>
#include <linux/log2.h>
#include <linux/mm.h>

#include "liveupdate_seals.h"
#include "shmem_record.h"

static u64 page_checksum(const struct memfd_words_ser *page)
{
	return kho_checksum(0, &page->next_pa,
			    MEMFD_SER_PAGE - sizeof(page->checksum));
}

/**
 * shmem_record_begin - allocate the first page of a list
 * @record: what to initialise
 * @header: what precedes its words: SHMEM_RECORD_MAIN or SHMEM_RECORD_TAIL
 *
 * Return: 0 or -ENOMEM
 */
int shmem_record_begin(struct shmem_record *record, size_t header)
{
	void *page = kho_alloc_preserve(PAGE_SIZE);

	if (IS_ERR(page))
		return PTR_ERR(page);
	*record = (struct shmem_record) {
		.first = page,
		.last = page,
		.words = page + header,
		.room = (PAGE_SIZE - header) / sizeof(u64),
	};
	return 0;
}

static int add_word(struct shmem_record *record, u64 word)
{
	struct memfd_words_ser *page;

	if (record->last->nr == record->room) {
		page = kho_alloc_preserve(PAGE_SIZE);
		if (IS_ERR(page))
			return PTR_ERR(page);
		record->last->next_pa = virt_to_phys(page);
		shmem_record_seal(record->last);
		record->last = page;
		record->words = (u64 *)(page + 1);
		record->room = MEMFD_MORE_WORDS;
	}
	record->words[record->last->nr++] = word;
	return 0;
}

/**
 * shmem_record_add - write down memory
 * @record: where
 * @index: first page in the file; grows from call to call
 * @pfn: first frame
 * @nr: how many folios follow each other, up to MEMFD_RUN_MAX
 * @order: their order
 *
 * Return: 0 or -ENOMEM, and the memory is not in the record
 */
int shmem_record_add(struct shmem_record *record, u64 index, unsigned long pfn,
		     unsigned long nr, unsigned int order)
{
	int rc;

	if (record->index != index) {
		rc = add_word(record, MEMFD_WORD_INDEX | index);
		if (rc)
			return rc;
		record->index = index;
	}
	rc = add_word(record, pfn | (u64)(nr - 1) << MEMFD_PFN_BITS |
			      (u64)order << MEMFD_ORDER_SHIFT);
	if (rc)
		return rc;
	record->index += nr << order;
	record->nr_pages += nr << order;
	return 0;
}

/**
 * shmem_record_seal - write down the checksum of a page that is complete
 * @page: which
 */
void shmem_record_seal(struct memfd_words_ser *page)
{
	page->checksum = page_checksum(page);
}

/**
 * shmem_record_end - nothing is added any more
 * @record: which
 */
void shmem_record_end(struct shmem_record *record)
{
	shmem_record_seal(record->last);
}

/**
 * shmem_record_free - free a list that this kernel wrote
 * @record: which; may be freed or not begun
 */
void shmem_record_free(struct shmem_record *record)
{
	struct memfd_words_ser *page = record->first;

	while (page) {
		u64 next_pa = page->next_pa;

		kho_unpreserve_free(page);
		page = next_pa ? phys_to_virt(next_pa) : NULL;
	}
	record->first = NULL;
}

/**
 * shmem_record_next - go to the next memory
 * @iter: from where
 *
 * Return: is there any?
 */
bool shmem_record_next(struct shmem_record_iter *iter)
{
	u64 word;

	iter->index += iter->nr;
	iter->nr = 0;
	for (;;) {
		if (iter->next == iter->page->nr) {
			if (!iter->page->next_pa)
				return false;
			iter->page = phys_to_virt(iter->page->next_pa);
			iter->words = (const u64 *)(iter->page + 1);
			iter->next = 0;
			continue;
		}
		word = iter->words[iter->next++];
		if (!(word & MEMFD_WORD_INDEX))
			break;
		iter->index = word & MEMFD_INDEX_MASK;
	}
	iter->pfn = word & MEMFD_PFN_MASK;
	iter->order = word >> MEMFD_ORDER_SHIFT & MEMFD_ORDER_MASK;
	iter->nr = ((word >> MEMFD_PFN_BITS & (MEMFD_RUN_MAX - 1)) + 1) <<
		   iter->order;
	return true;
}

/**
 * shmem_record_seek - go on to the first memory that ends behind a place
 * @iter: from where
 * @index: the place
 *
 * Return: is there any? It may begin behind the place.
 */
bool shmem_record_seek(struct shmem_record_iter *iter, u64 index)
{
	while (!iter->nr || iter->index + iter->nr <= index)
		if (!shmem_record_next(iter))
			return false;
	return true;
}

/* All pages of a list are where they should be and as they were. */
static bool pages_sane(u64 pa, size_t header)
{
	const struct memfd_words_ser *page;
	u64 nr = 0, passed = 0;

	for (; pa; pa = page->next_pa) {
		/* A list that goes round gets to one that was passed. */
		if (pa == passed || !kho_is_pending(pa, PAGE_SIZE))
			return false;
		if (is_power_of_2(++nr))
			passed = pa;
		page = phys_to_virt(pa);
		if (page->checksum != page_checksum(page) ||
		    page->nr > (PAGE_SIZE - header) / sizeof(u64))
			return false;
		header = SHMEM_RECORD_TAIL;
		cond_resched();
	}
	return true;
}

/*
 * The memory of a list is there, in the order of the file, and nothing of it is in
 * @other as well. Returns how many pages it has, or 0.
 */
static u64 memory_sane(struct shmem_record_iter iter, u64 size,
		       struct shmem_record_iter *other)
{
	u64 end = 0, nr_pages = 0, last;

	while (shmem_record_next(&iter)) {
		/* Of a file that ends within it, a folio reaches beyond. */
		last = iter.index + iter.nr - (1UL << iter.order);
		if (iter.order > MAX_PAGE_ORDER || iter.index < end ||
		    last >= DIV_ROUND_UP(size, PAGE_SIZE) ||
		    !IS_ALIGNED(iter.index | iter.pfn, 1UL << iter.order) ||
		    !kho_is_pending(PFN_PHYS(iter.pfn), iter.nr << PAGE_SHIFT))
			return 0;
		end = iter.index + iter.nr;
		if (other && shmem_record_seek(other, iter.index) &&
		    other->index < end)
			return 0;
		nr_pages += iter.nr;
		cond_resched();
	}
	return nr_pages;
}

/**
 * shmem_record_check - can a record that another kernel wrote be believed?
 * @first_pa: where it says it is
 *
 * Context: may sleep.
 * Return: the record, or NULL: damaged
 */
const struct memfd_ser *shmem_record_check(u64 first_pa)
{
	const struct memfd_words_ser *tail;
	struct shmem_record_iter iter;
	const struct memfd_ser *ser;
	u64 nr_pages, more;

	if (!first_pa || !pages_sane(first_pa, SHMEM_RECORD_MAIN))
		return NULL;
	ser = phys_to_virt(first_pa);
	if (!liveupdate_seals_ok(ser->seals, ser->mode) ||
	    ser->flags & ~SHMEM_RECORD_FLAGS ||
	    (ser->flags & O_ACCMODE) == O_ACCMODE)
		return NULL;
	if (ser->size > MAX_LFS_FILESIZE || ser->pos > MAX_LFS_FILESIZE ||
	    ser->reserved || ser->mode & ~0777 ||
	    strnlen(ser->name, sizeof(ser->name)) == sizeof(ser->name) ||
	    !pages_sane(ser->tail_pa, SHMEM_RECORD_TAIL))
		return NULL;

	iter = shmem_record_start(&ser->words, SHMEM_RECORD_MAIN, 0);
	nr_pages = memory_sane(iter, ser->size, NULL);
	tail = shmem_record_tail(ser);
	if (tail) {
		more = memory_sane(shmem_record_start(tail, SHMEM_RECORD_TAIL, 0),
				   ser->size, &iter);
		if (!more)
			return NULL;
		nr_pages += more;
	}
	return nr_pages == ser->nr_pages ? ser : NULL;
}

static void restore_free_list(u64 pa)
{
	while (pa) {
		struct memfd_words_ser *page = phys_to_virt(pa);

		pa = page->next_pa;
		kho_restore_free(page);
	}
}

/**
 * shmem_record_restore_free - free a record that another kernel wrote
 * @ser: which; has been checked
 */
void shmem_record_restore_free(const struct memfd_ser *ser)
{
	restore_free_list(ser->tail_pa);
	restore_free_list(virt_to_phys((void *)ser));
}
