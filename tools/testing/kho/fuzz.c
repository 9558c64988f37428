// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arbitrary bytes for everything that a kernel reads before it believes it: the
 * header page with its holes, the blob, the map, and the image to be loaded.
 *
 * A libFuzzer target; the Makefile gives its functions the names that they need.
 * The first byte of an input says what the others are; a bit of it asks for
 * checksums that fit, to get behind them. With --seeds=DIRECTORY it writes inputs
 * to begin with, of things as they should be, and ends.
 */
#include "../../../kernel/kho/map.c"
#include "../../../kernel/kho/holes.c"
#include "../../../kernel/kho/blob.c"
#include "../../../kernel/kho/versions.c"
#include "../../../arch/x86/kernel/kho.c"

#include "lib.h"

enum { HEADER, BLOB, MAP, IMAGE, NR_KINDS };
#define FITTING		0x80

bool kho_image_receives(const struct kimage *image)
{
	return !!image;
}

phys_addr_t kho_image_header(const struct kimage *image)
{
	return (unsigned long)image;
}

void kho_early_setup(phys_addr_t header_pa)
{
}

static void try_header(const u8 *data, size_t size, bool fitting)
{
	struct kho_header_ser *header = calloc(1, KHO_HEADER_SIZE);
	unsigned int i;

	memcpy(header, data, min_t(size_t, size, KHO_HEADER_SIZE));
	if (fitting)
		header->checksum = kho_header_checksum(header);
	if (kho_header_ok(header)) {
		const struct kho_hole_ser *hole = header->holes;
		const unsigned int nr = header->nr_holes;
		u64 place;

		for (i = 0; i < 8; i++) {
			u64 align = 1ULL << (header->reserved[0] >> (i * 6) & 63);
			u64 extent = header->reserved[1] >> (i * 7);
			u64 end = header->reserved[2] << i;
			u64 start = header->nr_nodes >> i;

			place = kho_holes_fit(hole, nr, start, end, extent, align,
					      i & 1);
			CHECK(!place || (place >= start && place < end &&
					 !(place & (align - 1)) &&
					 extent <= end - place));
			CHECK(!place || !extent ||
			      kho_holes_cover(hole, nr, place, place + extent));
			kho_holes_cover(hole, nr, start, end);
			kho_holes_fit(hole + nr, header->nr_spares, start, end,
				      extent, align, i & 1);
		}
	}
	free(header);
}

static void try_blob(const u8 *data, size_t size)
{
	struct kho_subtree *subtree;
	LIST_HEAD(got);
	void *blob = malloc(size);

	memcpy(blob, data, size);
	if (!kho_blob_read(blob, size, &got)) {
		list_for_each_entry(subtree, &got, list) {
			CHECK(strnlen(subtree->name, KHO_NAME_MAX + 1) <= KHO_NAME_MAX);
			CHECK(strnlen(subtree->compatible, KHO_NAME_MAX + 1) <=
			      KHO_NAME_MAX);
			CHECK(PAGE_ALIGNED(subtree->fdt_pa) && subtree->size);
			kho_reads((const char *)data, size, subtree->compatible, NULL);
		}
	}
	CHECK(size || list_empty(&got));
	kho_blob_free(&got);
	free(blob);
}

/*
 * A blob in which nodes and lengths fit, so that what is in it comes to be looked
 * at. The bytes are steps: what comes next, its length, and what it holds.
 */
static void try_made_blob(const u8 *data, size_t size)
{
	static const char *const props[] = { "compatible", "fdt", "size", "checksum" };
	static char blob[1 << 16], value[256];
	int rc;

	fdt_create(blob, sizeof(blob));
	fdt_finish_reservemap(blob);
	fdt_begin_node(blob, "");
	while (size >= 2) {
		u8 what = data[0];
		size_t len = min_t(size_t, data[1], size - 2);

		memcpy(value, data + 2, len);
		value[len] = 0;
		data += 2 + len;
		size -= 2 + len;
		switch (what % 8) {
		case 0:
			rc = fdt_begin_node(blob, value);
			break;
		case 1:
			rc = fdt_end_node(blob);
			break;
		default:
			rc = fdt_property(blob, props[what % 4], value, len);
			break;
		}
		if (rc)
			return;
	}
	/* What is still open is closed. */
	while (fdt_finish(blob))
		if (fdt_end_node(blob))
			return;
	try_blob((u8 *)blob, fdt_totalsize(blob));
}

/*
 * The nodes are pages of the arena; the bytes say what they hold, in steps of
 *   page, u16 index of the word, operation, u32 value.
 */
#define NR_NODES	12
#define STEP		8

static phys_addr_t approved[2048];
static unsigned int nr_approved;

static bool readable(phys_addr_t pa)
{
	if (!arena_has(pa) || nr_approved == ARRAY_SIZE(approved))
		return false;
	approved[nr_approved++] = pa;
	return true;
}

static bool was_approved(phys_addr_t pa)
{
	unsigned int i;

	for (i = 0; i < nr_approved; i++)
		if (approved[i] == pa)
			return true;
	return false;
}

static void set_word(u64 *const *node, const u8 *step)
{
	u16 index = (step[1] | step[2] << 8) % KHO_NODE_SLOTS;
	u64 *word = &node[step[0] % NR_NODES][index];
	u64 value;
	u32 given;

	memcpy(&given, step + 4, sizeof(given));
	value = given;
	switch (step[3] & 7) {
	case 0 ... 2:	/* a good reference */
		value = virt_to_phys(node[value % NR_NODES]);
		break;
	case 3:		/* mark a frame, with its head or without */
		*word |= BIT_ULL(value % 64);
		if (index < KHO_LEAF_WORDS && !(step[3] & 0x80))
			word[KHO_LEAF_WORDS] |= BIT_ULL(value % 64);
		return;
	case 4:
		value <<= 32;
		break;
	case 5:
		value = ~value;
		break;
	}
	*word = value;
}

static void try_map(const u8 *data, size_t size, bool fitting)
{
	static u64 page[KHO_HEADER_SIZE / 8];
	struct kho_header_ser *header = (void *)page;
	struct kho_map map = KHO_MAP_INIT(map);
	const unsigned long last = 1UL << KHO_MAP_PFN_BITS;
	u64 *node[NR_NODES];
	unsigned long pfn = 0;
	unsigned int i;

	if (size < STEP)
		return;
	for (i = 0; i < NR_NODES; i++)
		node[i] = kho_alloc_pages(0);
	memset(header, 0, KHO_HEADER_SIZE);
	header->map_root_pa = virt_to_phys(node[0]) + data[0] * (u64)(data[1] == 77);
	header->nr_nodes = data[2];
	header->nr_frames = data[3] | data[4] << 8;
	memcpy(&header->map_checksum, data, 8);
	for (data += STEP, size -= STEP; size >= STEP; data += STEP, size -= STEP)
		set_word(node, data);

	/* Only what it looks at may be followed; then any checksum can be made. */
	nr_approved = 0;
	arena_guard = was_approved;
	for (i = 0; i < 2; i++) {
		struct adoption adoption = {
			.readable = readable,
			.nodes_left = header->nr_nodes,
		};
		struct node_walk walk = { .fn = check_node, .arg = &adoption };

		if (!kho_map_adopt(&map, header, readable))
			break;
		CHECK(!map.root);
		if (!fitting || !readable(header->map_root_pa))
			break;
		map.root = phys_to_virt(header->map_root_pa);
		if (map_walk(&map, &walk)) {
			map.root = NULL;
			break;
		}
		map.root = NULL;
		header->nr_nodes -= adoption.nodes_left;
		header->nr_frames = adoption.nr_used - header->nr_nodes;
		header->map_checksum = adoption.sum;
		nr_approved = 0;
	}
	for (i = 0; map.root && i < 64; i++) {
		unsigned long nr;

		pfn = kho_map_next_used(&map, pfn, last);
		if (pfn == last)
			break;
		nr = kho_map_unit(&map, pfn);
		CHECK(!nr || kho_map_covers(&map, pfn, nr));
		CHECK(kho_map_take(&map, pfn, 1, 0) == -EBUSY);
		pfn += max(nr, 1UL);
	}
	arena_guard = NULL;
	for (i = 0; i < NR_NODES; i++)
		free_page((unsigned long)node[i]);
}

/* The loader has seen that it is a bzImage: as long as its first two sectors. */
static void try_image(const u8 *data, size_t size)
{
	size_t len = max_t(size_t, size, 1024), list_size;
	char *image = calloc(1, len);
	const char *list;

	memcpy(image, data, size);
	if (!kho_arch_image_versions(image, len, &list, &list_size)) {
		/* All of it can be read. */
		CHECK(!list_size || memchr(list, list[list_size - 1], list_size));
		kho_reads(list, list_size, "kho-test-v1", NULL);
	}
	free(image);
}

int fuzz_one_input(const u8 *data, size_t size)
{
	u8 kind;

	if (!size)
		return 0;
	kind = *data++;
	size--;
	switch ((kind & ~FITTING) % NR_KINDS) {
	case HEADER:
		try_header(data, size, kind & FITTING);
		break;
	case BLOB:
		if (kind & FITTING)
			try_made_blob(data, size);
		else
			try_blob(data, size);
		break;
	case MAP:
		try_map(data, size, kind & FITTING);
		break;
	case IMAGE:
		try_image(data, size);
		break;
	}
	return 0;
}

/*
 * Inputs to begin with
 */

static void put_seed(const char *dir, const char *name, u8 kind, const void *data,
		     size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	CHECK(file && fputc(kind, file) != EOF);
	CHECK(fwrite(data, 1, size, file) == size && !fclose(file));
}

static void seed_header(const char *dir)
{
	static u64 page[KHO_HEADER_SIZE / 8];
	struct kho_header_ser *header = (void *)page;
	unsigned int i;

	header->magic = KHO_HEADER_MAGIC;
	header->version = KHO_HEADER_VERSION;
	header->nr_holes = 3;
	header->map_root_pa = 0x10000;
	header->blob_pa = 0x11000;
	for (i = 0; i < header->nr_holes; i++) {
		header->holes[i].start = (i * 16ULL + 1) << 20;
		header->holes[i].size = 15 << 20;
	}
	header->reserved[0] = 12;
	header->reserved[1] = 1 << 20;
	header->reserved[2] = 1 << 30;
	header->checksum = kho_header_checksum(header);
	put_seed(dir, "header", HEADER, page, sizeof(page));
	put_seed(dir, "header-short", HEADER | FITTING, page,
		 offsetof(struct kho_header_ser, holes[3]));

	header->nr_holes = KHO_MAX_HOLES;
	for (i = 0; i < header->nr_holes; i++) {
		header->holes[i].start = (i * 2ULL + 1) << PAGE_SHIFT;
		header->holes[i].size = PAGE_SIZE;
	}
	put_seed(dir, "header-full", HEADER | FITTING, page, sizeof(page));
}

static void seed_blob(const char *dir)
{
	static const u8 steps[] = {
		4, 7, 'k', 'h', 'o', '-', 'v', '1', 0,
		0, 1, 'a',
		4, 5, 'a', '-', 'v', '1', 0,
		5, 8, 0, 0, 0, 0, 0, 1, 0, 0,
		6, 8, 0, 0, 0, 0, 0, 0, 0, 1,
		7, 8, 1, 2, 3, 4, 5, 6, 7, 8,
		1, 0,
	};
	struct kho_subtree a = {
		.name = "kho-test", .compatible = "kho-test-v1",
		.fdt_pa = 0x12345000, .size = 4096, .checksum = 1,
	};
	struct kho_subtree b = {
		.name = "b", .compatible = "b-v2", .fdt_pa = 0x1000, .size = 1,
	};
	LIST_HEAD(own);
	LIST_HEAD(inherited);
	char buf[1024];

	CHECK(!kho_blob_write(buf, sizeof(buf), &own, &inherited));
	put_seed(dir, "blob-empty", BLOB, buf, fdt_totalsize(buf));
	list_add_tail(&a.list, &own);
	list_add_tail(&b.list, &inherited);
	CHECK(!kho_blob_write(buf, sizeof(buf), &own, &inherited));
	put_seed(dir, "blob", BLOB, buf, fdt_totalsize(buf));
	put_seed(dir, "blob-made", BLOB | FITTING, steps, sizeof(steps));
}

/* A leaf below three inner nodes, in which these four are marked. */
static void seed_map(const char *dir)
{
	unsigned long pfn;
	u8 bytes[STEP * 16] = { 0, 0, 4 }, *step = bytes + STEP;
	unsigned int i, index, nodes[NR_NODES];
	u64 *node[NR_NODES];

	for (i = 0; i < NR_NODES; i++)
		node[i] = kho_alloc_pages(0);
	pfn = virt_to_phys(node[0]) >> PAGE_SHIFT;
	for (i = 0; i < 3; i++, step += STEP) {
		index = slot_index(pfn, 2 - i);
		step[0] = i;
		step[1] = index;
		step[2] = index >> 8;
		step[4] = i + 1;
	}
	for (i = 0; i < 4; i++, step += STEP) {
		nodes[i] = virt_to_phys(node[i]) >> PAGE_SHIFT;
		index = nodes[i] % KHO_LEAF_FRAMES / 64;
		step[0] = 3;
		step[1] = index;
		step[2] = index >> 8;
		step[3] = 3;
		step[4] = nodes[i] % 64;
	}
	for (i = 0; i < 2; i++, step += STEP) {
		step[0] = 3;
		step[3] = 3;
		step[4] = i * 5;
	}
	for (i = 0; i < NR_NODES; i++)
		free_page((unsigned long)node[i]);
	put_seed(dir, "map", MAP | FITTING, bytes, step - bytes);
	put_seed(dir, "map-sum", MAP, bytes, step - bytes);
}

static void seed_image(const char *dir)
{
	static u8 image[2048];
	struct setup_header *header =
		(void *)(image + offsetof(struct boot_params, hdr));
	struct kernel_info *info = (void *)(image + 1024 + 16);
	struct version_chunk *chunk = (void *)(info + 1);

	header->setup_sects = 1;
	header->version = 0x020f;
	header->kernel_info_offset = 16;
	memcpy(info->magic, "LToP", 4);
	info->size = sizeof(*info);
	info->size_total = sizeof(*info) + sizeof(*chunk) + 12;
	info->setup_type_max = SETUP_INDIRECT | KHO_SETUP_TYPE;
	chunk->magic = KHO_KERNEL_INFO_MAGIC;
	chunk->size = sizeof(*chunk) + 12;
	memcpy(chunk->versions, "kho-test-v1", 12);
	put_seed(dir, "image", IMAGE, image, 1024 + 16 + info->size_total);
}

int fuzz_initialize(int *argc, char ***argv)
{
	int i;

	test_begin("fuzz");
	arena_init(NR_NODES, 1UL << 20, 3);
	for (i = 1; i < *argc; i++) {
		const char *arg = (*argv)[i];

		if (strncmp(arg, "--seeds=", 8))
			continue;
		seed_header(arg + 8);
		seed_blob(arg + 8);
		seed_map(arg + 8);
		seed_image(arg + 8);
		exit(0);
	}
	return 0;
}
