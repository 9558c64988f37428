// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in a session: its files.
 *
 * Life cycle of an outgoing file: preserve adds it, with a reference to the file
 * and to its handler's module; freeze and unfreeze come and go with finalize;
 * unpreserve removes it. Of an incoming file: the record alone is there until it
 * is retrieved; then the file, until the session is finished or closed. keep and
 * unkeep come and go with finalize, if nobody else has the file by then. A file
 * of which this kernel does not know the kind stays a record.
 *
 * Locks: the session's mutex for everything in the session, over handlers'
 * operations, which may take as long as they need: nobody who has to do with another
 * session waits for it. list_lock for moments, below it, to change what the list of
 * sessions shows.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/dcache.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../internal.h"
#include "../trace.h"
#include "session.h"

static const struct rhashtable_params token_params = {
	.head_offset = offsetof(struct kho_session_file, node),
	.key_offset = offsetof(struct kho_session_file, token),
	.key_len = sizeof(u64),
	.automatic_shrinking = true,
};

static struct kho_session_file *find_file(struct liveupdate_session *session,
					  u64 token)
{
	lockdep_assert_held(&session->mutex);
	return rhashtable_lookup_fast(&session->tokens, &token, token_params);
}

/* The token is taken; the file is not there yet. */
static int add_token(struct liveupdate_session *session,
		     struct kho_session_file *file)
{
	return rhashtable_lookup_insert_fast(&session->tokens, &file->node,
					     token_params);
}

static void remove_token(struct liveupdate_session *session,
			 struct kho_session_file *file)
{
	rhashtable_remove_fast(&session->tokens, &file->node, token_params);
}

static void add_file(struct liveupdate_session *session,
		     struct kho_session_file *file)
{
	mutex_lock(&session->list_lock);
	list_add_tail(&file->list, &session->files);
	session->nr_files++;
	mutex_unlock(&session->list_lock);
}

static void unlist_file(struct liveupdate_session *session,
			struct kho_session_file *file)
{
	remove_token(session, file);
	mutex_lock(&session->list_lock);
	list_del(&file->list);
	session->nr_files--;
	mutex_unlock(&session->list_lock);
}

static void remove_file(struct liveupdate_session *session,
			struct kho_session_file *file)
{
	unlist_file(session, file);
	kfree(file);
}

/* While the file was retrieved, who has list_lock may look at handler and file. */
static void set_status(struct liveupdate_session *session,
		       struct kho_session_file *file, int status)
{
	mutex_lock(&session->list_lock);
	file->retrieve_status = status;
	mutex_unlock(&session->list_lock);
}

static bool is_retrieved(const struct kho_session_file *file)
{
	return file->retrieve_status > 0;
}

/* -EBUSY when there is another file of what this is one of. */
static int take_id(struct kho_session_file *file, gfp_t gfp)
{
	struct liveupdate_file_handler *handler = file->handler;

	file->id = handler->ops->get_id ? handler->ops->get_id(file->file) :
					  (unsigned long)file->file;
	return xa_insert(&handler->ids, file->id, file, gfp);
}

static void leave_id(struct kho_session_file *file)
{
	if (xa_load(&file->handler->ids, file->id) == file)
		xa_erase(&file->handler->ids, file->id);
}

static void fill_args(struct liveupdate_file_op_args *args,
		      struct liveupdate_session *session,
		      const struct kho_session_file *file)
{
	*args = (struct liveupdate_file_op_args) {
		.handler = file->handler,
		.session = session,
		.file = file->file,
		.serialized_data = file->data,
		.private_data = file->private_data,
		.token = file->token,
		.retrieve_status = file->retrieve_status,
	};
}

static void note(const struct liveupdate_session *session,
		 const struct kho_session_file *file, const char *step, int rc)
{
	trace_kho_file(session->name, file->token, file->compatible, step, rc);
	pr_debug("session %*pE: %#llx (%s): %s: %d\n",
		 (int)strlen(session->name), session->name, file->token,
		 file->compatible, step, rc);
}

/**
 * kho_session_preserve_fd - add a file to an outgoing session
 * @session: the session
 * @fd: descriptor of the calling process
 * @token: by which it will be known
 *
 * Context: may sleep.
 * Return: 0, -EINVAL for an incoming session, -EBUSY after finalize, -EEXIST when the
 * token is in use, -ENOSPC when the session is full, -EBADF, -ENOENT when no handler
 * knows the kind, -ENOMEM, -EBUSY when it is preserved already, or what the handler
 * returned
 */
int kho_session_preserve_fd(struct liveupdate_session *session, int fd,
			    u64 token)
{
	struct liveupdate_file_op_args args;
	struct kho_session_file *new;
	int rc;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->token = token;

	mutex_lock(&session->mutex);
	rc = -EINVAL;
	if (session->incoming)
		goto err_unlock;
	rc = -EBUSY;
	if (session->frozen)
		goto err_unlock;
	rc = -EEXIST;
	if (find_file(session, token))
		goto err_unlock;
	rc = -ENOSPC;
	if (session->nr_files >= KHO_SESSION_FILES_MAX)
		goto err_unlock;
	rc = -EBADF;
	new->file = fget(fd);
	if (!new->file)
		goto err_unlock;
	rc = -ENOENT;
	new->handler = kho_session_get_handler(new->file, NULL);
	if (!new->handler)
		goto err_unlock;
	strscpy(new->compatible, new->handler->compatible);
	rc = kho_need_version(new->compatible);
	if (rc)
		goto err_put_handler;
	rc = take_id(new, GFP_KERNEL_ACCOUNT);
	if (rc)
		goto err_unneed;
	rc = kho_flb_preserve(new->handler);
	if (rc)
		goto err_leave_id;
	rc = add_token(session, new);
	if (rc)
		goto err_flb;

	fill_args(&args, session, new);
	rc = new->handler->ops->preserve(&args);
	if (rc)
		goto err_remove;
	new->data = args.serialized_data;
	new->private_data = args.private_data;
	add_file(session, new);
	note(session, new, "preserve", 0);
	mutex_unlock(&session->mutex);
	return 0;

err_remove:
	note(session, new, "preserve", rc);
	remove_token(session, new);
err_flb:
	kho_flb_unpreserve(new->handler);
err_leave_id:
	leave_id(new);
err_unneed:
	kho_unneed_version(new->compatible);
err_put_handler:
	kho_session_put_handler(new->handler);
err_unlock:
	mutex_unlock(&session->mutex);
	if (new->file)
		fput(new->file);
	kfree(new);
	return rc;
}

/* Give up all files of an outgoing session. */
void kho_session_unpreserve(struct liveupdate_session *session)
{
	struct kho_session_file *file, *prev;
	struct liveupdate_file_op_args args;

	lockdep_assert_held(&session->mutex);
	list_for_each_entry_safe_reverse(file, prev, &session->files, list) {
		cond_resched();
		fill_args(&args, session, file);
		file->handler->ops->unpreserve(&args);
		note(session, file, "unpreserve", 0);
		kho_flb_unpreserve(file->handler);
		leave_id(file);
		kho_unneed_version(file->compatible);
		kho_session_put_handler(file->handler);
		fput(file->file);
		remove_file(session, file);
	}
}

/* Would finalize take this file, which was retrieved, along? */
bool kho_session_is_unused(const struct kho_session_file *file)
{
	return file->handler->ops->keep && liveupdate_is_unused(file->file);
}

/* A file goes on as it came, or, if it was retrieved, as it is, if nobody has it. */
static int keep(struct liveupdate_session *session,
		struct kho_session_file *file)
{
	struct liveupdate_file_op_args args;
	int rc = -EBUSY;

	if (!file->retrieve_status)
		return 0;
	fill_args(&args, session, file);
	if (file->retrieve_status < 0)
		liveupdate_refuse(&args, "could not be retrieved: finish or discard its session");
	else if (file->handler->ops->keep)
		rc = file->handler->ops->keep(&args);
	note(session, file, "keep", rc);
	if (rc == -EBUSY && is_retrieved(file))
		kho_set_err(LIVEUPDATE_NAME ": session %*pE: retrieved but not finished: finish or discard it",
			    (int)strlen(session->name), session->name);
	else if (rc && !kho_last_error()[0])
		liveupdate_refuse(&args, "cannot be handed on: %d", rc);
	if (rc)
		return rc;
	file->data = args.serialized_data;
	file->private_data = args.private_data;
	file->kept = true;
	return 0;
}

static void unkeep(struct liveupdate_session *session,
		   struct kho_session_file *file)
{
	struct liveupdate_file_op_args args;

	fill_args(&args, session, file);
	file->handler->ops->unkeep(&args);
	note(session, file, "unkeep", 0);
	file->private_data = NULL;
	file->kept = false;
}

static void unfreeze_before(struct liveupdate_session *session,
			    struct kho_session_file *file)
{
	struct liveupdate_file_op_args args;

	list_for_each_entry_continue_reverse(file, &session->files, list) {
		if (file->kept)
			unkeep(session, file);
		if (session->incoming || !file->handler->ops->unfreeze)
			continue;
		fill_args(&args, session, file);
		file->handler->ops->unfreeze(&args);
		note(session, file, "unfreeze", 0);
	}
}

static bool has_retrieved(const struct liveupdate_session *session)
{
	const struct kho_session_file *file;

	list_for_each_entry(file, &session->files, list)
		if (is_retrieved(file))
			return true;
	return false;
}

/**
 * kho_session_freeze - last changes before the session's records are written
 * @session: any; of an incoming one nobody may have what was taken back
 *
 * Context: kho_lock held, may sleep.
 * Return: 0, -EBUSY, or what a handler returned; then nothing is frozen
 */
int kho_session_freeze(struct liveupdate_session *session)
{
	struct liveupdate_file_op_args args;
	struct kho_session_file *file;
	int rc = 0;

	mutex_lock(&session->mutex);
	/* Whoever had something when it was closed may have let go of that. */
	if (session->incoming && !session->open && has_retrieved(session))
		kho_session_finish_files(session, false);
	list_for_each_entry(file, &session->files, list) {
		if (session->incoming) {
			rc = keep(session, file);
			if (!rc)
				continue;
			unfreeze_before(session, file);
			goto out;
		}
		fill_args(&args, session, file);
		if (file->handler->ops->freeze)
			rc = file->handler->ops->freeze(&args);
		note(session, file, "freeze", rc);
		if (rc) {
			if (!kho_last_error()[0])
				liveupdate_refuse(&args, "freeze failed: %d", rc);
			unfreeze_before(session, file);
			goto out;
		}
		file->data = args.serialized_data;
	}
	session->frozen = true;
out:
	mutex_unlock(&session->mutex);
	return rc;
}

/* Undo kho_session_freeze(). */
void kho_session_unfreeze(struct liveupdate_session *session)
{
	mutex_lock(&session->mutex);
	unfreeze_before(session, list_entry(&session->files,
					    struct kho_session_file, list));
	session->frozen = false;
	mutex_unlock(&session->mutex);
}

/* Add a file of which there is only the record. */
int kho_session_add_incoming(struct liveupdate_session *session,
			     const struct liveupdate_record_ser *record)
{
	struct kho_session_file *file = kzalloc(sizeof(*file), GFP_KERNEL);
	int rc;

	if (!file)
		return -ENOMEM;
	file->token = record->token;
	file->data = record->data;
	strscpy(file->compatible, record->compatible);
	rc = add_token(session, file);
	if (rc) {
		kfree(file);
		return rc;
	}
	add_file(session, file);
	return 0;
}

static int retrieve_one(struct liveupdate_session *session,
			struct kho_session_file *file)
{
	struct liveupdate_file_op_args args;
	u64 begin = kho_stage_begin();
	int rc;

	file->handler = kho_session_get_handler(NULL, file->compatible);
	if (!file->handler)
		return -EOPNOTSUPP;
	fill_args(&args, session, file);
	rc = file->handler->ops->retrieve(&args);
	note(session, file, "retrieve", rc);
	if (rc) {
		if (!file->handler->ops->retry)
			set_status(session, file, rc);
		kho_session_put_handler(file->handler);
		file->handler = NULL;
		return rc;
	}
	file->file = args.file;
	file->private_data = args.private_data;
	/* It is there, whatever else is. */
	WARN_ON_ONCE(take_id(file, GFP_KERNEL | __GFP_NOFAIL));
	set_status(session, file, 1);
	kho_stage_end("retrieve", session->name, begin);
	return 0;
}

static int make_retrieved(struct liveupdate_session *session,
			  struct kho_session_file *file)
{
	if (file->retrieve_status)
		return min(file->retrieve_status, 0);
	return retrieve_one(session, file);
}

/**
 * kho_session_retrieve_file - get a file back for userspace, the same one each time
 * @session: an incoming session
 * @token: which one
 * @file: out: the file, with a reference for the caller
 *
 * Context: may sleep.
 * Return: 0, -EINVAL for an outgoing session or a record that is damaged, -EBUSY
 * after finalize, -ENOENT for an unknown token, -EOPNOTSUPP when this kernel does not
 * know the kind; or what the handler returned: now, or before, if it cannot retry
 */
int kho_session_retrieve_file(struct liveupdate_session *session, u64 token,
			      struct file **file)
{
	struct kho_session_file *found;
	int rc = 0;

	mutex_lock(&session->mutex);
	found = find_file(session, token);
	if (!session->incoming)
		rc = -EINVAL;
	else if (session->frozen)
		rc = -EBUSY;
	else if (!found)
		rc = -ENOENT;
	else
		rc = make_retrieved(session, found);
	if (!rc)
		*file = get_file(found->file);
	mutex_unlock(&session->mutex);
	return rc;
}

/* Of any file, as far as this kernel knows the kind */
static bool may_finish(struct liveupdate_session *session,
		       struct kho_session_file *file)
{
	struct liveupdate_file_handler *handler;
	struct liveupdate_file_op_args args;
	bool may = true;

	handler = file->handler ?: kho_session_get_handler(NULL, file->compatible);
	if (!handler)
		return true;
	if (handler->ops->can_finish) {
		fill_args(&args, session, file);
		args.handler = handler;
		may = handler->ops->can_finish(&args);
	}
	if (!file->handler)
		kho_session_put_handler(handler);
	return may;
}

/* Undo retrieving a file that cannot be finished, if nobody has it. */
static bool put_back(struct liveupdate_session *session,
		     struct kho_session_file *file)
{
	struct liveupdate_file_op_args args;

	if (!file->handler->ops->put_back)
		return false;
	fill_args(&args, session, file);
	leave_id(file);
	set_status(session, file, 0);
	if (!file->handler->ops->put_back(&args)) {
		WARN_ON_ONCE(take_id(file, GFP_KERNEL | __GFP_NOFAIL));
		set_status(session, file, 1);
		return false;
	}
	note(session, file, "put back", 0);
	kho_session_put_handler(file->handler);
	file->handler = NULL;
	file->file = NULL;
	file->private_data = NULL;
	return true;
}

/**
 * kho_session_finishable - may the whole session be finished?
 * @session: an incoming session
 * @may_put_back: nobody has it open, so what may not be finished can be put back,
 *		  and given up
 */
bool kho_session_finishable(struct liveupdate_session *session,
			    bool may_put_back)
{
	struct kho_session_file *file;

	lockdep_assert_held(&session->mutex);
	list_for_each_entry(file, &session->files, list) {
		if (may_finish(session, file))
			continue;
		if (!may_put_back || !is_retrieved(file) ||
		    !put_back(session, file))
			return false;
	}
	return true;
}

static bool uses_earlier(struct kho_session_file *file)
{
	struct liveupdate_file_handler *handler;
	bool uses;

	handler = kho_session_get_handler(NULL, file->compatible);
	if (!handler)
		return false;
	uses = handler->ops->uses_earlier;
	kho_session_put_handler(handler);
	return uses;
}

/* Nothing else needs it any more, whatever stays in the session. */
static bool is_done(struct liveupdate_session *session,
		    struct kho_session_file *file)
{
	return is_retrieved(file) && file->handler->ops->unused &&
	       may_finish(session, file);
}

/**
 * kho_session_finish_files - end the part of the files that can end
 * @session: an incoming session
 * @give_up: also those that were not retrieved
 *
 * What stays: files that may not be finished yet, as they are or put back; those of
 * unknown kind; without @give_up those that were not retrieved; and what a file that
 * stays may use, which are those preserved before it, of kinds that can be used. They
 * can be retrieved (again).
 */
void kho_session_finish_files(struct liveupdate_session *session, bool give_up)
{
	struct kho_session_file *file, *prev;
	struct liveupdate_file_op_args args;
	bool used = false;

	lockdep_assert_held(&session->mutex);
	list_for_each_entry_safe_reverse(file, prev, &session->files, list) {
		cond_resched();
		if (used && !is_done(session, file)) {
			if (is_retrieved(file))
				put_back(session, file);
			continue;
		}
		if (!is_retrieved(file)) {
			if (!give_up) {
				used = uses_earlier(file);
				continue;
			}
			file->handler = kho_session_get_handler(NULL, file->compatible);
			if (!file->handler)
				continue;
		}
		if (is_retrieved(file) && !may_finish(session, file)) {
			used = file->handler->ops->uses_earlier;
			put_back(session, file);
			continue;
		}
		fill_args(&args, session, file);
		file->handler->ops->finish(&args);
		note(session, file, is_retrieved(file) ? "finish" : "give up", 0);
		kho_flb_finish(file->handler);
		if (is_retrieved(file))
			leave_id(file);
		unlist_file(session, file);
		kho_session_put_handler(file->handler);
		/* Now: what is used is put back only if nobody has it any more. */
		if (file->file && used)
			__fput_sync(file->file);
		else if (file->file)
			fput(file->file);
		kfree(file);
	}
}

int kho_session_files_init(struct liveupdate_session *session)
{
	return rhashtable_init(&session->tokens, &token_params);
}

/* Forget what is left; incoming records only. */
void kho_session_files_exit(struct liveupdate_session *session)
{
	struct kho_session_file *file, *next;

	list_for_each_entry_safe(file, next, &session->files, list) {
		WARN_ON_ONCE(file->handler);
		remove_file(session, file);
	}
	rhashtable_destroy(&session->tokens);
}

/**
 * liveupdate_may_restrict - may the caller limit what others do with a file?
 * @file: that is to be preserved
 *
 * For a handler that fixes the size of a file, say. A descriptor for reading alone
 * is no reason that whoever writes to the file has to put up with that.
 *
 * Context: of the process that preserves. May sleep.
 */
bool liveupdate_may_restrict(struct file *file)
{
	return file->f_mode & FMODE_WRITE ||
	       inode_owner_or_capable(file_mnt_idmap(file), file_inode(file)) ||
	       !file_permission(file, MAY_WRITE);
}
EXPORT_SYMBOL_GPL(liveupdate_may_restrict);

/**
 * liveupdate_is_unused - has nobody a retrieved file but its session?
 * @file: the file
 *
 * Neither a descriptor, a mapping or another user in the kernel, nor an open file of
 * the same inode.
 *
 * Context: the session's mutex is held, so that nobody gets it meanwhile.
 */
bool liveupdate_is_unused(struct file *file)
{
	return file_count(file) == 1 && d_count(file->f_path.dentry) == 1;
}
EXPORT_SYMBOL_GPL(liveupdate_is_unused);

/**
 * liveupdate_is_used - may a device that came with it use what a file is made of?
 * @args: as retrieve got them
 *
 * Return: is there a file in the session, preserved after this one, that uses what was
 * preserved before it, or of which this kernel does not know whether it does?
 */
bool liveupdate_is_used(const struct liveupdate_file_op_args *args)
{
	struct liveupdate_file_handler *handler;
	struct kho_session_file *file;
	bool used = false;

	lockdep_assert_held(&args->session->mutex);
	file = find_file(args->session, args->token);
	list_for_each_entry_continue(file, &args->session->files, list) {
		handler = kho_session_get_handler(NULL, file->compatible);
		used = !handler || handler->ops->uses_earlier;
		if (handler)
			kho_session_put_handler(handler);
		if (used)
			break;
	}
	return used;
}
EXPORT_SYMBOL_GPL(liveupdate_is_used);

/**
 * liveupdate_refuse - say why a handler refuses to freeze
 * @args: as the operation got them
 * @fmt: the reason and, if there is one, the remedy
 *
 * The text gets into /sys/kernel/kho/last_error.
 */
void liveupdate_refuse(const struct liveupdate_file_op_args *args,
		       const char *fmt, ...)
{
	struct va_format why = { .fmt = fmt };
	va_list list;

	va_start(list, fmt);
	why.va = &list;
	kho_set_err(LIVEUPDATE_NAME ": session %*pE: token %#llx: %pV",
		    (int)strlen(args->session->name), args->session->name,
		    args->token, &why);
	va_end(list);
}
EXPORT_SYMBOL_GPL(liveupdate_refuse);

/**
 * liveupdate_get_token_outgoing - by which token is a file preserved?
 * @session: the session, as an operation got it
 * @file: the file
 * @token: out
 *
 * For a handler whose file depends on another one in the same session.
 *
 * Context: in preserve, unpreserve, freeze or unfreeze.
 * Return: 0, -ENOENT when it is not in this session
 */
int liveupdate_get_token_outgoing(struct liveupdate_session *session,
				  const struct file *file, u64 *token)
{
	struct kho_session_file *entry;

	lockdep_assert_held(&session->mutex);
	list_for_each_entry(entry, &session->files, list) {
		if (entry->file && file_inode(entry->file) == file_inode(file) &&
		    entry->file->private_data == file->private_data) {
			*token = entry->token;
			return 0;
		}
	}
	return -ENOENT;
}
EXPORT_SYMBOL_GPL(liveupdate_get_token_outgoing);

/**
 * liveupdate_get_file_incoming - a file that another one depends on
 * @session: the session, as an operation got it
 * @token: its token
 * @file: out: the file, with a reference for the caller
 *
 * Retrieves it if that was not done yet; userspace can do so afterwards all the
 * same.
 *
 * Context: in retrieve, can_finish or finish.
 * Return: 0, -ENOENT, or as retrieving it
 */
int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
				 struct file **file)
{
	struct kho_session_file *found = find_file(session, token);
	int rc;

	if (!found)
		return -ENOENT;
	/* A cycle: it is being retrieved. */
	if (!is_retrieved(found) && found->handler)
		return -ENOENT;
	rc = make_retrieved(session, found);
	if (!rc)
		*file = get_file(found->file);
	return rc;
}
EXPORT_SYMBOL_GPL(liveupdate_get_file_incoming);
