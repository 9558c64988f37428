/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to the sessions. The order of the files is that of the floors in the Makefile.
 *
 * Lock order: kho_lock -> liveupdate_session.mutex -> flb.c's -> handlers' locks ->
 * kho_blob_lock -> kho_map.sem, and no two sessions' mutexes at a time. Besides,
 * kho_lock -> kho_sessions_lock -> kho_blob_lock, and, while all is frozen, flb.c's below
 * kho_sessions_lock. liveupdate_session.list_lock is below its mutex, and below
 * kho_sessions_lock; these two are never held together.
 *
 * What may take long, because files are restored, given back or freed, is done with
 * the mutex of their session and nobody else's. kho_sessions_lock and a list_lock are
 * held over no handler, nor is anything that is held over one waited for with them.
 */
#ifndef _KERNEL_KHO_SESSION_H
#define _KERNEL_KHO_SESSION_H

#include <linux/kho/abi/liveupdate.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/mutex.h>
#include <linux/rhashtable-types.h>
#include <uapi/linux/liveupdate.h>

/*
 * What one holder of a session, or who makes them, can have the kernel keep. Far more
 * than is of use; it bounds the work of finalize and of the list of sessions.
 */
#define KHO_SESSIONS_MAX	65536
#define KHO_SESSION_FILES_MAX	65536

/**
 * struct liveupdate_session - a named set of files
 * @list: in the list of its direction; kho_sessions_lock
 * @node: in the table of its direction, by @name; kho_sessions_lock
 * @name: filled with zeroes
 * @incoming: came from the old kernel
 * @open: somebody has it: a descriptor, or who closes it or gives it up;
 *	  kho_sessions_lock
 * @left: of an open one: there is no descriptor; kho_sessions_lock
 * @listed: in list and table; kho_sessions_lock
 * @ending: how many are at work whom finalize has to wait for; kho_sessions_lock
 * @left_list: in the list of those that were closed while all was frozen;
 *	       kho_sessions_lock
 * @mutex: protects the rest, over handlers' operations
 * @list_lock: what the list of sessions shows changes under this besides, so either
 *	       will do to read it: @files, @nr_files, and "retrieve_status" of a file
 * @files: in the order in which they were preserved
 * @tokens: the same, by token, and one that is being preserved
 * @nr_files: entries of @files
 * @frozen: part of what is sealed
 */
struct liveupdate_session {
	struct list_head list;
	struct rhash_head node;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	bool incoming;
	bool open;
	bool left;
	bool listed;
	unsigned int ending;
	struct list_head left_list;

	/* Protects what follows. */
	struct mutex mutex;
	/* Protects what the list shows, too. */
	struct mutex list_lock;
	struct list_head files;
	struct rhashtable tokens;
	unsigned long nr_files;
	bool frozen;
};

/**
 * struct kho_session_file - a file in a session
 * @list: in the session
 * @node: in the session, by @token
 * @token: by which userspace knows it
 * @compatible: its kind
 * @handler: of an outgoing or retrieved file; holds a reference to its module
 * @file: of an outgoing or retrieved file; holds a reference
 * @data: the handler's serialized_data
 * @private_data: the handler's
 * @retrieve_status: of an incoming file: 1 when @file is there, or the errno with which
 *		     it could not be retrieved, and never will
 * @id: of @file, among those of @handler, while @file is there
 * @kept: of a retrieved file: @data is a record of it for the next kernel
 */
struct kho_session_file {
	struct list_head list;
	struct rhash_head node;
	u64 token;
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	struct liveupdate_file_handler *handler;
	struct file *file;
	u64 data;
	void *private_data;
	int retrieve_status;
	unsigned long id;
	bool kept;
};

/* enabled.c: whether there are sessions */
void kho_sessions_started(void);

/* flb.c: what files have in common */

/**
 * struct kho_flb_view - what the list of common data shows of one
 * @name: its compatible string, or NULL for all records that are damaged
 * @incoming: came from the old kernel
 * @state: one word
 * @nr: how many files need it, or how many records are damaged
 */
struct kho_flb_view {
	const char *name;
	bool incoming;
	const char *state;
	unsigned long nr;
};

int kho_flb_preserve(struct liveupdate_file_handler *handler);
void kho_flb_unpreserve(struct liveupdate_file_handler *handler);
void kho_flb_finish(struct liveupdate_file_handler *handler);
void kho_flb_finish_rest(void);
void kho_flb_unlink(struct liveupdate_file_handler *handler);
int kho_flb_freeze(bool in);
void kho_flb_unfreeze(void);
unsigned long kho_flb_write(bool in, struct liveupdate_flb_ser *to);
void kho_flb_read(const struct liveupdate_flb_ser *ser, unsigned long nr);
int kho_flb_for_each(int (*show)(const struct kho_flb_view *view, void *data),
		     void *data);

/* kinds.c: the kinds of files */
struct liveupdate_file_handler *kho_session_get_handler(struct file *file,
							const char *compatible);
void kho_session_put_handler(struct liveupdate_file_handler *handler);

/* file.c: what is in a session */
int kho_session_preserve_fd(struct liveupdate_session *session, int fd,
			    u64 token);
int kho_session_retrieve_file(struct liveupdate_session *session, u64 token,
			      struct file **file);
int kho_session_add_incoming(struct liveupdate_session *session,
			     const struct liveupdate_record_ser *record);
int kho_session_files_init(struct liveupdate_session *session);
void kho_session_files_exit(struct liveupdate_session *session);
void kho_session_unpreserve(struct liveupdate_session *session);
int kho_session_freeze(struct liveupdate_session *session);
void kho_session_unfreeze(struct liveupdate_session *session);
bool kho_session_is_unused(const struct kho_session_file *file);
bool kho_session_finishable(struct liveupdate_session *session,
			    bool may_put_back);
void kho_session_finish_files(struct liveupdate_session *session,
			      bool give_up);

/* list.c: which sessions there are */
extern struct mutex kho_sessions_lock;
extern struct list_head kho_sessions_out;
extern struct list_head kho_sessions_in;
int kho_session_lists_init(void);
void kho_session_lists_exit(void);
struct liveupdate_session *kho_session_new(const char *name, bool incoming);
void kho_session_free(struct liveupdate_session *session);
int kho_session_list(struct liveupdate_session *session);
void kho_session_unlist(struct liveupdate_session *session);
struct liveupdate_session *kho_session_find(const char *name, bool incoming);

/* ser.c: what crosses the kexec */
int kho_session_subtree(bool wanted);
int kho_session_write(void);
void kho_session_unwrite(void);
int kho_session_read(void);
unsigned long kho_session_nr_kept(void);
void kho_session_drop_kept(void);
struct liveupdate_record_ser *kho_session_record(unsigned long nr);
void *kho_session_fdt(void);

/* session.c: what becomes of them */
struct liveupdate_session *kho_session_create(const char *name);
struct liveupdate_session *kho_session_open(const char *name);
void kho_session_close(struct liveupdate_session *session);
int kho_session_finish(struct liveupdate_session *session);
int kho_session_discard(const char *name);
int kho_session_discard_damaged(void);

#endif /* _KERNEL_KHO_SESSION_H */
