// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kexec handover on x86: the setup_data record that leads the next kernel to the
 * header page, and what a bzImage says about itself in kernel_info.
 *
 * Life cycle: the record is written when the image is loaded, into the segment
 * with the boot parameters; the next kernel reads it before it has memblock.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kho/abi/handover.h>
#include <asm/bootparam.h>
#include <asm/kho.h>
#include <asm/setup.h>

/* The fixed part of kernel_info, Documentation/arch/x86/boot.rst. */
struct kernel_info {
	char magic[4];
	u32 size;
	u32 size_total;
	u32 setup_type_max;
};

/* A chunk of its variable part: our list of versions. */
struct version_chunk {
	u32 magic;
	u32 size;
	char versions[];
};

/**
 * kho_arch_image_versions - does a bzImage know the handover record?
 * @kernel: the image
 * @len: its bytes
 * @versions: list of the subtree versions that it can restore, in @kernel
 * @size: bytes of the list
 *
 * Return: 0 if it does, -ENOEXEC if not
 */
int kho_arch_image_versions(const char *kernel, unsigned long len,
			    const char **versions, size_t *size)
{
	const struct setup_header *header = (const void *)kernel +
		offsetof(struct boot_params, hdr);
	unsigned long start = ((header->setup_sects ?: 4) + 1) * 512;
	const struct kernel_info *info;
	const struct version_chunk *chunk;
	unsigned long rest;

	if (header->version < 0x020f || start >= len)
		return -ENOEXEC;
	rest = len - start;
	if (header->kernel_info_offset > rest ||
	    rest - header->kernel_info_offset < sizeof(*info))
		return -ENOEXEC;
	info = (const void *)kernel + start + header->kernel_info_offset;
	rest -= header->kernel_info_offset;

	if (memcmp(info->magic, "LToP", sizeof(info->magic)) ||
	    info->size < sizeof(*info) || info->size_total < info->size ||
	    info->size_total > rest)
		return -ENOEXEC;
	if ((info->setup_type_max & ~SETUP_INDIRECT) < KHO_SETUP_TYPE)
		return -ENOEXEC;

	rest = info->size_total - info->size;
	chunk = (const void *)info + info->size;
	if (rest < sizeof(*chunk) || chunk->magic != KHO_KERNEL_INFO_MAGIC ||
	    chunk->size < sizeof(*chunk) || chunk->size > rest)
		return -ENOEXEC;
	*versions = chunk->versions;
	*size = chunk->size - sizeof(*chunk);
	return 0;
}

/**
 * kho_setup_data_size - room that the record takes behind the boot parameters
 * @image: the image that is being loaded
 *
 * Return: bytes, 0 when the image gets no record
 */
unsigned int kho_setup_data_size(const struct kimage *image)
{
	return kho_image_receives(image) ?
	       sizeof(struct setup_data) + sizeof(struct kho_setup_ser) : 0;
}

/**
 * kho_setup_data_add - write the record
 * @image: the image that is being loaded
 * @params: its boot parameters
 * @params_pa: where these will be
 * @offset: where the record goes, from the begin of @params
 */
void kho_setup_data_add(const struct kimage *image, struct boot_params *params,
			unsigned long params_pa, unsigned int offset)
{
	struct setup_data *data = (void *)params + offset;
	struct kho_setup_ser *setup = (void *)data->data;

	if (!kho_image_receives(image))
		return;
	setup->header_pa = kho_image_header(image);
	data->type = KHO_SETUP_TYPE;
	data->len = sizeof(*setup);
	data->next = params->hdr.setup_data;
	params->hdr.setup_data = params_pa + offset;
}

/**
 * kho_setup_data_parse - read the record
 * @pa: where it is
 * @len: bytes with its header
 */
void __init kho_setup_data_parse(u64 pa, u32 len)
{
	struct kho_setup_ser setup;
	struct setup_data *data;

	if (len < sizeof(*data) + sizeof(setup)) {
		pr_err("handover record of %u bytes is too short\n", len);
		kho_early_setup(0);
		return;
	}
	data = early_memremap(pa, sizeof(*data) + sizeof(setup));
	if (!data) {
		pr_err("handover record cannot be mapped\n");
		kho_early_setup(0);
		return;
	}
	memcpy(&setup, data->data, sizeof(setup));
	early_memunmap(data, sizeof(*data) + sizeof(setup));
	kho_early_setup(setup.header_pa);
}
