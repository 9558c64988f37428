/* SPDX-License-Identifier: GPL-2.0-only */
/* Reader-writer semaphores, made of what POSIX threads have. */
#ifndef _KHO_TEST_RWSEM_H
#define _KHO_TEST_RWSEM_H

#include <pthread.h>

struct rw_semaphore {
	pthread_rwlock_t lock;
};

#define __RWSEM_INITIALIZER(name)	{ PTHREAD_RWLOCK_INITIALIZER }

#define down_read(sem)		((void)pthread_rwlock_rdlock(&(sem)->lock))
#define up_read(sem)		((void)pthread_rwlock_unlock(&(sem)->lock))
#define down_write(sem)		((void)pthread_rwlock_wrlock(&(sem)->lock))
#define down_write_nested(sem, nesting)	down_write(sem)
#define up_write(sem)		((void)pthread_rwlock_unlock(&(sem)->lock))

#endif
