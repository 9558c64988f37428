// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shutting devices down at the same time: before a kexec, those whose driver allows it
 * (device_driver.shutdown_in_parallel), while nothing else runs. Some take seconds, like a disk
 * that has to write its cache, and one after the other would add up.
 *
 * Life cycle: called once, before device_shutdown() goes through all devices in their order. A
 * device that others depend on keeps its place in that order: it is not taken here if a child, of
 * any depth, or a consumer has something to shut down. When all that are taken are shut down,
 * the others follow. With parallel_shutdown=off none is taken.
 *
 * Locks: that of the list of devices while one is taken off it; of each device while it is shut
 * down. No probing is under way.
 */
#include <linux/async.h>
#include <linux/device.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/kstrtox.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/pm_runtime.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "base.h"

static bool wanted __ro_after_init = true;

static int __init parallel_shutdown_param(char *arg)
{
	return kstrtobool(arg, &wanted);
}
early_param("parallel_shutdown", parallel_shutdown_param);

static bool has_shutdown(const struct device *dev)
{
	return (dev->class && dev->class->shutdown_pre) ||
	       (dev->driver && ((dev->bus && dev->bus->shutdown) ||
				dev->driver->shutdown));
}

static int shuts_down(struct device *dev, void *unused)
{
	return has_shutdown(dev) ||
	       device_for_each_child(dev, NULL, shuts_down);
}

static bool has_consumer(struct device *dev)
{
	int idx = device_links_read_lock();
	bool has = !list_empty(&dev->links.consumers);

	device_links_read_unlock(idx);
	return has;
}

static bool is_candidate(const struct device *dev)
{
	return dev->driver && dev->driver->shutdown_in_parallel;
}

static bool may_be_first(struct device *dev)
{
	return is_candidate(dev) && !has_consumer(dev) &&
	       !device_for_each_child(dev, NULL, shuts_down);
}

static void shut_down(void *data, async_cookie_t cookie)
{
	struct device *dev = data;
	/* As who binds and unbinds drivers: else all on one bus would wait for each other. */
	struct device *parent = dev->type && dev->type->need_parent_lock ?
				dev->parent : NULL;

	if (parent)
		device_lock(parent);
	device_lock(dev);
	/* Suspended it could not be shut down, and it is not to be from now on. */
	pm_runtime_get_noresume(dev);
	pm_runtime_barrier(dev);
	if (dev->class && dev->class->shutdown_pre)
		dev->class->shutdown_pre(dev);
	if (dev->bus && dev->bus->shutdown)
		dev->bus->shutdown(dev);
	else if (dev->driver && dev->driver->shutdown)
		dev->driver->shutdown(dev);
	device_unlock(dev);
	if (parent)
		device_unlock(parent);
	put_device(dev);
}

/* Fill in up to @max of them, each with a reference; how many there are */
static unsigned int find_candidates(struct device **candidate, unsigned int max)
{
	unsigned int nr = 0;
	struct device *dev;

	spin_lock(&devices_kset->list_lock);
	list_for_each_entry_reverse(dev, &devices_kset->list, kobj.entry) {
		if (!is_candidate(dev))
			continue;
		if (nr < max)
			candidate[nr] = get_device(dev);
		nr++;
	}
	spin_unlock(&devices_kset->list_lock);
	return nr;
}

/* Off the list, on which it is not if it was unplugged */
static bool take(struct device *dev)
{
	bool taken;

	spin_lock(&devices_kset->list_lock);
	taken = !list_empty(&dev->kobj.entry);
	list_del_init(&dev->kobj.entry);
	spin_unlock(&devices_kset->list_lock);
	return taken;
}

/**
 * device_shutdown_parallel - shut devices down whose drivers allow it at the same time
 *
 * Hook in device_shutdown(). What is not taken is left to that, and so is all when there is no
 * memory.
 *
 * Context: may sleep; no probing is under way
 */
void device_shutdown_parallel(void)
{
	ASYNC_DOMAIN_EXCLUSIVE(domain);
	unsigned int i, nr, taken = 0;
	struct device **candidate;

	if (!wanted || !kexec_in_progress)
		return;
	nr = find_candidates(NULL, 0);
	candidate = kvcalloc(nr, sizeof(*candidate), GFP_KERNEL);
	if (!candidate)
		return;
	nr = min(nr, find_candidates(candidate, nr));
	for (i = 0; i < nr; i++) {
		if (may_be_first(candidate[i]) && take(candidate[i])) {
			/* (who gives the reference back) */
			async_schedule_domain(shut_down, candidate[i], &domain);
			taken++;
		} else {
			put_device(candidate[i]);
		}
	}
	async_synchronize_full_domain(&domain);
	kvfree(candidate);
	if (taken)
		pr_info("devices: %u shut down in parallel\n", taken);
}
