// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: reads and writes the kernel's files. With --root they are looked for below another
 * directory, such as a copy made of another machine; nothing is written then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "khoctl.h"

/* More than any file that is read here may sensibly have; an image has most. */
#define FILE_MAX	(256UL << 20)

const char *root_dir = "";

char *rooted(const char *path)
{
	return xasprintf("%s%s", root_dir, path);
}

char *read_all(int fd, size_t *len)
{
	size_t room = 4096;
	char *text = xrealloc(NULL, room);
	ssize_t got;

	for (*len = 0;; *len += got) {
		if (*len == room - 1) {
			room *= 2;
			text = xrealloc(text, room);
		}
		got = read(fd, text + *len, room - 1 - *len);
		if (got < 0 && errno == EINTR) {
			got = 0;
			continue;
		}
		if (!got)
			break;
		if (got > 0 && *len + got > FILE_MAX) {
			errno = EFBIG;
			got = -1;
		}
		if (got < 0) {
			free(text);
			return NULL;
		}
	}
	text[*len] = '\0';
	return text;
}

char *read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int saved;
	char *text;

	if (fd < 0)
		return NULL;
	text = read_all(fd, len);
	saved = errno;
	close(fd);
	errno = saved;
	return text;
}

static const char *no_file(mode_t mode, off_t size)
{
	if (S_ISDIR(mode))
		return "it is a folder";
	if (!S_ISREG(mode))
		return "it is no regular file";
	return size ? NULL : "it is empty";
}

int open_to_load(const char *path, const char **why)
{
	struct stat stat_buf;
	int fd = -1;

	if (!stat(path, &stat_buf)) {
		*why = no_file(stat_buf.st_mode, stat_buf.st_size);
		errno = EINVAL;
		if (*why)
			return -1;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	*why = fd < 0 ? strerror(errno) : NULL;
	return fd;
}

char *read_input_file(const char *path, size_t *len)
{
	/* By number: /dev/stdin would be opened anew, which a socket or another user refuses. */
	return strcmp(path, "-") ? read_file(path, len) : read_all(STDIN_FILENO, len);
}

char *read_text(const char *path)
{
	char *name = rooted(path);
	size_t len;
	char *text = read_file(name, &len);

	free(name);
	if (text && len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	return text;
}

char *read_kho(const char *name)
{
	char *path = xasprintf(KHO_DIR "/%s", name);
	char *text = read_text(path);
	int saved = errno;

	free(path);
	errno = saved;
	return text;
}

int write_kho(const char *name, const char *value)
{
	char *path = xasprintf(KHO_DIR "/%s", name);
	int rc = 0, fd = -1;

	if (*root_dir)
		rc = -EROFS;
	else
		fd = open(path, O_WRONLY | O_CLOEXEC);
	free(path);
	if (rc || fd < 0)
		return rc ? rc : -errno;
	if (write(fd, value, strlen(value)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

bool exists(const char *path)
{
	char *name = rooted(path);
	bool yes = !access(name, F_OK);

	free(name);
	return yes;
}

bool have_kho(void)
{
	if (exists(KHO_DIR "/state"))
		return true;
	complain("there is no handover in this kernel: khoctl check says why");
	return false;
}
