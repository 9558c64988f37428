// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking kho-sessiond: one message there, one back, each with a descriptor or without.
 *
 * A service may be built with a copy of this file and its header, and needs no other part of the
 * library then. So neither may use more than libc.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "kho_sessiond_client.h"

int kho_sessiond_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = KHO_SESSIOND_SOCKET };
	const struct timeval limit = { .tv_sec = KHO_SESSIOND_TIMEOUT };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int rc, saved;

	if (sock < 0)
		return -1;
	/* It waits only when very many wait before us. When interrupted, it has not begun. */
	rc = setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (!rc && connect(sock, (struct sockaddr *)&address, sizeof(address)))
		if (errno != EINTR)
			rc = -1;
	if (rc) {
		saved = errno == EAGAIN ? ETIMEDOUT : errno;
		close(sock);
		errno = saved;
		return -1;
	}
	return sock;
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Signals do not make it longer. */
static int wait_until(int sock, short events, long long end)
{
	struct pollfd one = { .fd = sock, .events = events };

	for (;;) {
		long long left = end - now_ms();
		int rc = left > 0 ? poll(&one, 1, left) : 0;

		if (rc > 0)
			return 0;
		if (!rc)
			errno = ETIMEDOUT;
		if (!rc || errno != EINTR)
			return -1;
	}
}

/* The whole of a message, or an answer, at most until @end */
static ssize_t transfer(int sock, struct msghdr *message, bool receive, long long end)
{
	ssize_t len;

	for (;;) {
		if (wait_until(sock, receive ? POLLIN : POLLOUT, end))
			return -1;
		len = receive ? recvmsg(sock, message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) :
				sendmsg(sock, message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (len >= 0 || (errno != EINTR && errno != EAGAIN))
			return len;
	}
}

/* An answer that comes late must not be taken for that of another request. */
static int dead(int sock, int error)
{
	shutdown(sock, SHUT_RDWR);
	errno = error == EPIPE ? ECONNRESET : error;
	return -1;
}

/* Is @word the beginning of @reply? Later versions may say more. */
static bool begins(const char *reply, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(reply, word, len) && (!reply[len] || reply[len] == ' ');
}

/* 0, or the negative errno that @reply says or deserves; @fd: came with it, or -1 */
static int judge(const char *reply, int fd, bool truncated)
{
	bool wants = begins(reply, "ok incoming") || begins(reply, "ok outgoing");

	if (begins(reply, "error"))
		return -(atoi(reply + 5) ? : EPROTO);
	if (!begins(reply, "ok"))
		return -EPROTO;
	/* We have too many open. */
	if (truncated)
		return -EMFILE;
	return wants && fd < 0 ? -EPROTO : 0;
}

int kho_sessiond_ask(int sock, const char *request, int give, int *take, bool *incoming)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	long long end = now_ms() + KHO_SESSIOND_TIMEOUT * 1000LL;
	char reply[64];
	struct iovec iov = { .iov_base = (char *)request, .iov_len = strlen(request) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int error, fd = -1;
	ssize_t len;

	if (give >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &give, sizeof(give));
	}
	if (transfer(sock, &message, false, end) < 0)
		return dead(sock, errno);
	iov.iov_base = reply;
	iov.iov_len = sizeof(reply) - 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	len = transfer(sock, &message, true, end);
	if (len <= 0)
		return dead(sock, len ? errno : ECONNRESET);
	reply[len] = 0;
	if (message.msg_controllen && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	error = judge(reply, fd, message.msg_flags & MSG_CTRUNC);
	if (take && !error)
		*take = fd;
	else if (fd >= 0)
		close(fd);
	if (error) {
		errno = -error;
		return -1;
	}
	if (incoming)
		*incoming = begins(reply, "ok incoming");
	return 0;
}
