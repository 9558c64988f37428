// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: which there are, and what becomes of them.
 *
 * An outgoing session is made by userspace and lives as long as its descriptor:
 * closing that unpreserves everything, whoever closes it last. Between finalize
 * and the jump nothing can be taken back; a session that is closed then is left
 * as it is, goes to the next kernel, and is given up if finalize is undone.
 *
 * An incoming session is there from boot, closed, until it is finished or
 * discarded. A descriptor that is closed without finishing gives back what was
 * not retrieved: the session is closed again. Incoming sessions are written
 * among the outgoing ones at finalize, so nobody has to take them.
 *
 * Locks: kho_sessions_lock for lists, tables, and the state of finalize. Order in
 * session.h.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "internal.h"
#include "session.h"

/* Lists and tables of sessions, and whether they are frozen. */
DEFINE_MUTEX(kho_sessions_lock);
LIST_HEAD(kho_sessions_out);
LIST_HEAD(kho_sessions_in);
/* Outgoing sessions that are listed. */
static unsigned int nr_out;
static struct rhashtable names_out, names_in;
/* Between finalize and its undoing. */
static bool frozen;
static bool started __ro_after_init;

static const struct rhashtable_params name_params = {
	.head_offset = offsetof(struct liveupdate_session, node),
	.key_offset = offsetof(struct liveupdate_session, name),
	.key_len = LIVEUPDATE_SESSION_NAME_LENGTH,
	.automatic_shrinking = true,
};

/**
 * liveupdate_enabled - can files be preserved in sessions?
 */
bool liveupdate_enabled(void)
{
	return started;
}
EXPORT_SYMBOL_GPL(liveupdate_enabled);

static struct rhashtable *names(bool incoming)
{
	return incoming ? &names_in : &names_out;
}

/**
 * kho_session_find - find a session
 * @name: LIVEUPDATE_SESSION_NAME_LENGTH bytes
 * @incoming: of which direction
 */
struct liveupdate_session *kho_session_find(const char *name, bool incoming)
{
	lockdep_assert_held(&kho_sessions_lock);
	return rhashtable_lookup_fast(names(incoming), name, name_params);
}

/**
 * kho_session_new - allocate a session; nobody knows it yet
 * @name: LIVEUPDATE_SESSION_NAME_LENGTH bytes
 * @incoming: its direction
 *
 * Return: the session or NULL
 */
struct liveupdate_session *kho_session_new(const char *name, bool incoming)
{
	struct liveupdate_session *session;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return NULL;
	memcpy(session->name, name, sizeof(session->name));
	session->incoming = incoming;
	mutex_init(&session->mutex);
	INIT_LIST_HEAD(&session->files);
	if (kho_session_files_init(session)) {
		kfree(session);
		return NULL;
	}
	return session;
}

void kho_session_free(struct liveupdate_session *session)
{
	kho_session_files_exit(session);
	kfree(session);
}

/* Make a session known. */
int kho_session_list(struct liveupdate_session *session)
{
	int rc;

	lockdep_assert_held(&kho_sessions_lock);
	rc = rhashtable_lookup_insert_fast(names(session->incoming),
					   &session->node, name_params);
	if (rc)
		return rc;
	list_add_tail(&session->list, session->incoming ? &kho_sessions_in :
							  &kho_sessions_out);
	session->listed = true;
	if (!session->incoming)
		nr_out++;
	return 0;
}

static void unlist(struct liveupdate_session *session)
{
	if (!session->listed)
		return;
	rhashtable_remove_fast(names(session->incoming), &session->node,
			       name_params);
	list_del(&session->list);
	session->listed = false;
	if (!session->incoming)
		nr_out--;
}

/* The subtree is there as long as anything would have to be written into it. */
static int update_subtree(bool more)
{
	if (frozen)
		return 0;
	if (list_empty(&kho_sessions_in) && !kho_session_nr_kept())
		kho_finish_subtree(LIVEUPDATE_NAME);
	return kho_session_subtree(more || !list_empty(&kho_sessions_out) ||
				   !list_empty(&kho_sessions_in) ||
				   kho_session_nr_kept());
}

/**
 * kho_session_create - make an outgoing session, open
 * @name: LIVEUPDATE_SESSION_NAME_LENGTH bytes
 *
 * Context: may sleep.
 * Return: the session, or an error pointer: -EEXIST when there is an outgoing one
 * of this name, -EBUSY after finalize or while sessions of the old kernel are
 * pending that could not be read, -ENOSPC when there are too many, -ENOMEM
 */
struct liveupdate_session *kho_session_create(const char *name)
{
	struct liveupdate_session *session;
	int rc;

	session = kho_session_new(name, false);
	if (!session)
		return ERR_PTR(-ENOMEM);

	mutex_lock(&kho_sessions_lock);
	if (frozen)
		rc = -EBUSY;
	else if (nr_out >= KHO_SESSIONS_MAX)
		rc = -ENOSPC;
	else
		rc = kho_session_list(session);
	if (!rc) {
		rc = update_subtree(true);
		if (rc)
			unlist(session);
	}
	session->open = true;
	mutex_unlock(&kho_sessions_lock);
	if (rc) {
		kho_session_free(session);
		return ERR_PTR(rc);
	}
	return session;
}

/**
 * kho_session_open - open an incoming session
 * @name: LIVEUPDATE_SESSION_NAME_LENGTH bytes
 *
 * Context: may sleep.
 * Return: the session, or an error pointer: -ENOENT, -EINVAL when it is open,
 * -EBUSY after finalize
 */
struct liveupdate_session *kho_session_open(const char *name)
{
	struct liveupdate_session *session;

	mutex_lock(&kho_sessions_lock);
	session = kho_session_find(name, true);
	if (!session)
		session = ERR_PTR(-ENOENT);
	else if (session->open)
		session = ERR_PTR(-EINVAL);
	else if (frozen)
		session = ERR_PTR(-EBUSY);
	else
		session->open = true;
	mutex_unlock(&kho_sessions_lock);
	return session;
}

/* What becomes of a closed session; not between finalize and its undoing. */
static void settle_closed(struct liveupdate_session *session)
{
	bool done = true;

	mutex_lock(&session->mutex);
	if (!session->incoming) {
		kho_session_unpreserve(session);
	} else {
		kho_session_finish_files(session, false);
		/* One without files waits to be finished as well. */
		done = !session->listed;
	}
	mutex_unlock(&session->mutex);
	if (done) {
		unlist(session);
		kho_session_free(session);
	}
}

/**
 * kho_session_close - the last descriptor of a session is gone
 * @session: the session; may be freed
 *
 * Context: may sleep.
 */
void kho_session_close(struct liveupdate_session *session)
{
	mutex_lock(&kho_sessions_lock);
	session->open = false;
	if (!frozen || !session->listed) {
		settle_closed(session);
		update_subtree(false);
	}
	mutex_unlock(&kho_sessions_lock);
}

/* The incoming session has no more to give. */
static int finish_session(struct liveupdate_session *session)
{
	bool finishable;

	mutex_lock(&session->mutex);
	finishable = !frozen && kho_session_finishable(session);
	if (finishable)
		kho_session_finish_files(session, true);
	if (finishable && session->nr_files)
		pr_warn("session %*pE: %lu files are of a kind unknown to this kernel and stay\n",
			(int)strlen(session->name), session->name,
			session->nr_files);
	else if (finishable)
		unlist(session);
	mutex_unlock(&session->mutex);
	return finishable ? 0 : -EBUSY;
}

/**
 * kho_session_finish - an incoming session has served its purpose
 * @session: the session, open
 *
 * Files of unknown kind stay, in a session of the same name.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL for an outgoing session, -EBUSY after finalize or when a file
 * may not be finished yet; then nothing is finished
 */
int kho_session_finish(struct liveupdate_session *session)
{
	int rc;

	if (!session->incoming)
		return -EINVAL;
	mutex_lock(&kho_sessions_lock);
	rc = finish_session(session);
	if (!rc)
		update_subtree(false);
	mutex_unlock(&kho_sessions_lock);
	return rc;
}

/**
 * kho_session_discard - the operator gives an incoming session up
 * @name: LIVEUPDATE_SESSION_NAME_LENGTH bytes
 *
 * Of files of unknown kind only the record goes; their memory can be freed by
 * discarding /memory when no session is left.
 *
 * Context: may sleep.
 * Return: 0, -ENOENT, -EBUSY when it is open, or after finalize
 */
int kho_session_discard(const char *name)
{
	struct liveupdate_session *session;
	int rc;

	mutex_lock(&kho_sessions_lock);
	session = kho_session_find(name, true);
	if (!session)
		rc = -ENOENT;
	else
		rc = session->open ? -EBUSY : finish_session(session);
	if (!rc) {
		unlist(session);
		kho_session_free(session);
		update_subtree(false);
	}
	mutex_unlock(&kho_sessions_lock);
	return rc;
}

/**
 * kho_session_discard_damaged - the operator gives damaged records up
 *
 * Context: may sleep.
 * Return: 0, -ENOENT when there are none, -EBUSY after finalize
 */
int kho_session_discard_damaged(void)
{
	int rc = 0;

	mutex_lock(&kho_sessions_lock);
	if (!kho_session_nr_kept()) {
		rc = -ENOENT;
	} else if (frozen) {
		rc = -EBUSY;
	} else {
		kho_session_drop_kept();
		update_subtree(false);
	}
	mutex_unlock(&kho_sessions_lock);
	return rc;
}

static void unfreeze_before(struct liveupdate_session *session,
			    struct list_head *sessions)
{
	list_for_each_entry_continue_reverse(session, sessions, list)
		kho_session_unfreeze(session);
}

static int freeze_all(struct list_head *sessions)
{
	struct liveupdate_session *session;
	int rc;

	list_for_each_entry(session, sessions, list) {
		rc = 0;
		if (!session->incoming && kho_session_find(session->name, true)) {
			kho_set_err(LIVEUPDATE_NAME ": session %*pE: one of this name came from the old kernel: finish or discard it",
				    (int)strlen(session->name), session->name);
			rc = -EEXIST;
		}
		rc = rc ?: kho_session_freeze(session);
		if (rc) {
			unfreeze_before(session, sessions);
			return rc;
		}
	}
	return 0;
}

static void unfreeze_all(struct list_head *sessions)
{
	unfreeze_before(list_entry(sessions, struct liveupdate_session, list),
			sessions);
}

static int sessions_finalize(struct kho_owner *owner)
{
	int rc;

	mutex_lock(&kho_sessions_lock);
	rc = freeze_all(&kho_sessions_in);
	if (rc)
		goto out;
	rc = freeze_all(&kho_sessions_out);
	if (rc)
		goto err_in;
	rc = kho_session_write();
	if (rc) {
		kho_refuse(owner, "records cannot be written: %d", rc);
		goto err_out;
	}
	frozen = true;
	goto out;

err_out:
	unfreeze_all(&kho_sessions_out);
err_in:
	unfreeze_all(&kho_sessions_in);
out:
	mutex_unlock(&kho_sessions_lock);
	return rc;
}

static void sweep_closed(struct list_head *sessions)
{
	struct liveupdate_session *session, *next;

	list_for_each_entry_safe(session, next, sessions, list)
		if (!session->open)
			settle_closed(session);
}

static void sessions_unfinalize(struct kho_owner *owner)
{
	mutex_lock(&kho_sessions_lock);
	frozen = false;
	kho_session_unwrite();
	unfreeze_all(&kho_sessions_out);
	unfreeze_all(&kho_sessions_in);
	sweep_closed(&kho_sessions_out);
	sweep_closed(&kho_sessions_in);
	update_subtree(false);
	mutex_unlock(&kho_sessions_lock);
}

static const struct kho_owner_ops sessions_ops = {
	.finalize = sessions_finalize,
	.unfinalize = sessions_unfinalize,
};

static struct kho_owner sessions_owner = {
	.name = LIVEUPDATE_NAME,
	.ops = &sessions_ops,
};

static int __init sessions_init(void)
{
	int rc;

	if (!kho_is_enabled())
		return 0;
	rc = rhashtable_init(&names_out, &name_params);
	if (rc)
		return rc;
	rc = rhashtable_init(&names_in, &name_params);
	if (rc)
		goto err_out;
	rc = kho_register_owner(&sessions_owner);
	if (rc)
		goto err_in;

	mutex_lock(&kho_sessions_lock);
	rc = kho_session_read();
	if (rc)
		pr_err("sessions of the old kernel cannot be read: %d\n", rc);
	rc = update_subtree(false);
	if (rc)
		pr_err("sessions of the old kernel cannot be handed on: %d\n",
		       rc);
	mutex_unlock(&kho_sessions_lock);
	started = true;
	return 0;

err_in:
	rhashtable_destroy(&names_in);
err_out:
	rhashtable_destroy(&names_out);
	return rc;
}
fs_initcall(sessions_init);
