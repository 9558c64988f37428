// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processors that nobody needs in the blackout: with kho_early_cpus=N a kernel that receives
 * something starts userspace on N of them, and the rest come up in the background.
 *
 * Life cycle: the number is lowered before the kernel brings up processors, and set back when
 * userspace is about to start. A thread then brings up one after the other. maxcpus= holds for
 * all of them.
 *
 * Locks: those of processor hotplug, which add_cpu() takes. A jump waits for a processor that is on
 * its way, and no other follows then.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kho.h>
#include <linux/kstrtox.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/smp.h>

#include "internal.h"

static unsigned int early_cpus __initdata;

/* How many are to come up later */
static unsigned int nr_left;

static int __init early_cpus_param(char *arg)
{
	return arg ? kstrtouint(arg, 0, &early_cpus) : -EINVAL;
}
early_param("kho_early_cpus", early_cpus_param);

static int __init limit_cpus(void)
{
	unsigned int all = min(setup_max_cpus, num_present_cpus());

	if (!early_cpus || early_cpus >= all || !is_kho_boot())
		return 0;
	nr_left = all - early_cpus;
	setup_max_cpus = early_cpus;
	return 0;
}
early_initcall(limit_cpus);

static int bring_up(void *unused)
{
	unsigned long begin = jiffies;
	unsigned int cpu, done = 0;

	for_each_present_cpu(cpu) {
		if (done == nr_left || kho_is_jumping())
			break;
		/* (that it is none of ours, or may not come up, add_cpu() says) */
		if (!cpu_online(cpu) && !add_cpu(cpu))
			done++;
	}
	pr_info("%u of %u processors came up after /init had started, within %u ms\n",
		done, nr_left, jiffies_to_msecs(jiffies - begin));
	return 0;
}

/* Userspace is about to start. */
void kho_cpus_rest(void)
{
	struct task_struct *task;

	if (!nr_left)
		return;
	setup_max_cpus += nr_left;
	task = kthread_run(bring_up, NULL, "kho_cpus");
	if (IS_ERR(task))
		pr_warn("%u processors stay offline: %pe\n", nr_left, task);
}
