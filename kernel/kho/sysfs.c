// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/kho, see Documentation/ABI/testing/sysfs-kernel-kho, and the raw
 * blob in debugfs.
 *
 * Locks: a file that starts or undoes a step takes kho_lock; the step looks at the
 * image by itself, see image.c.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kobject.h>
#include <linux/late_memmap.h>
#include <linux/mm.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "internal.h"

static int step(int (*up_or_down)(void))
{
	int rc;

	mutex_lock(&kho_lock);
	if (kho_is_jumping()) {
		kho_set_err("core: this kernel is leaving");
		rc = -EBUSY;
	} else {
		rc = up_or_down();
	}
	mutex_unlock(&kho_lock);
	return rc;
}

static ssize_t activate_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%d\n", kho_get_state() >= KHO_ACTIVE);
}

static ssize_t activate_store(struct kobject *kobj, struct kobj_attribute *attr,
			      const char *buf, size_t count)
{
	bool on;
	int rc = kstrtobool(buf, &on);

	if (!rc && on)
		late_memmap_finish();
	if (!rc)
		rc = step(on ? kho_activate : kho_deactivate);
	return rc ?: count;
}

static ssize_t finalize_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%d\n", kho_get_state() == KHO_FINAL);
}

static ssize_t finalize_store(struct kobject *kobj, struct kobj_attribute *attr,
			      const char *buf, size_t count)
{
	bool on;
	int rc = kstrtobool(buf, &on);

	if (!rc)
		rc = step(on ? kho_finalize : kho_unfinalize);
	return rc ?: count;
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%s\n", kho_state_name(kho_get_state()));
}

static ssize_t last_error_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", kho_last_error());
}

static ssize_t refusals_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return kho_refusals_show(buf);
}

static ssize_t late_bytes_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", late_memmap_pages() << PAGE_SHIFT);
}

static ssize_t preserved_bytes_show(struct kobject *kobj,
				    struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", kho_preserved_frames() << PAGE_SHIFT);
}

static ssize_t landing_zone_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	struct kho_target target;
	ssize_t len = 0;
	unsigned int i;

	if (kho_target_get(&target))
		return -EBUSY;
	for (i = 0; i < target.nr_segments; i++)
		len += sysfs_emit_at(buf, len, "%#llx-%#llx\n",
				     PFN_PHYS(target.segment[i].start),
				     PFN_PHYS(target.segment[i].end));
	kho_target_put(&target);
	return len;
}

static ssize_t incoming_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return kho_in_show(buf, PAGE_SIZE);
}

static ssize_t verify_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	int len;

	mutex_lock(&kho_lock);
	len = kho_verify(buf);
	mutex_unlock(&kho_lock);
	return len;
}

static ssize_t restores_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return kho_restores_show(buf);
}

static ssize_t generation_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", kho_generation());
}

static ssize_t discard_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	char name[KHO_NAME_MAX + 2];
	int rc;

	if (count >= sizeof(name))
		return -ENOENT;
	strscpy(name, buf);
	mutex_lock(&kho_lock);
	rc = kho_in_discard(strim(name));
	mutex_unlock(&kho_lock);
	return rc ?: count;
}

static ssize_t allow_unreadable_show(struct kobject *kobj,
				     struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", kho_allow_unreadable);
}

static ssize_t allow_unreadable_store(struct kobject *kobj,
				      struct kobj_attribute *attr,
				      const char *buf, size_t count)
{
	return kstrtobool(buf, &kho_allow_unreadable) ?: count;
}

static ssize_t timeline_read(struct file *file, struct kobject *kobj,
			     struct bin_attribute *attr, char *buf, loff_t pos,
			     size_t count)
{
	/* Names of sessions are not for everybody, see the file sessions. */
	return kho_stages_read(buf, pos, count,
			       file_ns_capable(file, &init_user_ns,
					       CAP_SYS_ADMIN));
}

struct kobject *kho_kobj;

static struct kobj_attribute activate_attr = __ATTR_RW_MODE(activate, 0644);
static struct kobj_attribute finalize_attr = __ATTR_RW_MODE(finalize, 0644);
static struct kobj_attribute state_attr = __ATTR_RO(state);
static struct kobj_attribute last_error_attr = __ATTR_RO(last_error);
static struct kobj_attribute refusals_attr = __ATTR_RO(refusals);
static struct kobj_attribute late_bytes_attr = __ATTR_RO(late_bytes);
static struct kobj_attribute preserved_bytes_attr = __ATTR_RO(preserved_bytes);
/* Physical addresses are for root only. */
static struct kobj_attribute landing_zone_attr =
	__ATTR_RO_MODE(landing_zone, 0400);
static struct kobj_attribute incoming_attr = __ATTR_RO(incoming);
/* It takes as long as there is much to look at. */
static struct kobj_attribute verify_attr = __ATTR_RO_MODE(verify, 0400);
static struct kobj_attribute restores_attr = __ATTR_RO(restores);
static struct kobj_attribute generation_attr = __ATTR_RO(generation);
static struct kobj_attribute discard_attr = __ATTR_WO(discard);
static struct kobj_attribute allow_unreadable_attr =
	__ATTR_RW_MODE(allow_unreadable, 0644);

static struct attribute *kho_attrs[] = {
	&activate_attr.attr,
	&finalize_attr.attr,
	&state_attr.attr,
	&last_error_attr.attr,
	&refusals_attr.attr,
	&late_bytes_attr.attr,
	&preserved_bytes_attr.attr,
	&landing_zone_attr.attr,
	&incoming_attr.attr,
	&restores_attr.attr,
	&verify_attr.attr,
	&generation_attr.attr,
	&discard_attr.attr,
	&allow_unreadable_attr.attr,
	NULL
};

/* It may be longer than a page. */
static struct bin_attribute timeline_attr = {
	.attr = { .name = "timeline", .mode = 0444 },
	.read = timeline_read,
};

static struct bin_attribute *kho_bin_attrs[] = {
	&timeline_attr,
	NULL
};

static const struct attribute_group kho_group = {
	.attrs = kho_attrs,
	.bin_attrs = kho_bin_attrs,
};

static int blob_show(struct seq_file *m, void *unused)
{
	int rc = security_locked_down(LOCKDOWN_DEBUGFS);

	if (rc)
		return rc;
	mutex_lock(&kho_lock);
	kho_out_show_blob(m);
	mutex_unlock(&kho_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(blob);

int __init kho_sysfs_init(void)
{
	int rc;

	kho_kobj = kobject_create_and_add("kho", kernel_kobj);
	if (!kho_kobj)
		return -ENOMEM;
	rc = sysfs_create_group(kho_kobj, &kho_group);
	if (rc)
		kobject_put(kho_kobj);
	return rc;
}

/* debugfs starts at the same level as the core. */
static int __init kho_debugfs_init(void)
{
	struct dentry *dir;

	if (!kho_is_enabled())
		return 0;
	dir = debugfs_create_dir("kho", NULL);
	debugfs_create_file("blob", 0400, dir, NULL, &blob_fops);
	return 0;
}
fs_initcall(kho_debugfs_init);
