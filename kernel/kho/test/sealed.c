// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is sealed: where it lies, and flipping a bit of it, as hardware might.
 *
 * Locks: that of control.c. Whoever asks sees to it that the state stays.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/io.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "../internal.h"
#include "../session/session.h"
#include "test.h"

/* NAME is an owner's subtree, NAME:PROP a page that it has the address of. */
static void *find_sealed(const char *what, size_t *size)
{
	const char *prop = strchr(what, ':');
	const fdt64_t *pa;
	char name[32];
	void *fdt;
	int len;

	snprintf(name, sizeof(name), "%.*s",
		 prop ? (int)(prop - what) : (int)strlen(what), what);
	fdt = kho_out_fdt(name);
	if (!fdt)
		return NULL;
	*size = fdt_totalsize(fdt);
	if (!prop)
		return fdt;
	pa = fdt_getprop(fdt, 0, prop + 1, &len);
	if (!pa || len != sizeof(*pa))
		return NULL;
	*size = PAGE_SIZE;
	return phys_to_virt(fdt64_to_cpu(*pa));
}

/* The byte of what is sealed in which a bit is, NULL if there is no such thing. */
static u8 *sealed_byte(const char *what, u64 *bit)
{
	struct liveupdate_record_ser __maybe_unused *record;
	struct kho_node_ser *node = kho_out_map.root;
	size_t size = PAGE_SIZE;
	u8 *target;
	int level;

	if (kho_get_state() != KHO_FINAL)
		return NULL;
	if (!strcmp(what, "header")) {
		target = phys_to_virt(kho_header_pa());
	} else if (!strcmp(what, "stages")) {
		target = phys_to_virt(kho_stages_pa());
	} else if (!strcmp(what, "root")) {
		target = (u8 *)node;
	} else if (!strcmp(what, "leaf")) {
		for (level = 0; level < KHO_MAP_LEVELS; level++) {
			u64 i = 0;

			while (!node->slot_pa[i])
				i++;
			node = phys_to_virt(node->slot_pa[i]);
		}
		target = (u8 *)node;
	} else if (!strcmp(what, "blob")) {
		struct kho_header_ser *header = phys_to_virt(kho_header_pa());

		target = phys_to_virt(header->blob_pa);
		size = fdt_totalsize(target);
#ifdef CONFIG_LIVEUPDATE
	} else if (!strcmp(what, "sessions") && kho_session_fdt()) {
		target = kho_session_fdt();
		size = fdt_totalsize(target);
	} else if (!strcmp(what, "record") &&
		   kho_session_record(*bit / (8 * sizeof(*record)))) {
		record = kho_session_record(*bit / (8 * sizeof(*record)));
		target = (u8 *)record;
		size = sizeof(*record);
	} else if (!strcmp(what, "data") &&
		   kho_session_record(*bit / (8 * PAGE_SIZE))) {
		record = kho_session_record(*bit / (8 * PAGE_SIZE));
		target = phys_to_virt(record->data);
#endif
	} else if (!strcmp(what, "subtree") && kho_test_subtree) {
		target = kho_test_subtree;
		size = fdt_totalsize(target);
	} else {
		target = find_sealed(what, &size);
		if (!target)
			return NULL;
	}
	*bit %= size * 8;
	return target + *bit / 8;
}

/* Flip a bit of what is sealed. */
int kho_test_corrupt(const char *what, u64 bit)
{
	u8 *byte = sealed_byte(what, &bit);

	if (!byte)
		return -EINVAL;
	*byte ^= 1 << (bit % 8);
	return 0;
}

/* Say where something lies that is sealed. */
int kho_test_where(const char *what)
{
	u64 bit = 0;
	u8 *byte = sealed_byte(what, &bit);

	if (!byte || !virt_addr_valid(byte))
		return -EINVAL;
	pr_info("%s lies at %#llx\n", what, (u64)virt_to_phys(byte));
	return 0;
}
