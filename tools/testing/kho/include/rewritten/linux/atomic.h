/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Atomics of the compiler. READ_ONCE() is a load with acquire order: the kernel
 * relies on the dependency of an address instead, which the memory model of C
 * does not know. A test may have threads interrupted at PREEMPTION_POINT().
 */
#ifndef _KHO_TEST_ATOMIC_H
#define _KHO_TEST_ATOMIC_H

#include <linux/types.h>

typedef struct {
	long counter;
} atomic_long_t;

#ifndef PREEMPTION_POINT
#define PREEMPTION_POINT()	((void)0)
#endif

#define READ_ONCE(x) ({							\
	__auto_type _read = __atomic_load_n(&(x), __ATOMIC_ACQUIRE);	\
	PREEMPTION_POINT();						\
	_read;								\
})
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), value, __ATOMIC_RELEASE)
#define smp_store_release(ptr, value) \
	__atomic_store_n(ptr, value, __ATOMIC_RELEASE)

#define try_cmpxchg(ptr, old, new) ({					\
	bool _done = __atomic_compare_exchange_n(ptr, old, new, false,	\
				__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
	PREEMPTION_POINT();						\
	_done;								\
})

#define cmpxchg(ptr, old, new) ({					\
	__typeof__(*(ptr)) _old = (old);				\
	(void)try_cmpxchg(ptr, &_old, new);				\
	_old;								\
})

#define atomic_long_read(v)	__atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_long_set(v, i)	__atomic_store_n(&(v)->counter, i, __ATOMIC_RELAXED)
#define atomic_long_add(i, v)	\
	((void)__atomic_add_fetch(&(v)->counter, i, __ATOMIC_RELAXED))
#define atomic_long_sub(i, v)	\
	((void)__atomic_sub_fetch(&(v)->counter, i, __ATOMIC_RELAXED))
#define atomic_long_inc(v)	atomic_long_add(1, v)
#define atomic_long_sub_return(i, v) \
	__atomic_sub_fetch(&(v)->counter, i, __ATOMIC_SEQ_CST)

#endif
