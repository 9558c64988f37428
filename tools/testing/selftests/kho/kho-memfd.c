// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-memfd: shared-memory files of every kind, over a live update.
 *
 *	kho-memfd make		make and preserve them; a process stays and goes on
 *				writing until the jump
 *	kho-memfd check		retrieve them and compare every byte
 *	kho-memfd swap		preserve a file that is swapped out; stays
 *	kho-memfd check-swap
 *	kho-memfd charge	retrieve the dense file and hold it until it is killed
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE		4096UL
#define WORDS		(PAGE / 8)
#define SPARSE_PAGES	16384UL
#define DENSE_PAGES	4096UL
#define HUGE_PAGES	2048UL
#define RING_PAGES	1000UL
#define HOLE_PAGES	100000UL
#define SWAP_PAGES	8192UL

enum { EMPTY, BYTE, SPARSE, DENSE, HUGE, SEALED, RING, HOLES, TMPFS, LATE, NR };

static int session;

#define must(x) ({							\
	long _r = (long)(x);						\
	if (_r < 0) {							\
		fprintf(stderr, "kho-memfd: line %d: %s: %s\n",		\
			__LINE__, #x, strerror(errno));			\
		exit(1);						\
	}								\
	_r;								\
})

#define check(x) do {							\
	if (!(x)) {							\
		fprintf(stderr, "kho-memfd: line %d: not so: %s\n",	\
			__LINE__, #x);					\
		exit(1);						\
	}								\
} while (0)

#define refused(e, x) check((long)(x) < 0 && errno == (e))

static uint64_t word_of(uint64_t seed, uint64_t page, uint64_t i)
{
	return (seed << 48 ^ page << 16 ^ i) * 0x9e3779b97f4a7c15ULL + 1;
}

static void fill_page(uint64_t *mem, uint64_t seed, uint64_t page)
{
	for (uint64_t i = 0; i < WORDS; i++)
		mem[i] = word_of(seed, page, i);
}

static int page_is(const uint64_t *mem, uint64_t seed, uint64_t page)
{
	for (uint64_t i = 0; i < WORDS; i++)
		if (mem[i] != word_of(seed, page, i))
			return 0;
	return 1;
}

static int page_empty(const uint64_t *mem)
{
	for (uint64_t i = 0; i < WORDS; i++)
		if (mem[i])
			return 0;
	return 1;
}

static uint64_t *map(int fd, uint64_t pages)
{
	void *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);

	check(mem != MAP_FAILED);
	return mem;
}

static int new_file(const char *name, uint64_t pages)
{
	int fd = must(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));

	must(ftruncate(fd, pages * PAGE));
	return fd;
}

static int make_session(const char *name, unsigned long command)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int dev = must(open("/dev/liveupdate", O_RDWR | O_CLOEXEC));

	strcpy((char *)arg.name, name);
	must(ioctl(dev, command, &arg));
	close(dev);
	return arg.fd;
}

static int preserve(int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

static int retrieve(uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg), .token = token,
	};

	must(ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg));
	return arg.fd;
}

static void finish(void)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	must(ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg));
}

static void frozen(int fd)
{
	struct stat st;
	char byte = 1;

	must(fstat(fd, &st));
	refused(EBUSY, ftruncate(fd, st.st_size + 1));
	if (st.st_size)
		refused(EBUSY, ftruncate(fd, st.st_size - 1));
	must(ftruncate(fd, st.st_size));
	refused(EBUSY, fallocate(fd, 0, 0, PAGE));
	refused(EBUSY, fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				 FALLOC_FL_KEEP_SIZE, 0, PAGE));
	refused(EBUSY, pwrite(fd, &byte, 1, st.st_size));
}

static int in_sparse(uint64_t page)
{
	return page == 0 || page == 7 || (page >= 1000 && page < 1021) ||
	       page == SPARSE_PAGES - 1 || (page > 5000 && page % 97 == 3);
}

/* Each round writes its number into all words of all pages, in order. */
static void *write_ring(void *mem)
{
	uint64_t *words = mem;

	for (uint64_t round = 1;; round++)
		for (uint64_t i = 0; i < RING_PAGES * WORDS; i++)
			__atomic_store_n(&words[i], round, __ATOMIC_RELAXED);
	return NULL;
}

/* Fills holes; says in the first page how far it came. */
static void *fill_holes(void *mem)
{
	uint64_t *words = mem;

	for (uint64_t page = 1; page < HOLE_PAGES; page++) {
		fill_page(words + page * WORDS, HOLES, page);
		__atomic_store_n(&words[0], page, __ATOMIC_RELEASE);
		usleep(1000);
	}
	return NULL;
}

/* The caller goes on when the child says so; the child stays. */
static int ready_pipe[2];

static void go_on(void)
{
	must(write(ready_pipe[1], "", 1));
	for (;;)
		pause();
}

static void make(void)
{
	int fd[NR + 1];
	uint64_t *mem, *ring, *holes, *huge;
	pthread_t thread;
	struct stat st;

	session = make_session("files", LIVEUPDATE_IOCTL_CREATE_SESSION);
	fd[EMPTY] = new_file("empty", 0);
	fd[BYTE] = new_file("byte", 0);
	must(write(fd[BYTE], "x", 1));

	fd[SPARSE] = new_file("sparse", SPARSE_PAGES);
	mem = map(fd[SPARSE], SPARSE_PAGES);
	for (uint64_t i = 0; i < SPARSE_PAGES; i++)
		if (in_sparse(i) && i != 7)
			fill_page(mem + i * WORDS, SPARSE, i);

	fd[DENSE] = new_file("dense", DENSE_PAGES);
	mem = map(fd[DENSE], DENSE_PAGES);
	for (uint64_t i = 0; i < DENSE_PAGES; i++)
		fill_page(mem + i * WORDS, 0, i);
	must(fchmod(fd[DENSE], 0640));
	must(fcntl(fd[DENSE], F_SETFL, O_APPEND));

	fd[HUGE] = must(open("/mnt/huge/file", O_RDWR | O_CREAT, 0600));
	must(ftruncate(fd[HUGE], HUGE_PAGES * PAGE));
	huge = map(fd[HUGE], HUGE_PAGES);
	/* One huge page stays a hole */
	for (uint64_t i = 0; i < HUGE_PAGES; i++)
		if (i / 512 != 2)
			fill_page(huge + i * WORDS, HUGE, i);

	fd[SEALED] = new_file("sealed", 3);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t page[WORDS];

		fill_page(page, SEALED, i);
		must(pwrite(fd[SEALED], page, PAGE, i * PAGE));
	}
	must(fcntl(fd[SEALED], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		   F_SEAL_WRITE));

	fd[RING] = new_file("ring", RING_PAGES);
	fd[HOLES] = new_file("holes", HOLE_PAGES);
	ring = map(fd[RING], RING_PAGES);
	holes = map(fd[HOLES], HOLE_PAGES);

	fd[TMPFS] = must(open("/mnt/huge/small", O_RDWR | O_CREAT, 0444));
	must(write(fd[TMPFS], "tmpfs", 5));
	fd[NR] = must(open("/mnt/huge/small", O_RDONLY));
	close(fd[TMPFS]);
	fd[TMPFS] = fd[NR];
	must(unlink("/mnt/huge/small"));

	/* Memory that was set aside but never written to */
	fd[LATE] = new_file("late", 10);
	must(fallocate(fd[LATE], 0, 0, 5 * PAGE));
	must(fallocate(fd[LATE], FALLOC_FL_KEEP_SIZE, 10 * PAGE, 5 * PAGE));

	for (int i = 0; i < NR; i++) {
		must(preserve(fd[i], i));
		refused(EBUSY, preserve(fd[i], 100 + i));
		if (i != SEALED && i != TMPFS)
			frozen(fd[i]);
	}

	/* What is written after that counts too. */
	mem = map(fd[DENSE], DENSE_PAGES);
	for (uint64_t i = 0; i < DENSE_PAGES; i++)
		fill_page(mem + i * WORDS, DENSE, i);
	mem = map(fd[SPARSE], SPARSE_PAGES);
	fill_page(mem + 7 * WORDS, SPARSE, 7);
	must(pwrite(fd[LATE], "late", 4, 7 * PAGE));
	must(lseek(fd[DENSE], 12345, SEEK_SET));

	check(!pthread_create(&thread, NULL, write_ring, ring));
	check(!pthread_create(&thread, NULL, fill_holes, holes));
	/* Some are held by the session alone. */
	close(fd[SPARSE]);
	close(fd[DENSE]);
	must(fstat(fd[HUGE], &st));
	check(st.st_blocks == 3 * 512 * 8);
	go_on();
}

static void check_ring(int fd)
{
	uint64_t *words = map(fd, RING_PAGES), rounds = words[0], i = 0;

	check(rounds > 0);
	while (i < RING_PAGES * WORDS && words[i] == rounds)
		i++;
	for (; i < RING_PAGES * WORDS; i++)
		check(words[i] == rounds - 1);
}

static void check_holes(int fd)
{
	uint64_t *words = map(fd, HOLE_PAGES), last = words[0];

	check(last > 10 && last < HOLE_PAGES - 1);
	for (uint64_t i = 1; i <= last; i++)
		check(page_is(words + i * WORDS, HOLES, i));
	/* The one after may have been begun. */
	for (uint64_t i = last + 2; i < HOLE_PAGES; i += i < last + 100 ? 1 : 97)
		check(page_empty(words + i * WORDS));
}

static void check_sparse(int fd)
{
	uint64_t *mem = map(fd, SPARSE_PAGES), i, pages = 0;
	struct stat st;

	for (i = 0; i < SPARSE_PAGES; i++)
		pages += in_sparse(i);
	must(fstat(fd, &st));
	check(st.st_size == SPARSE_PAGES * PAGE);
	check(st.st_blocks == (long)pages * 8);
	for (i = 0; i < SPARSE_PAGES; i++) {
		off_t data = lseek(fd, i * PAGE, SEEK_DATA);

		check((data == (off_t)(i * PAGE)) == in_sparse(i));
	}
	for (i = 0; i < SPARSE_PAGES; i++) {
		if (in_sparse(i))
			check(page_is(mem + i * WORDS, SPARSE, i));
		else
			check(page_empty(mem + i * WORDS));
	}
	munmap(mem, SPARSE_PAGES * PAGE);
}

static void check_dense(int fd)
{
	uint64_t *mem = map(fd, DENSE_PAGES);
	char path[64], link[256] = "";
	struct stat st;

	for (uint64_t i = 0; i < DENSE_PAGES; i++)
		check(page_is(mem + i * WORDS, DENSE, i));
	must(fstat(fd, &st));
	check((st.st_mode & 07777) == 0640);
	check(lseek(fd, 0, SEEK_CUR) == 12345);
	check(fcntl(fd, F_GETFL) & O_APPEND);
	sprintf(path, "/proc/self/fd/%d", fd);
	must(readlink(path, link, sizeof(link) - 1));
	check(!strcmp(link, "/memfd:dense (deleted)"));
	munmap(mem, DENSE_PAGES * PAGE);
}

static long meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	long value = -1;

	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = strtol(line + strlen(name) + 1, NULL, 10);
	fclose(file);
	return value;
}

static void check_huge(int fd, long before)
{
	uint64_t *mem = map(fd, HUGE_PAGES);
	struct stat st;

	must(fstat(fd, &st));
	check(st.st_blocks == 3 * 512 * 8);
	for (uint64_t i = 0; i < HUGE_PAGES; i++) {
		if (i / 512 != 2)
			check(page_is(mem + i * WORDS, HUGE, i));
		else if (i == 2 * 512)
			check(lseek(fd, i * PAGE, SEEK_DATA) ==
			      (off_t)(3 * 512 * PAGE));
		else
			check(page_empty(mem + i * WORDS));
	}
	check(meminfo("ShmemHugePages") - before >= 3 * 2048);
	munmap(mem, HUGE_PAGES * PAGE);
}

/* An ordinary file again: everything that can be done with one. */
static void check_ordinary(int fd)
{
	uint64_t *mem = map(fd, DENSE_PAGES);
	int status;

	fill_page(mem, 99, 0);
	if (!must(fork())) {
		check(page_is(mem, 99, 0));
		fill_page(mem, 98, 1);
		exit(0);
	}
	wait(&status);
	check(!status && page_is(mem, 98, 1));
	must(madvise(mem, DENSE_PAGES * PAGE, MADV_HUGEPAGE));
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       5 * PAGE, 3 * PAGE));
	check(page_empty(mem + 5 * WORDS) && page_empty(mem + 7 * WORDS));
	check(page_is(mem + 8 * WORDS, DENSE, 8));
	must(ftruncate(fd, 20 * PAGE));
	must(ftruncate(fd, 2 * DENSE_PAGES * PAGE));
	check(page_is(mem + 19 * WORDS, DENSE, 19));
	check(page_empty(mem + 20 * WORDS));
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	refused(EPERM, ftruncate(fd, 3 * DENSE_PAGES * PAGE));
	munmap(mem, DENSE_PAGES * PAGE);
}

static void check_all(void)
{
	static const int order[NR] = {
		TMPFS, RING, EMPTY, HUGE, SEALED, DENSE, BYTE, LATE, HOLES,
		SPARSE,
	};
	long huge = meminfo("ShmemHugePages");
	uint64_t page[WORDS];
	char bytes[10] = "";
	struct stat st;
	int fd[NR];

	session = make_session("files", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	for (int i = 0; i < NR; i++)
		fd[order[i]] = retrieve(order[i]);
	for (int i = 0; i < NR; i++)
		if (i != SEALED && i != TMPFS && i != DENSE)
			frozen(fd[i]);

	must(fstat(fd[EMPTY], &st));
	check(!st.st_size && !st.st_blocks);
	must(fstat(fd[BYTE], &st));
	check(st.st_size == 1 && lseek(fd[BYTE], 0, SEEK_CUR) == 1);
	check(pread(fd[BYTE], bytes, 2, 0) == 1 && bytes[0] == 'x');
	check_sparse(fd[SPARSE]);
	check_dense(fd[DENSE]);
	check_huge(fd[HUGE], huge);
	for (uint64_t i = 0; i < 3; i++) {
		check(pread(fd[SEALED], page, PAGE, i * PAGE) == (long)PAGE);
		check(page_is(page, SEALED, i));
	}
	check(fcntl(fd[SEALED], F_GET_SEALS) ==
	      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	refused(EPERM, pwrite(fd[SEALED], page, PAGE, 0));
	refused(EPERM, ftruncate(fd[SEALED], 0));
	check_ring(fd[RING]);
	check_holes(fd[HOLES]);
	must(fstat(fd[TMPFS], &st));
	check(st.st_size == 5 && (st.st_mode & 07777) == 0444);
	check(pread(fd[TMPFS], bytes, 10, 0) == 5 && !memcmp(bytes, "tmpfs", 5));
	refused(EBADF, pwrite(fd[TMPFS], bytes, 1, 0));
	must(fstat(fd[LATE], &st));
	check(st.st_size == 10 * (long)PAGE);
	for (int i = 0; i < 10; i++) {
		check(pread(fd[LATE], page, PAGE, i * PAGE) == (long)PAGE);
		if (i == 7) {
			check(!memcmp(page, "late", 5));
			page[0] = 0;
		}
		check(page_empty(page));
	}

	finish();
	close(session);
	check_ordinary(fd[DENSE]);
	must(ftruncate(fd[SPARSE], 0));
	check(meminfo("ShmemHugePages") - huge >= 3 * 2048);
	for (int i = 0; i < NR; i++)
		close(fd[i]);
}

static void swap(void)
{
	uint64_t *mem, i;
	int fd;

	session = make_session("swap", LIVEUPDATE_IOCTL_CREATE_SESSION);
	fd = new_file("swapped", SWAP_PAGES);
	mem = map(fd, SWAP_PAGES);
	for (i = 0; i < SWAP_PAGES; i++)
		if (i % 5)
			fill_page(mem + i * WORDS, 1, i);
	must(madvise(mem, SWAP_PAGES * PAGE, MADV_PAGEOUT));
	check(meminfo("SwapTotal") - meminfo("SwapFree") > 10000);
	must(preserve(fd, 1));
	check(meminfo("SwapTotal") - meminfo("SwapFree") < 1000);
	/* Now it cannot be swapped out. */
	must(madvise(mem, SWAP_PAGES * PAGE, MADV_PAGEOUT));
	check(meminfo("SwapTotal") - meminfo("SwapFree") < 1000);
	go_on();
}

static void check_swap(void)
{
	uint64_t *mem, i;
	int fd;

	session = make_session("swap", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	fd = retrieve(1);
	mem = map(fd, SWAP_PAGES);
	for (i = 0; i < SWAP_PAGES; i++) {
		if (i % 5)
			check(page_is(mem + i * WORDS, 1, i));
		else
			check(lseek(fd, i * PAGE, SEEK_HOLE) ==
			      (off_t)(i * PAGE));
	}
	finish();
}

/* Who takes the file back pays, not who touches it: that is somebody in another cgroup. */
static void charge(void)
{
	int fd, procs, status;
	uint64_t *mem;

	session = make_session("files", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	fd = retrieve(DENSE);
	if (!must(fork())) {
		procs = must(open("/mnt/cgroup/other/cgroup.procs", O_WRONLY));
		must(write(procs, "0", 1));
		mem = map(fd, DENSE_PAGES);
		for (uint64_t i = 0; i < DENSE_PAGES; i++)
			check(page_is(mem + i * WORDS, DENSE, i));
		exit(0);
	}
	wait(&status);
	check(!status);
	go_on();
}

int main(int argc, char **argv)
{
	void (*stay)(void) = NULL;
	char byte;

	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "make"))
		stay = make;
	else if (!strcmp(argv[1], "swap"))
		stay = swap;
	else if (!strcmp(argv[1], "charge"))
		stay = charge;
	if (!stay) {
		if (!strcmp(argv[1], "check"))
			check_all();
		else
			check_swap();
		return 0;
	}
	must(pipe(ready_pipe));
	if (!must(fork())) {
		close(ready_pipe[0]);
		stay();
	}
	close(ready_pipe[1]);
	return read(ready_pipe[0], &byte, 1) != 1;
}
