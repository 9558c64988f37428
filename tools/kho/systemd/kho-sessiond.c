// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-sessiond: holds sessions of /dev/liveupdate for services.
 *
 * A session lives as long as one of its descriptors is open, but services end before a
 * kexec, and only root can open /dev/liveupdate. So services ask this daemon, by the
 * protocol in Documentation/admin-guide/kho-systemd.rst: it makes their sessions and
 * keeps a duplicate until the jump, and opens them in the next kernel.
 *
 * Whom a session belongs to is in its name, "UID/NAME". The kernel hands names on, and
 * only who may open the device can choose them, so nothing else has to be remembered.
 *
 * All that is held is in systemd's file descriptor store too, where the daemon finds it
 * when it was restarted. Life cycle: systemd starts it with the socket; nothing ends it
 * but systemd, or the jump. It has one thread, besides those that close() a client's
 * file, since that can take long, or for ever if the client wants it to.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LISTEN_FDS_START	3
#define NAME_SIZE		49	/* with the NUL */
#define SESSIONS_MAX		128
#define SESSIONS_PER_USER	16
#define FILES_MAX		32	/* of a session */
#define CLIENTS_MAX		64
#define CLIENTS_PER_USER	8
#define FDS_PER_MESSAGE		8	/* more than the one that is allowed, to close them */

struct held_file {
	uint64_t token;
	int fd;
};

struct session {
	int fd;		/* -1: this slot is free */
	uid_t uid;
	char name[NAME_SIZE];
	int nr_files;
	struct held_file files[FILES_MAX];
};

struct client {
	int fd;		/* -1: this slot is free */
	uid_t uid;
};

static struct session sessions[SESSIONS_MAX];
static struct client clients[CLIENTS_MAX];

static void *close_now(void *fd)
{
	close((intptr_t)fd);
	return NULL;
}

/* A file of a FUSE daemon, for example, is closed when that answers. */
static void close_later(int fd)
{
	pthread_t thread;

	if (fd < 0)
		return;
	if (pthread_create(&thread, NULL, close_now, (void *)(intptr_t)fd)) {
		fprintf(stderr, "cannot start a thread: descriptor %d stays open\n", fd);
		return;
	}
	pthread_detach(thread);
}

/* To @to, if it has one, with @fd unless it is -1 */
static int send_text(int sock, const struct sockaddr_un *to, socklen_t to_len,
		     const char *text, int fd, int flags)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr message = {
		.msg_name = (void *)to,
		.msg_namelen = to_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(sock, &message, MSG_NOSIGNAL | flags) < 0 ? -errno : 0;
}

/* To systemd, with @fd unless it is -1. Without systemd there is nobody to tell. */
__printf(2, 3)
static int tell_systemd(int fd, const char *format, ...)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	char line[256];
	va_list args;
	int sock, rc;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return 0;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = 0;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	rc = send_text(sock, &address,
		       offsetof(struct sockaddr_un, sun_path) + strlen(path), line, fd, 0);
	close(sock);
	if (rc)
		fprintf(stderr, "systemd cannot be told '%s': %s\n", line, strerror(-rc));
	return rc;
}

/* What the store calls a session and its files; scanned by adopt(). No colon is allowed. */
static void store_session(const struct session *s)
{
	tell_systemd(s->fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=session,%u,%s", s->uid, s->name);
}

static void store_file(const struct session *s, const struct held_file *file)
{
	tell_systemd(file->fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=file,%u,%s,%llx", s->uid, s->name,
		     (unsigned long long)file->token);
}

static struct session *find(uid_t uid, const char *name)
{
	int i;

	for (i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].fd >= 0 && sessions[i].uid == uid &&
		    !strcmp(sessions[i].name, name))
			return &sessions[i];
	return NULL;
}

static struct held_file *find_file(struct session *s, uint64_t token)
{
	int i;

	for (i = 0; i < s->nr_files; i++)
		if (s->files[i].token == token)
			return &s->files[i];
	return NULL;
}

static int free_slot(uid_t uid, struct session **slot)
{
	int i, nr = 0;

	*slot = NULL;
	for (i = 0; i < SESSIONS_MAX; i++) {
		if (sessions[i].fd < 0)
			*slot = &sessions[i];
		else
			nr += sessions[i].uid == uid;
	}
	return !*slot || nr >= SESSIONS_PER_USER ? -EDQUOT : 0;
}

static void fill(struct session *s, int fd, uid_t uid, const char *name)
{
	s->fd = fd;
	s->uid = uid;
	s->nr_files = 0;
	snprintf(s->name, sizeof(s->name), "%s", name);
}

static bool is_name(const char *name)
{
	const char *c;

	if (!name || !*name || strlen(name) >= NAME_SIZE)
		return false;
	for (c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.@-", *c))
			return false;
	return true;
}

static bool is_token(const char *text, uint64_t *token)
{
	char *end;

	if (!text || !isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*token = strtoull(text, &end, 0);
	return !errno && !*end;
}

/* Makes or opens a session; returns its descriptor. Others may use the device in between. */
static int open_session(uid_t uid, const char *name, bool create)
{
	struct liveupdate_ioctl_retrieve_session retrieve = { .size = sizeof(retrieve) };
	struct liveupdate_ioctl_create_session make = { .size = sizeof(make) };
	int device, rc;

	device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -errno;
	snprintf((char *)make.name, sizeof(make.name), "%u/%s", uid, name);
	memcpy(retrieve.name, make.name, sizeof(make.name));
	if (create)
		rc = ioctl(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &make);
	else
		rc = ioctl(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &retrieve);
	if (rc)
		rc = -errno;
	else
		rc = create ? make.fd : retrieve.fd;
	close(device);
	/* That is the error for a session that somebody has open; names are all right here. */
	return rc == -EINVAL ? -EBUSY : rc;
}

static int do_create(uid_t uid, const char *name, int *out)
{
	struct session *s;
	int rc = free_slot(uid, &s);

	if (rc)
		return rc;
	if (find(uid, name))
		return -EEXIST;
	rc = open_session(uid, name, true);
	if (rc < 0)
		return rc;
	fill(s, rc, uid, name);
	store_session(s);
	*out = s->fd;
	return 0;
}

/*
 * A session that a client made by itself. Only the kernel gives files such a path, so with
 * this one the ioctl is the kernel's.
 */
static int do_keep(uid_t uid, const char *name, int *in)
{
	struct liveupdate_session_get_name get = { .size = sizeof(get) };
	char link[32], path[32], expected[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct session *s;
	ssize_t len;
	int rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", *in);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = 0;
	if (strcmp(path, "anon_inode:[luo_session]"))
		return -EBADF;
	if (ioctl(*in, LIVEUPDATE_SESSION_GET_NAME, &get))
		return -errno;
	snprintf(expected, sizeof(expected), "%u/%s", uid, name);
	if (strcmp((char *)get.name, expected))
		return -EPERM;
	if (find(uid, name))
		return -EEXIST;
	rc = free_slot(uid, &s);
	if (rc)
		return rc;
	fill(s, *in, uid, name);
	*in = -1;
	store_session(s);
	return 0;
}

/* A session for the next kernel is held; one of the old kernel becomes the client's. */
static int do_get(uid_t uid, const char *name, int *out, bool *theirs)
{
	struct session *s = find(uid, name);
	int rc;

	if (s) {
		*out = s->fd;
		return 0;
	}
	rc = open_session(uid, name, false);
	if (rc < 0)
		return rc;
	*out = rc;
	*theirs = true;
	return 0;
}

static int do_hold(uid_t uid, const char *name, uint64_t token, int *in)
{
	struct session *s = find(uid, name);

	if (!s)
		return -ENOENT;
	/* Shared memory alone has seals. Of another file, root has to know what it does. */
	if (uid && fcntl(*in, F_GET_SEALS) < 0)
		return -EPERM;
	if (find_file(s, token))
		return -EEXIST;
	if (s->nr_files == FILES_MAX)
		return -EDQUOT;
	s->files[s->nr_files].token = token;
	s->files[s->nr_files].fd = *in;
	store_file(s, &s->files[s->nr_files++]);
	*in = -1;
	return 0;
}

static int do_fetch(uid_t uid, const char *name, uint64_t token, int *out)
{
	struct session *s = find(uid, name);
	struct held_file *file = s ? find_file(s, token) : NULL;

	if (!file)
		return -ENOENT;
	*out = file->fd;
	return 0;
}

static int do_release(uid_t uid, const char *name)
{
	struct session *s = find(uid, name);
	int i;

	if (!s)
		return -ENOENT;
	for (i = 0; i < s->nr_files; i++) {
		tell_systemd(-1, "FDSTOREREMOVE=1\nFDNAME=file,%u,%s,%llx", uid, name,
			     (unsigned long long)s->files[i].token);
		close_later(s->files[i].fd);
	}
	tell_systemd(-1, "FDSTOREREMOVE=1\nFDNAME=session,%u,%s", uid, name);
	close_later(s->fd);
	s->fd = -1;
	return 0;
}

/*
 * Carries out what @request says. @in: the descriptor that came with it, or -1, also when it
 * was taken. @out: the one to send, -1 for none, and it is the client's alone if @theirs.
 */
static int carry_out(uid_t uid, char *request, int *in, int *out, bool *theirs)
{
	char *command = strsep(&request, " ");
	char *name = strsep(&request, " ");
	char *number = strsep(&request, " ");
	bool gives = !strcmp(command, "keep") || !strcmp(command, "hold");
	bool counts = !strcmp(command, "hold") || !strcmp(command, "fetch");
	uint64_t token = 0;

	if (!is_name(name) || request || gives != (*in >= 0) || counts != !!number ||
	    (counts && !is_token(number, &token)))
		return -EINVAL;
	if (!strcmp(command, "create"))
		return do_create(uid, name, out);
	if (!strcmp(command, "keep"))
		return do_keep(uid, name, in);
	if (!strcmp(command, "get"))
		return do_get(uid, name, out, theirs);
	if (!strcmp(command, "hold"))
		return do_hold(uid, name, token, in);
	if (!strcmp(command, "fetch"))
		return do_fetch(uid, name, token, out);
	if (!strcmp(command, "release"))
		return do_release(uid, name);
	return -EINVAL;
}

static int answer(int client, const char *text, int fd)
{
	return send_text(client, NULL, 0, text, fd, MSG_DONTWAIT);
}

/* Keeps the first of the descriptors that came, and returns how many there were. */
static int take_fds(struct msghdr *message, int *first)
{
	struct cmsghdr *header;
	int nr = 0;

	*first = -1;
	for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		size_t i, len = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < len / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
			if (nr++)
				close_later(fd);
			else
				*first = fd;
		}
	}
	return nr;
}

/* One request; false when the connection has ended, or has to. */
static bool serve(struct client *client)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(FDS_PER_MESSAGE * sizeof(int))];
	} control;
	int in, nr, rc, out = -1;
	bool theirs = false;
	char request[128], reply[64];
	struct iovec iov = { .iov_base = request, .iov_len = sizeof(request) - 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (len < 0)
		return errno == EAGAIN || errno == EINTR;
	nr = take_fds(&message, &in);
	if (!len) {
		close_later(in);
		return false;
	}
	request[len] = 0;
	if (nr > 1 || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    strlen(request) != (size_t)len)
		rc = -EINVAL;
	else
		rc = carry_out(client->uid, request, &in, &out, &theirs);
	close_later(in);
	if (rc)
		snprintf(reply, sizeof(reply), "error %d %s", -rc, strerrorname_np(-rc));
	else if (out >= 0)
		snprintf(reply, sizeof(reply), theirs ? "ok incoming" : "ok outgoing");
	else
		snprintf(reply, sizeof(reply), "ok");
	rc = answer(client->fd, reply, out);
	if (theirs)
		close_later(out);
	return !rc;
}

static void welcome(int listener)
{
	struct ucred peer = {};
	socklen_t size = sizeof(peer);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int i, slot = -1, nr = 0;

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) {
		close(fd);
		return;
	}
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i].fd < 0)
			slot = i;
		else
			nr += clients[i].uid == peer.uid;
	}
	if (slot < 0 || nr >= CLIENTS_PER_USER) {
		close(fd);
		return;
	}
	clients[slot].fd = fd;
	clients[slot].uid = peer.uid;
}

/* What the store gives back, by its name there; a session always comes before its files. */
static bool adopt(char *label, int fd)
{
	char *kind = strsep(&label, ",");
	char *number = strsep(&label, ",");
	char *name = strsep(&label, ",");
	struct session *s;
	uid_t uid;

	if (!number || !is_name(name))
		return false;
	uid = strtoul(number, NULL, 10);
	s = find(uid, name);
	if (!strcmp(kind, "session") && !label && !s) {
		if (free_slot(uid, &s))
			return false;
		fill(s, fd, uid, name);
		return true;
	}
	if (strcmp(kind, "file") || !label || !s || s->nr_files == FILES_MAX)
		return false;
	s->files[s->nr_files].token = strtoull(label, NULL, 16);
	s->files[s->nr_files++].fd = fd;
	return true;
}

/* Descriptors that systemd passes: the socket, and what is in the store. Returns the socket. */
static int receive_from_systemd(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	char *names = strdup(getenv("LISTEN_FDNAMES") ? : "");
	char *labels[SESSIONS_MAX * (FILES_MAX + 1) + 1];
	int i, round, listener = -1, nr = count ? atoi(count) : 0;
	const int most = sizeof(labels) / sizeof(*labels);

	if (!names || !pid || atoi(pid) != getpid() || nr > most)
		return -1;
	for (i = 0; i < nr; i++) {
		labels[i] = strsep(&names, ":") ? : "";
		fcntl(LISTEN_FDS_START + i, F_SETFD, FD_CLOEXEC);
	}
	/* Sessions in the first round, files in the second */
	for (round = 0; round < 2; round++)
		for (i = 0; i < nr; i++) {
			bool comma = strchr(labels[i], ',');

			if (!comma && !round && listener < 0)
				listener = LISTEN_FDS_START + i;
			else if (comma && round == (labels[i][0] == 'f') &&
				 !adopt(labels[i], LISTEN_FDS_START + i))
				fprintf(stderr, "descriptor %d of the store is not known\n", i);
		}
	return listener;
}

int main(void)
{
	struct pollfd polls[CLIENTS_MAX + 1];
	int i, listener;

	for (i = 0; i < SESSIONS_MAX; i++)
		sessions[i].fd = -1;
	for (i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	listener = receive_from_systemd();
	if (listener < 0) {
		fprintf(stderr, "no socket was passed: systemctl start kho-sessiond.socket\n");
		return 1;
	}
	tell_systemd(-1, "READY=1");
	for (;;) {
		polls[CLIENTS_MAX].fd = listener;
		polls[CLIENTS_MAX].events = POLLIN;
		for (i = 0; i < CLIENTS_MAX; i++) {
			polls[i].fd = clients[i].fd;
			polls[i].events = POLLIN;
		}
		if (poll(polls, CLIENTS_MAX + 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			perror("poll");
			return 1;
		}
		for (i = 0; i < CLIENTS_MAX; i++) {
			if (clients[i].fd < 0 || !polls[i].revents || serve(&clients[i]))
				continue;
			close(clients[i].fd);
			clients[i].fd = -1;
		}
		if (polls[CLIENTS_MAX].revents)
			welcome(listener);
	}
}
