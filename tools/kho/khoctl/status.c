// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl status: where a handover is, what is pending, and who holds it up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

/* Everything that is shown */
struct status {
	char *state, *generation, *bytes, *last_error, *loaded, *unreadable, *zone;
	int zone_error;
	struct arrived arrived;
	struct holders holders;
};

/* A thing that is pending, or in the way: what it is, and what can be done */
struct pending {
	char *name;
	char *why;
	const char *remedy;
	bool blocks;
};

struct pendings {
	struct pending *pending;
	size_t nr;
};

static void add(struct pendings *list, const char *name, bool blocks, const char *remedy,
		char *why)
{
	list->pending = xrealloc(list->pending, (list->nr + 1) * sizeof(*list->pending));
	list->pending[list->nr++] = (struct pending) {
		.name = xstrdup(name),
		.why = why,
		.remedy = remedy,
		.blocks = blocks,
	};
}

static void add_item(struct pendings *list, const struct item *item)
{
	const char *remedy = "its owner has to restore it; or khoctl discard";

	if (!strcmp(item->state, "restored") || !strcmp(item->state, "discarded"))
		return;
	if (!strcmp(item->name, "/header"))
		remedy = "cold boot before you rely on this machine";
	else if (!strcmp(item->name, "/map"))
		remedy = "nothing can be restored or handed on: start another kernel, or cold boot";
	else if (!strcmp(item->name, "/reserved"))
		remedy = "take what reserves memory by address off the kernel's command line";
	else if (!strcmp(item->name, "/blob"))
		remedy = "khoctl discard /blob frees the memory";
	else if (!strcmp(item->name, "/memory"))
		remedy = "it comes back as its owners restore or discard it";
	else if (!strncmp(item->reason, "version", 7) || !strncmp(item->reason, "no owner", 8))
		remedy = "kexec into a kernel that can restore it; or khoctl discard";
	else if (!strcmp(item->state, "blocked"))
		remedy = "discard the session that its descriptor is in";
	else if (item_is_device(item))
		remedy = "its program has to retrieve and finish its session; or discard that";
	add(list, item->name, !strcmp(item->name, "/map"), remedy,
	    xasprintf("%s%s%s", item->state, *item->reason ? ": " : "", item->reason));
}

static void add_session(struct pendings *list, const struct session *session)
{
	unsigned long retrieved = session_count(session, "retrieved");
	unsigned long failed = session_count(session, "failed");
	char *name = xasprintf("session %s", session->name);

	if (!session->incoming)
		goto out;
	if (session_is_damaged(session))
		add(list, name, false, "khoctl discard /damaged",
		    xasprintf("%lu files with damaged records", session->nr_listed));
	else if (failed)
		add(list, name, true,
		    "finish it, or khoctl discard; finalize is refused until then",
		    xasprintf("%lu of %lu files could not be retrieved", failed,
			      session->nr_listed));
	else if (retrieved)
		add(list, name, true,
		    "its program has to finish it; finalize is refused until then",
		    xasprintf("%lu of %lu files retrieved, not finished", retrieved,
			      session->nr_listed));
	else
		add(list, name, false,
		    "its program has to retrieve and finish it; or khoctl discard",
		    xasprintf("%lu files came from the old kernel, nobody has retrieved them%s",
			      session->nr_listed, session->open ? "; it is open" : ""));
out:
	free(name);
}

static void add_common(struct pendings *list, const struct arrived *arrived,
		       const struct common *common)
{
	const char *in_the_way = common_in_the_way(arrived, common);
	char *name = xasprintf("common data %s", common->name);

	if (!common->incoming)
		goto out;
	if (common_is_damaged(common))
		add(list, name, false,
		    "it is handed on; when no session is left, khoctl discard /memory",
		    xasprintf("%lu records are damaged", common->nr));
	else if (in_the_way)
		add(list, name, true,
		    "finish or discard their sessions; finalize is refused until then",
		    xasprintf("%lu files of the old kernel need it, and it %s", common->nr,
			      in_the_way));
	else if (common->nr)
		add(list, name, false, "it ends with the sessions of these files",
		    xasprintf("%s: %lu files of the old kernel need it", common->state,
			      common->nr));
out:
	free(name);
}

static void read_status(struct status *status)
{
	status->state = read_kho("state");
	status->generation = read_kho("generation");
	status->bytes = read_kho("preserved_bytes");
	status->last_error = read_kho("last_error");
	status->unreadable = read_kho("allow_unreadable");
	status->loaded = read_text("/sys/kernel/kexec_loaded");
	status->zone = read_kho("landing_zone");
	status->zone_error = status->zone ? 0 : errno;
	arrived_read(&status->arrived);
	holders_read(&status->holders);
}

static void free_status(struct status *status, struct pendings *pending)
{
	size_t i;

	free(status->state);
	free(status->generation);
	free(status->bytes);
	free(status->last_error);
	free(status->unreadable);
	free(status->loaded);
	free(status->zone);
	arrived_free(&status->arrived);
	holders_free(&status->holders);
	for (i = 0; i < pending->nr; i++) {
		free(pending->pending[i].name);
		free(pending->pending[i].why);
	}
	free(pending->pending);
}

static size_t count_common(const struct arrived *arrived, bool incoming)
{
	size_t i, nr = 0;

	for (i = 0; i < arrived->nr_common; i++)
		nr += arrived->common[i].incoming == incoming &&
		      !common_is_damaged(&arrived->common[i]);
	return nr;
}

static void count(const struct arrived *arrived, size_t *in, size_t *out, size_t *files,
		  size_t *devices)
{
	size_t i;

	*in = *out = *files = *devices = 0;
	for (i = 0; i < arrived->nr_sessions; i++) {
		*(arrived->session[i].incoming ? in : out) += 1;
		*files += arrived->session[i].nr_listed;
	}
	for (i = 0; i < arrived->nr_items; i++)
		*devices += item_is_device(&arrived->item[i]);
}

/*
 * The guest that a session is of, by the name that kho-qemu gives it, which may have the user's
 * number in front; or NULL
 */
static const char *guest_of(const struct session *session)
{
	const char *name = strrchr(session->name, '/');

	name = name ? name + 1 : session->name;
	return strncmp(name, "qemu-", 5) ? NULL : name + 5;
}

static const char *guest_state(const struct session *session)
{
	return session->incoming ? "from the old kernel" : "for the next kernel";
}

static void print_line(const char *name, const char *value)
{
	say("%-16s%s", name, value ? value : "(cannot be read)");
}

static void print_zone(const struct status *status)
{
	char *at;

	if (status->zone) {
		for (at = status->zone; *at; at++)
			*at = *at == '\n' ? ' ' : *at;
		print_line("landing zone", *status->zone ? status->zone : "none");
	} else {
		print_line("landing zone", status->zone_error == EBUSY ?
			   "kexec is in use" : "needs root");
	}
}

static void print_pending(const struct pendings *list)
{
	size_t i;

	if (list->nr)
		puts("\npending:");
	for (i = 0; i < list->nr; i++) {
		say("  %s: %s", list->pending[i].name, list->pending[i].why);
		say("    %s%s", list->pending[i].blocks ? "HOLDS UP A HANDOVER: " : "",
		    list->pending[i].remedy);
	}
}

static void print_holders(const struct holders *holders)
{
	size_t i;

	if (holders->nr)
		puts("\nopen in processes:");
	for (i = 0; i < holders->nr; i++) {
		const struct holder *holder = &holders->holder[i];

		say("  %d %s: %s", holder->pid, holder->comm,
		    holder_is_session(holder) ? "a session" : holder->what);
	}
	if (holders->hidden)
		printf("\n%u processes of other users could not be looked at: needs root\n",
		       holders->hidden);
}

static void print_status(const struct status *status, const struct pendings *pending)
{
	size_t in, out, files, devices, i;
	const struct session *session;
	char size[32];

	print_line("state", status->state);
	print_line("generation", status->generation);
	printf("%-16s%s\n", "preserved", status->bytes ?
	       format_bytes(size, strtoull(status->bytes, NULL, 10)) : "(cannot be read)");
	print_line("next kernel", status->loaded && *status->loaded == '1' ?
		   "loaded" : "not loaded");
	print_zone(status);
	count(&status->arrived, &in, &out, &files, &devices);
	if (!status->arrived.sessions_error)
		printf("%-16s%zu from the old kernel, %zu for the next one, %zu files\n",
		       "sessions", in, out, files);
	else
		print_line("sessions", status->arrived.sessions_error == ENOENT ?
			   "none: this kernel has no CONFIG_LIVEUPDATE" : "needs root");
	if (status->arrived.nr_common)
		printf("%-16s%zu from the old kernel, %zu for the next one\n", "common data",
		       count_common(&status->arrived, true),
		       count_common(&status->arrived, false));
	for (i = 0; i < status->arrived.nr_sessions; i++) {
		session = &status->arrived.session[i];
		if (guest_of(session))
			say("%-16s%s, %s", "guest of QEMU", guest_of(session),
			    guest_state(session));
	}
	printf("%-16s%zu from the old kernel, not finished\n", "devices", devices);
	if (status->unreadable && *status->unreadable == '1')
		print_line("allowed", "kernels that cannot restore a version");
	if (status->last_error && *status->last_error)
		print_line("last error", status->last_error);
	print_pending(pending);
	print_holders(&status->holders);
}

static void json_number(struct json *json, const char *key, const char *value)
{
	if (value)
		json_u64(json, key, strtoull(value, NULL, 10));
	else
		json_null(json, key);
}

static void json_zone(struct json *json, const struct status *status)
{
	char *copy, *rest, *line;

	if (!status->zone) {
		json_null(json, "landing_zone");
		return;
	}
	json_open(json, "landing_zone", '[');
	copy = xstrdup(status->zone);
	for (rest = copy; (line = strsep(&rest, "\n"));)
		if (*line)
			json_string(json, NULL, line);
	json_close(json, ']');
	free(copy);
}

static void json_holders(struct json *json, const struct holders *holders)
{
	size_t i;

	json_open(json, "holders", '[');
	for (i = 0; i < holders->nr; i++) {
		json_open(json, NULL, '{');
		json_u64(json, "pid", holders->holder[i].pid);
		json_string(json, "command", holders->holder[i].comm);
		json_u64(json, "fd", holders->holder[i].fd);
		json_string(json, "open", holders->holder[i].what);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_u64(json, "hidden_processes", holders->hidden);
}

static void json_guests(struct json *json, const struct arrived *arrived)
{
	size_t i;

	if (arrived->sessions_error) {
		json_null(json, "guests");
		return;
	}
	json_open(json, "guests", '[');
	for (i = 0; i < arrived->nr_sessions; i++) {
		const struct session *session = &arrived->session[i];

		if (!guest_of(session))
			continue;
		json_open(json, NULL, '{');
		json_string(json, "name", guest_of(session));
		json_string(json, "session", session->name);
		json_bool(json, "incoming", session->incoming);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_status(const struct status *status, const struct pendings *pending)
{
	struct json json = { .to = stdout };
	size_t in, out, files, devices, i;

	json_open(&json, NULL, '{');
	json_string(&json, "state", status->state);
	json_number(&json, "generation", status->generation);
	json_number(&json, "preserved_bytes", status->bytes);
	json_bool(&json, "loaded", status->loaded && *status->loaded == '1');
	json_zone(&json, status);
	json_bool(&json, "allow_unreadable", status->unreadable && *status->unreadable == '1');
	json_string(&json, "last_error", status->last_error);
	count(&status->arrived, &in, &out, &files, &devices);
	if (status->arrived.sessions_error) {
		json_null(&json, "sessions");
	} else {
		json_open(&json, "sessions", '{');
		json_u64(&json, "incoming", in);
		json_u64(&json, "outgoing", out);
		json_u64(&json, "files", files);
		json_close(&json, '}');
	}
	if (status->arrived.common_error) {
		json_null(&json, "common_data");
	} else {
		json_open(&json, "common_data", '{');
		json_u64(&json, "incoming", count_common(&status->arrived, true));
		json_u64(&json, "outgoing", count_common(&status->arrived, false));
		json_close(&json, '}');
	}
	json_guests(&json, &status->arrived);
	json_u64(&json, "devices", devices);
	json_open(&json, "pending", '[');
	for (i = 0; i < pending->nr; i++) {
		json_open(&json, NULL, '{');
		json_string(&json, "name", pending->pending[i].name);
		json_string(&json, "why", pending->pending[i].why);
		json_string(&json, "remedy", pending->pending[i].remedy);
		json_bool(&json, "holds_up", pending->pending[i].blocks);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_holders(&json, &status->holders);
	json_close(&json, '}');
}

/**
 * cmd_status - khoctl status
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_status(int argc, char **argv)
{
	struct pendings pending = { 0 };
	struct status status = { 0 };
	bool json = false;
	size_t i;
	int arg;

	for (arg = 1; arg < argc; arg++) {
		if (!strcmp(argv[arg], "--help"))
			return help("status");
		if (strcmp(argv[arg], "--json"))
			return misused("status", "unknown argument: %s", argv[arg]);
		json = true;
	}
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	read_status(&status);
	for (i = 0; i < status.arrived.nr_items; i++)
		add_item(&pending, &status.arrived.item[i]);
	for (i = 0; i < status.arrived.nr_sessions; i++)
		add_session(&pending, &status.arrived.session[i]);
	for (i = 0; i < status.arrived.nr_common; i++)
		add_common(&pending, &status.arrived, &status.arrived.common[i]);
	if (json)
		json_status(&status, &pending);
	else
		print_status(&status, &pending);
	free_status(&status, &pending);
	return EXIT_OK;
}
