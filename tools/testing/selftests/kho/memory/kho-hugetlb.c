// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-hugetlb: files of huge pages across a live update.
 *
 *	kho-hugetlb make SESSION FILE...	make and preserve them, and stay in the
 *						background: sessions end when closed
 *	kho-hugetlb close SESSION FILE...	as make, but give them up again
 *	kho-hugetlb take SESSION FILE...	retrieve them, compare all, finish
 *	kho-hugetlb hold SESSION FILE...	the same, but stay and keep them
 *	kho-hugetlb cold SESSION FILE...	make what hold has, in no session, and stay
 *	kho-hugetlb drop SESSION		finish without retrieving any
 *	kho-hugetlb try ERRNO SESSION TOKEN	retrieving must fail like this, twice
 *
 * FILE is TOKEN:SHIFT:PAGES[:OPTION,...]; a huge page has 1 << SHIFT bytes.
 *
 *	holes	every third page is a hole
 *	late	every other hole is filled after preserving
 *	seal	F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL
 *	write	besides, F_SEAL_WRITE
 *	fs	a file on a hugetlbfs mount, open for reading, and not a memfd
 *	run	with holes: they are filled one by one until the jump
 *	known	has what the test owner makes of token and place, at last, and the list
 *		/tmp/known gets its pages, see kho-known.h; not to be retrieved
 *
 * With -n before all this, the n-th allocation of memory in the kernel fails in
 * preserving and retrieving, for every n until one comes through without.
 *
 * Compared are every byte, size, position, seals, permissions, name, which pages
 * there are, what the pool counts at every step and on each node, and how much of
 * the memory map a page takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "keeper/result.h"
#include "../lib/kho-known.h"

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define MAX_FILES 64
#define MAX_NODES 2

static bool inject;

struct file {
	uint64_t token;
	unsigned int shift;
	uint64_t pages;
	bool holes, late, seal, write, fs, run, known;
	long nr;
	uint64_t filled;	/* of a file that is run: the last hole */
	int fd;
	uint64_t *map;
};

struct pool {
	long nr, free, resv, surplus, set;
	long node_nr[MAX_NODES], node_free[MAX_NODES], node_surplus[MAX_NODES];
};

static void fail(const char *what, uint64_t token)
{
	fprintf(stderr, "kho-hugetlb: token %llu: %s: %s\n",
		(unsigned long long)token, what, strerror(errno));
	exit(1);
}

static void same(const char *what, uint64_t token, long is, long wanted)
{
	if (is == wanted)
		return;
	fprintf(stderr, "kho-hugetlb: token %llu: %s is %ld, expected %ld\n",
		(unsigned long long)token, what, is, wanted);
	exit(1);
}

static void refused(const char *what, const struct file *file, int rc, int wanted)
{
	if (rc != -1 || errno != wanted) {
		fprintf(stderr, "kho-hugetlb: token %llu: %s gives %d (%s), expected %s\n",
			(unsigned long long)file->token, what, rc,
			rc == -1 ? strerrorname_np(errno) : "", strerrorname_np(wanted));
		exit(1);
	}
}

static long number(const char *path)
{
	FILE *in = fopen(path, "r");
	long nr;

	if (!in || fscanf(in, "%ld", &nr) != 1)
		fail(path, 0);
	fclose(in);
	return nr;
}

static long count(const char *dir, unsigned int shift, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/hugepages/hugepages-%lukB/%s_hugepages", dir,
		 1UL << (shift - 10), name);
	return number(path);
}

static void set_pool(unsigned int shift, long nr)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages",
		 1UL << (shift - 10));
	out = fopen(path, "w");
	if (!out || fprintf(out, "%ld", nr) < 0 || fclose(out))
		fail(path, 0);
}

static struct pool read_pool(unsigned int shift)
{
	static const char all[] = "/sys/kernel/mm";
	struct pool pool = {
		.nr = count(all, shift, "nr"), .free = count(all, shift, "free"),
		.resv = count(all, shift, "resv"), .surplus = count(all, shift, "surplus"),
	};
	char node[64];
	int i;

	/* There it is as it was set, here as it is. */
	pool.set = shift == 21 ? number("/proc/sys/vm/nr_hugepages") : pool.nr - pool.surplus;
	for (i = 0; i < MAX_NODES; i++) {
		snprintf(node, sizeof(node), "/sys/devices/system/node/node%d", i);
		if (access(node, F_OK))
			continue;
		pool.node_nr[i] = count(node, shift, "nr");
		pool.node_free[i] = count(node, shift, "free");
		pool.node_surplus[i] = count(node, shift, "surplus");
	}
	return pool;
}

static long counter(const char *name)
{
	FILE *in = fopen("/proc/vmstat", "r");
	char is[64];
	long value;

	while (in && fscanf(in, "%63s %ld", is, &value) == 2) {
		if (!strcmp(is, name)) {
			fclose(in);
			return value;
		}
	}
	fail(name, 0);
	return 0;
}

/* Pages of the memory map, those that were given back not counted. */
static long memory_map(void)
{
	return counter("nr_memmap_pages") + counter("nr_memmap_boot_pages");
}

/* Pages of the memory map that one huge page gives back, optimised. */
static long saved_by(unsigned int shift)
{
	if (!number("/proc/sys/vm/hugetlb_optimize_vmemmap"))
		return 0;
	/* 64 bytes for 4096, and one page has to stay */
	return (64L << (shift - 12)) / 4096 - 1;
}

/* The pool has grown by this, compared to @before. */
static void pool_is(const char *when, const struct file *file, const struct pool *before,
		    long nr, long nr_free, long resv)
{
	struct pool now = read_pool(file->shift);
	char what[64];

	snprintf(what, sizeof(what), "%s: total pages", when);
	same(what, file->token, now.nr, before->nr + nr);
	snprintf(what, sizeof(what), "%s: free pages", when);
	same(what, file->token, now.free, before->free + nr_free);
	snprintf(what, sizeof(what), "%s: reserved pages", when);
	same(what, file->token, now.resv, before->resv + resv);
	snprintf(what, sizeof(what), "%s: surplus pages", when);
	same(what, file->token, now.surplus, before->surplus);
	snprintf(what, sizeof(what), "%s: pages to be there", when);
	same(what, file->token, now.set, before->set + nr);
}

/* Each node has got as many pages as the file has there, and all are in use. */
static void nodes_are(const struct file *file, const struct pool *before, const long *nr)
{
	struct pool now = read_pool(file->shift);
	int i;

	for (i = 0; i < MAX_NODES; i++) {
		same("total pages of a node", file->token, now.node_nr[i],
		     before->node_nr[i] + nr[i]);
		same("free pages of a node", file->token, now.node_free[i],
		     before->node_free[i]);
		same("surplus pages of a node", file->token, now.node_surplus[i],
		     before->node_surplus[i]);
	}
}

static bool is_hole(const struct file *file, uint64_t page)
{
	if (file->run && page <= file->filled)
		return false;
	return file->holes && page % 3 == 1 && !(file->late && page % 2);
}

static bool is_late(const struct file *file, uint64_t page)
{
	return file->holes && page % 3 == 1 && file->late && page % 2;
}

static long pages_of(const struct file *file)
{
	uint64_t page;
	long nr = 0;

	for (page = 0; page < file->pages; page++)
		nr += !is_hole(file, page);
	return nr;
}

static uint64_t word(const struct file *file, uint64_t i)
{
	if (file->run && !i)
		return file->filled;
	return (file->token << 48) + i * 0x9e3779b97f4a7c15ULL;
}

static void fill(struct file *file, bool late)
{
	const uint64_t words = 1UL << (file->shift - 3);
	uint64_t page, i;

	for (page = 0; page < file->pages; page++) {
		if (is_hole(file, page) || is_late(file, page) != late)
			continue;
		for (i = page * words; i < (page + 1) * words; i++)
			file->map[i] = word(file, i);
	}
}

static void fill_page(struct file *file, uint64_t page)
{
	const uint64_t words = 1UL << (file->shift - 3);
	uint64_t i;

	for (i = page * words; i < (page + 1) * words; i++)
		file->map[i] = word(file, i);
}

/* A thread: fills the holes, and says in the first word how far it came. */
static void *run(void *arg)
{
	struct file *file = arg;
	uint64_t page;

	for (page = 1; page < file->pages; page += 3) {
		fill_page(file, page);
		__atomic_store_n(&file->map[0], page, __ATOMIC_RELEASE);
		/* (the jump is to come before the end) */
		usleep(10000);
	}
	return NULL;
}

static void compare(const struct file *file)
{
	const uint64_t words = 1UL << (file->shift - 3);
	static uint64_t buffer[8192], zeroes[8192];
	uint64_t page, i;

	for (page = 0; page < file->pages; page++) {
		/* This one may have been begun. */
		if (file->run && page == file->filled + 3)
			continue;
		for (i = page * words; i < (page + 1) * words; i++) {
			if (is_hole(file, page)) {
				/* Reading a mapping would fill the hole. */
				if (pread(file->fd, buffer, sizeof(buffer), i * 8) !=
				    sizeof(buffer) ||
				    memcmp(buffer, zeroes, sizeof(buffer)))
					fail("a hole is not empty", file->token);
				i += 8191;
			} else if (file->map[i] != word(file, i)) {
				fprintf(stderr, "at %#llx: %#llx\n", (unsigned long long)i * 8,
					(unsigned long long)file->map[i]);
				fail("bytes differ", file->token);
			}
		}
	}
}

static uint64_t size_of(const struct file *file)
{
	return file->pages << file->shift;
}

static int seals_of(const struct file *file)
{
	return (file->seal ? F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL : 0) |
	       (file->write ? F_SEAL_WRITE : 0);
}

static void map(struct file *file, int prot, int flags)
{
	file->map = mmap(NULL, size_of(file), prot, MAP_SHARED | flags, file->fd, 0);
	if (file->map == MAP_FAILED)
		fail("mmap", file->token);
}

static void size_frozen(const struct file *file)
{
	const uint64_t size = size_of(file);
	void *more;

	if (file->fs)
		return;
	refused("truncate", file, ftruncate(file->fd, 0), file->seal ? EPERM : EBUSY);
	refused("grow", file, ftruncate(file->fd, size * 2), file->seal ? EPERM : EBUSY);
	refused("fallocate", file, fallocate(file->fd, 0, 0, size), EBUSY);
	refused("punch a hole", file,
		fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size),
		EBUSY);
	if (file->write)
		return;
	more = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		    file->fd, 0);
	refused("map more", file, more == MAP_FAILED ? -1 : 0, EBUSY);
}

static void make_fs(struct file *file)
{
	char options[32];

	mkdir("/tmp/huge", 0755);
	snprintf(options, sizeof(options), "pagesize=%luM", 1UL << (file->shift - 20));
	if (mount("none", "/tmp/huge", "hugetlbfs", 0, options))
		fail("mount", file->token);
	file->fd = open("/tmp/huge/file", O_RDWR | O_CREAT, 0640);
}

static void set_nth(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fd, text, len, 0) != len)
		fail("fail-nth", 0);
}

static bool nth_is_left(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		fail("fail-nth", 0);
	return strtoul(text, NULL, 10);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int fail_nth(void)
{
	static int fd;

	if (!fd)
		fd = open("/proc/self/fail-nth", O_RDWR);
	if (fd < 0)
		fail("fail-nth", 0);
	return fd;
}

/* With allocation @n failing. @reached: did it come that far? */
static int nth_ioctl(unsigned int n, int session, unsigned long cmd, void *arg, bool *reached)
{
	int rc, err;

	set_nth(fail_nth(), n);
	rc = ioctl(session, cmd, arg);
	err = errno;
	*reached = !nth_is_left(fail_nth());
	set_nth(fail_nth(), 0);
	if (rc && (!*reached || (err != ENOMEM && err != ENOSPC))) {
		errno = err;
		fprintf(stderr, "kho-hugetlb: allocation %u failing: ", n);
		fail("ioctl", 0);
	}
	return rc;
}

static int open_session(const char *name, bool incoming);

/* As often as allocations can fail, each time in a session that is closed then */
static void try_preserve(void *arg)
{
	unsigned int n, failed = 0;
	bool reached = true;

	for (n = 1; reached; n++) {
		int session = open_session("scratch", false);

		if (nth_ioctl(n, session, LIVEUPDATE_SESSION_PRESERVE_FD, arg, &reached))
			failed++;
		close(session);
	}
	printf("preserve: %u allocations, %u errors\n", n - 2, failed);
	/*
	 * Two of them it cannot do without. But which allocation is the n-th differs from time
	 * to time, and one of the two may never be it.
	 */
	if (!failed)
		fail("no allocation failed", 0);
}

/*
 * Until it works. It can do without some allocations; as it cannot be undone, the
 * next file begins behind that one.
 */
static int try_retrieve(int session, void *arg)
{
	static unsigned int from = 1;
	unsigned int n = from;
	bool reached;

	while (nth_ioctl(n, session, LIVEUPDATE_SESSION_RETRIEVE_FD, arg, &reached))
		n++;
	printf("retrieve: works with allocation %u failing, not with those from %u\n", n, from);
	from = reached ? n + 1 : 1;
	return 0;
}

static int timed_ioctl(const char *what, int session, unsigned long cmd, void *arg)
{
	const uint64_t start = now();
	int rc = ioctl(session, cmd, arg);

	/* (instructions, with --icount) */
	if (!rc)
		printf("%s: %llu ns\n", what, (unsigned long long)(now() - start));
	return rc;
}

static int preserve(int session, const struct file *file)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = file->fd, .token = file->token,
	};

	if (inject)
		try_preserve(&arg);
	return timed_ioctl("preserve", session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

static void create(struct file *file)
{
	if (file->fs)
		make_fs(file);
	else
		file->fd = memfd_create("guest", MFD_HUGETLB | MFD_ALLOW_SEALING |
					(file->shift << MFD_HUGE_SHIFT));
	if (file->fd < 0 || ftruncate(file->fd, size_of(file)) || fchmod(file->fd, 0640))
		fail("memfd_create", file->token);
	map(file, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	fill(file, false);
}

static void make(int session, struct file *file)
{
	struct file again = *file;

	create(file);
	if (file->write)
		munmap(file->map, size_of(file));
	if (file->fs)
		file->fd = open("/tmp/huge/file", O_RDONLY);
	else if (fcntl(file->fd, F_ADD_SEALS, seals_of(file)))
		fail("F_ADD_SEALS", file->token);
	if (preserve(session, file))
		fail("preserve", file->token);
	again.fd = file->fd;
	again.token = file->token + 1000;
	if (!inject)
		refused("preserve twice", file, preserve(session, &again), EBUSY);
	size_frozen(file);
	fill(file, true);
	if (file->known && known_pages(file->map, size_of(file) / KNOWN_PAGE, file->token,
				       "/tmp/known"))
		fail("its pages", file->token);
	/* It counts where the descriptor is when the handover becomes final. */
	if (lseek(file->fd, file->token * 4097, SEEK_SET) < 0)
		fail("lseek", file->token);
	file->nr = pages_of(file);
}

static int open_session(const char *name, bool incoming)
{
	struct liveupdate_ioctl_create_session create = { .size = sizeof(create) };
	struct liveupdate_ioctl_retrieve_session retrieve = { .size = sizeof(retrieve) };
	int fd = open("/dev/liveupdate", O_RDWR);

	if (fd < 0)
		fail("/dev/liveupdate", 0);
	snprintf((char *)create.name, sizeof(create.name), "%s", name);
	snprintf((char *)retrieve.name, sizeof(retrieve.name), "%s", name);
	if (incoming ? ioctl(fd, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &retrieve) :
		       ioctl(fd, LIVEUPDATE_IOCTL_CREATE_SESSION, &create))
		fail(name, 0);
	close(fd);
	return incoming ? retrieve.fd : create.fd;
}

static int retrieve(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = token };
	int rc = inject ? try_retrieve(session, &arg) :
			  timed_ioctl("retrieve", session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);

	return rc ? -1 : arg.fd;
}

static void finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	if (ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg))
		fail("finish", 0);
}

static void name_is(const struct file *file, const char *wanted)
{
	char path[64], is[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	if (readlink(path, is, sizeof(is) - 1) < 0 || strcmp(is, wanted))
		fail(is, file->token);
}

/* Where the pages are, as far as they can be touched without making more. */
static void count_nodes(const struct file *file, long *nr)
{
	uint64_t page;
	int node;

	memset(nr, 0, MAX_NODES * sizeof(*nr));
	for (page = 0; page < file->pages; page++) {
		if (is_hole(file, page))
			continue;
		if (syscall(SYS_get_mempolicy, &node, NULL, 0,
			    (char *)file->map + (page << file->shift),
			    MPOL_F_NODE | MPOL_F_ADDR) || node >= MAX_NODES)
			fail("get_mempolicy", file->token);
		nr[node]++;
	}
}

/* A private mapping has its own pages when it writes, in a child too. */
static void map_private(const struct file *file)
{
	const uint64_t words = 1UL << (file->shift - 3);
	struct pool before = read_pool(file->shift);
	struct file copy = *file;
	int status;

	/* (To look for another GiB in one piece takes minutes.) */
	if (file->shift > 21)
		return;
	set_pool(file->shift, before.nr + 2);
	same("total pages of the larger pool", file->token, read_pool(file->shift).nr,
	     before.nr + 2);
	copy.map = mmap(NULL, size_of(file), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_NORESERVE, file->fd, 0);
	if (copy.map == MAP_FAILED)
		fail("map privately", file->token);
	same("a word", file->token, copy.map[5], word(file, 5));
	copy.map[5] = 1;
	if (!fork()) {
		same("a word in the child", file->token, copy.map[5], 1);
		copy.map[5] = 2;
		same("what the child wrote", file->token, copy.map[5], 2);
		same("the next word", file->token, copy.map[6], word(file, 6));
		_exit(0);
	}
	if (wait(&status) < 0 || status)
		fail("a child", file->token);
	same("a word after the child's end", file->token, copy.map[5], 1);
	same("a word far away", file->token, copy.map[words - 1], word(file, words - 1));
	same("a word of the file", file->token, file->map[5], word(file, 5));
	munmap(copy.map, size_of(file));
	pool_is("mapped privately", file, &before, 2, 2, 0);
	set_pool(file->shift, before.nr);
}

/* Who lowers the pool's size does not take pages from the file. */
static void lower_pool(const struct file *file)
{
	struct pool before = read_pool(file->shift), low;

	if (before.free)
		return;
	set_pool(file->shift, 0);
	low = read_pool(file->shift);
	same("total pages of the lowered pool", file->token, low.nr, before.nr);
	same("surplus pages of the lowered pool", file->token, low.surplus, before.nr);
	set_pool(file->shift, before.nr);
	pool_is("pool as large as before", file, &before, 0, 0, 0);
}

static void take(int session, struct file *file)
{
	struct pool before = read_pool(file->shift);
	const long map_before = memory_map();
	long nr, on_node[MAX_NODES];
	struct stat stat;

	file->fd = retrieve(session, file->token);
	if (file->fd < 0 || fstat(file->fd, &stat))
		fail("retrieve", file->token);
	if (file->run) {
		map(file, PROT_READ, MAP_NORESERVE);
		file->filled = file->map[0];
		munmap(file->map, size_of(file));
		printf("token %llu: %llu of %llu pages when it ended\n",
		       (unsigned long long)file->token, (unsigned long long)file->filled,
		       (unsigned long long)file->pages);
	}
	nr = pages_of(file);
	if (file->run && stat.st_blocks == (nr + 1) << (file->shift - 9))
		nr++;
	pool_is("retrieved", file, &before, nr, 0, 0);
	same("position", file->token, lseek(file->fd, 0, SEEK_CUR), file->token * 4097);
	same("size", file->token, stat.st_size, size_of(file));
	same("permissions", file->token, stat.st_mode, S_IFREG | 0640);
	same("blocks", file->token, stat.st_blocks, nr << (file->shift - 9));
	same("pages of the memory map", file->token, memory_map() - map_before,
	     -nr * saved_by(file->shift));
	name_is(file, file->fs ? "/file (deleted)" : "/memfd:guest (deleted)");
	same("access", file->token, fcntl(file->fd, F_GETFL) & O_ACCMODE,
	     file->fs ? O_RDONLY : O_RDWR);
	same("seals", file->token, fcntl(file->fd, F_GET_SEALS),
	     file->fs ? F_SEAL_SEAL : seals_of(file));
	size_frozen(file);
	if (file->write) {
		map(file, PROT_READ, 0);
		munmap(file->map, size_of(file));
		refused("map for writing", file,
			mmap(NULL, size_of(file), PROT_WRITE, MAP_SHARED, file->fd, 0) ==
			MAP_FAILED ? -1 : 0, EPERM);
	}
	map(file, PROT_READ, MAP_NORESERVE);
	compare(file);
	pool_is("compared", file, &before, nr, 0, 0);
	count_nodes(file, on_node);
	/* (A page that was just begun is on a node that is not known.) */
	if (!file->run)
		nodes_are(file, &before, on_node);
	map_private(file);
	lower_pool(file);
	compare(file);
	munmap(file->map, size_of(file));
	file->nr = nr;
}

/* It is an ordinary file now. */
static void use_and_close(struct file *file)
{
	struct pool before = read_pool(file->shift);
	const long nr = file->nr, holes = file->pages - nr;

	if (!file->seal && !file->fs) {
		if (before.free - before.resv >= holes) {
			/* Reserves the holes, and only them. */
			map(file, PROT_READ | PROT_WRITE, 0);
			pool_is("mapped", file, &before, 0, 0, holes);
			file->map[0] = 1;
			munmap(file->map, size_of(file));
		}
		if (fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      1UL << file->shift))
			fail("punch a hole", file->token);
		pool_is("punched", file, &before, 0, 1,
			before.free - before.resv >= holes ? holes : 0);
		if (ftruncate(file->fd, 0))
			fail("truncate", file->token);
		pool_is("truncated", file, &before, 0, nr, 0);
	}
	close(file->fd);
	pool_is("closed", file, &before, 0, nr, 0);
}

static bool *option(struct file *file, const char *name)
{
	const struct {
		const char *name;
		bool *is;
	} options[] = {
		{ "holes", &file->holes }, { "late", &file->late }, { "seal", &file->seal },
		{ "write", &file->write }, { "fs", &file->fs }, { "run", &file->run },
		{ "known", &file->known },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(options[i].name, name))
			return options[i].is;
	fprintf(stderr, "kho-hugetlb: a file cannot be '%s'\n", name);
	exit(2);
}

static void parse(struct file *file, char *text)
{
	char *end = text, *name;

	memset(file, 0, sizeof(*file));
	file->token = strtoull(end, &end, 0);
	if (*end == ':')
		file->shift = strtoul(end + 1, &end, 0);
	if (*end == ':')
		file->pages = strtoul(end + 1, &end, 0);
	if (!file->pages) {
		fprintf(stderr, "kho-hugetlb: what is %s?\n", text);
		exit(2);
	}
	for (name = strtok(end, ":,"); name; name = strtok(NULL, ":,"))
		*option(file, name) = true;
	file->seal |= file->write;
}

static int try(const char *wanted, const char *session_name, const char *token)
{
	int session = open_session(session_name, true), i;

	for (i = 0; i < 2; i++) {
		bool failed = retrieve(session, strtoull(token, NULL, 0)) < 0;
		const char *is = result_of(failed);

		if (strcmp(is, wanted)) {
			fprintf(stderr, "kho-hugetlb: retrieve gives %s, expected %s\n",
				is, wanted);
			return 1;
		}
	}
	return 0;
}

/* Those that take a session and files */
static bool is_command(const char *name)
{
	static const char *const names[] = { "make", "close", "take", "hold", "cold", "drop" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct file files[MAX_FILES];
	int session, i, nr = argc - 3;
	bool incoming, hold;
	pthread_t thread;

	if (argc > 1 && !strcmp(argv[1], "-n")) {
		inject = true;
		argc--;
		argv++;
		nr--;
	}
	if (argc == 5 && !strcmp(argv[1], "try"))
		return try(argv[2], argv[3], argv[4]);
	if (argc < 3 || nr > MAX_FILES || !is_command(argv[1]) ||
	    (nr < 1 && strcmp(argv[1], "drop"))) {
		fprintf(stderr, "kho-hugetlb: its source says how to use it\n");
		return 2;
	}
	if (!strcmp(argv[1], "cold")) {
		for (i = 0; i < nr; i++) {
			parse(&files[i], argv[i + 3]);
			create(&files[i]);
		}
		return daemon(0, 0) ? 1 : pause();
	}
	hold = !strcmp(argv[1], "hold");
	incoming = hold || !strcmp(argv[1], "take") || !strcmp(argv[1], "drop");
	session = open_session(argv[2], incoming);
	for (i = 0; i < nr; i++) {
		parse(&files[i], argv[i + 3]);
		if (incoming)
			take(session, &files[i]);
		else
			make(session, &files[i]);
	}
	if (!strcmp(argv[1], "make")) {
		fflush(NULL);
		if (daemon(0, 0))
			return 1;
		for (i = 0; i < nr; i++)
			if (files[i].run && pthread_create(&thread, NULL, run, &files[i]))
				return 1;
		return pause();
	}
	if (incoming)
		finish(session);
	close(session);
	if (hold)
		return daemon(0, 0) ? 1 : pause();
	for (i = 0; i < nr && strcmp(argv[1], "drop"); i++) {
		if (!incoming && files[i].fs)
			continue;
		if (!incoming && !files[i].write)
			munmap(files[i].map, size_of(&files[i]));
		use_and_close(&files[i]);
	}
	return 0;
}
