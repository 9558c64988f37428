// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: which processes have sessions, vfio devices or iommufds open, as far as /proc tells.
 *
 * The name of a session is not in /proc. It is asked of a copy of the descriptor, which needs the
 * right to trace the process.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/liveupdate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "khoctl.h"

/* Its name follows, as somebody gave it: what is shown comes from the session itself. */
#define SESSION_LINK	"anon_inode:[luo_session]"

static bool is_session(const char *link)
{
	return !strncmp(link, SESSION_LINK, strlen(SESSION_LINK));
}

static bool is_watched(const char *link)
{
	return is_session(link) || !strcmp(link, "anon_inode:[vfio-device]") ||
	       !strcmp(link, "/dev/iommu") || !strcmp(link, "/dev/liveupdate") ||
	       !strncmp(link, "/dev/vfio/", strlen("/dev/vfio/"));
}

bool holder_is_session(const struct holder *holder)
{
	return !strcmp(holder->what, SESSION_LINK);
}

static void add_holder(struct holders *holders, int pid, int fd, const char *link)
{
	char *path = xasprintf("/proc/%d/comm", pid);
	char *comm = read_text(path);

	free(path);
	holders->holder = xrealloc(holders->holder,
				   (holders->nr + 1) * sizeof(*holders->holder));
	holders->holder[holders->nr++] = (struct holder) {
		.pid = pid,
		.comm = comm ? comm : xstrdup("?"),
		.what = xstrdup(is_session(link) ? SESSION_LINK : link),
		.fd = fd,
	};
}

static void look_at(struct holders *holders, int pid)
{
	char *below = xasprintf("/proc/%d/fd", pid);
	char *path = rooted(below);
	DIR *dir = opendir(path);
	struct dirent *entry;
	char link[256];
	ssize_t len;

	/* A process that has ended meanwhile is none that could not be looked at. */
	if (!dir && errno == EACCES)
		holders->hidden++;
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = '\0';
		if (is_watched(link))
			add_holder(holders, pid, atoi(entry->d_name), link);
	}
	if (dir)
		closedir(dir);
	free(path);
	free(below);
}

/**
 * holders_read - look at all processes
 * @holders: the result
 */
void holders_read(struct holders *holders)
{
	char *path = rooted("/proc");
	DIR *dir = opendir(path);
	struct dirent *entry;

	memset(holders, 0, sizeof(*holders));
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			look_at(holders, atoi(entry->d_name));
	if (dir)
		closedir(dir);
	free(path);
}

/**
 * holders_free - free what holders_read() made
 * @holders: the processes
 */
void holders_free(struct holders *holders)
{
	size_t i;

	for (i = 0; i < holders->nr; i++) {
		free(holders->holder[i].comm);
		free(holders->holder[i].what);
	}
	free(holders->holder);
}

/* The way in which the kernel's list writes names */
static char *escape_name(const char *name, size_t len)
{
	char *escaped = xzalloc(len * 4 + 1), *to = escaped;
	size_t i;

	for (i = 0; i < len && name[i]; i++) {
		unsigned char c = name[i];

		if (c > ' ' && c < 0x7f && c != '\\' && (c != '/' || i))
			*to++ = c;
		else
			to += sprintf(to, "\\%03o", c);
	}
	return escaped;
}

/**
 * holder_session - the name of the session that a process holds
 * @holder: the process and its descriptor
 *
 * Return: the name as listed, to be freed; NULL when it cannot be told
 */
char *holder_session(const struct holder *holder)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	int pidfd, fd = -1, rc = -1;

	if (*root_dir || !holder_is_session(holder))
		return NULL;
	pidfd = syscall(SYS_pidfd_open, holder->pid, 0);
	if (pidfd >= 0)
		fd = syscall(SYS_pidfd_getfd, pidfd, holder->fd, 0);
	if (fd >= 0)
		rc = ioctl(fd, LIVEUPDATE_SESSION_GET_NAME, &arg);
	if (fd >= 0)
		close(fd);
	if (pidfd >= 0)
		close(pidfd);
	return rc ? NULL : escape_name((const char *)arg.name, sizeof(arg.name));
}
