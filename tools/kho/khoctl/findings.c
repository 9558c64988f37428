// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: can this machine, and this image, do a live update now? What is looked at is in
 * findings_*.c; the kernel has the last word when the image is loaded and at each step.
 */
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>

#include "khoctl.h"

/**
 * find - note something
 * @findings: where
 * @verdict: what it means
 * @topic: what it is about
 * @remedy: what can be done, or NULL
 * @format: the finding
 */
void find(struct findings *findings, enum verdict verdict, const char *topic, const char *remedy,
	  const char *format, ...)
{
	struct finding *finding;
	va_list args;

	findings->finding = xrealloc(findings->finding,
				     (findings->nr + 1) * sizeof(*finding));
	finding = &findings->finding[findings->nr++];
	*finding = (struct finding) {
		.verdict = verdict,
		.topic = topic,
		.remedy = remedy ? xstrdup(remedy) : NULL,
	};
	va_start(args, format);
	finding->what = xvasprintf(format, args);
	va_end(args);
}

/**
 * findings_free - free what was found
 * @findings: all of it
 */
void findings_free(struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->nr; i++) {
		free(findings->finding[i].what);
		free(findings->finding[i].remedy);
	}
	free(findings->finding);
}

size_t findings_count(const struct findings *findings, enum verdict verdict)
{
	size_t nr = 0, i;

	for (i = 0; i < findings->nr; i++)
		nr += findings->finding[i].verdict == verdict;
	return nr;
}

const char *verdict_name(enum verdict verdict)
{
	static const char * const names[] = { "ok", "note", "unknown", "NO" };

	return names[verdict];
}

static void print_findings(const struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->nr; i++) {
		const struct finding *finding = &findings->finding[i];

		say("%-8s %-13s %s", verdict_name(finding->verdict), finding->topic,
		    finding->what);
		if (finding->remedy)
			say("%23s%s", "remedy: ", finding->remedy);
	}
}

static void json_findings(const struct findings *findings, const char *verdict)
{
	struct json json = { .to = stdout };
	size_t i;

	json_open(&json, NULL, '{');
	json_string(&json, "possible", verdict);
	json_open(&json, "findings", '[');
	for (i = 0; i < findings->nr; i++) {
		const struct finding *finding = &findings->finding[i];

		json_open(&json, NULL, '{');
		json_string(&json, "verdict", finding->verdict == FINDING_NO ? "no" :
			    verdict_name(finding->verdict));
		json_string(&json, "topic", finding->topic);
		json_string(&json, "what", finding->what);
		json_string(&json, "remedy", finding->remedy);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}

static int conclude(const struct findings *findings, bool json)
{
	bool no = findings_count(findings, FINDING_NO);
	size_t unknown = findings_count(findings, FINDING_UNKNOWN);

	if (json)
		json_findings(findings, no ? "no" : unknown ? "unknown" : "yes");
	else
		print_findings(findings);
	if (!json && no)
		printf("\nNo live update now: %zu reasons\n",
		       findings_count(findings, FINDING_NO));
	else if (!json && unknown)
		printf("\nNo reason against it, but %zu things could not be looked at: be root\n",
		       unknown);
	else if (!json)
		puts("\nA live update is possible now, as far as can be told before it");
	if (!exists(KHO_DIR "/state"))
		return EXIT_UNSUPPORTED;
	return no ? EXIT_REFUSED : unknown ? EXIT_PERMISSION : EXIT_OK;
}

bool next_option(struct next *next, int argc, char **argv, int *i)
{
	bool more = *i + 1 < argc;

	if (!strcmp(argv[*i], "--initrd") && more)
		next->initrd = argv[++*i];
	else if (!strcmp(argv[*i], "--append") && more)
		next->append = argv[++*i];
	else if (!strcmp(argv[*i], "--reuse-cmdline"))
		next->reuse = true;
	else if (!strcmp(argv[*i], "--no-initrd"))
		next->no_initrd = true;
	else if (!strcmp(argv[*i], "--no-root"))
		next->no_root = true;
	else if (!strcmp(argv[*i], "--allow-unreadable"))
		next->allow_unreadable = true;
	else
		return false;
	return true;
}

char *next_cmdline(const struct next *next)
{
	char *own, *cmdline;

	if (!next->reuse)
		return next->append ? xstrdup(next->append) : NULL;
	own = read_text("/proc/cmdline");
	cmdline = own ? cmdline_next_kernel(own, next->append) : NULL;
	free(own);
	return cmdline;
}

/**
 * find_all - look at everything
 * @findings: where to note it; knows what is to be started
 */
void find_all(struct findings *findings)
{
	struct arrived arrived;

	arrived_read(&arrived);
	find_devices(findings);
	find_host_devices(findings);
	find_kernel(findings);
	find_cmdlines(findings);
	find_state(findings, &arrived);
	if (findings->next->image)
		find_image(findings, &arrived);
	find_initrd(findings);
	find_guests(findings);
	arrived_free(&arrived);
}

/**
 * cmd_check - khoctl check
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_check(int argc, char **argv)
{
	struct next next = { 0 };
	struct findings findings = { .next = &next };
	bool json = false;
	int i, status;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("check");
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (argv[i][0] != '-' && !next.image)
			next.image = argv[i];
		else if (!next_option(&next, argc, argv, &i))
			return misused("check", "unknown argument, or one without its value: %s",
				       argv[i]);
	}
	if (next.initrd && next.no_initrd)
		return misused("check", "--initrd and --no-initrd exclude each other");
	find_all(&findings);
	status = conclude(&findings, json);
	findings_free(&findings);
	return status;
}
