/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared-memory files that survive a kexec: between the files, each of which calls
 * those above it here and none below it. All of them use shmem_record.c, which has a
 * header of its own.
 */
#ifndef _MM_SHMEM_LIVEUPDATE_H
#define _MM_SHMEM_LIVEUPDATE_H

#include <linux/bitops.h>
#include <linux/fs.h>
#include <linux/shmem_fs.h>
#include <linux/shmem_liveupdate.h>
#include <linux/types.h>

struct liveupdate_file_op_args;
struct memfd_ser;

/*
 * Also under the lock of i_pages, which interrupts take for other files: inside that
 * no lock may be taken that others hold with interrupts on, as info->lock.
 */
static inline void shmem_set_liveupdate(struct inode *inode,
					unsigned long flags, bool on)
{
	set_mask_bits(&SHMEM_I(inode)->liveupdate, on ? 0 : flags,
		      on ? flags : 0);
}

/* shmem_insert.c: the page cache */
int shmem_insert(struct inode *inode, pgoff_t index, struct folio **folios, unsigned int nr);

/* shmem_restore.c: memory */
int shmem_restore_begin(struct inode *inode, const struct memfd_ser *ser);

/* shmem_restore_file.c: file operations */
int shmem_liveupdate_retrieve(struct liveupdate_file_op_args *args);
bool shmem_liveupdate_can_finish(struct liveupdate_file_op_args *args);
void shmem_liveupdate_finish(struct liveupdate_file_op_args *args);

/* shmem_preserve.c: file operations */
int shmem_liveupdate_preserve(struct liveupdate_file_op_args *args);
void shmem_liveupdate_unpreserve(struct liveupdate_file_op_args *args);
int shmem_liveupdate_freeze(struct liveupdate_file_op_args *args);
void shmem_liveupdate_unfreeze(struct liveupdate_file_op_args *args);
int shmem_liveupdate_keep(struct liveupdate_file_op_args *args);
void shmem_liveupdate_unkeep(struct liveupdate_file_op_args *args);

#endif /* _MM_SHMEM_LIVEUPDATE_H */
