// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: what becomes of them. Which there are is in list.c.
 *
 * An outgoing session is made by userspace and lives as long as its descriptor:
 * closing that unpreserves everything, whoever closes it last. Between finalize
 * and the jump nothing can be taken back; a session that is closed then is left
 * as it is, goes to the next kernel, and is given up if finalize is undone.
 *
 * An incoming session is there from boot, closed, until it is finished or
 * discarded. A descriptor that is closed without finishing gives back what was
 * not retrieved: the session is closed again, or gone if nothing is left. Incoming
 * sessions are written among the outgoing ones at finalize, so nobody has to take them.
 *
 * Locks: kho_sessions_lock for the lists, the subtree, who has a session, and the state
 * of finalize. It is held for moments, never over a handler's operation.
 * Who ends files of a session holds that session's mutex alone meanwhile, and these
 * hold:
 *
 * - Nobody else gets at a session that is being closed or given up: it counts as open.
 *   Whoever wants it waits until that is over.
 * - It stays listed until its files are gone, and with it the subtree.
 * - From the begin of finalize to its undoing nobody begins to end files, or makes or
 *   opens a session. Finalize waits for those who have begun before. So nothing is
 *   added to the lists or taken away from them then, and who finalizes can go through
 *   them with no lock.
 * - The subtree is there if, and only if, anything is listed or kept: whoever changes
 *   the lists looks after it before giving up the lock.
 *
 * Order in session.h.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/init.h>
#include <linux/wait.h>

#include "../internal.h"
#include "../trace.h"
#include "session.h"

/* From the begin of finalize to its undoing. */
static bool frozen;
/* Closed meanwhile: what becomes of them is seen to when finalize is undone. */
static LIST_HEAD(left_sessions);
/* How many are at work that end files, and how often one has come to its end. */
static unsigned int nr_ending;
static unsigned int nr_ended;
static DECLARE_WAIT_QUEUE_HEAD(ending_wait);

static void note(const char *name, const char *step, int rc)
{
	trace_kho_session(name, step, rc);
	pr_debug("session %*pE: %s: %d\n", (int)strlen(name), name, step, rc);
}

/* Is anything left of the old kernel's sessions? */
static bool any_incoming(void)
{
	lockdep_assert_held(&kho_sessions_lock);
	return !list_empty(&kho_sessions_in) || kho_session_nr_kept();
}

/* The subtree is there as long as anything would have to be written into it. */
static int update_subtree(bool more)
{
	if (!any_incoming())
		kho_finish_subtree(LIVEUPDATE_NAME);
	return kho_session_subtree(more || !list_empty(&kho_sessions_out) ||
				   any_incoming());
}

/* Sessions of the old kernel may have ended: what their files have in common may, too. */
static void finish_common(void)
{
	bool any;

	mutex_lock(&kho_sessions_lock);
	any = any_incoming();
	mutex_unlock(&kho_sessions_lock);
	if (!any)
		kho_flb_finish_rest();
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
	else
		rc = kho_session_list(session);
	if (!rc) {
		rc = update_subtree(true);
		if (rc)
			kho_session_unlist(session);
	}
	session->open = true;
	mutex_unlock(&kho_sessions_lock);
	note(name, "create", rc);
	if (rc) {
		kho_session_free(session);
		return ERR_PTR(rc);
	}
	return session;
}

/* Files of a session are going to be ended, without the lock. Not while frozen. */
static void begin_ending(struct liveupdate_session *session)
{
	lockdep_assert_held(&kho_sessions_lock);
	session->ending++;
	nr_ending++;
}

static void end_ending(struct liveupdate_session *session)
{
	lockdep_assert_held(&kho_sessions_lock);
	session->ending--;
	WRITE_ONCE(nr_ending, nr_ending - 1);
	WRITE_ONCE(nr_ended, nr_ended + 1);
	wake_up_all(&ending_wait);
}

/*
 * Get an incoming session that nobody has. Whoever has it without a descriptor has
 * closed it, or gives it up, and is waited for. With @end the caller gives it up, too.
 */
static struct liveupdate_session *claim(const char *name, bool end)
{
	struct liveupdate_session *session;
	unsigned int seen;

	for (;;) {
		mutex_lock(&kho_sessions_lock);
		session = kho_session_find(name, true);
		if (!session)
			session = ERR_PTR(-ENOENT);
		else if (session->open && !session->left)
			session = ERR_PTR(-EINVAL);
		else if (frozen)
			session = ERR_PTR(-EBUSY);
		else if (session->open)
			session = NULL;
		if (!IS_ERR_OR_NULL(session)) {
			session->open = true;
			session->left = end;
			if (end)
				begin_ending(session);
		}
		seen = nr_ended;
		mutex_unlock(&kho_sessions_lock);
		if (session)
			return session;
		if (wait_event_killable(ending_wait, READ_ONCE(nr_ended) != seen))
			return ERR_PTR(-EINTR);
	}
}

/**
 * kho_session_open - open an incoming session
 * @name: LIVEUPDATE_SESSION_NAME_LENGTH bytes
 *
 * Context: may sleep, for as long as somebody closes just this session.
 * Return: the session, or an error pointer: -ENOENT, -EINVAL when it is open,
 * -EBUSY after finalize, -EINTR when killed
 */
struct liveupdate_session *kho_session_open(const char *name)
{
	struct liveupdate_session *session = claim(name, false);

	note(name, "retrieve", PTR_ERR_OR_ZERO(session));
	return session;
}

/* What becomes of a closed session, see begin_ending(). */
static void settle_closed(struct liveupdate_session *session)
{
	mutex_lock(&session->mutex);
	if (session->incoming)
		kho_session_finish_files(session, false);
	else
		kho_session_unpreserve(session);
	mutex_unlock(&session->mutex);

	mutex_lock(&kho_sessions_lock);
	end_ending(session);
	if (session->incoming && session->nr_files) {
		session->open = false;
		session->left = false;
		session = NULL;
	} else {
		kho_session_unlist(session);
	}
	update_subtree(false);
	mutex_unlock(&kho_sessions_lock);
	if (session)
		kho_session_free(session);
	finish_common();
}

/**
 * kho_session_close - the last descriptor of a session is gone
 * @session: the session; may be freed
 *
 * Context: may sleep.
 */
void kho_session_close(struct liveupdate_session *session)
{
	bool finished, settle;

	note(session->name, "close", 0);
	mutex_lock(&kho_sessions_lock);
	finished = !session->listed;
	settle = !finished && !frozen;
	session->left = true;
	if (settle)
		begin_ending(session);
	else if (!finished)
		list_add_tail(&session->left_list, &left_sessions);
	mutex_unlock(&kho_sessions_lock);
	if (finished)
		kho_session_free(session);
	else if (settle)
		settle_closed(session);
}

/*
 * The incoming session has no more to give, see begin_ending(). True in @empty when
 * no file stays.
 */
static int finish_session(struct liveupdate_session *session, bool may_put_back,
			  bool *empty)
{
	bool finishable;

	mutex_lock(&session->mutex);
	finishable = kho_session_finishable(session, may_put_back);
	if (finishable)
		kho_session_finish_files(session, true);
	*empty = finishable && !session->nr_files;
	if (finishable && session->nr_files)
		pr_warn("session %*pE: %lu files are of a kind unknown to this kernel and stay\n",
			(int)strlen(session->name), session->name,
			session->nr_files);
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
	u64 begin = kho_stage_begin();
	bool empty;
	int rc = 0;

	if (!session->incoming)
		return -EINVAL;
	mutex_lock(&kho_sessions_lock);
	if (frozen)
		rc = -EBUSY;
	else
		begin_ending(session);
	mutex_unlock(&kho_sessions_lock);
	if (!rc) {
		rc = finish_session(session, false, &empty);
		mutex_lock(&kho_sessions_lock);
		end_ending(session);
		if (empty)
			kho_session_unlist(session);
		update_subtree(false);
		mutex_unlock(&kho_sessions_lock);
		finish_common();
	}
	note(session->name, "finish", rc);
	if (!rc)
		kho_stage_end("finish", session->name, begin);
	return rc;
}

/**
 * kho_session_discard - the operator gives an incoming session up
 * @name: LIVEUPDATE_SESSION_NAME_LENGTH bytes
 *
 * Of files of unknown kind only the record goes; their memory can be freed by
 * discarding /memory when no session is left.
 *
 * Context: may sleep, for as long as somebody closes just this session besides.
 * Return: 0, -ENOENT, -EBUSY when it is open, or after finalize, -EINTR when killed
 */
int kho_session_discard(const char *name)
{
	struct liveupdate_session *session;
	u64 begin = kho_stage_begin();
	bool empty;
	int rc;

	session = claim(name, true);
	if (IS_ERR(session)) {
		rc = PTR_ERR(session);
		if (rc == -EINVAL)
			rc = -EBUSY;
		goto out;
	}
	rc = finish_session(session, true, &empty);
	mutex_lock(&kho_sessions_lock);
	end_ending(session);
	if (rc) {
		session->open = false;
		session->left = false;
	} else {
		kho_session_unlist(session);
	}
	update_subtree(false);
	mutex_unlock(&kho_sessions_lock);
	if (!rc)
		kho_session_free(session);
	finish_common();
out:
	note(name, "discard", rc);
	if (!rc)
		kho_stage_end("discard", name, begin);
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
	finish_common();
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
		rc = kho_session_freeze(session);
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

/* A session goes to the next kernel under its name, which must not be taken. */
static int check_names(void)
{
	struct liveupdate_session *session;
	int rc = 0;

	mutex_lock(&kho_sessions_lock);
	list_for_each_entry(session, &kho_sessions_out, list) {
		if (!kho_session_find(session->name, true))
			continue;
		kho_set_err(LIVEUPDATE_NAME ": session %*pE: one of this name came from the old kernel: finish or discard it",
			    (int)strlen(session->name), session->name);
		rc = -EEXIST;
		break;
	}
	mutex_unlock(&kho_sessions_lock);
	return rc;
}

/* One of those whom finalize has to wait for, as far as there are any. */
static const struct liveupdate_session *find_ending(void)
{
	const struct list_head *lists[] = { &kho_sessions_in, &kho_sessions_out };
	struct liveupdate_session *session;
	unsigned int i;

	for (i = 0; nr_ending && i < ARRAY_SIZE(lists); i++)
		list_for_each_entry(session, lists[i], list)
			if (session->ending)
				return session;
	return NULL;
}

/* Nobody begins to change anything from here on; wait for those who have begun. */
static int freeze_lists(struct kho_owner *owner)
{
	const struct liveupdate_session *session;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH] = "";

	mutex_lock(&kho_sessions_lock);
	frozen = true;
	session = find_ending();
	if (session) {
		memcpy(name, session->name, sizeof(name));
		pr_info("finalize waits for session %*pE, which is being finished, closed or given up\n",
			(int)strlen(name), name);
	}
	mutex_unlock(&kho_sessions_lock);
	if (!wait_event_killable(ending_wait, !READ_ONCE(nr_ending)))
		return 0;
	kho_refuse(owner, "session %*pE: still at work when finalize was killed",
		   (int)strlen(name), name);
	return -EINTR;
}

/* Undo freeze_lists(), and see to the sessions that were closed meanwhile. */
static void unfreeze_lists(void)
{
	struct liveupdate_session *session;

	mutex_lock(&kho_sessions_lock);
	frozen = false;
	while ((session = list_first_entry_or_null(&left_sessions,
						   struct liveupdate_session,
						   left_list))) {
		list_del_init(&session->left_list);
		begin_ending(session);
		mutex_unlock(&kho_sessions_lock);
		settle_closed(session);
		mutex_lock(&kho_sessions_lock);
	}
	mutex_unlock(&kho_sessions_lock);
}

static int sessions_finalize(struct kho_owner *owner)
{
	int rc;

	rc = freeze_lists(owner);
	if (rc)
		goto err_lists;
	rc = check_names();
	if (rc)
		goto err_lists;
	rc = freeze_all(&kho_sessions_in);
	if (rc)
		goto err_lists;
	rc = freeze_all(&kho_sessions_out);
	if (rc)
		goto err_in;
	rc = kho_flb_freeze(!list_empty(&kho_sessions_in));
	if (rc)
		goto err_out;
	mutex_lock(&kho_sessions_lock);
	rc = kho_session_write();
	mutex_unlock(&kho_sessions_lock);
	if (!rc)
		return 0;

	kho_refuse(owner, "records cannot be written: %d", rc);
	kho_flb_unfreeze();
err_out:
	unfreeze_all(&kho_sessions_out);
err_in:
	unfreeze_all(&kho_sessions_in);
err_lists:
	unfreeze_lists();
	return rc;
}

static void sessions_unfinalize(struct kho_owner *owner)
{
	mutex_lock(&kho_sessions_lock);
	kho_session_unwrite();
	mutex_unlock(&kho_sessions_lock);
	kho_flb_unfreeze();
	unfreeze_all(&kho_sessions_out);
	unfreeze_all(&kho_sessions_in);
	unfreeze_lists();
	finish_common();
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
	rc = kho_session_lists_init();
	if (rc)
		return rc;
	rc = kho_register_owner(&sessions_owner);
	if (rc) {
		kho_session_lists_exit();
		return rc;
	}

	mutex_lock(&kho_sessions_lock);
	rc = kho_session_read();
	if (rc)
		pr_err("sessions of the old kernel cannot be read: %d\n", rc);
	rc = update_subtree(false);
	if (rc)
		pr_err("sessions of the old kernel cannot be handed on: %d\n",
		       rc);
	mutex_unlock(&kho_sessions_lock);
	finish_common();
	kho_sessions_started();
	return 0;
}
fs_initcall(sessions_init);
