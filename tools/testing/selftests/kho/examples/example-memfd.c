// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-memfd: a memfd survives a kexec. Run once in each kernel. Part of
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
	struct liveupdate_ioctl_retrieve_session in = { sizeof(in), -1, "example" };
	struct liveupdate_ioctl_create_session out = { sizeof(out), -1, "example" };
	struct liveupdate_session_retrieve_fd take = { sizeof(take), -1, 42 };
	struct liveupdate_session_preserve_fd give = { sizeof(give), -1, 42 };
	struct liveupdate_session_finish finish = { sizeof(finish), 0 };
	int device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	char text[64] = "";

	if (device < 0)
		err(1, "/dev/liveupdate");
	if (!ioctl(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &in)) {
		/* The old kernel left a session of this name. */
		if (ioctl(in.fd, LIVEUPDATE_SESSION_RETRIEVE_FD, &take) ||
		    pread(take.fd, text, sizeof(text) - 1, 0) <= 0 ||
		    ioctl(in.fd, LIVEUPDATE_SESSION_FINISH, &finish))
			err(1, "taking the memfd back");
		printf("the old kernel left: %s\n", text);
		return 0;
	}
	/* ENOENT alone says that there is none. To begin anew on another error would lose it. */
	if (errno != ENOENT)
		err(1, "the old kernel's session 'example' cannot be opened");
	give.fd = memfd_create("example", MFD_CLOEXEC);
	if (write(give.fd, "good morning", 12) != 12 ||
	    ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &out) ||
	    ioctl(out.fd, LIVEUPDATE_SESSION_PRESERVE_FD, &give))
		err(1, "preserving a memfd");
	close(device);			/* others want it too */
	return daemon(0, 0) || pause();	/* closing out.fd would give everything up */
}
