// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver as others write it for live update: files of one page, something that all of
 * them have in common, and a subtree of its own which is no device tree. It uses nothing
 * but what Linux 7.3 has as well, and compiles there unchanged.
 *
 * Every open of /dev/flb_user is a file; what it is one of is the number in its first
 * eight bytes, or itself while that is 0. The kernel log has what is called, for tests.
 *
 * Locks: none; tests do one thing after the other.
 */
#define pr_fmt(fmt) "flb_user: " fmt

#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#define COMMON_MAGIC	0x636f6d6d6f6e2121ULL
#define COMMON_FILL	0x5a
#define SUBTREE		"flb-user"
#define SUBTREE_TEXT	"no device tree"

/* What files have in common; it is preserved as it is. */
struct common {
	u64 magic;
	u64 nr_preserved;
	u8 fill[PAGE_SIZE - 2 * sizeof(u64)];
};

static int fail;
module_param(fail, int, 0644);
MODULE_PARM_DESC(fail, "errno with which retrieve fails, after it has restored the page");

static void *subtree;
static const struct file_operations page_fops;
static struct liveupdate_flb common_flb;

static ssize_t page_read(struct file *file, char __user *to, size_t count,
			 loff_t *pos)
{
	return simple_read_from_buffer(to, count, pos,
				       folio_address(file->private_data),
				       PAGE_SIZE);
}

static ssize_t page_write(struct file *file, const char __user *from,
			  size_t count, loff_t *pos)
{
	return simple_write_to_buffer(folio_address(file->private_data),
				      PAGE_SIZE, pos, from, count);
}

static int page_release(struct inode *inode, struct file *file)
{
	folio_put(file->private_data);
	return 0;
}

static int page_open(struct inode *inode, struct file *file)
{
	struct folio *folio = folio_alloc(GFP_KERNEL | __GFP_ZERO, 0);

	if (!folio)
		return -ENOMEM;
	file->private_data = folio;
	return 0;
}

static const struct file_operations page_fops = {
	.owner = THIS_MODULE,
	.open = page_open,
	.release = page_release,
	.read = page_read,
	.write = page_write,
	.llseek = default_llseek,
};

static bool page_can_preserve(struct liveupdate_file_handler *handler,
			      struct file *file)
{
	return file->f_op == &page_fops;
}

static int page_preserve(struct liveupdate_file_op_args *args)
{
	struct folio *folio = args->file->private_data;
	struct common *common;
	void *obj;
	int rc;

	rc = liveupdate_flb_get_outgoing(&common_flb, &obj);
	if (rc)
		return rc;
	rc = kho_preserve_folio(folio);
	if (!rc) {
		common = obj;
		common->nr_preserved++;
		args->serialized_data = PFN_PHYS(folio_pfn(folio));
	}
	liveupdate_flb_put_outgoing(&common_flb);
	return rc;
}

static void page_unpreserve(struct liveupdate_file_op_args *args)
{
	struct common *common;
	void *obj;

	if (!liveupdate_flb_get_outgoing(&common_flb, &obj)) {
		common = obj;
		common->nr_preserved--;
		liveupdate_flb_put_outgoing(&common_flb);
	}
	kho_unpreserve_folio(args->file->private_data);
}

static int page_retrieve(struct liveupdate_file_op_args *args)
{
	struct folio *folio;
	struct file *file;
	void *obj;
	int rc;

	rc = liveupdate_flb_get_incoming(&common_flb, &obj);
	if (rc)
		return rc;
	liveupdate_flb_put_incoming(&common_flb);
	folio = kho_restore_folio(args->serialized_data);
	if (!folio)
		return -EINVAL;
	if (fail) {
		rc = -fail;
		goto err_put;
	}
	file = anon_inode_getfile("[flb_user]", &page_fops, folio, O_RDWR);
	if (IS_ERR(file)) {
		rc = PTR_ERR(file);
		goto err_put;
	}
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	args->file = file;
	return 0;

err_put:
	folio_put(folio);
	return rc;
}

static bool page_can_finish(struct liveupdate_file_op_args *args)
{
	pr_info("may a file be finished? Its status is %d\n",
		args->retrieve_status);
	return true;
}

static void page_finish(struct liveupdate_file_op_args *args)
{
	struct folio *folio;

	pr_info("a file is finished, its status is %d\n", args->retrieve_status);
	/* Whoever failed to retrieve it has freed it. */
	if (args->retrieve_status)
		return;
	folio = kho_restore_folio(args->serialized_data);
	if (folio)
		folio_put(folio);
}

static unsigned long page_id(struct file *file)
{
	u64 *number = folio_address(file->private_data);

	return *number ? *number : (unsigned long)file;
}

static const struct liveupdate_file_ops page_ops = {
	.can_preserve = page_can_preserve,
	.preserve = page_preserve,
	.unpreserve = page_unpreserve,
	.retrieve = page_retrieve,
	.can_finish = page_can_finish,
	.finish = page_finish,
	.get_id = page_id,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler page_handler = {
	.ops = &page_ops,
	.compatible = "flb-user-v1",
};

static int common_preserve(struct liveupdate_flb_op_args *argp)
{
	struct common *common = kho_alloc_preserve(PAGE_SIZE);

	if (IS_ERR(common))
		return PTR_ERR(common);
	common->magic = COMMON_MAGIC;
	common->nr_preserved = 0;
	memset(common->fill, COMMON_FILL, sizeof(common->fill));
	argp->data = virt_to_phys(common);
	argp->obj = common;
	pr_info("common: preserved\n");
	return 0;
}

static void common_unpreserve(struct liveupdate_flb_op_args *argp)
{
	kho_unpreserve_free(argp->obj);
	pr_info("common: not preserved any more\n");
}

static int common_retrieve(struct liveupdate_flb_op_args *argp)
{
	struct common *common = phys_to_virt(argp->data);

	if (common->magic != COMMON_MAGIC ||
	    memchr_inv(common->fill, COMMON_FILL, sizeof(common->fill)))
		return -EINVAL;
	argp->obj = common;
	pr_info("common: retrieved, of %llu files\n", common->nr_preserved);
	return 0;
}

static void common_finish(struct liveupdate_flb_op_args *argp)
{
	kho_restore_free(argp->obj);
	pr_info("common: finished\n");
}

static const struct liveupdate_flb_ops common_ops = {
	.preserve = common_preserve,
	.unpreserve = common_unpreserve,
	.retrieve = common_retrieve,
	.finish = common_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_flb common_flb = {
	.ops = &common_ops,
	.compatible = "flb-user-common-v1",
};

static struct miscdevice page_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "flb_user",
	.fops = &page_fops,
};

static int take_subtree(void)
{
	phys_addr_t phys;
	size_t size;
	int rc;

	rc = kho_retrieve_subtree(SUBTREE, &phys, &size);
	if (rc == -ENOENT) {
		pr_info("subtree: there is none\n");
		return 0;
	}
	if (rc)
		return rc;
	if (size != sizeof(SUBTREE_TEXT) ||
	    memcmp(phys_to_virt(phys), SUBTREE_TEXT, size)) {
		pr_err("subtree: is another one\n");
		return -EINVAL;
	}
	kho_restore_free(phys_to_virt(phys));
	kho_restore_free(NULL);
	pr_info("subtree: has arrived\n");
	return 0;
}

static int give_subtree(void)
{
	int rc;

	subtree = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(subtree))
		return PTR_ERR(subtree);
	memcpy(subtree, SUBTREE_TEXT, sizeof(SUBTREE_TEXT));
	rc = kho_add_subtree(SUBTREE, subtree, sizeof(SUBTREE_TEXT));
	if (rc)
		kho_unpreserve_free(subtree);
	return rc;
}

static int __init flb_user_init(void)
{
	int rc;

	rc = take_subtree();
	if (rc)
		return rc;
	rc = give_subtree();
	if (rc)
		return rc;
	rc = liveupdate_register_file_handler(&page_handler);
	if (rc)
		goto err_subtree;
	rc = liveupdate_register_flb(&page_handler, &common_flb);
	if (rc)
		goto err_handler;
	rc = liveupdate_register_flb(&page_handler, &common_flb);
	if (rc != -EEXIST)
		pr_err("registering it twice: %d\n", rc);
	rc = misc_register(&page_device);
	if (rc)
		goto err_handler;
	return 0;

err_handler:
	/* What files have in common goes with their handler. */
	liveupdate_unregister_file_handler(&page_handler);
err_subtree:
	kho_remove_subtree(subtree);
	kho_unpreserve_free(subtree);
	return rc;
}
module_init(flb_user_init);

static void __exit flb_user_exit(void)
{
	misc_deregister(&page_device);
	liveupdate_unregister_flb(&page_handler, &common_flb);
	liveupdate_unregister_file_handler(&page_handler);
	kho_remove_subtree(subtree);
	kho_unpreserve_free(subtree);
}
module_exit(flb_user_exit);

MODULE_DESCRIPTION("A user of live update, for its tests");
MODULE_LICENSE("GPL");
/* Or the kernel would be tainted, which scripts/vm reports. */
MODULE_INFO(intree, "Y");
