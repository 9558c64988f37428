/* SPDX-License-Identifier: GPL-2.0-only */
/* What the handler of shared-memory files calls in mm/shmem_restore.c. */
#ifndef _MM_SHMEM_RESTORE_H
#define _MM_SHMEM_RESTORE_H

struct inode;
struct memfd_ser;

int shmem_restore_begin(struct inode *inode, const struct memfd_ser *ser);

#endif /* _MM_SHMEM_RESTORE_H */
