// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions of /dev/liveupdate: thin wrappers of the ioctls, each of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>

#include "kho_session.h"

static int open_session(unsigned long request, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };
	int device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	int saved, rc;

	if (device < 0)
		return -1;
	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	rc = ioctl(device, request, &arg);
	saved = errno;
	close(device);
	errno = saved;
	return rc ? -1 : arg.fd;
}

int kho_session_create(const char *name)
{
	return open_session(LIVEUPDATE_IOCTL_CREATE_SESSION, name);
}

int kho_session_retrieve(const char *name)
{
	return open_session(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, name);
}

int kho_session_preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int kho_session_take(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg),
		.fd = -1,
		.token = token,
	};

	return ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg) ? -1 : arg.fd;
}

int kho_session_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg);
}
