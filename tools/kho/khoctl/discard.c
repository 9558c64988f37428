// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl discard: gives up a session or a subtree. What it means is lost, so it asks first.
 */
#include <errno.h>
#include <signal.h>
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
		fputs("Discard ", stderr);
		put_safe(stderr, name, strlen(name));
		fputs("? What it means is lost for good. ", stderr);
		return;
	}
	for (i = 0; i < arrived->nr_sessions; i++) {
		if (!arrived->session[i].incoming || strcmp(arrived->session[i].name, name))
			continue;
		fputs("Discard session ", stderr);
		put_safe(stderr, name, strlen(name));
		fprintf(stderr, " and its %lu files for good? ", arrived->session[i].nr_listed);
	}
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

	if (!rc) {
		say_done("%s is discarded", name);
		return EXIT_OK;
	}
	complain("%s cannot be discarded: %s: %s", name, errno_name(-rc), strerror(-rc));
	complain_remedy(step_remedy("discard", -rc));
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
	bool yes = false, session = false, subtree = false, options = true;
	const char *name = NULL, *target;
	int i, status = EXIT_OK;
	struct arrived arrived;

	for (i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--help"))
			return help("discard");
		if (options && !strcmp(argv[i], "--yes"))
			yes = true;
		else if (options && !strcmp(argv[i], "--session"))
			session = true;
		else if (options && !strcmp(argv[i], "--subtree"))
			subtree = true;
		else if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (!name && *argv[i] && (!options || *argv[i] != '-'))
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
	/* A reader that goes away is no reason to stop halfway. */
	signal(SIGPIPE, SIG_IGN);
	arrived_read(&arrived);
	target = find_target(&arrived, name, session, subtree, &status);
	if (target && !yes)
		status = ask(&arrived, target, name);
	if (target && status == EXIT_OK)
		status = do_discard(target, name);
	arrived_free(&arrived);
	return status;
}
