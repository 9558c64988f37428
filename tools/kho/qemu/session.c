// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's session: kho-sessiond makes it and holds a duplicate, of it and of the guest's files,
 * where it runs. Elsewhere root uses /dev/liveupdate, and this process is the only one to hold it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kho_session.h>
#include <kho_sessiond_client.h>

#include "kho_qemu.h"

#define PREFIX		"qemu-"
#define BUSY_TRIES	2000
#define BUSY_US		5000

/* The agent's answer to a request about this guest; -1 with errno, ENOTCONN when there is none */
static int ask(const char *command, const char *guest, const char *more, int give, int *take,
	       bool *incoming)
{
	char request[128];
	int rc, saved, sock = kho_sessiond_connect();

	if (sock < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			errno = ENOTCONN;
		return -1;
	}
	snprintf(request, sizeof(request), "%s " PREFIX "%s%s", command, guest, more);
	rc = kho_sessiond_ask(sock, request, give, take, incoming);
	saved = errno;
	close(sock);
	errno = saved;
	return rc;
}

static const char *remedy_of(int error)
{
	switch (error) {
	case ENOTCONN:
	case EACCES:
		return "as root, or as a user of the group kho where kho-sessiond runs";
	case EEXIST:
		return "a guest of this name is saved: kho-qemu list; kho-qemu cancel lets it go";
	case EBUSY:
		return "the kernel changes just now, or /dev/liveupdate is in use: try again";
	case ENOENT:
		return "no guest of this name came from the old kernel: kho-qemu list";
	case EINVAL:
		return "somebody else restores it: wait for that to end";
	}
	return NULL;
}

/* As the agent calls root's, which is not there yet in an initramfs. */
static void name_of_agent(const char *name, char *longer, size_t size)
{
	snprintf(longer, size, "0/%s", name);
}

static int retrieve(const char *name)
{
	int session = kho_session_retrieve(name);
	char longer[66];

	if (session >= 0 || errno != ENOENT || geteuid())
		return session;
	name_of_agent(name, longer, sizeof(longer));
	return kho_session_retrieve(longer);
}

/*
 * By /dev/liveupdate, where the agent is not there; -1 with errno. That is for one at a time, each
 * for a moment, and does not say when it is free: other guests are saved and restored meanwhile.
 */
static int directly(int (*open_it)(const char *name), const char *guest)
{
	int session, tries;
	char name[64];

	if (errno != ENOTCONN)
		return -1;
	snprintf(name, sizeof(name), PREFIX "%s", guest);
	for (tries = 0; tries < BUSY_TRIES; tries++) {
		session = open_it(name);
		if (session >= 0 || errno != EBUSY)
			break;
		usleep(BUSY_US);
	}
	return session;
}

int session_make(const char *guest)
{
	int session;

	if (!ask("create", guest, "", -1, &session, NULL))
		return session;
	session = directly(kho_session_create, guest);
	if (session < 0)
		complain(remedy_of(errno), "%s: no session can be made: %s", guest,
			 strerror(errno));
	return session;
}

int session_get(const char *guest)
{
	bool incoming = false;
	int session;

	if (!ask("get", guest, "", -1, &session, &incoming)) {
		if (incoming)
			return session;
		complain("kho-qemu cancel has it go on under this kernel",
			 "%s: it is saved for the next kernel, and did not come from the old one",
			 guest);
		return -1;
	}
	session = directly(retrieve, guest);
	if (session < 0)
		complain(remedy_of(errno), "%s: no session: %s", guest, strerror(errno));
	return session;
}

bool session_is_held(const char *guest)
{
	bool incoming = false;
	int session;

	if (ask("get", guest, "", -1, &session, &incoming))
		return false;
	close(session);
	return !incoming;
}

int session_hold(const char *guest, uint64_t token, int fd)
{
	char more[32];

	snprintf(more, sizeof(more), " %#llx", (unsigned long long)token);
	return ask("hold", guest, more, fd, NULL, NULL);
}

int session_fetch(const char *guest, uint64_t token)
{
	char more[32];
	int fd = -1;

	snprintf(more, sizeof(more), " %#llx", (unsigned long long)token);
	return ask("fetch", guest, more, -1, &fd, NULL) ? -1 : fd;
}

int session_release(const char *guest)
{
	return ask("release", guest, "", -1, NULL, NULL);
}

int kernel_tell(const char *node, const char *text)
{
	char path[64];
	int fd, rc, saved;

	snprintf(path, sizeof(path), "/sys/kernel/kho/%s", node);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

void session_discard(const char *guest)
{
	char name[64], longer[66];

	snprintf(name, sizeof(name), PREFIX "%s", guest);
	name_of_agent(name, longer, sizeof(longer));
	/* (when all of it was retrieved, it has gone with its descriptor) */
	if ((kernel_tell("discard_session", name) && errno != ENOENT) ||
	    (kernel_tell("discard_session", longer) && errno != ENOENT))
		complain("khoctl discard gives up what is left", "%s: %s", name, strerror(errno));
}

/* What the kernel has logged since @log was at its end, about live update */
static void say_log(int log)
{
	char record[1024], *text;
	ssize_t size;

	while (log >= 0 && ((size = read(log, record, sizeof(record) - 1)) > 0 || errno == EPIPE)) {
		if (size <= 0)
			continue;
		record[size] = 0;
		text = strchr(record, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = 0;
		complain(NULL, "the kernel says: %s", text + 1);
	}
}

int session_preserve(int session, int fd, uint64_t token, const char *what)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int rc, error;

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	rc = kho_session_preserve(session, fd, token);
	error = errno;
	if (rc) {
		complain(NULL, "%s cannot be preserved: %s", what, strerror(error));
		say_log(log);
	}
	if (log >= 0)
		close(log);
	return rc;
}
