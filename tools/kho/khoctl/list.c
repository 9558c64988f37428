// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl list and show: sessions, files and what they have in common, devices and subtrees.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

enum { SESSIONS = 1, FILES = 2, DEVICES = 4, SUBTREES = 8, COMMON = 16, ALL = 31 };

static const char *direction(bool incoming)
{
	return incoming ? "incoming" : "outgoing";
}

static void json_item(struct json *json, const struct item *item)
{
	json_open(json, NULL, '{');
	json_string(json, "name", item->name);
	json_string(json, "state", item->state);
	json_string(json, "version", *item->version ? item->version : NULL);
	json_string(json, "reason", *item->reason ? item->reason : NULL);
	json_close(json, '}');
}

static void json_file(struct json *json, const struct session *session,
		      const struct session_file *file)
{
	json_open(json, NULL, '{');
	json_string(json, "session", session->name);
	json_string(json, "token", file->token);
	json_string(json, "kind", file->kind);
	json_string(json, "state", file->state);
	json_close(json, '}');
}

static void json_session(struct json *json, const struct session *session, bool with_files)
{
	size_t i;

	json_open(json, NULL, '{');
	json_string(json, "name", session->name);
	json_string(json, "direction", direction(session->incoming));
	json_bool(json, "open", session->open);
	json_u64(json, "nr_files", session->nr_listed);
	if (with_files) {
		json_open(json, "files", '[');
		for (i = 0; i < session->nr; i++)
			json_file(json, session, &session->file[i]);
		json_close(json, ']');
	}
	json_close(json, '}');
}

static void json_common(struct json *json, const struct common *common)
{
	json_open(json, NULL, '{');
	json_string(json, "name", common->name);
	json_string(json, "direction", direction(common->incoming));
	json_string(json, "state", common->state);
	json_u64(json, common_is_damaged(common) ? "nr_records" : "nr_files", common->nr);
	json_close(json, '}');
}

static void json_all_common(struct json *json, const struct arrived *arrived)
{
	size_t i;

	if (arrived->common_error) {
		json_null(json, "common_data");
		return;
	}
	json_open(json, "common_data", '[');
	for (i = 0; i < arrived->nr_common; i++)
		json_common(json, &arrived->common[i]);
	json_close(json, ']');
}

static void json_list(const struct arrived *arrived, int what)
{
	struct json json = { .to = stdout };
	size_t i, k;

	json_open(&json, NULL, '{');
	if (what & SESSIONS && arrived->sessions_error) {
		json_null(&json, "sessions");
	} else if (what & SESSIONS) {
		json_open(&json, "sessions", '[');
		for (i = 0; i < arrived->nr_sessions; i++)
			json_session(&json, &arrived->session[i], false);
		json_close(&json, ']');
	}
	if (what & FILES && arrived->sessions_error) {
		json_null(&json, "files");
	} else if (what & FILES) {
		json_open(&json, "files", '[');
		for (i = 0; i < arrived->nr_sessions; i++)
			for (k = 0; k < arrived->session[i].nr; k++)
				json_file(&json, &arrived->session[i],
					  &arrived->session[i].file[k]);
		json_close(&json, ']');
	}
	if (what & DEVICES) {
		json_open(&json, "devices", '[');
		for (i = 0; i < arrived->nr_items; i++)
			if (item_is_device(&arrived->item[i]))
				json_item(&json, &arrived->item[i]);
		json_close(&json, ']');
	}
	if (what & SUBTREES) {
		json_open(&json, "subtrees", '[');
		for (i = 0; i < arrived->nr_items; i++)
			if (!item_is_device(&arrived->item[i]))
				json_item(&json, &arrived->item[i]);
		json_close(&json, ']');
	}
	if (what & COMMON)
		json_all_common(&json, arrived);
	json_close(&json, '}');
}

static void print_item(const struct item *item)
{
	say("%-20s %-10s %-18s %s", item->name, item->state,
	    *item->version ? item->version : "-", item->reason);
}

static void print_session(const struct session *session)
{
	say("%-20s %-10s %-10s %lu files", session->name,
	    direction(session->incoming),
	    session->open ? "open" : "closed", session->nr_listed);
}

static void print_file(const struct session *session, const struct session_file *file)
{
	say("%-20s %-20s %-16s %s", session->name, file->token, file->kind, file->state);
}

static void print_common(const struct common *common)
{
	say("%-20s %-10s %-10s %lu %s", common->name, direction(common->incoming),
	    common->state, common->nr, common_is_damaged(common) ? "records" : "files");
}

static void print_items(const struct arrived *arrived, bool devices)
{
	size_t i;

	for (i = 0; i < arrived->nr_items; i++)
		if (item_is_device(&arrived->item[i]) == devices)
			print_item(&arrived->item[i]);
}

/* With titles only when there are several lists */
static void print_list(const struct arrived *arrived, int what)
{
	size_t i, k;

	if (what & SESSIONS && !arrived->sessions_error) {
		if (what == ALL)
			puts("sessions:");
		for (i = 0; i < arrived->nr_sessions; i++)
			print_session(&arrived->session[i]);
	}
	if (what & FILES && !arrived->sessions_error) {
		if (what == ALL)
			puts("\nfiles of sessions:");
		for (i = 0; i < arrived->nr_sessions; i++)
			for (k = 0; k < arrived->session[i].nr; k++)
				print_file(&arrived->session[i], &arrived->session[i].file[k]);
	}
	if (what & DEVICES) {
		if (what == ALL)
			puts("\ndevices:");
		print_items(arrived, true);
	}
	if (what & SUBTREES) {
		if (what == ALL)
			puts("\nsubtrees:");
		print_items(arrived, false);
	}
	if (what & COMMON && !arrived->common_error) {
		if (what == ALL)
			puts("\ncommon data of files:");
		for (i = 0; i < arrived->nr_common; i++)
			print_common(&arrived->common[i]);
	}
}

/* Says why nothing of a list is printed: @absent, or that it cannot be read. */
static int list_status(int error, const char *path, const char *absent)
{
	if (!error)
		return EXIT_OK;
	if (error == ENOENT) {
		complain("%s", absent);
		return EXIT_UNSUPPORTED;
	}
	complain("sessions and their files need root: %s: %s", path, strerror(error));
	return status_of_errno(error);
}

/* When all is asked for, what can be shown is good enough; and it is said once why not more. */
static int lists_status(const struct arrived *arrived, int what)
{
	int status = EXIT_OK;

	if (what & (SESSIONS | FILES))
		status = list_status(arrived->sessions_error, KHO_DIR "/sessions",
				     "this kernel has no sessions: CONFIG_LIVEUPDATE is off");
	else if (what & COMMON)
		status = list_status(arrived->common_error, KHO_DIR "/common_data",
				     "this kernel does not list what files have in common");
	return what == ALL && status == EXIT_UNSUPPORTED ? EXIT_OK : status;
}

/* Nothing of what was asked for can be read. */
static bool is_unreadable(const struct arrived *arrived, int what)
{
	return (arrived->sessions_error && !(what & ~(SESSIONS | FILES))) ||
	       (arrived->common_error && what == COMMON);
}

/**
 * cmd_list - khoctl list
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_list(int argc, char **argv)
{
	static const char * const names[] = {
		"sessions", "files", "devices", "subtrees", "common-data",
	};
	struct arrived arrived;
	bool json = false;
	int what = 0, i, status;
	size_t k;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("list");
		for (k = 0; k < ARRAY_SIZE(names) && strcmp(argv[i], names[k]); k++)
			;
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (k < ARRAY_SIZE(names) && !what)
			what = 1 << k;
		else
			return misused("list", "unknown argument: %s", argv[i]);
	}
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	what = what ? what : ALL;
	arrived_read(&arrived);
	if (json && !is_unreadable(&arrived, what))
		json_list(&arrived, what);
	else if (!json)
		print_list(&arrived, what);
	status = lists_status(&arrived, what);
	arrived_free(&arrived);
	return status;
}

static void print_holders_of(const char *name)
{
	struct holders holders;
	size_t i;
	char *of;

	holders_read(&holders);
	for (i = 0; i < holders.nr; i++) {
		of = holder_session(&holders.holder[i]);
		if (of && !strcmp(of, name))
			say("open in process %d %s", holders.holder[i].pid,
			    holders.holder[i].comm);
		free(of);
	}
	holders_free(&holders);
}

static const char *words_of_item(const struct item *item)
{
	if (!strcmp(item->name, "/memory"))
		return "memory that nobody has restored";
	if (*item->name == '/')
		return "what the handover itself consists of";
	if (item_is_device(item))
		return "a PCI device that was handed over, or a bridge above one";
	if (item_is_subtree(item))
		return tree_words(item->version);
	return "a part of a subtree";
}

static void show_item(const struct item *item)
{
	const char *words = words_of_item(item);

	say("name     %s", item->name);
	if (words)
		say("is       %s", words);
	say("state    %s", item->state);
	if (*item->version)
		say("version  %s", item->version);
	if (*item->reason)
		say("reason   %s", item->reason);
}

static const char *direction_words(bool incoming)
{
	return incoming ? "incoming: came from the old kernel" :
	       "outgoing: goes to the next kernel";
}

static void show_session(const struct session *session)
{
	size_t i;

	say("session %s", session->name);
	say("direction  %s", direction_words(session->incoming));
	say("open       %s", session->open ? "yes" : "no");
	say("files      %lu", session->nr_listed);
	for (i = 0; i < session->nr; i++)
		say("  %-20s %-16s %s", session->file[i].token, session->file[i].kind,
		    session->file[i].state);
	if (session->open && !*root_dir)
		print_holders_of(session->name);
}

static void show_common(const struct common *common)
{
	say("common data %s", common->name);
	say("direction  %s", direction_words(common->incoming));
	say("state      %s", common->state);
	say("%-11s%lu", common_is_damaged(common) ? "records" : "files", common->nr);
}

/* A device may be named without its owner. */
static bool names_item(const struct item *item, const char *name)
{
	return !strcmp(item->name, name) ||
	       (item_is_device(item) && !strcmp(item->name + strlen("pci/"), name));
}

/* How many there are of that name */
static size_t count_named(const struct arrived *arrived, const char *name)
{
	size_t i, nr = 0;

	for (i = 0; i < arrived->nr_sessions; i++)
		nr += !strcmp(arrived->session[i].name, name);
	for (i = 0; i < arrived->nr_items; i++)
		nr += names_item(&arrived->item[i], name);
	for (i = 0; i < arrived->nr_common; i++)
		nr += !strcmp(arrived->common[i].name, name);
	return nr;
}

static void show(const struct arrived *arrived, const char *name)
{
	size_t i;

	for (i = 0; i < arrived->nr_sessions; i++)
		if (!strcmp(arrived->session[i].name, name))
			show_session(&arrived->session[i]);
	for (i = 0; i < arrived->nr_items; i++)
		if (names_item(&arrived->item[i], name))
			show_item(&arrived->item[i]);
	for (i = 0; i < arrived->nr_common; i++)
		if (!strcmp(arrived->common[i].name, name))
			show_common(&arrived->common[i]);
}

static void json_show(const struct arrived *arrived, const char *name)
{
	struct json json = { .to = stdout };
	size_t i;

	json_open(&json, NULL, '[');
	for (i = 0; i < arrived->nr_sessions; i++)
		if (!strcmp(arrived->session[i].name, name))
			json_session(&json, &arrived->session[i], true);
	for (i = 0; i < arrived->nr_items; i++)
		if (names_item(&arrived->item[i], name))
			json_item(&json, &arrived->item[i]);
	for (i = 0; i < arrived->nr_common; i++)
		if (!strcmp(arrived->common[i].name, name))
			json_common(&json, &arrived->common[i]);
	json_close(&json, ']');
}

static int not_there(const struct arrived *arrived, const char *name)
{
	if (arrived->sessions_error == EACCES || arrived->sessions_error == EPERM) {
		complain("no subtree or device %s; sessions and common data need root", name);
		return EXIT_PERMISSION;
	}
	complain("no session, subtree, device or common data %s: khoctl list says what there is",
		 name);
	return EXIT_NOT_FOUND;
}

/**
 * cmd_show - khoctl show
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_show(int argc, char **argv)
{
	bool json = false, options = true;
	const char *name = NULL;
	struct arrived arrived;
	int i, status = EXIT_OK;

	for (i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--help"))
			return help("show");
		if (options && !strcmp(argv[i], "--json"))
			json = true;
		else if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (!name && *argv[i] && (!options || *argv[i] != '-'))
			name = argv[i];
		else
			return misused("show", "unknown argument: %s", argv[i]);
	}
	if (!name)
		return misused("show", "a NAME is wanted");
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	arrived_read(&arrived);
	if (!count_named(&arrived, name))
		status = not_there(&arrived, name);
	else if (json)
		json_show(&arrived, name);
	else
		show(&arrived, name);
	arrived_free(&arrived);
	return status;
}
