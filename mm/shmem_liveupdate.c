// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared-memory files (memfds, files on tmpfs) that survive a kexec in a session.
 *
 * Life cycle: shmem_preserve.c has it for the old kernel, shmem_restore_file.c for the
 * next one, shmem_restore.c for the memory there. What crosses between them is in
 * shmem_record.c. Here all is put together to one kind of file.
 *
 * Locks: as there; here is nothing to protect.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kho/abi/memfd.h>
#include <linux/liveupdate.h>
#include <linux/module.h>
#include <linux/shmem_fs.h>

#include "shmem_liveupdate.h"

static bool shmem_can_preserve(struct liveupdate_file_handler *handler,
			       struct file *file)
{
	return S_ISREG(file_inode(file)->i_mode) && shmem_file(file);
}

/* However often it was opened */
static unsigned long shmem_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static const struct liveupdate_file_ops shmem_liveupdate_ops = {
	.can_preserve = shmem_can_preserve,
	.preserve = shmem_liveupdate_preserve,
	.unpreserve = shmem_liveupdate_unpreserve,
	.freeze = shmem_liveupdate_freeze,
	.unfreeze = shmem_liveupdate_unfreeze,
	.retrieve = shmem_liveupdate_retrieve,
	.can_finish = shmem_liveupdate_can_finish,
	.keep = shmem_liveupdate_keep,
	.unkeep = shmem_liveupdate_unkeep,
	.finish = shmem_liveupdate_finish,
	.get_id = shmem_get_id,
	.retry = true,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler shmem_handler = {
	.ops = &shmem_liveupdate_ops,
	.compatible = MEMFD_COMPATIBLE,
};

static int __init shmem_liveupdate_init(void)
{
	return liveupdate_enabled() ?
	       liveupdate_register_file_handler(&shmem_handler) : 0;
}
late_initcall(shmem_liveupdate_init);
