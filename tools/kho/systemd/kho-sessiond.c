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
 * All that is held is in systemd's file descriptor store too (kho_sessiond_systemd.c), where
 * the daemon finds it when it was restarted. Life cycle: systemd starts it with the socket;
 * nothing ends it but systemd, or the jump.
 *
 * One thread does all but closing what is a client's (kho_sessiond_close.c). It waits for
 * nobody but systemd, and that not for long. No user can use up what others need: each has
 * his own number of sessions, files, connections, answers that he did not read and closes
 * that do not end; some sessions and connections are for root alone.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

#include "kho_sessiond.h"

#define LISTEN_FDS_START	3
#define NAME_SIZE		49	/* with the NUL */
#define SESSIONS_MAX		128
#define SESSIONS_FOR_ROOT	16	/* of these */
#define SESSIONS_PER_USER	16
#define FILES_MAX		32	/* of a session */
#define CLIENTS_MAX		64
#define CLIENTS_FOR_ROOT	8	/* of these */
#define CLIENTS_PER_USER	8
#define SESSION_LINK	"anon_inode:[luo_session]"	/* and a blank, and its name */
#define CLOSING_PER_USER	4	/* requests whose files are not closed yet */
#define FDS_PER_MESSAGE		253	/* more cannot come: the kernel would close the rest here */
#define PAUSE_MS		100	/* before what could not be done is tried again */

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
	bool full;	/* answers have not been read: wait until they are */
	bool busy;	/* the answer comes later */
};

/* What is sent besides an error */
struct reply {
	const char *text;
	int fd;		/* -1: none */
	bool close;	/* our copy of it has served its purpose */
};

static struct session sessions[SESSIONS_MAX];
static struct client clients[CLIENTS_MAX];

/* What the store calls a session and its files; scanned by adopt(). No colon is allowed. */
static int store_session(const struct session *s)
{
	return store(s->fd, "session,%u,%s", s->uid, s->name);
}

static int store_file(const struct session *s, const struct held_file *file)
{
	return store(file->fd, "file,%u,%s,%llx", s->uid, s->name,
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

static struct session *free_slot(void)
{
	int i;

	for (i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].fd < 0)
			return &sessions[i];
	return NULL;
}

/* From 254 on systemd says how much it stores. More would be lost when we are restarted. */
static bool store_is_full(void)
{
	const char *most = getenv("FDSTORE");
	int i, nr = 0;

	for (i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].fd >= 0)
			nr += 1 + sessions[i].nr_files;
	return most && nr >= atoi(most);
}

/* May this user have one more session? */
static bool within_quota(uid_t uid)
{
	int i, own = 0, others = 0;

	for (i = 0; i < SESSIONS_MAX; i++) {
		if (sessions[i].fd < 0)
			continue;
		own += sessions[i].uid == uid;
		others += !!sessions[i].uid;
	}
	return own < SESSIONS_PER_USER && !store_is_full() &&
	       (!uid || others < SESSIONS_MAX - SESSIONS_FOR_ROOT);
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

static int do_create(uid_t uid, const char *name, struct reply *reply)
{
	struct session *s = free_slot();
	int rc;

	if (find(uid, name))
		return -EEXIST;
	if (!s || !within_quota(uid))
		return -EDQUOT;
	rc = open_session(uid, name, true);
	if (rc < 0)
		return rc;
	fill(s, rc, uid, name);
	rc = store_session(s);
	if (rc) {
		close(s->fd);	/* nobody has seen it, and it is empty */
		s->fd = -1;
		return rc;
	}
	*reply = (struct reply){ .text = "ok outgoing", .fd = s->fd };
	return 0;
}

/* Is it in the store already? There it can be only once. */
static bool is_held(int fd)
{
	int i, j;

	for (i = 0; i < SESSIONS_MAX; i++) {
		if (sessions[i].fd < 0)
			continue;
		if (same_file(sessions[i].fd, fd))
			return true;
		for (j = 0; j < sessions[i].nr_files; j++)
			if (same_file(sessions[i].files[j].fd, fd))
				return true;
	}
	return false;
}

/* Of the old kernel? That one cannot be kept for the next. */
static bool is_incoming(int fd)
{
	char path[40], line[256];
	bool incoming = false;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		incoming |= !strcmp(line, "direction:\tincoming\n");
	if (info)
		fclose(info);
	return incoming;
}

/*
 * A session that a client made by itself. Only the kernel gives files such a path, so with
 * this one the ioctl is the kernel's.
 */
static int do_keep(uid_t uid, const char *name, int *in)
{
	struct liveupdate_session_get_name get = { .size = sizeof(get) };
	char link[32], path[128], expected[LIVEUPDATE_SESSION_NAME_LENGTH];
	struct session *s = free_slot();
	ssize_t len;
	int rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", *in);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = 0;
	if (strncmp(path, SESSION_LINK, strlen(SESSION_LINK)))
		return -EBADF;
	if (ioctl(*in, LIVEUPDATE_SESSION_GET_NAME, &get))
		return -errno;
	snprintf(expected, sizeof(expected), "%u/%s", uid, name);
	if (strcmp((char *)get.name, expected))
		return -EPERM;
	if (is_incoming(*in))
		return -EINVAL;
	if (find(uid, name) || is_held(*in))
		return -EEXIST;
	if (!s || !within_quota(uid))
		return -EDQUOT;
	fill(s, *in, uid, name);
	rc = store_session(s);
	if (rc)
		s->fd = -1;
	else
		*in = -1;
	return rc;
}

/*
 * A session for the next kernel is held; one of the old kernel becomes the client's. (Our
 * copy of that is closed at once: nobody has taken anything out of it yet, so it goes
 * quickly, and whoever asks next finds the session closed if this client has died.)
 */
static int do_get(uid_t uid, const char *name, struct reply *reply)
{
	struct session *s = find(uid, name);
	int rc;

	if (s) {
		*reply = (struct reply){ .text = "ok outgoing", .fd = s->fd };
		return 0;
	}
	rc = open_session(uid, name, false);
	if (rc < 0)
		return rc;
	*reply = (struct reply){ .text = "ok incoming", .fd = rc, .close = true };
	return 0;
}

static int do_hold(uid_t uid, const char *name, uint64_t token, int *in)
{
	struct session *s = find(uid, name);
	struct held_file *file;
	int rc;

	if (!s)
		return -ENOENT;
	/* Shared memory alone has seals. Of another file, root has to know what it does. */
	if (uid && fcntl(*in, F_GET_SEALS) < 0)
		return -EPERM;
	if (find_file(s, token) || is_held(*in))
		return -EEXIST;
	if (s->nr_files == FILES_MAX || store_is_full())
		return -EDQUOT;
	file = &s->files[s->nr_files];
	file->token = token;
	file->fd = *in;
	rc = store_file(s, file);
	if (rc)
		return rc;
	s->nr_files++;
	*in = -1;
	return 0;
}

static int do_fetch(uid_t uid, const char *name, uint64_t token, struct reply *reply)
{
	struct session *s = find(uid, name);
	struct held_file *file = s ? find_file(s, token) : NULL;

	if (!file)
		return -ENOENT;
	*reply = (struct reply){ .text = "ok outgoing", .fd = file->fd };
	return 0;
}

/*
 * The answer comes when the session is closed. systemd closes its copies first, and before 254
 * it does so where it does all else: so ours are the last.
 */
static int do_release(struct client *client, uid_t uid, const char *name)
{
	char full_name[SESSION_NAME_SIZE];
	struct session *s = find(uid, name);
	int i, fds[FILES_MAX];

	if (!s)
		return -ENOENT;
	for (i = 0; i < s->nr_files; i++) {
		unstore("file,%u,%s,%llx", uid, name, (unsigned long long)s->files[i].token);
		fds[i] = s->files[i].fd;
	}
	unstore("session,%u,%s", uid, name);
	wait_for_systemd();
	snprintf(full_name, sizeof(full_name), "%u/%s", uid, name);
	close_session_later(uid, s->fd, full_name, client - clients);
	close_later(CLOSE_FILES, uid, fds, s->nr_files);
	s->fd = -1;
	client->busy = true;
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct held_file *left = a, *right = b;

	return (left->token > right->token) - (left->token < right->token);
}

static int compare_sessions(const void *a, const void *b)
{
	const struct session *left = *(const struct session **)a;
	const struct session *right = *(const struct session **)b;

	if (left->uid != right->uid)
		return left->uid < right->uid ? -1 : 1;
	return strcmp(left->name, right->name);
}

static void list_session(FILE *file, struct session *s)
{
	int i;

	qsort(s->files, s->nr_files, sizeof(*s->files), compare_files);

	fprintf(file, "%u/%s", s->uid, s->name);
	for (i = 0; i < s->nr_files; i++)
		fprintf(file, " %#llx", (unsigned long long)s->files[i].token);
	fputc('\n', file);
}

/* In order, and in a file, as it may be long; root's has everybody's. */
static int do_list(uid_t uid, struct reply *reply)
{
	int i, copy, nr = 0, fd = memfd_create("kho-sessions", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct session *listed[SESSIONS_MAX];
	FILE *file;

	if (fd < 0)
		return -errno;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	file = copy < 0 ? NULL : fdopen(copy, "w");
	if (!file) {
		if (copy >= 0)
			close(copy);
		close(fd);
		return -EMFILE;
	}
	for (i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].fd >= 0 && (!uid || sessions[i].uid == uid))
			listed[nr++] = &sessions[i];
	qsort(listed, nr, sizeof(*listed), compare_sessions);
	for (i = 0; i < nr; i++)
		list_session(file, listed[i]);
	if (fclose(file) || lseek(fd, 0, SEEK_SET) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
		close(fd);
		return -ENOMEM;
	}
	*reply = (struct reply){ .text = "ok", .fd = fd, .close = true };
	return 0;
}

/* Root may say "UID/NAME" to release what is not his. */
static bool take_user(uid_t *uid, char **name)
{
	char *end;
	unsigned long number;

	if (*uid || !*name || !isdigit((unsigned char)**name))
		return true;
	errno = 0;
	number = strtoul(*name, &end, 10);
	if (*end != '/')
		return true;
	*name = end + 1;
	*uid = number;
	return !errno && number == *uid;
}

/* Carries out @request. @in: the descriptor that came with it, or -1, also when it was taken. */
static int carry_out(struct client *client, char *request, int *in, struct reply *reply)
{
	char *command = strsep(&request, " ");
	char *name = strsep(&request, " ");
	char *number = strsep(&request, " ");
	bool gives = !strcmp(command, "keep") || !strcmp(command, "hold");
	bool counts = !strcmp(command, "hold") || !strcmp(command, "fetch");
	uid_t uid = client->uid;
	uint64_t token = 0;

	if (request || gives != (*in >= 0) || counts != !!number ||
	    (counts && !is_token(number, &token)))
		return -EINVAL;
	if (!strcmp(command, "list"))
		return name ? -EINVAL : do_list(uid, reply);
	if (!strcmp(command, "release") && !take_user(&uid, &name))
		return -EINVAL;
	if (!is_name(name))
		return -EINVAL;
	if (!strcmp(command, "create"))
		return do_create(uid, name, reply);
	if (!strcmp(command, "keep"))
		return do_keep(uid, name, in);
	if (!strcmp(command, "get"))
		return do_get(uid, name, reply);
	if (!strcmp(command, "hold"))
		return do_hold(uid, name, token, in);
	if (!strcmp(command, "fetch"))
		return do_fetch(uid, name, token, reply);
	if (!strcmp(command, "release"))
		return do_release(client, uid, name);
	return -EINVAL;
}

/* The descriptors that came; returns how many there were. */
static int take_fds(struct msghdr *message, int *fds)
{
	struct cmsghdr *header;
	int nr = 0;

	for (header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		size_t len = header->cmsg_len - CMSG_LEN(0);

		/* Others, which nobody asked for, carry none. */
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds + nr, CMSG_DATA(header), len);
		nr += len / sizeof(int);
	}
	return nr;
}

/* Is there room for an answer? Those that nobody reads would add up. */
static bool has_room(const struct client *client)
{
	struct pollfd room = { .fd = client->fd, .events = POLLOUT };

	return poll(&room, 1, 0) == 1;
}

/* False when the connection has ended, or has to */
static bool send_reply(const struct client *client, int error, const struct reply *reply)
{
	char text[64];

	if (!error)
		return !send_text(client->fd, NULL, 0, reply->text, reply->fd, MSG_DONTWAIT);
	snprintf(text, sizeof(text), "error %d %s", -error, strerrorname_np(-error));
	return !send_text(client->fd, NULL, 0, text, -1, MSG_DONTWAIT);
}

/* One request; false when the connection has ended, or has to. */
static bool serve(struct client *client)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(FDS_PER_MESSAGE * sizeof(int))];
	} control;
	int nr, rc, in = -1, fds[FDS_PER_MESSAGE];
	struct reply reply = { .text = "ok", .fd = -1 };
	char request[128];
	struct iovec iov = { .iov_base = request, .iov_len = sizeof(request) - 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	bool goes_on;
	ssize_t len = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (len < 0)
		return errno == EAGAIN || errno == EINTR;
	nr = take_fds(&message, fds);
	if (!len) {
		close_later(CLOSE_FILES, client->uid, fds, nr);
		return false;
	}
	request[len] = 0;
	if (nr == 1)
		in = fds[0];
	if (nr > 1 || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    strlen(request) != (size_t)len)
		rc = -EINVAL;
	else
		rc = carry_out(client, request, &in, &reply);
	if (nr > 1 || in >= 0)
		close_later(CLOSE_FILES, client->uid, fds, nr);
	if (client->busy)
		return true;
	goes_on = send_reply(client, rc, &reply);
	if (reply.close)
		close(reply.fd);
	return goes_on;
}

static void hang_up(struct client *client)
{
	close_later(CLOSE_CONNECTION, client->uid, &client->fd, 1);
	client->fd = -1;
}

/* The session that a client has released is closed. */
static void released(int tag)
{
	const struct reply reply = { .text = "ok", .fd = -1 };

	clients[tag].busy = false;
	if (!send_reply(&clients[tag], 0, &reply))
		hang_up(&clients[tag]);
}

static struct client *client_slot(uid_t uid)
{
	int i, own = 0, others = 0;
	struct client *slot = NULL;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i].fd < 0) {
			slot = &clients[i];
			continue;
		}
		own += clients[i].uid == uid;
		others += !!clients[i].uid;
	}
	if (own >= CLIENTS_PER_USER || (uid && others >= CLIENTS_MAX - CLIENTS_FOR_ROOT))
		return NULL;
	return slot;
}

/* False when it has to be tried again, later: no descriptor is left, or no memory. */
static bool welcome(int listener)
{
	/* The least that the kernel allows: some two answers, with their descriptors */
	const int least = 1;
	struct ucred peer = {};
	socklen_t size = sizeof(peer);
	struct client *client = NULL;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
	peer.uid = -1;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)))
		client = client_slot(peer.uid);
	if (!client) {
		close_later(CLOSE_CONNECTION, peer.uid, &fd, 1);
		return true;
	}
	*client = (struct client){ .fd = fd, .uid = peer.uid };
	return true;
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
		/* (whatever the quota is now: it was allowed when it was stored) */
		s = free_slot();
		if (!s)
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
	int i, listener = -1, nr = count ? atoi(count) : 0;
	char **labels = calloc(nr + 1, sizeof(*labels));

	if (!names || !labels || !pid || atoi(pid) != getpid())
		return -1;
	for (i = 0; i < nr; i++) {
		labels[i] = strsep(&names, ":") ? : "";
		fcntl(LISTEN_FDS_START + i, F_SETFD, FD_CLOEXEC);
	}
	/* Sessions in the first round, files in the second */
	for (i = 0; i < 2 * nr; i++) {
		char *label = labels[i % nr];
		int fd = LISTEN_FDS_START + i % nr;
		bool second = i >= nr;

		/* (adopt() takes names apart) */
		if (!strchr(label, ',')) {
			if (listener < 0 && !second)
				listener = fd;
		} else if (second == (label[0] == 'f') && !adopt(label, fd)) {
			fprintf(stderr, "kho-sessiond: stored descriptor %d is not known\n", fd);
		}
	}
	return listener;
}

/* What one waits for: everybody but who has to wait */
static void set_polls(struct pollfd *polls)
{
	int i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		const struct client *client = &clients[i];
		bool waits = client->fd < 0 || client->busy ||
			     closing_of(client->uid, CLOSE_FILES) >= CLOSING_PER_USER;

		polls[i].fd = waits ? -1 : client->fd;
		polls[i].events = client->full ? POLLOUT : POLLIN;
		polls[i].revents = 0;
	}
}

static void serve_ready(const struct pollfd *polls)
{
	int i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &clients[i];

		/* Another connection of his may have been served since. */
		if (!polls[i].revents ||
		    closing_of(client->uid, CLOSE_FILES) >= CLOSING_PER_USER)
			continue;
		client->full = !has_room(client);
		if (!client->full && !serve(client))
			hang_up(client);
	}
}

int main(void)
{
	struct pollfd polls[CLIENTS_MAX + 2], *door = &polls[CLIENTS_MAX], *closed = door + 1;
	int i, listener;
	bool waiting = false;

	for (i = 0; i < SESSIONS_MAX; i++)
		sessions[i].fd = -1;
	for (i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	listener = receive_from_systemd();
	if (listener < 0) {
		fprintf(stderr,
			"kho-sessiond: no socket was passed: systemctl start kho-sessiond.socket\n");
		return 1;
	}
	closed->fd = closing_start();
	if (closed->fd < 0) {
		perror("kho-sessiond: preparing to close files");
		return 1;
	}
	closed->events = POLLIN;
	door->events = POLLIN;
	tell_systemd(-1, "READY=1");
	for (;;) {
		set_polls(polls);
		door->fd = waiting || closing_crowded() ? -1 : listener;
		if (poll(polls, CLIENTS_MAX + 2, waiting ? PAUSE_MS : -1) < 0) {
			if (errno == EINTR)
				continue;
			perror("kho-sessiond: poll");
			return 1;
		}
		serve_ready(polls);
		waiting = door->fd >= 0 && door->revents && !welcome(listener);
		waiting |= closing_turn(released);
	}
}
