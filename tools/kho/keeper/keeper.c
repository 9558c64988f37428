// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands given as arguments, carried out at once or by a process in the background.
 *
 * The latter reads one command a line from DIR/in, a pipe. Its answer goes to
 * DIR/out: a line with the problem, empty when all is well, then what is to be
 * printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <x86intrin.h>

#include "background.h"
#include "keeper.h"
#include "result.h"

static const char *program;
static char problem[1024];
static char text[4096];
static bool cut_off;	/* there was no room for all of the text */

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
	exit(2);
}

void keeper_say(const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	if (vsnprintf(text + used, sizeof(text) - used, format, args) >=
	    (int)(sizeof(text) - used))
		cut_off = true;
	va_end(args);
}

void keeper_problem(const char *format, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, format);
	vsnprintf(problem, sizeof(problem), format, args);
	va_end(args);
	errno = saved;
}

/* What a command that has not done what it should has to say, and where it came from */
__printf(1, 2) static bool wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem, sizeof(problem), format, args);
	va_end(args);
	return false;
}

/* errno is that of this call, and of no earlier one. */
static int call(keeper_run *run, char **words, int nr)
{
	errno = 0;
	return run(words, nr);
}

static void set_nth(int fd, unsigned long nth)
{
	char number[24];
	int len = snprintf(number, sizeof(number), "%lu", nth);

	if (pwrite(fd, number, len, 0) != len)
		die("fail-nth");
}

static bool was_injected(int fd)
{
	char number[24] = "";

	if (pread(fd, number, sizeof(number) - 1, 0) <= 0)
		die("fail-nth");
	return !strtoul(number, NULL, 10);
}

/*
 * With the first allocation in the kernel failing, or number @nth, then the next one, and
 * so on: it must fail with ENOMEM, until it needs no more of them, or can do without one.
 */
static int run_nth(unsigned long nth, char **words, int nr, keeper_run *run)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	bool injected = true;
	unsigned long first = nth;
	int rc = -1, why = 0;

	if (fd < 0)
		return -1;
	for (; rc; nth++) {
		set_nth(fd, nth);
		rc = call(run, words, nr);
		why = errno;
		injected = was_injected(fd);
		set_nth(fd, 0);
		/* iommufd with CONFIG_IOMMUFD_TEST injects other errors as well. */
		if (rc && (!injected || (why != ENOMEM && why != ENOENT && why != EFAULT)))
			break;
	}
	close(fd);
	keeper_say("%s: %lu allocations%s\n", words[0], nth - 2 + injected,
		   injected ? ", of which it can do without the last" : "");
	/* (Who begins further on may be past the last one.) */
	if (!rc && !injected && first == 1 && nth == 2) {
		keeper_problem("it allocates nothing, so no failure was tried");
		rc = -1;
		why = ENODATA;
	}
	errno = why;
	return rc;
}

static int run_with_nth(char **words, int nr, keeper_run *run)
{
	unsigned long nth = nr ? strtoul(words[0], NULL, 10) : 0;

	if (nth)
		return run_nth(nth, words + 1, nr - 1, run);
	return run_nth(1, words, nr, run);
}

static int run_timed(const char *name, char **words, int nr, keeper_run *run)
{
	uint64_t start = __rdtsc();
	int rc = call(run, words, nr);
	uint64_t ticks = __rdtsc() - start;

	if (!rc)
		keeper_say("%s %lu\n", name, ticks);
	return rc;
}

static int run_any(char **words, int nr, keeper_run *run)
{
	if (!strcmp(words[0], "nth") && nr > 1)
		return run_with_nth(words + 1, nr - 1, run);
	if (!strcmp(words[0], "ticks") && nr > 2)
		return run_timed(words[1], words + 2, nr - 2, run);
	return call(run, words, nr);
}

/* Whether the command did what it should; if not, problem says so. */
static bool carry_out(const char *command, keeper_run *run)
{
	char why[sizeof(problem)];
	struct command c;
	const char *got;

	problem[0] = 0;
	text[0] = 0;
	cut_off = false;
	if (!parse_command(&c, command, problem, sizeof(problem)))
		return false;
	got = result_of_call(run_any(c.first, c.nr, run));
	if (cut_off)
		return wrong("%.400s: it prints more than %zu bytes", command, sizeof(text) - 1);
	if (!strcmp(got, c.wanted)) {
		problem[0] = 0;
		return true;
	}
	snprintf(why, sizeof(why), "%s", problem);
	return wrong("%.400s: %s, expected %s%s%.400s", command, got, c.wanted,
		     why[0] ? ": " : "", why);
}

static void serve(const char *dir, keeper_run *run)
{
	char line[COMMAND_MAX + 1];
	FILE *in, *out;

	setsid();
	if (chdir(dir) ||
	    !freopen("/dev/null", "r", stdin) ||
	    !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		exit(2);
	for (;;) {
		in = fopen("in", "re");
		if (!in || !fgets(line, sizeof(line), in))
			exit(2);
		fclose(in);
		line[strcspn(line, "\n")] = 0;
		carry_out(line, run);
		out = fopen("out", "we");
		if (!out)
			exit(2);
		if (fprintf(out, "%s\n%s", problem, text) < 0 || fclose(out))
			exit(2);
	}
}

/*
 * Before any command: memory that a process pins for a device is counted against its
 * address space, which has to be there as long as the device.
 */
static pid_t begin(const char *dir, keeper_run *run)
{
	char path[256];
	FILE *out;
	pid_t pid;

	if (mkdir(dir, 0700))
		die(dir);
	snprintf(path, sizeof(path), "%s/in", dir);
	if (mkfifo(path, 0600))
		die(path);
	snprintf(path, sizeof(path), "%s/out", dir);
	if (mkfifo(path, 0600))
		die(path);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		serve(dir, run);
	snprintf(path, sizeof(path), "%s/pid", dir);
	out = fopen(path, "we");
	if (!out || fprintf(out, "%d\n", pid) < 0 || fclose(out))
		die(path);
	return pid;
}

static bool ask(const char *dir, const char *command)
{
	FILE *in, *out;
	size_t size;

	text[0] = 0;
	/* A line is a command, and has to arrive as one. */
	if (strlen(command) >= COMMAND_MAX || strchr(command, '\n'))
		return wrong("%.100s...: longer than %d bytes, or more than a line: split it",
			     command, COMMAND_MAX - 1);
	in = background_open(dir, "in", false);
	if (!in)
		return wrong("%.400s: the program in %s has ended: %s", command, dir,
			     strerror(errno));
	if (fprintf(in, "%s\n", command) < 0 || fclose(in))
		die(dir);
	out = background_open(dir, "out", true);
	if (!out || !fgets(problem, sizeof(problem), out))
		return wrong("%.400s: the program in the background ended while it did this",
			     command);
	size = fread(text, 1, sizeof(text) - 1, out);
	text[size] = 0;
	fclose(out);
	problem[strcspn(problem, "\n")] = 0;
	return !problem[0];
}

int keeper(int argc, char **argv, keeper_run *run)
{
	const char *on = NULL;
	pid_t pid = 0;
	int i = 1;

	program = argv[0];
	if (argc > 2 && (!strcmp(argv[1], "start") || !strcmp(argv[1], "on"))) {
		on = argv[2];
		if (argv[1][0] == 's')
			pid = begin(on, run);
		i += 2;
	}
	/* Only "start" has done something when there is no command. */
	if (i == argc && !pid) {
		fprintf(stderr, "%s: no command: nothing would be done\n", program);
		return 2;
	}
	for (; i < argc; i++) {
		bool well = on ? ask(on, argv[i]) : carry_out(argv[i], run);

		fputs(text, stdout);
		if (fflush(stdout))
			die("standard output");
		if (!well) {
			fprintf(stderr, "%s: %s\n", program, problem);
			if (pid)
				kill(pid, SIGKILL);
			return 1;
		}
	}
	return 0;
}
