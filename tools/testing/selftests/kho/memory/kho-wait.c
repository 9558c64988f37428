// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-wait: between finalize and its undoing, who touches a hole of a file that is
 * handed over waits, and nobody else does. An image is loaded.
 *
 *	kho-wait [huge]		a file of small pages, or of huge ones, of which
 *				there have to be 50
 *
 * First finalize comes while a process fills one hole after the other, again and
 * again. Then, for each way to touch a hole, one process waits in it: the files that
 * tell of it in /proc can be read, its other threads can change the address space, it
 * goes on when finalize is undone, and can be killed before that. Last, where the
 * kernel has userfaultfd, a monitor hears of a hole when it can fill it, and not before.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <linux/userfaultfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "kho-file.h"

/* As long as nothing may take, in seconds; the machine may be slow. */
#define PATIENCE	60

#define HOLES		48UL

/**
 * struct shared - what a process that waits and its parent know of each other
 * @at: how many holes it has filled
 * @begun: it will touch the hole next
 * @caught: a signal was handled
 * @done: the hole was touched
 * @go: its other thread may begin
 * @changes: how often that has changed the address space
 */
struct shared {
	unsigned long at;
	bool begun, caught, done, go;
	unsigned long changes;
};

static struct shared *shared;
static bool huge;
static uint64_t unit = PAGE;
static uint8_t *mem;
static int fd, session;

static void set(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static bool is_set(bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

#define await(x) do {							\
	while (!(x))							\
		usleep(1000);						\
} while (0)

static void write_text(const char *path, const char *text)
{
	int file = must(open(path, O_WRONLY));

	must_all(strlen(text), write(file, text, strlen(text)));
	close(file);
}

static void set_final(bool on)
{
	write_text("/sys/kernel/kho/finalize", on ? "1" : "0");
}

static void make_file(unsigned long holes)
{
	fd = must(memfd_create("holes", huge ? MFD_HUGETLB : 0));
	must(ftruncate(fd, holes * unit));
	mem = mmap(NULL, holes * unit, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(mem != MAP_FAILED);
	session = make_session("wait", LIVEUPDATE_IOCTL_CREATE_SESSION);
	must(preserve(session, fd, 1));
	memset(shared, 0, sizeof(*shared));
}

static void remove_file(unsigned long holes)
{
	close(session);
	munmap(mem, holes * unit);
	close(fd);
}

static pid_t fork_child(void)
{
	pid_t pid = must(fork());

	if (!pid)
		must(prctl(PR_SET_PDEATHSIG, SIGKILL));
	return pid;
}

static void ends_well(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0));
	check(WIFEXITED(status) && !WEXITSTATUS(status));
}

/* Finalize comes while a hole is being filled. */
static void race(void)
{
	const unsigned long holes = huge ? 40 : 20000;
	unsigned long under_way = 0;

	for (unsigned long round = 0; round < 8; round++) {
		pid_t pid;

		make_file(holes);
		write_text("/sys/kernel/kho/activate", "1");
		pid = fork_child();
		if (!pid) {
			for (unsigned long i = 0; i < holes; i++) {
				mem[i * unit + 5] = i + 1;
				__atomic_store_n(&shared->at, i + 1, __ATOMIC_RELEASE);
			}
			_exit(0);
		}
		await(__atomic_load_n(&shared->at, __ATOMIC_ACQUIRE) > round);
		set_final(true);
		under_way += __atomic_load_n(&shared->at, __ATOMIC_ACQUIRE) < holes;
		set_final(false);
		ends_well(pid);
		for (unsigned long i = 0; i < holes; i++)
			check(mem[i * unit + 5] == (uint8_t)(i + 1));
		write_text("/sys/kernel/kho/activate", "0");
		remove_file(holes);
	}
	printf("in %lu of 8 rounds holes were being filled\n", under_way);
	check(under_way);
}

/*
 * The ways to touch a hole: what is there afterwards begins with "here", or is empty.
 */

static void by_store(uint8_t *hole)
{
	memcpy(hole, "here", 4);
}

static void by_load(uint8_t *hole)
{
	check(!__atomic_load_n(hole, __ATOMIC_RELAXED));
}

/* The kernel writes to it. */
static void by_system_call(uint8_t *hole)
{
	int fds[2];

	must(pipe(fds));
	must_all(4, write(fds[1], "here", 4));
	must_all(4, read(fds[0], hole, 4));
}

static void by_system_call_reading(uint8_t *hole)
{
	int fds[2];

	must(pipe(fds));
	must_all(4, write(fds[1], hole, 4));
}

/* The kernel takes references to the pages. */
static void by_page(uint8_t *hole)
{
	struct iovec part = { .iov_base = hole, .iov_len = 4 };
	int fds[2];

	must(pipe(fds));
	must_all(4, vmsplice(fds[1], &part, 1, 0));
}

static void by_populating(uint8_t *hole)
{
	must(madvise(hole, unit, MADV_POPULATE_WRITE));
}

static void by_write(uint8_t *hole)
{
	must_all(4, pwrite(fd, "here", 4, hole - mem));
}

static const struct way {
	const char *name;
	void (*touch)(uint8_t *hole);
	bool writes;
	bool by_program;
	bool small_only;
} ways[] = {
	{ .name = "store", .touch = by_store, .writes = true, .by_program = true },
	{ .name = "load", .touch = by_load, .by_program = true },
	{ .name = "system call", .touch = by_system_call, .writes = true },
	{ .name = "system call that reads", .touch = by_system_call_reading },
	{ .name = "page", .touch = by_page },
	{ .name = "populating", .touch = by_populating },
	{ .name = "write()", .touch = by_write, .writes = true, .small_only = true },
};

static void on_signal(int signal)
{
	(void)signal;
	set(&shared->caught);
}

/* All that wants the address space for itself */
static void *change_address_space(void *unused)
{
	(void)unused;
	await(is_set(&shared->go));
	for (;;) {
		void *more = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);
		pid_t pid;

		check(more != MAP_FAILED);
		must(munmap(more, 16 * PAGE));
		pid = must(fork());
		if (!pid)
			_exit(0);
		ends_well(pid);
		__atomic_add_fetch(&shared->changes, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void wait_in(const struct way *way, uint8_t *hole)
{
	pthread_t thread;

	signal(SIGUSR1, on_signal);
	check(!pthread_create(&thread, NULL, change_address_space, NULL));
	set(&shared->begun);
	way->touch(hole);
	set(&shared->done);
	_exit(0);
}

static bool sleeps(pid_t tid)
{
	char path[64], state;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	in = fopen(path, "r");
	check(in && fscanf(in, "%*d %*s %c", &state) == 1);
	fclose(in);
	return state == 'D' || state == 'S';
}

static void can_be_read(pid_t pid, const char *name)
{
	static char buffer[1 << 16];
	char path[64];
	int file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = must(open(path, O_RDONLY));
	check(must(read(file, buffer, sizeof(buffer))) > 0);
	while (must(read(file, buffer, sizeof(buffer))))
		;
	close(file);
}

/* Who looks into the process from outside gets an error, and does not wait. */
static void reader_is_refused(pid_t pid, uint8_t *hole)
{
	char path[64], byte;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	file = must(open(path, O_RDONLY));
	refused(EIO, pread(file, &byte, 1, (off_t)hole));
	close(file);
}

static void others_go_on(pid_t pid, const struct way *way, uint8_t *hole)
{
	static const char * const files[] = {
		"cmdline", "status", "maps", "smaps", "environ", "stat",
	};
	struct stat st;

	set(&shared->go);
	await(__atomic_load_n(&shared->changes, __ATOMIC_ACQUIRE) > 2);
	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++)
		can_be_read(pid, files[i]);
	reader_is_refused(pid, hole);
	/* The file, too */
	must(fstat(fd, &st));
	check(!mem[0]);
	check(lseek(fd, 0, SEEK_DATA) == 0);
	mem[7] = 3;
	if (!huge)
		must_all(1, pwrite(fd, "", 1, 8));
	if (way->by_program) {
		must(kill(pid, SIGUSR1));
		await(is_set(&shared->caught));
	}
	check(!is_set(&shared->done));
}

/* One process waits; then it is killed, or finalize is undone. */
static void one_waits(const struct way *way, uint8_t *hole, bool to_be_killed)
{
	int status;
	pid_t pid;

	alarm(PATIENCE);
	memset(shared, 0, sizeof(*shared));
	set_final(true);
	pid = fork_child();
	if (!pid)
		wait_in(way, hole);
	await(is_set(&shared->begun) && sleeps(pid));
	others_go_on(pid, way, hole);
	if (to_be_killed) {
		must(kill(pid, SIGKILL));
		must(waitpid(pid, &status, 0));
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check(!is_set(&shared->done));
		set_final(false);
	} else {
		set_final(false);
		ends_well(pid);
		check(!memcmp(hole, way->writes ? "here" : "\0\0\0\0", 4));
		check(!hole[4] && !hole[unit - 1]);
	}
	alarm(0);
}

static pid_t toucher;

static void *touch(void *hole)
{
	__atomic_store_n(&toucher, gettid(), __ATOMIC_RELEASE);
	check(__atomic_load_n((uint8_t *)hole, __ATOMIC_RELAXED) == 'u');
	return NULL;
}

static long copy(int monitor, uint8_t *hole)
{
	static uint8_t *page;
	struct uffdio_copy arg = { .dst = (uintptr_t)hole, .len = unit };

	page = page ?: calloc(1, unit);
	check(page);
	page[0] = 'u';
	arg.src = (uintptr_t)page;
	return ioctl(monitor, UFFDIO_COPY, &arg);
}

static void monitor_waits(unsigned long at)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct pollfd event = { .events = POLLIN };
	uint8_t *again, *hole;
	pthread_t thread;
	int monitor;

	if (access("/proc/sys/vm/unprivileged_userfaultfd", F_OK))
		return;
	alarm(PATIENCE);
	monitor = must(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
	event.fd = monitor;
	must(ioctl(monitor, UFFDIO_API, &api));
	again = mmap(NULL, HOLES * unit, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(again != MAP_FAILED);
	range.range.start = (uintptr_t)again;
	range.range.len = HOLES * unit;
	must(ioctl(monitor, UFFDIO_REGISTER, &range));
	hole = again + at * unit;

	set_final(true);
	refused(EBUSY, copy(monitor, hole));
	check(!pthread_create(&thread, NULL, touch, hole));
	await(__atomic_load_n(&toucher, __ATOMIC_ACQUIRE) && sleeps(toucher));
	check(!must(poll(&event, 1, 0)));
	refused(EBUSY, copy(monitor, hole));
	/* There is something already. */
	refused(EEXIST, copy(monitor, again));
	set_final(false);
	check(must(poll(&event, 1, -1)) == 1);
	must(copy(monitor, hole));
	check(!pthread_join(thread, NULL));
	alarm(0);
	munmap(again, HOLES * unit);
	close(monitor);
	printf("a monitor waits\n");
}

int main(int argc, char **argv)
{
	unsigned long next = 1;

	setlinebuf(stdout);
	if (argc == 2 && !strcmp(argv[1], "huge")) {
		huge = true;
		unit = 512 * PAGE;
	} else if (argc != 1) {
		return 2;
	}
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared != MAP_FAILED);

	race();
	make_file(HOLES);
	mem[0] = 0;
	write_text("/sys/kernel/kho/activate", "1");
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		about = ways[i].name;
		if (huge && ways[i].small_only)
			continue;
		for (int killed = 1; killed >= 0; killed--) {
			printf("%s, which %s\n", about, killed ? "is killed" : "goes on");
			one_waits(&ways[i], mem + next * unit, killed);
		}
		next++;
	}
	about = "userfaultfd";
	monitor_waits(next);
	write_text("/sys/kernel/kho/activate", "0");
	remove_file(HOLES);
	return 0;
}
