// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-bench: counts time-stamp counter ticks, which are instructions in a VM with
 * --icount.
 *
 *   kho-bench write FILE TEXT   write TEXT to FILE and print what it took
 *   kho-bench now               print the counter
 *   kho-bench mark              the same; the kernel log says when, too
 *   kho-bench jump              the same, then jump into the loaded kernel
 *
 * The next kernel's /init puts the counter at its first instruction into INIT_TSC.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <linux/reboot.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>

static int timed_write(const char *file, const char *text)
{
	unsigned long long start, ticks;
	ssize_t len = strlen(text);
	int fd = open(file, O_WRONLY);

	if (fd < 0) {
		perror(file);
		return 1;
	}
	errno = EIO;	/* if only a part of it is written */
	start = __rdtsc();
	if (write(fd, text, len) != len) {
		fprintf(stderr, "%s: writing '%s': %s\n", file, text,
			strerror(errno));
		return 1;
	}
	ticks = __rdtsc() - start;
	printf("%llu\n", ticks);
	return fflush(stdout) ? 1 : 0;
}

static void note_jump(void)
{
	static const char text[] = "<5>kho-bench: jump";
	int fd = open("/dev/kmsg", O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror("/dev/kmsg");
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "write"))
		return timed_write(argv[2], argv[3]);
	if (argc == 2 && (!strcmp(argv[1], "jump") || !strcmp(argv[1], "mark"))) {
		/* The second one is what counts: the console has its own pace. */
		printf("jump\n");
		fflush(stdout);
		tcdrain(STDOUT_FILENO);
		note_jump();
		dprintf(STDOUT_FILENO, "%llu\n", __rdtsc());
		if (!strcmp(argv[1], "mark"))
			return 0;
		reboot(LINUX_REBOOT_CMD_KEXEC);
		perror("kexec");
		return 1;
	}
	if (argc == 2 && !strcmp(argv[1], "now")) {
		printf("%llu\n", __rdtsc());
		return 0;
	}
	fprintf(stderr, "kho-bench write FILE TEXT | now | mark | jump\n");
	return 2;
}
