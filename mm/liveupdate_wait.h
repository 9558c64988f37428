/* SPDX-License-Identifier: GPL-2.0-only */
/* Waiting until memory may be added to a file: see mm/liveupdate_wait.c. */
#ifndef _MM_LIVEUPDATE_WAIT_H
#define _MM_LIVEUPDATE_WAIT_H

#include <linux/mm_types.h>

struct inode;

typedef bool (*liveupdate_final_fn)(struct inode *inode);

vm_fault_t liveupdate_wait_fault(struct vm_fault *vmf,
				 liveupdate_final_fn final);
int liveupdate_wait(struct inode *inode, liveupdate_final_fn final);
void liveupdate_wake(void);

#endif /* _MM_LIVEUPDATE_WAIT_H */
