// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl kexec: a whole live update. Each step is undone in reverse order when a later one is
 * refused, when a signal comes before the jump, or when standard output cannot be written: nobody
 * would know then how far it came.
 *
 * Signals are let in between the steps only, never within one: the kernel's own steps cannot be
 * left halfway. That is so for every signal that ends a program, or stops it: a machine is not to
 * stand still in between either. SIGKILL, and a fault of khoctl's own, are all that leaves things
 * as they are then.
 */
#include <errno.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "khoctl.h"

struct job {
	struct next next;
	bool replace, no_jump, systemd;
	unsigned int guests_seconds;
	/* What has to be undone */
	bool loaded, activated, finalized, allowed, guests;
};

/* When this unit is active, it loads the kernel of its own configuration as services stop. */
#define LOADER "kho-live-update"

/* What has to be undone when khoctl ends itself, as it is out of memory */
static struct job *under_way;

/* Signals that end a program */
static sigset_t fatal;

/* The signals that were blocked when khoctl was started */
static sigset_t mask_before;

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

/* The number of a signal that has come, or 0 */
static int signal_came(void)
{
	sigset_t pending;
	int number;

	sigpending(&pending);
	for (number = 1; number <= SIGRTMAX; number++)
		if (sigismember(&pending, number) == 1 && sigismember(&fatal, number) == 1)
			return number;
	return 0;
}

/* 0, or why no further step is to be taken */
static int interrupted(void)
{
	return signal_came() ? -EINTR : -output_error();
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void progress(const char *what, const char *result, int64_t since)
{
	char took[32];

	say("%-10s %-8s %s", what, result, format_ns(took, now() - since));
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

static int load_image(struct job *job)
{
	long flags = job->next.initrd ? 0 : KEXEC_FILE_NO_INITRAMFS;
	char *cmdline = next_cmdline(&job->next);
	int kernel, initrd = -1, rc = 0;

	if (!cmdline) {
		complain("/proc/cmdline cannot be read: %s", strerror(errno));
		return -EIO;
	}
	kernel = open_or_complain(job->next.image);
	if (kernel >= 0 && job->next.initrd)
		initrd = open_or_complain(job->next.initrd);
	if (kernel < 0 || (job->next.initrd && initrd < 0)) {
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

/* Undoes, in reverse order, what was done. Gives the worst that happened. */
static int roll_back(struct job *job)
{
	int64_t since = now();
	int rc;

	under_way = NULL;
	if (!job->loaded && !job->allowed && !job->guests)
		return 0;
	rc = undo_steps(job->finalized, job->activated);
	job->finalized = job->finalized && rc;
	job->activated = job->activated && rc;
	if (job->loaded && syscall(SYS_kexec_file_load, -1, -1, 0, NULL, KEXEC_FILE_UNLOAD)) {
		rc = -errno;
		complain("the image cannot be unloaded: %s", strerror(-rc));
	}
	if (job->allowed)
		rc = write_kho("allow_unreadable", "0") ?: rc;
	/* (nobody waits any more for what they stand still for) */
	if (job->guests && guests_call("cancel", job->guests_seconds) < 0)
		rc = rc ?: -ECANCELED;
	progress("roll-back", rc ? "FAILED" : "done", since);
	if (rc)
		complain("khoctl status says what is left; khoctl abort --unload undoes it");
	return rc;
}

static void roll_back_at_exit(void)
{
	if (under_way)
		roll_back(under_way);
}

/*
 * Devices that could not be preserved keep nothing from being tried: nobody may want to preserve
 * them.
 */
static int check(const struct job *job)
{
	struct findings findings = { .next = &job->next, .doing = true };
	int64_t since = now();
	int reasons = 0;
	size_t i;

	find_all(&findings);
	for (i = 0; i < findings.nr; i++) {
		const struct finding *finding = &findings.finding[i];
		bool device = !strcmp(finding->topic, "device");

		if (finding->verdict != FINDING_NO)
			continue;
		complain("%s%s: %s", device ? "warning: " : "", finding->topic, finding->what);
		complain_remedy(finding->remedy);
		reasons += !device;
	}
	progress("check", reasons ? "NO" : "ok", since);
	findings_free(&findings);
	return reasons ? -EINVAL : interrupted();
}

/* A step of the kernel's, unless somebody did it before. */
static int advance(const char *file, bool *done)
{
	int64_t since = now();
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

/*
 * What guests.d has to do. A program that fails may have done something nevertheless, and the
 * others have.
 */
static int have_guests(struct job *job, const char *word, const char *done)
{
	int64_t since = now();
	int rc = guests_call(word, job->guests_seconds);

	if (rc > 0)
		return 0;
	job->guests = true;
	progress("guests", rc ? "FAILED" : done, since);
	return rc;
}

/* Returns only when it did not work. */
static int start_next(void)
{
	int rc;

	say("jump");
	output_error();
	sync();
	rc = interrupted();
	if (rc)
		return rc;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC,
		NULL);
	rc = -errno;
	complain("jump: refused with %s: %s", errno_name(-rc), strerror(-rc));
	say_last_error();
	complain_remedy(step_remedy("jump", -rc));
	return rc;
}

/* Gives 0 when it succeeds. */
static int systemctl(const char *command, const char *unit)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, &mask_before, NULL);
		execlp("systemctl", "systemctl", "--quiet", command, unit, NULL);
		_exit(127);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status;
}

/*
 * Services stop before systemd jumps, and may preserve more meanwhile; the kernel activates and
 * finalizes at the jump. Both were tried by now, as systemd would reboot when it is refused.
 */
static int leave_to_systemd(struct job *job)
{
	int rc = undo_steps(job->finalized, job->activated);

	job->finalized = job->finalized && rc;
	job->activated = job->activated && rc;
	if (rc)
		return rc;
	say("jump       left to systemctl kexec");
	rc = interrupted();
	if (rc)
		return rc;
	if (!systemctl("kexec", NULL))
		return 0;
	complain("systemctl kexec failed");
	return -EIO;
}

static int run(struct job *job)
{
	int64_t since = now();
	char *allowed;
	int rc;

	if (job->next.allow_unreadable) {
		allowed = read_kho("allow_unreadable");
		rc = allowed && *allowed == '1' ? 0 : write_kho("allow_unreadable", "1");
		job->allowed = !rc && !(allowed && *allowed == '1');
		free(allowed);
		if (rc) {
			complain("allow_unreadable: %s", strerror(-rc));
			return rc;
		}
	}
	/* (before the load: the image does not go where guests have their memory, then) */
	rc = have_guests(job, "prepare", "prepared") ?: interrupted();
	if (rc)
		return rc;
	since = now();
	rc = load_image(job);
	job->loaded = !rc;
	progress("load", rc ? "REFUSED" : "ok", since);
	if (!rc)
		rc = interrupted();
	if (!rc)
		rc = advance("activate", &job->activated);
	if (!rc)
		rc = interrupted();
	/* (systemd's units have them saved, when services have stopped) */
	if (!rc && !job->systemd)
		rc = have_guests(job, "save", "saved") ?: interrupted();
	if (!rc)
		rc = advance("finalize", &job->finalized);
	if (!rc)
		rc = interrupted();
	if (rc)
		return rc;
	if (job->systemd)
		return leave_to_systemd(job);
	return job->no_jump ? 0 : start_next();
}

/* Returns -1 to go on, else the exit status. */
static int parse(struct job *job, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("kexec");
		if (!strcmp(argv[i], "--replace"))
			job->replace = true;
		else if (!strcmp(argv[i], "--no-jump"))
			job->no_jump = true;
		else if (!strcmp(argv[i], "--systemd"))
			job->systemd = true;
		else if (!strcmp(argv[i], "--guests-timeout") && i + 1 < argc)
			job->guests_seconds = guests_seconds(argv[++i]);
		else if (argv[i][0] != '-' && !job->next.image)
			job->next.image = argv[i];
		else if (!next_option(&job->next, argc, argv, &i))
			return misused("kexec", "unknown argument, or one without its value: %s",
				       argv[i]);
	}
	if (!job->guests_seconds)
		return misused("kexec", "--guests-timeout wants seconds");
	if (!job->next.image)
		return misused("kexec", "an IMAGE is wanted");
	if (!job->next.reuse && !job->next.append)
		return misused("kexec", "%s: say --reuse-cmdline or --append; '' if it is empty",
			       "the next kernel's command line is not known");
	if (job->next.initrd && job->next.no_initrd)
		return misused("kexec", "--initrd and --no-initrd exclude each other");
	if (job->no_jump && job->systemd)
		return misused("kexec", "--no-jump and --systemd exclude each other");
	return -1;
}

/* Returns -1 to go on, else the exit status. */
static int prerequisites(const struct job *job)
{
	char *loaded = read_text("/sys/kernel/kexec_loaded");
	bool is_loaded = loaded && *loaded == '1';

	free(loaded);
	sigprocmask(SIG_BLOCK, NULL, &mask_before);
	if (*root_dir)
		return misused("kexec", "with --root nothing is changed");
	if (!have_kho())
		return EXIT_UNSUPPORTED;
	if (geteuid()) {
		complain("kexec needs root");
		return EXIT_PERMISSION;
	}
	if (job->systemd && !exists("/run/systemd/system")) {
		complain("--systemd: systemd is not running here");
		return EXIT_REFUSED;
	}
	if (job->systemd && !systemctl("is-active", LOADER)) {
		complain("--systemd: " LOADER " would load another kernel before the jump");
		complain_remedy("systemctl stop " LOADER
				"; or set KERNEL in /etc/default/kho, and systemctl kexec");
		return EXIT_REFUSED;
	}
	if (is_loaded && !job->replace) {
		complain("an image is loaded already, which could not be brought back");
		complain_remedy("unload it with kexec -s -u, or say --replace");
		return EXIT_REFUSED;
	}
	return -1;
}

/**
 * cmd_kexec - khoctl kexec
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status, if the jump was not made
 */
int cmd_kexec(int argc, char **argv)
{
	struct job job = { .guests_seconds = GUESTS_SECONDS };
	int rc, caught, status = parse(&job, argc, argv);

	if (status < 0)
		status = prerequisites(&job);
	if (status >= 0)
		return status;
	hold_signals();
	under_way = &job;
	atexit(roll_back_at_exit);
	rc = check(&job);
	if (!rc)
		rc = run(&job);
	/* Once systemd goes down, signals come to everybody. */
	caught = !rc && job.systemd ? 0 : signal_came();
	if (rc || caught)
		roll_back(&job);
	under_way = NULL;
	if (caught) {
		complain("ended by signal %d: %s", caught, strsignal(caught));
		return EXIT_SIGNAL + caught;
	}
	if (rc && output_error())
		complain("standard output cannot be written: %s", strerror(output_error()));
	return rc ? status_of_errno(-rc) : EXIT_OK;
}
