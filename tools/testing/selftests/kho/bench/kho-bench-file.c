// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-bench-file: counts time-stamp counter ticks, which are instructions in a VM
 * with --icount, for a file that survives a live update. Prints "name number".
 *
 *	kho-bench-file make KIND MIB	make, fill and preserve it; a process stays,
 *					because the session ends when closed
 *	kho-bench-file take KIND MIB	retrieve it, read a byte of every page, finish
 *	kho-bench-file leave KIND MIB	retrieve it and finish, reading nothing
 *
 * KIND is
 *
 *	usual		a memfd of 4 KiB pages, written from begin to end
 *	scattered	a memfd none of whose 4 KiB pages lies next to the one that
 *			follows in the file; of the pages between them as many as
 *			there is memory for are free
 *	huge		a memfd of 2 MiB pages (shmem_enabled says so)
 *	hugetlb-2m, hugetlb-1g
 *
 * What make prints as "ordinary" is reading a byte of every page of the same file
 * through a new mapping before anything is preserved, to compare with "touch".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <x86intrin.h>

#define PAGE	4096UL
#define TOKEN	1

#define must(x) ({							\
	long _r = (long)(x);						\
	if (_r < 0) {							\
		fprintf(stderr, "kho-bench-file: line %d: %s: %s\n",	\
			__LINE__, #x, strerror(errno));			\
		exit(1);						\
	}								\
	_r;								\
})

#define check(x) do {							\
	if (!(x)) {							\
		fprintf(stderr, "kho-bench-file: line %d: not so: %s\n",\
			__LINE__, #x);					\
		exit(1);						\
	}								\
} while (0)

/* What @x takes, in ticks */
#define ticks(x) ({							\
	unsigned long long _start = __rdtsc();				\
	(x);								\
	__rdtsc() - _start;						\
})

static const struct kind {
	const char *name;
	unsigned int flags;
	uint64_t unit;		/* bytes of a page */
} kinds[] = {
	{ "usual", 0, PAGE },
	{ "scattered", 0, PAGE },
	{ "huge", 0, 2UL << 20 },
	{ "hugetlb-2m", MFD_HUGETLB | MFD_HUGE_2MB, 2UL << 20 },
	{ "hugetlb-1g", MFD_HUGETLB | MFD_HUGE_1GB, 1UL << 30 },
};

static const struct kind *kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	fprintf(stderr, "kho-bench-file: no kind '%s'\n", name);
	exit(2);
}

static void say(const char *name, unsigned long long number)
{
	printf("%s %llu\n", name, number);
	fflush(stdout);
}

/* Aligned, so that a large page is mapped as one. */
static uint8_t *map(const struct kind *kind, int fd, uint64_t size)
{
	uint8_t *room = mmap(NULL, size + kind->unit, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start = ((uintptr_t)room + kind->unit - 1) & ~(kind->unit - 1);
	void *mem;

	check(room != MAP_FAILED);
	munmap(room, size + kind->unit);
	mem = mmap((void *)start, size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	check(mem != MAP_FAILED);
	return mem;
}

static uint8_t byte_of(uint64_t page)
{
	return page * 37 + 1;
}

/* Read a byte of each page. */
static int touch(const uint8_t *mem, uint64_t size, uint64_t unit)
{
	uint8_t wrong = 0;

	for (uint64_t at = 0, i = 0; at < size; at += unit, i++)
		wrong |= __atomic_load_n(&mem[at], __ATOMIC_RELAXED) ^ byte_of(i);
	return !wrong;
}

static void fill(uint8_t *mem, uint64_t size, uint64_t unit)
{
	for (uint64_t at = 0, i = 0; at < size; at += unit, i++)
		mem[at] = byte_of(i);
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
	return b ? gcd(b, a % b) : a;
}

/*
 * Pages are allocated one behind the other, mostly. So the file is written in an
 * order in which no page follows its predecessor, and between its pages some of
 * another file are written, which is gone afterwards.
 */
static void fill_scattered(uint8_t *mem, uint64_t size)
{
	uint64_t pages = size / PAGE, stride = pages / 8 * 5 + 1, spacers, next = 0;
	struct sysinfo info;
	uint8_t *between;
	int fd;

	/* An eighth of what is free is for the next kernel and the records. */
	must(sysinfo(&info));
	spacers = info.freeram / 8 * 7 * info.mem_unit / PAGE;
	check(spacers > pages);
	spacers -= pages;
	if (spacers > pages)
		spacers = pages;
	while (gcd(stride, pages) != 1)
		stride++;

	fd = must(memfd_create("between", 0));
	must(ftruncate(fd, spacers * PAGE));
	between = mmap(NULL, spacers * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(between != MAP_FAILED);
	for (uint64_t i = 0, page = 0; i < pages; i++, page = (page + stride) % pages) {
		mem[page * PAGE] = byte_of(page);
		if (next < (i + 1) * spacers / pages)
			between[next++ * PAGE] = 1;
	}
	munmap(between, spacers * PAGE);
	close(fd);
}

/* Runs of frames of a file, all of it mapped. Its pages are as large as they should be. */
static uint64_t extents(const uint8_t *mem, uint64_t size, uint64_t unit)
{
	int fd = must(open("/proc/self/pagemap", O_RDONLY));
	uint64_t entry, frame, last = 0, nr = 0;

	for (uint64_t at = 0; at < size; at += PAGE) {
		check(pread(fd, &entry, 8, (uintptr_t)(mem + at) / PAGE * 8) == 8);
		frame = entry & ((1ULL << 55) - 1);
		check(entry >> 63 && frame);
		if (at % unit)
			check(frame == last + 1);
		else
			check(!(frame % (unit / PAGE)));
		nr += frame != last + 1;
		last = frame;
	}
	close(fd);
	return nr;
}

static int open_session(unsigned long command)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .name = "bench" };
	int device = must(open("/dev/liveupdate", O_RDWR | O_CLOEXEC));

	must(ioctl(device, command, &arg));
	close(device);
	return arg.fd;
}

static void make(const struct kind *kind, uint64_t size)
{
	struct liveupdate_session_preserve_fd arg = { .size = sizeof(arg), .token = TOKEN };
	int session = open_session(LIVEUPDATE_IOCTL_CREATE_SESSION), right;
	uint8_t *mem;

	arg.fd = must(memfd_create("bench", kind->flags));
	must(ftruncate(arg.fd, size));
	mem = map(kind, arg.fd, size);
	if (!strcmp(kind->name, "scattered"))
		fill_scattered(mem, size);
	else
		fill(mem, size, kind->unit);
	munmap(mem, size);

	mem = map(kind, arg.fd, size);
	say("ordinary", ticks(right = touch(mem, size, kind->unit)));
	check(right);
	fill(mem, size, kind->unit);
	say("extents", extents(mem, size, kind->unit));
	say("preserve", ticks(must(ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg))));
}

static void take(const struct kind *kind, uint64_t size, int read)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = TOKEN };
	struct liveupdate_session_finish end = { .size = sizeof(end) };
	int session = open_session(LIVEUPDATE_IOCTL_RETRIEVE_SESSION), right;
	uint8_t *mem;

	say("retrieve", ticks(must(ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg))));
	mem = map(kind, arg.fd, size);
	if (read) {
		say("touch", ticks(right = touch(mem, size, kind->unit)));
		check(right);
	}
	say("finish", ticks(must(ioctl(session, LIVEUPDATE_SESSION_FINISH, &end))));
	check(touch(mem, size, kind->unit));
}

int main(int argc, char **argv)
{
	const struct kind *kind;
	int ready[2];
	uint64_t size;
	char byte;

	if (argc != 4) {
		fprintf(stderr, "kho-bench-file make|take|leave KIND MIB\n");
		return 2;
	}
	kind = kind_of(argv[2]);
	size = strtoull(argv[3], NULL, 10) << 20;
	check(size && !(size % kind->unit));
	if (strcmp(argv[1], "make")) {
		take(kind, size, !strcmp(argv[1], "take"));
		return 0;
	}

	/* The caller goes on when the child has preserved the file; the child stays. */
	must(pipe(ready));
	if (!must(fork())) {
		close(ready[0]);
		make(kind, size);
		check(write(ready[1], "", 1) == 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	return read(ready[0], &byte, 1) != 1;
}
