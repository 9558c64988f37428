// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that are slow to shut down, on a test's request: some at the same time, and a pair of
 * which one depends on the other. Who is shut down too early, or twice, is a warning.
 *
 * Life cycle: made by the command "slow", and there until the kernel ends.
 *
 * Locks: that of control.c.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/platform_device.h>

#include "test.h"

static unsigned int slow_ms;
/* The one of the pair that the other depends on */
static struct platform_device *lower;
static atomic_t above_is_down = ATOMIC_INIT(0);

static int slow_probe(struct platform_device *pdev)
{
	return 0;
}

static void slow_shutdown(struct platform_device *pdev)
{
	WARN_ON(platform_get_drvdata(pdev));
	platform_set_drvdata(pdev, pdev);
	if (pdev == lower)
		WARN_ON(!atomic_read(&above_is_down));
	msleep(slow_ms);
	if (lower && pdev->dev.parent == &lower->dev)
		atomic_set(&above_is_down, 1);
}

static struct platform_driver slow_driver = {
	.probe = slow_probe,
	.shutdown = slow_shutdown,
	.driver = {
		.name = "kho-test-slow",
		.shutdown_in_parallel = true,
	},
};

static struct platform_device *add_one(struct device *parent, int id)
{
	struct platform_device_info info = {
		.parent = parent,
		.name = "kho-test-slow",
		.id = id,
	};

	return platform_device_register_full(&info);
}

/* So many devices, each of which takes so long to shut down, and a pair */
int kho_test_add_slow(unsigned int nr, unsigned int ms)
{
	struct platform_device *pdev;
	unsigned int i;
	int rc;

	if (slow_ms || !ms || nr > 100)
		return -EINVAL;
	rc = platform_driver_register(&slow_driver);
	if (rc)
		return rc;
	slow_ms = ms;
	for (i = 0; i < nr; i++) {
		pdev = add_one(NULL, i);
		if (IS_ERR(pdev))
			return PTR_ERR(pdev);
	}
	pdev = add_one(NULL, nr);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	lower = pdev;
	return PTR_ERR_OR_ZERO(add_one(&lower->dev, nr + 1));
}
