// SPDX-License-Identifier: GPL-2.0-only
/*
 * sessiond-try: what kho-sessiond must refuse, and that one user's clients cannot get at another's
 * sessions or use up what others need. Runs as root in a VM with systemd (scripts/vm --add
 * build/systemd:systemd), where the sample service is the other user. And besides:
 *
 *   half UID NAME    make this user's session with a file, as a service does that dies right after
 *   again UID NAME   open this user's session of the old kernel and close it, many times in a row,
 *                    and finish it
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <kho_sessiond_client.h>

#define SESSIONS_PER_USER	16
#define FILES_MAX		32
#define CLIENTS_PER_USER	8

static int failures;

static void expect(int sock, const char *request, int give, int error)
{
	int rc, got = -1;

	errno = 0;
	rc = kho_sessiond_ask(sock, request, give, &got, NULL);
	if (rc ? errno != error : error) {
		printf("'%s' gives %s, expected %s\n", request, strerrorname_np(rc ? errno : 0),
		       strerrorname_np(error));
		failures++;
	}
	if (!rc && got >= 0)
		close(got);
}

static int connect_to_it(void)
{
	int sock = kho_sessiond_connect();

	if (sock < 0) {
		perror("kho-sessiond");
		exit(1);
	}
	return sock;
}

static void try_words(int sock)
{
	char longest[64], too_long[64], huge[4096];

	snprintf(longest, sizeof(longest), "get %048d", 0);
	snprintf(too_long, sizeof(too_long), "get %049d", 0);
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = 0;
	expect(sock, longest, -1, ENOENT);
	expect(sock, too_long, -1, EINVAL);
	expect(sock, huge, -1, EINVAL);
	expect(sock, "get", -1, EINVAL);
	expect(sock, "get ", -1, EINVAL);
	expect(sock, "get a b", -1, EINVAL);
	expect(sock, "get a/b", -1, EINVAL);
	expect(sock, "get ../0/own", -1, EINVAL);
	expect(sock, "get a:b", -1, EINVAL);
	expect(sock, "steal a", -1, EINVAL);
	expect(sock, "fetch a", -1, EINVAL);
	expect(sock, "fetch a x", -1, EINVAL);
	expect(sock, "fetch a -1", -1, EINVAL);
	expect(sock, "fetch a 0x10000000000000000", -1, EINVAL);
	expect(sock, "hold a 1", -1, EINVAL);
	expect(sock, "keep a", -1, EINVAL);
	expect(sock, "get a", STDOUT_FILENO, EINVAL);
}

/* Several descriptors with one request, which takes none: they must not stay open there. */
static void try_many_fds(int sock, int memfd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = "hold mine 9", .iov_len = 11 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int i, fds[3] = { memfd, memfd, memfd };
	char reply[64] = "";

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	for (i = 0; i < 3000; i++)
		if (sendmsg(sock, &message, 0) < 0 || recv(sock, reply, sizeof(reply) - 1, 0) < 0 ||
		    strcmp(reply, "error 22 EINVAL")) {
			printf("three descriptors, round %d: '%s' (%m)\n", i, reply);
			failures++;
			return;
		}
}

static void try_files(int sock)
{
	int memfd = memfd_create("stranger", MFD_CLOEXEC);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char request[64];
	int i;

	expect(sock, "hold mine 1", memfd, ENOENT);
	expect(sock, "create mine", -1, 0);
	expect(sock, "create mine", -1, EEXIST);
	expect(sock, "hold mine 1", null, EPERM);
	expect(sock, "fetch mine 1", -1, ENOENT);
	for (i = 1; i <= FILES_MAX; i++) {
		int other = memfd_create("stranger", MFD_CLOEXEC);

		snprintf(request, sizeof(request), "hold mine %d", i);
		expect(sock, request, other, 0);
		/* systemd would not store it twice, so it would be lost under the second token. */
		expect(sock, "hold mine 33", other, EEXIST);
		close(other);
	}
	expect(sock, "hold mine 1", memfd, EEXIST);
	expect(sock, "hold mine 33", memfd, EDQUOT);
	expect(sock, "fetch mine 32", -1, 0);
	try_many_fds(sock, memfd);
	expect(sock, "release mine", -1, 0);
	/* It is gone when that is answered. */
	expect(sock, "create mine", -1, 0);
	expect(sock, "release mine", -1, 0);
	expect(sock, "fetch mine 1", -1, ENOENT);
	expect(sock, "release mine", -1, ENOENT);
	close(memfd);
	close(null);
}

/* @roots: a session that root made by itself */
static void try_keep(int sock, int roots)
{
	int pipes[2];

	expect(sock, "keep mine", roots, EPERM);
	expect(sock, "keep own", roots, EPERM);
	if (pipe2(pipes, O_CLOEXEC))
		perror("pipe");
	expect(sock, "keep mine", pipes[0], EBADF);
	close(pipes[0]);
	close(pipes[1]);
}

static void try_quota(int sock)
{
	int i, more[CLIENTS_PER_USER];
	char request[64];

	for (i = 0; i < SESSIONS_PER_USER; i++) {
		snprintf(request, sizeof(request), "create quota-%d", i);
		expect(sock, request, -1, 0);
	}
	expect(sock, "create quota-16", -1, EDQUOT);
	for (i = 1; i < CLIENTS_PER_USER; i++) {
		more[i] = connect_to_it();
		expect(more[i], "get nothing", -1, ENOENT);
	}
	more[0] = connect_to_it();
	expect(more[0], "get nothing", -1, ECONNRESET);
	for (i = 0; i < CLIENTS_PER_USER; i++)
		close(more[i]);
}

static void be_a_stranger(int roots)
{
	struct passwd *stranger = getpwnam("stranger");
	struct group *group = getgrnam("kho");
	int sock;

	if (!stranger || !group || setgid(group->gr_gid) || setuid(stranger->pw_uid)) {
		perror("the user stranger of the group kho");
		exit(1);
	}
	sock = connect_to_it();
	try_words(sock);
	expect(sock, "get counter", -1, ENOENT);
	expect(sock, "fetch counter 1", -1, ENOENT);
	expect(sock, "release counter", -1, ENOENT);
	try_files(sock);
	try_keep(sock, roots);
	try_quota(sock);
	exit(!!failures);
}

static int make_session(const char *name)
{
	struct liveupdate_ioctl_create_session create = { .size = sizeof(create) };
	int device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);

	snprintf((char *)create.name, sizeof(create.name), "%s", name);
	if (device < 0 || ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &create)) {
		perror("/dev/liveupdate");
		exit(1);
	}
	close(device);
	return create.fd;
}

static void become(const char *uid)
{
	struct group *group = getgrnam("kho");

	if (!group || setgid(group->gr_gid) || setuid(atoi(uid))) {
		perror("becoming another user");
		exit(1);
	}
}

static int make_half(const char *name)
{
	struct liveupdate_session_preserve_fd preserve = { .size = sizeof(preserve), .token = 1 };
	char request[64];
	int session;

	snprintf(request, sizeof(request), "create %s", name);
	if (kho_sessiond_ask(connect_to_it(), request, -1, &session, NULL)) {
		printf("'%s': %m\n", request);
		return 1;
	}
	/* Without a file it would be gone when it is closed for the first time. */
	preserve.fd = memfd_create("half", MFD_CLOEXEC);
	if (preserve.fd < 0 || ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &preserve)) {
		perror("preserving a file");
		return 1;
	}
	return 0;
}

/* Nobody has it open when the last one has closed it: not the daemon either. */
static int open_again(const char *name)
{
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };
	int i, session = -1, sock = connect_to_it();
	char request[64];

	for (i = 0; i < 200; i++) {
		bool incoming = false;

		if (session >= 0)
			close(session);
		snprintf(request, sizeof(request), "get %s", name);
		if (kho_sessiond_ask(sock, request, -1, &session, &incoming)) {
			printf("'%s', time %d: %m\n", request, i);
			return 1;
		}
		if (!incoming) {
			printf("'%s' is not of the old kernel\n", request);
			return 1;
		}
	}
	snprintf(request, sizeof(request), "keep %s", name);
	expect(sock, request, session, EINVAL);
	if (ioctl(session, LIVEUPDATE_SESSION_FINISH, &finish)) {
		perror("finishing the session");
		return 1;
	}
	return !!failures;
}

int main(int argc, char **argv)
{
	int status, sock, own, memfd;
	pid_t child;

	if (argc == 4) {
		become(argv[2]);
		return strcmp(argv[1], "half") ? open_again(argv[3]) : make_half(argv[3]);
	}
	own = make_session("0/own");
	child = fork();
	if (!child)
		be_a_stranger(own);
	if (child < 0 || waitpid(child, &status, 0) != child)
		perror("fork");
	if (status)
		return 1;

	/* Nothing of this has used up what others need. */
	sock = connect_to_it();
	expect(sock, "create roots", -1, 0);
	expect(sock, "keep other", own, EPERM);
	expect(sock, "keep own", own, 0);
	expect(sock, "keep own", own, EEXIST);
	expect(sock, "get own", -1, 0);
	memfd = memfd_create("own", MFD_CLOEXEC);
	expect(sock, "hold own 0xffffffffffffffff", memfd, 0);
	expect(sock, "fetch own 18446744073709551615", -1, 0);
	expect(sock, "get counter", -1, ENOENT);
	return !!failures;
}
