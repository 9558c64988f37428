// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-replace: pages that are taken out of a file while it is preserved or frozen,
 * because a huge page replaces them, or because the file system is full.
 *
 *	kho-replace make	make and preserve files; a process stays, and goes on
 *				from activate until the jump
 *	kho-replace check	what was written last is there
 */
#include <pthread.h>

#include "kho-file.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define HUGE_PAGES	512UL
#define HUGE		(HUGE_PAGES * PAGE)

/* Files that are preserved while all of them becomes huge pages, of this size each */
#define NR_EARLY	20
#define EARLY_RANGES	3UL
/* Files in whose holes huge pages are made while they are frozen */
#define NR_LATE		4
#define LATE_RANGES	100UL
/* Words of a page of its own, of how far that is */
#define PROGRESS	1000

/* For the thread: begin, or end */
static int go;

static uint64_t *map_aligned(int fd, uint64_t ranges)
{
	char *room = mmap(NULL, (ranges + 1) * HUGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *mem;

	check(room != MAP_FAILED);
	mem = (void *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	check(mmap(mem, ranges * HUGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, fd, 0) == mem);
	return mem;
}

static uint64_t *new_file(int *fd, uint64_t ranges)
{
	*fd = must(memfd_create("replaced", 0));
	must(ftruncate(*fd, ranges * HUGE));
	return map_aligned(*fd, ranges);
}

/* How many ranges became huge pages, in all, and how many of this file were tried */
static unsigned long collapsed;
static unsigned long tried;

static void *collapse_all(void *arg)
{
	char *mem = arg;

	while (!__atomic_load_n(&go, __ATOMIC_RELAXED))
		;
	for (uint64_t i = 0; i < EARLY_RANGES; i++) {
		collapsed += !madvise(mem + i * HUGE, HUGE, MADV_COLLAPSE);
		__atomic_store_n(&tried, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Preserve comes in the middle of it, each time somewhere else. */
static void make_early(int session, int token)
{
	const uint64_t pages = EARLY_RANGES * HUGE_PAGES;
	pthread_t thread;
	uint64_t *mem;
	int fd;

	mem = new_file(&fd, EARLY_RANGES);
	for (uint64_t i = 0; i < pages; i++)
		fill_page(mem + i * WORDS, 99, i);
	go = 0;
	tried = 0;
	check(!pthread_create(&thread, NULL, collapse_all, mem));
	__atomic_store_n(&go, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&tried, __ATOMIC_ACQUIRE) < token % EARLY_RANGES)
		;
	usleep(token * 300);
	must(preserve(session, fd, token));
	check(!pthread_join(thread, NULL));
	/* It may be in other pages by now than it was. */
	for (uint64_t i = 0; i < pages; i++)
		fill_page(mem + i * WORDS, token, i);
	close(fd);
}

/* Says to the script that all of them have begun. */
static const char going[] = "/tmp/going";

struct late {
	int token;
	uint64_t *mem;
	uint64_t *progress;
};

static int is_active(void)
{
	char state = 0;
	int fd = must(open("/sys/kernel/kho/activate", O_RDONLY));

	must(read(fd, &state, 1));
	close(fd);
	return state == '1';
}

/* One page makes a range a huge page; some more of it are written to afterwards. */
static void *collapse_holes(void *arg)
{
	static int nr_going;
	struct late *late = arg;

	while (!is_active())
		usleep(1000);
	for (uint64_t i = 0; i < LATE_RANGES; i++) {
		uint64_t page = i * HUGE_PAGES;

		fill_page(late->mem + page * WORDS, late->token, page);
		madvise(late->mem + page * WORDS, HUGE, MADV_COLLAPSE);
		for (page++; page % HUGE_PAGES < 4; page++)
			fill_page(late->mem + page * WORDS, late->token, page);
		__atomic_store_n(late->progress, i + 1, __ATOMIC_RELEASE);
		if (!i && __atomic_add_fetch(&nr_going, 1, __ATOMIC_RELAXED) == NR_LATE)
			close(must(open(going, O_WRONLY | O_CREAT, 0600)));
	}
	return NULL;
}

/* Nothing gets into the holes, but may be there for a moment. */
static void *touch_holes(void *arg)
{
	int zero = must(open("/dev/zero", O_RDONLY));

	while (!__atomic_load_n(&go, __ATOMIC_RELAXED))
		refused(EFAULT, read(zero, arg, 1));
	close(zero);
	return NULL;
}

static void make_full(void)
{
	int session, fd, fill;
	pthread_t threads[2];
	char page[PAGE];
	uint64_t *mem;

	fd = must(open("/mnt/full/file", O_RDWR | O_CREAT, 0600));
	must(ftruncate(fd, 40 * PAGE));
	mem = map(fd, 40);
	for (uint64_t i = 0; i < 20; i++)
		fill_page(mem + i * WORDS, 1, i);
	fill = must(open("/mnt/full/fill", O_WRONLY | O_CREAT, 0600));
	memset(page, 1, sizeof(page));
	while (write(fill, page, sizeof(page)) > 0)
		;
	check(errno == ENOSPC);
	for (uint64_t i = 0; i < ARRAY_SIZE(threads); i++)
		check(!pthread_create(&threads[i], NULL, touch_holes,
				      mem + (30 + i) * WORDS));
	for (int i = 0; i < 300; i++) {
		session = make_session("full", LIVEUPDATE_IOCTL_CREATE_SESSION);
		must(preserve(session, fd, 1));
		close(session);
	}
	__atomic_store_n(&go, 1, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < ARRAY_SIZE(threads); i++)
		check(!pthread_join(threads[i], NULL));
}

static void make(void)
{
	static struct late late[NR_LATE];
	int session = make_session("replaced", LIVEUPDATE_IOCTL_CREATE_SESSION);
	pthread_t thread;
	uint64_t *progress;
	int fd, i;

	make_full();
	for (i = 0; i < NR_EARLY; i++)
		make_early(session, i);
	check(collapsed > 0);

	fd = must(memfd_create("progress", 0));
	must(ftruncate(fd, PAGE));
	progress = map(fd, 1);
	memset(progress, 0, PAGE);
	must(preserve(session, fd, PROGRESS));
	for (i = 0; i < NR_LATE; i++) {
		late[i].token = NR_EARLY + i;
		late[i].progress = &progress[i];
		late[i].mem = new_file(&fd, LATE_RANGES);
		must(preserve(session, fd, late[i].token));
		check(!pthread_create(&thread, NULL, collapse_holes, &late[i]));
	}
	go_on();
}

static void check_early(int session, int token)
{
	const uint64_t pages = EARLY_RANGES * HUGE_PAGES;
	int fd = retrieve(session, token);
	uint64_t *mem = map(fd, pages);

	for (uint64_t i = 0; i < pages; i++)
		check(page_is(mem + i * WORDS, token, i));
}

static void check_late(int session, int token, uint64_t progress)
{
	int fd = retrieve(session, token);
	uint64_t *mem = map(fd, LATE_RANGES * HUGE_PAGES);

	check(progress && progress <= LATE_RANGES);
	for (uint64_t i = 0; i < progress; i++) {
		for (uint64_t j = 0; j < 4; j++) {
			uint64_t page = i * HUGE_PAGES + j;

			check(page_is(mem + page * WORDS, token, page));
		}
		check(page_empty(mem + (i * HUGE_PAGES + 4) * WORDS));
	}
}

int main(int argc, char **argv)
{
	static char text[32];
	uint64_t *progress;
	int session, i, in_middle = 0;

	if (argc == 2 && !strcmp(argv[1], "make"))
		return in_background(make);
	if (argc != 2 || strcmp(argv[1], "check"))
		return 2;

	about = text;
	session = make_session("replaced", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	for (i = 0; i < NR_EARLY; i++) {
		snprintf(text, sizeof(text), "file %d", i);
		check_early(session, i);
	}
	progress = map(retrieve(session, PROGRESS), 1);
	for (i = 0; i < NR_LATE; i++) {
		snprintf(text, sizeof(text), "hole file %d of %d, at %d", i,
			 NR_LATE, (int)progress[i]);
		check_late(session, NR_EARLY + i, progress[i]);
		in_middle |= progress[i] < LATE_RANGES;
	}
	check(in_middle);
	finish(session);
	return 0;
}
