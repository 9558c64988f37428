// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl kexec: a whole live update. Each step is undone in reverse order when a later one is
 * refused, when a signal comes before the jump, or when standard output cannot be written: nobody
 * would know then how far it came. How that is done is in attempt.c.
 */
#include <errno.h>
#include <linux/reboot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "khoctl.h"

struct job {
	struct attempt attempt;
	bool replace, no_jump, systemd;
};

/* When this unit is active, it loads the kernel of its own configuration as services stop. */
#define LOADER "kho-live-update"

/*
 * Devices that could not be preserved keep nothing from being tried: nobody may want to preserve
 * them.
 */
static int check(const struct job *job)
{
	struct findings findings = { .next = &job->attempt.next, .doing = true };
	int64_t since = now_ns();
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
	return reasons ? -EINVAL : attempt_interrupted();
}

/* Returns only when it did not work. */
static int start_next(void)
{
	int rc;

	say("jump");
	output_error();
	sync();
	rc = attempt_interrupted();
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
		attempt_own_signals();
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
	int rc = undo_steps(job->attempt.finalized, job->attempt.activated);

	job->attempt.finalized = job->attempt.finalized && rc;
	job->attempt.activated = job->attempt.activated && rc;
	if (rc)
		return rc;
	say("jump       left to systemctl kexec");
	rc = attempt_interrupted();
	if (rc)
		return rc;
	if (!systemctl("kexec", NULL))
		return 0;
	complain("systemctl kexec failed");
	return -EIO;
}

static int run(struct job *job)
{
	struct attempt *attempt = &job->attempt;
	int rc;

	/* (before the load: the image does not go where guests have their memory, then) */
	rc = attempt_allow(attempt) ?: attempt_guests(attempt, "prepare", "prepared") ?:
	     attempt_interrupted() ?: attempt_load(attempt) ?: attempt_interrupted() ?:
	     attempt_step("activate", &attempt->activated) ?: attempt_interrupted();
	/* (systemd's units have them saved, when services have stopped) */
	if (!rc && !job->systemd)
		rc = attempt_guests(attempt, "save", "saved") ?: attempt_interrupted();
	if (!rc)
		rc = attempt_step("finalize", &attempt->finalized) ?: attempt_interrupted();
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
			job->attempt.guests_seconds = guests_seconds(argv[++i]);
		else if (argv[i][0] != '-' && !job->attempt.next.image)
			job->attempt.next.image = argv[i];
		else if (!next_option(&job->attempt.next, argc, argv, &i))
			return misused("kexec", "unknown argument, or one without its value: %s",
				       argv[i]);
	}
	if (!job->attempt.guests_seconds)
		return misused("kexec", "--guests-timeout wants seconds");
	if (!job->attempt.next.image)
		return misused("kexec", "an IMAGE is wanted");
	if (!job->attempt.next.reuse && !job->attempt.next.append)
		return misused("kexec", "%s: say --reuse-cmdline or --append; '' if it is empty",
			       "the next kernel's command line is not known");
	if (job->attempt.next.initrd && job->attempt.next.no_initrd)
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
	struct job job = { .attempt.guests_seconds = GUESTS_SECONDS };
	int rc, caught, status = parse(&job, argc, argv);

	if (status < 0)
		status = prerequisites(&job);
	if (status >= 0)
		return status;
	attempt_begin(&job.attempt);
	rc = check(&job);
	if (!rc)
		rc = run(&job);
	/* Once systemd goes down, signals come to everybody. */
	caught = !rc && job.systemd ? 0 : attempt_signal();
	if (rc || caught)
		attempt_undo(&job.attempt);
	attempt_end();
	if (caught) {
		complain("ended by signal %d: %s", caught, strsignal(caught));
		return EXIT_SIGNAL + caught;
	}
	if (rc && output_error())
		complain("standard output cannot be written: %s", strerror(output_error()));
	return rc ? status_of_errno(-rc) : EXIT_OK;
}
