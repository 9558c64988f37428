// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-seals: memfds with every set of seals there can be, preserved by a descriptor for
 * reading and writing, and by one for reading.
 *
 *	kho-seals make [huge]	make and preserve them, then activate and finalize, which
 *				wants an image loaded; seals and permissions of some are
 *				set in between, or while finalize comes; a process stays
 *	kho-seals take [huge]	retrieve them: before the session is finished, and
 *				after, each behaves as a new one with these seals
 *
 * huge: of huge pages, of which there have to be four.
 */
#include <pthread.h>
#include <stdbool.h>
#include <linux/iommufd.h>
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
/* Tokens: of sets, of the same by a descriptor for reading, and of what is late */
#define READ_ONLY	SETS
#define LATE		(2 * SETS)
#define RESULTS		(LATE + 1)
#define RACE		(LATE + 2)
#define RACES		200U
/* So many are sealed before finalize begins. */
#define SOME		20U

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

static int for_reading(int fd)
{
	char path[64];
	int other;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = must(open(path, O_RDONLY));
	close(fd);
	return other;
}

static int make_all(void)
{
	int session = make_session("seals", LIVEUPDATE_IOCTL_CREATE_SESSION);

	for (unsigned int set = 0; set < SETS; set++) {
		must(preserve(session, make_one(set), set));
		must(preserve(session, for_reading(make_one(set)), READ_ONLY + set));
	}
	return session;
}

static void write_text(const char *path, const char *text)
{
	int file = must(open(path, O_WRONLY));

	must_all(strlen(text), write(file, text, strlen(text)));
	close(file);
}

static int racing[RACES];
static int *results;

/* What came of each is in a file that crosses as well. */
static void *seal_all(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < RACES; i++) {
		int error = fcntl(racing[i], F_ADD_SEALS, F_SEAL_GROW) ? errno : 0;

		__atomic_store_n(&results[i], error, __ATOMIC_RELEASE);
		usleep(500);
	}
	return NULL;
}

static void make(void)
{
	int session = make_all();
	int fd = make_one(0), file;
	pthread_t thread;

	must(preserve(session, fd, LATE));
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	must(fchmod(fd, 0600));
	file = must(memfd_create("results", 0));
	must(ftruncate(file, PAGE));
	results = (int *)map(file, 1);
	memset(results, -1, PAGE);
	must(preserve(session, file, RESULTS));
	for (unsigned int i = 0; i < RACES; i++) {
		racing[i] = must(memfd_create("race", MFD_ALLOW_SEALING | flags));
		must(preserve(session, racing[i], RACE + i));
	}
	for (int round = 0; round < 2; round++) {
		if (round) {
			check(!pthread_create(&thread, NULL, seal_all, NULL));
			while (__atomic_load_n(&results[SOME], __ATOMIC_ACQUIRE) < 0)
				usleep(100);
		} else {
			write_text("/sys/kernel/kho/activate", "1");
		}
		write_text("/sys/kernel/kho/finalize", "1");
		refused(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
		refused(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
		refused(EBUSY, fchmod(fd, 0700));
		check(fcntl(fd, F_GET_SEALS) == (F_SEAL_GROW | (round ? F_SEAL_SHRINK : 0)));
		must(fchmod(fd, round ? 0604 : 0600));
		if (round)
			break;
		write_text("/sys/kernel/kho/finalize", "0");
		must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
		must(fchmod(fd, 0604));
	}
	check(!pthread_join(thread, NULL));
	go_on();
}

static void take_late(int session)
{
	int fd = retrieve(session, LATE);
	unsigned int sealed = 0;
	struct stat st;

	check(fcntl(fd, F_GET_SEALS) == (F_SEAL_GROW | F_SEAL_SHRINK));
	must(fstat(fd, &st));
	check((st.st_mode & 07777) == 0604);
	results = (int *)map(retrieve(session, RESULTS), 1);
	for (unsigned int i = 0; i < RACES; i++) {
		fd = retrieve(session, RACE + i);
		check(results[i] == 0 || results[i] == EBUSY);
		check(fcntl(fd, F_GET_SEALS) == (results[i] ? 0 : F_SEAL_GROW));
		sealed += !results[i];
		close(fd);
	}
	printf("%u files of %u were sealed before finalize\n", sealed, RACES);
	check(sealed > SOME);
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

/* The same of a device, which writes to what is mapped for it */
static int device_error(int fd, unsigned int access)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg), .flags = IOMMU_IOAS_MAP_FIXED_IOVA | access, .fd = fd,
		.length = unit, .iova = 1 << 30,
	};
	int iommufd = must(open("/dev/iommu", O_RDWR)), error;

	must(ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas));
	arg.ioas_id = ioas.out_ioas_id;
	error = error_of(ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &arg));
	close(iommufd);
	return error;
}

/* Where a huge page is missing, only what does not make one: there may be few. */
static void same_for_devices(int fd, int other, bool has_memory)
{
	const unsigned int both = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;

	if (!flags || has_memory ||
	    fcntl(fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		check(device_error(fd, both) == device_error(other, both));
	if (!flags || has_memory)
		check(device_error(fd, IOMMU_IOAS_MAP_READABLE) ==
		      device_error(other, IOMMU_IOAS_MAP_READABLE));
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
	same_for_devices(fd, other, a.st_blocks);
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
	int fd[SETS], read_only[SETS], other;
	static char what[60];

	about = what;
	for (unsigned int set = 0; set < SETS; set++) {
		snprintf(what, sizeof(what), "seals %#x", seals_of(set));
		fd[set] = retrieve(session, set);
		other = make_one(set);
		same_access(fd[set], other);
		/* Of shared memory, what is not sealed can be changed by now. */
		if (set & 2 || unit > PAGE)
			check(error_of(ftruncate(fd[set], 0)) ==
			      (set & 2 ? EPERM : EBUSY));
		if (set & 4 || unit > PAGE)
			check(error_of(ftruncate(fd[set], 2 * unit)) ==
			      (set & 4 ? EPERM : EBUSY));
		close(other);
		snprintf(what, sizeof(what), "seals %#x, for reading", seals_of(set));
		read_only[set] = retrieve(session, READ_ONLY + set);
		other = for_reading(make_one(set));
		same_access(read_only[set], other);
		close(other);
	}
	about = NULL;
	take_late(session);
	about = what;
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
		snprintf(what, sizeof(what), "seals %#x, for reading, finished", seals_of(set));
		other = for_reading(make_one(set));
		same_all(read_only[set], other);
		close(other);
		close(read_only[set]);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "huge")) {
		flags = MFD_HUGETLB;
		unit = 512 * PAGE;
		argc--;
	}
	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "make"))
		return in_background(make);
	if (strcmp(argv[1], "take"))
		return 2;
	take();
	return 0;
}
