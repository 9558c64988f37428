// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who touches a hole of a file between finalize and its undoing waits: memory that is
 * added then would not get into the next kernel. This is the waiting, for files of
 * small and of huge pages.
 *
 * It may last until the jump, so nobody else may have to wait for who waits here: a
 * fault gives up the lock of its address space, or of its mapping, for that. One that
 * must not, and one of a task that cannot be killed, fails as it does when userspace
 * has to provide the page (handle_userfault()).
 *
 * Locks: none are taken. Callers hold neither the inode's lock, nor those by which a
 * fault is serialised with others.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "liveupdate_wait.h"

/* Of all files: finalize is undone for all of them together. */
static DECLARE_WAIT_QUEUE_HEAD(waiters);

/* A task that nobody can end, or that is ending, must not begin to wait. */
static bool can_be_ended(void)
{
	return !(current->flags & (PF_KTHREAD | PF_EXITING | PF_DUMPCORE));
}

/**
 * liveupdate_wait_fault - a fault in a hole waits until memory may be added
 * @vmf: the fault
 * @final: says of the file's inode that nothing may be added
 *
 * A program that is interrupted by a signal goes on with that, and faults again.
 *
 * Context: may sleep, possibly until the jump.
 * Return: VM_FAULT_RETRY, without the lock of the fault if it did not forbid to wait;
 * or VM_FAULT_SIGBUS, with the lock, for one that cannot wait
 */
vm_fault_t liveupdate_wait_fault(struct vm_fault *vmf,
				 liveupdate_final_fn final)
{
	const unsigned int by_program = FAULT_FLAG_USER |
					FAULT_FLAG_INTERRUPTIBLE;
	struct file *file = vmf->vma->vm_file;
	unsigned int state = TASK_KILLABLE;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY) || !can_be_ended())
		return VM_FAULT_SIGBUS;
	/* A system call, in contrast, would only fault again and again. */
	if ((vmf->flags & by_program) == by_program)
		state = TASK_INTERRUPTIBLE;

	/* Without the lock the mapping may go away. */
	get_file(file);
	release_fault_lock(vmf);
	wait_event_state(waiters, !final(file_inode(file)), state);
	fput(file);
	return VM_FAULT_RETRY;
}

/**
 * liveupdate_wait - wait until memory may be added to a file
 * @inode: the file's
 * @final: says of it that nothing may be added
 *
 * Context: may sleep, possibly until the jump.
 * Return: 0; -EINTR when the task is being killed
 */
int liveupdate_wait(struct inode *inode, liveupdate_final_fn final)
{
	return wait_event_killable(waiters, !final(inode)) ? -EINTR : 0;
}

/**
 * liveupdate_wake - memory may be added to some file again
 */
void liveupdate_wake(void)
{
	wake_up_all(&waiters);
}
