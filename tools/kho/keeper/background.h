/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pipes to a process that stays in the background, in a folder with its id in the
 * file "pid". When it has ended, nobody would ever open the other end: who waits for
 * that has to notice.
 */
#ifndef KHO_BACKGROUND_H
#define KHO_BACKGROUND_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>

/* Sets errno when it does not */
static inline bool background_lives(const char *dir)
{
	char path[256];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "%s/pid", dir);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	errno = ESRCH;
	/* (It may be a child of ours.) */
	return pid > 0 && waitpid(pid, NULL, WNOHANG) != pid && !kill(pid, 0);
}

/* To be written to, or read from, as any file; NULL when the process has ended */
static inline FILE *background_open(const char *dir, const char *name, bool to_read)
{
	struct pollfd fd = { .events = POLLIN };
	bool lives = true;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	do {
		fd.fd = open(path, (to_read ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC);
		if (fd.fd < 0 && (errno != ENXIO || !background_lives(dir)))
			return NULL;
		if (fd.fd < 0)
			usleep(1000);
	} while (fd.fd < 0);
	/* It may have answered just before it ended. */
	while (to_read && poll(&fd, 1, 100) <= 0) {
		if (!lives) {
			close(fd.fd);
			errno = ESRCH;
			return NULL;
		}
		lives = background_lives(dir);
	}
	if (fcntl(fd.fd, F_SETFL, 0)) {
		close(fd.fd);
		return NULL;
	}
	return fdopen(fd.fd, to_read ? "r" : "w");
}

#endif /* KHO_BACKGROUND_H */
