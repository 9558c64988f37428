/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unix sockets, and what goes over those of QEMU's cpr-transfer.
 *
 * Whatever returns an int gives -1 and sets errno when it fails.
 */
#ifndef KHO_QEMU_SOCK_H
#define KHO_QEMU_SOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "cpr.h"

/* Somebody who connects may use it when he can reach its folder. What was there is removed. */
int sock_listen(const char *path);

/*
 * The next who connects to @listener; with @pid not 0, only that process. Gives up with ESRCH when
 * the process of @pidfd, unless that is -1, has ended, and with ETIMEDOUT after @seconds.
 */
int sock_accept(int listener, pid_t pid, int pidfd, int seconds);

/* To who listens at @path, for which it waits until @seconds have passed */
int sock_connect(const char *path, int seconds);

/* The process at the other end; 0 when it is not known */
pid_t sock_peer(int sock);

/*
 * All that comes until the other side has nothing more to send; *@fds become the descriptors, as
 * many as @bytes has places for.
 */
int sock_receive(int sock, struct cpr_bytes *bytes, int **fds, int seconds);

/* The reverse; descriptor number i goes where @bytes has its place. */
int sock_send(int sock, const struct cpr_bytes *bytes, const int *fds);

/* Waits until the other side has closed its end; what it says is not wanted. */
int sock_wait_closed(int sock, int seconds);

/* Waits until there is something to read, or the end. */
int sock_wait(int sock, int seconds);

#endif
