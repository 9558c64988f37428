// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that keeps a guest between two steps of a live update, and how others speak to it.
 *
 * In the old kernel it can wait, from when all of the guest is preserved, for kho-qemu save to have
 * it stopped (kho-qemu save --hold); and where there is no kho-sessiond, it keeps the guest's
 * descriptors until the jump, or until kho-qemu cancel takes them. In the next kernel it keeps what
 * was retrieved, while kho-qemu restore gives it to a QEMU, or until that is tried again: a guest
 * would end with its files. It listens at the socket "control" of the guest's folder, for one at a
 * time, and whoever has forked it comes first:
 *
 * KEEPER_STOP: the guest is stopped. Complaints come as text; a NUL ends them, if it is saved.
 * KEEPER_CANCEL: a guest that runs is let go; there is no answer but the end, when it goes on. Of
 * one that is stopped all descriptors come, as in QEMU's list, with two more; and the process ends
 * when it gets another byte.
 * KEEPER_RESTORE: the same, in the next kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kho_qemu.h"
#include "sock.h"

#define SOCKET		"control"
#define RECORD_ITEM	"kho-qemu/record"
#define SESSION_ITEM	"kho-qemu/session"

static void path_of(const struct options *options, char *path)
{
	snprintf(path, PATH_MAX, "%s/" SOCKET, options->dir);
}

int keeper_listen(const struct options *options)
{
	char path[PATH_MAX];
	int sock;

	path_of(options, path);
	sock = sock_listen(path);
	if (sock < 0 || chmod(path, 0600)) {
		complain("--dir says where kho-qemu has its sockets", "%s: %s", path,
			 strerror(errno));
		return -1;
	}
	return sock;
}

void keeper_forget(const struct options *options)
{
	char path[PATH_MAX];

	path_of(options, path);
	unlink(path);
}

int keeper_next(int control, int pidfd, char *command)
{
	int sock;

	for (;;) {
		sock = sock_accept(control, 0, pidfd, INT_MAX / 1000);
		if (sock < 0 && errno == ESRCH)
			return -1;
		if (sock >= 0 && read(sock, command, 1) == 1)
			return sock;
		if (sock >= 0)
			close(sock);
	}
}

bool keeper_is_there(const struct options *options)
{
	char path[PATH_MAX];
	int sock;

	path_of(options, path);
	sock = sock_connect(path, 0);
	if (sock >= 0)
		close(sock);
	return sock >= 0;
}

int keeper_connect(const struct options *options, char command)
{
	char path[PATH_MAX];
	int sock;

	path_of(options, path);
	sock = sock_connect(path, 0);
	if (sock >= 0 && write(sock, &command, 1) != 1) {
		close(sock);
		return -1;
	}
	return sock;
}

int keeper_have_it_stopped(const struct options *options)
{
	int sock = keeper_connect(options, KEEPER_STOP);
	char text[512];
	ssize_t size;

	if (sock < 0)
		return -1;
	while ((size = read(sock, text, sizeof(text))) > 0) {
		if (!text[size - 1]) {
			fwrite(text, 1, size - 1, stderr);
			close(sock);
			return EXIT_OK;
		}
		fwrite(text, 1, size, stderr);
	}
	close(sock);
	return EXIT_FAILED;
}

/* QEMU's list as it is now, with the record and the session behind it */
static int list_all(const struct guest *guest, struct cpr_state *all, int *fds)
{
	size_t i;

	*all = (struct cpr_state) { 0 };
	for (i = 0; i < guest->list.nr_fds; i++) {
		if (!cpr_add(all, guest->list.fds[i].name, guest->list.fds[i].id, i))
			return -1;
		fds[i] = guest->fds[i];
	}
	for (i = 0; i < guest->list.nr_devices; i++) {
		struct cpr_device *device = cpr_add_device(all);

		if (!device)
			return -1;
		*device = guest->list.devices[i];
	}
	if (!cpr_add(all, RECORD_ITEM, 0, 0) || !cpr_add(all, SESSION_ITEM, 0, 0))
		return -1;
	fds[all->nr_fds - 2] = guest->record.fd;
	fds[all->nr_fds - 1] = guest->session;
	return 0;
}

static void give(const struct guest *guest, int sock)
{
	int *fds = calloc(guest->list.nr_fds + 2, sizeof(*fds));
	struct cpr_bytes bytes;
	struct cpr_state all;

	if (!fds)
		return;
	if (!list_all(guest, &all, fds) && !cpr_build(&all, &bytes)) {
		if (!sock_send(sock, &bytes, fds))
			shutdown(sock, SHUT_WR);
		cpr_bytes_free(&bytes);
	}
	cpr_free(&all);
	free(fds);
}

/* Whoever has the rest from us sees us hang up when nothing of it is ours any more. */
static void let_go(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->list.nr_fds; i++)
		close(guest->fds[i]);
	if (guest->session >= 0)
		close(guest->session);
}

/* Signals that come when the machine goes down are not for us: with us the guest would end. */
static void stay(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

void keeper_keep(const struct guest *guest, int control, char gives)
{
	char command, done;
	int sock;

	stay();
	for (;;) {
		sock = keeper_next(control, -1, &command);
		if (sock < 0)
			continue;
		if (command == gives) {
			give(guest, sock);
			if (read(sock, &done, 1) == 1) {
				let_go(guest);
				return;
			}
		} else if (command == KEEPER_STOP) {
			dprintf(sock, "kho-qemu: %s is saved already\n", guest->name);
		}
		close(sock);
	}
}

/* What is found out about devices from now on, the other process knows, too. */
static int share_devices(struct guest *guest)
{
	size_t size = guest->list.nr_devices * sizeof(*guest->list.devices);
	struct cpr_device *devices;

	if (!size)
		return 0;
	devices = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (devices == MAP_FAILED)
		return -1;
	memcpy(devices, guest->list.devices, size);
	guest->list.devices = devices;
	return 0;
}

/* Ours, which keeper_end() waits for */
static pid_t keeper;

int keeper_fork(struct guest *guest, const struct options *options)
{
	int ends[2] = { -1, -1 }, control;
	char done;

	keeper = -1;
	control = keeper_listen(options);
	if (control >= 0 && !share_devices(guest) &&
	    !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		keeper = fork();
	if (!keeper) {
		close(ends[0]);
		setsid();
		stay();
		keeper_speak_to(-1);
		if (read(ends[1], &done, 1) != 1)
			keeper_keep(guest, control, KEEPER_RESTORE);
		keeper_forget(options);
		_exit(EXIT_OK);
	}
	if (keeper < 0) {
		complain(NULL, "no process: %s", strerror(errno));
		return -1;
	}
	close(control);
	close(ends[1]);
	return ends[0];
}

int keeper_take(struct guest *guest, const struct options *options, char command)
{
	struct cpr_fd *record = NULL, *session = NULL;
	const char *why = "it is busy, with somebody else";
	struct cpr_bytes bytes;
	int sock = keeper_connect(options, command);

	if (sock < 0)
		return -1;
	if (!sock_receive(sock, &bytes, &guest->fds, options->seconds)) {
		if (!bytes.size) {
			guest->fds = NULL;
			return sock;
		}
		if (!cpr_parse(&bytes, &guest->list, &why)) {
			record = cpr_find(&guest->list, RECORD_ITEM, 0);
			session = cpr_find(&guest->list, SESSION_ITEM, 0);
		}
	}
	if (!record || !session || record_open(&guest->record, guest->fds[record->fd], &why)) {
		complain(NULL, "%s: a process of kho-qemu keeps it: %s", guest->name, why);
		exit(EXIT_FAILED);
	}
	guest->session = guest->fds[session->fd];
	/* (both are last) */
	guest->list.nr_fds -= 2;
	return sock;
}

void keeper_end(int sock, const struct options *options)
{
	if (write(sock, "", 1) == 1)
		sock_wait_closed(sock, options->seconds);
	close(sock);
	if (keeper > 0)
		waitpid(keeper, NULL, 0);
}

/* Where what is said goes; -1 stands for nowhere. */
void keeper_speak_to(int fd)
{
	int nowhere = fd < 0 ? open("/dev/null", O_WRONLY | O_CLOEXEC) : fd;

	fflush(NULL);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	if (fd < 0)
		close(nowhere);
}

/* The other end is with who called us; -1 when that is nobody. */
static int reached = -1;

void keeper_start(void)
{
	int ends[2], status;
	pid_t pid;
	char byte;

	if (pipe2(ends, O_CLOEXEC)) {
		complain(NULL, "no pipe: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	pid = fork();
	if (pid < 0) {
		complain(NULL, "no process: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	if (!pid) {
		close(ends[0]);
		reached = ends[1];
		setsid();
		return;
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) == 1)
		exit(EXIT_OK);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		exit(WEXITSTATUS(status));
	complain(NULL, "the process in the background was killed");
	exit(EXIT_FAILED);
}

void keeper_detach(void)
{
	int null;

	if (reached < 0)
		return;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	close(null);
	keeper_speak_to(-1);
	if (write(reached, "", 1) == 1)
		close(reached);
	reached = -1;
}
