// SPDX-License-Identifier: GPL-2.0-only
/*
 * How sessions cross the kexec: records in preserved memory, and a subtree that
 * points to them.
 *
 * Life cycle, old kernel: the subtree is added with the first session, so that an
 * image which cannot read it is refused at load. At finalize the records of all
 * files are written, those of incoming sessions that nobody took included, and
 * the subtree is completed; undone by kho_session_unwrite(). Next kernel: the
 * records are read once, at boot. One that is damaged is kept as it is and
 * written again, so that a kernel which knows better may have it.
 *
 * Locks: kho_sessions_lock for everything.
 */
#define pr_fmt(fmt) "liveupdate: " fmt

#include <linux/err.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "../internal.h"
#include "session.h"

/* A record that this kernel cannot use. */
struct kept_record {
	struct list_head list;
	struct liveupdate_record_ser ser;
};

static LIST_HEAD(kept);
static unsigned long nr_kept;

/**
 * struct array - records of one kind that are handed over
 * @area: a vmalloc area
 * @nr: of records
 * @ser: where it is
 */
struct array {
	void *area;
	unsigned long nr;
	struct kho_vmalloc ser;
};

static void *subtree;
static struct array records;
static struct array flbs;

/* How many records there are that cannot be used but must not get lost. */
unsigned long kho_session_nr_kept(void)
{
	return nr_kept;
}

/* Forget them; their memory belongs to nobody then. */
void kho_session_drop_kept(void)
{
	struct kept_record *one, *next;

	lockdep_assert_held(&kho_sessions_lock);
	list_for_each_entry_safe(one, next, &kept, list) {
		list_del(&one->list);
		kfree(one);
	}
	nr_kept = 0;
}

/* The outgoing record of a number, NULL if there is none. */
struct liveupdate_record_ser *kho_session_record(unsigned long nr)
{
	struct liveupdate_record_ser *record = records.area;

	return nr < records.nr ? &record[nr] : NULL;
}

/* The outgoing subtree, NULL if there is none. */
void *kho_session_fdt(void)
{
	return subtree;
}

static int write_array(void *fdt, const struct array *array,
		       const char *nr_prop, const char *area_prop)
{
	return fdt_property_u64(fdt, nr_prop, array->nr) ?:
	       fdt_property(fdt, area_prop, &array->ser, sizeof(array->ser));
}

static int write_fdt(void *fdt)
{
	int rc;

	rc = fdt_create(fdt, PAGE_SIZE);
	rc = rc ?: fdt_finish_reservemap(fdt);
	rc = rc ?: fdt_begin_node(fdt, "");
	rc = rc ?: fdt_property_string(fdt, "compatible", LIVEUPDATE_COMPATIBLE);
	rc = rc ?: write_array(fdt, &records, LIVEUPDATE_PROP_NR,
			       LIVEUPDATE_PROP_RECORDS);
	if (flbs.nr)
		rc = rc ?: write_array(fdt, &flbs, LIVEUPDATE_PROP_NR_FLBS,
				       LIVEUPDATE_PROP_FLBS);
	rc = rc ?: fdt_end_node(fdt);
	rc = rc ?: fdt_finish(fdt);
	return rc ? -ENOSPC : 0;
}

/**
 * kho_session_subtree - add or remove the subtree
 * @wanted: is there anything to be written?
 *
 * Return: 0, -EBUSY when the old kernel's is pending because it is damaged,
 * -ENOMEM
 */
int kho_session_subtree(bool wanted)
{
	void *fdt;
	int rc;

	lockdep_assert_held(&kho_sessions_lock);
	if (wanted == !!subtree)
		return 0;
	if (!wanted) {
		kho_remove_subtree(subtree);
		kho_unpreserve_free(subtree);
		subtree = NULL;
		return 0;
	}

	fdt = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(fdt))
		return PTR_ERR(fdt);
	rc = write_fdt(fdt);
	if (!rc)
		rc = kho_add_subtree(LIVEUPDATE_NAME, fdt, PAGE_SIZE);
	if (rc == -EEXIST) {
		pr_err("sessions of the old kernel are damaged and pending: write %s to /sys/kernel/kho/discard to give them up\n",
		       LIVEUPDATE_NAME);
		rc = -EBUSY;
	}
	if (rc) {
		kho_unpreserve_free(fdt);
		return rc;
	}
	subtree = fdt;
	return 0;
}

static unsigned long count_records(const struct list_head *sessions)
{
	struct liveupdate_session *session;
	unsigned long nr = 0;

	list_for_each_entry(session, sessions, list)
		nr += max(session->nr_files, 1UL);
	return nr;
}

static struct liveupdate_record_ser *
write_record(struct liveupdate_record_ser *record,
	     const struct liveupdate_session *session,
	     const struct kho_session_file *file)
{
	memcpy(record->session, session->name, sizeof(record->session));
	if (file) {
		strscpy_pad(record->compatible, file->compatible);
		record->token = file->token;
		record->data = file->data;
	}
	record->checksum = liveupdate_record_checksum(record);
	return record + 1;
}

static struct liveupdate_record_ser *
write_sessions(struct liveupdate_record_ser *record,
	       const struct list_head *sessions)
{
	struct liveupdate_session *session;
	struct kho_session_file *file;

	/* All are frozen: nothing changes though their mutexes are not held. */
	list_for_each_entry(session, sessions, list) {
		if (list_empty(&session->files))
			record = write_record(record, session, NULL);
		list_for_each_entry(file, &session->files, list)
			record = write_record(record, session, file);
	}
	return record;
}

/* Room for @nr records of @size bytes */
static int make_array(struct array *array, unsigned long nr, size_t size)
{
	int rc;

	if (!nr)
		return 0;
	array->area = kho_vzalloc(array_size(nr, size));
	if (!array->area)
		return -ENOMEM;
	rc = kho_preserve_vmalloc(array->area, &array->ser);
	if (rc) {
		vfree(array->area);
		array->area = NULL;
		return rc;
	}
	array->nr = nr;
	return 0;
}

static void free_array(struct array *array)
{
	if (array->area) {
		kho_unpreserve_vmalloc(&array->ser);
		vfree(array->area);
	}
	memset(array, 0, sizeof(*array));
}

/**
 * kho_session_write - write the records of all sessions, which are frozen
 *
 * Return: 0, -ENOMEM, -ENOSPC
 */
int kho_session_write(void)
{
	bool in = !list_empty(&kho_sessions_in);
	struct liveupdate_record_ser *record;
	struct kept_record *one;
	int rc;

	lockdep_assert_held(&kho_sessions_lock);
	if (!subtree)
		return 0;
	rc = make_array(&records, count_records(&kho_sessions_in) +
			count_records(&kho_sessions_out) + nr_kept,
			sizeof(*record));
	rc = rc ?: make_array(&flbs, kho_flb_write(in, NULL),
			      sizeof(struct liveupdate_flb_ser));
	if (rc)
		goto err_free;
	record = write_sessions(records.area, &kho_sessions_in);
	record = write_sessions(record, &kho_sessions_out);
	list_for_each_entry(one, &kept, list)
		memcpy(record++, &one->ser, sizeof(one->ser));
	if (flbs.nr)
		kho_flb_write(in, flbs.area);
	rc = write_fdt(subtree);
	if (rc)
		goto err_free;
	return 0;

err_free:
	kho_session_unwrite();
	return rc;
}

/**
 * kho_session_unwrite - undo kho_session_write()
 */
void kho_session_unwrite(void)
{
	if (!subtree)
		return;
	free_array(&flbs);
	free_array(&records);
	write_fdt(subtree);
}

static bool all_zero(const char *s, size_t len, size_t size)
{
	return !memchr_inv(s + len, 0, size - len);
}

/* What is wrong with a record, NULL if nothing is. */
static const char *record_fault(const struct liveupdate_record_ser *record)
{
	size_t name_len = strnlen(record->session, sizeof(record->session));
	size_t kind_len = strnlen(record->compatible, sizeof(record->compatible));

	BUILD_BUG_ON(sizeof(record->session) != LIVEUPDATE_SESSION_NAME_LENGTH);
	BUILD_BUG_ON(sizeof(record->compatible) != LIVEUPDATE_HNDL_COMPAT_LENGTH);
	if (record->checksum != liveupdate_record_checksum(record))
		return "wrong checksum";
	if (!name_len || name_len == sizeof(record->session) ||
	    !all_zero(record->session, name_len, sizeof(record->session)))
		return "no name of a session";
	if (kind_len == sizeof(record->compatible) ||
	    !all_zero(record->compatible, kind_len, sizeof(record->compatible)))
		return "no kind of file";
	if (!kind_len && (record->token || record->data))
		return "a file without a kind";
	return NULL;
}

static int read_record(const struct liveupdate_record_ser *record,
		       const char **fault)
{
	struct liveupdate_session *session;
	bool new = false;
	int rc = 0;

	*fault = record_fault(record);
	if (*fault)
		return -EINVAL;
	session = kho_session_find(record->session, true);
	if (!session) {
		session = kho_session_new(record->session, true);
		if (!session)
			return -ENOMEM;
		new = true;
	}
	/* It is boot: nobody else has a session. */
	if (record->compatible[0])
		rc = kho_session_add_incoming(session, record);
	if (!rc && new)
		rc = kho_session_list(session);
	if (rc && new)
		kho_session_free(session);
	*fault = rc == -EEXIST ? "its token is there already" : "no memory";
	return rc;
}

static void keep_record(const struct liveupdate_record_ser *record,
			const char *why)
{
	/* It is early, the record is small, and there is nobody to tell. */
	struct kept_record *one = kmalloc(sizeof(*one),
					  GFP_KERNEL | __GFP_NOFAIL);

	pr_err("a record is kept but cannot be used: session %*pE, token %#llx: %s\n",
	       (int)strnlen(record->session, sizeof(record->session)),
	       record->session, record->token, why);
	one->ser = *record;
	list_add_tail(&one->list, &kept);
	nr_kept++;
}

/* Read an array of @size-byte records; NULL with -ENOENT in @rc when there is none. */
static void *read_array(const void *fdt, const char *nr_prop,
			const char *area_prop, size_t size, u64 *nr, int *rc)
{
	struct kho_vmalloc preservation;
	const fdt64_t *value;
	const void *area;
	size_t bytes;
	int len;

	*rc = -ENOENT;
	value = fdt_getprop(fdt, 0, nr_prop, &len);
	area = fdt_getprop(fdt, 0, area_prop, NULL);
	if (!value && !area)
		return NULL;
	*rc = -EINVAL;
	if (!value || len != sizeof(*value))
		return NULL;
	*nr = fdt64_to_cpu(*value);
	area = fdt_getprop(fdt, 0, area_prop, &len);
	if (!area || len != sizeof(preservation))
		return NULL;
	memcpy(&preservation, area, sizeof(preservation));
	bytes = (size_t)preservation.nr_pages * PAGE_SIZE;
	if (!*nr || *nr > bytes / size || PAGE_ALIGN(*nr * size) != bytes)
		return NULL;
	return kho_restore_vmalloc(&preservation);
}

static void read_flbs(const void *fdt)
{
	struct liveupdate_flb_ser *in;
	u64 nr;
	int rc;

	in = read_array(fdt, LIVEUPDATE_PROP_NR_FLBS, LIVEUPDATE_PROP_FLBS,
			sizeof(*in), &nr, &rc);
	if (in)
		kho_flb_read(in, nr);
	else if (rc != -ENOENT)
		pr_err("what files have in common is damaged: it stays in memory until /memory is discarded\n");
	vfree(in);
}

/* Is there anything where the last record should be followed by nothing? */
static bool more_than(const struct liveupdate_record_ser *in, u64 nr)
{
	size_t size = nr * sizeof(*in);

	return !all_zero((const char *)in, size, PAGE_ALIGN(size));
}

/**
 * kho_session_read - learn of the sessions of the old kernel
 *
 * Return: 0, also when there are none; -EINVAL when the subtree is damaged: it
 * stays pending
 */
int kho_session_read(void)
{
	struct liveupdate_record_ser *in;
	const char *fault;
	phys_addr_t pa;
	void *fdt;
	u64 i, nr, room;
	int rc;

	lockdep_assert_held(&kho_sessions_lock);
	rc = kho_retrieve_subtree(LIVEUPDATE_NAME, &pa, NULL);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	fdt = phys_to_virt(pa);
	in = read_array(fdt, LIVEUPDATE_PROP_NR, LIVEUPDATE_PROP_RECORDS,
			sizeof(*in), &nr, &rc);
	if (!in) {
		kho_reject_subtree(LIVEUPDATE_NAME, "records are damaged");
		return -EINVAL;
	}
	/* Whatever there is stands for itself, but what the count leaves out is kept. */
	room = PAGE_ALIGN(nr * sizeof(*in)) / sizeof(*in);
	if (more_than(in, nr))
		pr_err("there are more records than their number says, which is %llu\n",
		       nr);
	for (i = 0; i < room; i++) {
		if (i >= nr && all_zero((const char *)&in[i], 0, sizeof(*in)))
			continue;
		rc = read_record(&in[i], &fault);
		if (rc)
			keep_record(&in[i], fault);
	}
	vfree(in);
	read_flbs(fdt);
	kho_restore_free(fdt);
	return 0;
}
