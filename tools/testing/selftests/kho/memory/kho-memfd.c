// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-memfd: shared-memory files of every kind, over a live update.
 *
 *	kho-memfd make		make and preserve them; a process stays and goes on
 *				writing until the jump
 *	kho-memfd check		retrieve them and compare every byte
 *	kho-memfd swap		preserve a file that is swapped out; stays
 *	kho-memfd check-swap
 *	kho-memfd leave		retrieve files, touch little of them, and exit
 *	kho-memfd charge	retrieve the dense file, have it touched and hold it
 */
#include <pthread.h>
#include <signal.h>
#include <linux/mempolicy.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kho-file.h"

#define SPARSE_PAGES	16384UL
#define DENSE_PAGES	4096UL
#define HUGE_PAGES	2048UL
#define MIXED_PAGES	1800UL
#define RING_PAGES	1000UL
#define TWO_PAGES	600UL
#define HOLE_PAGES	100000UL
#define SWAP_PAGES	8192UL
#define NODES_PAGES	512UL

enum {
	EMPTY, BYTE, SPARSE, DENSE, HUGE, SEALED, RING, HOLES, TMPFS, LATE, TWO, MIXED,
	KILLED, WRONLY, NODES, NR
};

static int session;

static int new_file(const char *name, uint64_t pages)
{
	int fd = must(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));

	must(ftruncate(fd, pages * PAGE));
	return fd;
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
/* Whoever writes to @words has begun with round @nr. */
static void wait_for_round(uint64_t *words, uint64_t nr)
{
	while (__atomic_load_n(words, __ATOMIC_RELAXED) < nr)
		usleep(1000);
}

static void *write_ring(void *mem)
{
	uint64_t *words = mem;

	for (uint64_t round = 1;; round++)
		for (uint64_t i = 0; i < RING_PAGES * WORDS; i++)
			__atomic_store_n(&words[i], round, __ATOMIC_RELAXED);
	return NULL;
}

/* The same in every other page, for two at once. */
static void *write_every_other(void *mem)
{
	uint64_t *words = mem;

	for (uint64_t round = 1;; round++)
		for (uint64_t page = 0; page < TWO_PAGES; page += 2) {
			for (uint64_t i = 0; i < WORDS; i++)
				__atomic_store_n(&words[page * WORDS + i], round,
						 __ATOMIC_RELAXED);
			/* (Leaves a processor to the live update) */
			usleep(1000);
		}
	return NULL;
}

/* Fills holes; says in the first page how far it came. */
static void *fill_holes(void *mem)
{
	uint64_t *words = mem;

	for (uint64_t page = 1; page < HOLE_PAGES; page++) {
		fill_page(words + page * WORDS, HOLES, page);
		__atomic_store_n(&words[0], page, __ATOMIC_RELEASE);
		/* (the jump is to come before the end) */
		usleep(1000);
	}
	return NULL;
}

/* The node of a page of that file: they take turns, where there are two. */
static int node_of(uint64_t page)
{
	return page / 16 % 2 && !access("/sys/devices/system/node/node1", F_OK);
}

static void fill_nodes(uint64_t *mem)
{
	for (uint64_t i = 0; i < NODES_PAGES; i++) {
		unsigned long node = 1UL << node_of(i);

		must(syscall(SYS_set_mempolicy, MPOL_BIND, &node,
			     8 * sizeof(node)));
		fill_page(mem + i * WORDS, NODES, i);
	}
	must(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
}

/* Every page is on the node that it was on, with what it had. */
static void check_nodes(uint64_t *mem)
{
	for (uint64_t i = 0; i < NODES_PAGES; i++) {
		void *page = mem + i * WORDS;
		int node = -1;

		check(page_is(page, NODES, i));
		must(syscall(SYS_move_pages, 0, 1UL, &page, NULL, &node, 0));
		check(node == node_of(i));
	}
}

static void make(void)
{
	int fd[NR + 1];
	uint64_t *mem, *ring, *holes, *huge, *two, *mem_killed;
	pthread_t thread;
	struct stat st;
	pid_t child;

	session = make_session("files", LIVEUPDATE_IOCTL_CREATE_SESSION);
	fd[EMPTY] = new_file("empty", 0);
	fd[BYTE] = new_file("byte", 0);
	must_all(1, write(fd[BYTE], "x", 1));

	fd[SPARSE] = new_file("sparse", SPARSE_PAGES);
	mem = map(fd[SPARSE], SPARSE_PAGES);
	for (uint64_t i = 0; i < SPARSE_PAGES; i++)
		if (in_sparse(i) && i > 7)
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
		must_all(PAGE, pwrite(fd[SEALED], page, PAGE, i * PAGE));
	}
	must(fcntl(fd[SEALED], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
		   F_SEAL_WRITE));

	fd[RING] = new_file("ring", RING_PAGES);
	fd[HOLES] = new_file("holes", HOLE_PAGES);
	ring = map(fd[RING], RING_PAGES);
	holes = map(fd[HOLES], HOLE_PAGES);

	fd[TMPFS] = must(open("/mnt/huge/small", O_RDWR | O_CREAT, 0444));
	must_all(5, write(fd[TMPFS], "tmpfs", 5));
	fd[NR] = must(open("/mnt/huge/small", O_RDONLY));
	close(fd[TMPFS]);
	fd[TMPFS] = fd[NR];
	must(unlink("/mnt/huge/small"));

	/* Memory that was set aside but never written to */
	fd[LATE] = new_file("late", 10);
	must(fallocate(fd[LATE], 0, 0, 5 * PAGE));
	must(fallocate(fd[LATE], FALLOC_FL_KEEP_SIZE, 10 * PAGE, 5 * PAGE));

	fd[TWO] = new_file("two", TWO_PAGES);
	two = map(fd[TWO], TWO_PAGES);

	/*
	 * A part of a huge page is taken out, so that it is split. While somebody else has
	 * a reference to it, the kernel fills that part with zeroes instead.
	 */
	fd[MIXED] = must(open("/mnt/huge/mixed", O_RDWR | O_CREAT, 0600));
	must(ftruncate(fd[MIXED], MIXED_PAGES * PAGE));
	mem = map(fd[MIXED], MIXED_PAGES);
	for (uint64_t i = 0; i < MIXED_PAGES; i++)
		fill_page(mem + i * WORDS, MIXED, i);
	for (int tries = 0; lseek(fd[MIXED], 599 * PAGE, SEEK_HOLE) != 600 * PAGE; tries++) {
		check(tries < 1000);
		must(fallocate(fd[MIXED], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       600 * PAGE, 3 * PAGE));
		usleep(1000);
	}

	/* Who writes to it gets killed, in the middle of it. */
	fd[KILLED] = new_file("killed", RING_PAGES);
	mem_killed = map(fd[KILLED], RING_PAGES);
	child = must(fork());
	if (!child)
		write_ring(mem_killed);

	fd[WRONLY] = must(open("/mnt/huge/wronly", O_WRONLY | O_CREAT, 0600));
	must_all(5, write(fd[WRONLY], "write", 5));

	fd[NODES] = new_file("nodes", NODES_PAGES);
	mem = map(fd[NODES], NODES_PAGES);
	fill_nodes(mem);
	check_nodes(mem);

	for (int i = 0; i < NR; i++) {
		must(preserve(session, fd[i], i));
		refused(EBUSY, preserve(session, fd[i], 100 + i));
		if (i != SEALED && i != TMPFS)
			frozen(fd[i]);
	}

	/* What is written after that counts too. */
	mem = map(fd[DENSE], DENSE_PAGES);
	for (uint64_t i = 0; i < DENSE_PAGES; i++)
		fill_page(mem + i * WORDS, DENSE, i);
	mem = map(fd[SPARSE], SPARSE_PAGES);
	/* Holes, of which one begins the file */
	fill_page(mem, SPARSE, 0);
	fill_page(mem + 7 * WORDS, SPARSE, 7);
	must_all(4, pwrite(fd[LATE], "late", 4, 7 * PAGE));
	must(lseek(fd[DENSE], 12345, SEEK_SET));

	check(!pthread_create(&thread, NULL, write_ring, ring));
	check(!pthread_create(&thread, NULL, fill_holes, holes));
	check(!pthread_create(&thread, NULL, write_every_other, two));
	check(!pthread_create(&thread, NULL, write_every_other, two + WORDS));
	/* With all of their pages, by which becoming free is measured */
	wait_for_round(ring, 2);
	wait_for_round(two, 2);
	wait_for_round(two + WORDS, 2);
	wait_for_round(mem_killed, 2);
	must(kill(child, SIGKILL));
	must(waitpid(child, NULL, 0));
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

static void check_two(int fd)
{
	uint64_t *words = map(fd, TWO_PAGES);

	for (uint64_t first = 0; first < 2; first++) {
		uint64_t rounds = words[first * WORDS], page;
		int behind = 0;

		check(rounds > 0);
		for (page = first; page < TWO_PAGES; page += 2) {
			for (uint64_t i = 0; i < WORDS; i++) {
				behind |= words[page * WORDS + i] != rounds;
				check(words[page * WORDS + i] == rounds - behind);
			}
		}
	}
}

static void check_mixed(int fd)
{
	uint64_t *mem = map(fd, MIXED_PAGES);

	check(lseek(fd, 599 * PAGE, SEEK_HOLE) == (off_t)(600 * PAGE));
	check(lseek(fd, 600 * PAGE, SEEK_DATA) == (off_t)(603 * PAGE));
	for (uint64_t i = 0; i < MIXED_PAGES; i++) {
		if (i >= 600 && i < 603)
			check(page_empty(mem + i * WORDS));
		else
			check(page_is(mem + i * WORDS, MIXED, i));
	}
	munmap(mem, MIXED_PAGES * PAGE);
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
	check(kib_of("ShmemHugePages") - before >= 3 * 2048);
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
		SPARSE, KILLED, TWO, WRONLY, MIXED, NODES,
	};
	long huge = kib_of("ShmemHugePages");
	uint64_t page[WORDS];
	char bytes[10] = "";
	struct stat st;
	char path[64];
	int fd[NR], other;

	session = make_session("files", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	for (int i = 0; i < NR; i++)
		fd[order[i]] = retrieve(session, order[i]);
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
	check_ring(fd[KILLED]);
	check_two(fd[TWO]);
	check_mixed(fd[MIXED]);
	check_nodes(map(fd[NODES], NODES_PAGES));
	refused(EBADF, pread(fd[WRONLY], bytes, 1, 0));
	check(lseek(fd[WRONLY], 0, SEEK_CUR) == 5);
	check(pwrite(fd[WRONLY], "W", 1, 0) == 1);
	sprintf(path, "/proc/self/fd/%d", fd[WRONLY]);
	other = must(open(path, O_RDONLY));
	check(pread(other, bytes, 10, 0) == 5 && !memcmp(bytes, "Write", 5));
	close(other);
	memset(bytes, 0, sizeof(bytes));
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

	finish(session);
	close(session);
	check_ordinary(fd[DENSE]);
	must(ftruncate(fd[SPARSE], 0));
	check(kib_of("ShmemHugePages") - huge >= 3 * 2048);
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
	check(kib_of("SwapTotal") - kib_of("SwapFree") > 10000);
	must(preserve(session, fd, 1));
	check(kib_of("SwapTotal") - kib_of("SwapFree") < 1000);
	/* Now it cannot be swapped out. */
	must(madvise(mem, SWAP_PAGES * PAGE, MADV_PAGEOUT));
	check(kib_of("SwapTotal") - kib_of("SwapFree") < 1000);
	go_on();
}

static void check_swap(void)
{
	uint64_t *mem, i;
	int fd;

	session = make_session("swap", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	fd = retrieve(session, 1);
	mem = map(fd, SWAP_PAGES);
	for (i = 0; i < SWAP_PAGES; i++) {
		if (i % 5)
			check(page_is(mem + i * WORDS, 1, i));
		else
			check(lseek(fd, i * PAGE, SEEK_HOLE) ==
			      (off_t)(i * PAGE));
	}
	finish(session);
}

static void leave(void)
{
	static const int files[] = { MIXED, HUGE, RING, KILLED, TWO };
	uint64_t page[WORDS];
	int fd[ARRAY_SIZE(files)];

	session = make_session("files", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++)
		fd[i] = retrieve(session, files[i]);
	/* One of the small pages, and one of the huge ones */
	must_all(PAGE, pread(fd[0], page, PAGE, 500 * PAGE));
	check(page_is(page, MIXED, 500));
	must_all(PAGE, pread(fd[0], page, PAGE, 1200 * PAGE));
	check(page_is(page, MIXED, 1200));
}

/* Who takes the file back pays, not who touches it: that is somebody in another cgroup. */
static void charge(void)
{
	int fd, procs, status;
	uint64_t *mem;

	session = make_session("files", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	fd = retrieve(session, DENSE);
	if (!must(fork())) {
		procs = must(open("/mnt/cgroup/other/cgroup.procs", O_WRONLY));
		must_all(1, write(procs, "0", 1));
		mem = map(fd, DENSE_PAGES);
		for (uint64_t i = 0; i < DENSE_PAGES; i++)
			check(page_is(mem + i * WORDS, DENSE, i));
		exit(0);
	}
	must(wait(&status));
	check(!status);
	go_on();
}

int main(int argc, char **argv)
{
	void (*stay)(void) = NULL;

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
		else if (!strcmp(argv[1], "check-swap"))
			check_swap();
		else if (!strcmp(argv[1], "leave"))
			leave();
		else
			return 2;
		return 0;
	}
	return in_background(stay);
}
