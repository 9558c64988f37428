/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of kho-sessiond know of one another */
#ifndef KHO_SESSIOND_H
#define KHO_SESSIOND_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#define SESSION_NAME_SIZE	64	/* of the kernel's, with the NUL */

/* kho_sessiond_systemd.c: messages with descriptors, and the store of systemd */
int send_text(int sock, const struct sockaddr_un *to, socklen_t to_len, const char *text, int fd,
	      int flags);
int tell_systemd(int fd, const char *format, ...) __printf(2, 3);
int wait_for_systemd(void);
int store(int fd, const char *format, ...) __printf(2, 3);
void unstore(const char *format, ...) __printf(1, 2);
bool same_file(int a, int b);

/* kho_sessiond_close.c: closing what is a client's, beside the main loop */
enum closing { CLOSE_FILES, CLOSE_SESSION, CLOSE_CONNECTION };

int closing_start(void);
void close_later(enum closing what, uid_t uid, const int *fds, int nr);
void close_session_later(uid_t uid, int fd, const char *name, int tag);
int closing_of(uid_t uid, enum closing what);
bool closing_crowded(void);
bool closing_turn(void (*session_closed)(int tag));

#endif
