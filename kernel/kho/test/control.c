// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test owner's files in debugfs: commands, and what is held.
 *
 * Locks: test_lock is held over commands and protects all of the test owner. It is not
 * over functions of the core that take kho_lock, nor over those commands that are to go on
 * while another one waits.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/timex.h>
#include <linux/uaccess.h>

#include "../../kexec_internal.h"
#include "../internal.h"
#include "test.h"

static DEFINE_MUTEX(test_lock);
static u64 last_cycles;

static int parse_kind(const char *name)
{
	if (!strcmp(name, "folio"))
		return KHO_TEST_FOLIO;
	if (!strcmp(name, "pages"))
		return KHO_TEST_PAGES;
	if (!strcmp(name, "range"))
		return KHO_TEST_RANGE;
	if (!strcmp(name, "vmalloc"))
		return KHO_TEST_VMALLOC;
	return 0;
}

/* Commands that wait for the core, or that go on while another one waits. */
static int run_unlocked(const char *line)
{
	char arg[24];

	if (sscanf(line, "hold %23s", arg) == 1)
		return kho_test_set_hold(arg);
	if (!strcmp(line, "join"))
		return kho_test_join();
	if (!strcmp(line, "leave")) {
		kho_test_leave();
		return 0;
	}
	/* As an image that is being loaded has it. */
	if (!strcmp(line, "lock kexec"))
		return kexec_trylock() ? 0 : -EBUSY;
	if (!strcmp(line, "unlock kexec")) {
		kexec_unlock();
		return 0;
	}
	return 1;
}

static int run_command(char *line)
{
	char word[16], arg[32] = "";
	unsigned int order;
	u64 nr, seed;

	if (sscanf(line, "add %15s %u %llu %llu", arg, &order, &nr, &seed) == 4)
		return kho_test_add(parse_kind(arg), order, nr, seed);
	if (sscanf(line, "scatter %llu %u %llu", &nr, &order, &seed) == 3)
		return kho_test_scatter(nr, order, seed);
	if (sscanf(line, "look %llx %u %llu", &nr, &order, &seed) == 3)
		return kho_test_look(nr, order, seed);
	if (sscanf(line, "slow %llu %u", &nr, &order) == 2)
		return kho_test_add_slow(nr, order);
	if (sscanf(line, "where %31s", arg) == 1)
		return kho_test_where(arg);
	if (sscanf(line, "corrupt %31s %llu", arg, &nr) == 2)
		return kho_test_corrupt(arg, nr);
	if (sscanf(line, "forge %15s %llu %llu", arg, &nr, &seed) == 3)
		return kho_test_forge(arg, nr, seed);
	if (sscanf(line, "alter %llu %15s %u %llu", &nr, arg, &order, &seed) == 4)
		return kho_test_alter_iommufd(nr, !strcmp(arg, "maps"), order,
					      seed);
	if (sscanf(line, "record %llu %u %llu", &nr, &order, &seed) == 3)
		return kho_test_alter_record(nr, order, seed);
	if (sscanf(line, "version %u", &order) == 1) {
		kho_test_version = order;
		return 0;
	}
	if (sscanf(line, "records %u", &order) == 1) {
		kho_test_set_records(order);
		return 0;
	}
	if (sscanf(line, "forget %u", &order) == 1) {
		kho_test_set_forget(order);
		return 0;
	}
	if (sscanf(line, "refuse %15s %u", arg, &order) == 2) {
		kho_test_set_refuse(arg, order);
		return 0;
	}
	if (sscanf(line, "%15s", word) != 1)
		return -EINVAL;
	if (!strcmp(word, "preserve"))
		return kho_test_preserve();
	if (!strcmp(word, "unpreserve"))
		return kho_test_unpreserve();
	if (!strcmp(word, "retrieve"))
		return kho_test_retrieve();
	if (!strcmp(word, "verify"))
		return kho_test_verify();
	if (!strcmp(word, "free"))
		return kho_test_free();
	if (!strcmp(word, "churn"))
		return kho_test_churn();
	if (!strcmp(word, "settle")) {
		kho_fragments_settle();
		return 0;
	}
	return -EINVAL;
}

static ssize_t control_write(struct file *file, const char __user *from,
			     size_t count, loff_t *pos)
{
	char line[80];
	u64 start;
	int rc;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';

	rc = run_unlocked(strim(line));
	if (rc <= 0)
		return rc ?: count;
	mutex_lock(&test_lock);
	start = get_cycles();
	rc = run_command(strim(line));
	last_cycles = get_cycles() - start;
	mutex_unlock(&test_lock);
	return rc ?: count;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = control_write,
};

static int status_show(struct seq_file *m, void *unused)
{
	struct test_set *set;

	mutex_lock(&test_lock);
	list_for_each_entry(set, &kho_test_sets, list)
		seq_printf(m, "set kind %u order %u units %llu seed %llu\n",
			   set->ser.kind, set->ser.order, set->ser.nr,
			   set->ser.seed);
	seq_printf(m, "preserved %d\n", !!kho_test_subtree);
	seq_printf(m, "active %d final %d jumping %d\n",
		   kho_test_active_count, kho_test_final_count,
		   kho_test_jump_count);
	seq_printf(m, "held %d\n", kho_test_is_held());
	seq_printf(m, "cycles %llu\n", last_cycles);
	seq_printf(m, "nodes %ld\n", atomic_long_read(&kho_out_map.nr_nodes) +
		   atomic_long_read(&kho_in_map.nr_nodes));
	mutex_unlock(&test_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

/* Where what is held lies, as the command "look" takes it. */
static int units_show(struct seq_file *m, void *unused)
{
	struct test_set *set;
	u64 i;

	mutex_lock(&test_lock);
	list_for_each_entry(set, &kho_test_sets, list)
		for (i = 0; set->unit_pa && i < set->ser.nr; i++)
			seq_printf(m, "%llx %u %llu\n", set->unit_pa[i],
				   set->ser.order, set->ser.seed);
	mutex_unlock(&test_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(units);

static int __init kho_test_init(void)
{
	struct dentry *dir;
	int rc;

	rc = kho_test_owners_init();
	if (rc)
		return rc;
	dir = debugfs_create_dir("kho_test", NULL);
	debugfs_create_file("control", 0200, dir, NULL, &control_fops);
	debugfs_create_file("status", 0400, dir, NULL, &status_fops);
	debugfs_create_file("units", 0400, dir, NULL, &units_fops);
#ifdef CONFIG_PCI_LIVEUPDATE
	debugfs_create_file("pci", 0200, dir, NULL, &kho_test_device_fops);
#endif
	return 0;
}
late_initcall(kho_test_init);
