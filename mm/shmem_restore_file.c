// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared-memory files across a kexec, in the next kernel; their memory is the affair of
 * mm/shmem_restore.c.
 *
 * Life cycle: retrieve checks the whole record and makes a file; its memory comes back
 * at first touch, or with finish. Until finish it stays in its frames, and the size is
 * frozen, as a device may still write there. Without such a device in the session, who
 * changes the size has all memory back first, and that is over. finish lifts the
 * freeze, or frees the memory if the file was not retrieved, or if nobody has it any
 * more.
 *
 * Locks: the session's mutex. Nobody else has the inode that is being retrieved.
 */
#define pr_fmt(fmt) "memfd: " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho/abi/memfd.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/shmem_liveupdate.h>

#include "liveupdate_seals.h"
#include "shmem_liveupdate.h"
#include "shmem_record.h"

/* The file as it was, but without contents. */
static struct file *make_file(const struct memfd_ser *ser)
{
	struct file *file, *same;
	struct inode *inode;

	file = shmem_file_setup(ser->name, 0, VM_NORESERVE);
	if (IS_ERR(file))
		return file;
	inode = file_inode(file);
	inode->i_mode = S_IFREG | ser->mode;
	if ((ser->flags & O_ACCMODE) != O_RDWR) {
		same = dentry_open(&file->f_path, ser->flags & O_ACCMODE,
				   current_cred());
		fput(file);
		if (IS_ERR(same))
			return same;
		file = same;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	file->f_flags |= ser->flags & (O_APPEND | O_NONBLOCK | O_LARGEFILE);
	file->f_pos = ser->pos;
	i_size_write(inode, ser->size);
	liveupdate_set_seals(inode->i_mapping, &SHMEM_I(inode)->seals, ser->seals);
	return file;
}

int shmem_liveupdate_retrieve(struct liveupdate_file_op_args *args)
{
	const struct memfd_ser *ser = shmem_record_check(args->serialized_data);
	struct file *file;
	int rc;

	if (!ser) {
		pr_err("token %#llx: the record is damaged\n", args->token);
		return -EINVAL;
	}
	file = make_file(ser);
	if (IS_ERR(file))
		return PTR_ERR(file);
	rc = shmem_restore_begin(file_inode(file), ser);
	if (rc) {
		fput(file);
		return rc;
	}
	shmem_set_liveupdate(file_inode(file), SHMEM_FROZEN | SHMEM_HELD, true);
	if (!liveupdate_is_used(args))
		shmem_set_liveupdate(file_inode(file), SHMEM_YIELDS, true);
	args->file = file;
	return 0;
}

/**
 * __shmem_may_resize - a file that is frozen is to get another size
 * @inode: the file's
 *
 * Context: may sleep, with inode_lock held.
 * Return: 0: it is not frozen any more; -EBUSY: it stays so; -ENOMEM or -ENOSPC: its
 * memory could not be brought back, and nothing is lost
 */
int __shmem_may_resize(struct inode *inode)
{
	int rc;

	if (!(READ_ONCE(SHMEM_I(inode)->liveupdate) & SHMEM_YIELDS))
		return -EBUSY;
	rc = shmem_restore_all(inode);
	/* The record is wrong: who knows what is where. */
	if (rc == -EIO)
		return -EBUSY;
	if (rc)
		return rc;
	shmem_restore_end(inode);
	shmem_set_liveupdate(inode, SHMEM_FROZEN | SHMEM_HELD | SHMEM_YIELDS,
			     false);
	return 0;
}

bool shmem_liveupdate_can_finish(struct liveupdate_file_op_args *args)
{
	int rc;

	if (args->retrieve_status <= 0 || liveupdate_is_unused(args->file))
		return true;
	rc = shmem_restore_all(file_inode(args->file));
	/* Trying again would not help. */
	if (rc == -EIO)
		return true;
	if (rc)
		pr_info_ratelimited("token %#llx cannot be finished yet: restoring its memory: %pe\n",
				    args->token, ERR_PTR(rc));
	return !rc;
}

static void discard_list(const struct memfd_words_ser *page, size_t header)
{
	struct shmem_record_iter iter = shmem_record_start(page, header, 0);

	while (shmem_record_next(&iter)) {
		kho_discard_range(PFN_PHYS(iter.pfn), iter.nr << PAGE_SHIFT);
		cond_resched();
	}
}

void shmem_liveupdate_finish(struct liveupdate_file_op_args *args)
{
	const struct memfd_ser *ser;
	struct inode *inode;
	u64 lost;

	if (args->retrieve_status > 0) {
		inode = file_inode(args->file);
		lost = shmem_restore_left(inode);
		if (lost && !liveupdate_is_unused(args->file)) {
			shmem_set_liveupdate(inode, SHMEM_HELD | SHMEM_YIELDS,
					     false);
			pr_err("token %#llx: the record is wrong: %llu pages are lost; touching them is an error, and the size stays fixed\n",
			       args->token, lost);
			return;
		}
		shmem_restore_end(inode);
		shmem_set_liveupdate(inode, SHMEM_FROZEN | SHMEM_HELD |
				     SHMEM_YIELDS, false);
		return;
	}
	ser = shmem_record_check(args->serialized_data);
	if (!ser) {
		pr_err("token %#llx: the record is damaged; its memory stays until /memory is discarded\n",
		       args->token);
		return;
	}
	discard_list(&ser->words, SHMEM_RECORD_MAIN);
	if (shmem_record_tail(ser))
		discard_list(shmem_record_tail(ser), SHMEM_RECORD_TAIL);
	shmem_record_restore_free(ser);
}
