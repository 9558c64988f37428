/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to the test owner. The order of the files is that of the floors in the
 * Makefile; a lock that is not named is that of control.c.
 */
#ifndef _KERNEL_KHO_TEST_H
#define _KERNEL_KHO_TEST_H

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kho/abi/kho_test.h>
#include <linux/list.h>
#include <linux/types.h>

/* hold.c: what is held up, or left out */
int kho_test_set_hold(const char *step);
bool kho_test_is_held(void);
void kho_test_set_forget(unsigned int every);

/* forge.c: records of sessions and files that are wrong */
#ifdef CONFIG_LIVEUPDATE
void kho_test_tell_records(void);
void kho_test_set_records(unsigned int nr);
int kho_test_alter_record(u64 nr, u32 offset, u8 value);
int kho_test_alter_iommufd(u64 nr, bool maps, u32 offset, u32 value);
int kho_test_forge(const char *what, u64 nr, u64 bit);
#else
static inline void kho_test_tell_records(void) { }
static inline void kho_test_set_records(unsigned int nr) { }

static inline int kho_test_alter_record(u64 nr, u32 offset, u8 value)
{
	return -EINVAL;
}

static inline int kho_test_alter_iommufd(u64 nr, bool maps, u32 offset,
					 u32 value)
{
	return -EINVAL;
}

static inline int kho_test_forge(const char *what, u64 nr, u64 bit)
{
	return -EOPNOTSUPP;
}
#endif

/* owner.c: the owner and what it has */

/**
 * struct test_set - a set of units of memory
 * @list: in kho_test_sets
 * @ser: what the next kernel gets to know of it
 * @unit_pa: physical addresses of the units, a vmalloc area; NULL for
 *	     KHO_TEST_VMALLOC
 * @area: the unit of KHO_TEST_VMALLOC
 */
struct test_set {
	struct list_head list;
	struct kho_test_set_ser ser;
	u64 *unit_pa;
	void *area;
};

extern struct list_head kho_test_sets;
extern void *kho_test_subtree;
extern unsigned int kho_test_version;
extern int kho_test_active_count, kho_test_final_count, kho_test_jump_count;

int kho_test_preserve(void);
int kho_test_unpreserve(void);
int kho_test_retrieve(void);
void kho_test_set_refuse(const char *step, int rc);
int kho_test_join(void);
void kho_test_leave(void);
int kho_test_owners_init(void);

/* memory.c: making, checking and freeing memory */
int kho_test_verify(void);
int kho_test_look(u64 pa, unsigned int order, u64 seed);
int kho_test_free(void);
int kho_test_add(u32 kind, u32 order, u64 nr, u64 seed);
int kho_test_scatter(u32 percent, u32 order, u64 seed);
int kho_test_churn(void);

/* slow.c: devices that are slow to shut down */
int kho_test_add_slow(unsigned int nr, unsigned int ms);

/* sealed.c: what is sealed */
int kho_test_corrupt(const char *what, u64 bit);
int kho_test_where(const char *what);

/* device.c: devices without a session */
extern const struct file_operations kho_test_device_fops;

#endif /* _KERNEL_KHO_TEST_H */
