// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kexec handover on x86: that the next kernel has the memory which this one hands over,
 * and reads it as this one wrote it, whatever is on its command line.
 *
 * Nothing is kept here, and there are no locks.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/cc_platform.h>
#include <linux/cpufeature.h>
#include <linux/init.h>
#include <linux/printk.h>
#include <asm/kho.h>

/**
 * kho_keeps_memory - is a parameter ignored that changes what memory there is?
 * @param: its name
 *
 * The old kernel refuses to start one with such a command line, but of one that is
 * compiled in (CONFIG_CMDLINE) it does not know.
 */
bool __init kho_keeps_memory(const char *param)
{
	if (!kho_early_scoped())
		return false;
	pr_warn("%s= ignored: memory was handed over by kexec\n", param);
	return true;
}

/**
 * kho_arch_is_mapped - is all of an extent mapped when an image is started?
 * @start: bytes
 * @end: bytes, exclusive
 */
bool kho_arch_is_mapped(phys_addr_t start, phys_addr_t end)
{
	return pfn_range_is_mapped(PHYS_PFN(start), PHYS_PFN(end));
}

/**
 * kho_arch_encrypts_as - will the next kernel read memory as this one does?
 * @encrypts: mem_encrypt=on is on its command line
 */
bool kho_arch_encrypts_as(bool encrypts)
{
	bool here = cc_platform_has(CC_ATTR_HOST_MEM_ENCRYPT);

	return here == encrypts || !boot_cpu_has(X86_FEATURE_SME);
}
