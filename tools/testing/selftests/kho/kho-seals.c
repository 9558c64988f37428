// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-seals: memfds with every set of seals there can be.
 *
 *	kho-seals make [huge]	make and preserve them; a process stays
 *	kho-seals take [huge]	retrieve them: before the session is finished, and
 *				after, each behaves as a new one with these seals
 *
 * huge: of huge pages, of which there have to be three.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "kho-file.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC	0x20
#endif

static const int all[] = {
	F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE,
	F_SEAL_EXEC,
};

#define NR	ARRAY_SIZE(all)
#define SETS	64U

static unsigned int flags;
static uint64_t unit = PAGE;

static int seals_of(unsigned int set)
{
	int seals = 0;

	for (unsigned int i = 0; i < NR; i++)
		seals |= set & 1U << i ? all[i] : 0;
	return seals;
}

/* Size 1 unit; the permissions differ, because F_SEAL_EXEC is about them. */
static int make_one(unsigned int set)
{
	int fd = must(memfd_create("seals", MFD_ALLOW_SEALING | flags));
	uint64_t *mem;

	must(ftruncate(fd, unit));
	/* Not all of them have memory: there may be few huge pages. */
	if (!flags || set == SETS - 1) {
		mem = map(fd, 1);
		fill_page(mem, set, 0);
		munmap(mem, unit);
	}
	must(fchmod(fd, 0640));
	must(fcntl(fd, F_ADD_SEALS, seals_of(set)));
	return fd;
}

static void make(void)
{
	int session = make_session("seals", LIVEUPDATE_IOCTL_CREATE_SESSION);

	for (unsigned int set = 0; set < SETS; set++)
		must(preserve(session, make_one(set), set));
	go_on();
}

static int error_of(long rc)
{
	return rc < 0 ? errno : 0;
}

static int map_error(int fd, int prot, int type)
{
	void *mem = mmap(NULL, unit, prot, type | MAP_NORESERVE, fd, 0);
	int error = mem == MAP_FAILED ? errno : 0;

	if (!error)
		munmap(mem, unit);
	return error;
}

static int protect_error(int fd)
{
	void *mem = mmap(NULL, unit, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	int error;

	if (mem == MAP_FAILED)
		return errno;
	error = error_of(mprotect(mem, unit, PROT_READ | PROT_WRITE));
	munmap(mem, unit);
	return error;
}

/* What does not depend on the size being frozen */
static void same_access(int fd, int other)
{
	struct stat a, b;

	must(fstat(fd, &a));
	must(fstat(other, &b));
	check(a.st_size == b.st_size && a.st_blocks == b.st_blocks);
	check(a.st_mode == b.st_mode);
	check(fcntl(fd, F_GET_SEALS) == fcntl(other, F_GET_SEALS));
	check(error_of(pwrite(fd, "x", 1, 9)) == error_of(pwrite(other, "x", 1, 9)));
	for (int prot = PROT_READ; prot <= (PROT_READ | PROT_WRITE); prot++) {
		check(map_error(fd, prot, MAP_SHARED) == map_error(other, prot, MAP_SHARED));
		check(map_error(fd, prot, MAP_PRIVATE) == map_error(other, prot, MAP_PRIVATE));
	}
	check(protect_error(fd) == protect_error(other));
	check(error_of(fchmod(fd, 0750)) == error_of(fchmod(other, 0750)));
	must(fchmod(fd, 0640));
	must(fchmod(other, 0640));
}

static void same_all(int fd, int other)
{
	same_access(fd, other);
	check(error_of(ftruncate(fd, 2 * unit)) == error_of(ftruncate(other, 2 * unit)));
	check(error_of(ftruncate(fd, 0)) == error_of(ftruncate(other, 0)));
	for (unsigned int i = NR; i--;) {
		check(error_of(fcntl(fd, F_ADD_SEALS, all[i])) ==
		      error_of(fcntl(other, F_ADD_SEALS, all[i])));
		check(fcntl(fd, F_GET_SEALS) == fcntl(other, F_GET_SEALS));
	}
}

static void take(void)
{
	int session = make_session("seals", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	static char what[40];
	int fd[SETS], other;

	about = what;
	for (unsigned int set = 0; set < SETS; set++) {
		snprintf(what, sizeof(what), "seals %#x", seals_of(set));
		fd[set] = retrieve(session, set);
		other = make_one(set);
		same_access(fd[set], other);
		check(error_of(ftruncate(fd[set], 0)) ==
		      (set & 2 ? EPERM : EBUSY));
		check(error_of(ftruncate(fd[set], 2 * unit)) ==
		      (set & 4 ? EPERM : EBUSY));
		close(other);
	}
	finish(session);
	for (unsigned int set = 0; set < SETS; set++) {
		snprintf(what, sizeof(what), "seals %#x, finished", seals_of(set));
		if (!flags || set == SETS - 1) {
			uint64_t *mem = mmap(NULL, unit, PROT_READ, MAP_SHARED, fd[set], 0);

			check(mem != MAP_FAILED);
			/* (Some could be written to, and were.) */
			if (set & (8 | 16))
				check(page_is(mem, set, 0));
			munmap(mem, unit);
		}
		other = make_one(set);
		same_all(fd[set], other);
		close(other);
		close(fd[set]);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "huge")) {
		flags = MFD_HUGETLB;
		unit = 512 * PAGE;
		argc--;
	}
	if (argc == 2 && !strcmp(argv[1], "make"))
		return in_background(make);
	if (argc != 2 || strcmp(argv[1], "take"))
		return 2;
	take();
	return 0;
}
