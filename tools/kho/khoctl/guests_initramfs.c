// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl guests initramfs: what the programs in /etc/kho/guests.d need in an initramfs, to have
 * guests go on there. Whoever makes one, as the hooks in tools/kho/initramfs, puts it in.
 *
 * A program prints, a line each,
 *
 *	/PATH		a file, or a folder with all that is in it. What is executable, or a
 *			library, comes with the libraries that it is linked to
 *	module NAME	a module of the kernel, if it is one: it is loaded before "early"
 *
 * and need not name itself. One that prints nothing is not for an initramfs. Nor is one that fails,
 * or names what is not there: without a part of it, it would fail where nobody can see why.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "khoctl.h"

#define MODULE	"module "

static bool is_module(const char *line)
{
	const char *c = line + strlen(MODULE);

	if (strncmp(line, MODULE, strlen(MODULE)) || !*c)
		return false;
	while (isalnum((unsigned char)*c) || *c == '_' || *c == '-')
		c++;
	return !*c;
}

/* NULL, or what is wrong with it */
static const char *fault_of(const char *line)
{
	const char *c;

	for (c = line; *c; c++)
		if (!isprint((unsigned char)*c))
			return "it has other than printable characters";
	if (is_module(line))
		return NULL;
	if (*line != '/')
		return "it is neither \"/PATH\" nor \"module NAME\"";
	return access(line, R_OK) ? strerror(errno) : NULL;
}

/* Nothing of it is printed unless all of it is there. */
static int look(const char *name, FILE *said)
{
	const char *fault = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while (!fault && (len = getline(&line, &room, said)) > 0) {
		line[strcspn(line, "\n")] = 0;
		fault = *line ? fault_of(line) : NULL;
	}
	if (fault)
		complain("guests: %s is left out of the initramfs, as it wants %s: %s", name, line,
			 fault);
	free(line);
	return fault ? -ENOENT : 0;
}

static int print_needs(const char *name, FILE *said)
{
	char *line = NULL;
	bool any = false;
	size_t room = 0;
	int rc;

	rc = look(name, said);
	rewind(said);
	while (!rc && getline(&line, &room, said) > 0) {
		line[strcspn(line, "\n")] = 0;
		if (!*line)
			continue;
		if (!any)
			say(GUESTS_DIR "/%s", name);
		any = true;
		say("%s", line);
	}
	free(line);
	return rc;
}

int guests_initramfs(unsigned int seconds)
{
	return guests_ask("initramfs", seconds, print_needs);
}
