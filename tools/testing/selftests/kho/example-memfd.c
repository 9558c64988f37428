// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-memfd: a memfd survives a kexec. Run once in each kernel, the first time
 * in the background: it keeps the session open until the kexec comes. Part of
 * Documentation/userspace-api/liveupdate.rst.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* example */
int main(void)
{
	struct liveupdate_ioctl_create_session out = { sizeof(out), -1, "example" };
	struct liveupdate_ioctl_retrieve_session in = { sizeof(in), -1, "example" };
	struct liveupdate_session_preserve_fd give = { sizeof(give), -1, 42 };
	struct liveupdate_session_retrieve_fd take = { sizeof(take), -1, 42 };
	struct liveupdate_session_finish finish = { sizeof(finish), 0 };
	int device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	char text[64] = "";

	if (device < 0)
		err(1, "/dev/liveupdate");

	if (!ioctl(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &in)) {
		/* There is a session of this name from the old kernel. */
		if (ioctl(in.fd, LIVEUPDATE_SESSION_RETRIEVE_FD, &take))
			err(1, "retrieving the memfd");
		if (pread(take.fd, text, sizeof(text) - 1, 0) < 0)
			err(1, "reading it");
		if (ioctl(in.fd, LIVEUPDATE_SESSION_FINISH, &finish))
			err(1, "finishing the session");
		printf("the old kernel left: %s\n", text);
		return 0;
	}
	if (errno != ENOENT)
		err(1, "retrieving the session");

	give.fd = memfd_create("example", MFD_CLOEXEC);
	if (give.fd < 0 || write(give.fd, "good morning", 12) != 12)
		err(1, "making a memfd");
	if (ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &out))
		err(1, "creating the session");
	if (ioctl(out.fd, LIVEUPDATE_SESSION_PRESERVE_FD, &give))
		err(1, "preserving the memfd");
	close(device);	/* others want it too */
	pause();	/* closing out.fd would give everything up */
	return 0;
}
