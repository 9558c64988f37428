// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl-fuzz: files for khoctl dump, and what it makes of damaged ones.
 *
 *	khoctl-fuzz file	writes a blob with the subtrees that it describes behind it
 *	khoctl-fuzz image	writes the beginning of an image that can receive a handover
 *	khoctl-fuzz COUNT SEED	damages both, so many times, and decodes them in this process, which
 *				is built with sanitizers. Prints the JSON of every 100th and, on
 *				stderr, how many were taken for intact
 *
 * It is linked with the parts of khoctl that read such files.
 */
#include <libfdt.h>
#include <linux/kho/abi/handover.h>
#include <stdlib.h>
#include <string.h>

#include "../../../../kho/khoctl/khoctl.h"

#define ROOM	16384
#define IMAGE	8192

static uint64_t state;

static uint32_t any(uint32_t below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % below;
}

static void check(int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "khoctl-fuzz: libfdt: %s\n", fdt_strerror(rc));
	exit(1);
}

static void begin(void *fdt, size_t room, const char *compatible)
{
	check(fdt_create(fdt, room));
	check(fdt_finish_reservemap(fdt));
	check(fdt_begin_node(fdt, ""));
	check(fdt_property_string(fdt, "compatible", compatible));
}

static size_t end(void *fdt)
{
	check(fdt_end_node(fdt));
	check(fdt_finish(fdt));
	return fdt_totalsize(fdt);
}

static size_t make_liveupdate(void *fdt)
{
	static const unsigned char records[16] = { 0, 0x10, 0, 0x20, [8] = 3 };

	begin(fdt, 1024, "liveupdate-v1");
	check(fdt_property_u64(fdt, "nr", 42));
	check(fdt_property(fdt, "records", records, sizeof(records)));
	return end(fdt);
}

static size_t make_pci(void *fdt)
{
	static const unsigned char devices[16] = {
		0, 0, 0, 0, 3, 0x08, 1, 0, 0, 0, 0, 0, 0, 0xe0, 2, 0,
	};
	static const unsigned char records[8] = { 0, 0x40, 0, 0x30 };
	static const unsigned char sriov[96] = { 0, 0, 0, 0, 3, 0x08, 1, 0, 0x19, 0, 2, 0 };

	begin(fdt, 1024, "pci-v1");
	check(fdt_property(fdt, "devices", devices, sizeof(devices)));
	check(fdt_property(fdt, "records", records, sizeof(records)));
	check(fdt_property(fdt, "sriov", sriov, sizeof(sriov)));
	return end(fdt);
}

static size_t make_iommu(void *fdt)
{
	begin(fdt, 1024, "iommu-v1");
	check(fdt_property_u64(fdt, "table", 0x12345000));
	return end(fdt);
}

/* Nobody's version; it holds a tree, and strings that need care. */
static size_t make_other(void *fdt)
{
	static const unsigned char set[40] = { 1, 0, 0, 0, 9, [8] = 16, [24] = 0, 0x50 };
	static uint64_t inner[128];
	size_t size;

	begin(inner, sizeof(inner), "kho-test-v1");
	check(fdt_property(inner, "sets", set, sizeof(set)));
	size = end(inner);
	begin(fdt, 4096, "unheard-v7");
	check(fdt_property(fdt, "inner", inner, size));
	check(fdt_property_string(fdt, "quoted", "a \"word\" and a \\"));
	check(fdt_property(fdt, "list", "one\0two", 8));
	check(fdt_property(fdt, "bytes", "\xff\x1b[31m\0\n", 8));
	check(fdt_begin_node(fdt, "below"));
	check(fdt_property(fdt, "empty", NULL, 0));
	check(fdt_property_u32(fdt, "cell", 7));
	check(fdt_end_node(fdt));
	return end(fdt);
}

static void describe(void *blob, const char *name, const char *compatible, const void *fdt,
		     size_t size)
{
	check(fdt_begin_node(blob, name));
	check(fdt_property_string(blob, KHO_PROP_COMPATIBLE, compatible));
	check(fdt_property_u64(blob, KHO_PROP_FDT, 0x40000000));
	check(fdt_property_u64(blob, KHO_PROP_SIZE, size));
	check(fdt_property_u64(blob, KHO_PROP_CHECKSUM, kho_checksum(0, fdt, size)));
	check(fdt_end_node(blob));
}

static size_t make_file(unsigned char *file)
{
	static uint64_t tree[4][512];
	static const char * const names[] = { "liveupdate", "pci", "iommu", "other" };
	static const char * const versions[] = {
		"liveupdate-v1", "pci-v1", "iommu-v1", "unheard-v7",
	};
	size_t size[4] = {
		make_liveupdate(tree[0]), make_pci(tree[1]), make_iommu(tree[2]),
		make_other(tree[3]),
	};
	size_t at;
	int i;

	memset(file, 0, ROOM);
	begin(file, 4096, KHO_BLOB_COMPATIBLE);
	for (i = 0; i < 4; i++)
		describe(file, names[i], versions[i], tree[i], size[i]);
	at = (end(file) + 7) & ~7;
	for (i = 0; i < 4; i++) {
		memcpy(file + at, tree[i], size[i]);
		at = (at + size[i] + 7) & ~7;
	}
	return at;
}

static void put32(unsigned char *at, uint32_t value)
{
	at[0] = value;
	at[1] = value >> 8;
	at[2] = value >> 16;
	at[3] = value >> 24;
}

static size_t make_image(unsigned char *image)
{
	static const char versions[] = "kho-v1\0liveupdate-v1\0pci-v1";
	unsigned char *info = image + 2 * 512 + 1024;

	memset(image, 0, IMAGE);
	image[0x1f1] = 1;
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	memcpy(image + 0x202, "HdrS", 4);
	image[0x206] = 0x0f;
	image[0x207] = 0x02;
	image[0x236] = 0x03;
	put32(image + 0x238, 2047);
	put32(image + 0x260, 64 << 20);
	put32(image + 0x268, 1024);
	memcpy(info, "LToP", 4);
	put32(info + 4, 16);
	put32(info + 8, 16 + 8 + sizeof(versions));
	put32(info + 12, KHO_SETUP_TYPE | 0x80000000);
	put32(info + 16, KHO_KERNEL_INFO_MAGIC);
	put32(info + 20, 8 + sizeof(versions));
	memcpy(info + 24, versions, sizeof(versions));
	return IMAGE;
}

static void damage(unsigned char *bytes, size_t *len)
{
	static const uint32_t values[] = {
		0, 1, 2, 3, 4, 9, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8, 0xd00dfeed,
	};
	uint32_t times = 1 + any(4), at, from, value;

	while (times--) {
		at = any(*len);
		switch (any(5)) {
		case 0:
			bytes[at] ^= 1 << any(8);
			break;
		case 1:
			bytes[at] = any(256);
			break;
		case 2:
			/* a number of the tree, or of the header of one */
			at &= ~3;
			value = values[any(ARRAY_SIZE(values))];
			if (at + 4 <= *len)
				put32(bytes + at, __builtin_bswap32(value));
			break;
		case 3:
			from = any(*len);
			memmove(bytes + at, bytes + from,
				any(*len - (at > from ? at : from) + 1));
			break;
		default:
			if (!any(4))
				*len = 1 + any(*len);
		}
	}
}

/* Every byte beyond what is given has to be out of bounds for the sanitizer. */
static void decode(const unsigned char *bytes, size_t len, bool print, unsigned int *intact)
{
	unsigned char *copy = memcpy(xrealloc(NULL, len), bytes, len);
	struct tree *trees;
	const char *why;
	size_t size;
	char *text;
	FILE *to;
	int nr = dump_find(copy, len, &trees, &why);

	if (nr > 0) {
		++*intact;
		to = open_memstream(&text, &size);
		dump_text(to, trees, nr);
		dump_dts(to, trees);
		dump_json(print ? stdout : to, trees, nr);
		fclose(to);
		free(text);
		free(trees);
	}
	free(copy);
}

static void decode_image(const unsigned char *bytes, size_t len, unsigned int *intact)
{
	unsigned char *copy = memcpy(xrealloc(NULL, len), bytes, len);
	struct image image;

	image_parse(&image, copy, len);
	free(copy);
	*intact += !image.why_not;
	image_other_version(&image, "pci-v2");
	image_free(&image);
}

int main(int argc, char **argv)
{
	static unsigned char file[ROOM], bytes[ROOM], image[IMAGE];
	size_t file_len = make_file(file), image_len = make_image(image), len;
	unsigned int count, i, trees = 0, images = 0;

	if (argc == 2 && !strcmp(argv[1], "file"))
		return fwrite(file, 1, file_len, stdout) != file_len;
	if (argc == 2 && !strcmp(argv[1], "image"))
		return fwrite(image, 1, image_len, stdout) != image_len;
	if (argc != 3) {
		fprintf(stderr, "khoctl-fuzz: wrong arguments; its source says how to use it\n");
		return 2;
	}
	count = atoi(argv[1]);
	state = atoi(argv[2]);
	for (i = 0; i < count; i++) {
		len = file_len;
		memcpy(bytes, file, len);
		damage(bytes, &len);
		decode(bytes, len, i % 100 == 0, &trees);
		len = image_len;
		memcpy(bytes, image, len);
		damage(bytes + (any(2) ? 0x1f0 : 2048), &(size_t){ 128 });
		if (!any(4))
			len = any(len) + 1;
		decode_image(bytes, len, &images);
	}
	fprintf(stderr, "of %u damaged files %u had an intact tree, %u images could receive\n",
		count, trees, images);
	return 0;
}
