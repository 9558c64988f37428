/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live update of files of huge pages: between the files, each of which calls those
 * above it here and none below it.
 */
#ifndef _MM_HUGETLB_LIVEUPDATE_H
#define _MM_HUGETLB_LIVEUPDATE_H

#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_liveupdate.h>
#include <linux/io.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/types.h>

struct liveupdate_file_op_args;

/* Changes the state from @from, or not at all. */
static inline bool hugetlb_set_frozen(struct inode *inode,
				      enum hugetlb_frozen from,
				      enum hugetlb_frozen to)
{
	struct hugetlbfs_inode_info *info = HUGETLBFS_I(inode);
	bool ok;

	inode_lock(inode);
	ok = info->frozen == from;
	if (ok)
		WRITE_ONCE(info->frozen, to);
	inode_unlock(inode);
	return ok;
}

/* hugetlb_record.c */

/* Entries of a chain of chunks, in ascending order of index. */
struct hugetlb_chain {
	struct hugetlb_chunk_ser *first;
	struct hugetlb_chunk_ser *last;
	u64 nr;
};

struct hugetlb_cursor {
	const struct hugetlb_chunk_ser *chunk;
	u64 i;
};

static inline struct hugetlb_cursor
hugetlb_first_of(const struct hugetlb_file_ser *header)
{
	return (struct hugetlb_cursor) {
		.chunk = header->nr ? phys_to_virt(header->chunk_pa) : NULL,
	};
}

const struct hugetlb_entry_ser *hugetlb_next_entry(struct hugetlb_cursor *cursor);
int hugetlb_chain_add(struct hugetlb_chain *chain, u64 index, u64 pfn);
void hugetlb_chain_free(struct hugetlb_chain *chain);
void hugetlb_chain_sum(struct hugetlb_chain *chain);
const struct hugetlb_file_ser *
hugetlb_read_record(const struct liveupdate_file_op_args *args);
void hugetlb_free_record(const struct hugetlb_file_ser *header);

/* hugetlb_preserve.c: file operations */
int hugetlb_liveupdate_preserve(struct liveupdate_file_op_args *args);
void hugetlb_liveupdate_unpreserve(struct liveupdate_file_op_args *args);
int hugetlb_liveupdate_freeze(struct liveupdate_file_op_args *args);
void hugetlb_liveupdate_unfreeze(struct liveupdate_file_op_args *args);
int hugetlb_liveupdate_keep(struct liveupdate_file_op_args *args);
void hugetlb_liveupdate_unkeep(struct liveupdate_file_op_args *args);

/* hugetlb_restore.c: file operations */
int hugetlb_liveupdate_retrieve(struct liveupdate_file_op_args *args);
void hugetlb_liveupdate_finish(struct liveupdate_file_op_args *args);

#endif /* _MM_HUGETLB_LIVEUPDATE_H */
