// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the operator is told: who refused last, and why; how often each has refused; names
 * as one word.
 *
 * Locks: error_lock for the text and the counts, innermost.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/ctype.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "internal.h"

#define ERROR_MAX	256

/* There are fewer who could refuse; who comes later is not counted. */
#define REFUSERS_MAX	32

static DEFINE_SPINLOCK(error_lock);
static char last_error[ERROR_MAX];

/**
 * struct refuser - who has refused something since this kernel started
 * @name: "core", "image" or an owner's
 * @nr: how many times
 */
struct refuser {
	char name[KHO_NAME_MAX + 1];
	unsigned long nr;
};

static struct refuser refusers[REFUSERS_MAX];

/**
 * kho_last_error - who refused last, and why
 *
 * Return: a string that changes only under kho_lock, or while a load fails
 */
const char *kho_last_error(void)
{
	return last_error;
}

/* A step begins. */
void kho_clear_err(void)
{
	spin_lock(&error_lock);
	last_error[0] = '\0';
	spin_unlock(&error_lock);
}

/* By the name in front of the text */
static void count_refusal(void)
{
	size_t len = min_t(size_t, strcspn(last_error, ":"), KHO_NAME_MAX);
	struct refuser *refuser;

	lockdep_assert_held(&error_lock);
	for (refuser = refusers; refuser < refusers + REFUSERS_MAX; refuser++) {
		if (!refuser->nr)
			memcpy(refuser->name, last_error, len);
		if (strlen(refuser->name) == len &&
		    !memcmp(refuser->name, last_error, len)) {
			refuser->nr++;
			return;
		}
	}
}

static void set_error(const char *name, struct va_format *why)
{
	spin_lock(&error_lock);
	snprintf(last_error, sizeof(last_error), "%s%s%pV", name ?: "",
		 name ? ": " : "", why);
	count_refusal();
	spin_unlock(&error_lock);
	pr_err("%s\n", last_error);
}

/* The core's own reasons. */
void kho_set_err(const char *fmt, ...)
{
	struct va_format why = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	why.va = &args;
	set_error(NULL, &why);
	va_end(args);
}

/**
 * kho_refuse - say why an owner refuses
 * @owner: the owner
 * @fmt: the reason and, if there is one, the remedy
 *
 * To be called in activate() or finalize() before these return an errno.
 */
void kho_refuse(struct kho_owner *owner, const char *fmt, ...)
{
	struct va_format why = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	why.va = &args;
	set_error(owner->name, &why);
	va_end(args);
}
EXPORT_SYMBOL_GPL(kho_refuse);

/**
 * kho_refusals_show - how often each has refused
 * @buf: a page
 *
 * Return: bytes
 */
int kho_refusals_show(char *buf)
{
	unsigned int i;
	int len = 0;

	spin_lock(&error_lock);
	for (i = 0; i < REFUSERS_MAX && refusers[i].nr; i++)
		len += sysfs_emit_at(buf, len, "%s %lu\n", refusers[i].name,
				     refusers[i].nr);
	spin_unlock(&error_lock);
	return len;
}

/**
 * kho_escape - write a name as one word
 * @buf: room for four bytes for each of the name; it is not terminated
 * @s: the name
 *
 * What is not printable, blanks, backslashes and a slash at the beginning become
 * three octal digits after a backslash.
 *
 * Return: bytes written
 */
size_t kho_escape(char *buf, const char *s)
{
	char *p = buf;

	for (; *s; s++) {
		if (isascii(*s) && isgraph(*s) && *s != '\\' &&
		    (*s != '/' || p != buf))
			*p++ = *s;
		else
			p += sprintf(p, "\\%03o", (unsigned char)*s);
	}
	return p - buf;
}
