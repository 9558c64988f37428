// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl dump: trees as JSON. A node is {name, properties, nodes}; a property has its bytes as hex,
 * and its value when it is known what it is.
 */
#include <libfdt.h>
#include <linux/kho/abi/pci.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

#define NESTED_MAX	4

static void json_trees(struct json *json, const char *key, const struct tree *trees, size_t nr,
		       int nested);

static void json_raw(struct json *json, const char *key, const unsigned char *value, int len)
{
	char *hex = xzalloc(2 * (size_t)len + 1);
	int i;

	for (i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", value[i]);
	json_string(json, key, hex);
	free(hex);
}

static void json_pci_devices(struct json *json, const unsigned char *value, int len)
{
	char *address;
	int i;

	json_open(json, "value", '[');
	for (i = 0; i + 8 <= len; i += 8) {
		address = xasprintf("%04x:%02x:%02x.%x", native_u32(value + i), value[i + 4],
				    value[i + 5] >> 3, value[i + 5] & 7);
		json_open(json, NULL, '{');
		json_string(json, "address", address);
		json_bool(json, "bridge", value[i + 6] & PCI_SER_BRIDGE);
		json_bool(json, "blocked", value[i + 6] & PCI_SER_BLOCKED);
		json_close(json, '}');
		free(address);
	}
	json_close(json, ']');
}

static void json_test_sets(struct json *json, const unsigned char *value, int len)
{
	int i;

	json_open(json, "value", '[');
	for (i = 0; i + 40 <= len; i += 40) {
		json_open(json, NULL, '{');
		json_u64(json, "kind", native_u32(value + i));
		json_u64(json, "order", native_u32(value + i + 4));
		json_u64(json, "units", native_u64(value + i + 8));
		json_hex(json, "list", native_u64(value + i + 24));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_strings(struct json *json, const unsigned char *value, int len)
{
	const char *s = (const char *)value;
	int at = 0, size;

	if (strnlen(s, len) == (size_t)len - 1) {
		json_string(json, "value", s);
		return;
	}
	json_open(json, "value", '[');
	for (; at < len; at += size + 1) {
		size = strnlen(s + at, len - at);
		json_bytes(json, NULL, s + at, size);
	}
	json_close(json, ']');
}

static void json_nested(struct json *json, const unsigned char *value, int len, int nested)
{
	void *copy = memcpy(xrealloc(NULL, len), value, len);
	struct tree *inner;
	const char *why;
	int nr = nested < NESTED_MAX ? dump_find(copy, len, &inner, &why) : -1;

	if (nr > 0) {
		json_trees(json, "trees", inner, nr, nested + 1);
		free(inner);
	}
	free(copy);
}

static void json_pci_sriov(struct json *json, const unsigned char *value, int len)
{
	struct pci_sriov_ser sriov;
	char *address;
	int i;

	json_open(json, "value", '[');
	for (i = 0; i + (int)sizeof(sriov) <= len; i += sizeof(sriov)) {
		memcpy(&sriov, value + i, sizeof(sriov));
		address = xasprintf("%04x:%02x:%02x.%x", sriov.where.segment, sriov.where.bus,
				    sriov.where.devfn >> 3, sriov.where.devfn & 7);
		json_open(json, NULL, '{');
		json_string(json, "address", address);
		json_u64(json, "virtual_functions", sriov.num_vfs);
		json_close(json, '}');
		free(address);
	}
	json_close(json, ']');
}

static void json_value(struct json *json, const struct meaning *meaning,
		       const unsigned char *value, int len, int nested)
{
	switch (meaning->type) {
	case VALUE_STRING:
		json_strings(json, value, len);
		break;
	case VALUE_ADDRESS:
	case VALUE_NATIVE_ADDRESS:
	case VALUE_CHECKSUM:
		json_hex(json, "value", value_u64(value, meaning->type));
		break;
	case VALUE_SIZE:
	case VALUE_NUMBER:
		json_u64(json, "value", value_u64(value, meaning->type));
		break;
	case VALUE_VMALLOC:
		json_open(json, "value", '{');
		json_hex(json, "list", native_u64(value));
		json_u64(json, "pages", native_u32(value + 8));
		json_close(json, '}');
		break;
	case VALUE_PCI_DEVICES:
		json_pci_devices(json, value, len);
		break;
	case VALUE_PCI_SRIOV:
		json_pci_sriov(json, value, len);
		break;
	case VALUE_TEST_SETS:
		json_test_sets(json, value, len);
		break;
	case VALUE_TREE:
		json_nested(json, value, len, nested);
		break;
	case VALUE_BYTES:
		break;
	}
}

static void json_properties(struct json *json, const struct tree *tree, int node, int depth,
			    int nested)
{
	struct meaning meaning;
	const void *value;
	const char *name;
	int prop, len;

	json_open(json, "properties", '[');
	fdt_for_each_property_offset(prop, tree->fdt, node) {
		value = fdt_getprop_by_offset(tree->fdt, prop, &name, &len);
		if (!value)
			continue;
		meaning = meaning_of(tree->compatible, depth, name, value, len);
		json_open(json, NULL, '{');
		json_string(json, "name", name);
		json_string(json, "meaning", meaning.text);
		json_value(json, &meaning, value, len, nested);
		json_raw(json, "bytes", value, len);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* Nodes within each other are written without recursion: how deep they are is up to the file. */
static void json_nodes(struct json *json, const struct tree *trees, size_t nr,
		       const struct tree *tree, int nested)
{
	const struct tree *described;
	int node, depth = 0, before = -1;

	json_open(json, "nodes", '[');
	for (node = 0; node >= 0 && depth >= 0; node = fdt_next_node(tree->fdt, node, &depth)) {
		for (; before >= depth; before--) {
			json_close(json, ']');
			json_close(json, '}');
		}
		before = depth;
		json_open(json, NULL, '{');
		json_string(json, "name", fdt_get_name(tree->fdt, node, NULL));
		described = tree_described(trees, nr, tree->fdt, node);
		if (described)
			json_u64(json, "tree_at", described->offset);
		json_properties(json, tree, node, depth, nested);
		json_open(json, "nodes", '[');
	}
	for (; before >= 0; before--) {
		json_close(json, ']');
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_trees(struct json *json, const char *key, const struct tree *trees, size_t nr,
		       int nested)
{
	size_t i;

	json_open(json, key, '[');
	for (i = 0; i < nr; i++) {
		json_open(json, NULL, '{');
		json_u64(json, "offset", trees[i].offset);
		json_u64(json, "size", trees[i].size);
		json_string(json, "compatible", trees[i].compatible);
		json_string(json, "meaning", tree_words(trees[i].compatible));
		json_nodes(json, trees, nr, &trees[i], nested);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/**
 * dump_json - print trees as JSON
 * @to: where to
 * @trees: the trees of a file
 * @nr: how many
 */
void dump_json(FILE *to, const struct tree *trees, size_t nr)
{
	struct json json = { .to = to };

	json_open(&json, NULL, '{');
	json_trees(&json, "trees", trees, nr, 0);
	json_close(&json, '}');
}
