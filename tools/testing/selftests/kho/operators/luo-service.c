// SPDX-License-Identifier: GPL-2.0-only
/*
 * luo-service: a service that leaves its descriptors to systemd 261 or later, for systemd-luo.
 *
 * A memfd with a pattern is in systemd's store under the name "memory". With LUOSession=session
 * (systemd 262) the unit has a session besides, in which a second memfd is preserved. What is
 * there already when the service starts is compared. The status says of each where it came from:
 * "new", "stored" (by systemd, in this kernel or over a kexec) or, for what was in the session of
 * the old kernel, "retrieved".
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SIZE		(4 << 20)
#define TOKEN		1
#define FIRST_FD	3
#define SEED_MEMORY	7
#define SEED_SESSION	11

static void die(const char *what)
{
	fprintf(stderr, "luo-service: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* As sd_pid_notify_with_fds() does; fd may be -1 */
static void notify(const char *text, int fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct iovec io = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_name = &address, .msg_iov = &io, .msg_iovlen = 1 };
	const char *path = getenv("NOTIFY_SOCKET");
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path || strlen(path) >= sizeof(address.sun_path) || sock < 0)
		die("$NOTIFY_SOCKET");
	memcpy(address.sun_path, path, strlen(path));
	message.msg_namelen = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	}
	if (sendmsg(sock, &message, MSG_NOSIGNAL) < 0)
		die(text);
	close(sock);
}

/* The descriptor that systemd gave this name, or -1 */
static int listen_fd(const char *name)
{
	const char *at = getenv("LISTEN_FDNAMES");
	int fd = FIRST_FD;
	size_t len;

	for (; at && *at; fd++, at += len + (at[len] == ':')) {
		len = strcspn(at, ":");
		if (len == strlen(name) && !memcmp(at, name, len))
			return fd;
	}
	return -1;
}

static uint32_t *map(int fd)
{
	uint32_t *words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (words == MAP_FAILED)
		die("mmap");
	return words;
}

static uint32_t pattern(uint32_t at, uint32_t seed)
{
	return (at + seed) * 2654435761u;
}

static int new_memory(uint32_t seed)
{
	int fd = memfd_create("luo-service", MFD_CLOEXEC);
	uint32_t *words, i;

	if (fd < 0 || ftruncate(fd, SIZE))
		die("memfd_create");
	words = map(fd);
	for (i = 0; i < SIZE / sizeof(*words); i++)
		words[i] = pattern(i, seed);
	munmap(words, SIZE);
	return fd;
}

static void compare(int fd, uint32_t seed)
{
	uint32_t *words = map(fd), i;

	for (i = 0; i < SIZE / sizeof(*words); i++) {
		if (words[i] == pattern(i, seed))
			continue;
		fprintf(stderr, "luo-service: byte %zu is not as it was\n", i * sizeof(*words));
		exit(1);
	}
	munmap(words, SIZE);
}

static const char *try_memory(void)
{
	int fd = listen_fd("memory");

	if (fd >= 0) {
		compare(fd, SEED_MEMORY);
		return "stored";
	}
	notify("FDSTORE=1\nFDNAME=memory", new_memory(SEED_MEMORY));
	return "new";
}

/* An outgoing session takes a file; one of the old kernel gives it back, and is done with. */
static const char *try_session(void)
{
	struct liveupdate_session_preserve_fd preserve = {
		.size = sizeof(preserve), .token = TOKEN,
	};
	struct liveupdate_session_retrieve_fd retrieve = {
		.size = sizeof(retrieve), .token = TOKEN,
	};
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };
	int fd = listen_fd("session");

	if (fd < 0)
		return "none";
	if (!ioctl(fd, LIVEUPDATE_SESSION_RETRIEVE_FD, &retrieve)) {
		compare(retrieve.fd, SEED_SESSION);
		if (ioctl(fd, LIVEUPDATE_SESSION_FINISH, &finish))
			die("finish");
		notify("FDSTOREREMOVE=1\nFDNAME=session", -1);
		return "retrieved";
	}
	if (errno != EINVAL)
		die("retrieve");
	preserve.fd = new_memory(SEED_SESSION);
	if (!ioctl(fd, LIVEUPDATE_SESSION_PRESERVE_FD, &preserve))
		return "new";
	if (errno != EEXIST)
		die("preserve");
	return "stored";
}

int main(void)
{
	const char *of_memory = try_memory(), *of_session = try_session();
	char text[100];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=memory %s, session %s", of_memory,
		 of_session);
	notify(text, -1);
	for (;;)
		pause();
}
