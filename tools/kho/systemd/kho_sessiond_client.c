// SPDX-License-Identifier: GPL-2.0-only
/* Asking kho-sessiond: one message there, one back, each with a descriptor or without. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "kho_sessiond_client.h"

int kho_sessiond_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = KHO_SESSIOND_SOCKET };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int saved;

	if (sock < 0)
		return -1;
	if (connect(sock, (struct sockaddr *)&address, sizeof(address))) {
		saved = errno;
		close(sock);
		errno = saved;
		return -1;
	}
	return sock;
}

int kho_sessiond_ask(int sock, const char *request, int give, int *take, bool *incoming)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	char reply[64];
	struct iovec iov = { .iov_base = (char *)request, .iov_len = strlen(request) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd = -1;
	ssize_t len;

	if (give >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &give, sizeof(give));
	}
	if (sendmsg(sock, &message, MSG_NOSIGNAL) < 0) {
		if (errno == EPIPE)
			errno = ECONNRESET;
		return -1;
	}
	iov.iov_base = reply;
	iov.iov_len = sizeof(reply) - 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	len = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	if (len <= 0) {
		errno = len ? errno : ECONNRESET;
		return -1;
	}
	reply[len] = 0;
	if (message.msg_controllen && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	if (!strncmp(reply, "error ", 6)) {
		errno = atoi(reply + 6);
		return -1;
	}
	if (incoming)
		*incoming = !strcmp(reply, "ok incoming");
	if (take)
		*take = fd;
	else if (fd >= 0)
		close(fd);
	return 0;
}
