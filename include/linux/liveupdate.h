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
#include <linux/kho/abi/liveupdate.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct file;
struct liveupdate_file_handler;
struct liveupdate_flb;
struct liveupdate_session;
struct module;

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
 * @retrieve_status: in can_finish and finish: 1 when the file was retrieved, 0 when it
 *		     was not, or the errno with which retrieve failed for good
 */
struct liveupdate_file_op_args {
	struct liveupdate_file_handler *handler;
	int retrieve_status;
	struct file *file;
	u64 serialized_data;
	void *private_data;
	struct liveupdate_session *session;
	u64 token;
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
 * @retrieve: make a file of what crossed
 * @can_finish: may the session be finished as far as this file goes? Also of files that
 *		were not retrieved. Optional
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
 * @get_id: what the file is of which there is one: as long as a file of an id is
 *	    preserved or retrieved, no other one of it can be. Optional; without it every
 *	    open file is by itself
 * @retry: when retrieve fails everything is as before, and it may be tried again.
 *	   Without it, it fails in the same way from then on
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
	unsigned long (*get_id)(struct file *file);
	bool retry;
	bool uses_earlier;
	bool unused;
	struct module *owner;
};

/**
 * struct liveupdate_file_handler - a kind of file
 * @ops: what can be done with it
 * @compatible: kind and version of what crosses, "<kind>-v<N>"
 * @list: private to the sessions, as is what follows
 * @flb_list: what files of this kind have in common
 * @ids: of files that are preserved or retrieved
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	struct list_head list;
	struct list_head flb_list;
	struct xarray ids;
};

/**
 * struct liveupdate_flb_op_args - what an operation on common data works on
 * @flb: which
 * @data: crosses the kexec; usually a physical address of preserved memory. Out in
 *	  preserve
 * @obj: the data as this kernel has it; out in preserve and retrieve
 */
struct liveupdate_flb_op_args {
	struct liveupdate_flb *flb;
	u64 data;
	void *obj;
};

/**
 * struct liveupdate_flb_ops - operations on data that files have in common
 * @preserve: the first file that needs it is about to be preserved: make it survive
 * @unpreserve: undo @preserve: the last such file is not preserved any more
 * @retrieve: somebody wants what the old kernel preserved: make @obj of @data. Once; if
 *	      it fails, it is not tried again
 * @finish: the last file that needed it has ended: free it
 * @owner: module
 *
 * All may sleep. They may not register anything, nor get or put such data.
 */
struct liveupdate_flb_ops {
	int (*preserve)(struct liveupdate_flb_op_args *argp);
	void (*unpreserve)(struct liveupdate_flb_op_args *argp);
	int (*retrieve)(struct liveupdate_flb_op_args *argp);
	void (*finish)(struct liveupdate_flb_op_args *argp);
	struct module *owner;
};

/**
 * struct liveupdate_flb - data that files of one or more kinds have in common
 * @ops: what can be done with it
 * @compatible: its name and version, "<name>-v<N>"
 * @list: private to the sessions, as is what follows
 * @handlers: with how many handlers it is registered
 * @lock: protects the rest, over @ops
 * @preserved: for the next kernel
 * @files: how many need it that are preserved
 * @users: who got it besides
 * @data: as preserve said
 * @obj: likewise
 *
 * FLB stands for "file-lifecycle bound": it is there as long as a file needs it.
 */
struct liveupdate_flb {
	const struct liveupdate_flb_ops *ops;
	const char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];
	struct list_head list;
	unsigned int handlers;
	/* Protects what follows. */
	struct mutex lock;
	bool preserved;
	unsigned long files;
	unsigned long users;
	u64 data;
	void *obj;
};

#ifdef CONFIG_LIVEUPDATE

bool liveupdate_enabled(void);
int liveupdate_register_file_handler(struct liveupdate_file_handler *handler);
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler);
int liveupdate_register_flb(struct liveupdate_file_handler *handler,
			    struct liveupdate_flb *flb);
void liveupdate_unregister_flb(struct liveupdate_file_handler *handler,
			       struct liveupdate_flb *flb);
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb);
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb);
__printf(2, 3)
void liveupdate_refuse(const struct liveupdate_file_op_args *args,
		       const char *fmt, ...);
bool liveupdate_may_restrict(struct file *file);
bool liveupdate_is_unused(struct file *file);
bool liveupdate_is_used(const struct liveupdate_file_op_args *args);
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

static inline void
liveupdate_unregister_file_handler(struct liveupdate_file_handler *handler)
{
}

static inline int liveupdate_register_flb(struct liveupdate_file_handler *handler,
					  struct liveupdate_flb *flb)
{
	return -EOPNOTSUPP;
}

static inline void
liveupdate_unregister_flb(struct liveupdate_file_handler *handler,
			  struct liveupdate_flb *flb)
{
}

static inline int liveupdate_flb_get_incoming(struct liveupdate_flb *flb,
					      void **objp)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_flb_put_incoming(struct liveupdate_flb *flb) { }

static inline int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb,
					      void **objp)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb) { }

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
