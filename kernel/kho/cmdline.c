// SPDX-License-Identifier: GPL-2.0-only
/*
 * The next kernel's command line: does it leave what is handed over as it is?
 *
 * It is read as the kernel in the image will read it, with next_arg(): white space
 * of any kind separates parameters, double quotes join them, "--" ends them, and '-'
 * and '_' in names are the same. What is looked for:
 *
 * - which memory there is, or how it is read: mem=, memmap=, initrdmem=, mem_encrypt=.
 *   Of a kernel with CONFIG_CMDLINE more is not known here; it ignores the first two
 *   itself when it receives something (arch/x86/kernel/kho_memory.c).
 * - memory at an address: cma=SIZE@START, crashkernel=SIZE@START
 * - memory that will be neither free nor what was handed over: hugepages=
 * - movable memory, where nothing can be pinned for DMA: kernelcore=, movablecore=
 * - what owners say, see struct kho_cmdline_need
 *
 * A bootconfig at the end of the initrd is read too late to have any of these but for
 * hugepages= and intel_iommu=. It is not interpreted: these words must not be in it.
 *
 * Life cycle: kho_image_probe() keeps a copy with the image. It is looked at then, at
 * activate, at finalize and before the jump, as what is preserved becomes more.
 *
 * Locks: needs_lock, innermost but for those that owners take in their check.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/bootconfig.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/hugetlb.h>
#include <linux/hugetlb_liveupdate.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/kho/abi/hugetlb_pool.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <asm/kho.h>
#include <asm/setup.h>

#include "image.h"
#include "internal.h"

/* The list. */
static DEFINE_MUTEX(needs_lock);
static LIST_HEAD(needs);

/**
 * kho_cmdline_walk - look at each parameter of a command line
 * @cmdline: the command line
 * @look: gets name and value, which may be NULL, and returns whether to stop
 * @data: for @look
 *
 * Context: may sleep.
 * Return: 0, 1 when @look stopped, -ENOMEM
 */
int kho_cmdline_walk(const char *cmdline,
		     bool (*look)(const char *name, const char *value,
				  void *data), void *data)
{
	char *copy = kstrdup(cmdline, GFP_KERNEL), *at, *name, *value;
	int rc = 0;

	if (!copy)
		return -ENOMEM;
	at = skip_spaces(copy);
	while (!rc && *at) {
		at = next_arg(at, &name, &value);
		if (!value && !strcmp(name, "--"))
			break;
		rc = look(name, value, data);
	}
	kfree(copy);
	return rc;
}
EXPORT_SYMBOL_GPL(kho_cmdline_walk);

/**
 * kho_add_cmdline_need - have the next kernel's command line looked at
 * @need: stays for good
 *
 * Context: may sleep.
 */
void kho_add_cmdline_need(struct kho_cmdline_need *need)
{
	mutex_lock(&needs_lock);
	list_add_tail(&need->list, &needs);
	mutex_unlock(&needs_lock);
}
EXPORT_SYMBOL_GPL(kho_add_cmdline_need);

/* A value of this kernel's own command line, for comparison */
struct own {
	const char *name;
	char value[32];
};

static bool look_for_own(const char *name, const char *value, void *data)
{
	struct own *own = data;

	/* The last one counts. */
	if (parameq(name, own->name))
		strscpy(own->value, value ?: "");
	return false;
}

static bool is_as_here(const char *name, const char *value)
{
	struct own own = { .name = name };

	return !kho_cmdline_walk(saved_command_line, look_for_own, &own) &&
	       !strcmp(own.value, value ?: "");
}

static bool is_bootconfig(const char *name, const char *value, void *unused)
{
	return parameq(name, "bootconfig");
}

/**
 * kho_cmdline_probe - keep an image's command line
 * @image: the image that is being loaded, with its initrd
 * @kho: what gets a copy
 * @cmdline: the command line, or NULL
 *
 * Return: 0 or -ENOMEM
 */
int kho_cmdline_probe(const struct kimage *image, struct kho_image *kho,
		      const char *cmdline)
{
	static const char * const words[] = { "hugepages", "intel_iommu" };
	const size_t foot = BOOTCONFIG_MAGIC_LEN + 2 * sizeof(__le32);
	size_t len = image->initrd_buf_len, size;
	unsigned int i;
	const char *end;
	int rc;

	if (!cmdline)
		return 0;
	kho->cmdline = kstrdup(cmdline, GFP_KERNEL);
	if (!kho->cmdline)
		return -ENOMEM;

	if (!image->initrd_buf || len < foot)
		return 0;
	end = image->initrd_buf + len - foot;
	if (memcmp(end + foot - BOOTCONFIG_MAGIC_LEN, BOOTCONFIG_MAGIC,
		   BOOTCONFIG_MAGIC_LEN))
		return 0;
	rc = IS_ENABLED(CONFIG_BOOT_CONFIG_FORCE) ?:
	     kho_cmdline_walk(cmdline, is_bootconfig, NULL);
	if (rc <= 0)
		return rc;
	size = min_t(size_t, get_unaligned_le32(end), len - foot);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strnstr(end - size, words[i], size))
			kho->bootconfig = words[i];
	return 0;
}

/**
 * struct look - what is found on a command line
 * @harmful: a parameter that no handover goes with, or NULL
 * @placed: one that takes memory in which something is preserved, or NULL
 * @moves: one that makes memory movable, or NULL
 * @encrypts: what mem_encrypt= says
 * @huge_size: bytes of a page to which hugepages= applies; 0: of the default size
 * @huge_default: the default size
 * @huge_asked: bytes of huge pages of a given size
 * @default_asked: how many of the default size
 * @counts: the kernel counts those that are handed over
 */
struct look {
	const char *harmful;
	const char *placed;
	const char *moves;
	bool encrypts;
	u64 huge_size;
	u64 huge_default;
	u64 huge_asked;
	u64 default_asked;
	bool counts;
};

/* "SIZE@START", perhaps one of several after a comma: is all of it free of us? */
static bool place_is_free(const char *value)
{
	const char *at = value ? strrchr(value, '@') : NULL;
	unsigned long pfn, end;
	u64 start, size;
	char *rest;

	if (!at)
		return true;
	start = memparse(at + 1, &rest);
	/* The size stands before it, in a list of ranges the largest may count. */
	while (at > value && at[-1] != ',' && at[-1] != ':')
		at--;
	size = memparse(at, &rest);
	if (!size || start + size < start)
		return true;
	pfn = PHYS_PFN(start);
	end = min_t(u64, PFN_UP(start + size), 1ULL << KHO_MAP_PFN_BITS);
	return pfn >= end || kho_frames_unused(pfn, end);
}

/* "N" or "NODE:N,NODE:N" */
static u64 count_huge(const char *value)
{
	const char *next;
	u64 nr = 0;
	char *rest;

	while (value && *value) {
		next = strchr(value, ':');
		if (next && next < strchrnul(value, ','))
			value = next + 1;
		nr += memparse(value, &rest);
		value = *rest == ',' ? rest + 1 : NULL;
	}
	return nr;
}

/* Bytes of so many huge pages, less those that are handed over. */
static u64 besides(const struct look *look, u64 size, u64 nr)
{
	u64 handed = look->counts ? hugetlb_pool_under_way(size) : 0;

	return (nr - min(nr, handed)) * size;
}

static bool look_at(const char *name, const char *value, void *data)
{
	struct look *look = data;
	char *rest;

	/* (says that there are no large pages, for processors of old) */
	if (parameq(name, "mem") && value && strcmp(value, "nopentium"))
		look->harmful = "mem=";
	else if (parameq(name, "memmap"))
		look->harmful = "memmap=";
	else if (parameq(name, "initrdmem"))
		look->harmful = "initrdmem=";
	else if (parameq(name, "mem_encrypt"))
		look->encrypts = value && !strncmp(value, "on", 2);
	else if (parameq(name, "cma") && !place_is_free(value))
		look->placed = "cma=";
	else if (parameq(name, "crashkernel") && !place_is_free(value))
		look->placed = "crashkernel=";
	else if (parameq(name, "kernelcore") && !is_as_here(name, value))
		look->moves = "kernelcore=";
	else if (parameq(name, "movablecore") && !is_as_here(name, value))
		look->moves = "movablecore=";
	else if (parameq(name, "hugepagesz") && value)
		look->huge_size = memparse(value, &rest);
	else if (parameq(name, "default_hugepagesz") && value)
		look->huge_default = memparse(value, &rest);
	else if (parameq(name, "hugepages") && look->huge_size)
		look->huge_asked += besides(look, look->huge_size,
					    count_huge(value));
	else if (parameq(name, "hugepages"))
		look->default_asked = count_huge(value);
	if (parameq(name, "default_hugepagesz"))
		look->huge_size = look->huge_default;
	return false;
}

static u64 all_ram(void)
{
	struct kho_range *ram;
	unsigned int i, nr;
	u64 frames = 0;

	if (kho_ram_ranges(&ram, &nr))
		return 0;
	for (i = 0; i < nr; i++)
		frames += ram[i].end - ram[i].start;
	return frames << PAGE_SHIFT;
}

/* The pool is filled before anybody could be told that there is too little. */
static int check_huge(const struct look *look)
{
	u64 asked = look->huge_asked +
		    besides(look, look->huge_default, look->default_asked);
	u64 kept = kho_preserved_frames() << PAGE_SHIFT;
	u64 rest = (u64)kho_early_need() << PAGE_SHIFT;
	u64 ram = all_ram();

	/* And something to live on */
	rest += max_t(u64, ram / 32, SZ_64M);
	if (!asked || asked + kept + rest <= ram)
		return 0;
	kho_set_err("image: hugepages= on its command line asks for %llu MiB besides the %llu MiB that are preserved, and there are %llu MiB, of which it needs %llu for itself; ask for less",
		    asked >> 20, kept >> 20, ram >> 20, rest >> 20);
	return -ENOSPC;
}

static int check_needs(const char *cmdline)
{
	struct kho_cmdline_need *need;
	const char *param = NULL;
	int rc = 0;

	mutex_lock(&needs_lock);
	list_for_each_entry(need, &needs, list) {
		param = need->check(cmdline);
		if (!param)
			continue;
		if (IS_ERR(param)) {
			rc = PTR_ERR(param);
			break;
		}
		kho_set_err("image: %s on its command line %s; load it otherwise, or write 1 to allow_unreadable",
			    param, need->why);
		rc = -EINVAL;
		break;
	}
	mutex_unlock(&needs_lock);
	return rc;
}

/**
 * kho_cmdline_check - can what is preserved be handed over to an image?
 * @kho: what is known of the loaded image, its command line among it
 *
 * Context: may sleep.
 * Return: 0, or an errno with last_error set: -EINVAL when a parameter is in the way,
 * -ENOSPC, -ENOMEM
 */
int kho_cmdline_check(const struct kho_image *kho)
{
	const char *cmdline = kho->cmdline;
	struct look look = {
		.huge_default = HPAGE_SIZE,
		.counts = kho_image_reads(kho, HUGETLB_POOL_COMPATIBLE),
	};
	int rc;

	if (!cmdline)
		return 0;
	rc = kho_cmdline_walk(cmdline, look_at, &look);
	if (rc)
		return rc;
	if (look.harmful) {
		kho_set_err("image: %s on its command line changes the memory that the next kernel uses; load it without",
			    look.harmful);
		return -EINVAL;
	}
	if (!kho_arch_encrypts_as(look.encrypts)) {
		kho_set_err("image: with mem_encrypt= as on its command line the next kernel would read memory otherwise than this one; load it with mem_encrypt=%s",
			    look.encrypts ? "off" : "on");
		return -EINVAL;
	}
	rc = check_huge(&look);
	if (rc || kho_allow_unreadable)
		return rc;
	if (look.placed) {
		kho_set_err("image: %s on its command line takes memory in which something is preserved; load it without an address",
			    look.placed);
		return -EINVAL;
	}
	if (look.moves) {
		kho_set_err("image: %s on its command line makes memory movable that may be preserved for DMA; load it without",
			    look.moves);
		return -EINVAL;
	}
	if (kho->bootconfig) {
		kho_set_err("image: the bootconfig of its initrd has %s, which can be looked at on the command line only; put it there",
			    kho->bootconfig);
		return -EINVAL;
	}
	return check_needs(cmdline);
}
