// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl rehearse: all steps of a live update but the jump, with guests that run; then all is
 * undone. Says what would be refused, and how long guests would stand still.
 *
 * From finalize until that is undone, whoever touches a hole of a preserved file waits. So nothing
 * is done meanwhile but what has to be: finalize, by a child that is killed when time is up, which
 * ends the kernel's waiting; the kernel's own look at what it sealed; a copy of the blob. The rest
 * is for afterwards.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "khoctl.h"

#define MAX_WAIT_MS	50
#define NOT_KNOWN	(-1)

/**
 * struct refusal - something that would be refused
 * @where: the step, or the topic of a finding
 * @what: why
 * @remedy: or NULL
 * @warning: it would not keep the jump from being made
 */
struct refusal {
	char *where, *what, *remedy;
	bool warning;
};

/**
 * struct rehearsal - what is tried, and what came of it
 * @attempt: the steps
 * @max_wait: nanoseconds that guests may have to wait
 * @json: what is printed is JSON
 * @has_image: one is given, or loaded
 * @refusal: what would be refused
 * @nr: how many
 * @activate: nanoseconds that activate took, or NOT_KNOWN
 * @finalize: the same
 * @waited: from the begin of finalize until it was undone
 * @blackout: of the last handover
 * @gave_up: guests would have had to wait for longer
 * @verified: the kernel has looked at what it sealed
 * @blob: its list of subtrees, or NULL
 * @blob_len: bytes
 */
struct rehearsal {
	struct attempt attempt;
	int64_t max_wait;
	bool json, has_image;
	struct refusal *refusal;
	size_t nr;
	int64_t activate, finalize, waited, blackout;
	bool gave_up, verified;
	char *blob;
	size_t blob_len;
};

static void refuse(struct rehearsal *rehearsal, const char *where, bool warning,
		   const char *remedy, const char *format, ...) __printf(5, 6);

static void refuse(struct rehearsal *rehearsal, const char *where, bool warning,
		   const char *remedy, const char *format, ...)
{
	struct refusal *refusal;
	va_list args;

	rehearsal->refusal = xrealloc(rehearsal->refusal,
				      (rehearsal->nr + 1) * sizeof(*refusal));
	refusal = &rehearsal->refusal[rehearsal->nr++];
	refusal->where = xstrdup(where);
	refusal->warning = warning;
	refusal->remedy = remedy ? xstrdup(remedy) : NULL;
	va_start(args, format);
	refusal->what = xvasprintf(format, args);
	va_end(args);
}

static size_t count_reasons(const struct rehearsal *rehearsal)
{
	size_t nr = 0, i;

	for (i = 0; i < rehearsal->nr; i++)
		nr += !rehearsal->refusal[i].warning;
	return nr;
}

/* What the kernel says of a step that it has just refused */
static void refused(struct rehearsal *rehearsal, const char *step, int error)
{
	char *last = read_kho("last_error");

	refuse(rehearsal, step, false, step_remedy(step, error), "%s%s%s", errno_name(error),
	       last && *last ? ": " : "", last ? last : "");
	free(last);
}

static void take_findings(struct rehearsal *rehearsal, const struct findings *findings)
{
	size_t i;

	for (i = 0; i < findings->nr; i++) {
		const struct finding *finding = &findings->finding[i];

		if (finding->verdict == FINDING_NO)
			refuse(rehearsal, finding->topic, !strcmp(finding->topic, "device"),
			       finding->remedy, "%s", finding->what);
	}
}

static void check(struct rehearsal *rehearsal)
{
	struct findings findings = { .next = &rehearsal->attempt.next, .doing = true };
	int64_t since = now_ns();

	find_all(&findings);
	take_findings(rehearsal, &findings);
	findings_free(&findings);
	progress("check", count_reasons(rehearsal) ? "NO" : "ok", since);
}

/*
 * While somebody may be waiting, nobody else on this processor is to be in our way. It may not be
 * allowed, and is not needed then.
 */
static void be_urgent(bool urgent)
{
	static const struct sched_param one = { .sched_priority = 1 }, none = { 0 };

	sched_setscheduler(0, urgent ? SCHED_FIFO : SCHED_OTHER, urgent ? &one : &none);
}

/* Finalizes. When time is up, waiting within the kernel ends with the child. Gives an errno. */
static int finalize_in_time(const struct rehearsal *rehearsal, int64_t since)
{
	int64_t left = rehearsal->max_wait - (now_ns() - since);
	struct pollfd end = { .events = POLLIN };
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(-write_kho("finalize", "1"));
	if (pid < 0)
		return errno;
	end.fd = syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0 || poll(&end, 1, left > 0 ? left / 1000000 : 0) <= 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (end.fd >= 0)
		close(end.fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : ETIME;
}

static bool is_final(void)
{
	char *state = read_kho("state");
	bool yes = state && !strcmp(state, "final");

	free(state);
	return yes;
}

/*
 * What can be looked at while all is sealed. The kernel's look takes no longer than sealing did;
 * where that would be too long it is left out.
 */
static char *look_at_sealed(struct rehearsal *rehearsal)
{
	char *verify = NULL, *path;

	if (2 * rehearsal->finalize < rehearsal->max_wait) {
		verify = read_kho("verify");
		rehearsal->verified = verify;
	}
	path = rooted("/sys/kernel/debug/kho/blob");
	rehearsal->blob = read_file(path, &rehearsal->blob_len);
	free(path);
	return verify;
}

static void take_verified(struct rehearsal *rehearsal, char *verify)
{
	char *rest, *line;

	for (rest = verify; rest && (line = strsep(&rest, "\n"));)
		if (*line)
			refuse(rehearsal, "next kernel", false,
			       "a bug in its owner, or memory that is damaged", "%s", line);
	free(verify);
}

/* Too long: whom finalize was waiting for is known when it was ended. */
static void give_up(struct rehearsal *rehearsal, int error)
{
	char *last = error ? read_kho("last_error") : NULL;
	char most[32], took[32];

	refuse(rehearsal, "finalize", false,
	       "--max-wait, if guests may wait for longer; khoctl kexec does not ask",
	       "given up: guests may wait for %s, and it took %s%s%s",
	       format_ns(most, rehearsal->max_wait), format_ns(took, rehearsal->waited),
	       last && *last ? "; " : "", last ? last : "");
	free(last);
}

/* Finalize, and its undoing, with as little as possible in between */
static int try_finalize(struct rehearsal *rehearsal)
{
	struct attempt *attempt = &rehearsal->attempt;
	char *verify = NULL;
	int64_t since = now_ns();
	int error, rc = 0;

	be_urgent(true);
	error = finalize_in_time(rehearsal, since);
	rehearsal->finalize = now_ns() - since;
	attempt->finalized = is_final();
	if (!error)
		verify = look_at_sealed(rehearsal);
	if (attempt->finalized)
		rc = undo_steps(true, false);
	attempt->finalized = attempt->finalized && rc;
	rehearsal->waited = now_ns() - since;
	be_urgent(false);

	take_verified(rehearsal, verify);
	rehearsal->gave_up = error == ETIME || rehearsal->waited > rehearsal->max_wait;
	if (error)
		rehearsal->finalize = NOT_KNOWN;
	if (rehearsal->gave_up)
		give_up(rehearsal, error);
	else if (error)
		refused(rehearsal, "finalize", error);
	progress("finalize", error ? "REFUSED" : rehearsal->gave_up ? "too long" : "ok", since);
	return rc;
}

/* Returns 0, or a negative errno when it was interrupted, or something could not be undone. */
static int try_steps(struct rehearsal *rehearsal)
{
	struct attempt *attempt = &rehearsal->attempt;
	int64_t since;
	int rc;

	rc = attempt_interrupted() ?: attempt_allow(attempt);
	if (rc)
		return rc;
	if (attempt_guests(attempt, "prepare", "prepared"))
		refuse(rehearsal, "guests", false, "see what it says on standard error",
		       "a program in " GUESTS_DIR " could not prepare its guests");
	rc = attempt_interrupted();
	if (rc)
		return rc;
	if (attempt->next.image) {
		rc = attempt_load(attempt);
		if (rc)
			refused(rehearsal, "load", -rc);
	}
	/* (without the image the owners are asked nevertheless) */
	rc = attempt_interrupted();
	if (rc)
		return rc;
	since = now_ns();
	rc = attempt_step("activate", &attempt->activated);
	rehearsal->activate = now_ns() - since;
	if (rc)
		refused(rehearsal, "activate", -rc);
	else
		rc = attempt_interrupted() ?: try_finalize(rehearsal) ?: attempt_interrupted();
	return attempt->activated ? rc : attempt_interrupted();
}

/* Which of the sealed subtrees the image could not restore, were it to */
static void check_blob(struct rehearsal *rehearsal)
{
	struct findings findings = { .next = &rehearsal->attempt.next };

	if (!rehearsal->blob || !rehearsal->attempt.next.image)
		return;
	find_in_sealed(&findings, rehearsal->blob, rehearsal->blob_len);
	take_findings(rehearsal, &findings);
	findings_free(&findings);
}

static void read_blackout(struct rehearsal *rehearsal)
{
	char *text = read_kho("timeline");
	struct timeline timeline;

	if (!text)
		return;
	timeline_read(&timeline, text, false);
	rehearsal->blackout = timeline.blackout;
	timeline_free(&timeline);
	free(text);
}

static void print_refusals(const struct rehearsal *rehearsal)
{
	size_t i;

	for (i = 0; i < rehearsal->nr; i++) {
		const struct refusal *refusal = &rehearsal->refusal[i];

		say("%-8s %-13s %s", refusal->warning ? "warning" : "NO", refusal->where,
		    refusal->what);
		if (refusal->remedy)
			say("%23s%s", "remedy: ", refusal->remedy);
	}
}

static void print_result(const struct rehearsal *rehearsal)
{
	int64_t blackout = rehearsal->blackout, finalize = rehearsal->finalize;
	size_t reasons = count_reasons(rehearsal);
	char a[32], b[32], c[32];

	puts("");
	print_refusals(rehearsal);
	if (!rehearsal->has_image)
		say("%-8s %-13s none is given, and none is loaded: only owners were asked",
		    "note", "image");
	if (finalize >= 0 && !rehearsal->verified)
		say("%-8s %-13s what was sealed was not looked at: %s", "note", "next kernel",
		    exists(KHO_DIR "/verify") ? "that would have taken too long" :
		    "this kernel cannot");
	if (rehearsal->waited >= 0)
		say("guests ran on; who touched a hole of a file waited for %s at most",
		    format_ns(a, rehearsal->waited));
	if (finalize >= 0 && blackout >= 0)
		say("guests would stand still for about %s: finalize %s, now; the last blackout %s",
		    format_ns(a, finalize + blackout), format_ns(b, finalize),
		    format_ns(c, blackout));
	else if (finalize >= 0)
		say("finalize took %s; the blackout is not known: no handover started this kernel",
		    format_ns(a, finalize));
	if (reasons)
		say("A live update would be refused now: %zu reasons", reasons);
	else
		say("A live update would be made, as far as can be told before it");
}

static void json_ns(struct json *json, const char *key, int64_t ns)
{
	if (ns >= 0)
		json_s64(json, key, ns);
	else
		json_null(json, key);
}

static void json_result(const struct rehearsal *rehearsal)
{
	bool known = rehearsal->finalize >= 0 && rehearsal->blackout >= 0;
	struct json json = { .to = stdout };
	size_t i;

	json_open(&json, NULL, '{');
	json_bool(&json, "possible", !count_reasons(rehearsal));
	json_bool(&json, "image", rehearsal->has_image);
	json_bool(&json, "gave_up", rehearsal->gave_up);
	json_bool(&json, "verified", rehearsal->verified);
	json_ns(&json, "activate_ns", rehearsal->activate);
	json_ns(&json, "finalize_ns", rehearsal->finalize);
	json_ns(&json, "waited_ns", rehearsal->waited);
	json_ns(&json, "last_blackout_ns", rehearsal->blackout);
	json_ns(&json, "expected_ns",
		known ? rehearsal->finalize + rehearsal->blackout : NOT_KNOWN);
	json_open(&json, "refusals", '[');
	for (i = 0; i < rehearsal->nr; i++) {
		json_open(&json, NULL, '{');
		json_string(&json, "where", rehearsal->refusal[i].where);
		json_string(&json, "what", rehearsal->refusal[i].what);
		json_string(&json, "remedy", rehearsal->refusal[i].remedy);
		json_bool(&json, "warning", rehearsal->refusal[i].warning);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
}

static void free_rehearsal(struct rehearsal *rehearsal)
{
	size_t i;

	for (i = 0; i < rehearsal->nr; i++) {
		free(rehearsal->refusal[i].where);
		free(rehearsal->refusal[i].what);
		free(rehearsal->refusal[i].remedy);
	}
	free(rehearsal->refusal);
	free(rehearsal->blob);
}

/* Nanoseconds, or -1 when @text is no number of milliseconds, or more than a minute */
static int64_t wait_of(const char *text)
{
	char *end;
	unsigned long ms = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && ms <= 60000 ?
	       (int64_t)ms * 1000000 : -1;
}

/* Returns -1 to go on, else the exit status. */
static int parse(struct rehearsal *rehearsal, int argc, char **argv)
{
	struct attempt *attempt = &rehearsal->attempt;
	struct next *next = &attempt->next;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("rehearse");
		if (!strcmp(argv[i], "--json"))
			rehearsal->json = true;
		else if (!strcmp(argv[i], "--guests-timeout") && i + 1 < argc)
			attempt->guests_seconds = guests_seconds(argv[++i]);
		else if (!strcmp(argv[i], "--max-wait") && i + 1 < argc)
			rehearsal->max_wait = wait_of(argv[++i]);
		else if (argv[i][0] != '-' && !next->image)
			next->image = argv[i];
		else if (!next_option(next, argc, argv, &i))
			return misused("rehearse",
				       "unknown argument, or one without its value: %s", argv[i]);
	}
	if (rehearsal->max_wait < 0)
		return misused("rehearse", "--max-wait wants milliseconds");
	if (!attempt->guests_seconds)
		return misused("rehearse", "--guests-timeout wants seconds");
	if (next->image && !next->reuse && !next->append)
		return misused("rehearse", "%s: say --reuse-cmdline or --append; '' if it is empty",
			       "the next kernel's command line is not known");
	if (next->initrd && next->no_initrd)
		return misused("rehearse", "--initrd and --no-initrd exclude each other");
	if (*root_dir)
		return misused("rehearse", "with --root nothing is changed");
	return -1;
}

/* Returns -1 to go on, else the exit status. */
static int prerequisites(struct rehearsal *rehearsal)
{
	const char *image = rehearsal->attempt.next.image;
	char *loaded, *state;
	int status = -1;

	if (!have_kho())
		return EXIT_UNSUPPORTED;
	if (geteuid()) {
		complain("rehearse needs root");
		return EXIT_PERMISSION;
	}
	loaded = read_text("/sys/kernel/kexec_loaded");
	state = read_kho("state");
	rehearsal->has_image = image || (loaded && *loaded == '1');
	if (state && strcmp(state, "idle")) {
		complain("the state is %s: a handover is being prepared already", state);
		complain_remedy("khoctl abort undoes it");
		status = EXIT_REFUSED;
	} else if (image && loaded && *loaded == '1') {
		complain("an image is loaded already, which could not be brought back");
		complain_remedy("unload it with kexec -s -u; or leave IMAGE away to rehearse it");
		status = EXIT_REFUSED;
	}
	free(loaded);
	free(state);
	return status;
}

/**
 * cmd_rehearse - khoctl rehearse
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_rehearse(int argc, char **argv)
{
	struct rehearsal rehearsal = {
		.attempt.guests_seconds = GUESTS_SECONDS,
		.max_wait = MAX_WAIT_MS * 1000000LL,
		.activate = NOT_KNOWN, .finalize = NOT_KNOWN, .waited = NOT_KNOWN,
		.blackout = NOT_KNOWN,
	};
	int status = parse(&rehearsal, argc, argv), caught, rc;

	if (status < 0)
		status = prerequisites(&rehearsal);
	if (status >= 0)
		return status;
	rehearsal.attempt.quiet = rehearsal.json;
	attempt_begin(&rehearsal.attempt);
	check(&rehearsal);
	rc = try_steps(&rehearsal);
	rc = attempt_undo(&rehearsal.attempt) ?: rc;
	caught = attempt_signal();
	attempt_end();
	if (caught) {
		complain("ended by signal %d: %s", caught, strsignal(caught));
		status = EXIT_SIGNAL + caught;
	} else if (!rc) {
		check_blob(&rehearsal);
		read_blackout(&rehearsal);
		if (rehearsal.json)
			json_result(&rehearsal);
		else
			print_result(&rehearsal);
		status = count_reasons(&rehearsal) ? EXIT_REFUSED : EXIT_OK;
	} else {
		status = status_of_errno(-rc);
	}
	free_rehearsal(&rehearsal);
	if (output_error()) {
		complain("standard output cannot be written: %s", strerror(output_error()));
		status = status == EXIT_OK ? EXIT_REFUSED : status;
	}
	return status;
}
