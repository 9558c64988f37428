// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-agent: the only program that opens /dev/liveupdate. A service connects to its
 * socket (the argument), says a name, and gets the session of that name: the old kernel's,
 * if there is one, or else one for the next kernel. The latter the agent keeps open, so that
 * the service may end before the kexec. The other side is example-service. Part of
 * Documentation/userspace-api/liveupdate.rst.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

/* example */
#define KEPT_MAX 64

static int kept[KEPT_MAX];
static unsigned int nr_kept;

static int kept_session(const char *name)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	unsigned int i;

	for (i = 0; i < nr_kept; i++)
		if (!ioctl(kept[i], LIVEUPDATE_SESSION_GET_NAME, &arg) &&
		    !strcmp((const char *)arg.name, name))
			return kept[i];
	return -1;
}

/* @name fills an array of LIVEUPDATE_SESSION_NAME_LENGTH; *@outgoing: it is kept */
static int open_session(int liveupdate, const char *name, bool *outgoing)
{
	struct liveupdate_ioctl_retrieve_session in = { .size = sizeof(in) };
	struct liveupdate_ioctl_create_session out = { .size = sizeof(out) };
	int fd;

	memcpy(in.name, name, sizeof(in.name));
	memcpy(out.name, name, sizeof(out.name));
	*outgoing = false;
	if (!ioctl(liveupdate, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &in))
		return in.fd;
	/* Another service has it, or the kernel is final. A new one would hide the old one's. */
	if (errno != ENOENT)
		return -1;
	*outgoing = true;
	fd = kept_session(name);
	if (fd >= 0)
		return fd;
	if (nr_kept == KEPT_MAX ||
	    ioctl(liveupdate, LIVEUPDATE_IOCTL_CREATE_SESSION, &out))
		return -1;
	return kept[nr_kept++] = out.fd;
}

/* With a byte that says which it is: 'o' for outgoing, 'i' for incoming */
static void send_session(int peer, int fd, bool outgoing)
{
	char space[CMSG_SPACE(sizeof(fd))] = "", byte = outgoing ? 'o' : 'i';
	struct iovec data = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(peer, &msg, MSG_NOSIGNAL) < 0)
		warn("a service went away");
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int liveupdate = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	int peer, fd;
	bool outgoing;

	if (argc != 2)
		errx(1, "usage: example-agent SOCKET");
	if (listener < 0 || liveupdate < 0)
		err(1, "%s", listener < 0 ? "socket" : "/dev/liveupdate");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		err(1, "%s", argv[1]);
	if (daemon(0, 0))
		err(1, "going to the background");
	for (;;) {
		char name[LIVEUPDATE_SESSION_NAME_LENGTH] = "";

		peer = accept(listener, NULL, NULL);
		if (peer < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;	/* to end would give up all that is kept */
		if (peer < 0)
			err(1, "accept");
		if (read(peer, name, sizeof(name) - 1) > 0) {
			fd = open_session(liveupdate, name, &outgoing);
			if (fd >= 0)
				send_session(peer, fd, outgoing);
			if (fd >= 0 && !outgoing)
				close(fd);
		}
		close(peer);
	}
}
