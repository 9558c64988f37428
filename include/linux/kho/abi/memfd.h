/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a shared-memory file crosses a kexec. This is a contract between kernels: a
 * change needs a new MEMFD_COMPATIBLE.
 *
 * The record of the session carries the physical address of a page with a struct
 * memfd_ser. What lies where in the file is told by words, which follow in this
 * page and in a list of further ones; there may be a second list, of what was added
 * to holes later. A word is either a place in the file, where the next memory goes,
 * or memory, after which the place is behind it. A list begins at place 0; places
 * grow within it, and no place is in both.
 */
#ifndef _LINUX_KHO_ABI_MEMFD_H
#define _LINUX_KHO_ABI_MEMFD_H

#include <linux/bits.h>
#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define MEMFD_COMPATIBLE	"memfd-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_LIVEUPDATE), "memfd-v1")
#define MEMFD_SER_PAGE		4096

/* Bit 63 set: bits 0 to 51 are an index, in pages */
#define MEMFD_WORD_INDEX	BIT_ULL(63)
#define MEMFD_INDEX_MASK	((1ULL << 52) - 1)

/*
 * Bit 63 clear: memory. Bits 0 to 39 are the first frame, bits 40 to 55 how many
 * folios follow each other, less one, and bits 56 to 60 their order.
 */
#define MEMFD_PFN_BITS		40
#define MEMFD_PFN_MASK		((1ULL << MEMFD_PFN_BITS) - 1)
#define MEMFD_RUN_MAX		BIT(16)
#define MEMFD_ORDER_SHIFT	56
#define MEMFD_ORDER_MASK	0x1f

/**
 * struct memfd_words_ser - beginning of every page of the record
 * @checksum: kho_checksum() of the page with this field as 0
 * @next_pa: the next page, 0 after the last
 * @nr: how many words it has
 */
struct memfd_words_ser {
	__u64 checksum;
	__u64 next_pa;
	__u64 nr;
};

/**
 * struct memfd_ser - first page of the record
 * @words: see there
 * @size: bytes of the file
 * @pos: file position
 * @nr_pages: pages that have memory
 * @tail_pa: first page of the second list, or 0
 * @seals: F_SEAL_*
 * @mode: permission bits
 * @flags: O_* flags of the descriptor
 * @reserved: 0
 * @name: of the file, the rest filled with zeroes
 */
struct memfd_ser {
	struct memfd_words_ser words;
	__u64 size;
	__u64 pos;
	__u64 nr_pages;
	__u64 tail_pa;
	__u32 seals;
	__u32 mode;
	__u32 flags;
	__u32 reserved;
	char name[256];
};

#define MEMFD_MORE_WORDS \
	((MEMFD_SER_PAGE - sizeof(struct memfd_words_ser)) / sizeof(__u64))

#endif /* _LINUX_KHO_ABI_MEMFD_H */
