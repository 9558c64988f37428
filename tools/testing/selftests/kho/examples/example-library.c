// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-library: a memfd survives a kexec, by libliveupdate. Run once in each kernel. It counts
 * the kernels that it has seen. Part of Documentation/userspace-api/liveupdate.rst.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <kho_session.h>

/* example */
#define TOKEN 1

/* The memfd that the old kernel left, or -1 when there is none */
static int from_old_kernel(const char *name)
{
	int fd, session = kho_session_retrieve(name);

	/* ENOENT alone says that there is none. To begin anew on another error would lose it. */
	if (session < 0 && errno == ENOENT)
		return -1;
	if (session < 0)
		err(1, "the old kernel's session '%s' cannot be opened", name);
	fd = kho_session_take(session, TOKEN);
	if (fd < 0 || kho_session_finish(session))
		err(1, "taking the memfd back");
	close(session);
	return fd;
}

int main(void)
{
	unsigned int kernels = 0;
	int session, fd = from_old_kernel("library");

	if (fd < 0)
		fd = memfd_create("library", MFD_CLOEXEC);
	else if (pread(fd, &kernels, sizeof(kernels), 0) != sizeof(kernels))
		err(1, "reading the memfd");
	kernels++;
	if (pwrite(fd, &kernels, sizeof(kernels), 0) != sizeof(kernels))
		err(1, "writing the memfd");
	session = kho_session_create("library");
	if (session < 0 || kho_session_preserve(session, fd, TOKEN))
		err(1, "preserving the memfd");
	printf("kernels seen: %u\n", kernels);
	fflush(stdout);
	return daemon(0, 0) || pause();	/* closing the session would give everything up */
}
