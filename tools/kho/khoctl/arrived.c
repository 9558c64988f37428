// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: reads the lists "incoming", "sessions" and "common_data", whose format is in
 * Documentation/ABI/testing/sysfs-kernel-kho. Lines that are not of that format are passed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

static void add_item(struct arrived *arrived, char *line)
{
	char *name = strsep(&line, " ");
	char *state = strsep(&line, " ");
	char *version = "";
	struct item *item;

	if (!state)
		return;
	/* A part of a subtree has "-" where a subtree has its version. */
	if (line)
		version = strsep(&line, " ");
	arrived->item = xrealloc(arrived->item, (arrived->nr_items + 1) * sizeof(*item));
	item = &arrived->item[arrived->nr_items++];
	item->name = xstrdup(name);
	item->state = xstrdup(state);
	item->version = xstrdup(strcmp(version, "-") ? version : "");
	item->reason = xstrdup(line ? line : "");
}

static void add_session(struct arrived *arrived, char *line)
{
	char *name = strsep(&line, " ");
	char *direction = strsep(&line, " ");
	char *open = strsep(&line, " ");
	struct session *session;

	if (!open)
		return;
	arrived->session = xrealloc(arrived->session,
				    (arrived->nr_sessions + 1) * sizeof(*session));
	session = &arrived->session[arrived->nr_sessions++];
	*session = (struct session) {
		.name = xstrdup(name),
		.incoming = !strcmp(direction, "incoming"),
		.open = !strcmp(open, "open"),
		.nr_listed = line ? strtoul(line, NULL, 10) : 0,
	};
}

static void add_file(struct arrived *arrived, char *line)
{
	char *token = strsep(&line, " ");
	char *kind = strsep(&line, " ");
	char *state = strsep(&line, " ");
	struct session *session;

	if (!state || !arrived->nr_sessions)
		return;
	session = &arrived->session[arrived->nr_sessions - 1];
	session->file = xrealloc(session->file, (session->nr + 1) * sizeof(*session->file));
	session->file[session->nr++] = (struct session_file) {
		.token = xstrdup(token),
		.kind = xstrdup(kind),
		.state = xstrdup(state),
	};
}

static void add_common(struct arrived *arrived, char *line)
{
	char *name = strsep(&line, " ");
	char *direction = strsep(&line, " ");
	char *state = strsep(&line, " ");

	if (!line)
		return;
	arrived->common = xrealloc(arrived->common,
				   (arrived->nr_common + 1) * sizeof(*arrived->common));
	arrived->common[arrived->nr_common++] = (struct common) {
		.name = xstrdup(name),
		.incoming = !strcmp(direction, "incoming"),
		.state = xstrdup(state),
		.nr = strtoul(line, NULL, 10),
	};
}

/**
 * arrived_read - read all these lists
 * @arrived: the result; what cannot be read is empty
 */
void arrived_read(struct arrived *arrived)
{
	char *text, *rest, *line;

	memset(arrived, 0, sizeof(*arrived));
	text = read_kho("incoming");
	for (rest = text; rest && (line = strsep(&rest, "\n"));)
		add_item(arrived, line);
	free(text);

	text = read_kho("sessions");
	if (!text)
		arrived->sessions_error = errno;
	for (rest = text; rest && (line = strsep(&rest, "\n"));) {
		if (*line == '\t')
			add_file(arrived, line + 1);
		else
			add_session(arrived, line);
	}
	free(text);

	text = read_kho("common_data");
	if (!text)
		arrived->common_error = errno;
	for (rest = text; rest && (line = strsep(&rest, "\n"));)
		add_common(arrived, line);
	free(text);
}

static void free_session(struct session *session)
{
	size_t i;

	for (i = 0; i < session->nr; i++) {
		free(session->file[i].token);
		free(session->file[i].kind);
		free(session->file[i].state);
	}
	free(session->file);
	free(session->name);
}

/**
 * arrived_free - free what arrived_read() made
 * @arrived: the lists
 */
void arrived_free(struct arrived *arrived)
{
	size_t i;

	for (i = 0; i < arrived->nr_items; i++) {
		free(arrived->item[i].name);
		free(arrived->item[i].state);
		free(arrived->item[i].version);
		free(arrived->item[i].reason);
	}
	free(arrived->item);
	for (i = 0; i < arrived->nr_sessions; i++)
		free_session(&arrived->session[i]);
	free(arrived->session);
	for (i = 0; i < arrived->nr_common; i++) {
		free(arrived->common[i].name);
		free(arrived->common[i].state);
	}
	free(arrived->common);
}

bool item_is_subtree(const struct item *item)
{
	return !strchr(item->name, '/');
}

/* Parts of "pci" are devices, and the bridges above them. */
bool item_is_device(const struct item *item)
{
	return !strncmp(item->name, "pci/", 4);
}

/**
 * session_count - how many files of a session are in a state
 * @session: the session
 * @state: the state
 */
unsigned long session_count(const struct session *session, const char *state)
{
	unsigned long nr = 0;
	size_t i;

	for (i = 0; i < session->nr; i++)
		nr += !strcmp(session->file[i].state, state);
	return nr;
}

bool session_is_damaged(const struct session *session)
{
	return *session->name == '/';
}

bool common_is_damaged(const struct common *common)
{
	return *common->name == '/';
}

static bool preserved_anew(const struct arrived *arrived, const char *name)
{
	size_t i;

	for (i = 0; i < arrived->nr_common; i++)
		if (!arrived->common[i].incoming && arrived->common[i].nr &&
		    !strcmp(arrived->common[i].name, name))
			return true;
	return false;
}

const char *common_in_the_way(const struct arrived *arrived, const struct common *common)
{
	if (!common->incoming || !common->nr)
		return NULL;
	if (!strcmp(common->state, "retrieved"))
		return "is in use";
	if (!strcmp(common->state, "failed"))
		return "could not be retrieved";
	if (!strcmp(common->state, "pending") && preserved_anew(arrived, common->name))
		return "is preserved anew for others";
	return NULL;
}
