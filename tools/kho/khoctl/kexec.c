// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl kexec: a whole live update. Each step is undone in reverse order when a later one is
 * refused, or when a signal comes before the jump.
 *
 * Signals are let in between the steps only, never within one: the kernel's own steps cannot be
 * left halfway.
 */
#include <errno.h>
#include <fcntl.h>
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
	const char *image, *initrd, *append;
	bool reuse, allow_unreadable, replace, no_jump, systemd;
	/* What has to be undone */
	bool loaded, activated, finalized, allowed;
};

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

static void mask_signals(int how)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(how, &set, NULL);
}

/* The number of a signal that has come, or 0 */
static int signal_came(void)
{
	sigset_t set;
	size_t i;

	sigpending(&set);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigismember(&set, signals[i]))
			return signals[i];
	return 0;
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

	printf("%-10s %-8s %s\n", what, result, format_ns(took, now() - since));
	fflush(stdout);
}

static int load_image(struct job *job)
{
	char *own = read_text("/proc/cmdline"), *cmdline;
	int kernel = -1, initrd = -1, rc;
	long flags = job->initrd ? 0 : KEXEC_FILE_NO_INITRAMFS;

	cmdline = xasprintf("%s%s%s", job->reuse && own ? own : "",
			    job->reuse && job->append ? " " : "", job->append ? job->append : "");
	kernel = open(job->image, O_RDONLY | O_CLOEXEC);
	rc = kernel < 0 ? -errno : 0;
	if (rc)
		complain("%s: %s", job->image, strerror(-rc));
	if (!rc && job->initrd) {
		initrd = open(job->initrd, O_RDONLY | O_CLOEXEC);
		rc = initrd < 0 ? -errno : 0;
		if (rc)
			complain("%s: %s", job->initrd, strerror(-rc));
	}
	if (rc)
		goto out;
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1, cmdline, flags)) {
		rc = -errno;
		complain("load: refused with %s: %s", errno_name(-rc), strerror(-rc));
		if (status_of_errno(-rc) != EXIT_PERMISSION)
			say_last_error();
		if (step_remedy("load", -rc))
			fprintf(stderr, "  remedy: %s\n", step_remedy("load", -rc));
	}
out:
	if (kernel >= 0)
		close(kernel);
	if (initrd >= 0)
		close(initrd);
	free(cmdline);
	free(own);
	return rc;
}

/* Undoes, in reverse order, what was done. Gives the worst that happened. */
static int roll_back(struct job *job)
{
	int64_t since = now();
	int rc;

	if (!job->loaded && !job->allowed)
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
	progress("roll-back", rc ? "FAILED" : "done", since);
	if (rc)
		complain("khoctl status says what is left; khoctl abort --unload undoes it");
	return rc;
}

/*
 * Devices that could not be preserved keep nothing from being tried: nobody may want to preserve
 * them.
 */
static int check(const struct job *job, const char *next_cmdline)
{
	struct findings findings = {
		.next_cmdline = next_cmdline,
		.allow_unreadable = job->allow_unreadable,
	};
	struct arrived arrived;
	int64_t since = now();
	int reasons = 0;
	size_t i;

	arrived_read(&arrived);
	find_devices(&findings);
	find_kernel(&findings);
	find_cmdlines(&findings);
	find_state(&findings, &arrived);
	find_image(&findings, &arrived, job->image);
	for (i = 0; i < findings.nr; i++) {
		const struct finding *finding = &findings.finding[i];
		bool device = !strcmp(finding->topic, "device");

		if (finding->verdict != FINDING_NO)
			continue;
		complain("%s%s: %s", device ? "warning: " : "", finding->topic, finding->what);
		if (finding->remedy)
			fprintf(stderr, "  remedy: %s\n", finding->remedy);
		reasons += !device;
	}
	progress("check", reasons ? "NO" : "ok", since);
	arrived_free(&arrived);
	findings_free(&findings);
	return reasons ? -EINVAL : 0;
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
	progress(file, rc ? "REFUSED" : "ok", since);
	*done = !rc;
	return rc;
}

/* Returns only when it did not work. */
static int start_next(void)
{
	int rc;

	puts("jump");
	fflush(stdout);
	sync();
	if (signal_came())
		return -EINTR;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC,
		NULL);
	rc = -errno;
	complain("jump: refused with %s: %s", errno_name(-rc), strerror(-rc));
	say_last_error();
	if (step_remedy("jump", -rc))
		fprintf(stderr, "  remedy: %s\n", step_remedy("jump", -rc));
	return rc;
}

/*
 * Services stop before systemd jumps, and may preserve more meanwhile; the kernel activates and
 * finalizes at the jump. Both were tried by now, as systemd would reboot when it is refused.
 */
static int leave_to_systemd(struct job *job)
{
	int rc = undo_steps(job->finalized, job->activated), status;
	pid_t pid;

	job->finalized = job->finalized && rc;
	job->activated = job->activated && rc;
	if (rc)
		return rc;
	puts("jump       left to systemctl kexec");
	fflush(stdout);
	if (signal_came())
		return -EINTR;
	pid = fork();
	if (!pid) {
		mask_signals(SIG_UNBLOCK);
		execlp("systemctl", "systemctl", "kexec", NULL);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && !status)
		return 0;
	complain("systemctl kexec failed");
	return -EIO;
}

static int run(struct job *job)
{
	int64_t since = now();
	char *allowed;
	int rc;

	if (job->allow_unreadable) {
		allowed = read_kho("allow_unreadable");
		rc = allowed && *allowed == '1' ? 0 : write_kho("allow_unreadable", "1");
		job->allowed = !rc && !(allowed && *allowed == '1');
		free(allowed);
		if (rc) {
			complain("allow_unreadable: %s", strerror(-rc));
			return rc;
		}
	}
	rc = load_image(job);
	progress("load", rc ? "REFUSED" : "ok", since);
	if (rc)
		return rc;
	job->loaded = true;
	if (signal_came())
		return -EINTR;
	rc = advance("activate", &job->activated);
	if (!rc && signal_came())
		rc = -EINTR;
	if (!rc)
		rc = advance("finalize", &job->finalized);
	if (!rc && signal_came())
		rc = -EINTR;
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
		bool more = i + 1 < argc;

		if (!strcmp(argv[i], "--help"))
			return help("kexec");
		if (!strcmp(argv[i], "--initrd") && more)
			job->initrd = argv[++i];
		else if (!strcmp(argv[i], "--append") && more)
			job->append = argv[++i];
		else if (!strcmp(argv[i], "--reuse-cmdline"))
			job->reuse = true;
		else if (!strcmp(argv[i], "--allow-unreadable"))
			job->allow_unreadable = true;
		else if (!strcmp(argv[i], "--replace"))
			job->replace = true;
		else if (!strcmp(argv[i], "--no-jump"))
			job->no_jump = true;
		else if (!strcmp(argv[i], "--systemd"))
			job->systemd = true;
		else if (argv[i][0] != '-' && !job->image)
			job->image = argv[i];
		else
			return misused("kexec", "unknown argument, or one without its value: %s",
				       argv[i]);
	}
	if (!job->image)
		return misused("kexec", "an IMAGE is wanted");
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
	if (is_loaded && !job->replace) {
		complain("an image is loaded already, which could not be brought back");
		fprintf(stderr, "  remedy: unload it with kexec -s -u, or say --replace\n");
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
	struct job job = { 0 };
	int rc, caught, status = parse(&job, argc, argv);
	char *own, *cmdline;

	if (status < 0)
		status = prerequisites(&job);
	if (status >= 0)
		return status;
	mask_signals(SIG_BLOCK);
	own = read_text("/proc/cmdline");
	cmdline = xasprintf("%s%s%s", job.reuse && own ? own : "", job.reuse ? " " : "",
			    job.append ? job.append : "");
	rc = check(&job, cmdline);
	if (!rc && !signal_came())
		rc = run(&job);
	/* Once systemd goes down, signals come to everybody. */
	caught = !rc && job.systemd ? 0 : signal_came();
	if (rc || caught)
		roll_back(&job);
	free(cmdline);
	free(own);
	if (caught) {
		complain("ended by signal %d: %s", caught, strsignal(caught));
		return EXIT_SIGNAL + caught;
	}
	return rc ? status_of_errno(-rc) : EXIT_OK;
}
