// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the next kernel has to be able to restore: the versions of the subtrees, and of
 * what lies within them, such as kinds of files in sessions.
 *
 * Life cycle: the version of a subtree is needed while it is there. An owner says that it
 * needs another one when it preserves something that only a kernel with this version can
 * restore, and takes that back when it unpreserves it. An image that is loaded is asked
 * about all that are needed then, and again at activate, at finalize and before the jump.
 * What an image restores only with modules that it will load is said on its command line:
 * kho_restores=VERSION,VERSION...
 *
 * Locks: kho_blob_lock for the subtrees; needs_lock for the rest, innermost.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "image.h"
#include "internal.h"

/* The list. */
static DEFINE_MUTEX(needs_lock);
static LIST_HEAD(needs);

/**
 * struct need - a version that the next kernel has to be able to restore
 * @list: in needs
 * @version: it
 * @count: how many times it was said
 */
struct need {
	struct list_head list;
	char version[KHO_NAME_MAX + 1];
	unsigned long count;
};

static struct need *find_need(const char *version)
{
	struct need *need;

	lockdep_assert_held(&needs_lock);
	list_for_each_entry(need, &needs, list)
		if (!strcmp(need->version, version))
			return need;
	return NULL;
}

/**
 * kho_need_version - the next kernel has to be able to restore this
 * @version: "<owner>-v<N>", at most KHO_NAME_MAX characters, as in KHO_RESTORES()
 *
 * Any number of times, each to be taken back by kho_unneed_version(). An image that is
 * loaded already is asked at activate.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL, -ENOMEM
 */
int kho_need_version(const char *version)
{
	size_t len = strlen(version);
	struct need *need;
	int rc = 0;

	if (!len || len > KHO_NAME_MAX)
		return -EINVAL;
	mutex_lock(&needs_lock);
	need = find_need(version);
	if (!need) {
		need = kzalloc(sizeof(*need), GFP_KERNEL);
		if (need) {
			strscpy(need->version, version);
			list_add_tail(&need->list, &needs);
		}
	}
	if (need)
		need->count++;
	else
		rc = -ENOMEM;
	mutex_unlock(&needs_lock);
	return rc;
}
EXPORT_SYMBOL_GPL(kho_need_version);

/**
 * kho_unneed_version - undo kho_need_version()
 * @version: as given there
 *
 * Context: may sleep.
 */
void kho_unneed_version(const char *version)
{
	struct need *need;

	mutex_lock(&needs_lock);
	need = find_need(version);
	if (!WARN_ON_ONCE(!need) && !--need->count) {
		list_del(&need->list);
		kfree(need);
	}
	mutex_unlock(&needs_lock);
}
EXPORT_SYMBOL_GPL(kho_unneed_version);

struct promise {
	const char *version;
	bool found;
};

static bool look_for_promise(const char *name, const char *value, void *data)
{
	struct promise *promise = data;
	size_t len = strlen(promise->version);

	if (!parameq(name, "kho_restores"))
		return false;
	while (value && !promise->found) {
		promise->found = !strncmp(value, promise->version, len) &&
				 (!value[len] || value[len] == ',');
		value = strchr(value, ',');
		value = value ? value + 1 : NULL;
	}
	return promise->found;
}

/* Is it said on the image's command line that its modules restore this? */
static bool is_promised(const struct kho_image *kho, const char *version)
{
	struct promise promise = { .version = version };

	return kho->cmdline &&
	       kho_cmdline_walk(kho->cmdline, look_for_promise, &promise) > 0;
}

/* It is for the kernel before. */
static int __init ignore_promises(char *value)
{
	return 0;
}
early_param("kho_restores", ignore_promises);

/* What this kernel only hands on is not asked about. */
static int check_subtrees(const struct kho_image *kho)
{
	struct kho_subtree *subtree;
	int rc = 0;

	mutex_lock(&kho_blob_lock);
	list_for_each_entry(subtree, &kho_out_subtrees, list) {
		if (subtree->optional ||
		    kho_image_reads(kho, subtree->compatible) ||
		    is_promised(kho, subtree->compatible))
			continue;
		kho_set_err("image: cannot restore %s (%s); load a kernel that can, or with kho_restores= if a module does, or write 1 to allow_unreadable",
			    subtree->name, subtree->compatible);
		rc = -EPROTONOSUPPORT;
		break;
	}
	mutex_unlock(&kho_blob_lock);
	return rc;
}

static int check_needs(const struct kho_image *kho)
{
	struct need *need;
	int rc = 0;

	mutex_lock(&needs_lock);
	list_for_each_entry(need, &needs, list) {
		if (kho_reads_kind(kho->versions, kho->versions_size,
				   need->version) ||
		    is_promised(kho, need->version))
			continue;
		kho_set_err("image: cannot restore files of the kind %s, which are preserved; load a kernel that can, or with kho_restores= if a module does, or write 1 to allow_unreadable",
			    need->version);
		rc = -EPROTONOSUPPORT;
		break;
	}
	mutex_unlock(&needs_lock);
	return rc;
}

/**
 * kho_needs_check - can an image restore what this kernel's owners made?
 * @kho: what is known of the loaded image
 *
 * Context: may sleep.
 * Return: 0, or -EPROTONOSUPPORT with the version named in last_error
 */
int kho_needs_check(const struct kho_image *kho)
{
	if (kho_allow_unreadable)
		return 0;
	return check_subtrees(kho) ?: check_needs(kho);
}
