// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that a kernel which receives something overwrites after userspace has started, and not in
 * the blackout: that of the initrd, before it is freed; and bounce buffers, which have to be clear
 * before a device gets one.
 *
 * Life cycle: initramfs.c and swiotlb.c leave memory to this file. A thread that starts when
 * userspace is about to, and runs when nothing else does, clears it. Who wants a bounce buffer
 * before has all of them cleared at once, and swiotlb.c says when it gives them up, which is
 * earlier in boot. Off with kho_late_clear=off.
 *
 * Locks: bounce_lock, with interrupts off, for what is left of the bounce buffers. There is none
 * for the initrd, as initramfs.c is done before boot ends.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/cc_platform.h>
#include <linux/init.h>
#include <linux/kho.h>
#include <linux/kstrtox.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/poison.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <uapi/linux/sched/types.h>

#include "internal.h"

static bool wanted __initdata = true;

static int __init late_clear_param(char *arg)
{
	return kstrtobool(arg, &wanted);
}
early_param("kho_late_clear", late_clear_param);

static void *initrd_start_left, *initrd_end_left;

static size_t bounce_left;
static void *bounce;
static DEFINE_SPINLOCK(bounce_lock);

/**
 * kho_leave_initrd - is the initrd to be freed later?
 * @start: its virtual address
 * @end: its end
 *
 * Context: the initrd was unpacked, and nobody needs it any more
 * Return: true if it is, and the caller leaves it alone
 */
bool __init kho_leave_initrd(unsigned long start, unsigned long end)
{
	if (!wanted || !is_kho_boot())
		return false;
	initrd_start_left = (void *)start;
	initrd_end_left = (void *)PAGE_ALIGN(end);
	return true;
}

/**
 * kho_leave_bounce - are bounce buffers to be cleared later?
 * @start: the pool's virtual address
 * @size: its bytes
 *
 * Only the pool that is made in early boot is, and only where nothing encrypts memory.
 *
 * Return: true if they are, and the caller leaves them alone
 */
bool __ref kho_leave_bounce(void *start, size_t size)
{
	if (slab_is_available() || !wanted || !is_kho_boot() ||
	    cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		return false;
	bounce = start;
	bounce_left = size;
	return true;
}

static void clear_some(size_t max)
{
	unsigned long flags;
	size_t size;

	spin_lock_irqsave(&bounce_lock, flags);
	size = min(bounce_left, max);
	memset(bounce, 0, size);
	bounce += size;
	/* Whoever sees that nothing is left sees clear buffers. */
	smp_store_release(&bounce_left, bounce_left - size);
	spin_unlock_irqrestore(&bounce_lock, flags);
}

/**
 * kho_clear_bounce - somebody is about to use a bounce buffer
 *
 * Context: any but NMI
 */
void kho_clear_bounce(void)
{
	/* (of which clear_some() is the other side) */
	if (unlikely(smp_load_acquire(&bounce_left)))
		clear_some(SIZE_MAX);
}

/**
 * kho_forget_bounce - the pool is given up
 *
 * Context: userspace is not about to start yet
 */
void __init kho_forget_bounce(void)
{
	bounce_left = 0;
}

static int clear_left(void *unused)
{
	size_t size = bounce_left;

	while (READ_ONCE(bounce_left)) {
		clear_some(SZ_1M);
		cond_resched();
	}
	pr_info("%zu KiB of bounce buffers cleared late, and the initrd freed (kho_late_clear=off: not before boot ends)\n",
		size / SZ_1K);
	if (initrd_end_left)
		free_reserved_area(initrd_start_left, initrd_end_left,
				   POISON_FREE_INITMEM, "initrd");
	return 0;
}

/* Userspace is about to start. */
void kho_clear_left(void)
{
	static const struct sched_param param;
	struct task_struct *task;

	if (!initrd_end_left && !bounce_left)
		return;
	task = kthread_create(clear_left, NULL, "kho_clear");
	if (IS_ERR(task)) {
		clear_left(NULL);
		return;
	}
	sched_setscheduler_nocheck(task, SCHED_IDLE, &param);
	wake_up_process(task);
}
