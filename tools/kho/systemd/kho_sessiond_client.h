/* SPDX-License-Identifier: GPL-2.0-only */
/* What a service needs to ask kho-sessiond, see Documentation/admin-guide/kho-systemd.rst. */
#ifndef KHO_SESSIOND_CLIENT_H
#define KHO_SESSIOND_CLIENT_H

#include <stdbool.h>

#define KHO_SESSIOND_SOCKET	"/run/kho/sessiond.sock"

/**
 * kho_sessiond_connect() - connect to the daemon
 *
 * Return: a socket, which can be used for any number of requests; -1 with errno set.
 */
int kho_sessiond_connect(void);

/**
 * kho_sessiond_ask() - one request, and wait for the answer
 * @sock: from kho_sessiond_connect()
 * @request: as the protocol has it
 * @give: a descriptor to go with it, or -1
 * @take: out: the descriptor that came with the answer, or -1; may be NULL
 * @incoming: out: whether that is a session of the old kernel; may be NULL
 *
 * Return: 0, or -1 with errno set: what the daemon said, or of the connection, ECONNRESET when
 * the daemon has closed it.
 */
int kho_sessiond_ask(int sock, const char *request, int give, int *take, bool *incoming);

#endif
