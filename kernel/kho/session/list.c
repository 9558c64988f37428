// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sessions there are: outgoing and incoming ones, each by its name.
 *
 * Locks: kho_sessions_lock for lists and tables.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../internal.h"
#include "session.h"

/* Lists and tables of sessions; and what session.c keeps with them. */
DEFINE_MUTEX(kho_sessions_lock);
LIST_HEAD(kho_sessions_out);
LIST_HEAD(kho_sessions_in);
/* Outgoing sessions that are listed. */
static unsigned int nr_out;
static struct rhashtable names_out, names_in;

static const struct rhashtable_params name_params = {
	.head_offset = offsetof(struct liveupdate_session, node),
	.key_offset = offsetof(struct liveupdate_session, name),
	.key_len = LIVEUPDATE_SESSION_NAME_LENGTH,
	.automatic_shrinking = true,
};

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
	INIT_LIST_HEAD(&session->left_list);
	mutex_init(&session->mutex);
	mutex_init(&session->list_lock);
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

/**
 * kho_session_list - make a session known
 * @session: the session
 *
 * Context: kho_sessions_lock held, may sleep.
 * Return: 0, -EEXIST when there is one of this name and direction, -ENOSPC when there are
 * too many, -ENOMEM
 */
int kho_session_list(struct liveupdate_session *session)
{
	int rc;

	lockdep_assert_held(&kho_sessions_lock);
	if (!session->incoming && nr_out >= KHO_SESSIONS_MAX)
		return -ENOSPC;
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

/* Undo kho_session_list(), if it was done. */
void kho_session_unlist(struct liveupdate_session *session)
{
	lockdep_assert_held(&kho_sessions_lock);
	if (!session->listed)
		return;
	rhashtable_remove_fast(names(session->incoming), &session->node,
			       name_params);
	list_del(&session->list);
	session->listed = false;
	if (!session->incoming)
		nr_out--;
}

int __init kho_session_lists_init(void)
{
	int rc = rhashtable_init(&names_out, &name_params);

	if (rc)
		return rc;
	rc = rhashtable_init(&names_in, &name_params);
	if (rc)
		rhashtable_destroy(&names_out);
	return rc;
}

void __init kho_session_lists_exit(void)
{
	rhashtable_destroy(&names_in);
	rhashtable_destroy(&names_out);
}
