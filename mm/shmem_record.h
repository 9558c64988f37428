/* SPDX-License-Identifier: GPL-2.0-only */
/* The record of a shared-memory file: see mm/shmem_record.c. */
#ifndef _MM_SHMEM_RECORD_H
#define _MM_SHMEM_RECORD_H

#include <linux/fcntl.h>
#include <linux/kho/abi/memfd.h>

/* Where the words of a first page with a struct memfd_ser, or with none, begin. */
#define SHMEM_RECORD_MAIN	sizeof(struct memfd_ser)
#define SHMEM_RECORD_TAIL	sizeof(struct memfd_words_ser)

/* What crosses of the flags of a descriptor */
#define SHMEM_RECORD_FLAGS \
	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_LARGEFILE)

/**
 * struct shmem_record - a list of words that is being written
 * @first: its first page
 * @last: its last page
 * @words: words of @last
 * @room: how many words @last can have
 * @index: where in the file the next memory goes
 * @nr_pages: of the file, that are written
 */
struct shmem_record {
	struct memfd_words_ser *first;
	struct memfd_words_ser *last;
	u64 *words;
	u64 room;
	u64 index;
	u64 nr_pages;
};

int shmem_record_begin(struct shmem_record *record, size_t header);
int shmem_record_add(struct shmem_record *record, u64 index, unsigned long pfn,
		     unsigned long nr, unsigned int order);
void shmem_record_end(struct shmem_record *record);
void shmem_record_free(struct shmem_record *record);
void shmem_record_seal(struct memfd_words_ser *page);

/**
 * struct shmem_record_iter - a place in a list of words
 * @page: current page
 * @words: its words
 * @next: next word
 * @index: where in the file the current memory lies
 * @nr: how many pages it has; 0 before the first memory and after the last
 * @pfn: its first frame
 * @order: that of the folios
 */
struct shmem_record_iter {
	const struct memfd_words_ser *page;
	const u64 *words;
	u64 next;
	u64 index;
	unsigned long nr;
	unsigned long pfn;
	unsigned int order;
};

/**
 * shmem_record_start - before the first memory of a page
 * @page: which
 * @header: what precedes its words
 * @index: where in the file its first memory goes if it does not say so
 */
static inline struct shmem_record_iter
shmem_record_start(const struct memfd_words_ser *page, size_t header, u64 index)
{
	return (struct shmem_record_iter) {
		.page = page,
		.words = (const void *)page + header,
		.index = index,
	};
}

bool shmem_record_next(struct shmem_record_iter *iter);
bool shmem_record_seek(struct shmem_record_iter *iter, u64 index);

const struct memfd_ser *shmem_record_check(u64 first_pa);
void shmem_record_restore_free(const struct memfd_ser *ser);

/* The second list of a record, or NULL. */
static inline const struct memfd_words_ser *
shmem_record_tail(const struct memfd_ser *ser)
{
	return ser->tail_pa ? phys_to_virt(ser->tail_pa) : NULL;
}

#endif /* _MM_SHMEM_RECORD_H */
