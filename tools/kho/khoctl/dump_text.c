// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl dump: trees as text for people, and as DTS for dtc.
 */
#include <libfdt.h>
#include <linux/kho/abi/pci.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

/* A value that holds a tree that holds a tree ... */
#define NESTED_MAX	4
#define BYTES_SHOWN	32

static void print_tree(FILE *to, const struct tree *trees, size_t nr, const struct tree *tree,
		       int indent, int nested);

static void print_pci_devices(FILE *to, const unsigned char *value, int len, int indent)
{
	int i;

	for (i = 0; i + 8 <= len; i += 8)
		fprintf(to, "\n%*s%04x:%02x:%02x.%x %s%s", indent, "", native_u32(value + i),
			value[i + 4], value[i + 5] >> 3, value[i + 5] & 7,
			value[i + 6] & PCI_SER_BRIDGE ? "bridge" : "device",
			value[i + 6] & PCI_SER_BLOCKED ? ", blocked" : "");
}

static void print_test_sets(FILE *to, const unsigned char *value, int len, int indent)
{
	static const char * const kinds[] = { "?", "folio", "pages", "range", "vmalloc" };
	uint32_t kind;
	int i;

	for (i = 0; i + 40 <= len; i += 40) {
		kind = native_u32(value + i);
		fprintf(to, "\n%*s%s, order %u, %llu units, listed from %#llx", indent, "",
			kinds[kind < ARRAY_SIZE(kinds) ? kind : 0], native_u32(value + i + 4),
			(unsigned long long)native_u64(value + i + 8),
			(unsigned long long)native_u64(value + i + 24));
	}
}

static void print_bytes(FILE *to, const unsigned char *value, int len)
{
	int i;

	for (i = 0; i < len && i < BYTES_SHOWN; i++)
		fprintf(to, "%s%02x", i ? " " : "", value[i]);
	if (len > BYTES_SHOWN)
		fprintf(to, " ... (%d bytes)", len);
}

static void print_strings(FILE *to, const unsigned char *value, int len)
{
	int at = 0, size;

	for (; at < len; at += size + 1) {
		size = strnlen((const char *)value + at, len - at);
		fputs(at ? ", \"" : "\"", to);
		put_safe(to, (const char *)value + at, size);
		fputc('"', to);
	}
}

static void print_nested(FILE *to, const unsigned char *value, int len, int indent, int nested)
{
	void *copy = memcpy(xrealloc(NULL, len), value, len);
	struct tree *inner;
	const char *why;
	int nr = nested < NESTED_MAX ? dump_find(copy, len, &inner, &why) : -1;

	fputc('\n', to);
	if (nr > 0) {
		print_tree(to, inner, nr, inner, indent, nested + 1);
		free(inner);
	} else {
		fprintf(to, "%*s(not shown: too deep)\n", indent, "");
	}
	free(copy);
}

static void print_pci_sriov(FILE *to, const unsigned char *value, int len, int indent)
{
	struct pci_sriov_ser sriov;
	int i;

	for (i = 0; i + (int)sizeof(sriov) <= len; i += sizeof(sriov)) {
		memcpy(&sriov, value + i, sizeof(sriov));
		fprintf(to, "\n%*s%04x:%02x:%02x.%x %u virtual functions", indent, "",
			sriov.where.segment, sriov.where.bus, sriov.where.devfn >> 3,
			sriov.where.devfn & 7, sriov.num_vfs);
	}
}

static void print_value(FILE *to, const struct meaning *meaning, const unsigned char *value,
			int len, int indent, int nested)
{
	char text[32];

	switch (meaning->type) {
	case VALUE_STRING:
		print_strings(to, value, len);
		break;
	case VALUE_ADDRESS:
	case VALUE_NATIVE_ADDRESS:
	case VALUE_CHECKSUM:
		fprintf(to, "%#llx", (unsigned long long)value_u64(value, meaning->type));
		break;
	case VALUE_SIZE:
		fprintf(to, "%llu (%s)", (unsigned long long)value_u64(value, meaning->type),
			format_bytes(text, value_u64(value, meaning->type)));
		break;
	case VALUE_NUMBER:
		fprintf(to, "%llu", (unsigned long long)value_u64(value, meaning->type));
		break;
	case VALUE_VMALLOC:
		fprintf(to, "%u pages, listed from %#llx", native_u32(value + 8),
			(unsigned long long)native_u64(value));
		break;
	case VALUE_PCI_DEVICES:
		fprintf(to, "%d", len / 8);
		print_pci_devices(to, value, len, indent + 4);
		break;
	case VALUE_PCI_SRIOV:
		fprintf(to, "%zu", len / sizeof(struct pci_sriov_ser));
		print_pci_sriov(to, value, len, indent + 4);
		break;
	case VALUE_TEST_SETS:
		fprintf(to, "%d", len / 40);
		print_test_sets(to, value, len, indent + 4);
		break;
	case VALUE_TREE:
		print_nested(to, value, len, indent + 4, nested);
		return;
	case VALUE_BYTES:
		print_bytes(to, value, len);
		break;
	}
	fputc('\n', to);
}

static void print_properties(FILE *to, const struct tree *tree, int node, int depth, int indent,
			     int nested)
{
	struct meaning meaning;
	const void *value;
	const char *name;
	int prop, len, at;

	fdt_for_each_property_offset(prop, tree->fdt, node) {
		value = fdt_getprop_by_offset(tree->fdt, prop, &name, &len);
		if (!value)
			continue;
		meaning = meaning_of(tree->compatible, depth, name, value, len);
		fprintf(to, "%*s", indent, "");
		put_safe(to, name, strlen(name));
		at = strlen(name) < 12 ? 12 - strlen(name) : 1;
		fprintf(to, "%*s", at, "");
		print_value(to, &meaning, value, len, indent, nested);
		if (meaning.text && meaning.type != VALUE_TREE)
			fprintf(to, "%*s(%s)\n", indent + 12, "", meaning.text);
	}
}

static void print_tree(FILE *to, const struct tree *trees, size_t nr, const struct tree *tree,
		       int indent, int nested)
{
	const char *words = tree_words(tree->compatible), *name;
	const struct tree *described;
	int node, depth = 0;

	fprintf(to, "%*stree of %zu bytes at offset %zu: ", indent, "", tree->size, tree->offset);
	if (words)
		fprintf(to, "%s\n", words);
	else
		fputs("of a kind that is not known here\n", to);
	for (node = 0; node >= 0 && depth >= 0; node = fdt_next_node(tree->fdt, node, &depth)) {
		int in = indent + 2 + 2 * (depth < 40 ? depth : 40);

		if (node) {
			name = fdt_get_name(tree->fdt, node, NULL);
			fprintf(to, "%*s", in - 2, "");
			put_safe(to, name ? name : "?", name ? strlen(name) : 1);
			fputc('\n', to);
		}
		print_properties(to, tree, node, depth, in, nested);
		described = tree_described(trees, nr, tree->fdt, node);
		if (described)
			fprintf(to, "%*sis the tree at offset %zu, by its checksum\n", in, "",
				described->offset);
	}
}

/**
 * dump_text - print trees for people
 * @to: where to
 * @trees: the trees of a file
 * @nr: how many
 */
void dump_text(FILE *to, const struct tree *trees, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		print_tree(to, trees, nr, &trees[i], 0, 0);
}

static void indent_by(FILE *to, int depth)
{
	for (; depth > 0; depth--)
		fputc('\t', to);
}

/* Names that DTS cannot have, such as an empty one, are left out with a comment. */
static bool dts_name(const char *name, size_t max)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,._+?#-@";
	size_t len = strlen(name);

	return len && len <= max && strspn(name, allowed) == len;
}

static void dts_value(FILE *to, const unsigned char *value, int len)
{
	int at, size, i;

	if (value_is_strings(value, len)) {
		fputs(" = ", to);
		for (at = 0; at < len; at += size + 1) {
			fputs(at ? ", \"" : "\"", to);
			size = strnlen((const char *)value + at, len - at);
			for (i = at; i < at + size; i++)
				fprintf(to, value[i] == '"' || value[i] == '\\' ? "\\%c" : "%c",
					value[i]);
			fputc('"', to);
		}
	} else if (len && len % 4 == 0 && len <= 16) {
		for (i = 0; i < len; i += 4)
			fprintf(to, "%s0x%02x%02x%02x%02x", i ? " " : " = <", value[i],
				value[i + 1], value[i + 2], value[i + 3]);
		fputc('>', to);
	} else if (len) {
		for (i = 0; i < len; i++)
			fprintf(to, "%s%02x", i ? " " : " = [", value[i]);
		fputc(']', to);
	}
}

static void dts_properties(FILE *to, const struct tree *tree, int node, int depth)
{
	const char *name, *text;
	struct meaning meaning;
	const void *value;
	int prop, len;

	fdt_for_each_property_offset(prop, tree->fdt, node) {
		value = fdt_getprop_by_offset(tree->fdt, prop, &name, &len);
		if (!value)
			continue;
		indent_by(to, depth + 1);
		if (!dts_name(name, 63) || strchr(name, '@')) {
			fputs("/* a property whose name cannot be written */\n", to);
			continue;
		}
		fputs(name, to);
		dts_value(to, value, len);
		meaning = meaning_of(tree->compatible, depth, name, value, len);
		text = meaning.text;
		fprintf(to, text ? ";\t/* %s */\n" : ";\n", text);
	}
}

/* Closes the nodes between two depths. */
static void dts_close(FILE *to, int from, int until)
{
	for (; from >= until; from--) {
		indent_by(to, from);
		fputs("};\n", to);
	}
}

/**
 * dump_dts - print a tree as dtc reads it
 * @to: where to
 * @tree: the tree
 */
void dump_dts(FILE *to, const struct tree *tree)
{
	int node, depth = 0, before = -1;
	const char *name;

	fputs("/dts-v1/;\n\n", to);
	for (node = 0; node >= 0 && depth >= 0; node = fdt_next_node(tree->fdt, node, &depth)) {
		dts_close(to, before, depth);
		before = depth;
		indent_by(to, depth);
		name = fdt_get_name(tree->fdt, node, NULL);
		if (!node)
			fputs("/ {\n", to);
		else if (name && dts_name(name, 63))
			fprintf(to, "%s {\n", name);
		else
			fprintf(to, "unnamed@%x {\t/* its name cannot be written */\n", node);
		dts_properties(to, tree, node, depth);
	}
	dts_close(to, before, 0);
}
