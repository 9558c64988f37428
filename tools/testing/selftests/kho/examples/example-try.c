// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-try: could these descriptors of a running program be preserved? The arguments are its
 * process id and numbers of descriptors, each after those that it needs. They are preserved in a
 * session that nobody else has, and given up at once. Part of
 * Documentation/userspace-api/liveupdate.rst.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>

/* example */
int main(int argc, char **argv)
{
	struct liveupdate_ioctl_create_session session = { sizeof(session), -1, "trial" };
	int i, device, program, status = 0;

	if (argc < 3)
		errx(2, "usage: example-try PID FD...");
	program = pidfd_open(atoi(argv[1]), 0);
	device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (program < 0 || device < 0)
		err(2, "%s", program < 0 ? argv[1] : "/dev/liveupdate");
	if (ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &session))
		err(2, "making a session");
	for (i = 2; i < argc; i++) {
		struct liveupdate_session_preserve_fd give = { sizeof(give), -1, i };

		give.fd = pidfd_getfd(program, atoi(argv[i]), 0);
		if (give.fd < 0)
			err(2, "descriptor %s of process %s", argv[i], argv[1]);
		if (ioctl(session.fd, LIVEUPDATE_SESSION_PRESERVE_FD, &give)) {
			printf("%s: %s\n", argv[i], strerrorname_np(errno));
			status = 1;
		} else {
			printf("%s: yes\n", argv[i]);
		}
		close(give.fd);
	}
	return status;	/* which closes the session: all is as before */
}
