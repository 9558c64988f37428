/* SPDX-License-Identifier: GPL-2.0-only */
/* What a service needs to ask kho-sessiond, see Documentation/admin-guide/kho-systemd.rst. */
#ifndef KHO_SESSIOND_CLIENT_H
#define KHO_SESSIOND_CLIENT_H

#include <stdbool.h>

#define KHO_SESSIOND_SOCKET	"/run/kho/sessiond.sock"
#ifndef KHO_SESSIOND_TIMEOUT
#define KHO_SESSIOND_TIMEOUT	60	/* seconds; the daemon itself never waits as long */
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * kho_sessiond_connect() - connect to the daemon
 *
 * Return: a socket, which can be used for any number of requests, one at a time; -1 with errno
 * set, ETIMEDOUT when nobody has answered.
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
 * Signals do not end it. After KHO_SESSIOND_TIMEOUT it gives up.
 *
 * Return: 0, or -1 with errno set: what the daemon said, and then the next request can be made.
 * Or what happened to the connection: ETIMEDOUT, ECONNRESET when the daemon has closed it, or
 * another one of send() and recv(). Whether the request was carried out is not known then, and
 * the socket is dead: each further request fails with ECONNRESET. Close it and connect again.
 * EMFILE: you have too many files open for the one that came, which is lost for you alone.
 */
int kho_sessiond_ask(int sock, const char *request, int give, int *take, bool *incoming);

#ifdef __cplusplus
}
#endif

#endif
