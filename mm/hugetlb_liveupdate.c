// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live update of files of huge pages: memfds with MFD_HUGETLB, files on hugetlbfs.
 *
 * Life cycle: hugetlb_preserve.c has it for the old kernel, hugetlb_restore.c for the
 * next one. What crosses between them is in hugetlb_record.c. Here both are put together
 * to one kind of file.
 *
 * Locks: as there; here is nothing to protect.
 */
#define pr_fmt(fmt) "hugetlb: live update: " fmt

#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/liveupdate.h>
#include <linux/magic.h>

#include "hugetlb_liveupdate.h"

static bool
hugetlb_liveupdate_can_preserve(struct liveupdate_file_handler *handler,
				struct file *file)
{
	const struct inode *inode = file_inode(file);

	/* S_PRIVATE is System V shared memory. */
	return is_file_hugepages(file) && S_ISREG(inode->i_mode) &&
	       inode->i_sb->s_magic == HUGETLBFS_MAGIC &&
	       !(inode->i_flags & S_PRIVATE);
}

/* However often it was opened */
static unsigned long hugetlb_liveupdate_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static const struct liveupdate_file_ops hugetlb_liveupdate_ops = {
	.can_preserve = hugetlb_liveupdate_can_preserve,
	.preserve = hugetlb_liveupdate_preserve,
	.unpreserve = hugetlb_liveupdate_unpreserve,
	.freeze = hugetlb_liveupdate_freeze,
	.unfreeze = hugetlb_liveupdate_unfreeze,
	.retrieve = hugetlb_liveupdate_retrieve,
	.keep = hugetlb_liveupdate_keep,
	.unkeep = hugetlb_liveupdate_unkeep,
	.finish = hugetlb_liveupdate_finish,
	.get_id = hugetlb_liveupdate_get_id,
	.retry = true,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler hugetlb_liveupdate_handler = {
	.ops = &hugetlb_liveupdate_ops,
	.compatible = HUGETLB_LIVEUPDATE_COMPATIBLE,
};

static int __init hugetlb_liveupdate_init(void)
{
	int rc;

	if (!hugepages_supported())
		return 0;
	rc = liveupdate_register_file_handler(&hugetlb_liveupdate_handler);
	if (rc)
		pr_err("not registered: %d\n", rc);
	return rc;
}
late_initcall(hugetlb_liveupdate_init);
