// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl activate, finalize and abort; and what can be done when a step is refused.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "khoctl.h"

static const struct {
	const char *step;
	int error;
	const char *remedy;
} remedies[] = {
	{ "", EPERM, "do it as root; under lockdown only a signed image can be loaded" },
	{ "", EACCES, "do it as root" },
	{ "", EROFS, "leave --root away: with it nothing is changed" },
	{ "", ENOMEM, "free memory, and try again" },
	{ "", EPROTONOSUPPORT,
	  "load a kernel that restores it; or --allow-unreadable: it is kept for a later one" },
	{ "load", EBUSY, "another load is going on, or the crash kernel is in use: try again" },
	{ "load", ENOEXEC,
	  "load a bzImage with CONFIG_KEXEC_HANDOVER: khoctl check IMAGE says more" },
	{ "load", EINVAL, "load it without mem= and memmap= on its command line" },
	{ "load", EADDRNOTAVAIL,
	  "there is no room for the image: preserve less, or in larger pieces" },
	{ "load", EKEYREJECTED, "the image is not signed by a key that this kernel trusts" },
	{ "load", ENODATA, "the image has no signature, and this kernel wants one" },
	{ "activate", EINVAL,
	  "load another kernel if the kernel names its image; else khoctl status says the state" },
	{ "activate", EBUSY, "kexec is in use, or an owner is busy: try again" },
	{ "activate", ENOEXEC, "load another kernel, with kexec -s or khoctl kexec" },
	{ "activate", EAGAIN, "load the kernel again: it will get another place" },
	{ "finalize", EINVAL,
	  "activate first, if it was not; else the owner that the kernel names is at fault" },
	{ "finalize", EBUSY,
	  "if a session is not finished, its program has to finish it; see khoctl status" },
	{ "finalize", ENOSPC, "preserve less, or in larger pieces" },
	{ "finalize", EEXIST,
	  "if it names a session, one of that name came before: finish or discard that one" },
	{ "finalize", ENOEXEC, "load another kernel, with kexec -s or khoctl kexec" },
	{ "finalize", EAGAIN, "load the kernel again: it will get another place" },
	{ "jump", EINVAL, "no kernel is loaded, or its command line has mem= or memmap=" },
	{ "jump", EBUSY, "kexec is in use, or a session is not finished: khoctl status" },
	{ "jump", EAGAIN, "load the kernel again: it will get another place" },
	{ "jump", ENOSPC, "preserve less, or in larger pieces" },
	{ "discard", ENOENT, "khoctl list says what there is" },
	{ "discard", EBUSY,
	  "the state is final, a program has it open, or a subtree may have a claim to it" },
};

/**
 * step_remedy - what can be done about a refusal
 * @step: "load", "activate", "finalize", "jump" or "discard"
 * @error: the errno
 *
 * Return: a text, or NULL
 */
const char *step_remedy(const char *step, int error)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(remedies); i++)
		if (remedies[i].error == error &&
		    (!*remedies[i].step || !strcmp(remedies[i].step, step)))
			return remedies[i].remedy;
	return NULL;
}

void say_last_error(void)
{
	char *text = read_kho("last_error");

	if (text && *text) {
		fputs("  the kernel says: ", stderr);
		put_safe(stderr, text, strlen(text));
		fputc('\n', stderr);
	}
	free(text);
}

/**
 * step - have the kernel do a step, or undo it
 * @file: "activate" or "finalize"
 * @value: "1" or "0"
 *
 * Return: 0, or a negative errno, after saying why
 */
int step(const char *file, const char *value)
{
	int rc = write_kho(file, value);

	if (!rc)
		return 0;
	complain("%s%s: refused with %s: %s", *value == '1' ? "" : "undoing ", file,
		 errno_name(-rc), strerror(-rc));
	if (*value == '1' && status_of_errno(-rc) != EXIT_PERMISSION)
		say_last_error();
	complain_remedy(step_remedy(file, -rc));
	return rc;
}

/**
 * undo_steps - go back
 * @finalized: finalize was done
 * @activated: activate was done
 *
 * Return: 0 or a negative errno
 */
int undo_steps(bool finalized, bool activated)
{
	int rc = finalized ? step("finalize", "0") : 0;

	return !rc && activated ? step("activate", "0") : rc;
}

/**
 * say_done - say what was done
 * @format: as of printf(), without a newline
 *
 * The exit status is about what was done. So when standard output cannot be written, that is said
 * on stderr with the text, and is no failure.
 */
void say_done(const char *format, ...)
{
	va_list args;
	char *text;
	int error;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	say("%s", text);
	error = output_error();
	if (error)
		complain("%s; but standard output cannot be written: %s", text, strerror(error));
	free(text);
}

static int status_of(int rc)
{
	return rc ? status_of_errno(-rc) : EXIT_OK;
}

/*
 * Takes a command that has at most the argument --unload, where @unload is not NULL. Returns -1 to
 * go on, else the exit status.
 */
static int parse(int argc, char **argv, bool *unload)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help(argv[0]);
		if (!unload || strcmp(argv[i], "--unload"))
			return misused(argv[0], "unknown argument: %s", argv[i]);
		*unload = true;
	}
	/* A reader that goes away is no reason to stop halfway. */
	signal(SIGPIPE, SIG_IGN);
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	return -1;
}

int cmd_activate(int argc, char **argv)
{
	int status = parse(argc, argv, NULL);
	char *state;

	if (status >= 0)
		return status;
	state = read_kho("state");
	if (state && strcmp(state, "idle")) {
		say_done("nothing to do: the state is %s", state);
	} else {
		status = status_of(step("activate", "1"));
		if (status == EXIT_OK)
			say_done("active: owners have prepared");
	}
	free(state);
	return status < 0 ? EXIT_OK : status;
}

int cmd_finalize(int argc, char **argv)
{
	int status = parse(argc, argv, NULL);
	char *state;

	if (status >= 0)
		return status;
	state = read_kho("state");
	if (state && !strcmp(state, "final")) {
		say_done("nothing to do: the state is final");
	} else {
		status = status_of(step("finalize", "1"));
		if (status == EXIT_OK)
			say_done("final: everything is sealed, kexec can jump");
	}
	free(state);
	return status < 0 ? EXIT_OK : status;
}

/**
 * cmd_abort - khoctl abort
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status
 */
int cmd_abort(int argc, char **argv)
{
	bool unload = false;
	int status = parse(argc, argv, &unload);
	bool final, idle;
	int rc, guests = 0;
	char *state;

	if (status >= 0)
		return status;
	state = read_kho("state");
	if (!state) {
		complain(KHO_DIR "/state cannot be read: %s", strerror(errno));
		return EXIT_REFUSED;
	}
	final = !strcmp(state, "final");
	idle = !strcmp(state, "idle");
	rc = undo_steps(final, !idle);
	if (!rc)
		say_done("%s", idle ? "nothing to undo: the state is idle" :
			 "idle: owners may go on as if nothing had been");
	free(state);
	if (!rc && !*root_dir && !geteuid() && guests_call("cancel", GUESTS_SECONDS) < 0)
		guests = -ECANCELED;
	if (!rc && unload) {
		rc = *root_dir ? -EROFS : 0;
		if (!rc && syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 1 /* unload */))
			rc = -errno;
		if (rc)
			complain("unload: %s: %s", errno_name(-rc), strerror(-rc));
	}
	return status_of(rc ?: guests);
}
