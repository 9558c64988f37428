// SPDX-License-Identifier: GPL-2.0-only
/*
 * no-inotify (inside the VM): lets systemd run on a kernel without inotify, preloaded. PID 1
 * would refuse to start. What it uses inotify for is to learn that a control group has become
 * empty; of services that have a main process, and that is all ours, it hears by SIGCHLD.
 *
 * The kernels have no inotify because it makes struct inode larger, and what they are measured
 * as should not depend on it. With CONFIG_INOTIFY_USER vm/systemd/init does without this.
 */
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

int inotify_init1(int flags)
{
	return eventfd(0, flags & IN_CLOEXEC ? EFD_CLOEXEC | EFD_NONBLOCK : EFD_NONBLOCK);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	static int watch;

	return ++watch;
}

int inotify_rm_watch(int fd, int watch)
{
	return 0;
}
