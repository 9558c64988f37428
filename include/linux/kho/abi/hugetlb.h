/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a file of huge pages (a memfd with MFD_HUGETLB, or a file on hugetlbfs)
 * crosses a kexec. This is a contract between kernels: a change needs a new
 * HUGETLB_LIVEUPDATE_COMPATIBLE.
 *
 * The file's data in the session is the physical address of a page with a struct
 * hugetlb_file_ser. Its pages are listed in a chain of pages, in ascending order
 * of index; what is not listed is a hole. Each page listed is preserved as one
 * unit, and so is each page of metadata.
 */
#ifndef _LINUX_KHO_ABI_HUGETLB_H
#define _LINUX_KHO_ABI_HUGETLB_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define HUGETLB_LIVEUPDATE_COMPATIBLE	"hugetlb-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_LIVEUPDATE) && IS_ENABLED(CONFIG_HUGETLBFS), "hugetlb-v1")

#define HUGETLB_NAME_SIZE	256

/**
 * struct hugetlb_file_ser - a file of huge pages
 * @size: bytes
 * @pos: position of the descriptor
 * @flags: O_RDONLY, O_WRONLY or O_RDWR
 * @mode: permissions
 * @seals: F_SEAL_*
 * @page_shift: a huge page has 1 << @page_shift bytes
 * @nr: huge pages, all chunks together
 * @chunk_pa: first struct hugetlb_chunk_ser, 0 when @nr is 0
 * @name: of the file, the rest filled with zeroes
 * @checksum: kho_checksum() of what comes before
 */
struct hugetlb_file_ser {
	__u64 size;
	__u64 pos;
	__u32 flags;
	__u32 mode;
	__u32 seals;
	__u32 page_shift;
	__u64 nr;
	__u64 chunk_pa;
	__u8 name[HUGETLB_NAME_SIZE];
	__u64 checksum;
};

/**
 * struct hugetlb_entry_ser - one huge page
 * @index: where in the file, in huge pages
 * @pfn: its first frame
 */
struct hugetlb_entry_ser {
	__u64 index;
	__u64 pfn;
};

#define HUGETLB_CHUNK_SIZE	4096
#define HUGETLB_CHUNK_ENTRIES	254

/**
 * struct hugetlb_chunk_ser - a part of the list of huge pages
 * @checksum: kho_checksum() of what comes after, to the end of the page
 * @next_pa: next chunk, 0 for the last
 * @nr: entries in use, not 0
 * @reserved: 0
 * @entry: the entries, zeroes behind those in use
 */
struct hugetlb_chunk_ser {
	__u64 checksum;
	__u64 next_pa;
	__u64 nr;
	__u64 reserved;
	struct hugetlb_entry_ser entry[HUGETLB_CHUNK_ENTRIES];
};

static inline __u64 hugetlb_file_checksum(const struct hugetlb_file_ser *file)
{
	return kho_checksum(0, file, __builtin_offsetof(struct hugetlb_file_ser,
							checksum));
}

static inline __u64 hugetlb_chunk_checksum(const struct hugetlb_chunk_ser *chunk)
{
	return kho_checksum(0, &chunk->next_pa,
			    HUGETLB_CHUNK_SIZE - sizeof(chunk->checksum));
}

#endif /* _LINUX_KHO_ABI_HUGETLB_H */
