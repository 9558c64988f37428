// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering the next kernel without its decompressor: the running kernel decompresses it when
 * the image is loaded, while everything still runs, and not in the blackout.
 *
 * Life cycle: when a bzImage that can receive a handover is loaded, its kernel goes into
 * the segment that else has the compressed one, as it will be in memory, with its virtual
 * addresses moved by a random distance (KASLR). Purgatory gets its entry point, and the boot
 * parameters become what the decompressor would leave. Its place in memory is chosen at
 * random at the jump (kernel/kho/kaslr.c). What is entered is what was verified: it is made of
 * the very bytes whose signature was checked, and nobody can write to it afterwards.
 *
 * If anything is not known, the decompressor is entered as ever, and the log says why. An
 * image that says of itself that it can be entered like this, and is not as it says, is
 * refused: its decompressor would find the same, when it is too late.
 *
 * Locks: the kexec lock, which whoever loads has.
 */
#define pr_fmt(fmt) "kho: image: " fmt

#include <linux/align.h>
#include <linux/cc_platform.h>
#include <linux/cpufeature.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/kho_kernel.h>
#include <linux/kho/abi/entry.h>
#include <linux/kstrtox.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/pfn.h>
#include <linux/pgtable.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>
#include <asm/bootparam.h>
#include <asm/cmdline.h>
#include <asm/kexec-bzimage64.h>
#include <asm/kho.h>
#include <asm/page.h>

#include "kho_vmlinux.h"

static bool wanted __ro_after_init = true;

static int __init unpack_param(char *arg)
{
	return kstrtobool(arg, &wanted);
}
early_param("kho_unpack", unpack_param);

/* The mode of paging would be switched, by the decompressor. */
static bool switches_levels(const struct setup_header *header,
			    const char *cmdline)
{
	bool five = header->xloadflags & XLF_5LEVEL_ENABLED &&
		    !cmdline_find_option_bool(cmdline, "no5lvl") &&
		    cpuid_eax(0) >= 7 &&
		    cpuid_ecx(7) & BIT(X86_FEATURE_LA57 & 31);

	return five != pgtable_l5_enabled();
}

/* Return: why the decompressor is needed, or NULL */
static const char *why_not(const struct kimage *image,
			   const struct setup_header *header,
			   const char *cmdline)
{
	if (!wanted)
		return "kho_unpack=off";
	if (!kho_image_lists(image, KHO_ENTRY_VERSION))
		return "it does not say how else it is entered";
	if (!header->relocatable_kernel ||
	    header->kernel_alignment < SZ_2M ||
	    !is_power_of_2(header->kernel_alignment))
		return "it is not relocatable";
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT) ||
	    cmdline_find_option_bool(cmdline, "mem_encrypt=on"))
		return "memory is encrypted";
	if (switches_levels(header, cmdline))
		return "it has another number of levels of page tables";
	return NULL;
}

/* Find what is compressed, and how much it will be. */
static const u8 *find_payload(const struct kimage *image,
			      const struct setup_header *header, u32 *len,
			      u32 *size)
{
	unsigned long start = ((header->setup_sects ?: 4) + 1) * 512;
	unsigned long rest = image->kernel_buf_len - start;
	const u8 *payload;

	if (header->payload_offset > rest ||
	    header->payload_length > rest - header->payload_offset ||
	    header->payload_length < 2 * sizeof(u32))
		return NULL;
	payload = image->kernel_buf + start + header->payload_offset;
	*len = header->payload_length;
	*size = get_unaligned_le32(payload + *len - sizeof(u32));
	return *size <= header->init_size ? payload : NULL;
}

/* As find_random_virt_addr() does: how far from where it is linked for it is to run. */
static unsigned long random_distance(unsigned long base, unsigned long size,
				     unsigned long align)
{
	if (base >= KHO_ENTRY_VIRTUAL_END || size > KHO_ENTRY_VIRTUAL_END - base)
		return 0;
	return get_random_u32_below((KHO_ENTRY_VIRTUAL_END - base - size) / align + 1) *
	       align;
}

/* What the kernel is in memory. Return: from vmalloc(), or an error pointer */
static void *make_memory(struct kho_kernel *kernel, const void *data, u32 len,
			 const struct setup_header *header, bool random,
			 unsigned long *filled)
{
	struct kho_vmlinux vmlinux;
	unsigned long size, distance = 0;
	void *memory;
	int rc;

	rc = kho_vmlinux_read(&vmlinux, data, len, header->pref_address);
	if (rc)
		return ERR_PTR(rc);
	memory = vzalloc(vmlinux.filled);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	size = ALIGN(vmlinux.size, SZ_2M);
	if (random && vmlinux.relocs)
		distance = random_distance(header->pref_address, size,
					   header->kernel_alignment);
	rc = kho_vmlinux_write(&vmlinux, memory, distance);
	if (rc) {
		vfree(memory);
		return ERR_PTR(rc);
	}
	*filled = vmlinux.filled;
	*kernel = (struct kho_kernel) {
		.buf = memory,
		.size = size,
		.align = header->kernel_alignment,
		.min = header->pref_address,
		.limit = PFN_PHYS(max_pfn_mapped),
		.entry = vmlinux.entry,
		.random = random && vmlinux.relocs,
	};
	return memory;
}

/**
 * kho_unpack_kernel - put the kernel itself into its segment
 * @image: the image that is being loaded
 * @header: of its bzImage
 * @kbuf: the segment of the compressed kernel, not placed yet; stays as it is when its
 *	  decompressor has to be entered
 *
 * Return: 0; -EBADMSG when the image is damaged, with last_error set
 */
int kho_unpack_kernel(struct kimage *image, const struct setup_header *header,
		      struct kexec_buf *kbuf)
{
	const char *cmdline = image->cmdline_buf ?: "", *why, *format;
	struct kho_kernel *kernel = kho_image_kernel(image);
	unsigned long filled;
	const u8 *payload;
	void *data, *memory;
	u32 len, size;

	if (!kernel)
		return 0;
	why = why_not(image, header, cmdline);
	if (why)
		goto out_decompressor;
	payload = find_payload(image, header, &len, &size);
	if (!payload)
		return kho_image_damaged("it does not say where the kernel is in it");
	data = kho_unpack(payload, len, size, &format);
	if (data == ERR_PTR(-EBADMSG))
		return kho_image_damaged("the kernel in it cannot be decompressed");
	why = data == ERR_PTR(-ENOMEM) ? "there is no memory" :
					 "the format is not known";
	if (IS_ERR(data))
		goto out_decompressor;
	memory = make_memory(kernel, data, size, header,
			     !cmdline_find_option_bool(cmdline, "nokaslr"), &filled);
	vfree(data);
	if (memory == ERR_PTR(-ENOEXEC))
		return kho_image_damaged("the kernel in it is not as the image says");
	why = "there is no memory";
	if (IS_ERR(memory))
		goto out_decompressor;
	kbuf->buffer = memory;
	kbuf->bufsz = filled;
	kbuf->memsz = kernel->size;
	kbuf->buf_min = max(kbuf->buf_min, kernel->min);
	pr_info("decompressed (%s, %lu KiB), for the jump to enter it (kho_unpack=off: not before the jump)\n",
		format, filled >> 10);
	return 0;

out_decompressor:
	pr_info("its decompressor is entered: %s\n", why);
	return 0;
}

/**
 * kho_enter_kernel - have the kernel itself entered
 * @image: the image that is being loaded
 * @params: its boot parameters
 * @mem: where its kernel's segment is
 * @regs: purgatory's registers, set to what enters the decompressor
 */
void kho_enter_kernel(struct kimage *image, struct boot_params *params,
		      unsigned long mem, struct kexec_entry64_regs *regs)
{
	struct kho_kernel *kernel = kho_image_kernel(image);
	void *symbol;

	if (!kernel || !kernel->size)
		return;
	kernel->mem = mem;
	regs->rip = mem + kernel->entry;
	symbol = kexec_purgatory_get_symbol_addr(image, "entry64_regs");
	if (!IS_ERR(symbol))
		kernel->entry_pa = (unsigned long)symbol +
				   offsetof(struct kexec_entry64_regs, rip);
	/* By this the kernel knows that the rest is to be random, too. */
	if (kernel->random)
		params->hdr.loadflags |= KASLR_FLAG;
}
