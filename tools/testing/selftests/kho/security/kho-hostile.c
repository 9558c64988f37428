// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-hostile: what somebody can try who has nothing but the descriptor of a session, as
 * descriptor 3 (see kho-user): have the kernel keep more than it should, limit what
 * others do with their files, or keep the operator from a handover.
 *
 *	kho-hostile files N		preserve N empty files: the errno of the one after the
 *					N-th, or 0
 *	kho-hostile preserve FILE r|w	preserve a file that is opened so: 0 or the errno
 *	kho-hostile keep N		stay: preserve N empty files
 *	kho-hostile write N		stay: preserve a file with holes, N empty ones and
 *					another one, which is written to from the holes
 *	kho-hostile loop		stay: preserve new files in two threads, for ever
 *
 * Those that stay print a line when they are at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "keeper/result.h"

#define SESSION		3
#define PAGE		4096UL
#define HOLES		1000000UL

static void die(const char *what)
{
	fprintf(stderr, "kho-hostile: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int print(int rc)
{
	puts(result_of_call(rc));
	if (fflush(stdout))
		die("standard output");
	return 0;
}

static int preserve(int fd, __u64 token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = token,
	};

	return ioctl(SESSION, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

/* Its only reference is the session's then. */
static int preserve_new(__u64 token, unsigned long pages)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC);
	char text[PAGE] = "";
	unsigned long i;
	int rc, saved;

	if (fd < 0)
		return -1;
	for (i = 0; i < pages; i++)
		if (write(fd, text, PAGE) != (ssize_t)PAGE)
			die("write");
	rc = preserve(fd, token);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int preserve_path(const char *path, const char *how)
{
	int fd = open(path, (*how == 'r' ? O_RDONLY : O_WRONLY) | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return print(preserve(fd, 1));
}

static void preserve_all(unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (preserve_new(i, 0))
			die("preserve");
}

static void stay(void)
{
	puts("ready");
	fflush(stdout);
}

/*
 * A write holds the lock of its file while it waits for the page it takes the data from;
 * between finalize and its undoing a hole makes it wait.
 */
static int write_from_holes(unsigned long nr)
{
	int holes = memfd_create("holes", MFD_CLOEXEC);
	int last = memfd_create("last", MFD_CLOEXEC);
	unsigned long i;
	char *from;

	if (holes < 0 || last < 0 || ftruncate(holes, HOLES * PAGE) || ftruncate(last, PAGE))
		die("memfd");
	from = mmap(NULL, HOLES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, holes, 0);
	if (from == MAP_FAILED || preserve(holes, 1000000))
		die("the file with holes");
	preserve_all(nr);
	if (preserve(last, 1000001))
		die("the last file");
	stay();
	for (i = 0; i < HOLES; i++) {
		if (pwrite(last, from + i * PAGE, PAGE, 0) != (ssize_t)PAGE)
			die("pwrite");
		/* (so that there are holes left when finalize comes) */
		usleep(500);
	}
	pause();
	return 0;
}

static void *preserve_forever(void *arg)
{
	unsigned long base = (unsigned long)arg, i;

	/* The session is full in the end; then the calls that fail go on. */
	for (i = 0;; i++)
		preserve_new(base + i, i % 3);
	return NULL;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned long nr = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	pthread_t thread;

	if (!strcmp(what, "files")) {
		preserve_all(nr);
		return print(preserve_new(nr, 0));
	}
	if (!strcmp(what, "preserve") && argc == 4)
		return preserve_path(argv[2], argv[3]);
	if (!strcmp(what, "write"))
		return write_from_holes(nr);
	if (!strcmp(what, "loop")) {
		if (pthread_create(&thread, NULL, preserve_forever, (void *)(1UL << 40)))
			die("pthread_create");
		stay();
		preserve_forever(NULL);
	}
	if (!strcmp(what, "keep")) {
		preserve_all(nr);
		stay();
		pause();
	}
	return 2;
}
