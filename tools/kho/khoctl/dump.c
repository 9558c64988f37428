// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl dump: finds the device trees in a file, or the blob of the running kernel, and has them
 * printed. Files are believed in nothing: libfdt checks each tree as a whole before it is walked.
 */
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "khoctl.h"

#define BLOB	"/sys/kernel/debug/kho/blob"

static int no_blob(int error)
{
	char *state = read_kho("state");
	bool final = state && !strcmp(state, "final");

	free(state);
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	if (error == EACCES) {
		complain(BLOB " needs root");
		return EXIT_PERMISSION;
	}
	if (error == EPERM) {
		complain(BLOB " is closed by lockdown");
		return EXIT_PERMISSION;
	}
	if (!error && !final) {
		complain("there is a blob only when final: khoctl activate, khoctl finalize");
		return EXIT_NOT_FOUND;
	}
	complain(BLOB ": %s", error ? strerror(error) : "it is empty");
	if (error == ENOENT)
		complain_remedy("mount -t debugfs none /sys/kernel/debug");
	return status_of_errno(error);
}

/* Returns the content, or NULL with the exit status. */
static char *read_input(const char *path, size_t *len, int *status)
{
	char *name, *bytes;

	if (path) {
		bytes = read_input_file(path, len);
		if (!bytes) {
			complain("%s: %s", path, strerror(errno));
			*status = status_of_errno(errno);
		}
		return bytes;
	}
	name = rooted(BLOB);
	bytes = read_file(name, len);
	free(name);
	if (bytes && *len)
		return bytes;
	*status = no_blob(bytes ? 0 : errno);
	free(bytes);
	return NULL;
}

/* Returns the exit status. */
static int dump(const char *path, const char *format, long only, const char *bytes, size_t len)
{
	const char *why;
	struct tree *trees;
	int nr = dump_find((const unsigned char *)bytes, len, &trees, &why);
	int first = only < 0 ? 0 : only;

	if (nr < 0) {
		complain("%s: no device tree that is intact: %s", path, why);
		return EXIT_REFUSED;
	}
	if (why)
		complain("%s: what follows tree %d is no device tree: %s", path, nr - 1, why);
	if (only >= nr) {
		complain("%s: there are %d trees, from 0", path, nr);
		free(trees);
		return EXIT_NOT_FOUND;
	}
	if (!strcmp(format, "dts")) {
		if (only < 0 && nr > 1)
			complain("%s: %d trees, this is the first: --tree shows others", path, nr);
		dump_dts(stdout, &trees[first]);
	} else if (!strcmp(format, "json")) {
		dump_json(stdout, trees + first, only < 0 ? nr : 1);
	} else {
		dump_text(stdout, trees + first, only < 0 ? nr : 1);
	}
	free(trees);
	return why ? EXIT_REFUSED : EXIT_OK;
}

/**
 * cmd_dump - khoctl dump
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_dump(int argc, char **argv)
{
	const char *path = NULL, *format = "text";
	int i, status = EXIT_OK;
	char *bytes, *end;
	long only = -1;
	size_t len;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("dump");
		if (!strcmp(argv[i], "--format") && i + 1 < argc) {
			format = argv[++i];
		} else if (!strcmp(argv[i], "--tree") && i + 1 < argc) {
			only = strtol(argv[++i], &end, 10);
			if (*end || only < 0 || end == argv[i])
				return misused("dump", "no number of a tree: %s", argv[i]);
		} else if (!path && (argv[i][0] != '-' || !argv[i][1])) {
			path = argv[i];
		} else {
			return misused("dump", "unknown argument, or one without its value: %s",
				       argv[i]);
		}
	}
	if (strcmp(format, "text") && strcmp(format, "json") && strcmp(format, "dts"))
		return misused("dump", "no such format: %s", format);
	bytes = read_input(path, &len, &status);
	if (!bytes)
		return status;
	status = dump(path ? path : BLOB, format, only, bytes, len);
	free(bytes);
	return status;
}
