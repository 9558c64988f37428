/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the handover core itself passes from one kernel to the next: the
 * record in the boot parameters, the header page and the map.
 *
 * This is a contract between two kernels that may have been built years
 * apart. A change of meaning or layout needs a new KHO_HEADER_VERSION and a new
 * KHO_BLOB_COMPATIBLE. Both would make every older kernel unreachable: a new fact
 * goes into a subtree of its own that is optional, see kho_add_optional_subtree().
 *
 * Suffixes: _pa is a physical address in bytes; _ser is a structure that lies
 * in preserved memory. All numbers are in the byte order of the machine.
 *
 * The same file is read by the kernel, by its decompressor and by user-space
 * tests; it must not depend on more than fixed-size types.
 */
#ifndef _LINUX_KHO_ABI_HANDOVER_H
#define _LINUX_KHO_ABI_HANDOVER_H

/*
 * Type of the setup_data record, far above the numbers that are given out in
 * sequence, so that kernel_info.setup_type_max tells which kernels know it.
 */
#define KHO_SETUP_TYPE		0x4b48

/* Chunk in kernel_info that lists what an image can restore: a sequence of strings */
#define KHO_KERNEL_INFO_MAGIC	0x564f484b	/* "KHOV" */

#ifndef __ASSEMBLY__

#include <linux/types.h>

/**
 * KHO_RESTORES - say that this kernel can restore a version
 * @...: first a condition: the code for it is in the kernel or in a module of this
 *	 build; then the version, a string "<owner>-v<N>": of a subtree, or of a kind
 *	 of file in a session
 *
 * One line, on a line of its own, in the header of what the version is the version
 * of; two when an older version can still be read. The build collects these lines
 * from all headers beside this one (kernel/kho/Makefile): into the boot image's
 * kernel_info, where the old kernel reads them when the image is loaded, and into
 * the kernel, which compares what it was handed.
 */
#define KHO_RESTORES(...)

/**
 * struct kho_setup_ser - payload of the setup_data record
 * @header_pa: the header page; a header without magic means that the old
 *	       kernel handed nothing over
 */
struct kho_setup_ser {
	__u64 header_pa;
};

#define KHO_HEADER_SIZE		4096
#define KHO_HEADER_MAGIC	0x6b686f2d68656164ULL
#define KHO_HEADER_VERSION	1

/**
 * struct kho_hole_ser - a physical extent without preserved memory
 * @start: physical address, page aligned
 * @size: bytes, page aligned, not 0
 */
struct kho_hole_ser {
	__u64 start;
	__u64 size;
};

/**
 * struct kho_header_ser - the header page
 * @magic: KHO_HEADER_MAGIC
 * @version: KHO_HEADER_VERSION
 * @nr_holes: entries in @holes
 * @checksum: kho_checksum() of the page with this field as 0
 * @generation: handovers since the last cold boot, this one included
 * @map_root_pa: root node of the map, 0 when no frame is preserved
 * @map_checksum: kho_checksum() of the map's nodes, see kho_map_checksum()
 * @nr_frames: preserved frames, the map's own nodes not counted
 * @nr_nodes: frames that hold the map itself
 * @blob_pa: the blob
 * @blob_size: bytes of the blob
 * @blob_checksum: kho_checksum() of the blob
 * @nr_spares: entries in @holes after the first @nr_holes
 * @padding: 0
 * @stages_pa: how long the old kernel took, see stages.h; 0 for nothing
 * @reserved: 0
 * @holes: sorted by address, not overlapping and not touching each other; then
 *	   the spares: extents without preserved memory in which the old kernel
 *	   had contiguous memory for a purpose (the crash kernel, CMA), and which
 *	   the next one is likely to want again. To be used when nothing else
 *	   fits.
 */
struct kho_header_ser {
	__u64 magic;
	__u32 version;
	__u32 nr_holes;
	__u64 checksum;
	__u64 generation;
	__u64 map_root_pa;
	__u64 map_checksum;
	__u64 nr_frames;
	__u64 nr_nodes;
	__u64 blob_pa;
	__u64 blob_size;
	__u64 blob_checksum;
	__u32 nr_spares;
	__u32 padding;
	__u64 stages_pa;
	__u64 reserved[3];
	struct kho_hole_ser holes[];
};

#define KHO_MAX_SPARES	32
#define KHO_MAX_HOLES \
	((KHO_HEADER_SIZE - sizeof(struct kho_header_ser)) / \
	 sizeof(struct kho_hole_ser))

/*
 * The map is a radix tree of 4 KiB nodes with a fixed depth. An inner node is
 * an array of physical addresses of nodes, 0 for none. A leaf describes 64 MiB:
 * one bit per frame that is preserved, and one bit for those frames at which
 * a unit (a page, a folio) begins.
 */
#define KHO_NODE_SHIFT		9
#define KHO_NODE_SLOTS		512		/* 1 << KHO_NODE_SHIFT */
#define KHO_LEAF_SHIFT		14
#define KHO_LEAF_FRAMES		16384		/* 1 << KHO_LEAF_SHIFT */
#define KHO_LEAF_WORDS		(KHO_LEAF_FRAMES / 64)
#define KHO_MAP_LEVELS		3
#define KHO_MAP_PFN_BITS	(KHO_LEAF_SHIFT + KHO_MAP_LEVELS * KHO_NODE_SHIFT)

struct kho_node_ser {
	__u64 slot_pa[KHO_NODE_SLOTS];
};

struct kho_leaf_ser {
	__u64 used[KHO_LEAF_WORDS];
	__u64 head[KHO_LEAF_WORDS];
};

/*
 * The blob is a flattened device tree: compatible = KHO_BLOB_COMPATIBLE, and
 * one node per subtree, named like it, with these properties.
 */
#define KHO_BLOB_COMPATIBLE	"kho-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_KEXEC_HANDOVER), "kho-v1")
#define KHO_PROP_COMPATIBLE	"compatible"	/* string: the subtree's version */
#define KHO_RAW_COMPATIBLE	"raw"		/* of what is no device tree */
#define KHO_PROP_FDT		"fdt"		/* u64: physical address of the subtree */
#define KHO_PROP_SIZE		"size"		/* u64: its bytes */
#define KHO_PROP_CHECKSUM	"checksum"	/* u64: kho_checksum() of it */
#define KHO_NAME_MAX		63

/**
 * kho_checksum - continue a checksum over memory
 * @sum: 0, or the result for what came before
 * @data: 8-byte aligned
 * @size: bytes; a last part of less than 8 is taken as if zeroes followed
 *
 * Detects damage, not malice. Any single flipped bit changes the result: each
 * step is a bijection of the sum.
 *
 * Return: the new sum
 */
static inline __u64 kho_checksum(__u64 sum, const void *data, __u64 size)
{
	const __u64 *word = data;
	__u64 i, tail = 0;

	for (i = 0; i < size / 8; i++) {
		sum = (sum ^ word[i]) * 0x9e3779b97f4a7c15ULL;
		sum ^= sum >> 29;
	}
	for (i = size & ~7ULL; i < size; i++)
		tail |= (__u64)((const __u8 *)data)[i] << (8 * (i & 7));
	return (sum ^ tail ^ size) * 0x9e3779b97f4a7c15ULL;
}

/**
 * kho_header_checksum - checksum of a header page, whatever its checksum field
 * @header: all KHO_HEADER_SIZE bytes of it
 */
static inline __u64 kho_header_checksum(const struct kho_header_ser *header)
{
	const __u64 before = __builtin_offsetof(struct kho_header_ser, checksum);
	const __u64 after = before + sizeof(header->checksum);
	__u64 sum = kho_checksum(0, header, before);

	return kho_checksum(sum, (const __u8 *)header + after,
			    KHO_HEADER_SIZE - after);
}

/**
 * kho_header_ok - is this a header that can be believed?
 * @header: all KHO_HEADER_SIZE bytes of it, readable
 *
 * Checks everything that can be checked without looking elsewhere.
 */
static inline int kho_header_ok(const struct kho_header_ser *header)
{
	__u64 end = 0;
	__u32 i;

	if (header->magic != KHO_HEADER_MAGIC ||
	    header->version != KHO_HEADER_VERSION ||
	    header->nr_holes > KHO_MAX_HOLES ||
	    header->nr_spares > KHO_MAX_HOLES - header->nr_holes ||
	    header->checksum != kho_header_checksum(header))
		return 0;
	if ((header->map_root_pa | header->blob_pa | header->stages_pa) &
	    (KHO_HEADER_SIZE - 1))
		return 0;
	for (i = 0; i < header->nr_holes + header->nr_spares; i++) {
		const struct kho_hole_ser *hole = &header->holes[i];

		if ((hole->start | hole->size) & (KHO_HEADER_SIZE - 1))
			return 0;
		if (!hole->size || hole->start + hole->size < hole->start)
			return 0;
		if (i && i < header->nr_holes && hole->start <= end)
			return 0;
		end = hole->start + hole->size;
	}
	return 1;
}

#endif /* __ASSEMBLY__ */
#endif /* _LINUX_KHO_ABI_HANDOVER_H */
