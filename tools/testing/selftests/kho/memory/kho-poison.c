// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-poison: memory in which the hardware found an error, as MADV_HWPOISON pretends.
 *
 *	kho-poison make		a file is preserved, then one of its pages goes bad; one of
 *				huge pages is preserved that has one in bad memory; and
 *				memory that nobody has goes bad; a process stays
 *	kho-poison count	three frames are bad, and not in use
 *	kho-poison take		retrieve the files: all is there but these pages, which
 *				are an error to touch; then finish
 *	kho-poison again	likewise, and preserve it once more; a process stays
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "kho-file.h"

#define PAGES	16UL
#define BAD	3UL
#define SEED	7

#define HUGE	(2UL << 20)
#define NR_BAD	3

#define KPF_BUDDY	10
#define KPF_HUGE	17
#define KPF_HWPOISON	19

#ifndef MADV_HWPOISON
#define MADV_HWPOISON	100
#endif

static int session, file, huge;

/* In a process of its own, which may be killed for it: how it ended */
static int in_child(void (*act)(void))
{
	pid_t child;
	int status;

	child = must(fork());
	if (!child) {
		act();
		_exit(0);
	}
	must(waitpid(child, &status, 0));
	return status;
}

/*
 * Who has it mapped may be killed, and it is called a failure when somebody else has a
 * reference. How many are bad afterwards tells.
 */
static void spoil_file(void)
{
	madvise(map(file, PAGES) + BAD * WORDS, PAGE, MADV_HWPOISON);
}

static void spoil_huge(void)
{
	madvise(map(huge, 2 * HUGE / PAGE) + (HUGE + 5 * PAGE) / 8, PAGE,
		MADV_HWPOISON);
}

static void touch_huge(void)
{
	check(page_is(map(huge, 2 * HUGE / PAGE) + HUGE / 8, SEED, HUGE / PAGE));
}

static void check_huge(void)
{
	uint64_t *mem = map(huge, 2 * HUGE / PAGE);
	int status;

	for (uint64_t i = 0; i < HUGE / PAGE; i++)
		check(page_is(mem + i * WORDS, SEED, i));
	must(munmap(mem, 2 * HUGE));
	/* A huge page is mapped as a whole, or not at all. */
	status = in_child(touch_huge);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void spoil_own(void)
{
	uint64_t *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(mem != MAP_FAILED);
	fill_page(mem, SEED, 0);
	madvise(mem, PAGE, MADV_HWPOISON);
}

static void touch_bad(void)
{
	check(page_is(map(file, PAGES) + BAD * WORDS, SEED, BAD));
}

static void count(void)
{
	int flags = must(open("/proc/kpageflags", O_RDONLY));
	uint64_t buf[WORDS];
	unsigned int bad = 0;
	long len;

	check(kib_of("HardwareCorrupted") == NR_BAD * PAGE / 1024);
	while ((len = must(read(flags, buf, sizeof(buf)))) > 0) {
		for (long i = 0; i < len / 8; i++) {
			/* All of a huge page say that one is. */
			if (!(buf[i] >> KPF_HWPOISON & 1) ||
			    buf[i] >> KPF_HUGE & 1)
				continue;
			bad++;
			check(!(buf[i] >> KPF_BUDDY & 1));
		}
	}
	close(flags);
	/* That in a huge page is one of its own until it was retrieved. */
	check(bad == NR_BAD - 1 || bad == NR_BAD);
}

static void check_file(void)
{
	uint64_t buf[WORDS], *mem;
	int status;

	for (uint64_t i = 0; i < PAGES; i++) {
		if (i == BAD) {
			refused(EIO, pread(file, buf, PAGE, i * PAGE));
			continue;
		}
		must_all(PAGE, pread(file, buf, PAGE, i * PAGE));
		check(page_is(buf, SEED, i));
	}
	mem = map(file, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		check(i == BAD || page_is(mem + i * WORDS, SEED, i));
	must(munmap(mem, PAGES * PAGE));
	status = in_child(touch_bad);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void make(void)
{
	uint64_t *mem;

	file = must(memfd_create("poison", MFD_CLOEXEC));
	must(ftruncate(file, PAGES * PAGE));
	mem = map(file, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		fill_page(mem + i * WORDS, SEED, i);
	must(munmap(mem, PAGES * PAGE));
	session = make_session("poison", LIVEUPDATE_IOCTL_CREATE_SESSION);
	must(preserve(session, file, 1));
	huge = must(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB));
	must(ftruncate(huge, 2 * HUGE));
	mem = map(huge, 2 * HUGE / PAGE);
	for (uint64_t i = 0; i < 2 * HUGE / PAGE; i++)
		fill_page(mem + i * WORDS, SEED, i);
	must(munmap(mem, 2 * HUGE));
	in_child(spoil_file);
	in_child(spoil_huge);
	in_child(spoil_own);
	must(preserve(session, huge, 2));
	count();
	check_file();
	check_huge();
	go_on();
}

static void take(void)
{
	session = make_session("poison", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	file = retrieve(session, 1);
	huge = retrieve(session, 2);
	check_file();
	check_huge();
	finish(session);
	close(session);
	check_file();
	check_huge();
	count();
}

static void again(void)
{
	take();
	session = make_session("poison", LIVEUPDATE_IOCTL_CREATE_SESSION);
	must(preserve(session, file, 1));
	must(preserve(session, huge, 2));
	go_on();
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (!strcmp(what, "make"))
		return in_background(make);
	if (!strcmp(what, "again"))
		return in_background(again);
	if (!strcmp(what, "count"))
		return count(), 0;
	if (!strcmp(what, "take"))
		return take(), 0;
	fprintf(stderr, "Usage: kho-poison make | count | take | again\n");
	return 2;
}
