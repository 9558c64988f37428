/* SPDX-License-Identifier: GPL-2.0-only */
/* What the linker makes of --wrap=NAME: calls of NAME go to __wrap_NAME, which has __real_NAME. */
#ifndef SESSIOND_STAND_IN_H
#define SESSIOND_STAND_IN_H

#include <sys/socket.h>
#include <sys/types.h>

int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, void *argument);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __real_readlink(const char *path, char *target, size_t size);
int __real_close(int fd);

int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, void *argument);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
int __wrap_close(int fd);

#endif
