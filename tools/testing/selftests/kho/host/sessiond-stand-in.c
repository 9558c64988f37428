// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked into kho-sessiond on the host, where there is no /dev/liveupdate and nobody is another
 * user. (The linker is told --wrap=NAME for each function here.)
 *
 *   open, ioctl       of /dev/liveupdate: sessions that can be made, and their names asked for; a
 *                     session is a memfd, so it is gone when its last descriptor is closed
 *   readlink          what the kernel calls such a descriptor
 *   getsockopt        who connected: the number in the address the client has bound its socket to
 *   close             does not return for a memfd called "stuck" while the file $STUCK exists, as
 *                     for a file of a FUSE daemon that does not answer
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sessiond-stand-in.h"

#define DEVICE	"/dev/liveupdate"
#define MEMFD	"/memfd:luo_session:"

int __wrap_open(const char *path, int flags, ...)
{
	return __real_open(strcmp(path, DEVICE) ? path : "/dev/null", flags);
}

/* What /proc calls the file, without " (deleted)" */
static void name_of(int fd, char *name, size_t size)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = __real_readlink(link, name, size - 1);
	name[len < 0 ? 0 : len] = 0;
	if (strstr(name, " (deleted)"))
		*strstr(name, " (deleted)") = 0;
}

static int create(struct liveupdate_ioctl_create_session *argument)
{
	char name[128];

	/* (the kernel's names have a slash, those of files in /proc show it as it is) */
	snprintf(name, sizeof(name), "luo_session:%s", (char *)argument->name);
	argument->fd = memfd_create(name, MFD_CLOEXEC);
	return argument->fd < 0 ? -1 : 0;
}

static int get_name(int fd, struct liveupdate_session_get_name *argument)
{
	char name[256];

	name_of(fd, name, sizeof(name));
	snprintf((char *)argument->name, sizeof(argument->name), "%.63s", name + strlen(MEMFD));
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	switch (request) {
	case LIVEUPDATE_IOCTL_CREATE_SESSION:
		return create(argument);
	case LIVEUPDATE_IOCTL_RETRIEVE_SESSION:
		errno = ENOENT;
		return -1;
	case LIVEUPDATE_SESSION_GET_NAME:
		return get_name(fd, argument);
	}
	return __real_ioctl(fd, request, argument);
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size)
{
	ssize_t len = __real_readlink(path, target, size);

	if (len >= (ssize_t)strlen(MEMFD) && !memcmp(target, MEMFD, strlen(MEMFD)))
		len = snprintf(target, size, "anon_inode:[luo_session] name");
	return len;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct sockaddr_un peer = {};
	socklen_t size = sizeof(peer);
	int rc = __real_getsockopt(fd, level, name, value, len);

	if (!rc && level == SOL_SOCKET && name == SO_PEERCRED &&
	    !getpeername(fd, (struct sockaddr *)&peer, &size) &&
	    size > offsetof(struct sockaddr_un, sun_path))
		((struct ucred *)value)->uid = atoi(peer.sun_path + 1);
	return rc;
}

int __wrap_close(int fd)
{
	char name[256];

	if (!access(getenv("STUCK"), F_OK)) {
		name_of(fd, name, sizeof(name));
		while (!strcmp(name, "/memfd:stuck") && !access(getenv("STUCK"), F_OK))
			usleep(1000);
	}
	return __real_close(fd);
}
