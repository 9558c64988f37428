// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl guests, and what khoctl kexec and the units of systemd do about guests: the programs in
 * /etc/kho/guests.d are called, all at once, with a word that says what is to be done.
 *
 *	check	 could the guests be saved? They run. Before the next kernel is loaded
 *	prepare	 preserve what can be preserved while they run, so that the image finds its place
 *	save	 stop them: they are to go on under the next kernel. Between activate and finalize
 *	cancel	 there will be no next kernel now: they go on under this one
 *	early	 under the next kernel, in its initramfs: those go on that need nothing else
 *	restore	 under the next kernel: the others go on
 *	initramfs  say what "early" wants to have there, see guests_initramfs.c
 *
 * A program returns 0 when that is done, or there was nothing to be done, and when it does not know
 * the word. It has a process group of its own, and is killed when its time is over.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "khoctl.h"

#define SECONDS_TO_END	2

static const struct {
	const char *word, *done;
} words[] = {
	{ "check", "could be saved" },
	{ "prepare", "prepared" },
	{ "save", "saved" },
	{ "cancel", "running on" },
	{ "early", "restored, as far as they can be this early" },
	{ "restore", "restored" },
};

/* A program that was started */
struct call {
	char *name;
	pid_t pid;
	int pidfd;
	int said;	/* where it prints to: a file, or standard error */
};

/* As run-parts(8) has it: what package managers and editors leave has another name. */
static int is_program(const struct dirent *entry)
{
	const char *c = entry->d_name;
	char *path;
	struct stat stat_of;
	bool yes;

	while (*c && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c))
		c++;
	if (*c)
		return 0;
	path = xasprintf(GUESTS_DIR "/%s", entry->d_name);
	yes = !stat(path, &stat_of) && S_ISREG(stat_of.st_mode) && !access(path, X_OK);
	free(path);
	return yes;
}

static int64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static void start(struct call *call, const char *word)
{
	char *path = xasprintf(GUESTS_DIR "/%s", call->name);
	sigset_t none;

	fflush(NULL);
	call->pid = call->said < 0 ? -1 : fork();
	if (!call->pid) {
		setpgid(0, 0);
		sigemptyset(&none);
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* What khoctl itself prints may be JSON. */
		dup2(call->said, STDOUT_FILENO);
		execl(path, path, word, NULL);
		fprintf(stderr, "khoctl: %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	free(path);
	call->pidfd = call->pid > 0 ? syscall(SYS_pidfd_open, call->pid, 0) : -1;
	if (call->pid > 0)
		setpgid(call->pid, call->pid);
}

static bool ends(const struct call *call, int64_t until)
{
	struct pollfd end = { .fd = call->pidfd, .events = POLLIN };
	int64_t left = until - now_ms();

	return poll(&end, 1, left > 0 ? left : 0) > 0;
}

/* 0, or a negative errno after saying why */
static int finish(struct call *call, const char *word, unsigned int seconds, int64_t until)
{
	int status = 0;

	if (call->pid < 0 || call->pidfd < 0) {
		complain("guests: %s cannot be started: %s", call->name, strerror(EAGAIN));
		return -EAGAIN;
	}
	if (!ends(call, until)) {
		kill(-call->pid, SIGTERM);
		if (!ends(call, now_ms() + SECONDS_TO_END * 1000))
			kill(-call->pid, SIGKILL);
		waitpid(call->pid, &status, 0);
		complain("guests: %s %s has not ended within %u seconds, and was killed",
			 call->name, word, seconds);
		return -ETIMEDOUT;
	}
	waitpid(call->pid, &status, 0);
	if (!status)
		return 0;
	if (WIFSIGNALED(status))
		complain("guests: %s %s was killed by signal %d", call->name, word,
			 WTERMSIG(status));
	else
		complain("guests: %s %s has failed, with exit status %d", call->name, word,
			 WEXITSTATUS(status));
	return -ECANCELED;
}

/* What it has printed is heard from its beginning, and is closed. */
static int hear_it(struct call *call, int (*hear)(const char *name, FILE *said))
{
	FILE *said = fdopen(call->said, "r");
	int rc;

	if (!said)
		return -errno;
	rewind(said);
	rc = hear(call->name, said);
	fclose(said);
	return rc;
}

/**
 * guests_ask - have all programs do something, wait for them, and hear what they have to say
 * @word: what
 * @seconds: how long each may take
 * @hear: called for each that has not failed, in the order of their names, with what it has
 *	printed. It returns 0, or a negative errno after saying why. NULL: that goes to standard
 *	error
 *
 * Each that fails is named, and what it says itself is on standard error.
 *
 * Return: 0; the errno, negative, of the first that has failed; or 1 when there is no program
 */
int guests_ask(const char *word, unsigned int seconds, int (*hear)(const char *name, FILE *said))
{
	int64_t until = now_ms() + seconds * 1000LL;
	struct dirent **entries = NULL;
	struct call *calls;
	int nr, i, rc = 0;

	nr = scandir(GUESTS_DIR, &entries, is_program, alphasort);
	if (nr < 0 && errno != ENOENT) {
		rc = -errno;
		complain(GUESTS_DIR ": %s", strerror(-rc));
		return rc;
	}
	if (nr <= 0) {
		free(entries);
		return 1;
	}
	calls = xzalloc(nr * sizeof(*calls));
	for (i = 0; i < nr; i++) {
		calls[i].name = entries[i]->d_name;
		calls[i].said = hear ? memfd_create(word, MFD_CLOEXEC) : STDERR_FILENO;
		start(&calls[i], word);
	}
	for (i = 0; i < nr; i++) {
		int error = finish(&calls[i], word, seconds, until);

		if (!error && hear)
			error = hear_it(&calls[i], hear);
		rc = rc ?: error;
		if (calls[i].pidfd >= 0)
			close(calls[i].pidfd);
		free(entries[i]);
	}
	free(calls);
	free(entries);
	return rc;
}

/**
 * guests_call - have all programs do something, and wait for them
 * @word: what
 * @seconds: how long each may take
 *
 * Return: as guests_ask() does
 */
int guests_call(const char *word, unsigned int seconds)
{
	return guests_ask(word, seconds, NULL);
}

/* Note what the programs say, for khoctl check and before khoctl kexec does anything. */
void find_guests(struct findings *findings)
{
	int rc;

	if (*root_dir || !exists(GUESTS_DIR))
		return;
	if (geteuid()) {
		find(findings, FINDING_UNKNOWN, "guests", "try as root",
		     "programs in " GUESTS_DIR " are called by root only");
		return;
	}
	rc = guests_call("check", GUESTS_SECONDS);
	if (!rc)
		find(findings, FINDING_OK, "guests", NULL,
		     "the programs in " GUESTS_DIR " have nothing against it");
	else if (rc < 0)
		find(findings, FINDING_NO, "guests",
		     "see what it says on standard error: khoctl guests check",
		     "a program in " GUESTS_DIR " is against it");
}

/**
 * guests_seconds - how long is each program to have?
 * @text: what was said
 *
 * Return: the seconds; 0 when that is no number of them, or more than a day
 */
unsigned int guests_seconds(const char *text)
{
	unsigned long seconds;
	char *end;

	seconds = strtoul(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && seconds <= 86400 ? seconds : 0;
}

/**
 * cmd_guests - khoctl guests
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_guests(int argc, char **argv)
{
	unsigned int seconds = GUESTS_SECONDS;
	size_t i, which = ARRAY_SIZE(words);
	bool initramfs = false;
	int rc;

	for (i = 1; i < (size_t)argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("guests");
		if (!strcmp(argv[i], "--timeout") && i + 1 < (size_t)argc) {
			seconds = guests_seconds(argv[++i]);
			if (!seconds)
				return misused("guests", "no number of seconds: %s", argv[i]);
			continue;
		}
		if (initramfs || which < ARRAY_SIZE(words))
			return misused("guests", "too much: %s", argv[i]);
		initramfs = !strcmp(argv[i], "initramfs");
		if (initramfs)
			continue;
		for (which = 0; which < ARRAY_SIZE(words); which++)
			if (!strcmp(argv[i], words[which].word))
				break;
		if (which == ARRAY_SIZE(words))
			return misused("guests", "unknown word: %s", argv[i]);
	}
	if (!initramfs && which == ARRAY_SIZE(words))
		return misused("guests", "a word is wanted that says what is to be done");
	if (*root_dir)
		return misused("guests", "with --root nothing is changed");
	if (geteuid()) {
		complain("guests needs root");
		return EXIT_PERMISSION;
	}
	if (initramfs)
		return guests_initramfs(seconds) < 0 || output_error() ? EXIT_REFUSED : EXIT_OK;
	rc = guests_call(words[which].word, seconds);
	if (rc < 0)
		return EXIT_REFUSED;
	say_done("guests: %s", rc ? "there is no program in " GUESTS_DIR : words[which].done);
	return EXIT_OK;
}
