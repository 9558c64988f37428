/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kinds of files that survive a kexec in a session: the interface for kernel
 * code that implements one (shared memory, vfio, iommufd).
 *
 * Life cycle of a file, old kernel on the left, next kernel on the right:
 *
 *   can_preserve -> preserve -> freeze -> (kexec) -> retrieve -> can_finish -> finish
 *                unpreserve <-  unfreeze <-            put_back <-  (or finish unretrieved)
 *                                                     keep -> (kexec) -> retrieve
 *                                                   unkeep <-
 */
#ifndef _LINUX_LIVEUPDATE_H
#define _LINUX_LIVEUPDATE_H

#include <linux/errno.h>
#include <linux/list.h>
#include <linux/types.h>

struct file;
struct liveupdate_file_handler;
struct liveupdate_session;
struct module;

#define LIVEUPDATE_COMPATIBLE_MAX	47

/**
 * struct liveupdate_file_op_args - what an operation works on
 * @handler: the handler
 * @session: the session, for liveupdate_get_token_outgoing() and
 *	     liveupdate_get_file_incoming()
 * @file: the file; NULL in finish when it was not retrieved; out in retrieve
 * @serialized_data: the handler's own, crosses the kexec; usually a physical
 *		     address of preserved memory. Out in preserve, freeze and
 *		     keep
 * @private_data: the handler's own, within this kernel; out in preserve, retrieve
 *		  and keep
 * @token: by which userspace knows the file
 * @retrieved: in can_finish and finish: was it retrieved?
 */
struct liveupdate_file_op_args {
	struct liveupdate_file_handler *handler;
	struct liveupdate_session *session;
	struct file *file;
	u64 serialized_data;
	void *private_data;
	u64 token;
	bool retrieved;
};

/**
 * struct liveupdate_file_ops - operations on files of one kind
 * @can_preserve: is this file of the handler's kind? Must not sleep long, changes
 *		  nothing
 * @preserve: make it survive. It stays in use; what would change its layout is
 *	      refused until unpreserve or, in the next kernel, finish
 * @unpreserve: undo @preserve; never fails
 * @freeze: last changes to what crosses, in the blackout; optional
 * @unfreeze: undo @freeze; never fails; optional
 * @retrieve: make a file of what crossed. On error everything is as before and
 *	      it may be tried again
 * @can_finish: may the session be finished as far as this file goes? optional
 * @put_back: the session was closed, or is being discarded, but @can_finish says
 *	      that the file may not be finished: if nobody has it, release it with
 *	      __fput_sync(), so that all is as before @retrieve, and return true.
 *	      When it returns false, or is not there, the file stays retrieved
 * @keep: finalize comes while the file is retrieved, and its session not finished: if
 *	  liveupdate_is_unused() says that nobody but the session has it, make a record
 *	  of it as it is now, as @preserve and @freeze do; else return -EBUSY. Optional;
 *	  without it finalize fails with EBUSY
 * @unkeep: undo @keep; never fails
 * @finish: the session ends: lift restrictions, or free the memory if the file
 *	    was not retrieved
 * @uses_earlier: whether it is retrieved or not, the file uses what was preserved
 *		  before it in the session, as a device does that writes to memory;
 *		  so that this is not finished before
 * @unused: no other file uses one of this kind: once @can_finish agrees, it is
 *	    finished although a file stays that was preserved after it
 * @owner: module
 *
 * All may sleep and run with the session's mutex held. Files of a session are
 * preserved in the order in which userspace says so and frozen in that order;
 * unfrozen, unpreserved and finished in the reverse order. So a file that needs
 * another is preserved after it.
 */
struct liveupdate_file_ops {
	bool (*can_preserve)(struct liveupdate_file_handler *handler,
			     struct file *file);
	int (*preserve)(struct liveupdate_file_op_args *args);
	void (*unpreserve)(struct liveupdate_file_op_args *args);
	int (*freeze)(struct liveupdate_file_op_args *args);
	void (*unfreeze)(struct liveupdate_file_op_args *args);
	int (*retrieve)(struct liveupdate_file_op_args *args);
	bool (*can_finish)(struct liveupdate_file_op_args *args);
	bool (*put_back)(struct liveupdate_file_op_args *args);
	int (*keep)(struct liveupdate_file_op_args *args);
	void (*unkeep)(struct liveupdate_file_op_args *args);
	void (*finish)(struct liveupdate_file_op_args *args);
	bool uses_earlier;
	bool unused;
	struct module *owner;
};

/**
 * struct liveupdate_file_handler - a kind of file
 * @ops: what can be done with it
 * @compatible: kind and version of what crosses, "<kind>-v<N>"; at most
 *		LIVEUPDATE_COMPATIBLE_MAX characters
 * @list: private to the sessions
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char *compatible;
	struct list_head list;
};

#ifdef CONFIG_LIVEUPDATE

bool liveupdate_enabled(void);
int liveupdate_register_file_handler(struct liveupdate_file_handler *handler);
int liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler);
__printf(2, 3)
void liveupdate_refuse(const struct liveupdate_file_op_args *args,
		       const char *fmt, ...);
bool liveupdate_may_restrict(struct file *file);
bool liveupdate_is_unused(struct file *file);
int liveupdate_get_token_outgoing(struct liveupdate_session *session,
				  const struct file *file, u64 *token);
int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
				 struct file **file);

#else

static inline bool liveupdate_enabled(void) { return false; }

static inline int
liveupdate_register_file_handler(struct liveupdate_file_handler *handler)
{
	return -EOPNOTSUPP;
}

static inline int
liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler)
{
	return -EOPNOTSUPP;
}

static inline __printf(2, 3)
void liveupdate_refuse(const struct liveupdate_file_op_args *args,
		       const char *fmt, ...)
{
}

static inline int
liveupdate_get_token_outgoing(struct liveupdate_session *session,
			      const struct file *file, u64 *token)
{
	return -EOPNOTSUPP;
}

static inline int
liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
			     struct file **file)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_LIVEUPDATE */
#endif /* _LINUX_LIVEUPDATE_H */
