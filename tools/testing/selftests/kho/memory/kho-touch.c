// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-touch: every way to get at a shared-memory file between taking it back and
 * finishing its session, each on a file that nobody has touched before. Whether the
 * kernel puts pages in place at once or when they are touched, nobody may notice.
 *
 *	kho-touch make		make and preserve the files; a process stays
 *	kho-touch take		retrieve, touch and compare, finish, compare again
 *
 * With -n before that, only those ways that are system calls; each of them, and
 * preserving, retrieving and finishing, is done with the first allocation of memory
 * in the kernel failing, then the second, and so on until it works.
 *
 * Of each way there is a file of small pages, one of huge ones, and one that has
 * both; all have holes, and all end within a page.
 */
#include <pthread.h>
#include <stdbool.h>
#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kho-file.h"

#define PAGES		1900UL
#define SIZE		(PAGES * PAGE - 1000)
#define HUGE		512UL

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

enum kind { SMALL, LARGE, MIXED, KINDS };

static const char * const kind_names[] = { "small", "large", "mixed" };

/**
 * struct file - a file, and what should be in it
 * @fd: descriptor
 * @kind: what pages it has
 * @mem: a mapping of it, nothing touched
 * @want: what it should contain, to the end of the last page
 */
struct file {
	int fd;
	enum kind kind;
	uint8_t *mem;
	uint8_t *want;
};

static bool is_hole(enum kind kind, uint64_t page)
{
	switch (kind) {
	case SMALL:
		return page % 7 == 3 || (page >= 600 && page < 700);
	case LARGE:
		return page / HUGE == 1;
	default:
		return page / HUGE == 2 || (page >= 5 && page < 9);
	}
}

static void want_pattern(struct file *file, uint64_t token)
{
	file->want = calloc(PAGES, PAGE);
	check(file->want);
	for (uint64_t page = 0; page < PAGES; page++)
		if (!is_hole(file->kind, page))
			fill_page((uint64_t *)(file->want + page * PAGE), token, page);
	memset(file->want + SIZE, 0, PAGES * PAGE - SIZE);
}

static bool inject;
static unsigned int nr_failed;

static int fail_nth(void)
{
	static int fd;

	if (!fd)
		fd = must(open("/proc/self/fail-nth", O_RDWR));
	return fd;
}

/* From here on the @n-th allocation of memory fails. */
static void arm(unsigned int n)
{
	char text[16];

	if (!inject)
		return;
	snprintf(text, sizeof(text), "%u", n);
	must_all(strlen(text), pwrite(fail_nth(), text, strlen(text), 0));
}

/* No longer. Did it come that far? */
static bool disarm(void)
{
	char text[16] = "";
	int error = errno;

	if (!inject)
		return false;
	check(must(pread(fail_nth(), text, sizeof(text) - 1, 0)) > 0);
	must_all(1, pwrite(fail_nth(), "0", 1, 0));
	errno = error;
	return !atoi(text);
}

static bool failed_for_memory(int wanted)
{
	check(disarm());
	check(errno == wanted || (wanted == ENOMEM && errno == ENOSPC));
	nr_failed++;
	return true;
}

/*
 * What @call returns when the n-th allocation fails no longer makes it fail with
 * @errno_. When it could do without that one, the next time begins behind it.
 */
#define nth(call, errno_) ({						\
	static unsigned int _from = 1;					\
	unsigned int _n = _from;					\
	long _rc;							\
									\
	arm(_n);							\
	while ((_rc = (call)) < 0 && inject &&				\
	       failed_for_memory(errno_))				\
		arm(++_n);						\
	_from = disarm() ? _n + 1 : 1;					\
	must(_rc);							\
})

static void make_file(struct file *file, uint64_t token)
{
	char path[64];

	if (file->kind == SMALL) {
		file->fd = must(memfd_create("touched", 0));
	} else {
		snprintf(path, sizeof(path), "/mnt/huge/%lu", token);
		file->fd = must(open(path, O_RDWR | O_CREAT, 0600));
	}
	must(ftruncate(file->fd, SIZE));
	for (uint64_t page = 0; page < PAGES; page++) {
		uint64_t size = page == PAGES - 1 ? SIZE % PAGE : PAGE;

		if (!is_hole(file->kind, page))
			must_all(size, pwrite(file->fd, file->want + page * PAGE, size,
					      page * PAGE));
	}
	/* Splits a huge page */
	if (file->kind == MIXED)
		must(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 5 * PAGE, 4 * PAGE));
}

static void same_bytes(const uint8_t *is, const uint8_t *wanted, uint64_t at,
		       uint64_t size)
{
	if (!memcmp(is, wanted, size))
		return;
	for (uint64_t i = 0; i < size; i++) {
		if (is[i] == wanted[i])
			continue;
		fprintf(stderr, "page %lu, byte %lu: %#x, expected %#x\n",
			(at + i) / PAGE, (at + i) % PAGE, is[i], wanted[i]);
		break;
	}
	failed(__LINE__, "bytes differ", NULL);
}

static void compare_read(const struct file *file)
{
	static uint8_t buffer[100001];
	uint64_t at = 0;
	long got;

	while ((got = nth(pread(file->fd, buffer, sizeof(buffer), at), ENOMEM))) {
		same_bytes(buffer, file->want + at, at, got);
		at += got;
	}
	check(at == SIZE);
}

static void compare_mapped(const struct file *file)
{
	for (long page = PAGES - 1; page >= 0; page--)
		same_bytes(file->mem + page * PAGE, file->want + page * PAGE,
			   page * PAGE, PAGE);
}

static void compare(const struct file *file)
{
	struct stat st;

	must(fstat(file->fd, &st));
	check(st.st_size == SIZE);
	compare_read(file);
	compare_mapped(file);
}

/*
 * The ways
 */

static void by_nothing(struct file *file)
{
	check(file->fd >= 0);
}

/* Here and there: the rest comes with finish, around what is there already. */
static void by_a_few(struct file *file)
{
	for (uint64_t page = 20; page < PAGES; page += 40)
		if (!is_hole(file->kind, page))
			check(file->mem[page * PAGE + 3] == file->want[page * PAGE + 3]);
}

static void by_read(struct file *file)
{
	compare_read(file);
}

static void by_mapping(struct file *file)
{
	compare_mapped(file);
}

/* In holes too */
static void by_storing(struct file *file)
{
	for (uint64_t page = 0; page < PAGES; page += 2) {
		uint64_t at = page * PAGE + page % WORDS * 8;

		file->mem[at] = 0x5a;
		file->want[at] = 0x5a;
	}
}

/* Less than a page, over a border of pages, and a whole page */
static void by_write(struct file *file)
{
	static const struct { uint64_t offset, size; } parts[] = {
		{ 100, 50 }, { PAGE - 10, 20 }, { 0, PAGE }, { 4000, 9000 },
	};
	uint8_t bytes[9000];

	for (uint64_t page = 0; page + 4 < PAGES; page += 5) {
		uint64_t at = page * PAGE + parts[page % 4].offset;
		uint64_t size = parts[page % 4].size;

		memset(bytes, page | 1, size);
		memcpy(file->want + at, bytes, size);
		/* It may stop where a page cannot be had. */
		for (uint64_t done = 0; done < size;)
			done += nth(pwrite(file->fd, bytes + done, size - done, at + done),
				    ENOMEM);
	}
}

static void by_child(struct file *file)
{
	int status;

	if (!must(fork())) {
		for (uint64_t page = 0; page < PAGES; page += 3) {
			if (page % 2)
				file->mem[page * PAGE + 9] = 7;
			else
				same_bytes(file->mem + page * PAGE,
					   file->want + page * PAGE,
					   page * PAGE, PAGE);
		}
		_exit(0);
	}
	for (uint64_t page = 3; page < PAGES; page += 6)
		file->want[page * PAGE + 9] = 7;
	must(wait(&status));
	check(!status);
}

static void by_private_mapping(struct file *file)
{
	uint8_t *mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE, file->fd, 0);

	check(mem != MAP_FAILED);
	for (uint64_t page = 0; page < PAGES; page++) {
		if (page % 2)
			mem[page * PAGE + 17] = 1;
		check(mem[page * PAGE + 18] == file->want[page * PAGE + 18]);
	}
	munmap(mem, PAGES * PAGE);
}

/* Where there is data, before anything is touched and with some of it touched */
static void by_seek(struct file *file)
{
	by_a_few(file);
	for (int round = 0; round < 2; round++) {
		for (uint64_t page = 0; page < PAGES; page++) {
			off_t at = page * PAGE;
			bool hole = is_hole(file->kind, page);

			check((lseek(file->fd, at, SEEK_DATA) == at) == !hole);
			check((lseek(file->fd, at, SEEK_HOLE) == at) == hole);
			if (!hole && page % 3 == 1)
				check(file->mem[at] == file->want[at]);
		}
	}
	refused(ENXIO, lseek(file->fd, SIZE, SEEK_DATA));
}

static void by_resizing(struct file *file)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	check(file->mem[0] == file->want[0]);
	/* The same size is no other one: nothing has to come back for it. */
	must(ftruncate(file->fd, SIZE));
	/* What is taken away is gone, and nothing else. */
	must(fallocate(file->fd, punch, 300 * PAGE, HUGE * PAGE));
	memset(file->want + 300 * PAGE, 0, HUGE * PAGE);
	compare(file);
	must(madvise(file->mem + 10 * PAGE, 3 * PAGE, MADV_REMOVE));
	memset(file->want + 10 * PAGE, 0, 3 * PAGE);
	must_all(1, pwrite(file->fd, "x", 1, SIZE + PAGE));
	must(ftruncate(file->fd, SIZE - 70 * PAGE));
	must(ftruncate(file->fd, SIZE));
	memset(file->want + SIZE - 70 * PAGE, 0, 70 * PAGE);
	must(fallocate(file->fd, 0, 0, SIZE));
	must(fallocate(file->fd, FALLOC_FL_KEEP_SIZE, SIZE, PAGE));
	compare(file);
}

/* The first that it sees of the file */
static void by_truncating(struct file *file)
{
	must(ftruncate(file->fd, 700 * PAGE + 5));
	must(ftruncate(file->fd, SIZE));
	memset(file->want + 700 * PAGE + 5, 0, SIZE - 700 * PAGE - 5);
}

/* What is not in place yet must not be taken for a hole. */
static void by_collapsing(struct file *file)
{
	for (uint64_t page = 0; page < PAGES; page += 11)
		check(file->mem[page * PAGE] == file->want[page * PAGE]);
	must(madvise(file->mem, PAGES * PAGE, MADV_HUGEPAGE));
	for (uint64_t page = 5; page < PAGES; page += 31)
		check(file->mem[page * PAGE + 2] == file->want[page * PAGE + 2]);
	/* It may refuse: the bytes count. */
	madvise(file->mem, PAGES * PAGE, MADV_COLLAPSE);
	compare(file);
	madvise(file->mem, PAGES * PAGE, MADV_COLLAPSE);
}

static void by_collapsing_untouched(struct file *file)
{
	madvise(file->mem, PAGES * PAGE, MADV_COLLAPSE);
}

static void by_mincore(struct file *file)
{
	static unsigned char in_core[PAGES];

	must(mincore(file->mem, PAGES * PAGE, in_core));
	for (uint64_t page = 0; page < PAGES; page++)
		if (is_hole(file->kind, page))
			check(!(in_core[page] & 1));
	for (uint64_t page = 0; page < PAGES; page++)
		check(file->mem[page * PAGE + 1] == file->want[page * PAGE + 1]);
	must(mincore(file->mem, PAGES * PAGE, in_core));
	for (uint64_t page = 0; page < PAGES; page++)
		check(in_core[page] & 1);
}

static void read_pipe(int fd, const struct file *file, uint64_t at, uint64_t size)
{
	static uint8_t buffer[1 << 16];

	while (size) {
		long got = must(read(fd, buffer, sizeof(buffer)));

		check(got > 0);
		same_bytes(buffer, file->want + at, at, got);
		at += got;
		size -= got;
	}
}

static void by_splice(struct file *file)
{
	off_t at = 0;
	int fds[2];

	must(pipe(fds));
	while (at < (off_t)SIZE) {
		off_t from = at;
		long got = must(splice(file->fd, &at, fds[1], NULL, 1 << 16, 0));

		check(got > 0);
		read_pipe(fds[0], file, from, got);
	}
	close(fds[0]);
	close(fds[1]);
}

static void by_sendfile(struct file *file)
{
	struct file copy = *file;
	off_t at = 0;

	copy.fd = must(memfd_create("copy", 0));
	while (at < (off_t)SIZE)
		check(must(sendfile(copy.fd, file->fd, &at, SIZE - at)) > 0);
	compare_read(&copy);
	close(copy.fd);
}

/* The other way: what is written replaces whole pages. */
static void by_splice_into(struct file *file)
{
	uint8_t bytes[3 * PAGE];
	int fds[2];

	must(pipe(fds));
	for (uint64_t page = 1; page + 4 < PAGES; page += 9) {
		off_t at = page * PAGE + page % 3 * 1000;
		uint64_t left = sizeof(bytes);

		memset(bytes, page | 1, sizeof(bytes));
		memcpy(file->want + at, bytes, sizeof(bytes));
		check(write(fds[1], bytes, sizeof(bytes)) == sizeof(bytes));
		while (left)
			left -= must(splice(fds[0], NULL, file->fd, &at, left, 0));
	}
	close(fds[0]);
	close(fds[1]);
}

static void *from_the_end(void *arg)
{
	compare_mapped(arg);
	return NULL;
}

static void *by_words(void *arg)
{
	const struct file *file = arg;

	for (uint64_t page = 0; page < PAGES; page++)
		same_bytes(file->mem + page * PAGE, file->want + page * PAGE,
			   page * PAGE, 8);
	return NULL;
}

static void *read_through(void *arg)
{
	compare_read(arg);
	return NULL;
}

static void by_threads(struct file *file)
{
	static void *(* const ways[])(void *) = {
		by_words, from_the_end, read_through, by_words,
	};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		check(!pthread_create(&threads[i], NULL, ways[i], file));
	for (int i = 0; i < 4; i++)
		check(!pthread_join(threads[i], NULL));
}

/* Two write to the same pages, each its own words. */
struct writer {
	struct file *file;
	uint64_t first;
};

static void *write_words(void *arg)
{
	struct writer *writer = arg;
	uint64_t *words = (uint64_t *)writer->file->mem;

	for (uint64_t i = writer->first; i < (PAGES - 1) * WORDS; i += 64)
		__atomic_store_n(&words[i], i, __ATOMIC_RELAXED);
	return NULL;
}

static void by_writing_threads(struct file *file)
{
	struct writer writers[2] = { { file, 3 }, { file, 4 } };
	uint64_t *want = (uint64_t *)file->want;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		check(!pthread_create(&threads[i], NULL, write_words, &writers[i]));
	for (int i = 0; i < 2; i++)
		check(!pthread_join(threads[i], NULL));
	for (uint64_t i = 0; i < (PAGES - 1) * WORDS; i++)
		if (i % 64 == 3 || i % 64 == 4)
			want[i] = i;
}

static void by_populating(struct file *file)
{
	must(madvise(file->mem, PAGES * PAGE, MADV_POPULATE_READ));
	must(madvise(file->mem, PAGES * PAGE, MADV_POPULATE_WRITE));
}

/* With swap space: what was touched, and what was not, may go there. */
static void by_paging_out(struct file *file)
{
	for (uint64_t page = 0; page < PAGES; page += 2)
		check(file->mem[page * PAGE] == file->want[page * PAGE]);
	must(madvise(file->mem, PAGES * PAGE, MADV_PAGEOUT));
	compare(file);
	must(madvise(file->mem, PAGES * PAGE, MADV_PAGEOUT));
}

static void by_locking(struct file *file)
{
	must(mlock(file->mem, PAGES * PAGE));
	munlock(file->mem, PAGES * PAGE);
}

/* Touched and mapped, then unmapped and mapped again */
static void by_remapping(struct file *file)
{
	for (uint64_t page = 0; page < PAGES; page += 5)
		check(file->mem[page * PAGE] == file->want[page * PAGE]);
	must(madvise(file->mem, PAGES * PAGE, MADV_DONTNEED));
	file->mem = mremap(file->mem, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
	check(file->mem != MAP_FAILED);
	must(munmap(file->mem + PAGES * PAGE, PAGES * PAGE));
}

struct way {
	const char *name;
	void (*touch)(struct file *file);
};

static const struct way all_ways[] = {
	{ "nothing", by_nothing },
	{ "a few", by_a_few },
	{ "read", by_read },
	{ "mapping", by_mapping },
	{ "storing", by_storing },
	{ "write", by_write },
	{ "child", by_child },
	{ "private mapping", by_private_mapping },
	{ "seek", by_seek },
	{ "resizing", by_resizing },
	{ "truncating", by_truncating },
	{ "collapsing", by_collapsing },
	{ "collapsing what is untouched", by_collapsing_untouched },
	{ "mincore", by_mincore },
	{ "splice", by_splice },
	{ "sendfile", by_sendfile },
	{ "splice into", by_splice_into },
	{ "threads", by_threads },
	{ "writing threads", by_writing_threads },
	{ "populating", by_populating },
	{ "paging out", by_paging_out },
	{ "locking", by_locking },
	{ "remapping", by_remapping },
};

static const struct way system_calls[] = {
	{ "nothing", by_nothing },
	{ "nothing", by_nothing },
	{ "nothing", by_nothing },
	{ "nothing", by_nothing },
	{ "read", by_read },
	{ "write", by_write },
};

#define MAX_WAYS ARRAY_SIZE(all_ways)

static const struct way *ways = all_ways;
static uint64_t nr_files = MAX_WAYS * KINDS;

/* With failing allocations a session for each file, so that each can be finished. */
static int open_session(uint64_t token, unsigned long command, int before)
{
	char name[32];

	if (token && !inject)
		return before;
	snprintf(name, sizeof(name), "touch-%lu", token);
	return make_session(name, command);
}

/* In a session that is closed each time, until nothing fails */
static void try_preserve(int fd)
{
	unsigned int n = 1;
	bool came_so_far = inject;

	for (; came_so_far; n++) {
		int session = make_session("scratch", LIVEUPDATE_IOCTL_CREATE_SESSION);

		arm(n);
		if (preserve(session, fd, 1) < 0)
			failed_for_memory(ENOMEM);
		else
			came_so_far = disarm();
		close(session);
	}
}

static void make(void)
{
	int session = -1;

	for (uint64_t token = 0; token < nr_files; token++) {
		struct file file = { .kind = token % KINDS };

		want_pattern(&file, token);
		make_file(&file, token);
		session = open_session(token, LIVEUPDATE_IOCTL_CREATE_SESSION, session);
		try_preserve(file.fd);
		must(preserve(session, file.fd, token));
		close(file.fd);
		free(file.want);
	}
	if (inject)
		printf("making: %u failures\n", nr_failed);
	/* (nodes of the map are there already when files lie close together) */
	check(!inject || nr_failed >= nr_files);
	fflush(stdout);
	go_on();
}

static uint64_t data_pages(const struct file *file)
{
	uint64_t nr = 0;

	for (uint64_t page = 0; page < PAGES; page++)
		nr += !is_hole(file->kind, page);
	return nr;
}

/* An ordinary file now: a part goes, the rest stays. */
static void resize(struct file *file)
{
	const uint64_t begin = 400 * PAGE + 5, end = 1300 * PAGE + 77;
	struct stat st;

	must(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       begin, end - begin));
	memset(file->want + begin, 0, end - begin);
	compare(file);
	must(ftruncate(file->fd, 1500 * PAGE + 3));
	must(ftruncate(file->fd, SIZE));
	memset(file->want + 1500 * PAGE + 3, 0, SIZE - 1500 * PAGE - 3);
	compare(file);
	must(ftruncate(file->fd, 0));
	must(fstat(file->fd, &st));
	check(!st.st_blocks);
}

static void take(void)
{
	int session = -1;
	static struct file files[MAX_WAYS * KINDS];
	static char what[MAX_WAYS * KINDS][80];
	struct stat st;

	for (uint64_t token = 0; token < nr_files; token++) {
		struct file *file = &files[token];

		about = what[token];
		file->kind = token % KINDS;
		snprintf(what[token], sizeof(what[0]), "%s by %s, token %lu",
			 kind_names[file->kind], ways[token / KINDS].name, token);
		want_pattern(file, token);
		session = open_session(token, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, session);
		file->fd = nth(try_retrieve(session, token), ENOMEM);
		file->mem = (uint8_t *)map(file->fd, PAGES);
		must(fstat(file->fd, &st));
		check(st.st_size == SIZE);
		check((uint64_t)st.st_blocks >= data_pages(file) * 8);
		ways[token / KINDS].touch(file);
		/* Some are compared when the session is finished only. */
		if (token >= 2 * KINDS)
			compare(file);
		if (inject || token == nr_files - 1) {
			nth(try_finish(session), EBUSY);
			close(session);
		}
	}
	if (inject)
		printf("taking: %u failures\n", nr_failed);
	check(!inject || nr_failed >= 20);
	for (uint64_t token = 0; token < nr_files; token++) {
		about = what[token];
		if (token >= KINDS || token == 1)
			compare(&files[token]);
		resize(&files[token]);
		munmap(files[token].mem, PAGES * PAGE);
		close(files[token].fd);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "-n")) {
		inject = true;
		ways = system_calls;
		nr_files = ARRAY_SIZE(system_calls) * KINDS;
		argv++;
		argc--;
	}
	if (argc == 2 && !strcmp(argv[1], "make"))
		return in_background(make);
	if (argc != 2 || strcmp(argv[1], "take"))
		return 2;
	take();
	return 0;
}
