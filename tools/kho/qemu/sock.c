// SPDX-License-Identifier: GPL-2.0-only
/* Unix sockets, and what goes over those of QEMU's cpr-transfer. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sock.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Until one of them is ready; false with ETIMEDOUT at @end */
static bool ready(struct pollfd *fds, int nr, int64_t end)
{
	int64_t left;
	int rc;

	do {
		left = end - now_ms();
		rc = poll(fds, nr, left > 0 ? left : 0);
	} while (rc < 0 && errno == EINTR);
	if (!rc)
		errno = ETIMEDOUT;
	return rc > 0;
}

int sock_wait(int sock, int seconds)
{
	struct pollfd fd = { .fd = sock, .events = POLLIN };

	return ready(&fd, 1, now_ms() + seconds * 1000LL) ? 0 : -1;
}

static int address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address->sun_path, path, strlen(path));
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int close_failed(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

int sock_listen(const char *path)
{
	struct sockaddr_un address;
	int sock = address_of(path, &address);

	if (sock < 0)
		return -1;
	unlink(path);
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)) || chmod(path, 0666) ||
	    listen(sock, 4))
		return close_failed(sock);
	return sock;
}

pid_t sock_peer(int sock)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &size) ? 0 : peer.pid;
}

int sock_accept(int listener, pid_t pid, int pidfd, int seconds)
{
	int64_t end = now_ms() + seconds * 1000LL;
	struct pollfd fds[2] = {
		{ .fd = listener, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN },
	};
	int sock;

	while (ready(fds, 2, end)) {
		if (fds[0].revents) {
			sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (sock < 0 || !pid || sock_peer(sock) == pid)
				return sock;
			close(sock);
			continue;
		}
		errno = ESRCH;
		return -1;
	}
	return -1;
}

/* Somebody listens at a path soon after it is there; and a socket of before may be there still. */
int sock_connect(const char *path, int seconds)
{
	int64_t end = now_ms() + seconds * 1000LL;
	struct sockaddr_un address;
	int sock = address_of(path, &address);

	if (sock < 0)
		return -1;
	while (connect(sock, (struct sockaddr *)&address, sizeof(address))) {
		if (errno != ENOENT && errno != ECONNREFUSED && errno != EINTR)
			return close_failed(sock);
		if (now_ms() >= end) {
			errno = ETIMEDOUT;
			return close_failed(sock);
		}
		usleep(2000);
	}
	return sock;
}

/* The descriptors that came with a message, at most one of which belongs to a byte, its last. */
static int keep_fds(struct msghdr *message, struct cpr_bytes *bytes, int **fds)
{
	struct cmsghdr *control;
	int fd, *more, rc = 0;
	size_t i, nr;

	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (control->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < nr; i++) {
			memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
			more = reallocarray(*fds, bytes->nr_fd_at + 1, sizeof(fd));
			if (more)
				*fds = more;
			if (!more || cpr_bytes_mark(bytes, bytes->size - 1)) {
				close(fd);
				rc = -1;
				continue;
			}
			(*fds)[bytes->nr_fd_at - 1] = fd;
		}
	}
	return rc;
}

static void forget(struct cpr_bytes *bytes, int **fds)
{
	size_t i;

	for (i = 0; i < bytes->nr_fd_at; i++)
		close((*fds)[i]);
	free(*fds);
	*fds = NULL;
	cpr_bytes_free(bytes);
}

int sock_receive(int sock, struct cpr_bytes *bytes, int **fds, int seconds)
{
	int64_t end = now_ms() + seconds * 1000LL;
	struct pollfd one = { .fd = sock, .events = POLLIN };
	char buffer[16384];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control;
	int saved;

	*bytes = (struct cpr_bytes) { 0 };
	*fds = NULL;
	while (ready(&one, 1, end)) {
		struct iovec iov = { .iov_base = buffer, .iov_len = sizeof(buffer) };
		struct msghdr message = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		ssize_t size = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);

		if (!size)
			return 0;
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			break;
		if (bytes->size + size > CPR_SIZE_MAX) {
			errno = EFBIG;
			break;
		}
		if (cpr_bytes_add(bytes, buffer, size) || keep_fds(&message, bytes, fds)) {
			errno = ENOMEM;
			break;
		}
		/* We have too many open. */
		if (message.msg_flags & MSG_CTRUNC) {
			errno = EMFILE;
			break;
		}
	}
	saved = errno;
	forget(bytes, fds);
	errno = saved;
	return -1;
}

static int send_some(int sock, const void *data, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {
		.header = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		},
	};
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t done;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	while (iov.iov_len) {
		done = sendmsg(sock, &message, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		iov.iov_base = (char *)iov.iov_base + done;
		iov.iov_len -= done;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	return 0;
}

int sock_send(int sock, const struct cpr_bytes *bytes, const int *fds)
{
	size_t i, at = 0;

	for (i = 0; i < bytes->nr_fd_at; i++) {
		if (send_some(sock, bytes->data + at, bytes->fd_at[i] - at, -1) ||
		    send_some(sock, bytes->data + bytes->fd_at[i], 1, fds[i]))
			return -1;
		at = bytes->fd_at[i] + 1;
	}
	return send_some(sock, bytes->data + at, bytes->size - at, -1);
}

int sock_wait_closed(int sock, int seconds)
{
	int64_t end = now_ms() + seconds * 1000LL;
	struct pollfd one = { .fd = sock, .events = POLLIN };
	char buffer[256];
	ssize_t size;

	while (ready(&one, 1, end)) {
		size = read(sock, buffer, sizeof(buffer));
		if (!size || (size < 0 && errno == ECONNRESET))
			return 0;
		if (size < 0 && errno != EINTR)
			return -1;
	}
	return -1;
}
