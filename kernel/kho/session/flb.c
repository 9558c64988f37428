// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data that files of one or more kinds have in common, "file-lifecycle bound": it is
 * preserved with the first file that needs it, and ends with the last.
 *
 * Life cycle, old kernel: a handler of files says which data they need. The first such
 * file that is preserved preserves the data, the last one that is not any more
 * unpreserves it. At finalize a record is written of what files need. Next kernel: the
 * record is read at boot. Who wants the data retrieves it, once. When as many files have
 * ended as needed it, and nobody uses it besides, it is finished. If nobody has retrieved
 * it, the next kexec hands it on as it is. Files of a kind that this kernel does not know
 * cannot say what they need: when no session of the old kernel is left, nothing does.
 *
 * A record that is damaged is kept, and handed on. Without a session of the old kernel
 * that could need something, nothing is handed on: files were finished where nothing knew
 * the data.
 *
 * Locks: flbs_sem for what is registered, over operations; each data's own mutex for its
 * state, over its operations; that of a record of the old kernel likewise. Records are
 * added at boot only. The list for the operator takes no mutex: it is there also while an
 * operation hangs, and shows what was true when it looked.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/export.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../internal.h"
#include "session.h"

/* Far more than there are; it bounds the list of records. */
#define FLBS_MAX	64

/**
 * struct flb_link - a kind of files needs some data
 * @list: in the handler
 * @flb: the data
 */
struct flb_link {
	struct list_head list;
	struct liveupdate_flb *flb;
};

/**
 * struct flb_record - data that came from the old kernel
 * @list: in flb_records
 * @ser: what crossed
 * @damaged: it cannot be used, and is written again as it is
 * @lock: protects the rest
 * @files: how many have not ended that needed it
 * @users: who got it besides
 * @status: 0, 1 when it was retrieved, or the errno with which that failed
 * @needs: an image has to know of such data, as it would be handed on
 * @finished: it is gone
 * @obj: when it was retrieved
 */
struct flb_record {
	struct list_head list;
	struct liveupdate_flb_ser ser;
	bool damaged;
	/* Protects what follows. */
	struct mutex lock;
	u64 files;
	unsigned long users;
	int status;
	bool needs;
	bool finished;
	void *obj;
};

/* Everything that is registered, and how much that is. */
static DECLARE_RWSEM(flbs_sem);
static LIST_HEAD(flbs);
static unsigned int nr_flbs;

static LIST_HEAD(flb_records);
/* From finalize to its undoing; changes with all locks of registered data held in turn. */
static bool frozen;

/*
 * What is registered
 */

static struct flb_link *find_link(struct liveupdate_file_handler *handler,
				  const struct liveupdate_flb *flb)
{
	struct flb_link *link;

	list_for_each_entry(link, &handler->flb_list, list)
		if (link->flb == flb)
			return link;
	return NULL;
}

static int list_flb(struct liveupdate_flb *flb)
{
	struct liveupdate_flb *other;

	if (flb->handlers)
		return 0;
	if (nr_flbs == FLBS_MAX)
		return -ENOSPC;
	list_for_each_entry(other, &flbs, list)
		if (!strcmp(other->compatible, flb->compatible))
			return -EEXIST;
	mutex_init(&flb->lock);
	list_add_tail(&flb->list, &flbs);
	nr_flbs++;
	return 0;
}

static void unlink_flb(struct flb_link *link)
{
	struct liveupdate_flb *flb = link->flb;

	lockdep_assert_held_write(&flbs_sem);
	list_del(&link->list);
	kfree(link);
	if (--flb->handlers)
		return;
	list_del(&flb->list);
	nr_flbs--;
}

static void finish_unneeded(struct liveupdate_flb *flb);

/**
 * liveupdate_register_flb - files of a kind need some data
 * @handler: of the files, registered
 * @flb: the data; must stay until it is unregistered
 *
 * Before the first such file is preserved. Data can be registered with any number of
 * handlers. What came of it from the old kernel is finished here if no file is left that
 * needs it.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL when something is missing, -EEXIST when it is registered with this
 * handler, or other data of the same @compatible is registered, -ENOSPC when there is too
 * much, -ENOMEM, -EOPNOTSUPP
 */
int liveupdate_register_flb(struct liveupdate_file_handler *handler,
			    struct liveupdate_flb *flb)
{
	const struct liveupdate_flb_ops *ops = flb->ops;
	size_t len = strnlen(flb->compatible, sizeof(flb->compatible));
	struct flb_link *link;
	int rc;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;
	if (!len || len == sizeof(flb->compatible) || !ops->preserve ||
	    !ops->unpreserve || !ops->retrieve || !ops->finish ||
	    !handler->flb_list.next)
		return -EINVAL;
	link = kzalloc(sizeof(*link), GFP_KERNEL);
	if (!link)
		return -ENOMEM;

	down_write(&flbs_sem);
	rc = find_link(handler, flb) ? -EEXIST : list_flb(flb);
	if (!rc) {
		link->flb = flb;
		list_add_tail(&link->list, &handler->flb_list);
		flb->handlers++;
	}
	downgrade_write(&flbs_sem);
	if (rc)
		kfree(link);
	else
		finish_unneeded(flb);
	up_read(&flbs_sem);
	return rc;
}
EXPORT_SYMBOL_GPL(liveupdate_register_flb);

/**
 * liveupdate_unregister_flb - undo liveupdate_register_flb()
 * @handler: as there
 * @flb: as there
 *
 * No file of this kind may be preserved.
 *
 * Context: may sleep.
 */
void liveupdate_unregister_flb(struct liveupdate_file_handler *handler,
			       struct liveupdate_flb *flb)
{
	struct flb_link *link;

	if (!liveupdate_enabled())
		return;
	down_write(&flbs_sem);
	link = find_link(handler, flb);
	if (!WARN_ON_ONCE(!link))
		unlink_flb(link);
	up_write(&flbs_sem);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_flb);

/* The handler is unregistered, and needs nothing any more. */
void kho_flb_unlink(struct liveupdate_file_handler *handler)
{
	struct flb_link *link, *next;

	down_write(&flbs_sem);
	list_for_each_entry_safe(link, next, &handler->flb_list, list)
		unlink_flb(link);
	up_write(&flbs_sem);
}

/*
 * Outgoing
 */

static int preserve(struct liveupdate_flb *flb)
{
	struct liveupdate_flb_op_args args = { .flb = flb };
	int rc;

	if (!try_module_get(flb->ops->owner))
		return -ENODEV;
	rc = kho_need_version(LIVEUPDATE_FLB_VERSION);
	if (rc)
		goto err_put;
	rc = kho_need_version(flb->compatible);
	if (rc)
		goto err_unneed;
	rc = flb->ops->preserve(&args);
	if (rc)
		goto err_unneed_this;
	flb->data = args.data;
	flb->obj = args.obj;
	flb->preserved = true;
	return 0;

err_unneed_this:
	kho_unneed_version(flb->compatible);
err_unneed:
	kho_unneed_version(LIVEUPDATE_FLB_VERSION);
err_put:
	module_put(flb->ops->owner);
	return rc;
}

/* If nobody needs it; what is sealed stays as it is. */
static void unpreserve(struct liveupdate_flb *flb)
{
	struct liveupdate_flb_op_args args = {
		.flb = flb,
		.data = flb->data,
		.obj = flb->obj,
	};

	lockdep_assert_held(&flb->lock);
	if (!flb->preserved || flb->files || flb->users || frozen)
		return;
	flb->ops->unpreserve(&args);
	flb->data = 0;
	flb->obj = NULL;
	flb->preserved = false;
	kho_unneed_version(flb->compatible);
	kho_unneed_version(LIVEUPDATE_FLB_VERSION);
	module_put(flb->ops->owner);
}

static int add_file(struct liveupdate_flb *flb)
{
	int rc = 0;

	mutex_lock(&flb->lock);
	if (!flb->preserved)
		rc = preserve(flb);
	if (!rc)
		flb->files++;
	mutex_unlock(&flb->lock);
	return rc;
}

static void remove_file(struct liveupdate_flb *flb)
{
	mutex_lock(&flb->lock);
	if (!WARN_ON_ONCE(!flb->files))
		flb->files--;
	unpreserve(flb);
	mutex_unlock(&flb->lock);
}

/**
 * kho_flb_preserve - a file is about to be preserved
 * @handler: of its kind
 *
 * Context: may sleep.
 * Return: 0, -ENODEV when a module is being unloaded, -ENOMEM, or as the operation
 */
int kho_flb_preserve(struct liveupdate_file_handler *handler)
{
	struct flb_link *link;
	int rc = 0;

	down_read(&flbs_sem);
	list_for_each_entry(link, &handler->flb_list, list) {
		rc = add_file(link->flb);
		if (rc)
			break;
	}
	if (rc)
		list_for_each_entry_continue_reverse(link, &handler->flb_list, list)
			remove_file(link->flb);
	up_read(&flbs_sem);
	return rc;
}

/* Undo kho_flb_preserve(). */
void kho_flb_unpreserve(struct liveupdate_file_handler *handler)
{
	struct flb_link *link;

	down_read(&flbs_sem);
	list_for_each_entry_reverse(link, &handler->flb_list, list)
		remove_file(link->flb);
	up_read(&flbs_sem);
}

static bool is_registered(const struct liveupdate_flb *flb)
{
	struct liveupdate_flb *other;

	list_for_each_entry(other, &flbs, list)
		if (other == flb)
			return true;
	return false;
}

/**
 * liveupdate_flb_get_outgoing - use what is preserved for the next kernel
 * @flb: which
 * @objp: out: as preserve made it; stays until liveupdate_flb_put_outgoing()
 *
 * Context: may sleep.
 * Return: 0, -ENOENT when no file needs it, -EOPNOTSUPP
 */
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp)
{
	int rc = -ENOENT;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;
	down_read(&flbs_sem);
	if (is_registered(flb)) {
		mutex_lock(&flb->lock);
		if (flb->preserved && flb->obj) {
			flb->users++;
			*objp = flb->obj;
			rc = 0;
		}
		mutex_unlock(&flb->lock);
	}
	up_read(&flbs_sem);
	return rc;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_outgoing);

/**
 * liveupdate_flb_put_outgoing - undo liveupdate_flb_get_outgoing()
 * @flb: as there
 *
 * If no file needs it any more it is unpreserved.
 *
 * Context: may sleep.
 */
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
	mutex_lock(&flb->lock);
	if (!WARN_ON_ONCE(!flb->users))
		flb->users--;
	unpreserve(flb);
	mutex_unlock(&flb->lock);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_outgoing);

/*
 * Incoming
 */

static struct flb_record *find_record(const char *compatible)
{
	struct flb_record *record;

	list_for_each_entry(record, &flb_records, list)
		if (!record->damaged &&
		    !strcmp(record->ser.compatible, compatible))
			return record;
	return NULL;
}

static void unneed(struct flb_record *record)
{
	if (record->needs)
		kho_unneed_version(LIVEUPDATE_FLB_VERSION);
	record->needs = false;
}

static int retrieve(struct liveupdate_flb *flb, struct flb_record *record)
{
	struct liveupdate_flb_op_args args = {
		.flb = flb,
		.data = record->ser.data,
	};
	int rc;

	lockdep_assert_held(&record->lock);
	if (record->finished)
		return -ENODATA;
	if (record->status)
		return min(record->status, 0);
	/* It is handed on as it is. */
	if (READ_ONCE(frozen))
		return -EBUSY;
	if (!try_module_get(flb->ops->owner))
		return -ENODEV;
	rc = flb->ops->retrieve(&args);
	unneed(record);
	if (rc) {
		pr_err("%s: cannot be retrieved: %d\n", flb->compatible, rc);
		record->status = rc;
		module_put(flb->ops->owner);
		return rc;
	}
	record->obj = args.obj;
	record->status = 1;
	return 0;
}

/* If nobody needs it */
static void finish(struct liveupdate_flb *flb, struct flb_record *record)
{
	struct liveupdate_flb_op_args args = { .flb = flb };

	lockdep_assert_held(&record->lock);
	if (record->files || record->users || record->finished)
		return;
	if (!retrieve(flb, record)) {
		args.data = record->ser.data;
		args.obj = record->obj;
		flb->ops->finish(&args);
		module_put(flb->ops->owner);
	}
	unneed(record);
	record->obj = NULL;
	record->finished = true;
}

/* Of what came of it, if no file of the old kernel needs it; what is sealed stays. */
static void finish_unneeded(struct liveupdate_flb *flb)
{
	struct flb_record *record = find_record(flb->compatible);

	lockdep_assert_held_read(&flbs_sem);
	if (!record)
		return;
	mutex_lock(&record->lock);
	if (!READ_ONCE(frozen))
		finish(flb, record);
	mutex_unlock(&record->lock);
}

/**
 * kho_flb_finish_rest - no session of the old kernel is left
 *
 * What was needed by files of a kind that this kernel does not know is finished, or will
 * be when its driver comes.
 *
 * Context: may sleep. After finalize it does nothing.
 */
void kho_flb_finish_rest(void)
{
	struct flb_record *record;
	struct liveupdate_flb *flb;

	down_read(&flbs_sem);
	list_for_each_entry(record, &flb_records, list) {
		mutex_lock(&record->lock);
		if (!READ_ONCE(frozen)) {
			record->files = 0;
			unneed(record);
		}
		mutex_unlock(&record->lock);
	}
	list_for_each_entry(flb, &flbs, list)
		finish_unneeded(flb);
	up_read(&flbs_sem);
}

/**
 * kho_flb_finish - a file of the old kernel has ended
 * @handler: of its kind
 *
 * Context: may sleep.
 */
void kho_flb_finish(struct liveupdate_file_handler *handler)
{
	struct flb_record *record;
	struct flb_link *link;

	down_read(&flbs_sem);
	list_for_each_entry_reverse(link, &handler->flb_list, list) {
		/* There is none if the old kernel's files did not need it. */
		record = find_record(link->flb->compatible);
		if (!record)
			continue;
		mutex_lock(&record->lock);
		if (record->files)
			record->files--;
		finish(link->flb, record);
		mutex_unlock(&record->lock);
	}
	up_read(&flbs_sem);
}

/**
 * liveupdate_flb_get_incoming - use what the old kernel preserved
 * @flb: which; it need not be registered yet
 * @objp: out: as retrieve made it; stays until liveupdate_flb_put_incoming()
 *
 * Context: may sleep.
 * Return: 0, -ENODATA when nothing came, or it was finished; -ENOENT when other data
 * came; -EBUSY after finalize; -ENODEV when the module is being unloaded; -EOPNOTSUPP; or
 * as retrieve failed
 */
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp)
{
	struct flb_record *record;
	int rc;

	if (!liveupdate_enabled())
		return -EOPNOTSUPP;
	if (list_empty(&flb_records))
		return -ENODATA;
	record = find_record(flb->compatible);
	if (!record)
		return -ENOENT;
	mutex_lock(&record->lock);
	rc = retrieve(flb, record);
	if (!rc) {
		record->users++;
		*objp = record->obj;
	}
	mutex_unlock(&record->lock);
	return rc;
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_incoming);

/**
 * liveupdate_flb_put_incoming - undo liveupdate_flb_get_incoming()
 * @flb: as there
 *
 * If no file needs it any more it is finished.
 *
 * Context: may sleep.
 */
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
	struct flb_record *record = find_record(flb->compatible);

	if (WARN_ON_ONCE(!record))
		return;
	mutex_lock(&record->lock);
	if (!WARN_ON_ONCE(!record->users))
		record->users--;
	finish(flb, record);
	mutex_unlock(&record->lock);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_incoming);

/*
 * What crosses
 */

static bool goes_on(const struct flb_record *record)
{
	return record->damaged || (!record->status && !record->finished);
}

static const struct liveupdate_flb *find_preserved(const char *compatible)
{
	struct liveupdate_flb *flb;

	list_for_each_entry(flb, &flbs, list)
		if (flb->files && !strcmp(flb->compatible, compatible))
			return flb;
	return NULL;
}

static int check(const struct flb_record *record)
{
	const char *why = NULL;

	if (record->damaged || record->finished || !record->files)
		return 0;
	if (record->status)
		why = "is in use";
	else if (find_preserved(record->ser.compatible))
		why = "is preserved anew";
	if (!why)
		return 0;
	kho_set_err(LIVEUPDATE_NAME ": %s: files of the old kernel need it, and it %s: finish or discard their sessions",
		    record->ser.compatible, why);
	return -EBUSY;
}

static void set_frozen(bool on)
{
	struct flb_record *record;
	struct liveupdate_flb *flb;

	/* Who looks at it has one of these locks. */
	WRITE_ONCE(frozen, on);
	list_for_each_entry(record, &flb_records, list) {
		mutex_lock(&record->lock);
		mutex_unlock(&record->lock);
	}
	list_for_each_entry(flb, &flbs, list) {
		mutex_lock(&flb->lock);
		unpreserve(flb);
		mutex_unlock(&flb->lock);
	}
}

/**
 * kho_flb_freeze - what files have in common stays as it is
 * @in: is there a session of the old kernel?
 *
 * Context: may sleep. All sessions are frozen.
 * Return: 0, or -EBUSY with last_error set when something cannot be handed over; then
 * nothing is frozen
 */
int kho_flb_freeze(bool in)
{
	struct flb_record *record;
	int rc = 0;

	down_read(&flbs_sem);
	set_frozen(true);
	list_for_each_entry(record, &flb_records, list)
		if (in && !rc)
			rc = check(record);
	if (rc)
		set_frozen(false);
	up_read(&flbs_sem);
	return rc;
}

/* Undo kho_flb_freeze(). */
void kho_flb_unfreeze(void)
{
	down_read(&flbs_sem);
	set_frozen(false);
	up_read(&flbs_sem);
}

static void write_record(struct liveupdate_flb_ser *to,
			 const struct liveupdate_flb *flb)
{
	strscpy_pad(to->compatible, flb->compatible);
	to->data = flb->data;
	to->files = flb->files;
	to->checksum = liveupdate_flb_checksum(to);
}

/**
 * kho_flb_write - write the records of all that is needed
 * @in: is there a session of the old kernel?
 * @to: where, or NULL to count only
 *
 * Context: frozen.
 * Return: how many there are
 */
unsigned long kho_flb_write(bool in, struct liveupdate_flb_ser *to)
{
	struct flb_record *record;
	struct liveupdate_flb *flb;
	unsigned long nr = 0;

	list_for_each_entry(record, &flb_records, list) {
		if (!goes_on(record))
			continue;
		if (!in) {
			if (!to)
				pr_warn("common data %*pE is not handed on, as no session needs it: its memory stays until /memory is discarded\n",
					(int)strnlen(record->ser.compatible,
						     sizeof(record->ser.compatible)),
					record->ser.compatible);
			continue;
		}
		if (to) {
			to[nr] = record->ser;
			/* As it was, if nothing is to be changed */
			if (!record->damaged) {
				to[nr].files = record->files;
				to[nr].checksum = liveupdate_flb_checksum(&to[nr]);
			}
		}
		nr++;
	}
	down_read(&flbs_sem);
	list_for_each_entry(flb, &flbs, list) {
		if (!flb->files)
			continue;
		if (to)
			write_record(&to[nr], flb);
		nr++;
	}
	up_read(&flbs_sem);
	return nr;
}

static const char *fault_of(const struct liveupdate_flb_ser *ser)
{
	size_t len = strnlen(ser->compatible, sizeof(ser->compatible));

	if (ser->checksum != liveupdate_flb_checksum(ser))
		return "wrong checksum";
	if (!len || len == sizeof(ser->compatible) ||
	    memchr_inv(ser->compatible + len, 0, sizeof(ser->compatible) - len))
		return "no name";
	if (find_record(ser->compatible))
		return "it is there already";
	return NULL;
}

/* What the old kernel wrote. It is boot: nobody else looks, and the list is short. */
void kho_flb_read(const struct liveupdate_flb_ser *ser, unsigned long nr)
{
	struct flb_record *record;
	const char *fault;

	for (; nr; nr--, ser++) {
		record = kzalloc(sizeof(*record), GFP_KERNEL | __GFP_NOFAIL);
		fault = fault_of(ser);
		record->ser = *ser;
		record->damaged = fault;
		record->files = ser->files;
		mutex_init(&record->lock);
		list_add_tail(&record->list, &flb_records);
		record->needs = !fault &&
				!kho_need_version(LIVEUPDATE_FLB_VERSION);
		if (fault)
			pr_err("common data is kept but cannot be used: %*pE: %s\n",
			       (int)strnlen(ser->compatible, sizeof(ser->compatible)),
			       ser->compatible, fault);
	}
}

/*
 * What an operator sees
 */

/* The state of what came from the old kernel, NULL when it is gone */
static const char *state_of(const struct flb_record *record)
{
	int status = READ_ONCE(record->status);

	if (READ_ONCE(record->finished))
		return NULL;
	if (status < 0)
		return "failed";
	return status ? "retrieved" : "pending";
}

/**
 * kho_flb_for_each - look at all data that files have in common
 * @show: called for each: first what came from the old kernel, then what goes to the next
 * @data: for @show
 *
 * Context: may sleep. @show may allocate memory, and takes no lock of a session.
 * Return: 0, or what @show returned first that was not 0
 */
int kho_flb_for_each(int (*show)(const struct kho_flb_view *view, void *data),
		     void *data)
{
	struct kho_flb_view view = { .incoming = true };
	struct flb_record *record;
	struct liveupdate_flb *flb;
	unsigned long damaged = 0;
	int rc = 0;

	list_for_each_entry(record, &flb_records, list) {
		damaged += record->damaged;
		view.name = record->ser.compatible;
		view.state = state_of(record);
		view.nr = READ_ONCE(record->files);
		if (!rc && !record->damaged && view.state)
			rc = show(&view, data);
	}
	view = (struct kho_flb_view){ .incoming = true, .state = "damaged", .nr = damaged };
	if (!rc && damaged)
		rc = show(&view, data);

	view.incoming = false;
	view.state = "preserved";
	down_read(&flbs_sem);
	list_for_each_entry(flb, &flbs, list) {
		view.name = flb->compatible;
		view.nr = READ_ONCE(flb->files);
		if (!rc && READ_ONCE(flb->preserved))
			rc = show(&view, data);
	}
	up_read(&flbs_sem);
	return rc;
}
