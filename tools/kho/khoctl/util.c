// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: memory, messages and numbers for people.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

static void *check_memory(void *memory)
{
	if (!memory) {
		fputs("khoctl: out of memory\n", stderr);
		exit(EXIT_REFUSED);
	}
	return memory;
}

void *xrealloc(void *old, size_t size)
{
	return check_memory(realloc(old, size ? size : 1));
}

void *xzalloc(size_t size)
{
	return memset(xrealloc(NULL, size), 0, size);
}

char *xstrdup(const char *s)
{
	size_t size = strlen(s) + 1;

	return memcpy(xrealloc(NULL, size), s, size);
}

char *xvasprintf(const char *format, va_list args)
{
	char *text;
	int len = vasprintf(&text, format, args);

	return check_memory(len < 0 ? NULL : text);
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	return text;
}

/* One line: a newline within it comes from a name or a file, and is escaped as all the rest. */
static void vsay(FILE *to, const char *format, va_list args)
{
	char *text = xvasprintf(format, args);

	put_safe(to, text, strlen(text));
	fputc('\n', to);
	free(text);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(stdout, format, args);
	va_end(args);
}

static void vcomplain(const char *format, va_list args)
{
	fflush(stdout);
	fputs("khoctl: ", stderr);
	vsay(stderr, format, args);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
}

void complain_remedy(const char *remedy)
{
	if (!remedy)
		return;
	fputs("  remedy: ", stderr);
	put_safe(stderr, remedy, strlen(remedy));
	fputc('\n', stderr);
}

int misused(const char *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
	fprintf(stderr, "khoctl %s%s--help says how to use it\n", command, *command ? " " : "");
	return EXIT_USAGE;
}

void put_safe(FILE *to, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = s[i];

		if (c >= ' ' && c < 0x7f)
			fputc(c, to);
		else
			fprintf(to, "\\%03o", c);
	}
}

int output_error(void)
{
	static int error;

	errno = EIO;
	if (!error && (fflush(stdout) || ferror(stdout)))
		error = errno;
	return error;
}

const char *errno_name(int error)
{
	static char number[16];
	const char *name = strerrorname_np(error);

	if (name)
		return name;
	snprintf(number, sizeof(number), "%d", error);
	return number;
}

int status_of_errno(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return EXIT_PERMISSION;
	case ENOENT:
		return EXIT_NOT_FOUND;
	default:
		return EXIT_REFUSED;
	}
}

char *format_bytes(char *buf, uint64_t bytes)
{
	static const char * const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double value = bytes;
	int unit = -1;

	while (value >= 1024 && unit < (int)ARRAY_SIZE(units) - 1) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, 32, "%llu bytes", (unsigned long long)bytes);
	else
		snprintf(buf, 32, "%.1f %s", value, units[unit]);
	return buf;
}

char *format_ns(char *buf, int64_t ns)
{
	double size = ns < 0 ? -(double)ns : (double)ns;

	if (size >= 1e10)
		snprintf(buf, 32, "%.2f s", ns / 1e9);
	else if (size >= 1e5)
		snprintf(buf, 32, "%.2f ms", ns / 1e6);
	else
		snprintf(buf, 32, "%.2f us", ns / 1e3);
	return buf;
}
