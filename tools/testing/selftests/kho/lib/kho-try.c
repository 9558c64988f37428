// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-try: does one thing, prints 0 or the name of the errno (or "short", when only a
 * part was written), and exits with 0 when it could be tried.
 *
 *	kho-try write FILE TEXT			in one write
 *	kho-try load [-p] KERNEL INITRD CMDLINE	kexec_file_load(); -p: as crash kernel
 *	kho-try unload				drop the image that is loaded
 *	kho-try kexec-load			kexec_load() of one page: carries nothing
 *	kho-try jump				reboot(2) into the image; returns only on error
 *
 * With -n N before all this, the N-th allocation of memory in the kernel fails
 * meanwhile, and "injected" follows when it came that far, "complete" when there
 * were fewer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <sys/syscall.h>

#include "keeper/result.h"

struct job {
	int fd;
	int initrd;
	long flags;
	const char *text;
	long (*run)(const struct job *job);
};

static void die(const char *what)
{
	fprintf(stderr, "kho-try: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void usage(void)
{
	fprintf(stderr, "kho-try: wrong arguments; its source says how to use it\n");
	exit(2);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

/* What is not written whole is no success, whatever the kernel did with the beginning. */
static bool was_short;

static long do_write(const struct job *job)
{
	ssize_t size = strlen(job->text);
	ssize_t done = write(job->fd, job->text, size);

	was_short = done >= 0 && done != size;
	return done < 0 || was_short ? -1 : 0;
}

static long do_load(const struct job *job)
{
	return syscall(SYS_kexec_file_load, job->fd, job->initrd,
		       strlen(job->text) + 1, job->text, job->flags);
}

static long do_unload(const struct job *job)
{
	return syscall(SYS_kexec_file_load, -1, -1, 0, NULL, job->flags);
}

static long do_kexec_load(const struct job *job)
{
	static char page[4096];
	struct kexec_segment segment = {
		.buf = page,
		.bufsz = sizeof(page),
		.mem = (void *)(64UL << 20),
		.memsz = sizeof(page),
	};

	return syscall(SYS_kexec_load, 64UL << 20, 1, &segment, job->flags);
}

static long do_jump(const struct job *job)
{
	(void)job;
	return syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		       LINUX_REBOOT_CMD_KEXEC, NULL);
}

static void parse(struct job *job, int argc, char **argv)
{
	memset(job, 0, sizeof(*job));
	if (argc == 3 && !strcmp(argv[0], "write")) {
		job->run = do_write;
		job->fd = open_file(argv[1], O_WRONLY | O_TRUNC);
		job->text = argv[2];
		/* The kernel would never see it. */
		if (!*job->text)
			usage();
	} else if (argc > 1 && !strcmp(argv[0], "load")) {
		if (!strcmp(argv[1], "-p")) {
			job->flags = KEXEC_FILE_ON_CRASH;
			argc--;
			argv++;
		}
		if (argc != 4)
			usage();
		job->run = do_load;
		job->fd = open_file(argv[1], O_RDONLY);
		job->initrd = open_file(argv[2], O_RDONLY);
		job->text = argv[3];
	} else if (argc == 1 && !strcmp(argv[0], "unload")) {
		job->run = do_unload;
		job->flags = KEXEC_FILE_UNLOAD;
	} else if (argc == 1 && !strcmp(argv[0], "kexec-load")) {
		job->run = do_kexec_load;
		job->flags = KEXEC_ARCH_DEFAULT;
	} else if (argc == 1 && !strcmp(argv[0], "jump")) {
		job->run = do_jump;
	} else {
		usage();
	}
}

/* Reading what was written tells how many allocations are left until the one that fails. */
static void set_nth(int fd, unsigned long nth)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lu", nth);

	if (pwrite(fd, text, len, 0) != len)
		die("fail-nth");
}

static unsigned long get_nth(int fd)
{
	char text[24] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		die("fail-nth");
	return strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	unsigned long nth = 0, left = 0;
	const char *result;
	struct job job;
	int nth_fd = -1;

	argc--;
	argv++;
	if (argc > 2 && !strcmp(argv[0], "-n")) {
		nth = strtoul(argv[1], NULL, 10);
		if (!nth)
			usage();
		argc -= 2;
		argv += 2;
		nth_fd = open_file("/proc/self/fail-nth", O_RDWR);
	}
	if (argc < 1)
		usage();
	parse(&job, argc, argv);

	if (nth)
		set_nth(nth_fd, nth);
	errno = 0;
	result = result_of_call(job.run(&job));
	if (was_short)
		result = "short";
	if (nth) {
		left = get_nth(nth_fd);
		set_nth(nth_fd, 0);
	}

	printf("%s%s\n", result, !nth ? "" : left ? " complete" : " injected");
	if (fflush(stdout))
		die("standard output");
	return 0;
}
