// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: what kexec and rehearse have in common. Each step is noted, and undone in reverse order:
 * when a later one is refused, when a signal comes, or when khoctl ends itself.
 *
 * Signals are let in between the steps only, never within one: the kernel's own steps cannot be
 * left halfway. That is so for every signal that ends a program, or stops it: a machine is not to
 * stand still in between either. SIGKILL, and a fault of khoctl's own, are all that leaves things
 * as they are then.
 */
#include <errno.h>
#include <linux/kexec.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "khoctl.h"

/* What has to be undone when khoctl ends itself, as it is out of memory */
static struct attempt *under_way;

/* Signals that end a program */
static sigset_t fatal;

/* The signals that were blocked when khoctl was started */
static sigset_t mask_before;

void attempt_own_signals(void)
{
	if (under_way)
		sigprocmask(SIG_SETMASK, &mask_before, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* What is printed is a document. */
static bool quiet;

static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) || action.sa_handler == SIG_IGN;
}

/* What was ignored from the start, as with nohup, is let be. */
static void hold_signals(void)
{
	static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH };
	static const int stopping[] = { SIGTSTP, SIGTTIN, SIGTTOU };
	sigset_t held;
	int number;
	size_t i;

	sigfillset(&fatal);
	for (i = 0; i < ARRAY_SIZE(harmless); i++)
		sigdelset(&fatal, harmless[i]);
	for (i = 0; i < ARRAY_SIZE(stopping); i++)
		sigdelset(&fatal, stopping[i]);
	/* When nobody reads what is printed, that is seen at the next step. */
	signal(SIGPIPE, SIG_IGN);
	for (number = 1; number <= SIGRTMAX; number++)
		if (is_ignored(number))
			sigdelset(&fatal, number);
	held = fatal;
	for (i = 0; i < ARRAY_SIZE(stopping); i++)
		sigaddset(&held, stopping[i]);
	sigprocmask(SIG_BLOCK, &held, &mask_before);
}

int attempt_signal(void)
{
	sigset_t pending;
	int number;

	sigpending(&pending);
	for (number = 1; number <= SIGRTMAX; number++)
		if (sigismember(&pending, number) == 1 && sigismember(&fatal, number) == 1)
			return number;
	return 0;
}

int attempt_interrupted(void)
{
	return attempt_signal() ? -EINTR : -output_error();
}

int64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

void progress(const char *what, const char *result, int64_t since)
{
	char took[32];

	if (quiet)
		return;
	say("%-10s %-8s %s", what, result, format_ns(took, now_ns() - since));
	output_error();
}

/* Why a load was refused. What the kernel said last may be of another time. */
static void complain_load(int error)
{
	char *last = read_kho("last_error");
	bool by_kho = last && !strncmp(last, "image:", strlen("image:")) &&
		      (error == EINVAL || error == ENOEXEC || error == EPROTONOSUPPORT);

	free(last);
	complain("load: refused with %s: %s", errno_name(error), strerror(error));
	if (by_kho)
		say_last_error();
	complain_remedy(error == EINVAL && !by_kho ? "dmesg says what the kernel does not like" :
			step_remedy("load", error));
}

/* Gives a descriptor or a negative errno. */
static int open_or_complain(const char *path)
{
	const char *why;
	int fd = open_to_load(path, &why);

	if (fd >= 0)
		return fd;
	fd = -errno;
	complain("%s: %s", path, why);
	return fd;
}

static int load_image(const struct attempt *attempt)
{
	long flags = attempt->next.initrd ? 0 : KEXEC_FILE_NO_INITRAMFS;
	char *cmdline = next_cmdline(&attempt->next);
	int kernel, initrd = -1, rc = 0;

	if (!cmdline) {
		complain("/proc/cmdline cannot be read: %s", strerror(errno));
		return -EIO;
	}
	kernel = open_or_complain(attempt->next.image);
	if (kernel >= 0 && attempt->next.initrd)
		initrd = open_or_complain(attempt->next.initrd);
	if (kernel < 0 || (attempt->next.initrd && initrd < 0)) {
		rc = kernel < 0 ? kernel : initrd;
	} else if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1, cmdline,
			   flags)) {
		rc = -errno;
		complain_load(-rc);
	}
	if (kernel >= 0)
		close(kernel);
	if (initrd >= 0)
		close(initrd);
	free(cmdline);
	return rc;
}

/**
 * attempt_load - load the image
 * @attempt: knows which
 *
 * Return: 0, or a negative errno, after saying why
 */
int attempt_load(struct attempt *attempt)
{
	int64_t since = now_ns();
	int rc = load_image(attempt);

	attempt->loaded = !rc;
	progress("load", rc ? "REFUSED" : "ok", since);
	return rc;
}

/**
 * attempt_allow - write allow_unreadable, if that is asked for
 * @attempt: knows whether
 *
 * Return: 0, or a negative errno, after saying why
 */
int attempt_allow(struct attempt *attempt)
{
	char *allowed;
	int rc;

	if (!attempt->next.allow_unreadable)
		return 0;
	allowed = read_kho("allow_unreadable");
	rc = allowed && *allowed == '1' ? 0 : write_kho("allow_unreadable", "1");
	attempt->allowed = !rc && !(allowed && *allowed == '1');
	free(allowed);
	if (rc)
		complain("allow_unreadable: %s", strerror(-rc));
	return rc;
}

/**
 * attempt_undo - undo, in reverse order, what was done
 * @attempt: it; nothing is to be undone afterwards
 *
 * Return: 0, or the errno of the worst that happened
 */
int attempt_undo(struct attempt *attempt)
{
	int64_t since = now_ns();
	int rc;

	under_way = NULL;
	if (!attempt->loaded && !attempt->allowed && !attempt->guests && !attempt->activated)
		return 0;
	rc = undo_steps(attempt->finalized, attempt->activated);
	attempt->finalized = attempt->finalized && rc;
	attempt->activated = attempt->activated && rc;
	if (attempt->loaded && syscall(SYS_kexec_file_load, -1, -1, 0, NULL, KEXEC_FILE_UNLOAD)) {
		rc = -errno;
		complain("the image cannot be unloaded: %s", strerror(-rc));
	}
	if (attempt->allowed)
		rc = write_kho("allow_unreadable", "0") ?: rc;
	/* (nobody waits any more for what they stand still for) */
	if (attempt->guests && guests_call("cancel", attempt->guests_seconds) < 0)
		rc = rc ?: -ECANCELED;
	progress("roll-back", rc ? "FAILED" : "done", since);
	if (rc)
		complain("khoctl status says what is left; khoctl abort --unload undoes it");
	return rc;
}

static void undo_at_exit(void)
{
	if (under_way)
		attempt_undo(under_way);
}

/**
 * attempt_begin - signals wait, and all is undone if khoctl ends, from here on
 * @attempt: what is tried
 */
void attempt_begin(struct attempt *attempt)
{
	hold_signals();
	quiet = attempt->quiet;
	under_way = attempt;
	atexit(undo_at_exit);
}

/**
 * attempt_end - there is nothing to be undone any more
 */
void attempt_end(void)
{
	under_way = NULL;
}

/**
 * attempt_step - a step of the kernel's, unless somebody did it before
 * @file: "activate" or "finalize"
 * @done: set to whether it was done here
 *
 * Return: 0, or a negative errno, after saying why
 */
int attempt_step(const char *file, bool *done)
{
	int64_t since = now_ns();
	char *value = read_kho(file);
	bool was = value && *value == '1';
	int rc;

	free(value);
	if (was) {
		progress(file, "was done", since);
		return 0;
	}
	rc = step(file, "1");
	*done = !rc;
	progress(file, rc ? "REFUSED" : "ok", since);
	return rc;
}

/**
 * attempt_guests - what guests.d has to do
 * @attempt: what is tried
 * @word: what it is called with
 * @done: the word for that it was done
 *
 * A program that fails may have done something nevertheless, and the others have.
 *
 * Return: 0 or a negative errno
 */
int attempt_guests(struct attempt *attempt, const char *word, const char *done)
{
	int64_t since = now_ns();
	int rc = guests_call(word, attempt->guests_seconds);

	if (rc > 0)
		return 0;
	attempt->guests = true;
	progress("guests", rc ? "FAILED" : done, since);
	return rc;
}

