// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of files that can be in sessions: the handlers.
 *
 * Locks: handlers_sem for the list.
 */
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/string.h>

#include "../internal.h"
#include "session.h"

static LIST_HEAD(handlers);
static DECLARE_RWSEM(handlers_sem);

/**
 * liveupdate_register_file_handler - let files of a kind survive
 * @handler: must stay until it is unregistered
 *
 * Context: may sleep.
 * Return: 0, -EINVAL for a handler that is not complete, -EEXIST when there is
 * one of the same @compatible, -EOPNOTSUPP
 */
int liveupdate_register_file_handler(struct liveupdate_file_handler *handler)
{
	const struct liveupdate_file_ops *ops = handler->ops;
	struct liveupdate_file_handler *other;
	size_t len = strnlen(handler->compatible, sizeof(handler->compatible));
	int rc = 0;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;
	if (!len || len == sizeof(handler->compatible) || !ops->can_preserve ||
	    !ops->preserve || !ops->unpreserve || !ops->retrieve || !ops->finish)
		return -EINVAL;

	INIT_LIST_HEAD(&handler->flb_list);
	xa_init(&handler->ids);
	down_write(&handlers_sem);
	list_for_each_entry(other, &handlers, list)
		if (!strcmp(other->compatible, handler->compatible))
			rc = -EEXIST;
	if (!rc)
		list_add_tail(&handler->list, &handlers);
	up_write(&handlers_sem);
	return rc;
}
EXPORT_SYMBOL_GPL(liveupdate_register_file_handler);

/**
 * liveupdate_unregister_file_handler - undo liveupdate_register_file_handler()
 * @handler: the handler
 *
 * Files that are preserved or retrieved hold a reference to the handler's
 * module, so a module does this when it is unloaded.
 *
 * Context: may sleep.
 */
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler)
{
	if (!liveupdate_enabled())
		return;
	down_write(&handlers_sem);
	list_del(&handler->list);
	up_write(&handlers_sem);
	kho_flb_unlink(handler);
	xa_destroy(&handler->ids);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);

/* The handler for a file, or for a kind; with a reference to its module. */
struct liveupdate_file_handler *kho_session_get_handler(struct file *file,
							const char *compatible)
{
	struct liveupdate_file_handler *handler, *found = NULL;

	down_read(&handlers_sem);
	list_for_each_entry(handler, &handlers, list) {
		if (file ? !handler->ops->can_preserve(handler, file) :
			   strcmp(handler->compatible, compatible ?: ""))
			continue;
		if (try_module_get(handler->ops->owner)) {
			found = handler;
			break;
		}
	}
	up_read(&handlers_sem);
	return found;
}

void kho_session_put_handler(struct liveupdate_file_handler *handler)
{
	module_put(handler->ops->owner);
}
