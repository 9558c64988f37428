// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl discard: gives up a session or a subtree. What it means is lost, so it asks first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "khoctl.h"

/* Which of the kernel's two files takes the name, or NULL with the reason said and in @status. */
static const char *find_target(const struct arrived *arrived, const char *name, bool session,
			       bool subtree, int *status)
{
	bool is_session = !strcmp(name, "/damaged"), is_item = false;
	size_t i;

	for (i = 0; i < arrived->nr_sessions; i++)
		is_session |= arrived->session[i].incoming &&
			      !strcmp(arrived->session[i].name, name);
	for (i = 0; i < arrived->nr_items; i++) {
		const struct item *item = &arrived->item[i];

		if (!item_is_subtree(item) && *name != '/' && !strcmp(item->name, name)) {
			complain("%s is part of a subtree: it goes with its session, or with that",
				 name);
			*status = EXIT_USAGE;
			return NULL;
		}
		is_item |= !strcmp(item->name, name) && !strcmp(item->state, "pending");
	}
	/* Whether there is such a session only root can see: the kernel decides. */
	is_session |= session && arrived->sessions_error;
	if (is_session && is_item && !session && !subtree) {
		complain("there are a session and a subtree %s: say --session or --subtree", name);
		*status = EXIT_USAGE;
		return NULL;
	}
	if (is_session && !subtree)
		return "discard_session";
	if (is_item && !session)
		return "discard";
	if (arrived->sessions_error && arrived->sessions_error != ENOENT) {
		complain("no pending subtree %s; sessions need root", name);
		*status = EXIT_PERMISSION;
		return NULL;
	}
	complain("nothing that could be discarded is called %s: khoctl list says what there is",
		 name);
	*status = EXIT_NOT_FOUND;
	return NULL;
}

static void say_what(const struct arrived *arrived, const char *target, const char *name)
{
	size_t i;

	if (strcmp(target, "discard_session")) {
		fprintf(stderr, "Discard %s? What it means is lost for good. ", name);
		return;
	}
	for (i = 0; i < arrived->nr_sessions; i++)
		if (arrived->session[i].incoming && !strcmp(arrived->session[i].name, name))
			fprintf(stderr, "Discard session %s and its %lu files for good? ", name,
				arrived->session[i].nr_listed);
}

/* Returns EXIT_OK when it may go on. */
static int ask(const struct arrived *arrived, const char *target, const char *name)
{
	char answer[16];

	if (!isatty(STDIN_FILENO)) {
		complain("nobody can be asked whether %s is to be lost: say --yes", name);
		return EXIT_USAGE;
	}
	say_what(arrived, target, name);
	fprintf(stderr, "[y/N] ");
	if (fgets(answer, sizeof(answer), stdin) &&
	    (!strcmp(answer, "y\n") || !strcmp(answer, "yes\n")))
		return EXIT_OK;
	complain("not discarded");
	return EXIT_REFUSED;
}

static int do_discard(const char *target, const char *name)
{
	int rc = write_kho(target, name);
	const char *remedy = step_remedy("discard", -rc);

	if (!rc) {
		printf("%s is discarded\n", name);
		return EXIT_OK;
	}
	complain("%s cannot be discarded: %s: %s", name, errno_name(-rc), strerror(-rc));
	if (remedy)
		fprintf(stderr, "  remedy: %s\n", remedy);
	return status_of_errno(-rc);
}

/**
 * cmd_discard - khoctl discard
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_discard(int argc, char **argv)
{
	bool yes = false, session = false, subtree = false;
	const char *name = NULL, *target;
	int i, status = EXIT_OK;
	struct arrived arrived;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("discard");
		if (!strcmp(argv[i], "--yes"))
			yes = true;
		else if (!strcmp(argv[i], "--session"))
			session = true;
		else if (!strcmp(argv[i], "--subtree"))
			subtree = true;
		else if (!name && argv[i][0] != '-' && argv[i][0])
			name = argv[i];
		else
			return misused("discard", "unknown argument: %s", argv[i]);
	}
	if (!name)
		return misused("discard", "a NAME is wanted");
	if (session && subtree)
		return misused("discard", "--session and --subtree exclude each other");
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	arrived_read(&arrived);
	target = find_target(&arrived, name, session, subtree, &status);
	if (target && !yes)
		status = ask(&arrived, target, name);
	if (target && status == EXIT_OK)
		status = do_discard(target, name);
	arrived_free(&arrived);
	return status;
}
