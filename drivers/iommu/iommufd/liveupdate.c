// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iommufd across a kexec: the kind of file "iommufd-v2".
 *
 * Life cycle: liveupdate_preserve.c has it for the old kernel, liveupdate_restore.c for
 * the next one. What crosses between them is in liveupdate_record.c. Here both are put
 * together to one kind of file.
 *
 * Locks: as there; here is nothing to protect.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/liveupdate.h>
#include <linux/module.h>

#include "iommufd_private.h"
#include "liveupdate.h"

static bool
iommufd_liveupdate_can_preserve(struct liveupdate_file_handler *handler,
				struct file *file)
{
	return iommufd_file_is_ours(file);
}

static const struct liveupdate_file_ops iommufd_liveupdate_ops = {
	.can_preserve = iommufd_liveupdate_can_preserve,
	.preserve = iommufd_liveupdate_preserve,
	.unpreserve = iommufd_liveupdate_unpreserve,
	.freeze = iommufd_liveupdate_freeze,
	.unfreeze = iommufd_liveupdate_unfreeze,
	.retrieve = iommufd_restore_retrieve,
	.put_back = iommufd_restore_put_back,
	.finish = iommufd_restore_finish,
	.retry = true,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler iommufd_liveupdate_handler = {
	.ops = &iommufd_liveupdate_ops,
	.compatible = IOMMUFD_LIVEUPDATE_COMPATIBLE,
};

int __init iommufd_liveupdate_init(void)
{
	if (!liveupdate_enabled())
		return 0;
	return liveupdate_register_file_handler(&iommufd_liveupdate_handler);
}

void iommufd_liveupdate_exit(void)
{
	if (liveupdate_enabled())
		liveupdate_unregister_file_handler(&iommufd_liveupdate_handler);
}
