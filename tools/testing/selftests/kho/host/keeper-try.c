// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program over tools/kho's keeper.c and kho_vfio.c whose commands come to whatever is
 * asked for, to see what the keeper makes of that. helpers.sh runs it.
 *
 *	return RC ERRNO		as a command that does that
 *	print NR		so many bytes
 *	words [W...]		fails with E2BIG unless there are 7
 *	crash			the process ends
 *	read16 | write16	of a device that gives one byte of the two
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/types.h>

#include <kho_vfio.h>

#include "keeper/keeper.h"

/* The linker puts these in the place of libc's. */
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at)
{
	(void)fd;
	(void)at;
	memset(to, 0, size);
	return 1;
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t at)
{
	(void)fd;
	(void)from;
	(void)size;
	(void)at;
	return 1;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	(void)request;
	return 0;
}

static int print(long nr)
{
	while (nr--)
		keeper_say("x");
	return 0;
}

static int run(char **w, int nr)
{
	uint16_t value;

	if (!strcmp(w[0], "return") && nr == 3) {
		errno = atoi(w[2]);
		return atoi(w[1]);
	}
	if (!strcmp(w[0], "print") && nr == 2)
		return print(atol(w[1]));
	if (!strcmp(w[0], "words")) {
		errno = E2BIG;
		return nr == 8 ? 0 : -1;
	}
	if (!strcmp(w[0], "crash"))
		_exit(3);
	if (!strcmp(w[0], "read16"))
		return kho_vfio_config_read16(0, 0, &value);
	if (!strcmp(w[0], "write16"))
		return kho_vfio_config_write16(0, 0, 0);
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
