// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-service: leaves a text for the next kernel, and ends: example-agent keeps the
 * session. Under the next kernel, run without a text, it takes it back. The first argument
 * is the agent's socket. Part of Documentation/userspace-api/liveupdate.rst.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* example */
static int ask_agent(const char *path, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = -1, peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char space[CMSG_SPACE(sizeof(fd))], byte;
	struct iovec data = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(peer, (struct sockaddr *)&address, sizeof(address)) ||
	    write(peer, name, strlen(name)) < 0)
		err(1, "%s", path);
	if (recvmsg(peer, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		errx(1, "the agent has no session for us");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	close(peer);
	return fd;
}

int main(int argc, char **argv)
{
	struct liveupdate_session_preserve_fd give = { sizeof(give), -1, 1 };
	struct liveupdate_session_retrieve_fd take = { sizeof(take), -1, 1 };
	struct liveupdate_session_finish finish = { sizeof(finish), 0 };
	char text[64] = "";
	int session;

	if (argc < 2)
		errx(1, "usage: example-service SOCKET [TEXT]");
	session = ask_agent(argv[1], "service");
	if (argc > 2) {
		give.fd = memfd_create("text", MFD_CLOEXEC);
		if (write(give.fd, argv[2], strlen(argv[2])) < 0 ||
		    ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &give))
			err(1, "preserving the text");
		return 0;
	}
	if (ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &take) ||
	    pread(take.fd, text, sizeof(text) - 1, 0) < 0 ||
	    ioctl(session, LIVEUPDATE_SESSION_FINISH, &finish))
		err(1, "taking the text back");
	printf("%s\n", text);
	return 0;
}
