// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages with descriptors, and the store of systemd: part of kho-sessiond.
 *
 * systemd does not answer a message that asks it to store a descriptor. But it closes the
 * descriptor that comes with "BARRIER=1" once it has dealt with all before, so then it
 * has what it takes. It does not take a file that it has already under another name,
 * for which same_file() looks as systemd does, nor more than FileDescriptorStoreMax=, which
 * the unit sets to all that the daemon may ever have.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/kcmp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "kho_sessiond.h"

/* systemd is busy for seconds when it reads its units again. Clients wait longer. */
#ifndef STORE_TIMEOUT_MS
#define STORE_TIMEOUT_MS	20000
#endif

/**
 * send_text() - a message, possibly with a descriptor
 * @sock: the socket
 * @to: the address, or NULL when @sock is connected
 * @to_len: its length
 * @text: the message
 * @fd: the descriptor, or -1
 * @flags: for sendmsg()
 *
 * Return: 0 or a negative errno
 */
int send_text(int sock, const struct sockaddr_un *to, socklen_t to_len, const char *text, int fd,
	      int flags)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr message = {
		.msg_name = (void *)to,
		.msg_namelen = to_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t rc;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	do {
		rc = sendmsg(sock, &message, MSG_NOSIGNAL | flags);
	} while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

static int send_to_systemd(int fd, const char *text)
{
	const struct timeval limit = { .tv_sec = STORE_TIMEOUT_MS / 1000 + 1 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int sock, rc;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return 0;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = 0;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	rc = send_text(sock, &address,
		       offsetof(struct sockaddr_un, sun_path) + strlen(path), text, fd, 0);
	if (rc == -EAGAIN)
		rc = -ETIMEDOUT;
	close(sock);
	if (rc)
		fprintf(stderr, "kho-sessiond: systemd cannot be told '%s': %s\n", text,
			strerror(-rc));
	return rc;
}

/**
 * tell_systemd() - as sd_notify() does
 * @fd: a descriptor to go with it, or -1
 * @format: what to say
 *
 * Return: 0, also without systemd, as there is nobody to tell; or a negative errno
 */
int tell_systemd(int fd, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return send_to_systemd(fd, text);
}

/**
 * wait_for_systemd() - until it has dealt with all that it was told
 *
 * Return: 0, also without systemd; or a negative errno
 */
int wait_for_systemd(void)
{
	struct pollfd end = {};
	int rc, pipes[2];

	if (!getenv("NOTIFY_SOCKET"))
		return 0;
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	rc = tell_systemd(pipes[1], "BARRIER=1");
	close(pipes[1]);
	end.fd = pipes[0];
	while (!rc) {
		rc = poll(&end, 1, STORE_TIMEOUT_MS);
		if (rc > 0)
			break;
		rc = rc ? -errno : -ETIMEDOUT;
		if (rc == -EINTR)
			rc = 0;
	}
	close(pipes[0]);
	return rc < 0 ? rc : 0;
}

/**
 * store() - have systemd store a descriptor
 * @fd: the descriptor
 * @format: its name, without a colon
 *
 * Return: 0 when it is there; or a negative errno, and then it is not
 */
int store(int fd, const char *format, ...)
{
	char name[128];
	va_list args;
	int rc;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	rc = tell_systemd(fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	if (rc)
		return rc;
	rc = wait_for_systemd();
	if (rc) {
		fprintf(stderr, "kho-sessiond: systemd does not confirm that it has '%s': %s\n",
			name, strerror(-rc));
		unstore("%s", name);
	}
	return rc;
}

/**
 * unstore() - have systemd close its copy, some time before wait_for_systemd() returns
 * @format: the descriptor's name
 */
void unstore(const char *format, ...)
{
	char name[128];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	tell_systemd(-1, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/**
 * same_file() - would systemd store only one of them?
 * @a: a descriptor
 * @b: another one
 *
 * Return: whether it takes them for the same open file. It does not know as well when the
 * kernel has no kcmp().
 */
bool same_file(int a, int b)
{
	pid_t pid = getpid();
	long rc = syscall(SYS_kcmp, pid, pid, KCMP_FILE, a, b);
	struct stat of_a, of_b;

	if (rc >= 0)
		return !rc;
	if (fstat(a, &of_a) || fstat(b, &of_b) || !(of_a.st_mode & S_IFMT) ||
	    S_ISCHR(of_a.st_mode) || S_ISBLK(of_a.st_mode))
		return false;
	return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino &&
	       fcntl(a, F_GETFL) == fcntl(b, F_GETFL);
}
