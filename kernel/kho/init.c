// SPDX-License-Identifier: GPL-2.0-only
/*
 * The start of the core: each part in its turn, from the ground; and the end of boot.
 *
 * Nothing of it is there, and every call of an owner gives -EOPNOTSUPP, when one of them
 * fails or the operator does not want it.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/init.h>
#include <linux/kernel.h>

#include "internal.h"

static int __init kho_init(void)
{
	int rc;

	if (!kho_is_wanted() && !is_kho_boot())
		return 0;
	rc = kho_ram_init();
	if (rc)
		goto err;
	rc = kho_in_init();
	if (rc)
		goto err;
	kho_set_enabled(true);
	rc = kho_sysfs_init();
	if (!rc)
		return 0;
	kho_set_enabled(false);
err:
	pr_err("not started: %d\n", rc);
	return rc;
}
core_initcall(kho_init);

/**
 * kho_boot_ends - userspace is about to start
 */
void kho_boot_ends(void)
{
	u64 now = kho_stage_begin();

	kho_initcalls_end();
	kho_cpus_rest();
	kho_clear_left();
	kho_stages_boot_ends(now);
}
