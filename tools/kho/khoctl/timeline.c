// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl timeline: how long the stages of the last handover took. The kernel has a line for each:
 *
 *	KERNEL STAGE BEGIN DURATION ... WHAT
 *
 * What is not known is shown all the same: stages by their name, further fields not at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

#define STAGES_MAX	100000
#define BAR		40

static const struct {
	const char *name;
	const char *words;
} words[] = {
	{ "activate", "owners prepare, all runs on" },
	{ "finalize", "last changes, seal" },
	{ "shutdown", "stop devices, processors" },
	{ "start", "to the kernel's first lines" },
	{ "memory", "early boot, apply the map" },
	{ "memmap", "descriptions of pages" },
	{ "clock", "measure clocks" },
	{ "boot", "boot until /init" },
	{ "initcalls", "drivers and subsystems" },
	{ "retrieve", "programs take files back" },
	{ "restore", "rebuild address spaces" },
	{ "finish", "sessions finished" },
	{ "discard", "given up" },
};

const char *stage_words(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].name, name))
			return words[i].words;
	return "";
}

static bool read_ns(const char *text, int64_t *ns)
{
	char *end;

	if (!text)
		return false;
	errno = 0;
	*ns = strtoll(text, &end, 10);
	return !errno && end != text && !*end;
}

/* Gives false when the line is no stage. */
static bool read_stage(char *line, struct stage *stage)
{
	char *kernel = strsep(&line, " \t"), *name = strsep(&line, " \t");
	char *begin = strsep(&line, " \t"), *duration = strsep(&line, " \t");
	const int64_t limit = INT64_MAX / 4;
	char *last;

	if (!read_ns(begin, &stage->begin) || !read_ns(duration, &stage->duration) ||
	    stage->duration < 0 || stage->duration > limit || stage->begin > limit ||
	    stage->begin < -limit)
		return false;
	last = line ? strrchr(line, ' ') : NULL;
	stage->kernel = xstrdup(kernel);
	stage->name = xstrdup(name);
	stage->what = xstrdup(last ? last + 1 : line ? line : "-");
	return true;
}

static int64_t end_of(const struct stage *stage)
{
	return stage->begin + stage->duration;
}

static int earlier(const void *a, const void *b)
{
	const struct stage *left = a, *right = b;

	if (left->begin != right->begin)
		return left->begin < right->begin ? -1 : 1;
	if (left->duration != right->duration)
		return left->duration > right->duration ? -1 : 1;
	return 0;
}

/* One of the slowest initcalls, which are many */
static bool is_detail(const struct stage *stage)
{
	return !strcmp(stage->name, "initcall");
}

static void free_stage(struct stage *stage)
{
	free(stage->kernel);
	free(stage->name);
	free(stage->what);
}

/**
 * timeline_read - read the kernel's list of stages
 * @timeline: the result
 * @text: the list; it is changed
 * @details: also the initcalls that took longest
 *
 * Return: how many lines were no stages
 */
unsigned int timeline_read(struct timeline *timeline, char *text, bool details)
{
	unsigned int bad = 0;
	struct stage stage;
	char *line;
	size_t i;

	*timeline = (struct timeline) { .blackout = -1 };
	while ((line = strsep(&text, "\n"))) {
		if (!*line)
			continue;
		if (timeline->nr == STAGES_MAX || !read_stage(line, &stage)) {
			bad++;
			continue;
		}
		if (is_detail(&stage) && !details) {
			free_stage(&stage);
			continue;
		}
		timeline->stage = xrealloc(timeline->stage, (timeline->nr + 1) * sizeof(stage));
		timeline->stage[timeline->nr++] = stage;
	}
	if (timeline->nr)
		qsort(timeline->stage, timeline->nr, sizeof(stage), earlier);
	for (i = 0; i < timeline->nr; i++)
		if (!strcmp(timeline->stage[i].name, "boot") &&
		    !strcmp(timeline->stage[i].kernel, "next"))
			timeline->blackout = end_of(&timeline->stage[i]);
	return bad;
}

void timeline_free(struct timeline *timeline)
{
	size_t i;

	for (i = 0; i < timeline->nr; i++)
		free_stage(&timeline->stage[i]);
	free(timeline->stage);
}

static void put_column(const char *text, int width)
{
	put_safe(stdout, text, strlen(text));
	printf("%*s", (int)strlen(text) < width ? width - (int)strlen(text) : 1, "");
}

/* What a stage is or is about; what lies in the blackout has a bar, which says when, too. */
static void print_what(const struct stage *stage, int64_t blackout)
{
	const char *what = strcmp(stage->what, "-") ? stage->what : stage_words(stage->name);
	int from, until;

	if (blackout <= 0 || stage->begin < 0 || end_of(stage) > blackout) {
		put_safe(stdout, what, strlen(what));
		return;
	}
	put_column(what, 28);
	from = (double)stage->begin / blackout * BAR;
	until = (double)end_of(stage) / blackout * BAR + 0.5;
	if (until <= from)
		until = from + 1;
	printf("|%*s", from, "");
	for (; from < until; from++)
		putchar('#');
	printf("%*s|", until < BAR ? BAR - until : 0, "");
}

static void print_timeline(const struct timeline *timeline)
{
	char text[32];
	size_t i;

	if (timeline->blackout >= 0)
		printf("blackout %s, from the begin of the jump to /init of the next kernel\n\n",
		       format_ns(text, timeline->blackout));
	printf("%-7s%-10s%13s %12s  %s\n", "kernel", "stage", "begin", "duration", "what");
	for (i = 0; i < timeline->nr; i++) {
		const struct stage *stage = &timeline->stage[i];

		put_column(stage->kernel, 7);
		put_column(stage->name, 10);
		printf("%13s ", format_ns(text, stage->begin));
		printf("%12s  ", format_ns(text, stage->duration));
		print_what(stage, timeline->blackout);
		putchar('\n');
	}
}

static void json_timeline(const struct timeline *timeline)
{
	struct json json = { .to = stdout };
	size_t i;

	json_open(&json, NULL, '{');
	if (timeline->blackout >= 0)
		json_s64(&json, "blackout_ns", timeline->blackout);
	else
		json_null(&json, "blackout_ns");
	json_open(&json, "stages", '[');
	for (i = 0; i < timeline->nr; i++) {
		const struct stage *stage = &timeline->stage[i];

		json_open(&json, NULL, '{');
		json_string(&json, "kernel", stage->kernel);
		json_string(&json, "stage", stage->name);
		json_s64(&json, "begin_ns", stage->begin);
		json_s64(&json, "duration_ns", stage->duration);
		json_string(&json, "what", strcmp(stage->what, "-") ? stage->what : NULL);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}

static void print_as(const char *format, const struct timeline *timeline)
{
	if (!strcmp(format, "svg"))
		timeline_svg(stdout, timeline);
	else if (!strcmp(format, "json"))
		json_timeline(timeline);
	else
		print_timeline(timeline);
}

static char *read_input(const char *from, int *status)
{
	char *text;
	size_t len;

	if (!from) {
		if (!have_kho()) {
			*status = EXIT_UNSUPPORTED;
			return NULL;
		}
		text = read_kho("timeline");
		from = KHO_DIR "/timeline";
	} else {
		text = read_input_file(from, &len);
	}
	if (!text) {
		complain("%s: %s", from, strerror(errno));
		*status = status_of_errno(errno);
	}
	return text;
}

/**
 * cmd_timeline - khoctl timeline
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_timeline(int argc, char **argv)
{
	const char *format = "text", *from = NULL;
	struct timeline timeline;
	int i, status = EXIT_OK;
	bool details = false;
	unsigned int bad;
	char *text;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("timeline");
		if (!strcmp(argv[i], "--verbose"))
			details = true;
		else if (!strcmp(argv[i], "--format") && i + 1 < argc)
			format = argv[++i];
		else if (!strcmp(argv[i], "--from") && i + 1 < argc)
			from = argv[++i];
		else
			return misused("timeline", "unknown argument, or one without its value: %s",
				       argv[i]);
	}
	if (strcmp(format, "text") && strcmp(format, "json") && strcmp(format, "svg"))
		return misused("timeline", "no such format: %s", format);
	text = read_input(from, &status);
	if (!text)
		return status;
	bad = timeline_read(&timeline, text, details);
	if (bad) {
		complain("%u lines are no stages of a handover", bad);
		status = EXIT_REFUSED;
	} else if (!timeline.nr) {
		complain("there are no stages: no handover started this kernel");
		status = EXIT_NOT_FOUND;
	}
	if (timeline.nr)
		print_as(format, &timeline);
	timeline_free(&timeline);
	free(text);
	return status;
}
