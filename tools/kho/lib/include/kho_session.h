/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions of /dev/liveupdate: what a program keeps over a live update.
 *
 * Whatever returns an int gives -1 and sets errno when it fails.
 */
#ifndef KHO_SESSION_H
#define KHO_SESSION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns the descriptor of a new session. */
int kho_session_create(const char *name);

/* The same for one of the old kernel */
int kho_session_retrieve(const char *name);

int kho_session_preserve(int session, int fd, uint64_t token);

/* Returns the descriptor that was preserved with @token. */
int kho_session_take(int session, uint64_t token);

int kho_session_finish(int session);

#ifdef __cplusplus
}
#endif

#endif
