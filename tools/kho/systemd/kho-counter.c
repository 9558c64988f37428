// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-counter: a service that counts, in memory which survives its own restart and a kexec.
 *
 * The sample for Documentation/admin-guide/kho-systemd.rst. Every way in which the service can
 * start leads to a memfd: it came from the old kernel, kho-sessiond has held it since this
 * service was started before, or it is new. Under a kernel without sessions it is always new.
 * All of the memory but its first page has a pattern, which is compared each time. systemctl
 * status shows the count.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/liveupdate.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "kho_sessiond_client.h"

#define SIZE	(4 << 20)
#define HEAD	4096
#define TOKEN	1

struct memory {
	uint64_t count;
	uint64_t kexecs;
	uint64_t starts;
};

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* As sd_notify() does */
static void notify(const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int sock;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = 0;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || sendto(sock, text, strlen(text), MSG_NOSIGNAL,
			       (struct sockaddr *)&address,
			       offsetof(struct sockaddr_un, sun_path) + strlen(path)) < 0)
		die("telling systemd");
	close(sock);
}

/* Into a new session, and into the daemon's hands */
static void preserve(int sock, int memfd)
{
	struct liveupdate_session_preserve_fd put = {
		.size = sizeof(put),
		.fd = memfd,
		.token = TOKEN,
	};
	int session;

	if (kho_sessiond_ask(sock, "create counter", -1, &session, NULL))
		die("making a session");
	if (ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &put))
		die("preserving memory");
	if (kho_sessiond_ask(sock, "hold counter 1", memfd, NULL, NULL))
		die("giving memory to kho-sessiond");
	close(session);
}

static int take_over(int session)
{
	struct liveupdate_session_retrieve_fd take = { .size = sizeof(take), .token = TOKEN };
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };

	if (ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &take))
		die("retrieving memory");
	if (ioctl(session, LIVEUPDATE_SESSION_FINISH, &finish))
		die("finishing the session");
	return take.fd;
}

static uint64_t pattern(size_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15;
}

static struct memory *map(int memfd)
{
	void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

	if (memory == MAP_FAILED)
		die("mapping memory");
	return memory;
}

static struct memory *new_memory(int *memfd)
{
	struct memory *memory;
	size_t i;

	*memfd = memfd_create("counter", MFD_CLOEXEC);
	if (*memfd < 0 || ftruncate(*memfd, SIZE))
		die("making memory");
	memory = map(*memfd);
	for (i = HEAD / sizeof(uint64_t); i < SIZE / sizeof(uint64_t); i++)
		((uint64_t *)memory)[i] = pattern(i);
	return memory;
}

static void verify(const struct memory *memory)
{
	size_t i;

	for (i = HEAD / sizeof(uint64_t); i < SIZE / sizeof(uint64_t); i++)
		if (((const uint64_t *)memory)[i] != pattern(i)) {
			fprintf(stderr, "memory differs at byte %zu\n", i * sizeof(uint64_t));
			exit(1);
		}
}

/* What was handed over, or held since this service was started before; -1: there is nothing. */
static int find_memory(int sock, bool *incoming)
{
	int session, memfd;

	if (kho_sessiond_ask(sock, "get counter", -1, &session, incoming)) {
		if (errno != ENOENT)
			die("asking for the session");
		return -1;
	}
	if (*incoming)
		memfd = take_over(session);
	else if (kho_sessiond_ask(sock, "fetch counter 1", -1, &memfd, NULL))
		memfd = -1;
	close(session);
	if (memfd >= 0)
		return memfd;
	if (errno != ENOENT)
		die("fetching memory");
	/* We died after making the session and before giving the memory away. */
	fprintf(stderr, "the session is without its memory: beginning anew\n");
	if (kho_sessiond_ask(sock, "release counter", -1, NULL, NULL))
		die("releasing the session");
	return -1;
}

/* From kho-sessiond; -1 when this kernel has no sessions: the service works all the same. */
static int connect_to_it(void)
{
	int sock = kho_sessiond_connect();

	if (sock >= 0)
		return sock;
	/* If it has, something may wait there for us. systemd tries again. */
	if (!access("/dev/liveupdate", F_OK))
		die(KHO_SESSIOND_SOCKET);
	fprintf(stderr, "this kernel has no /dev/liveupdate: the count will not survive\n");
	return -1;
}

int main(void)
{
	const struct timespec tick = { .tv_nsec = 10000000 };
	int sock = connect_to_it(), memfd = -1;
	struct memory *memory;
	bool incoming = false;
	char status[128];

	if (sock >= 0)
		memfd = find_memory(sock, &incoming);
	if (memfd >= 0) {
		memory = map(memfd);
		verify(memory);
		memory->kexecs += incoming;
		if (incoming)
			preserve(sock, memfd);
	} else {
		memory = new_memory(&memfd);
		if (sock >= 0)
			preserve(sock, memfd);
	}
	close(sock);
	memory->starts++;
	for (;; nanosleep(&tick, NULL)) {
		snprintf(status, sizeof(status),
			 "READY=1\nSTATUS=count %llu starts %llu kexecs %llu%s",
			 (unsigned long long)memory->count, (unsigned long long)memory->starts,
			 (unsigned long long)memory->kexecs, sock < 0 ? ", not preserved" : "");
		notify(status);
		memory->count++;
	}
}
