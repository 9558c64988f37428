// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu stay: run a program in the initramfs that goes on when this one has made way for the
 * root file system.
 *
 * The initramfs is emptied then, and what was mounted in it is moved. A program that was started
 * before keeps its root, in which there is nothing left: a QEMU could open no device any more, and
 * connect to no socket of ours, so its guest could never be saved again. So it gets a root of its
 * own, in a mount namespace of its own, which has the same in it. The files of the initramfs go
 * from there, too, but /dev, /proc, /run and /sys stay: these are the file systems of the machine.
 *
 * It is called with a '@' before its name, by which systemd knows whom not to end when it takes
 * over from the initramfs, and at the end of a shutdown.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "kho_qemu.h"

#define BASE	"/run/kho-qemu"
#define NEW	BASE "/@root"	/* no guest has such a name */
/* Set for what runs in such a root, which needs no other one */
#define MARK	"KHO_QEMU_STAYS"

static bool in_initramfs(void)
{
	struct statfs root;

	return !statfs("/", &root) &&
	       (root.f_type == RAMFS_MAGIC || root.f_type == TMPFS_MAGIC);
}

/* What is there is there in the new root, too; files, of which only /init matters, are not. */
static int take_along(const char *name)
{
	char from[PATH_MAX], to[PATH_MAX], target[PATH_MAX];
	struct stat entry;
	ssize_t len;

	snprintf(from, sizeof(from), "/%s", name);
	snprintf(to, sizeof(to), NEW "/%s", name);
	if (lstat(from, &entry))
		return -1;
	if (S_ISLNK(entry.st_mode)) {
		len = readlink(from, target, sizeof(target) - 1);
		if (len < 0)
			return -1;
		target[len] = 0;
		return symlink(target, to);
	}
	if (!S_ISDIR(entry.st_mode))
		return 0;
	/* (the new root is below /run, where it would be taken into itself) */
	return mkdir(to, 0755) || mount(from, to, NULL, MS_BIND |
					(strcmp(name, "run") ? MS_REC : 0), NULL) ? -1 : 0;
}

static int take_all_along(void)
{
	DIR *root = opendir("/");
	struct dirent *entry;
	int rc = root ? 0 : -1;

	while (!rc && (entry = readdir(root)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			rc = take_along(entry->d_name);
	if (root)
		closedir(root);
	return rc;
}

static int own_root(void)
{
	if ((mkdir(BASE, 0711) && errno != EEXIST) || (mkdir(NEW, 0755) && errno != EEXIST) ||
	    unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("kho-qemu", NEW, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1M") ||
	    take_all_along())
		return -1;
	return chroot(NEW) || chdir("/") ? -1 : 0;
}

int cmd_stay(char **argv)
{
	const char *program = argv[0], *slash;
	char name[NAME_MAX];

	if (!program)
		return misused("what is to be run?", "");
	if (in_initramfs() && !getenv(MARK)) {
		if (own_root()) {
			complain("as root", "%s gets no root of its own: %s", program,
				 strerror(errno));
			return EXIT_FAILED;
		}
		setenv(MARK, "1", 1);
	}
	slash = strrchr(program, '/');
	snprintf(name, sizeof(name), "@%s", slash ? slash + 1 : program);
	argv[0] = name;
	execvp(program, argv);
	complain(NULL, "%s: %s", program, strerror(errno));
	return EXIT_FAILED;
}
