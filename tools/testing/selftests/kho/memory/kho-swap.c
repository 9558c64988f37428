// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-swap: preserving a file that is swapped out.
 *
 *	kho-swap kill	whoever does it is killed, and ends at once
 *	kho-swap room	there is not enough memory: it is refused; a process stays that
 *			holds most of the memory, and a file that was filled and
 *			swapped out after it was preserved
 *	kho-swap limit	the same in a memory cgroup whose limit is lower than the file
 *			is large
 */
#include <signal.h>
#include <sys/wait.h>

#include "kho-file.h"

#define PAGES	24576UL

static int session;

/* Little in each page, so that the swap takes little memory */
static void write_words(uint64_t *mem)
{
	for (uint64_t i = 0; i < PAGES; i++)
		mem[i * WORDS] = word_of(1, i, 0);
}

static void check_words(const uint64_t *mem)
{
	for (uint64_t i = 0; i < PAGES; i++)
		check(mem[i * WORDS] == word_of(1, i, 0));
}

static uint64_t *new_file(int *fd)
{
	*fd = must(memfd_create("swapped", 0));
	must(ftruncate(*fd, PAGES * PAGE));
	return map(*fd, PAGES);
}

static unsigned long swapped(void)
{
	return (kib_of("SwapTotal") - kib_of("SwapFree")) * 1024;
}

static void swap_out(uint64_t *mem)
{
	unsigned long before = swapped();

	must(madvise(mem, PAGES * PAGE, MADV_PAGEOUT));
	check(swapped() - before > PAGES * PAGE * 9 / 10);
}

static void kill_it(void)
{
	unsigned long before;
	uint64_t *mem;
	int fd, status;
	pid_t child;

	session = make_session("killed", LIVEUPDATE_IOCTL_CREATE_SESSION);
	mem = new_file(&fd);
	write_words(mem);
	swap_out(mem);
	before = swapped();
	child = must(fork());
	if (!child) {
		preserve(session, fd, 1);
		exit(0);
	}
	while (before - swapped() < 1024 * PAGE)
		usleep(100);
	must(kill(child, SIGKILL));
	must(waitpid(child, &status, 0));
	check(WIFSIGNALED(status));
	/* It was in the middle of it. */
	check(before - swapped() < PAGES * PAGE / 2);
	check_words(mem);
	must(preserve(session, fd, 1));
}

/* What is said to be available is an estimate, so in steps */
static void leave_memory(long size)
{
	long more;

	while ((more = kib_of("MemAvailable") * 1024 - size) > 0)
		check(mmap(NULL, more / 2 + PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE |
			   MAP_LOCKED, -1, 0) != MAP_FAILED);
}

static void room(void)
{
	uint64_t *mem, *late;
	int fd, late_fd;

	session = make_session("room", LIVEUPDATE_IOCTL_CREATE_SESSION);
	mem = new_file(&fd);
	late = new_file(&late_fd);
	must(preserve(session, late_fd, 2));
	write_words(mem);
	swap_out(mem);
	write_words(late);
	swap_out(late);
	leave_memory(PAGES * PAGE / 2);
	refused(ENOMEM, preserve(session, fd, 1));
	go_on();
}

static void limit(void)
{
	uint64_t *mem;
	int fd;

	session = make_session("limit", LIVEUPDATE_IOCTL_CREATE_SESSION);
	mem = new_file(&fd);
	write_words(mem);
	check(swapped() > PAGES * PAGE / 4);
	refused(ENOMEM, preserve(session, fd, 1));
	check_words(mem);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "room"))
		return in_background(room);
	if (!strcmp(argv[1], "kill"))
		kill_it();
	else if (!strcmp(argv[1], "limit"))
		limit();
	else
		return 2;
	return 0;
}
