/* SPDX-License-Identifier: GPL-2.0-only */
/* What the test programs for shared-memory files have in common. */
#ifndef KHO_FILE_H
#define KHO_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE		4096UL
#define WORDS		(PAGE / 8)

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#endif

/* What a failing check is about, for its message; NULL for nothing special */
static const char *about;

static inline void failed(int line, const char *what, const char *why)
{
	fprintf(stderr, "%s: line %d: %s%s%s%s%s\n", program_invocation_short_name,
		line, about ?: "", about ? ": " : "", what, why ? ": " : "", why ?: "");
	exit(1);
}

#define must(x) ({							\
	long _r = (long)(x);						\
	if (_r < 0)							\
		failed(__LINE__, #x, strerror(errno));			\
	_r;								\
})

/* All of it: a part of what was to be read or written is no success. */
#define must_all(size, x) do {						\
	if (must(x) != (long)(size))					\
		failed(__LINE__, #x, "only a part of it");		\
} while (0)

#define check(x) do {							\
	if (!(x))							\
		failed(__LINE__, "not so: " #x, NULL);			\
} while (0)

#define refused(e, x) check((long)(x) < 0 && errno == (e))

static inline uint64_t word_of(uint64_t seed, uint64_t page, uint64_t i)
{
	return (seed << 48 ^ page << 16 ^ i) * 0x9e3779b97f4a7c15ULL + 1;
}

static inline void fill_page(uint64_t *mem, uint64_t seed, uint64_t page)
{
	for (uint64_t i = 0; i < WORDS; i++)
		mem[i] = word_of(seed, page, i);
}

static inline int page_is(const uint64_t *mem, uint64_t seed, uint64_t page)
{
	for (uint64_t i = 0; i < WORDS; i++)
		if (mem[i] != word_of(seed, page, i))
			return 0;
	return 1;
}

static inline int page_empty(const uint64_t *mem)
{
	for (uint64_t i = 0; i < WORDS; i++)
		if (mem[i])
			return 0;
	return 1;
}

static inline uint64_t *map(int fd, uint64_t pages)
{
	void *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);

	check(mem != MAP_FAILED);
	return mem;
}

/* From /proc/meminfo, where it has to be */
static inline long kib_of(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "r");
	size_t len = strlen(name);
	char line[128];
	long value = -1;

	check(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ':')
			value = strtol(line + len + 1, NULL, 10);
	fclose(file);
	if (value < 0)
		failed(__LINE__, "/proc/meminfo does not have", name);
	return value;
}

static inline int make_session(const char *name, unsigned long command)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int dev = must(open("/dev/liveupdate", O_RDWR | O_CLOEXEC));

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	must(ioctl(dev, command, &arg));
	close(dev);
	return arg.fd;
}

static inline int preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

/* Returns a descriptor, or -1 */
static inline int try_retrieve(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg), .token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg) ? -1 : arg.fd;
}

static inline int retrieve(int session, uint64_t token)
{
	return must(try_retrieve(session, token));
}

static inline int try_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg);
}

static inline void finish(int session)
{
	must(try_finish(session));
}

/* The child does STAY, which says when the caller may go on, and never ends. */
static int ready_pipe[2];

static inline void go_on(void)
{
	must_all(1, write(ready_pipe[1], "", 1));
	for (;;)
		pause();
}

static inline int in_background(void (*stay)(void))
{
	char byte;

	must(pipe(ready_pipe));
	if (!must(fork())) {
		close(ready_pipe[0]);
		stay();
	}
	close(ready_pipe[1]);
	return read(ready_pipe[0], &byte, 1) != 1;
}

#endif /* KHO_FILE_H */
