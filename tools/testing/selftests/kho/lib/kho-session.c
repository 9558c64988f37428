// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-session: does things with /dev/liveupdate, for tests written in shell.
 *
 *	kho-session COMMAND...		carry out commands, then exit: all is closed
 *	kho-session start DIR COMMAND...	the same, but stay in the background, with the
 *					process id in DIR/pid
 *	kho-session on DIR COMMAND...	have the process that stays there do it
 *
 * Each command is one argument. It must succeed, or, when it begins with the
 * name of an errno, fail with that. The first one that does not is reported and
 * ends the program with 1; to fail with errno 0 is never what is wanted. Descriptors
 * have names, given in capitals here:
 *
 *	create S [NAME]		make a session; NAME is S when it is missing, and
 *	retrieve S [NAME]	may have octal escapes (\012)
 *	name S NAME		the session has that name
 *	finish S
 *	preserve S F TOKEN
 *	take S F TOKEN		retrieve a descriptor
 *	memfd F PAGES SEED	a new one, filled with what SEED makes
 *	huge F PAGES SEED	the same, of huge pages; PAGES are small ones
 *	fill F PAGES SEED	the same for one that is there
 *	check F PAGES SEED	that it has just this size and content
 *	holds F SEED		that its first page is what SEED makes
 *	known F SEED LIST	all its pages, which are preserved, get what the test owner
 *				makes of SEED and where they are; LIST gets them, see
 *				kho-known.h
 *	open F PATH
 *	again F G		open F once more, as G
 *	close S|F
 *	sessions PREFIX N	make N sessions PREFIX0, PREFIX1, ...
 *	retrieve-all PREFIX N	open N sessions of the old kernel
 *	finish-all PREFIX N
 *	memfds S N SEED		make and preserve N memfds of a page, with tokens
 *				0, 1, ... and seeds SEED + token, and close them
 *	take-all S N SEED	retrieve and check as many, and close them
 *	nth COMMAND		the first allocation of memory in the kernel fails, then
 *				the second, ... until it works; to have failed with
 *				anything but ENOMEM, or ENOSPC for an inode, is an error
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "keeper/background.h"
#include "keeper/command.h"
#include "keeper/result.h"
#include "kho-known.h"

#define PAGE		4096UL

struct object {
	char name[80];
	int fd;
};

static struct object *objects;
static size_t nr_objects;
static char problem[1024];

static void die(const char *what)
{
	fprintf(stderr, "kho-session: %s: %s\n", what, strerror(errno));
	exit(2);
}

static struct object *find(const char *name)
{
	size_t i;

	for (i = 0; i < nr_objects; i++)
		if (!strcmp(objects[i].name, name))
			return &objects[i];
	return NULL;
}

/* A name that is not there is taken for a number, so bad descriptors can be tried. */
static int fd_of(const char *name)
{
	struct object *object = find(name);

	return object ? object->fd : atoi(name);
}

static int add(const char *name, int fd)
{
	static size_t room;

	if (fd < 0)
		return -1;
	if (nr_objects == room) {
		room = room ? 2 * room : 64;
		objects = realloc(objects, room * sizeof(*objects));
		if (!objects)
			die("realloc");
	}
	snprintf(objects[nr_objects].name, sizeof(objects[0].name), "%s", name);
	objects[nr_objects++].fd = fd;
	return 0;
}

static int drop(const char *name)
{
	struct object *object = find(name);
	int fd;

	if (!object) {
		errno = EBADF;
		return -1;
	}
	fd = object->fd;
	*object = objects[--nr_objects];
	return close(fd);
}

static int open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void unescape(__u8 *to, size_t size, const char *from)
{
	size_t i;

	for (i = 0; *from && i < size; i++) {
		if (*from == '\\' && strlen(from) >= 4) {
			char digits[] = { from[1], from[2], from[3], 0 };

			to[i] = strtoul(digits, NULL, 8);
			from += 4;
		} else {
			to[i] = *from++;
		}
	}
}

static int session(unsigned long request, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	int saved, rc;

	if (device < 0)
		return -1;
	unescape(arg.name, sizeof(arg.name), name);
	rc = ioctl(device, request, &arg);
	saved = errno;
	close(device);
	errno = saved;
	return rc ? -1 : arg.fd;
}

static int check_name(const char *s, const char *name)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	__u8 wanted[LIVEUPDATE_SESSION_NAME_LENGTH] = "";

	unescape(wanted, sizeof(wanted), name);
	if (ioctl(fd_of(s), LIVEUPDATE_SESSION_GET_NAME, &arg))
		return -1;
	if (!memcmp(arg.name, wanted, sizeof(wanted)))
		return 0;
	snprintf(problem, sizeof(problem), "the name is '%.64s'", arg.name);
	return -1;
}

static int finish(const char *s)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return ioctl(fd_of(s), LIVEUPDATE_SESSION_FINISH, &arg);
}

static int preserve(int s, int fd, __u64 token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = token,
	};

	return ioctl(s, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

static int take(int s, __u64 token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg),
		.fd = -1,
		.token = token,
	};

	return ioctl(s, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg) ? -1 : arg.fd;
}

/* A page that no other page, and no other seed, has: splitmix64 over its number. */
static void make_page(__u64 *words, __u64 seed, __u64 nr)
{
	__u64 x = (seed << 32) ^ nr;
	size_t i;

	for (i = 0; i < PAGE / sizeof(*words); i++) {
		__u64 z = x += 0x9e3779b97f4a7c15;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
		words[i] = z ^ (z >> 31);
	}
}

static int fill_mapped(int fd, __u64 pages, __u64 seed)
{
	__u64 *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	__u64 nr;

	if (mem == MAP_FAILED)
		return -1;
	for (nr = 0; nr < pages; nr++)
		make_page(mem + nr * (PAGE / sizeof(*mem)), seed, nr);
	return munmap(mem, pages * PAGE);
}

static int fill(int fd, __u64 pages, __u64 seed)
{
	__u64 words[PAGE / sizeof(__u64)], nr;

	for (nr = 0; nr < pages; nr++) {
		make_page(words, seed, nr);
		if (pwrite(fd, words, PAGE, nr * PAGE) == (ssize_t)PAGE)
			continue;
		/* A file of huge pages has no write(). */
		return !nr && errno == EINVAL ? fill_mapped(fd, pages, seed) : -1;
	}
	return 0;
}

static int check(int fd, __u64 pages, __u64 seed, bool whole)
{
	__u64 words[PAGE / sizeof(__u64)], got[PAGE / sizeof(__u64)], nr;
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	if (whole && (__u64)st.st_size != pages * PAGE) {
		snprintf(problem, sizeof(problem), "it has %llu bytes",
			 (unsigned long long)st.st_size);
		return -1;
	}
	for (nr = 0; nr < pages; nr++) {
		make_page(words, seed, nr);
		if (pread(fd, got, PAGE, nr * PAGE) != (ssize_t)PAGE)
			return -1;
		if (memcmp(words, got, PAGE)) {
			snprintf(problem, sizeof(problem), "page %llu differs",
				 (unsigned long long)nr);
			return -1;
		}
	}
	return 0;
}

static int known(int fd, __u64 seed, const char *list)
{
	struct stat st;
	char *mem;
	off_t at;
	int rc;

	if (fstat(fd, &st))
		return -1;
	mem = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -1;
	for (at = 0; at < st.st_size; at += PAGE)
		mem[at] = 0;
	rc = known_pages((void *)mem, st.st_size / PAGE, seed, list);
	if (munmap(mem, st.st_size))
		return -1;
	return rc;
}

static int new_memfd(__u64 pages, __u64 seed, unsigned int flags)
{
	int fd = memfd_create("kho-session", MFD_CLOEXEC | flags);

	if (fd >= 0 && ((flags && ftruncate(fd, pages * PAGE)) || fill(fd, pages, seed))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int all_sessions(unsigned long request, const char *prefix, unsigned long nr)
{
	char name[64];
	unsigned long i;

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "%s%lu", prefix, i);
		if (request == LIVEUPDATE_SESSION_FINISH ? finish(name) :
		    add(name, session(request, name)))
			return -1;
	}
	return 0;
}

static int all_memfds(const char *s, unsigned long nr, __u64 seed, bool back)
{
	int at = fd_of(s);
	unsigned long i;

	for (i = 0; i < nr; i++) {
		int fd = back ? take(at, i) : new_memfd(1, seed + i, 0);

		if (fd < 0 ||
		    (back ? check(fd, 1, seed + i, true) : preserve(at, fd, i))) {
			if (!problem[0])
				snprintf(problem, sizeof(problem), "token %lu: %s",
					 i, strerror(errno));
			return -1;
		}
		close(fd);
	}
	return 0;
}

static __u64 number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static int run(char **w, int nr)
{
	const char *last = nr > 2 ? w[2] : w[1];

	if (!strcmp(w[0], "create") && nr >= 2)
		return add(w[1], session(LIVEUPDATE_IOCTL_CREATE_SESSION, last));
	if (!strcmp(w[0], "retrieve") && nr >= 2)
		return add(w[1], session(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, last));
	if (!strcmp(w[0], "name") && nr == 3)
		return check_name(w[1], w[2]);
	if (!strcmp(w[0], "finish") && nr == 2)
		return finish(w[1]);
	if (!strcmp(w[0], "preserve") && nr == 4)
		return preserve(fd_of(w[1]), fd_of(w[2]), number(w[3]));
	if (!strcmp(w[0], "take") && nr == 4)
		return add(w[2], take(fd_of(w[1]), number(w[3])));
	if (!strcmp(w[0], "memfd") && nr == 4)
		return add(w[1], new_memfd(number(w[2]), number(w[3]), 0));
	if (!strcmp(w[0], "huge") && nr == 4)
		return add(w[1], new_memfd(number(w[2]), number(w[3]), MFD_HUGETLB));
	if (!strcmp(w[0], "fill") && nr == 4)
		return fill(fd_of(w[1]), number(w[2]), number(w[3]));
	if (!strcmp(w[0], "check") && nr == 4)
		return check(fd_of(w[1]), number(w[2]), number(w[3]), true);
	if (!strcmp(w[0], "holds") && nr == 3)
		return check(fd_of(w[1]), 1, number(w[2]), false);
	if (!strcmp(w[0], "known") && nr == 4)
		return known(fd_of(w[1]), number(w[2]), w[3]);
	if (!strcmp(w[0], "open") && nr == 3)
		return add(w[1], open(w[2], O_RDWR | O_CLOEXEC));
	if (!strcmp(w[0], "again") && nr == 3)
		return add(w[2], open_again(fd_of(w[1])));
	if (!strcmp(w[0], "close") && nr == 2)
		return drop(w[1]);
	if (!strcmp(w[0], "sessions") && nr == 3)
		return all_sessions(LIVEUPDATE_IOCTL_CREATE_SESSION, w[1], number(w[2]));
	if (!strcmp(w[0], "retrieve-all") && nr == 3)
		return all_sessions(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, w[1], number(w[2]));
	if (!strcmp(w[0], "finish-all") && nr == 3)
		return all_sessions(LIVEUPDATE_SESSION_FINISH, w[1], number(w[2]));
	if (!strcmp(w[0], "memfds") && nr == 4)
		return all_memfds(w[1], number(w[2]), number(w[3]), false);
	if (!strcmp(w[0], "take-all") && nr == 4)
		return all_memfds(w[1], number(w[2]), number(w[3]), true);
	snprintf(problem, sizeof(problem), "no such command");
	return -1;
}

static void set_nth(int fd, unsigned long nth)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lu", nth);

	if (pwrite(fd, text, len, 0) != len)
		die("fail-nth");
}

/* Reading tells how many allocations are left until the one that fails. */
static bool was_injected(int fd)
{
	char text[24] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		die("fail-nth");
	return !strtoul(text, NULL, 10);
}

static int run_nth(char **w, int nr)
{
	int fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	unsigned long nth;
	bool injected;
	int rc, why;

	if (fd < 0)
		return -1;
	for (nth = 1;; nth++) {
		set_nth(fd, nth);
		errno = 0;
		rc = run(w, nr);
		why = errno;
		injected = was_injected(fd);
		set_nth(fd, 0);
		if (rc && why != ENOMEM && why != ENOSPC)
			break;
		if (!rc) {
			/* It could do without that one: on, if that is simple to undo. */
			if (!injected || (strcmp(w[0], "create") && strcmp(w[0], "retrieve")))
				break;
			drop(w[1]);
		}
	}
	close(fd);
	if (!rc && nth == 1)
		snprintf(problem, sizeof(problem), "it allocates nothing");
	errno = why;
	return rc;
}

static bool wrong(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem, sizeof(problem), format, args);
	va_end(args);
	return false;
}

/* Whether the command did what it should; if not, problem says so. */
static bool carry_out(const char *command)
{
	char why[sizeof(problem)];
	struct command c;
	const char *got;
	int rc;

	problem[0] = 0;
	if (!parse_command(&c, command, problem, sizeof(problem)))
		return false;
	if (c.nr == 1 && !strcmp(c.first[0], "nth"))
		return wrong("'%.400s' is no command: nothing would be done", command);
	errno = 0;
	rc = strcmp(c.first[0], "nth") ? run(c.first, c.nr) : run_nth(c.first + 1, c.nr - 1);
	got = result_of_call(rc);
	if (!problem[0] && !strcmp(got, c.wanted))
		return true;
	snprintf(why, sizeof(why), "%s", problem);
	if (why[0])
		return wrong("%.400s: %.500s", command, why);
	return wrong("%.400s: %s, expected %s", command, got, c.wanted);
}

static int report(void)
{
	fprintf(stderr, "kho-session: %s\n", problem);
	return 1;
}

/* Commands come through DIR/in; for each a line goes to DIR/out, empty when all is well. */
static void stay(const char *dir)
{
	char line[COMMAND_MAX + 1];
	FILE *in, *out;
	pid_t pid;

	if (chdir(dir) || mkfifo("in", 0600) || mkfifo("out", 0600))
		die(dir);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid) {
		out = fopen("pid", "we");
		if (!out || fprintf(out, "%d\n", pid) < 0 || fclose(out))
			die("pid");
		_exit(0);
	}
	setsid();
	if (!freopen("/dev/null", "r", stdin) ||
	    !freopen("/dev/null", "w", stdout) ||
	    !freopen("/dev/null", "w", stderr))
		exit(2);
	for (;;) {
		in = fopen("in", "re");
		if (!in || !fgets(line, sizeof(line), in))
			exit(2);
		fclose(in);
		line[strcspn(line, "\n")] = 0;
		carry_out(line);
		out = fopen("out", "we");
		if (!out)
			exit(2);
		if (fprintf(out, "%s\n", problem) < 0 || fclose(out))
			exit(2);
	}
}

static bool ask(const char *dir, const char *command)
{
	FILE *in, *out;

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
	fclose(out);
	problem[strcspn(problem, "\n")] = 0;
	return !problem[0];
}

int main(int argc, char **argv)
{
	struct rlimit many = { 100000, 100000 };
	const char *start = NULL, *on = NULL;
	int i = 1;

	if (argc > 2 && !strcmp(argv[1], "start"))
		start = argv[2];
	else if (argc > 2 && !strcmp(argv[1], "on"))
		on = argv[2];
	if (start || on)
		i += 2;
	if (start && mkdir(start, 0700))
		die(start);
	/* Who has no right to have so many can do the rest. */
	setrlimit(RLIMIT_NOFILE, &many);
	/* Only "start" has done something when there is no command. */
	if (i == argc && !start) {
		fprintf(stderr, "kho-session: no command: nothing would be done\n");
		return 2;
	}
	for (; i < argc; i++)
		if (!(on ? ask(on, argv[i]) : carry_out(argv[i])))
			return report();
	if (start)
		stay(start);
	return 0;
}
