// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-user: does something as an ordinary user, or as root of a user namespace.
 *
 *	kho-user [-n] [-s NAME] [--] COMMAND...	run it
 *	kho-user [-n] open FILE r|w|rw		print 0 or the name of the errno
 *	kho-user [-n] create|retrieve NAME	of /dev/liveupdate, likewise
 *
 * The user is 1000, in no other group, without capabilities. With -n, the user makes
 * a user namespace in which he is root with all capabilities, and a mount namespace
 * that belongs to it. With -s, the command has as descriptor 3 a session that root made
 * and sent it over a socket.
 *
 * The exit status is the command's, 2 when it could not be tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <kho_session.h>

#include "keeper/result.h"

#define USER		1000

static void die(const char *what)
{
	fprintf(stderr, "kho-user: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

static void become_user(void)
{
	if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		die("cannot become a user");
	/* /proc/self belongs to root otherwise. */
	if (prctl(PR_SET_DUMPABLE, 1))
		die("PR_SET_DUMPABLE");
}

static void become_root_of_namespace(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		die("no user namespace");
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", "0 1000 1");
	put("/proc/self/gid_map", "0 1000 1");
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		die("cannot become root of a namespace");
}

/* A session of root's, sent as a descriptor through a socket: whoever takes it has it. */
static void send_fd(int socket, int fd)
{
	char room[CMSG_SPACE(sizeof(fd))] = "", byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(socket, &msg, 0) != 1)
		die("sendmsg");
}

static int receive_fd(int socket)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	int fd;

	if (recvmsg(socket, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static int print(bool ok)
{
	puts(result_of(!ok));
	if (fflush(stdout))
		die("standard output");
	return 0;
}

static int open_file(const char *path, const char *how)
{
	int mode = !strcmp(how, "r") ? O_RDONLY : !strcmp(how, "w") ? O_WRONLY : O_RDWR;

	return print(open(path, mode | O_CLOEXEC) >= 0);
}

int main(int argc, char **argv)
{
	int sockets[2], fd, opt;
	bool namespace = false;
	char *name = NULL;

	while ((opt = getopt(argc, argv, "+ns:")) != -1) {
		if (opt == 'n')
			namespace = true;
		else if (opt == 's')
			name = optarg;
		else
			exit(2);
	}
	argv += optind;
	argc -= optind;
	if (!argc)
		exit(2);
	if (name) {
		fd = kho_session_create(name);
		if (fd < 0)
			die(name);
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
			die("socketpair");
		send_fd(sockets[0], fd);
		close(fd);
	}
	become_user();
	if (namespace)
		become_root_of_namespace();
	if (name) {
		fd = receive_fd(sockets[1]);
		if (fd == 3 ? fcntl(fd, F_SETFD, 0) : dup2(fd, 3) < 0)
			die("descriptor 3");
	}
	if (argc == 3 && !strcmp(argv[0], "open"))
		return open_file(argv[1], argv[2]);
	if (argc == 2 && !strcmp(argv[0], "create"))
		return print(kho_session_create(argv[1]) >= 0);
	if (argc == 2 && !strcmp(argv[0], "retrieve"))
		return print(kho_session_retrieve(argv[1]) >= 0);
	execvp(argv[0], argv);
	die(argv[0]);
}
