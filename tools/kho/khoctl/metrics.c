// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl metrics: numbers for a monitoring system, as text of OpenMetrics 1.0.
 *
 * Where systemd means the same thing in its own metrics (io.systemd.Metrics), its name is used:
 * KExecsCount for what is counted, "type" and "state" for the labels. What cannot be read is left
 * out, with all of its family: a zero would say that there is nothing.
 *
 * Programs choose the names of sessions. These are no labels, so that nobody can make any number
 * of time series.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

#define LABELS_MAX	3

/**
 * struct tally - a sum for each set of values that labels have
 * @row: the sums, in the order in which they began
 * @nr: how many
 */
struct tally {
	struct row {
		char *label[LABELS_MAX];
		uint64_t count;
		int64_t sum;
	} *row;
	size_t nr;
};

static struct row *row_of(struct tally *tally, const char *a, const char *b, const char *c)
{
	const char * const wanted[LABELS_MAX] = { a, b, c };
	struct row *row;
	size_t i, j;

	for (i = 0; i < tally->nr; i++) {
		row = &tally->row[i];
		for (j = 0; j < LABELS_MAX && !strcmp(row->label[j], wanted[j]); j++)
			;
		if (j == LABELS_MAX)
			return row;
	}
	tally->row = xrealloc(tally->row, (tally->nr + 1) * sizeof(*row));
	row = &tally->row[tally->nr++];
	memset(row, 0, sizeof(*row));
	for (j = 0; j < LABELS_MAX; j++)
		row->label[j] = xstrdup(wanted[j]);
	return row;
}

static void free_tally(struct tally *tally)
{
	size_t i, j;

	for (i = 0; i < tally->nr; i++)
		for (j = 0; j < LABELS_MAX; j++)
			free(tally->row[i].label[j]);
	free(tally->row);
}

/* @unit is NULL when there is none. With one, @name ends in it. */
static void family(const char *name, const char *type, const char *unit, const char *help)
{
	printf("# TYPE %s %s\n", name, type);
	if (unit)
		printf("# UNIT %s %s\n", name, unit);
	printf("# HELP %s %s\n", name, help);
}

/* As put_safe(), and then as a label's value has to be escaped */
static void put_label(const char *name, const char *value, bool first)
{
	size_t len = 0, i;
	char *text;
	FILE *safe = open_memstream(&text, &len);

	if (!safe)
		return;
	put_safe(safe, value, strlen(value));
	fclose(safe);
	printf("%s%s=\"", first ? "{" : ",", name);
	for (i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			putchar('\\');
		putchar(text[i]);
	}
	putchar('"');
	free(text);
}

/* Names and values of labels follow, and NULL; a label without a value is left out. */
static void sample(const char *name, const char *number, ...)
{
	const char *label, *value;
	bool first = true;
	va_list args;

	fputs(name, stdout);
	va_start(args, number);
	while ((label = va_arg(args, const char *))) {
		value = va_arg(args, const char *);
		if (!*value)
			continue;
		put_label(label, value, first);
		first = false;
	}
	va_end(args);
	printf("%s %s\n", first ? "" : "}", number);
}

static const char *decimal(uint64_t number)
{
	static char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return text;
}

static const char *seconds(int64_t ns)
{
	static char text[40];

	snprintf(text, sizeof(text), "%.9f", ns / 1e9);
	return text;
}

/* A file of the kernel's that has one number */
static void number_file(const char *file, const char *name, const char *type, const char *unit,
			const char *help)
{
	bool counter = !strcmp(type, "counter");
	char *text = read_kho(file), *end, *full;
	uint64_t number = text ? strtoull(text, &end, 10) : 0;

	if (text && end != text) {
		full = xasprintf("%s%s", name, counter ? "_total" : "");
		family(name, type, unit, help);
		sample(full, decimal(number), NULL);
		free(full);
	}
	free(text);
}

static void put_state(void)
{
	static const char * const states[] = { "idle", "active", "final" };
	char *state = read_kho("state");
	size_t i;

	family("kho_state", "stateset", NULL, "How far the handover to the next kernel has come.");
	for (i = 0; i < ARRAY_SIZE(states); i++)
		sample("kho_state", state && !strcmp(state, states[i]) ? "1" : "0",
		       "kho_state", states[i], NULL);
	free(state);
}

static void put_loaded(void)
{
	char *loaded = read_text("/sys/kernel/kexec_loaded");

	if (loaded) {
		family("kho_next_kernel_loaded", "gauge", NULL,
		       "1 when the next kernel is loaded.");
		sample("kho_next_kernel_loaded", *loaded == '1' ? "1" : "0", NULL);
	}
	free(loaded);
}

static const char *direction(const struct session *session)
{
	return session->incoming ? "incoming" : "outgoing";
}

static void put_tally(const char *name, struct tally *tally, const char *a, const char *b,
		      const char *c)
{
	size_t i;

	for (i = 0; i < tally->nr; i++) {
		const struct row *row = &tally->row[i];

		sample(name, decimal(row->count), a, row->label[0], b, row->label[1],
		       c, row->label[2], NULL);
	}
	free_tally(tally);
}

static void put_sessions(const struct arrived *arrived)
{
	struct tally sessions = { 0 }, files = { 0 };
	uint64_t damaged = 0;
	size_t i, j;

	if (arrived->sessions_error)
		return;
	row_of(&sessions, "incoming", "", "");
	row_of(&sessions, "outgoing", "", "");
	for (i = 0; i < arrived->nr_sessions; i++) {
		const struct session *session = &arrived->session[i];

		if (session_is_damaged(session)) {
			damaged += session->nr_listed;
			continue;
		}
		row_of(&sessions, direction(session), "", "")->count++;
		for (j = 0; j < session->nr; j++)
			row_of(&files, direction(session), session->file[j].kind,
			       session->file[j].state)->count++;
	}
	family("kho_sessions", "gauge", NULL,
	       "Sessions, those from the old kernel (incoming) and for the next one (outgoing).");
	put_tally("kho_sessions", &sessions, "direction", "type", "state");
	family("kho_files", "gauge", NULL, "Files in sessions.");
	put_tally("kho_files", &files, "direction", "type", "state");
	family("kho_damaged_files", "gauge", NULL,
	       "Files from the old kernel whose records are damaged.");
	sample("kho_damaged_files", decimal(damaged), NULL);
}

static void put_items(const struct arrived *arrived)
{
	struct tally subtrees = { 0 }, devices = { 0 };
	size_t i;

	for (i = 0; i < arrived->nr_items; i++) {
		const struct item *item = &arrived->item[i];

		if (item_is_device(item))
			row_of(&devices, item->state, "", "")->count++;
		else if (item_is_subtree(item))
			row_of(&subtrees, item->state, "", "")->count++;
	}
	family("kho_subtrees", "gauge", NULL, "Subtrees that came from the old kernel.");
	put_tally("kho_subtrees", &subtrees, "state", "", "");
	family("kho_devices", "gauge", NULL,
	       "Devices, and bridges above them, that came and are not finished.");
	put_tally("kho_devices", &devices, "state", "", "");
}

/* The kernel counts by who refuses; the reason is known of the last one only. */
static void put_refusals(void)
{
	char *text = read_kho("refusals"), *last = read_kho("last_error"), *rest, *line, *why;

	if (text)
		family("kho_refusals", "counter", NULL,
		       "Loads, steps and jumps that were refused, by who has refused.");
	for (rest = text; rest && (line = strsep(&rest, "\n"));) {
		char *who = strsep(&line, " ");

		if (line)
			sample("kho_refusals_total", decimal(strtoull(line, NULL, 10)),
			       "who", who, NULL);
	}
	family("kho_last_refusal", "info", NULL,
	       "Who has refused last, and why; nothing when it went well since.");
	why = last ? strstr(last, ": ") : NULL;
	if (why) {
		*why = '\0';
		sample("kho_last_refusal_info", "1", "who", last, "reason", why + 2, NULL);
	}
	free(text);
	free(last);
}

/*
 * Whose a stage was is a label where that is an owner: sessions, which there may be any number
 * of, are added up.
 */
static void put_stages(void)
{
	char *text = read_kho("timeline");
	struct tally stages = { 0 };
	struct timeline timeline;
	size_t i;

	if (!text)
		return;
	timeline_read(&timeline, text, false);
	for (i = 0; i < timeline.nr; i++) {
		const struct stage *stage = &timeline.stage[i];
		bool owner = !strcmp(stage->kernel, "old") && strcmp(stage->what, "-");
		struct row *row = row_of(&stages, stage->kernel, stage->name,
					 owner ? stage->what : "");

		row->count++;
		row->sum += stage->duration;
	}
	if (timeline.blackout >= 0) {
		family("kho_blackout_seconds", "gauge", "seconds",
		       "From the begin of the last jump to the start of /init.");
		sample("kho_blackout_seconds", seconds(timeline.blackout), NULL);
	}
	family("kho_stage_duration_seconds", "gauge", "seconds",
	       "Stages of the handover that started this kernel, and of what it restored since.");
	for (i = 0; i < stages.nr; i++)
		sample("kho_stage_duration_seconds", seconds(stages.row[i].sum),
		       "kernel", stages.row[i].label[0], "stage", stages.row[i].label[1],
		       "owner", stages.row[i].label[2], NULL);
	family("kho_stages", "gauge", NULL, "How many of each kind the durations are of.");
	put_tally("kho_stages", &stages, "kernel", "stage", "owner");
	timeline_free(&timeline);
	free(text);
}

/**
 * cmd_metrics - khoctl metrics
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_metrics(int argc, char **argv)
{
	struct arrived arrived;

	if (argc > 1 && !strcmp(argv[1], "--help"))
		return help("metrics");
	if (argc > 1)
		return misused("metrics", "unknown argument: %s", argv[1]);
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	arrived_read(&arrived);
	put_state();
	put_loaded();
	number_file("generation", "kho_KExecsCount", "counter", NULL,
		    "Handovers since the last cold boot.");
	number_file("preserved_bytes", "kho_preserved_bytes", "gauge", "bytes",
		    "Memory that would be handed over now.");
	number_file("late_bytes", "kho_late_struct_pages_bytes", "gauge", "bytes",
		    "Memory whose struct pages are not initialised yet.");
	put_sessions(&arrived);
	put_items(&arrived);
	put_refusals();
	put_stages();
	puts("# EOF");
	arrived_free(&arrived);
	return EXIT_OK;
}
