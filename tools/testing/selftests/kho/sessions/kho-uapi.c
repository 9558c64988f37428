// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-uapi: what /dev/liveupdate and the descriptors of sessions answer, as far as
 * one kernel can tell, see the table in Documentation/userspace-api/liveupdate.rst.
 * What sessions of another kernel answer is in sessions.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#define PAGE		4096
#define KHO		"/sys/kernel/kho/"
#define NAME_LENGTH	LIVEUPDATE_SESSION_NAME_LENGTH

/* A system call's answer: 0 or the errno. */
static int try(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? errno : 0;
}

static int open_device(void)
{
	return open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
}

static int session_by(unsigned long request, int device, const void *name,
		      size_t len, int *fd)
{
	struct liveupdate_ioctl_create_session arg = {
		.size = sizeof(arg),
		.fd = -1,
	};
	int rc;

	memcpy(arg.name, name, len);
	rc = try(device, request, &arg);
	*fd = arg.fd;
	return rc;
}

static int create(int device, const char *name, int *fd)
{
	return session_by(LIVEUPDATE_IOCTL_CREATE_SESSION, device, name,
			  strlen(name), fd);
}

static int retrieve(int device, const char *name)
{
	int fd;

	return session_by(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, device, name,
			  strlen(name), &fd);
}

static int preserve(int session, int fd, __u64 token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = token,
	};

	return try(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

static int take(int session, __u64 token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg),
		.token = token,
	};

	return try(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);
}

static int finish(int session, __u32 reserved)
{
	struct liveupdate_session_finish arg = {
		.size = sizeof(arg),
		.reserved = reserved,
	};

	return try(session, LIVEUPDATE_SESSION_FINISH, &arg);
}

static int new_memfd(void)
{
	int fd = memfd_create("kho-uapi", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, "some bytes", 10) != 10) {
		close(fd);
		return -1;
	}
	return fd;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return errno;
	errno = EIO;	/* if only a part of it is written */
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		rc = errno;
	close(fd);
	return rc;
}

/* The whole file in static memory. (Of one that cannot be read, nothing can be said.) */
static const char *get(const char *path)
{
	static char text[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t more;

	do {
		more = fd < 0 ? -1 : read(fd, text + len, sizeof(text) - 1 - len);
		if (more < 0 || len + more == sizeof(text) - 1) {
			fprintf(stderr, "%s: %s\n", path,
				more < 0 ? strerror(errno) : "it is too long");
			abort();
		}
		len += more;
	} while (more);
	close(fd);
	text[len] = 0;
	return text;
}

static long preserved_bytes(void)
{
	return atol(get(KHO "preserved_bytes"));
}

static bool listed(const char *line)
{
	return strstr(get(KHO "sessions"), line);
}

/* Two pages, of which the second cannot be touched. */
static char *edge_of_memory(void)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE))
		return NULL;
	return pages + PAGE;
}

FIXTURE(device)
{
	int fd;
	long bytes;
};

FIXTURE_SETUP(device)
{
	self->fd = open_device();
	ASSERT_GE(self->fd, 0);
	self->bytes = preserved_bytes();
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
}

TEST_F(device, one_opener)
{
	int fd;

	EXPECT_EQ(-1, open_device());
	EXPECT_EQ(EBUSY, errno);
	close(self->fd);
	fd = open_device();
	EXPECT_GE(fd, 0);
	self->fd = fd;
}

TEST_F(device, root_only)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/liveupdate", &st));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	ASSERT_EQ(0, stat(KHO "sessions", &st));
	EXPECT_EQ(0400, st.st_mode & 07777);
	ASSERT_EQ(0, stat(KHO "discard_session", &st));
	EXPECT_EQ(0200, st.st_mode & 07777);
	close(self->fd);
	ASSERT_EQ(0, setuid(12345));
	EXPECT_EQ(-1, open_device());
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(EACCES, put(KHO "discard_session", "x"));
}

TEST_F(device, unknown_commands)
{
	struct liveupdate_ioctl_create_session arg = {
		.size = sizeof(arg),
		.name = "unknown",
	};
	unsigned int nr;
	int session;

	ASSERT_EQ(0, create(self->fd, "known", &session));
	for (nr = 0; nr < 256; nr++) {
		bool device_has = nr <= 1, session_has = nr >= 0x40 && nr <= 0x43;
		int of_device = device_has ? ENOTTY : EINVAL;
		int of_session = session_has ? ENOTTY : EINVAL;

		if (!device_has)
			EXPECT_EQ(EINVAL, try(self->fd, _IO(LIVEUPDATE_IOCTL_TYPE, nr), &arg));
		if (!session_has)
			EXPECT_EQ(EINVAL, try(session, _IO(LIVEUPDATE_IOCTL_TYPE, nr), &arg));
		EXPECT_EQ(of_device, try(self->fd, _IO(LIVEUPDATE_IOCTL_TYPE + 1, nr), &arg));
		EXPECT_EQ(of_session, try(session, _IO(LIVEUPDATE_IOCTL_TYPE - 1, nr), &arg));
		EXPECT_EQ(of_device, try(self->fd, _IOWR(LIVEUPDATE_IOCTL_TYPE, nr, arg), &arg));
		EXPECT_EQ(of_session, try(session, _IOW(LIVEUPDATE_IOCTL_TYPE, nr, arg), &arg));
	}
}

/* What holds for all commands alike */
FIXTURE(command)
{
	int device;
	int session;
	int fd;
	__u32 arg[64];
};

FIXTURE_VARIANT(command)
{
	unsigned long request;
	bool on_session;
	__u32 size;
	/* Of an argument that is well formed; the second word is a bad descriptor or 0 */
	const char *name;
	__u32 second;
	int answer;
	bool answers;
	/* Of an incoming session: seen before more than the size is looked at */
	bool wrong_way;
};

FIXTURE_VARIANT_ADD(command, create)
{
	.request = LIVEUPDATE_IOCTL_CREATE_SESSION,
	.size = sizeof(struct liveupdate_ioctl_create_session),
	.name = "of a size",
	.answers = true,
};

FIXTURE_VARIANT_ADD(command, retrieve)
{
	.request = LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
	.size = sizeof(struct liveupdate_ioctl_retrieve_session),
	.name = "unknown",
	.answer = ENOENT,
};

FIXTURE_VARIANT_ADD(command, preserve_fd)
{
	.request = LIVEUPDATE_SESSION_PRESERVE_FD,
	.on_session = true,
	.size = sizeof(struct liveupdate_session_preserve_fd),
	.second = -1,
	.answer = EBADF,
};

FIXTURE_VARIANT_ADD(command, retrieve_fd)
{
	.request = LIVEUPDATE_SESSION_RETRIEVE_FD,
	.on_session = true,
	.size = sizeof(struct liveupdate_session_retrieve_fd),
	.answer = EINVAL,
	.wrong_way = true,
};

FIXTURE_VARIANT_ADD(command, finish)
{
	.request = LIVEUPDATE_SESSION_FINISH,
	.on_session = true,
	.size = sizeof(struct liveupdate_session_finish),
	.answer = EINVAL,
	.wrong_way = true,
};

FIXTURE_VARIANT_ADD(command, get_name)
{
	.request = LIVEUPDATE_SESSION_GET_NAME,
	.on_session = true,
	.size = sizeof(struct liveupdate_session_get_name),
	.answers = true,
};

FIXTURE_SETUP(command)
{
	self->device = open_device();
	ASSERT_GE(self->device, 0);
	ASSERT_EQ(0, create(self->device, "commands", &self->session));
	self->fd = variant->on_session ? self->session : self->device;
	memset(self->arg, 0, sizeof(self->arg));
	self->arg[0] = variant->size;
	self->arg[1] = variant->second;
	if (variant->name)
		memcpy(&self->arg[2], variant->name, strlen(variant->name));
}

FIXTURE_TEARDOWN(command)
{
	close(self->session);
	close(self->device);
}

TEST_F(command, as_it_is)
{
	EXPECT_EQ(variant->answer, try(self->fd, variant->request, self->arg));
}

TEST_F(command, too_small)
{
	__u32 size;

	for (size = 0; size < variant->size; size++) {
		self->arg[0] = size;
		EXPECT_EQ(EINVAL, try(self->fd, variant->request, self->arg));
	}
}

TEST_F(command, larger)
{
	int more = variant->wrong_way ? EINVAL : E2BIG;
	char *byte = (char *)self->arg;
	size_t at;

	for (at = variant->size; at < sizeof(self->arg); at++) {
		byte[at] = 1;
		self->arg[0] = at + 1;
		EXPECT_EQ(more, try(self->fd, variant->request, self->arg));
		self->arg[0] = sizeof(self->arg);
		EXPECT_EQ(more, try(self->fd, variant->request, self->arg));
		byte[at] = 0;
	}
	self->arg[0] = sizeof(self->arg);
	EXPECT_EQ(variant->answer, try(self->fd, variant->request, self->arg));
	/* What the kernel does not know it does not write to. */
	for (at = variant->size; at < sizeof(self->arg); at++)
		EXPECT_EQ(0, byte[at]);
}

TEST_F(command, bad_pointers)
{
	int partly = variant->wrong_way ? EINVAL : EFAULT;
	char *edge = edge_of_memory();
	__u32 at;

	ASSERT_NE(NULL, edge);
	EXPECT_EQ(EFAULT, try(self->fd, variant->request, NULL));
	EXPECT_EQ(EFAULT, try(self->fd, variant->request, edge));
	EXPECT_EQ(EFAULT, try(self->fd, variant->request, (void *)-PAGE));
	/* Only the beginning of it can be read. */
	for (at = 1; at < variant->size; at++) {
		memcpy(edge - at, self->arg, at);
		EXPECT_EQ(at < sizeof(__u32) ? EFAULT : partly,
			  try(self->fd, variant->request, edge - at));
	}
	/* So large that it cannot all be there */
	self->arg[0] = UINT_MAX;
	memcpy(edge - sizeof(self->arg), self->arg, sizeof(self->arg));
	EXPECT_EQ(partly, try(self->fd, variant->request, edge - sizeof(self->arg)));
}

TEST_F(command, answer_has_no_place)
{
	void *page = edge_of_memory();
	int fd, next;

	if (!variant->answers)
		SKIP(return, "it has no answer here");
	ASSERT_NE(NULL, page);
	page -= PAGE;
	memcpy(page, self->arg, sizeof(self->arg));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	fd = dup(self->fd);
	EXPECT_EQ(EFAULT, try(self->fd, variant->request, page));
	next = dup(self->fd);
	EXPECT_EQ(fd + 1, next);
	EXPECT_FALSE(listed("of\\040a\\040size"));
	EXPECT_EQ(variant->answer, try(self->fd, variant->request, self->arg));
}

TEST_F(device, names)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	char name[NAME_LENGTH + 1] = "";
	int fd, longest, i;

	EXPECT_EQ(EINVAL, create(self->fd, "", &fd));
	memset(name, 'n', NAME_LENGTH);
	EXPECT_EQ(EINVAL, create(self->fd, name, &fd));
	/* There is none of such a name. */
	EXPECT_EQ(ENOENT, retrieve(self->fd, name));
	EXPECT_EQ(ENOENT, retrieve(self->fd, ""));
	name[NAME_LENGTH - 1] = 0;
	EXPECT_EQ(0, create(self->fd, name, &longest));
	EXPECT_EQ(EEXIST, create(self->fd, name, &fd));
	EXPECT_EQ(0, try(longest, LIVEUPDATE_SESSION_GET_NAME, &arg));
	EXPECT_EQ(0, memcmp(arg.name, name, NAME_LENGTH));

	/* Neither does what follows the NUL count, nor does it come back. */
	memcpy(name, "n\0m", 3);
	ASSERT_EQ(0, session_by(LIVEUPDATE_IOCTL_CREATE_SESSION, self->fd, name,
				NAME_LENGTH, &fd));
	memset(&arg.name, 1, NAME_LENGTH);
	EXPECT_EQ(0, try(fd, LIVEUPDATE_SESSION_GET_NAME, &arg));
	EXPECT_STREQ("n", (char *)arg.name);
	for (i = 1; i < NAME_LENGTH; i++)
		EXPECT_EQ(0, arg.name[i]);
	EXPECT_EQ(EEXIST, create(self->fd, "n", &i));
	close(fd);
	EXPECT_EQ(0, create(self->fd, "n", &fd));

	arg.reserved = 1;
	EXPECT_EQ(EINVAL, try(fd, LIVEUPDATE_SESSION_GET_NAME, &arg));
	/* An outgoing session cannot be retrieved. */
	EXPECT_EQ(ENOENT, retrieve(self->fd, "n"));
}

TEST_F(device, finish_outgoing)
{
	int fd;

	ASSERT_EQ(0, create(self->fd, "to finish", &fd));
	EXPECT_EQ(EINVAL, finish(fd, 0));
	EXPECT_EQ(EINVAL, take(fd, 1));
	EXPECT_EQ(EINVAL, finish(fd, 1));
	EXPECT_TRUE(listed("to\\040finish outgoing open 0 files\n"));
}

TEST_F(device, no_descriptor_left)
{
	struct rlimit limit;
	int fd;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = dup(0);
	close(limit.rlim_cur);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(EMFILE, create(self->fd, "one too many", &fd));
	EXPECT_EQ(EMFILE, retrieve(self->fd, "one too many"));
	limit.rlim_cur += 10;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(0, create(self->fd, "one too many", &fd));
}

TEST_F(device, descriptor)
{
	char path[40], target[64] = "", byte;
	int fd;

	ASSERT_EQ(0, create(self->fd, "descriptor", &fd));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(-1, write(fd, "x", 1));
	/* There is no second way to it. */
	sprintf(path, "/proc/self/fd/%d", fd);
	EXPECT_EQ(-1, open(path, O_RDWR));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_LT(0, readlink(path, target, sizeof(target) - 1));
	EXPECT_STREQ("anon_inode:[luo_session] descriptor", target);
}

TEST_F(device, unsupported_files)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int path = open("/dev/null", O_PATH | O_CLOEXEC);
	int ends[2], session, other;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, create(self->fd, "files", &session));
	ASSERT_EQ(0, create(self->fd, "other", &other));
	EXPECT_EQ(EBADF, preserve(session, -1, 1));
	EXPECT_EQ(EBADF, preserve(session, 1000, 1));
	EXPECT_EQ(EBADF, preserve(session, path, 1));
	EXPECT_EQ(ENOENT, preserve(session, null, 1));
	EXPECT_EQ(ENOENT, preserve(session, dir, 1));
	EXPECT_EQ(ENOENT, preserve(session, ends[0], 1));
	EXPECT_EQ(ENOENT, preserve(session, ends[1], 1));
	EXPECT_EQ(ENOENT, preserve(session, session, 1));
	EXPECT_EQ(ENOENT, preserve(session, other, 1));
	EXPECT_EQ(ENOENT, preserve(session, self->fd, 1));
	EXPECT_TRUE(listed("files outgoing open 0 files\n"));
}

TEST_F(device, preserve_once)
{
	int first = new_memfd(), second = new_memfd();
	int session, other, copy;

	ASSERT_EQ(0, create(self->fd, "one", &session));
	ASSERT_EQ(0, create(self->fd, "other", &other));
	EXPECT_EQ(0, preserve(session, first, 0));
	EXPECT_EQ(EEXIST, preserve(session, second, 0));
	EXPECT_EQ(EEXIST, preserve(session, first, 0));
	EXPECT_EQ(EEXIST, preserve(session, -1, 0));
	EXPECT_EQ(EBUSY, preserve(session, first, 1));
	EXPECT_EQ(EBUSY, preserve(other, first, 0));
	copy = dup(first);
	EXPECT_EQ(EBUSY, preserve(other, copy, 1));
	EXPECT_EQ(0, preserve(session, second, ULLONG_MAX));
	EXPECT_TRUE(listed("one outgoing open 2 files\n\t0x0 "));
	EXPECT_TRUE(listed("\n\t0xffffffffffffffff "));
	EXPECT_TRUE(listed("other outgoing open 0 files\n"));
	EXPECT_GT(preserved_bytes(), self->bytes);

	/* Closed, it is free for others. */
	close(session);
	EXPECT_EQ(0, preserve(other, first, 5));
	close(first);
	close(copy);
	EXPECT_TRUE(listed("\n\t0x5 "));
	close(other);
	EXPECT_EQ(self->bytes, preserved_bytes());
	EXPECT_FALSE(listed("other"));
}

TEST_F(device, token_of_failed_is_free)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int file = new_memfd(), second = new_memfd(), session;

	ASSERT_EQ(0, create(self->fd, "token", &session));
	EXPECT_EQ(0, preserve(session, file, 1));
	EXPECT_EQ(ENOENT, preserve(session, null, 2));
	EXPECT_EQ(EBUSY, preserve(session, file, 2));
	EXPECT_EQ(0, preserve(session, second, 2));
}

TEST_F(device, final_state)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	int file = new_memfd(), second = new_memfd();
	int session, closed, fd;
	long bytes;

	ASSERT_EQ(0, create(self->fd, "stays", &session));
	ASSERT_EQ(0, create(self->fd, "goes", &closed));
	EXPECT_EQ(0, preserve(session, file, 1));
	ASSERT_EQ(0, put(KHO "activate", "1"));
	EXPECT_EQ(0, preserve(closed, second, 1));
	bytes = preserved_bytes();
	ASSERT_EQ(0, put(KHO "finalize", "1"));
	EXPECT_EQ(EBUSY, create(self->fd, "too late", &fd));
	EXPECT_EQ(EBUSY, preserve(session, second, 2));
	EXPECT_EQ(ENOENT, retrieve(self->fd, "unknown"));
	EXPECT_EQ(EINVAL, finish(session, 0));
	EXPECT_EQ(EINVAL, take(session, 1));
	EXPECT_EQ(0, try(session, LIVEUPDATE_SESSION_GET_NAME, &arg));
	EXPECT_EQ(ENOENT, put(KHO "discard_session", "goes"));
	/* Closing cannot take back what is sealed... */
	close(closed);
	EXPECT_TRUE(listed("goes outgoing closed 1 files\n"));
	EXPECT_TRUE(listed("stays outgoing open 1 files\n"));
	EXPECT_EQ(0, put(KHO "finalize", "0"));
	/* ... but does as soon as the seal is broken. */
	EXPECT_FALSE(listed("goes"));
	EXPECT_LT(preserved_bytes(), bytes);
	EXPECT_EQ(0, preserve(session, second, 2));
	EXPECT_EQ(0, put(KHO "activate", "0"));
	EXPECT_EQ(0, create(self->fd, "goes", &closed));
	close(session);
	close(closed);
	EXPECT_EQ(self->bytes, preserved_bytes());
}

TEST_F(device, listing)
{
	char name[NAME_LENGTH], wanted[4 * NAME_LENGTH + 100];
	int fd, first, i;

	/* Every byte there is, in five names */
	for (first = 1; first < 256; first += 51) {
		char *at = wanted;

		memset(name, 0, sizeof(name));
		for (i = 0; i < 51; i++) {
			int byte = first + i;

			name[i] = byte;
			if (byte > 0x20 && byte < 0x7f && byte != '\\' &&
			    (i || byte != '/'))
				at += sprintf(at, "%c", byte);
			else
				at += sprintf(at, "\\%03o", byte);
		}
		sprintf(at, " outgoing open 0 files\n");
		ASSERT_EQ(0, create(self->fd, name, &fd));
		EXPECT_TRUE(listed(wanted))
			TH_LOG("not listed: %s", wanted);
	}
}

TEST_F(device, discard_nothing)
{
	char text[4 * NAME_LENGTH + 1];
	int fd;

	ASSERT_EQ(0, create(self->fd, "not incoming", &fd));
	EXPECT_EQ(ENOENT, put(KHO "discard_session", "not incoming"));
	EXPECT_EQ(ENOENT, put(KHO "discard_session", "not\\040incoming"));
	EXPECT_EQ(ENOENT, put(KHO "discard_session", "unknown\n"));
	EXPECT_EQ(EINVAL, put(KHO "discard_session", "\n"));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	EXPECT_EQ(EINVAL, put(KHO "discard_session", text));
	text[NAME_LENGTH] = 0;
	EXPECT_EQ(EINVAL, put(KHO "discard_session", text));
	text[NAME_LENGTH - 1] = 0;
	EXPECT_EQ(ENOENT, put(KHO "discard_session", text));
}

/* A process that was handed a descriptor and waits to be told to end */
static pid_t start_keeper(int fd, int *wake)
{
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe(ends))
		return -1;
	pid = fork();
	if (!pid) {
		close(ends[1]);
		/* Whoever else has it cannot be the reason why it stays. */
		if (read(ends[0], &byte, 1) < 0)
			_exit(1);
		_exit(fd < 0);
	}
	close(ends[0]);
	*wake = ends[1];
	return pid;
}

TEST_F(device, given_up_with_the_last_descriptor)
{
	int file = new_memfd(), session, copy, wake, status;
	pid_t pid;

	ASSERT_EQ(0, create(self->fd, "handed on", &session));
	EXPECT_EQ(0, preserve(session, file, 1));
	copy = dup(session);
	close(session);
	EXPECT_TRUE(listed("handed\\040on outgoing open 1 files\n"));
	pid = start_keeper(copy, &wake);
	ASSERT_GT(pid, 0);
	close(copy);
	EXPECT_TRUE(listed("handed\\040on outgoing open 1 files\n"));
	close(wake);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_FALSE(listed("handed"));
	EXPECT_EQ(self->bytes, preserved_bytes());
	/* It was given up, and is an ordinary file. */
	EXPECT_EQ(0, ftruncate(file, 1 << 20));
}

TEST_F(device, given_up_when_killed)
{
	int session, status;
	pid_t pid;
	int ends[2];
	char byte = 0;

	ASSERT_EQ(0, pipe(ends));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (create(self->fd, "killed", &session) ||
		    preserve(session, new_memfd(), 1) || write(ends[1], &byte, 1) != 1)
			_exit(1);
		pause();
	}
	close(ends[1]);
	ASSERT_EQ(1, read(ends[0], &byte, 1));
	EXPECT_TRUE(listed("killed outgoing open 1 files\n"));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_FALSE(listed("killed"));
	EXPECT_EQ(self->bytes, preserved_bytes());
}

static int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = "", byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

TEST_F(device, sent_through_a_socket)
{
	int ends[2], session, received, i;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		SKIP(return, "this kernel has no sockets");
	ASSERT_EQ(0, create(self->fd, "sent", &session));
	EXPECT_EQ(0, preserve(session, new_memfd(), 1));
	ASSERT_EQ(0, send_fd(ends[0], session));
	close(session);
	/* Nobody has it but the socket. */
	EXPECT_TRUE(listed("sent outgoing open 1 files\n"));
	received = receive_fd(ends[1]);
	ASSERT_GE(received, 0);
	EXPECT_EQ(0, preserve(received, new_memfd(), 2));
	EXPECT_TRUE(listed("sent outgoing open 2 files\n"));
	ASSERT_EQ(0, send_fd(ends[0], received));
	close(received);
	close(ends[0]);
	close(ends[1]);
	for (i = 0; i < 100 && listed("sent"); i++)
		usleep(10000);
	EXPECT_FALSE(listed("sent"));
	EXPECT_EQ(self->bytes, preserved_bytes());
}

struct race {
	pthread_barrier_t *start;
	int session;
	int file;
	int answer;
};

static void *race_one(void *arg)
{
	struct race *race = arg;

	pthread_barrier_wait(race->start);
	race->answer = preserve(race->session, race->file, 1);
	return NULL;
}

/* Two at once, for the same file and token, or the same file in two sessions: one wins. */
TEST_F(device, races)
{
	pthread_barrier_t start;
	struct race race[2];
	pthread_t thread[2];
	int round, i, lost;

	pthread_barrier_init(&start, NULL, 2);
	for (round = 0; round < 200; round++) {
		ASSERT_EQ(0, create(self->fd, "a", &race[0].session));
		ASSERT_EQ(0, create(self->fd, "b", &race[1].session));
		if (round % 2) {
			close(race[1].session);
			race[1].session = dup(race[0].session);
		}
		race[0].file = new_memfd();
		race[1].file = race[0].file;
		for (i = 0; i < 2; i++) {
			race[i].start = &start;
			ASSERT_EQ(0, pthread_create(&thread[i], NULL, race_one, &race[i]));
		}
		for (i = 0; i < 2; i++)
			pthread_join(thread[i], NULL);
		lost = race[0].answer ?: race[1].answer;
		ASSERT_TRUE(!race[0].answer || !race[1].answer);
		ASSERT_EQ(round % 2 ? EEXIST : EBUSY, lost);
		close(race[0].session);
		close(race[1].session);
		close(race[0].file);
	}
	EXPECT_EQ(self->bytes, preserved_bytes());
}

/* A process that creates and closes sessions while another one reads the list */
TEST_F(device, list_while_it_changes)
{
	int file = new_memfd(), fd, i, status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	while (!pid)
		if (create(self->fd, "comes and goes", &fd) ||
		    preserve(fd, file, 1) || close(fd))
			_exit(1);
	for (i = 0; i < 500; i++)
		get(KHO "sessions");
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(self->bytes, preserved_bytes());
}

TEST_HARNESS_MAIN
