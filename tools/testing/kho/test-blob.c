// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one kernel writes and the next one reads before it believes anything:
 * the blob (kernel/kho/blob.c), lists of versions (kernel/kho/versions.c and, in
 * a bzImage, arch/x86/kernel/kho.c) and the header page, in the kernel and in
 * its decompressor (arch/x86/boot/compressed/kho.c).
 */
#include "../../../kernel/kho/blob.c"
#include "../../../kernel/kho/versions.c"
#include "../../../arch/x86/kernel/kho.c"
#include "../../../arch/x86/boot/compressed/kho.c"

#include "lib.h"

struct boot_params *boot_params_ptr;

/* What arch/x86/kernel/kho.c asks the core. */
static phys_addr_t given_header;
static bool receives;

bool kho_image_receives(const struct kimage *image)
{
	return receives;
}

phys_addr_t kho_image_header(const struct kimage *image)
{
	return 0x123456789000;
}

void kho_early_setup(phys_addr_t header_pa)
{
	given_header = header_pa;
}

/*
 * The blob
 */

static LIST_HEAD(none);
static unsigned long nr_damaged;

static void add_subtree(struct list_head *list, const char *name)
{
	struct kho_subtree *subtree = test_zalloc(sizeof(*subtree));

	CHECK(subtree && strlen(name) <= KHO_NAME_MAX);
	memcpy(subtree->name, name, strlen(name));
	snprintf(subtree->compatible, sizeof(subtree->compatible), "%.59s-v1",
		 name);
	subtree->fdt_pa = (1 + random_below(1 << 30)) << PAGE_SHIFT;
	subtree->size = 1 + random_below(INT_MAX);
	subtree->checksum = random_u64();
	list_add_tail(&subtree->list, list);
}

static unsigned long count_subtrees(struct list_head *list)
{
	const struct kho_subtree *subtree;
	unsigned long nr = 0;

	list_for_each_entry(subtree, list, list)
		nr++;
	return nr;
}

/* A copy at the end of its allocation, so that nothing behind it is read. */
static int read_copy(const void *blob, size_t size, struct list_head *list)
{
	void *copy = malloc(size);
	int rc;

	CHECK(copy);
	memcpy(copy, blob, size);
	rc = kho_blob_read(copy, size, list);
	free(copy);
	CHECK(!rc || list_empty(list));
	return rc;
}

/* What is promised of whatever is read, damaged or not. */
static void check_promise(struct list_head *list)
{
	const struct kho_subtree *a, *b;

	list_for_each_entry(a, list, list) {
		CHECK(a->name[0] && strnlen(a->name, sizeof(a->name)) <= KHO_NAME_MAX);
		CHECK(a->compatible[0]);
		CHECK(strnlen(a->compatible, sizeof(a->compatible)) <= KHO_NAME_MAX);
		CHECK(a->fdt_pa && PAGE_ALIGNED(a->fdt_pa) && a->size &&
		      a->size <= INT_MAX && a->fdt_pa + a->size > a->fdt_pa);
		list_for_each_entry(b, list, list)
			CHECK(a == b || strcmp(a->name, b->name));
	}
}

static void round_trip(unsigned int nr_own, unsigned int nr_inherited)
{
	LIST_HEAD(own);
	LIST_HEAD(inherited);
	LIST_HEAD(got);
	struct kho_subtree *subtree, *read;
	char name[KHO_NAME_MAX + 1];
	size_t room = 4096, size;
	unsigned int i;
	char *buf;
	int rc;

	for (i = 0; i < nr_own + nr_inherited; i++) {
		snprintf(name, sizeof(name), "%s%u", i % 3 ? "pci@0000:00-" : "s", i);
		/* Some as long as can be. */
		while (i % 7 == 6 && strlen(name) < KHO_NAME_MAX)
			strcat(name, "x");
		add_subtree(i < nr_own ? &own : &inherited, name);
	}
	/* Those that were restored or discarded are left out. */
	add_subtree(&inherited, "restored");
	list_entry(inherited.prev, subtree, list)->state = KHO_RESTORED;
	add_subtree(&inherited, "discarded");
	list_entry(inherited.prev, subtree, list)->state = KHO_DISCARDED;

	for (;; room *= 2) {
		buf = malloc(room);
		CHECK(buf);
		rc = kho_blob_write(buf, room, &own, &inherited);
		if (!rc)
			break;
		CHECK(rc == -ENOSPC);
		free(buf);
	}
	size = fdt_totalsize(buf);
	CHECK(size <= room && (room == 4096 || size > room / 2));
	CHECK(!read_copy(buf, size, &got));
	check_promise(&got);
	CHECK(count_subtrees(&got) == nr_own + nr_inherited);
	read = list_entry(got.next, read, list);
	list_for_each_entry(subtree, &own, list) {
		CHECK(!strcmp(read->name, subtree->name));
		CHECK(!strcmp(read->compatible, subtree->compatible));
		CHECK(read->fdt_pa == subtree->fdt_pa &&
		      read->size == subtree->size &&
		      read->checksum == subtree->checksum &&
		      read->state == KHO_PENDING && !read->reason[0] &&
		      !read->unusable && !read->finished);
		read = list_entry(read->list.next, read, list);
	}
	kho_blob_free(&got);

	/* The n-th allocation fails, for every n or some. */
	for (i = 0; i < nr_own + nr_inherited; i += 1 + i / 3) {
		alloc_budget = i;
		CHECK(read_copy(buf, size, &got) == -ENOMEM);
		alloc_budget = -1;
	}
	/* Less than all of it, to write or to read. */
	for (i = 0; i < size; i += nr_own < 10 ? 1 : 997)
		CHECK(read_copy(buf, i, &got) == -EINVAL);
	free(buf);
	for (i = 0; nr_own < 10 && i < size; i++) {
		buf = malloc(i);
		CHECK(kho_blob_write(buf, i, &own, &inherited) == -ENOSPC);
		free(buf);
	}
	kho_blob_free(&own);
	kho_blob_free(&inherited);
	CHECK(list_empty(&own));
}

/* Properties of a subtree as a test wants them; NULL leaves one out. */
struct props {
	const char *name;
	const void *compatible, *fdt, *size, *checksum;
	int compatible_len, fdt_len, size_len, checksum_len;
};

static const char good_compatible[] = "owner-v1";
static u8 good_fdt[12] = { 0, 0, 0, 1, 0, 0, 0x10, 0 };
static u8 good_size[12] = { 0, 0, 0, 0, 0, 0, 1, 0 };
static u8 good_checksum[12] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static const struct props good = {
	.name = "owner",
	.compatible = good_compatible, .compatible_len = sizeof(good_compatible),
	.fdt = good_fdt, .fdt_len = 8,
	.size = good_size, .size_len = 8,
	.checksum = good_checksum, .checksum_len = 8,
};

static char buffer[65536];

static void put(const char *name, const void *value, int len)
{
	if (value)
		CHECK(!fdt_property(buffer, name, value, len));
}

static void begin_blob(const char *compatible, int len)
{
	CHECK(!fdt_create(buffer, sizeof(buffer)));
	CHECK(!fdt_finish_reservemap(buffer));
	CHECK(!fdt_begin_node(buffer, ""));
	put("compatible", compatible, len);
}

static void put_subtree(const struct props *props)
{
	CHECK(!fdt_begin_node(buffer, props->name));
	put("compatible", props->compatible, props->compatible_len);
	put("fdt", props->fdt, props->fdt_len);
	put("size", props->size, props->size_len);
	put("checksum", props->checksum, props->checksum_len);
}

static int end_blob(void)
{
	LIST_HEAD(got);
	int rc;

	CHECK(!fdt_end_node(buffer));
	CHECK(!fdt_finish(buffer));
	rc = read_copy(buffer, fdt_totalsize(buffer), &got);
	check_promise(&got);
	kho_blob_free(&got);
	nr_damaged++;
	return rc;
}

/* A good subtree, this one, and again a good one. */
static int read_with(struct props props)
{
	struct props first = good, last = good;

	first.name = "first";
	last.name = "last";
	begin_blob("kho-v1", 7);
	put_subtree(&first);
	CHECK(!fdt_end_node(buffer));
	put_subtree(&props);
	CHECK(!fdt_end_node(buffer));
	put_subtree(&last);
	CHECK(!fdt_end_node(buffer));
	return end_blob();
}

#define WITH(...) ({							\
	struct props _p = good;						\
	__VA_ARGS__;							\
	read_with(_p);							\
})

static void test_malformed(void)
{
	static const u8 zero[8], unaligned[8] = { 0, 0, 0, 1, 0, 0, 0x10, 1 };
	static const u8 huge[8] = { 0, 0, 0, 0, 0x80 };
	static const u8 top[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0, 0 };
	static const u8 page2[8] = { 0, 0, 0, 0, 0, 0, 0x10, 1 };
	char longest[KHO_NAME_MAX + 2];
	int len;

	memset(longest, 'n', sizeof(longest));
	longest[KHO_NAME_MAX + 1] = 0;

	CHECK(WITH() == 0);
	CHECK(WITH(_p.name = longest + 1) == 0);
	CHECK(WITH(_p.name = longest) == -EINVAL);
	CHECK(WITH(_p.name = "first") == -EINVAL);

	CHECK(WITH(_p.compatible = NULL) == -EINVAL);
	CHECK(WITH(_p.compatible_len = 0) == -EINVAL);
	CHECK(WITH(_p.compatible = "", _p.compatible_len = 1) == -EINVAL);
	CHECK(WITH(_p.compatible_len--) == -EINVAL);
	CHECK(WITH(_p.compatible = "a\0b", _p.compatible_len = 4) == -EINVAL);
	CHECK(WITH(_p.compatible = longest + 1,
		   _p.compatible_len = KHO_NAME_MAX + 1) == 0);
	CHECK(WITH(_p.compatible = longest,
		   _p.compatible_len = KHO_NAME_MAX + 2) == -EINVAL);
	CHECK(WITH(_p.compatible = longest,
		   _p.compatible_len = KHO_NAME_MAX + 1) == -EINVAL);

	CHECK(WITH(_p.fdt = NULL) == -EINVAL);
	CHECK(WITH(_p.size = NULL) == -EINVAL);
	CHECK(WITH(_p.checksum = NULL) == -EINVAL);
	for (len = 0; len <= 12; len++) {
		CHECK(WITH(_p.fdt_len = len) == (len == 8 ? 0 : -EINVAL));
		CHECK(WITH(_p.size_len = len) == (len == 8 ? 0 : -EINVAL));
		CHECK(WITH(_p.checksum_len = len) == (len == 8 ? 0 : -EINVAL));
	}
	CHECK(WITH(_p.fdt = zero) == -EINVAL);
	CHECK(WITH(_p.fdt = unaligned) == -EINVAL);
	CHECK(WITH(_p.size = zero) == -EINVAL);
	CHECK(WITH(_p.size = huge) == -EINVAL);
	CHECK(WITH(_p.fdt = top) == 0);
	CHECK(WITH(_p.fdt = top, _p.size = page2) == -EINVAL);

	/* The root */
	begin_blob("kho-v2", 7);
	CHECK(end_blob() == -EINVAL);
	begin_blob("kho-v1", 6);
	CHECK(end_blob() == -EINVAL);
	begin_blob(NULL, 0);
	CHECK(end_blob() == -EINVAL);
	begin_blob("kho-v1", 7);
	CHECK(end_blob() == 0);

	/* A node in a subtree's node */
	begin_blob("kho-v1", 7);
	put_subtree(&good);
	CHECK(!fdt_begin_node(buffer, "deeper"));
	CHECK(!fdt_end_node(buffer));
	CHECK(!fdt_end_node(buffer));
	CHECK(end_blob() == -EINVAL);
}

/* Every bit of a blob flips: an error, or a list that keeps the promise. */
static void test_bits(void)
{
	struct props other = good;
	LIST_HEAD(got);
	size_t size, i;
	int bit;

	begin_blob("kho-v1", 7);
	put_subtree(&good);
	CHECK(!fdt_end_node(buffer));
	other.name = "another";
	put_subtree(&other);
	CHECK(!fdt_end_node(buffer));
	CHECK(!end_blob());
	size = fdt_totalsize(buffer);
	for (i = 0; i < size; i++)
		for (bit = 0; bit < 8; bit++) {
			buffer[i] ^= 1 << bit;
			if (!read_copy(buffer, size, &got)) {
				check_promise(&got);
				/* None may be missing. */
				CHECK(count_subtrees(&got) == 2);
				kho_blob_free(&got);
			}
			buffer[i] ^= 1 << bit;
			nr_damaged++;
		}
}

/* Each word of the structure becomes each token: the same. */
static void test_tokens(void)
{
	static const u32 tokens[] = {
		FDT_BEGIN_NODE, FDT_END_NODE, FDT_PROP, FDT_NOP, FDT_END, 0, ~0U,
	};
	size_t at = fdt_off_dt_struct(buffer);
	size_t end = at + fdt_size_dt_struct(buffer);
	LIST_HEAD(got);
	unsigned int i;
	u32 was;

	for (; at < end; at += 4)
		for (i = 0; i < ARRAY_SIZE(tokens); i++) {
			memcpy(&was, buffer + at, 4);
			fdt32_st(buffer + at, tokens[i]);
			if (!read_copy(buffer, fdt_totalsize(buffer), &got)) {
				check_promise(&got);
				CHECK(count_subtrees(&got) == 2);
				kho_blob_free(&got);
			}
			memcpy(buffer + at, &was, 4);
			nr_damaged++;
		}
}

/*
 * Versions
 */

static void test_versions(void)
{
	static const char list[] = "a-v1\0a-v2\0long-name-v10\0x";
	const size_t size = sizeof(list) - 2;	/* ends in the middle of "x" */
	bool same;
	size_t i;

	CHECK(kho_reads(list, size, "a-v1", &same) && !same);
	CHECK(kho_reads(list, size, "a-v2", NULL));
	CHECK(kho_reads(list, size, "long-name-v10", NULL));
	CHECK(!kho_reads(list, size, "a-v3", &same) && same);
	CHECK(!kho_reads(list, size, "a-v", &same) && same);
	CHECK(!kho_reads(list, size, "a-v11", &same) && same);
	CHECK(!kho_reads(list, size, "long-name-v1", &same) && same);
	CHECK(!kho_reads(list, size, "name-v10", &same) && !same);
	CHECK(!kho_reads(list, size, "long-v10", &same) && !same);
	CHECK(!kho_reads(list, size, "a-w1", &same) && !same);
	CHECK(!kho_reads(list, size, "a", &same) && !same);
	CHECK(!kho_reads(list, size, "a-", &same) && !same);
	CHECK(!kho_reads(list, size, "", &same) && !same);
	CHECK(!kho_reads(list, size, "x", NULL));
	CHECK(kho_reads(list, size + 2, "x", NULL));
	CHECK(!kho_reads(NULL, 0, "a-v1", &same) && !same);
	/* Believed only as far as its size. */
	for (i = 0; i < size; i++) {
		char *part = malloc(i);

		memcpy(part, list, i);
		CHECK(kho_reads(part, i, "a-v2", NULL) == (i >= 10));
		CHECK(kho_reads(part, i, "long-name-v10", NULL) == (i >= 24));
		CHECK(!kho_reads(part, i, "none-v1", &same) && !same);
		free(part);
	}
}

/*
 * What a bzImage says about itself
 */

#define IMAGE_SIZE	4096
#define INFO_AT		(5 * 512 + 128)

static const char versions[] = "one-v1\0two-v2";

static u8 image[IMAGE_SIZE];

static struct kernel_info *image_info(void)
{
	return (void *)(image + INFO_AT);
}

static struct version_chunk *image_chunk(void)
{
	return (void *)(image_info() + 1);
}

static void make_image(void)
{
	struct setup_header *header =
		(void *)(image + offsetof(struct boot_params, hdr));

	memset(image, 0, sizeof(image));
	header->setup_sects = 4;
	header->version = 0x020f;
	header->kernel_info_offset = 128;
	memcpy(image_info()->magic, "LToP", 4);
	image_info()->size = sizeof(struct kernel_info);
	image_info()->size_total = sizeof(struct kernel_info) +
				   sizeof(struct version_chunk) + sizeof(versions);
	image_info()->setup_type_max = SETUP_INDIRECT | KHO_SETUP_TYPE;
	image_chunk()->magic = KHO_KERNEL_INFO_MAGIC;
	image_chunk()->size = sizeof(struct version_chunk) + sizeof(versions);
	memcpy(image_chunk()->versions, versions, sizeof(versions));
}

/* Of a copy with nothing behind it, that the loader took for a bzImage. */
static int probe(size_t len)
{
	const char *list = NULL;
	char *copy = malloc(len);
	size_t size = 0;
	int rc;

	CHECK(copy && len >= 1024);
	memcpy(copy, image, len);
	rc = kho_arch_image_versions(copy, len, &list, &size);
	CHECK(rc == 0 || rc == -ENOEXEC);
	if (!rc) {
		CHECK(list >= copy && size <= len &&
		      (size_t)(list - copy) <= len - size);
		kho_reads(list, size, "none-v1", NULL);
		/* All of it can be read. */
		CHECK(!size || memchr(list, list[size - 1], size));
	}
	free(copy);
	return rc;
}

static void test_image(void)
{
	struct setup_header *header =
		(void *)(image + offsetof(struct boot_params, hdr));
	size_t end, i;
	int bit;

	make_image();
	end = INFO_AT + image_info()->size_total;
	CHECK(!probe(IMAGE_SIZE));
	for (i = 1024; i < IMAGE_SIZE; i++)
		CHECK(probe(i) == (i >= end ? 0 : -ENOEXEC));

	/* A damaged bit is noticed or harmless. */
	for (i = 0; i < IMAGE_SIZE; i++)
		for (bit = 0; bit < 8; bit++) {
			image[i] ^= 1 << bit;
			probe(end);
			probe(IMAGE_SIZE);
			image[i] ^= 1 << bit;
		}

#define REFUSED_WITH(change)	\
	do { make_image(); change; CHECK(probe(IMAGE_SIZE) == -ENOEXEC); } while (0)
	REFUSED_WITH(header->version = 0x020e);
	REFUSED_WITH(header->setup_sects = 255);
	REFUSED_WITH(header->setup_sects = 7);
	REFUSED_WITH(header->kernel_info_offset = ~0U);
	REFUSED_WITH(header->kernel_info_offset = IMAGE_SIZE - 5 * 512 - 15);
	REFUSED_WITH(header->kernel_info_offset = 0);
	REFUSED_WITH(image_info()->magic[3] ^= 1);
	REFUSED_WITH(image_info()->size--);
	REFUSED_WITH(image_info()->size = ~0U);
	REFUSED_WITH(image_info()->size += 4);
	REFUSED_WITH(image_info()->size_total = 0);
	REFUSED_WITH(image_info()->size_total--);
	REFUSED_WITH(image_info()->size_total = ~0U);
	REFUSED_WITH(image_info()->size_total = IMAGE_SIZE - INFO_AT + 1);
	REFUSED_WITH(image_info()->setup_type_max = SETUP_INDIRECT | 9);
	REFUSED_WITH(image_chunk()->magic++);
	REFUSED_WITH(image_chunk()->size = 0);
	REFUSED_WITH(image_chunk()->size = 7);
	REFUSED_WITH(image_chunk()->size++);
	REFUSED_WITH(image_chunk()->size = ~0U);
	make_image();
	header->setup_sects = 0;	/* an old way to say 4 */
	CHECK(!probe(IMAGE_SIZE));
}

/*
 * The record in the boot parameters, and the header page
 */

static u64 page[KHO_HEADER_SIZE / 8];
static struct kho_header_ser *const header = (void *)page;

static void make_header(void)
{
	unsigned int i;

	memset(page, 0, sizeof(page));
	header->magic = KHO_HEADER_MAGIC;
	header->version = KHO_HEADER_VERSION;
	header->nr_holes = KHO_MAX_HOLES;
	header->map_root_pa = 0x1000;
	header->blob_pa = 0x2000;
	for (i = 0; i < KHO_MAX_HOLES; i++) {
		header->holes[i].start = (i * 2ULL + 1) << PAGE_SHIFT;
		header->holes[i].size = PAGE_SIZE;
	}
	header->checksum = kho_header_checksum(header);
}

static int accepts(void)
{
	header->checksum = kho_header_checksum(header);
	return kho_header_ok(header);
}

static void test_header(void)
{
	const u64 top = ~0ULL << PAGE_SHIFT;
	unsigned int i;

	make_header();
	CHECK(kho_header_ok(header));
	for (i = 0; i < KHO_HEADER_SIZE * 8; i++) {
		page[i / 64] ^= BIT_ULL(i % 64);
		CHECK(!kho_header_ok(header));
		page[i / 64] ^= BIT_ULL(i % 64);
	}

	/* What is wrong though the checksum is right. */
#define REFUSES(change)	\
	do { make_header(); change; CHECK(!accepts()); } while (0)
	REFUSES(header->magic++);
	REFUSES(header->version++);
	REFUSES(header->nr_holes++);
	REFUSES(header->nr_holes = ~0U);
	REFUSES(header->nr_spares = 1);
	REFUSES(header->nr_spares = ~0U);
	REFUSES(header->map_root_pa++);
	REFUSES(header->blob_pa += 2048);
	REFUSES(header->holes[5].start++);
	REFUSES(header->holes[5].size--);
	REFUSES(header->holes[5].size = 0);
	REFUSES(header->holes[5].size = 2 * PAGE_SIZE);
	REFUSES(header->holes[5].size = top);
	REFUSES(header->holes[5].start = 0);
	REFUSES(header->holes[5] = header->holes[4]);
	REFUSES(header->holes[KHO_MAX_HOLES - 1].size = top);
	make_header();
	header->holes[KHO_MAX_HOLES - 1].start = top - PAGE_SIZE;
	CHECK(accepts());
	header->nr_holes = 0;
	CHECK(accepts());

	/* A checksum notices every byte, also of a last part of a word. */
	for (i = 0; i < 64; i++) {
		u64 sum = kho_checksum(7, page, 61);

		((u8 *)page)[i] ^= 4;
		CHECK((kho_checksum(7, page, 61) == sum) == (i >= 61));
		((u8 *)page)[i] ^= 4;
	}
}

static unsigned int nr_offered, nr_wanted;

static bool offered(struct mem_vector *hole, unsigned long minimum,
		    unsigned long size)
{
	CHECK(minimum == 17 && size == 18 && hole->start < ~0ULL);
	return ++nr_offered == nr_wanted;
}

static bool process(void)
{
	nr_offered = 0;
	return kho_process_holes(offered, 17, 18);
}

static void test_record(void)
{
	static u64 area[1024];
	struct boot_params *params = (void *)area;
	struct setup_data *data, other = { .type = 3, .len = 0 };
	const unsigned int at = sizeof(*params);
	unsigned long pa = (unsigned long)params;

	boot_params_ptr = params;
	CHECK(!kho_setup_data_size(NULL));
	kho_setup_data_add(NULL, params, pa, at);
	CHECK(!params->hdr.setup_data && !process());

	receives = true;
	params->hdr.setup_data = (unsigned long)&other;
	CHECK(kho_setup_data_size(NULL) == sizeof(*data) + 8);
	kho_setup_data_add(NULL, params, pa, at);
	data = (void *)(unsigned long)params->hdr.setup_data;
	CHECK(data == (void *)params + at && data->type == KHO_SETUP_TYPE &&
	      data->len == 8 && data->next == (unsigned long)&other);
	kho_setup_data_parse((unsigned long)data, sizeof(*data) + 8);
	CHECK(given_header == 0x123456789000);
	given_header = 0;
	kho_setup_data_parse((unsigned long)data, sizeof(*data) + 7);
	CHECK(!given_header);

	/* The decompressor offers what a good header lists, or nothing. */
	make_header();
	*(u64 *)data->data = (unsigned long)header;
	nr_wanted = 0;
	CHECK(process() && nr_offered == KHO_MAX_HOLES);
	nr_wanted = 3;
	CHECK(process() && nr_offered == 3);
	header->holes[7].size ^= 1;
	CHECK(process() && !nr_offered);
	header->magic = 0;
	CHECK(!process());
	make_header();
	data->len = 7;
	CHECK(!process());
}

int main(void)
{
	test_begin("blob");
	round_trip(0, 0);
	round_trip(1, 0);
	round_trip(0, 1);
	round_trip(5, 5);
	round_trip(1000, 500);
	test_malformed();
	test_bits();
	test_tokens();
	test_versions();
	test_image();
	test_header();
	test_record();
	test_end("%lu malformed blobs", nr_damaged);
	return 0;
}
