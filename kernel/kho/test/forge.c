// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of sessions and files that are wrong, such that their checksums are right: as
 * only a kernel with a bug makes them.
 *
 * Locks: that of control.c. What is written to is final, and nobody else writes to it.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/io.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/kho/abi/memfd.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "../internal.h"
#include "../session/session.h"
#include "test.h"

/* How many records there are to be by the sessions' subtree, on a test's request */
static unsigned int records_told;

void kho_test_tell_records(void)
{
	if (records_told && kho_session_fdt())
		fdt_setprop_inplace_u64(kho_session_fdt(), 0,
					LIVEUPDATE_PROP_NR, records_told);
}

void kho_test_set_records(unsigned int nr)
{
	records_told = nr;
}

/* A byte of the record of a file, so that the checksum is right. */
int kho_test_alter_record(u64 nr, u32 offset, u8 value)
{
	struct liveupdate_record_ser *record = kho_session_record(nr);

	if (kho_get_state() != KHO_FINAL || !record ||
	    offset >= offsetof(struct liveupdate_record_ser, checksum))
		return -EINVAL;
	((u8 *)record)[offset] = value;
	record->checksum = liveupdate_record_checksum(record);
	return 0;
}

/* A word of the record of an iommufd, or of its first maps, so that checksums are right. */
int kho_test_alter_iommufd(u64 nr, bool maps, u32 offset, u32 value)
{
	struct liveupdate_record_ser *record = kho_session_record(nr);
	struct iommufd_maps_ser *unit;
	struct iommufd_ser *ser;

	if (kho_get_state() != KHO_FINAL || !record ||
	    strcmp(record->compatible, IOMMUFD_LIVEUPDATE_COMPATIBLE) ||
	    offset > PAGE_SIZE - sizeof(value))
		return -EINVAL;
	ser = phys_to_virt(record->data);
	if (!maps) {
		*(u32 *)((u8 *)ser + offset) = value;
		ser->checksum = iommufd_ser_checksum(ser);
		return 0;
	}
	if (!ser->maps_pa)
		return -EINVAL;
	unit = phys_to_virt(ser->maps_pa);
	*(u32 *)((u8 *)unit + offset) = value;
	unit->checksum = iommufd_maps_ser_checksum(unit);
	return 0;
}

#ifdef CONFIG_HUGETLBFS
/* Make the second memory in the record of a shared-memory file the first once more. */
static int repeat_memory(struct memfd_ser *ser)
{
	u64 *words = (u64 *)(ser + 1), *first = NULL;
	u64 i;

	for (i = 0; i < ser->words.nr; i++) {
		if (words[i] & MEMFD_WORD_INDEX)
			continue;
		if (first) {
			words[i] &= ~MEMFD_PFN_MASK;
			words[i] |= *first & MEMFD_PFN_MASK;
			return 0;
		}
		first = &words[i];
	}
	return -EINVAL;
}

/* Make the record of a shared-memory file wrong, such that the checksum is right. */
static int forge_memfd(struct memfd_ser *ser, const char *what, u64 bit)
{
	int rc = 0;

	if (!strcmp(what, "header"))
		((u8 *)ser)[bit / 8 % MEMFD_SER_PAGE] ^= 1 << (bit % 8);
	else if (!strcmp(what, "round"))
		ser->words.next_pa = virt_to_phys(ser);
	else if (!strcmp(what, "twice"))
		rc = repeat_memory(ser);
	else
		rc = -EINVAL;
	ser->words.checksum = kho_checksum(0, &ser->words.next_pa,
					   MEMFD_SER_PAGE - sizeof(u64));
	return rc;
}

/* Flip a bit of what a file is, such that the checksum is right. */
int kho_test_forge(const char *what, u64 nr, u64 bit)
{
	struct liveupdate_record_ser *record = kho_session_record(nr);
	struct hugetlb_file_ser *file;
	struct hugetlb_chunk_ser *chunk;

	if (kho_get_state() != KHO_FINAL || !record)
		return -EINVAL;
	if (!strcmp(record->compatible, MEMFD_COMPATIBLE))
		return forge_memfd(phys_to_virt(record->data), what, bit);
	if (strcmp(record->compatible, HUGETLB_LIVEUPDATE_COMPATIBLE))
		return -EINVAL;
	file = phys_to_virt(record->data);
	chunk = phys_to_virt(file->chunk_pa);
	if (!strcmp(what, "header")) {
		((u8 *)file)[bit / 8 % sizeof(*file)] ^= 1 << (bit % 8);
		file->checksum = hugetlb_file_checksum(file);
	} else if (!strcmp(what, "chunk") && file->chunk_pa) {
		((u8 *)chunk)[bit / 8 % sizeof(*chunk)] ^= 1 << (bit % 8);
		chunk->checksum = hugetlb_chunk_checksum(chunk);
	} else if (!strcmp(what, "twice") && file->chunk_pa) {
		chunk->entry[bit % (chunk->nr - 1) + 1].pfn = chunk->entry[0].pfn;
		chunk->checksum = hugetlb_chunk_checksum(chunk);
	} else if (!strcmp(what, "list") && file->chunk_pa) {
		((u8 *)chunk)[bit / 8 % sizeof(*chunk)] ^= 1 << (bit % 8);
	} else {
		return -EINVAL;
	}
	return 0;
}
#else
int kho_test_forge(const char *what, u64 nr, u64 bit)
{
	return -EOPNOTSUPP;
}
#endif
