// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-fuzz: calls every ioctl that handover brings, and writes to the files in
 * /sys/kernel/kho, with arguments that are right, nearly right, or anything. What goes
 * wrong in the kernel, the kernel has to say: it is for one with all checkers on.
 *
 *	kho-fuzz [-s SEED] [-n COUNT] sessions [PREFIX N]
 *	kho-fuzz [-s SEED] [-n COUNT] iommufd [SESSION]
 *
 * PREFIX0 to PREFIX(N-1) are sessions of the old kernel, with files of tokens from 0 on.
 * SESSION has a file, an iommufd, and a device, with tokens 1, 2 and 3.
 *
 * A second thread closes what the first one uses, and opens others in its place; both
 * take their choices from the seed, which is printed. How they meet is left to chance.
 *
 * In the end it says for each call how often it was tried, and how often it succeeded.
 * It fails when one has never succeeded that could have: that would not have tested
 * much. It fails also when an errno is none that user space knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/iommufd_liveupdate.h>
#include <linux/liveupdate.h>
#include <linux/vfio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define PAGE		4096UL
#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define KHO		"/sys/kernel/kho/"
/* The last errno that programs are to see */
#define ERRNO_MAX	EHWPOISON

enum call {
	CREATE, RETRIEVE, PRESERVE, TAKE, FINISH, NAME, UNKNOWN,
	ACTIVATE, FINALIZE, UNREADABLE, DISCARD, DISCARD_SESSION,
	MAP, CHANGE, LIST, AREAS, RESTORE, UNKNOWN_IOMMU,
	NR_CALLS
};

static struct {
	const char *name;
	bool needed;
	unsigned long tried;
	unsigned long done;
} calls[NR_CALLS] = {
	[CREATE] = { .name = "CREATE_SESSION" },
	[RETRIEVE] = { .name = "RETRIEVE_SESSION" },
	[PRESERVE] = { .name = "PRESERVE_FD" },
	[TAKE] = { .name = "RETRIEVE_FD" },
	[FINISH] = { .name = "FINISH" },
	[NAME] = { .name = "GET_NAME" },
	[UNKNOWN] = { .name = "other numbers" },
	[ACTIVATE] = { .name = "activate" },
	[FINALIZE] = { .name = "finalize" },
	[UNREADABLE] = { .name = "allow_unreadable" },
	[DISCARD] = { .name = "discard" },
	[DISCARD_SESSION] = { .name = "discard_session" },
	[MAP] = { .name = "IOAS_MAP_FILE" },
	[CHANGE] = { .name = "IOAS_CHANGE_PROCESS" },
	[LIST] = { .name = "RESTORE_LIST" },
	[AREAS] = { .name = "RESTORE_AREAS" },
	[RESTORE] = { .name = "RESTORE_IOAS" },
	[UNKNOWN_IOMMU] = { .name = "other numbers of iommufd" },
};

/* Descriptors by kind; of the first two kinds, both threads replace them. */
enum { FILES = 24, SESSIONS = 8, ODD = 12 };

static int files[FILES], sessions[SESSIONS], odd[ODD];
static int device = -1, iommufd = -1, retrieved = -1;
static __u32 ioas;
static const char *prefix;
static unsigned long nr_incoming;
static bool done;

/* Memory for arguments: two pages to write to and one that is not there; one to read */
static char *room, *read_only;
/* For what the kernel writes besides, with so much around that a wrong bit does no harm */
static char *answers;
#define ANSWERS		(64UL << 20)

static __thread __u64 state;

static __u64 next(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static __u64 below(__u64 n)
{
	return (next() >> 16) % n;
}

static bool percent(unsigned int n)
{
	return below(100) < n;
}

static void die(const char *what)
{
	fprintf(stderr, "kho-fuzz: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void count(enum call call, bool ok)
{
	int why = errno;

	__atomic_fetch_add(&calls[call].tried, 1, __ATOMIC_RELAXED);
	if (ok) {
		__atomic_fetch_add(&calls[call].done, 1, __ATOMIC_RELAXED);
	} else if (why <= 0 || why > ERRNO_MAX) {
		fprintf(stderr, "kho-fuzz: %s gives errno %d\n", calls[call].name, why);
		exit(1);
	}
}

/* A file with content, with holes, of huge pages, or empty; or one that cannot be had. */
static int new_file(void)
{
	bool huge = percent(5);
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING | (huge ? MFD_HUGETLB : 0));

	if (fd < 0)
		return -1;
	if (ftruncate(fd, huge ? 2UL << 20 : below(20) * PAGE))
		die("ftruncate");
	if (!huge && percent(70) && pwrite(fd, "some bytes", 10, below(30) * PAGE) != 10)
		die("pwrite");
	if (percent(10))
		fcntl(fd, F_ADD_SEALS, (int)below(32));
	return fd;
}

static void replace(int *slot, int fd)
{
	fd = __atomic_exchange_n(slot, fd, __ATOMIC_RELAXED);
	if (fd >= 0)
		close(fd);
}

static int get(const int *slot)
{
	return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

static void open_all(void)
{
	int i, pipes[2], sockets[2];

	for (i = 0; i < FILES; i++)
		files[i] = new_file();
	for (i = 0; i < SESSIONS; i++)
		sessions[i] = -1;
	if (pipe2(pipes, O_CLOEXEC) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		die("pipe, socketpair");
	device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/liveupdate");
	i = 0;
	odd[i++] = pipes[0];
	odd[i++] = pipes[1];
	odd[i++] = sockets[0];
	odd[i++] = open("/dev/null", O_RDWR | O_CLOEXEC);
	odd[i++] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	odd[i++] = open("/dev/shm", O_PATH | O_CLOEXEC);
	odd[i++] = epoll_create1(EPOLL_CLOEXEC);
	odd[i++] = eventfd(0, EFD_CLOEXEC);
	odd[i++] = open("/dev/shm/fuzz", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	odd[i++] = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	odd[i++] = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	odd[i++] = device;

	room = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	read_only = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	answers = mmap(NULL, ANSWERS, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED || read_only == MAP_FAILED || answers == MAP_FAILED ||
	    mprotect(room + 2 * PAGE, PAGE, PROT_NONE))
		die("mmap");
}

static int some_fd(void)
{
	static const int never[] = { -1, -100, 1 << 20, 0x7fffffff, -0x7fffffff - 1 };

	switch (below(20)) {
	case 0:
		return never[below(ARRAY_SIZE(never))];
	case 1:
	case 2:
		return odd[below(ODD)];
	case 3:
		return get(&sessions[below(SESSIONS)]);
	case 4:
		return iommufd;
	}
	return get(&files[below(FILES)]);
}

/* One that is open, more often than not */
static int some_session(void)
{
	int i, fd = -1;

	for (i = 0; i < 4 && fd < 0; i++)
		fd = get(&sessions[below(SESSIONS)]);
	return fd;
}

static void some_name(__u8 *name)
{
	__u64 i;

	switch (below(10)) {
	case 0:
		for (i = 0; i < LIVEUPDATE_SESSION_NAME_LENGTH; i++)
			name[i] = next();
		/* With an end, more often than not */
		if (percent(80))
			name[below(LIVEUPDATE_SESSION_NAME_LENGTH)] = 0;
		break;
	case 1:
		name[0] = '/';
		name[1] = 1 + below(255);
		break;
	case 2:
	case 3:
		snprintf((char *)name, LIVEUPDATE_SESSION_NAME_LENGTH, "f%d", (int)below(30));
		break;
	default:
		snprintf((char *)name, LIVEUPDATE_SESSION_NAME_LENGTH, "%s%d",
			 nr_incoming ? prefix : "f",
			 (int)below(nr_incoming ? nr_incoming : 30));
	}
}

static __u64 some_number(void)
{
	switch (below(8)) {
	case 0:
		return next();
	case 1:
		return ~0ULL - below(3);
	case 2:
		return 1ULL << below(64);
	case 3:
		return (1ULL << below(64)) - 1;
	}
	return below(6);
}

/*
 * Change an argument of @size bytes, of which there are @max, and say how much there is
 * now. The first 32 bits are its size.
 */
static size_t spoil(char *arg, size_t size, size_t max)
{
	static const int step[] = { -8, -4, -1, 1, 4, 8, 64, 1000, 4096 - 8, 4096, 5000 };
	__u32 word = some_number(), given = size;
	size_t i;

	switch (below(7)) {
	case 0:
		given = size + step[below(ARRAY_SIZE(step))];
		break;
	case 1:
		given = word;
		break;
	case 2:
		arg[below(size)] ^= 1 << below(8);
		return size;
	case 3:
		memcpy(arg + 4 * below(size / 4), &word, sizeof(word));
		return size;
	case 4:
		for (i = 4; i < size; i++)
			arg[i] = next();
		return size;
	case 5:
		for (i = 0; i < size; i++)
			arg[i] = next();
		return size;
	case 6:
		given = size + below(100);
		arg[size + below(max - size)] = 1;
		break;
	}
	memcpy(arg, &given, sizeof(given));
	return given > size && given <= max ? given : size;
}

/*
 * Call with an argument of @size bytes, as it is or spoilt, at some place in memory. What
 * the kernel has answered is in it afterwards, if the place could be read.
 */
static bool call(enum call call, int fd, unsigned long request, void *arg, size_t size)
{
	char copy[2 * PAGE] = "";
	size_t len = size;
	char *at;
	bool ok;

	memcpy(copy, arg, size);
	if (percent(35))
		len = spoil(copy, size, sizeof(copy) - 8);
	switch (below(40)) {
	case 0:
		at = NULL;
		break;
	case 1:
		at = (char *)0xffff888000000000UL;
		break;
	case 2:
		at = (char *)0x8000000000000000UL;
		break;
	case 3:
		/* Its end is missing. */
		at = room + 2 * PAGE - below(len);
		memcpy(at, copy, room + 2 * PAGE - at);
		break;
	case 4:
		at = read_only;
		mprotect(at, PAGE, PROT_READ | PROT_WRITE);
		memcpy(at, copy, len < PAGE ? len : PAGE);
		mprotect(at, PAGE, PROT_READ);
		break;
	default:
		/* One byte more is not there; or anywhere. */
		at = room + 2 * PAGE - len;
		if (percent(10) && len < PAGE)
			at -= below(PAGE);
		memcpy(at, copy, len);
	}
	ok = !ioctl(fd, request, at);
	count(call, ok);
	if (ok && at >= room && at + size <= room + 2 * PAGE)
		memcpy(arg, at, size);
	return ok;
}

static void put(const char *file, const void *text, size_t len, enum call call)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		die(file);
	errno = EINVAL;
	count(call, write(fd, text, len) == (ssize_t)len);
	close(fd);
}

/* Now and then they are what belongs there. */
static void write_file(void)
{
	static const struct {
		const char *path;
		enum call call;
	} to[] = {
		{ KHO "activate", ACTIVATE },
		{ KHO "finalize", FINALIZE },
		{ KHO "allow_unreadable", UNREADABLE },
		{ KHO "discard", DISCARD },
		{ KHO "discard_session", DISCARD_SESSION },
	};
	static const char * const texts[] = {
		"1", "0", "1", "0", "y", "off\n", "", "\n", "2", "kho-test", "kho-test\n",
		"liveupdate", "/memory", "/blob", "/header", "/map", "/damaged", "\\", "\\057",
		"\\400", "\\08", "f1", "%s%n", " 1",
	};
	__u8 text[2 * PAGE] = "";
	size_t len, i, which = below(5);

	if (to[which].call == DISCARD && percent(20)) {
		len = strlen("kho-test");
		memcpy(text, "kho-test", len);
	} else if (which >= 3 && percent(50)) {
		some_name(text);
		len = strnlen((char *)text, LIVEUPDATE_SESSION_NAME_LENGTH);
	} else if (percent(80)) {
		const char *one = texts[below(ARRAY_SIZE(texts))];

		len = strlen(one);
		memcpy(text, one, len);
	} else {
		len = below(percent(80) ? 300 : sizeof(text));
		for (i = 0; i < len; i++)
			text[i] = next();
	}
	put(to[which].path, text, len, to[which].call);
}

static void open_session(void)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .fd = -1 };
	bool old = nr_incoming && percent(50);

	some_name(arg.name);
	/* With a name of both kernels there is no finalize. */
	if (!old && nr_incoming && percent(90))
		arg.name[0] ^= 0x80;
	if (call(old ? RETRIEVE : CREATE, device,
		 old ? LIVEUPDATE_IOCTL_RETRIEVE_SESSION : LIVEUPDATE_IOCTL_CREATE_SESSION,
		 &arg, sizeof(arg)) && arg.fd >= 0)
		replace(&sessions[below(SESSIONS)], arg.fd);
}

static void preserve(int session)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = some_fd(),
		.token = some_number(),
	};

	call(PRESERVE, session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg, sizeof(arg));
}

static void take(int session)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg),
		.fd = -1,
		.token = some_number(),
	};
	char byte;

	if (!call(TAKE, session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg, sizeof(arg)) || arg.fd < 0)
		return;
	if (pread(arg.fd, &byte, 1, below(10) * PAGE) < 0)
		die("a file that was retrieved cannot be read");
	replace(&files[below(FILES)], arg.fd);
}

static void other_number(int fd, __u32 type, enum call which)
{
	char arg[256];
	size_t i;

	for (i = 0; i < sizeof(arg); i++)
		arg[i] = next();
	/* All of our type but those that exist, of any size and direction */
	call(which, fd, (next() & 0xffff0000) | type << 8 | (0xa0 + below(0x40)), arg, sizeof(arg));
}

static void one_of_sessions(void)
{
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };
	struct liveupdate_session_get_name name = { .size = sizeof(name) };
	int session = some_session();

	switch (below(20)) {
	case 0:
	case 1:
	case 2:
		open_session();
		break;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		preserve(session);
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		take(session);
		break;
	case 13:
		call(FINISH, session, LIVEUPDATE_SESSION_FINISH, &finish, sizeof(finish));
		break;
	case 14:
		call(NAME, session, LIVEUPDATE_SESSION_GET_NAME, &name, sizeof(name));
		break;
	case 15:
		other_number(percent(50) ? device : session, LIVEUPDATE_IOCTL_TYPE, UNKNOWN);
		break;
	case 16:
		write_file();
		break;
	case 17:
		replace(&sessions[below(SESSIONS)], -1);
		break;
	default:
		replace(&files[below(FILES)], new_file());
	}
}

/* Two iommufds: one of the old kernel's, if there is one, and one of this kernel's */
static int some_iommufd(void)
{
	return retrieved >= 0 && percent(60) ? retrieved : iommufd;
}

static void map_file(void)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = percent(80) ? 7 : below(16),
		.ioas_id = percent(90) ? ioas : some_number(),
		.fd = some_fd(),
		.start = percent(80) ? below(4) * PAGE : some_number(),
		.length = percent(80) ? (1 + below(4)) * PAGE : some_number(),
		.iova = percent(80) ? (16 + below(64)) * PAGE : some_number(),
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas,
		.iova = 0,
		.length = ~0ULL,
	};

	call(MAP, iommufd, IOMMU_IOAS_MAP_FILE, &arg, sizeof(arg));
	if (percent(10))
		ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap);
}

static void list(bool areas)
{
	struct iommu_restore_list list = {
		.size = sizeof(list),
		.first = some_number(),
		.count = percent(80) ? below(32) : some_number(),
		.objects = percent(90) ? (__u64)answers + ANSWERS / 2 : some_number(),
	};
	struct iommu_restore_areas arg = {
		.size = sizeof(arg),
		.old_id = some_number(),
		.first = some_number(),
		.count = percent(80) ? below(24) : some_number(),
		.areas = percent(90) ? (__u64)answers + ANSWERS / 2 : some_number(),
	};

	if (areas)
		call(AREAS, some_iommufd(), IOMMU_RESTORE_AREAS, &arg, sizeof(arg));
	else
		call(LIST, some_iommufd(), IOMMU_RESTORE_LIST, &list, sizeof(list));
}

static void one_of_iommufd(void)
{
	struct iommu_ioas_change_process change = { .size = sizeof(change) };
	struct iommu_restore_ioas restore = { .size = sizeof(restore), .old_id = some_number() };

	switch (below(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		map_file();
		break;
	case 4:
		call(CHANGE, some_iommufd(), IOMMU_IOAS_CHANGE_PROCESS, &change, sizeof(change));
		break;
	case 5:
	case 6:
		list(false);
		break;
	case 7:
	case 8:
		list(true);
		break;
	case 9:
		call(RESTORE, some_iommufd(), IOMMU_RESTORE_IOAS, &restore, sizeof(restore));
		break;
	case 10:
		other_number(some_iommufd(), IOMMUFD_TYPE, UNKNOWN_IOMMU);
		break;
	default:
		replace(&files[below(FILES)], new_file());
	}
}

/* The second thread */
static void *disturb(void *arg)
{
	int fd, i;

	state = (__u64)arg;
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		i = below(10);
		if (i < 5)
			replace(&files[below(FILES)], new_file());
		else if (i < 8)
			replace(&sessions[below(SESSIONS)], -1);
		else if (!nr_incoming && i == 8)
			write_file();
		fd = get(&sessions[below(SESSIONS)]);
		if (i == 9 && fd >= 0)
			preserve(fd);
		usleep(10000);
	}
	return NULL;
}

/* Retrieve and bind what is in a session, as a program would. */
static void take_over(const char *name)
{
	struct liveupdate_ioctl_retrieve_session session = { .size = sizeof(session) };
	struct liveupdate_session_retrieve_fd take[3];
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	int i;

	snprintf((char *)session.name, sizeof(session.name), "%s", name);
	if (ioctl(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &session))
		die(name);
	for (i = 0; i < 3; i++) {
		take[i].size = sizeof(take[i]);
		take[i].token = i + 1;
		if (ioctl(session.fd, LIVEUPDATE_SESSION_RETRIEVE_FD, &take[i]))
			die("what is in the session");
	}
	retrieved = take[1].fd;
	bind.iommufd = retrieved;
	if (ioctl(take[2].fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die("VFIO_DEVICE_BIND_IOMMUFD");
}

/* Where it began, so that something else can be done next */
static void undo_steps(void)
{
	put(KHO "finalize", "0", 1, FINALIZE);
	put(KHO "activate", "0", 1, ACTIVATE);
	put(KHO "allow_unreadable", "0", 1, UNREADABLE);
}

/*
 * Whatever there was before, the operator can now do this, and give all up. What was
 * taken over is still held, so that is for after our end.
 */
static void wind_up(void)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	unsigned long i, before;

	undo_steps();
	for (i = 0; i < SESSIONS; i++)
		replace(&sessions[i], -1);
	if (retrieved >= 0)
		return;
	put(KHO "activate", "1", 1, ACTIVATE);
	before = calls[FINALIZE].done;
	put(KHO "finalize", "1", 1, FINALIZE);
	if (calls[FINALIZE].done == before)
		die("finalize, in the end");
	undo_steps();
	for (i = 0; i < nr_incoming; i++) {
		snprintf(name, sizeof(name), "%s%lu", prefix, i);
		put(KHO "discard_session", name, strlen(name), DISCARD_SESSION);
	}
	if (nr_incoming)
		put(KHO "discard", "kho-test", 8, DISCARD);
}

static void need(enum call first, enum call last)
{
	for (; first <= last; first++)
		calls[first].needed = true;
}

static int report(void)
{
	int i, rc = 0;

	for (i = 0; i < NR_CALLS; i++) {
		if (!calls[i].tried)
			continue;
		printf("%-26s %7lu calls, %6lu succeeded\n", calls[i].name, calls[i].tried,
		       calls[i].done);
	}
	for (i = 0; i < NR_CALLS; i++) {
		if (!calls[i].needed || calls[i].done)
			continue;
		fprintf(stderr, "kho-fuzz: %s has never succeeded\n", calls[i].name);
		rc = 1;
	}
	for (i = UNKNOWN; i < NR_CALLS; i += UNKNOWN_IOMMU - UNKNOWN) {
		if (!calls[i].done)
			continue;
		fprintf(stderr, "kho-fuzz: a number succeeds that is not given out\n");
		rc = 1;
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	unsigned long n = 10000, i;
	__u64 seed = 1;
	bool iommu;
	pthread_t thread;
	int opt;

	while ((opt = getopt(argc, argv, "s:n:")) != -1) {
		if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'n')
			n = strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	argv += optind;
	argc -= optind;
	if (!argc)
		return 2;
	iommu = !strcmp(argv[0], "iommufd");
	printf("kho-fuzz: seed %llu, %lu calls\n", (unsigned long long)seed, n);
	fflush(stdout);
	state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	open_all();
	if (iommu) {
		iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		if (iommufd < 0 || ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
			die("/dev/iommu");
		ioas = alloc.out_ioas_id;
		if (argc > 1)
			take_over(argv[1]);
		need(MAP, argc > 1 ? RESTORE : CHANGE);
	} else {
		if (argc == 3) {
			prefix = argv[1];
			nr_incoming = strtoul(argv[2], NULL, 0);
		}
		need(CREATE, NAME);
		need(ACTIVATE, UNREADABLE);
		for (i = CREATE; i < NAME && !nr_incoming; i++)
			calls[i].needed = i == CREATE || i == PRESERVE;
		if (nr_incoming)
			need(DISCARD, DISCARD_SESSION);
	}
	if (pthread_create(&thread, NULL, disturb, (void *)next()))
		die("pthread_create");
	for (i = 0; i < n; i++) {
		if (iommu)
			one_of_iommufd();
		else
			one_of_sessions();
	}
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	wind_up();
	return report();
}
