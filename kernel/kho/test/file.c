// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kind of file that survives in sessions, for tests, and as a sample for authors
 * of handlers.
 *
 * Every open of kho_test/file in debugfs makes a file of its own: one page, which
 * can be written and read. Preserving it preserves the page; its physical address
 * is all that crosses. So the life cycle of liveupdate.h is here with nothing
 * around it: preserve and unpreserve, freeze which can be told to refuse,
 * retrieve, finish of a file that was retrieved and of one that was not.
 *
 * kho_test/file_kind: a kernel in which this was written with 0 does not know the
 * kind. kho_test/file_refuse: an errno for freeze, 0 for none. Preserve, unpreserve,
 * retrieve and finish wait when the test owner is told to hold "file-preserve" and so
 * on, as operations on very large files do.
 *
 * Locks: the page's contents are nobody's but userspace's; @preserved changes under
 * file_lock.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kho.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../internal.h"
#include "test.h"

struct test_file {
	struct folio *folio;
	bool preserved;
};

/* The only writer of "preserved" and of the registration. */
static DEFINE_MUTEX(file_lock);
static bool registered;
static u32 refuse;

static ssize_t test_file_read(struct file *file, char __user *to, size_t count,
			      loff_t *pos)
{
	struct test_file *test = file->private_data;

	return simple_read_from_buffer(to, count, pos,
				       folio_address(test->folio), PAGE_SIZE);
}

static ssize_t test_file_write(struct file *file, const char __user *from,
			       size_t count, loff_t *pos)
{
	struct test_file *test = file->private_data;

	return simple_write_to_buffer(folio_address(test->folio), PAGE_SIZE,
				      pos, from, count);
}

static int test_file_release(struct inode *inode, struct file *file)
{
	struct test_file *test = file->private_data;

	folio_put(test->folio);
	kfree(test);
	return 0;
}

static int test_file_open(struct inode *inode, struct file *file)
{
	struct test_file *test = kzalloc(sizeof(*test), GFP_KERNEL);
	void *page = test ? kho_alloc_pages(0) : NULL;

	if (!page) {
		kfree(test);
		return -ENOMEM;
	}
	test->folio = virt_to_folio(page);
	file->private_data = test;
	return 0;
}

static const struct file_operations test_file_fops = {
	.owner = THIS_MODULE,
	.open = test_file_open,
	.release = test_file_release,
	.read = test_file_read,
	.write = test_file_write,
	.llseek = default_llseek,
};

/* debugfs puts its own operations into the file; the release is ours. */
static bool test_file_can_preserve(struct liveupdate_file_handler *handler,
				   struct file *file)
{
	return file->f_op->release == test_file_release;
}

static int test_file_preserve(struct liveupdate_file_op_args *args)
{
	struct test_file *test = args->file->private_data;
	int rc = -EBUSY;

	kho_test_hold("file-preserve");
	mutex_lock(&file_lock);
	if (!test->preserved)
		rc = kho_preserve_folio(test->folio);
	if (!rc) {
		test->preserved = true;
		args->serialized_data = PFN_PHYS(folio_pfn(test->folio));
	}
	mutex_unlock(&file_lock);
	return rc;
}

static void test_file_unpreserve(struct liveupdate_file_op_args *args)
{
	struct test_file *test = args->file->private_data;

	kho_test_hold("file-unpreserve");
	mutex_lock(&file_lock);
	kho_unpreserve_folio(test->folio);
	test->preserved = false;
	mutex_unlock(&file_lock);
}

static int test_file_freeze(struct liveupdate_file_op_args *args)
{
	if (!refuse)
		return 0;
	liveupdate_refuse(args, "told to refuse freeze");
	return -(int)refuse;
}

static int test_file_retrieve(struct liveupdate_file_op_args *args)
{
	struct test_file *test = kzalloc(sizeof(*test), GFP_KERNEL);
	struct file *file;
	int rc;

	if (!test)
		return -ENOMEM;
	kho_test_hold("file-retrieve");
	file = anon_inode_getfile("[kho_test]", &test_file_fops, test, O_RDWR);
	if (IS_ERR(file)) {
		rc = PTR_ERR(file);
		goto err_free;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	/* What cannot be undone comes last. */
	test->folio = kho_restore_folio(args->serialized_data);
	if (test->folio) {
		args->file = file;
		return 0;
	}
	/* The release wants a page. */
	test->folio = virt_to_folio((void *)get_zeroed_page(GFP_KERNEL |
							    __GFP_NOFAIL));
	fput(file);
	return -EINVAL;

err_free:
	kfree(test);
	return rc;
}

static void test_file_finish(struct liveupdate_file_op_args *args)
{
	kho_test_hold("file-finish");
	if (args->retrieve_status <= 0)
		kho_discard_range(args->serialized_data, PAGE_SIZE);
}

static const struct liveupdate_file_ops test_file_ops = {
	.can_preserve = test_file_can_preserve,
	.preserve = test_file_preserve,
	.unpreserve = test_file_unpreserve,
	.freeze = test_file_freeze,
	.retrieve = test_file_retrieve,
	.finish = test_file_finish,
	.retry = true,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler test_file_handler = {
	.ops = &test_file_ops,
	.compatible = KHO_TEST_FILE_COMPATIBLE,
};

static int file_kind_set(void *unused, u64 known)
{
	int rc = 0;

	mutex_lock(&file_lock);
	if (known && !registered)
		rc = liveupdate_register_file_handler(&test_file_handler);
	else if (!known && registered)
		liveupdate_unregister_file_handler(&test_file_handler);
	if (!rc)
		registered = known;
	mutex_unlock(&file_lock);
	return rc;
}
DEFINE_DEBUGFS_ATTRIBUTE(file_kind_fops, NULL, file_kind_set, "%llu\n");

static int __init test_file_init(void)
{
	struct dentry *dir = debugfs_lookup("kho_test", NULL);

	if (!liveupdate_enabled() || !dir)
		return 0;
	debugfs_create_file_unsafe("file", 0600, dir, NULL, &test_file_fops);
	debugfs_create_file_unsafe("file_kind", 0200, dir, NULL,
				   &file_kind_fops);
	debugfs_create_u32("file_refuse", 0600, dir, &refuse);
	dput(dir);
	return file_kind_set(NULL, 1);
}
late_initcall_sync(test_file_init);
