// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the operator is told: who refused last, and why; names as one word.
 *
 * Locks: error_lock for the text, innermost.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/ctype.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "internal.h"

#define ERROR_MAX	256

static DEFINE_SPINLOCK(error_lock);
static char last_error[ERROR_MAX];

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

static void set_error(const char *name, struct va_format *why)
{
	spin_lock(&error_lock);
	snprintf(last_error, sizeof(last_error), "%s%s%pV", name ?: "",
		 name ? ": " : "", why);
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
