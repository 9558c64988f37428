// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: what a bzImage says about itself: whether it can receive a handover, and which versions
 * it can restore. The old kernel looks at the same when the image is loaded. Nothing in the file
 * is believed; offsets are those of Documentation/arch/x86/boot.rst.
 */
#include <errno.h>
#include <linux/kho/abi/handover.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "khoctl.h"

#define SETUP_SECTS		0x1f1
#define BOOT_FLAG		0x1fe
#define HEADER_MAGIC		0x202
#define HEADER_VERSION		0x206
#define XLOADFLAGS		0x236
#define CMDLINE_SIZE		0x238
#define INIT_SIZE		0x260
#define KERNEL_INFO_OFFSET	0x268
#define HEADER_END		0x26c

/* The kernel keeps room for elfcorehdr=, and the end of the text takes a byte. */
#define CMDLINE_KEPT		31

#define XLF_KERNEL_64		0x0001
#define XLF_ABOVE_4G		0x0002
#define TYPE_INDIRECT		0x80000000U

#define INFO_SIZE		4
#define INFO_SIZE_TOTAL		8
#define INFO_TYPE_MAX		12
#define INFO_END		16

/* No sensible image restores more. */
#define VERSIONS_MAX		1000

static uint16_t get16(const unsigned char *at)
{
	return at[0] | at[1] << 8;
}

static uint32_t get32(const unsigned char *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static void add_version(struct image *image, const char *version, size_t len)
{
	char *text;
	FILE *safe = open_memstream(&text, &(size_t){ 0 });

	if (!safe)
		return;
	put_safe(safe, version, len);
	fclose(safe);
	image->version = xrealloc(image->version, (image->nr + 1) * sizeof(*image->version));
	image->version[image->nr++] = text;
}

/* A sequence of strings, each with @end behind it */
static void parse_versions(struct image *image, const char *at, size_t size, char end)
{
	const char *stop;

	for (; size && image->nr < VERSIONS_MAX; size -= stop + 1 - at, at = stop + 1) {
		stop = memchr(at, end, size);
		if (!stop)
			break;
		add_version(image, at, stop - at);
	}
}

/* What somebody may take for a bzImage */
static const char *kind_of(const unsigned char *bytes, size_t len)
{
	static const struct {
		size_t at;
		const char *magic;
		const char *what;
	} kinds[] = {
		{ 0, "\177ELF", "it is no bzImage but an ELF file, such as vmlinux" },
		{ 0x38, "ARM\x64", "it is no bzImage but a kernel for arm64" },
		{ 0, "\x1f\x8b", "it is no bzImage but packed with gzip" },
		{ 0, "\3757zXZ", "it is no bzImage but packed with xz" },
		{ 0, "\x28\xb5\x2f\xfd", "it is no bzImage but packed with zstd" },
		{ 0, "070701", "it is no bzImage but an initrd" },
		{ 0, "MZ", "it is no bzImage but another EFI program, such as a unified image" },
	};
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		size = strlen(kinds[i].magic);
		if (len >= kinds[i].at + size &&
		    !memcmp(bytes + kinds[i].at, kinds[i].magic, size))
			return kinds[i].what;
	}
	return "it is no bzImage";
}

static const char *other_format(const struct image *image)
{
	return image_restores(image, KHO_BLOB_COMPATIBLE) ? NULL :
		"it reads another format of handover than " KHO_BLOB_COMPATIBLE;
}

/**
 * image_parse - look at an image
 * @image: the result
 * @bytes: the file's content
 * @len: its bytes
 */
void image_parse(struct image *image, const unsigned char *bytes, size_t len)
{
	const unsigned char *info, *chunk;
	size_t start, offset;
	uint32_t size, total, rest;

	memset(image, 0, sizeof(*image));
	image->why_not = kind_of(bytes, len);
	if (len < HEADER_END || get16(bytes + BOOT_FLAG) != 0xaa55 ||
	    memcmp(bytes + HEADER_MAGIC, "HdrS", 4))
		return;
	image->is_kernel = true;
	image->why_not = "it is no 64-bit kernel that can be loaded anywhere";
	if (get16(bytes + HEADER_VERSION) < 0x20c ||
	    (get16(bytes + XLOADFLAGS) & (XLF_KERNEL_64 | XLF_ABOVE_4G)) !=
	    (XLF_KERNEL_64 | XLF_ABOVE_4G))
		return;
	image->init_size = get32(bytes + INIT_SIZE);
	image->cmdline_max = get32(bytes + CMDLINE_SIZE);
	image->cmdline_max -= image->cmdline_max < CMDLINE_KEPT ? image->cmdline_max : CMDLINE_KEPT;
	image->why_not = "it was built without CONFIG_KEXEC_HANDOVER";
	if (get16(bytes + HEADER_VERSION) < 0x20f)
		return;

	start = ((bytes[SETUP_SECTS] ? bytes[SETUP_SECTS] : 4) + 1) * 512;
	offset = get32(bytes + KERNEL_INFO_OFFSET);
	image->why_not = "it is cut off, or damaged";
	if (start > len || offset > len - start || len - start - offset < INFO_END)
		return;
	info = bytes + start + offset;
	size = get32(info + INFO_SIZE);
	total = get32(info + INFO_SIZE_TOTAL);
	if (memcmp(info, "LToP", 4) || size < INFO_END || total < size ||
	    total > len - start - offset)
		return;

	image->setup_type_max = get32(info + INFO_TYPE_MAX) & ~TYPE_INDIRECT;
	image->why_not = "it was built without CONFIG_KEXEC_HANDOVER";
	if (image->setup_type_max < KHO_SETUP_TYPE)
		return;
	image->why_not = "it does not list what it can restore";
	chunk = info + size;
	rest = total - size;
	if (rest < 8 || get32(chunk) != KHO_KERNEL_INFO_MAGIC || get32(chunk + 4) < 8 ||
	    get32(chunk + 4) > rest)
		return;
	parse_versions(image, (const char *)chunk + 8, get32(chunk + 4) - 8, '\0');
	image->why_not = other_format(image);
}

/**
 * image_of_list - the same of a kernel whose list of versions is known
 * @image: the result
 * @list: a version a line
 */
void image_of_list(struct image *image, const char *list)
{
	*image = (struct image) { .is_kernel = true };
	parse_versions(image, list, strlen(list), '\n');
	image->why_not = other_format(image);
}

/**
 * image_read - look at an image
 * @image: the result
 * @path: the file
 *
 * Return: NULL, or why the file cannot be read, with errno
 */
const char *image_read(struct image *image, const char *path)
{
	const char *why;
	int fd = open_to_load(path, &why), saved;
	char *bytes;
	size_t len;

	if (fd < 0)
		return why;
	bytes = read_all(fd, &len);
	saved = errno;
	close(fd);
	errno = saved;
	if (!bytes)
		return strerror(errno);
	image_parse(image, (const unsigned char *)bytes, len);
	free(bytes);
	return NULL;
}

/**
 * image_free - free what image_parse() made
 * @image: the image
 */
void image_free(struct image *image)
{
	size_t i;

	for (i = 0; i < image->nr; i++)
		free(image->version[i]);
	free(image->version);
}

/**
 * image_restores - can it restore a version?
 * @image: the image
 * @version: such as "pci-v1"
 */
bool image_restores(const struct image *image, const char *version)
{
	size_t i;

	for (i = 0; i < image->nr; i++)
		if (!strcmp(image->version[i], version))
			return true;
	return false;
}

/**
 * image_other_version - a version of the same owner
 * @image: the image
 * @version: such as "pci-v1"
 *
 * Return: one that @image can restore, or NULL
 */
const char *image_other_version(const struct image *image, const char *version)
{
	const char *dash = strrchr(version, '-');
	size_t i, len;

	if (!dash || dash[1] != 'v')
		return NULL;
	len = dash + 2 - version;
	for (i = 0; i < image->nr; i++)
		if (!strncmp(image->version[i], version, len))
			return image->version[i];
	return NULL;
}

/**
 * image_restores_kind - can it restore what may be a kind of file?
 * @image: the image
 * @version: the version
 *
 * The first images listed no kinds, and had these. The kernel takes it so, too.
 */
bool image_restores_kind(const struct image *image, const char *version)
{
	static const char * const first[] = {
		"memfd-v1", "hugetlb-v1", "iommufd-v2", "vfio-pci-v1",
	};
	bool lists_kinds = false, is_first = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(first); i++) {
		lists_kinds |= !!image_other_version(image, first[i]);
		is_first |= !strcmp(version, first[i]);
	}
	return image_restores(image, version) || (is_first && !lists_kinds);
}
