// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl dump: what the kernel's device trees mean, see include/linux/kho/abi/. Numbers made by
 * libfdt are big-endian; structures are as the machine has them, which is little-endian.
 */
#include <libfdt.h>
#include <linux/kho/abi/handover.h>
#include <linux/kho/abi/iommu.h>
#include <linux/kho/abi/liveupdate.h>
#include <linux/kho/abi/pci.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

/* Of struct kho_vmalloc and struct kho_test_set_ser, which only the kernel's headers have */
#define VMALLOC_SIZE	16
#define TEST_SET_SIZE	40

/* More is nothing that a kernel wrote, and would take long. */
#define TREES_MAX	1000
#define DEPTH_MAX	64

static const struct {
	const char *compatible;
	const char *words;
} trees[] = {
	{ KHO_BLOB_COMPATIBLE, "the blob: the list of subtrees" },
	{ LIVEUPDATE_COMPATIBLE, "sessions and their files" },
	{ PCI_LIVEUPDATE_COMPATIBLE, "PCI devices that go on doing DMA, and bridges above them" },
	{ IOMMU_SER_COMPATIBLE, "translation that stays in force" },
	{ "kho-test-v1", "memory of the test module" },
};

static const struct {
	const char *compatible;
	int depth;
	const char *name;
	enum value_type type;
	const char *text;
} properties[] = {
	{ KHO_BLOB_COMPATIBLE, 1, KHO_PROP_COMPATIBLE, VALUE_STRING, "version of the subtree" },
	{ KHO_BLOB_COMPATIBLE, 1, KHO_PROP_FDT, VALUE_ADDRESS, "where the subtree is" },
	{ KHO_BLOB_COMPATIBLE, 1, KHO_PROP_SIZE, VALUE_SIZE, "its bytes" },
	{ KHO_BLOB_COMPATIBLE, 1, KHO_PROP_CHECKSUM, VALUE_CHECKSUM, "its checksum" },
	{ LIVEUPDATE_COMPATIBLE, 0, LIVEUPDATE_PROP_NR, VALUE_NUMBER, "records of files" },
	{ LIVEUPDATE_COMPATIBLE, 0, LIVEUPDATE_PROP_RECORDS, VALUE_VMALLOC, "the records" },
	{ LIVEUPDATE_COMPATIBLE, 0, LIVEUPDATE_PROP_NR_FLBS, VALUE_NUMBER,
	  "records of what files have in common" },
	{ LIVEUPDATE_COMPATIBLE, 0, LIVEUPDATE_PROP_FLBS, VALUE_VMALLOC, "those records" },
	{ PCI_LIVEUPDATE_COMPATIBLE, 0, PCI_LIVEUPDATE_PROP_DEVICES, VALUE_PCI_DEVICES,
	  "devices and bridges" },
	{ PCI_LIVEUPDATE_COMPATIBLE, 0, PCI_LIVEUPDATE_PROP_RECORDS, VALUE_NATIVE_ADDRESS,
	  "records of the devices, in the same order" },
	{ PCI_LIVEUPDATE_COMPATIBLE, 0, PCI_LIVEUPDATE_PROP_SRIOV, VALUE_PCI_SRIOV,
	  "devices that can have virtual functions" },
	{ IOMMU_SER_COMPATIBLE, 0, IOMMU_SER_PROP_TABLE, VALUE_ADDRESS,
	  "units, domains and devices" },
	{ "kho-test-v1", 0, "sets", VALUE_TEST_SETS, "sets of units of memory" },
};

const char *tree_words(const char *compatible)
{
	size_t i;

	for (i = 0; compatible && i < ARRAY_SIZE(trees); i++)
		if (!strcmp(trees[i].compatible, compatible))
			return trees[i].words;
	return NULL;
}

static bool length_fits(enum value_type type, const unsigned char *value, int len)
{
	switch (type) {
	case VALUE_STRING:
		return value_is_strings(value, len) && memchr(value, 0, len) == value + len - 1;
	case VALUE_ADDRESS:
	case VALUE_SIZE:
	case VALUE_NUMBER:
	case VALUE_CHECKSUM:
	case VALUE_NATIVE_ADDRESS:
		return len == 8;
	case VALUE_VMALLOC:
		return len == VMALLOC_SIZE;
	case VALUE_PCI_DEVICES:
		return len % sizeof(struct pci_index_ser) == 0;
	case VALUE_PCI_SRIOV:
		return len % sizeof(struct pci_sriov_ser) == 0;
	case VALUE_TEST_SETS:
		return len % TEST_SET_SIZE == 0;
	default:
		return false;
	}
}

/**
 * meaning_of - what a property means
 * @compatible: of the tree, or NULL
 * @depth: of the node, 0 for the root
 * @name: of the property
 * @value: its bytes
 * @len: how many
 *
 * Return: the meaning; of a type that @value has room for
 */
struct meaning meaning_of(const char *compatible, int depth, const char *name,
			  const unsigned char *value, int len)
{
	size_t i;

	for (i = 0; compatible && i < ARRAY_SIZE(properties); i++)
		if (!strcmp(properties[i].compatible, compatible) &&
		    properties[i].depth == depth && !strcmp(properties[i].name, name) &&
		    length_fits(properties[i].type, value, len))
			return (struct meaning) { properties[i].type, properties[i].text };
	if (value_is_tree(value, len))
		return (struct meaning) { VALUE_TREE, "a tree of its own" };
	if (value_is_strings(value, len) && memchr(value, 0, len) == value + len - 1)
		return (struct meaning) { VALUE_STRING, NULL };
	return (struct meaning) { VALUE_BYTES, NULL };
}

uint32_t native_u32(const unsigned char *value)
{
	return value[0] | value[1] << 8 | value[2] << 16 | (uint32_t)value[3] << 24;
}

uint64_t native_u64(const unsigned char *value)
{
	return native_u32(value) | (uint64_t)native_u32(value + 4) << 32;
}

uint64_t value_u64(const unsigned char *value, enum value_type type)
{
	uint64_t number = 0;
	int i;

	if (type == VALUE_NATIVE_ADDRESS)
		return native_u64(value);
	for (i = 0; i < 8; i++)
		number = number << 8 | value[i];
	return number;
}

/**
 * value_is_strings - is a value one or more printable strings?
 * @value: its bytes
 * @len: how many
 */
bool value_is_strings(const unsigned char *value, int len)
{
	int i;

	if (!value || len < 2 || value[len - 1])
		return false;
	for (i = 0; i < len; i++) {
		if (!value[i] && (!i || !value[i - 1]))
			return false;
		if (value[i] && (value[i] < ' ' || value[i] > '~'))
			return false;
	}
	return true;
}

/* What libfdt does not mind: lengths that are negative as an int, and any depth. */
static const char *find_oddity(const void *fdt)
{
	int node, prop, len, depth = 0;

	for (node = 0; node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth)) {
		if (depth > DEPTH_MAX)
			return "its nodes are too deep within each other";
		fdt_for_each_property_offset(prop, fdt, node)
			if (!fdt_getprop_by_offset(fdt, prop, NULL, &len) || len < 0)
				return "a property has no length";
	}
	return NULL;
}

/* A copy, as trees have to be aligned; or NULL when it is none. */
static void *copy_tree(const unsigned char *value, size_t len)
{
	void *copy;

	if (!value || len < sizeof(struct fdt_header) ||
	    value[0] != 0xd0 || value[1] != 0x0d || value[2] != 0xfe || value[3] != 0xed)
		return NULL;
	copy = xrealloc(NULL, len);
	memcpy(copy, value, len);
	if (!fdt_check_full(copy, len) && !find_oddity(copy))
		return copy;
	free(copy);
	return NULL;
}

bool value_is_tree(const unsigned char *value, int len)
{
	void *copy = copy_tree(value, len);

	free(copy);
	return copy;
}

/* The string at the root, believed only when it is one */
static const char *root_compatible(const void *fdt)
{
	int len;
	const char *value = fdt_getprop(fdt, 0, "compatible", &len);

	return value && len > 0 && memchr(value, 0, len) ? value : NULL;
}

/**
 * dump_find - find the trees in a file
 * @bytes: its content, 8-byte aligned
 * @len: how many
 * @trees: the result, to be freed; they lie in @bytes
 * @why: set when there is none
 *
 * Trees follow each other at multiples of 8 bytes, with zeroes between.
 *
 * Return: how many, or -1
 */
int dump_find(const unsigned char *bytes, size_t len, struct tree **trees, const char **why)
{
	size_t at = 0, size;
	int nr = 0, rc;

	*trees = NULL;
	*why = NULL;
	while (len - at >= sizeof(struct fdt_header) && nr < TREES_MAX) {
		rc = fdt_check_header(bytes + at);
		size = rc ? 0 : fdt_totalsize(bytes + at);
		if (!rc && size > len - at)
			rc = -FDT_ERR_TRUNCATED;
		rc = rc ? rc : fdt_check_full(bytes + at, size);
		if (rc) {
			*why = fdt_strerror(rc);
			break;
		}
		*why = find_oddity(bytes + at);
		if (*why)
			break;
		*trees = xrealloc(*trees, (nr + 1) * sizeof(**trees));
		(*trees)[nr++] = (struct tree) {
			.fdt = bytes + at,
			.offset = at,
			.size = size,
			.compatible = root_compatible(bytes + at),
			.checksum = kho_checksum(0, bytes + at, size),
		};
		at += size;
		while (at < len && (at % 8 || !bytes[at]))
			at++;
	}
	if (!nr && !*why)
		*why = "it is too short";
	return nr ? nr : -1;
}

/**
 * tree_described - the tree that a node of a blob describes
 * @trees: of the file
 * @nr: how many
 * @fdt: the blob
 * @node: the node
 *
 * It is told by its size and checksum: where it would be in memory is not known of a file.
 *
 * Return: the tree, or NULL
 */
const struct tree *tree_described(const struct tree *trees, size_t nr, const void *fdt, int node)
{
	int size_len, sum_len;
	const void *size = fdt_getprop(fdt, node, KHO_PROP_SIZE, &size_len);
	const void *sum = fdt_getprop(fdt, node, KHO_PROP_CHECKSUM, &sum_len);
	size_t i;

	if (!size || !sum || size_len != 8 || sum_len != 8)
		return NULL;
	for (i = 0; i < nr; i++)
		if (trees[i].fdt != fdt && trees[i].size == value_u64(size, VALUE_SIZE) &&
		    trees[i].checksum == value_u64(sum, VALUE_CHECKSUM))
			return &trees[i];
	return NULL;
}
