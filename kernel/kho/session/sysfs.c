// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/kho/sessions, common_data and discard_session: what an operator sees of
 * sessions, and of what their files have in common.
 *
 * A list may be longer than a page: it is made when reading begins at offset 0
 * and kept for the reads that follow, until one comes to its end.
 *
 * Locks: each list's own; below it kho_sessions_lock and below that each session's
 * list_lock, so the list is there also while a session is at work; or those of flb.c.
 */
#include <linux/ctype.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/string_helpers.h>
#include <linux/sysfs.h>

#include "../internal.h"
#include "session.h"

/* A name with every byte escaped, its directions, and a number */
#define SESSION_LINE_MAX	(LIVEUPDATE_SESSION_NAME_LENGTH * 4 + 64)
#define FILE_LINE_MAX		(LIVEUPDATE_HNDL_COMPAT_LENGTH * 4 + 64)
#define FLB_LINE_MAX		(LIVEUPDATE_FLB_COMPAT_LENGTH * 4 + 64)

/* In place of a name, which cannot begin with a slash as it is */
#define DAMAGED			"/damaged"

static const char *file_state(const struct liveupdate_session *session,
			      const struct kho_session_file *file)
{
	if (!session->incoming)
		return "preserved";
	if (file->retrieve_status < 0)
		return "failed";
	if (!file->retrieve_status)
		return "pending";
	if (!kho_session_is_unused(file))
		return "retrieved";
	/* It can be retrieved again when the session is opened. */
	return session->open ? "unused" : "pending";
}

static size_t show_session(char *buf, struct liveupdate_session *session)
{
	struct kho_session_file *file;
	size_t len = kho_escape(buf, session->name);

	len += sprintf(buf + len, " %s %s %lu files\n",
		       session->incoming ? "incoming" : "outgoing",
		       session->open && !session->left ? "open" : "closed",
		       session->nr_files);
	list_for_each_entry(file, &session->files, list) {
		len += sprintf(buf + len, "\t%#llx ", file->token);
		len += kho_escape(buf + len, file->compatible);
		len += sprintf(buf + len, " %s\n", file_state(session, file));
	}
	return len;
}

/* A text that grows */
struct listing {
	char *buf;
	size_t len;
	size_t size;
};

static int make_room(struct listing *list, size_t need)
{
	size_t size = 2 * (list->size + need);
	char *buf;

	if (list->size - list->len >= need)
		return 0;
	buf = kvmalloc(size, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (list->buf)
		memcpy(buf, list->buf, list->len);
	kvfree(list->buf);
	list->buf = buf;
	list->size = size;
	return 0;
}

static int add_sessions(struct listing *list, const struct list_head *sessions)
{
	struct liveupdate_session *session;
	int rc = 0;

	list_for_each_entry(session, sessions, list) {
		mutex_lock(&session->list_lock);
		rc = make_room(list, SESSION_LINE_MAX +
			       session->nr_files * FILE_LINE_MAX);
		if (!rc)
			list->len += show_session(list->buf + list->len,
						  session);
		mutex_unlock(&session->list_lock);
		if (rc)
			break;
	}
	return rc;
}

static int make_sessions(struct listing *list)
{
	int rc;

	mutex_lock(&kho_sessions_lock);
	rc = add_sessions(list, &kho_sessions_in);
	rc = rc ?: add_sessions(list, &kho_sessions_out);
	rc = rc ?: make_room(list, SESSION_LINE_MAX);
	if (!rc && kho_session_nr_kept())
		list->len += sprintf(list->buf + list->len,
				     DAMAGED " incoming closed %lu files\n",
				     kho_session_nr_kept());
	mutex_unlock(&kho_sessions_lock);
	return rc;
}

static int add_flb(const struct kho_flb_view *view, void *data)
{
	struct listing *list = data;
	char *at;

	if (make_room(list, FLB_LINE_MAX))
		return -ENOMEM;
	at = list->buf + list->len;
	at += view->name ? kho_escape(at, view->name) : sprintf(at, DAMAGED);
	at += sprintf(at, " %s %s %lu\n", view->incoming ? "incoming" : "outgoing",
		      view->state, view->nr);
	list->len = at - list->buf;
	return 0;
}

static int make_flbs(struct listing *list)
{
	return kho_flb_for_each(add_flb, list) ?: make_room(list, 1);
}

/**
 * struct text - a list as it is being read
 * @lock: protects the rest
 * @make: makes it
 * @list: it, or nothing
 */
struct text {
	/* Protects the rest. */
	struct mutex lock;
	int (*make)(struct listing *list);
	struct listing list;
};

static struct text sessions_text = {
	.lock = __MUTEX_INITIALIZER(sessions_text.lock),
	.make = make_sessions,
};

static struct text flbs_text = {
	.lock = __MUTEX_INITIALIZER(flbs_text.lock),
	.make = make_flbs,
};

static int make_text(struct text *text)
{
	struct listing list = { };
	int rc = text->make(&list);

	if (rc) {
		kvfree(list.buf);
		return rc;
	}
	kvfree(text->list.buf);
	text->list = list;
	return 0;
}

static ssize_t text_read(struct file *file, struct kobject *kobj,
			 struct bin_attribute *attr, char *buf, loff_t pos,
			 size_t count)
{
	struct text *text = attr->private;
	ssize_t rc = 0;

	mutex_lock(&text->lock);
	if (!pos || !text->list.buf)
		rc = make_text(text);
	if (!rc)
		rc = memory_read_from_buffer(buf, count, &pos, text->list.buf,
					     text->list.len);
	if (!rc) {
		kvfree(text->list.buf);
		text->list.buf = NULL;
	}
	mutex_unlock(&text->lock);
	return rc;
}

static struct bin_attribute sessions_attr = {
	.attr = { .name = "sessions", .mode = 0400 },
	.read = text_read,
	.private = &sessions_text,
};

static struct bin_attribute common_data_attr = {
	.attr = { .name = "common_data", .mode = 0400 },
	.read = text_read,
	.private = &flbs_text,
};

static ssize_t discard_session_store(struct kobject *kobj,
				     struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	char escaped[LIVEUPDATE_SESSION_NAME_LENGTH * 4];
	char name[LIVEUPDATE_SESSION_NAME_LENGTH * 4] = "";
	size_t len = count;
	int rc;

	if (len && buf[len - 1] == '\n')
		len--;
	if (!len || len >= sizeof(escaped))
		return -EINVAL;
	memcpy(escaped, buf, len);
	escaped[len] = '\0';
	if (!strcmp(escaped, DAMAGED)) {
		rc = kho_session_discard_damaged();
		return rc ?: count;
	}
	rc = string_unescape(escaped, name, sizeof(name), UNESCAPE_OCTAL);
	if (rc <= 0 || rc >= LIVEUPDATE_SESSION_NAME_LENGTH)
		return -EINVAL;
	rc = kho_session_discard(name);
	return rc ?: count;
}

static struct kobj_attribute discard_session_attr = __ATTR_WO(discard_session);

static struct attribute *session_attrs[] = {
	&discard_session_attr.attr,
	NULL
};

static struct bin_attribute *session_bin_attrs[] = {
	&sessions_attr,
	&common_data_attr,
	NULL
};

static const struct attribute_group session_group = {
	.attrs = session_attrs,
	.bin_attrs = session_bin_attrs,
};

static int __init session_sysfs_init(void)
{
	if (!liveupdate_enabled())
		return 0;
	return sysfs_create_group(kho_kobj, &session_group);
}
late_initcall(session_sysfs_init);
