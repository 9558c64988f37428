// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hash tables that the kernel sizes by the memory it has, and clears in early boot. A kernel that
 * receives something makes them no larger than for as much memory as most machines have: the
 * largest, of directory entries and inodes, would take tens of milliseconds to clear.
 *
 * Life cycle: asked for each table. Nothing is kept, and there are no locks.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/init.h>
#include <linux/kho.h>
#include <linux/kstrtox.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/printk.h>
#include <linux/sizes.h>

#define MOST_PAGES	PHYS_PFN(SZ_16G)

static bool wanted __initdata = true;

static int __init tables_param(char *arg)
{
	return kstrtobool(arg, &wanted);
}
early_param("kho_small_tables", tables_param);

/**
 * kho_table_pages - the memory that a hash table is sized by
 * @pages: what there is, in pages
 * @cleared: the table will be cleared
 *
 * Hook in alloc_large_system_hash(), for tables whose size nobody says.
 *
 * Return: pages
 */
unsigned long __init kho_table_pages(unsigned long pages, bool cleared)
{
	if (!cleared || !wanted || pages <= MOST_PAGES || !is_kho_boot())
		return pages;
	pr_info_once("hash tables are as for 16 GiB (kho_small_tables=off: as for all of memory)\n");
	return MOST_PAGES;
}
