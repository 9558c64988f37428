/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an iommufd crosses a kexec. This is a contract between kernels: a change
 * needs a new IOMMUFD_LIVEUPDATE_COMPATIBLE.
 *
 * The file's data in the session is the physical address of a preserved unit of
 * @pages pages: a struct iommufd_ser with the list of objects behind it. What was
 * mapped in address spaces that preserved devices were attached to is in a chain of
 * further units, each a struct iommufd_maps_ser of IOMMUFD_MAPS_SER_PAGES pages.
 *
 * The list of pinned pages is not there: the page tables, which cross in the IOMMU's
 * own record, are that list, and files cross with their pages in theirs.
 */
#ifndef _LINUX_KHO_ABI_IOMMUFD_H
#define _LINUX_KHO_ABI_IOMMUFD_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define IOMMUFD_LIVEUPDATE_COMPATIBLE	"iommufd-v2"
KHO_RESTORES(IS_ENABLED(CONFIG_IOMMUFD_LIVEUPDATE), "iommufd-v2")

/* That, and page tables with flags; needed only when there is one */
#define IOMMUFD_LIVEUPDATE_HWPT_FLAGS	"iommufd-hwpt-flags-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_IOMMUFD_LIVEUPDATE), "iommufd-hwpt-flags-v1")

#define IOMMUFD_SER_MAX_PAGES		256

/* In units of 4 KiB */
#define IOMMUFD_MAPS_SER_PAGES		8
#define IOMMUFD_MAPS_SER_MAPS						\
	((IOMMUFD_MAPS_SER_PAGES * 4096 - sizeof(struct iommufd_maps_ser)) / \
	 sizeof(struct iommufd_map_ser))

#define IOMMUFD_SER_IOAS		1
#define IOMMUFD_SER_HWPT		2
#define IOMMUFD_SER_DEVICE		3

/* The device is no PCI device. */
#define IOMMUFD_SER_NO_BDF		(~0ULL)

/* A page table that was made by attaching to its address space */
#define IOMMUFD_SER_AUTO		0x1U
/* Frozen for a preserved device; an address space with its maps */
#define IOMMUFD_SER_PRESERVED		0x2U
/* An address space that was told to use no large pages */
#define IOMMUFD_SER_SMALL_PAGES		0x4U
/* A page table that kept track of what is dirty */
#define IOMMUFD_SER_TRACKS_DIRTY	0x8U
#define IOMMUFD_SER_FLAGS					\
	(IOMMUFD_SER_AUTO | IOMMUFD_SER_PRESERVED |		\
	 IOMMUFD_SER_SMALL_PAGES | IOMMUFD_SER_TRACKS_DIRTY)

/* Of a page table, as userspace says it to IOMMU_HWPT_ALLOC */
#define IOMMUFD_SER_HWPT_NEST_PARENT	0x1U
#define IOMMUFD_SER_HWPT_DIRTY		0x2U
#define IOMMUFD_SER_HWPT_FLAGS \
	(IOMMUFD_SER_HWPT_NEST_PARENT | IOMMUFD_SER_HWPT_DIRTY)

/**
 * struct iommufd_object_ser - an object of an iommufd
 * @type: IOMMUFD_SER_*
 * @id: as userspace knew it
 * @parent: id of a page table's address space, or of the page table that a device
 *	    is attached to; else 0
 * @flags: IOMMUFD_SER_AUTO and following
 * @bdf: of a device: segment << 16 | bus << 8 | devfn; else 0
 * @hwpt_flags: of a page table that was not made by attaching, IOMMUFD_SER_HWPT_*
 *		and IOMMUFD_LIVEUPDATE_HWPT_FLAGS is needed; else 0
 * @reserved: 0
 */
struct iommufd_object_ser {
	__u32 type;
	__u32 id;
	__u32 parent;
	__u32 flags;
	__u64 bdf;
	__u32 hwpt_flags;
	__u32 reserved;
};

/**
 * struct iommufd_ser - an iommufd
 * @checksum: kho_checksum() of what comes after, to the last object
 * @pages: of the unit, a power of 2
 * @nr: objects
 * @account_mode: how locked memory was accounted, as the option
 *		  IOMMU_OPTION_RLIMIT_MODE says: 0 by user, 1 by process
 * @nr_sources: numbers of sources that maps have, from 0
 * @maps_pa: the first struct iommufd_maps_ser, 0 when there is none
 * @nr_maps: maps in all of them
 * @reserved: 0
 * @object: in ascending order of id
 */
struct iommufd_ser {
	__u64 checksum;
	__u32 pages;
	__u32 nr;
	__u32 account_mode;
	__u32 nr_sources;
	__u64 maps_pa;
	__u64 nr_maps;
	__u64 reserved[3];
	struct iommufd_object_ser object[];
};

#define IOMMUFD_MAP_SER_READ		0x1U
#define IOMMUFD_MAP_SER_WRITE		0x2U
/* The source may be mapped for writing. */
#define IOMMUFD_MAP_SER_WRITABLE	0x4U
/* No map, but iovas that may be mapped: iova is the first, offset the last one. */
#define IOMMUFD_MAP_SER_ALLOWED		0x8U

/**
 * struct iommufd_map_ser - a map
 * @iova: where
 * @length: bytes
 * @token: of the file, in the session
 * @offset: in the file, bytes
 * @source_start: the source, which is the part of the file that was mapped at once,
 *		  and of which this may be a part: where it begins, bytes
 * @source_length: bytes
 * @ioas: id of the address space, which has IOMMUFD_SER_PRESERVED
 * @source: number of the source; the same for all its maps, as are the two above
 * @flags: IOMMUFD_MAP_SER_*
 * @reserved: 0
 *
 * Of maps, everything in bytes is a multiple of the page size.
 */
struct iommufd_map_ser {
	__u64 iova;
	__u64 length;
	__u64 token;
	__u64 offset;
	__u64 source_start;
	__u64 source_length;
	__u32 ioas;
	__u32 source;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct iommufd_maps_ser - a unit of maps
 * @checksum: kho_checksum() of what comes after, to the last map
 * @next_pa: the next unit, 0 after the last
 * @nr: maps here, IOMMUFD_MAPS_SER_MAPS in all units but the last
 * @reserved: 0
 * @map: ordered by address space; of each, the allowed ranges first, then the maps,
 *	 in ascending order of iova
 */
struct iommufd_maps_ser {
	__u64 checksum;
	__u64 next_pa;
	__u32 nr;
	__u32 reserved[3];
	struct iommufd_map_ser map[];
};

/* Objects that there is room for */
static inline __u32 iommufd_ser_room(__u32 pages)
{
	return (pages * 4096 - sizeof(struct iommufd_ser)) /
	       sizeof(struct iommufd_object_ser);
}

/* Of an intact header, or with @nr checked against @pages. */
static inline __u64 iommufd_ser_checksum(const struct iommufd_ser *ser)
{
	return kho_checksum(0, &ser->pages,
			    sizeof(*ser) - sizeof(ser->checksum) +
			    ser->nr * sizeof(ser->object[0]));
}

/* With @nr checked against IOMMUFD_MAPS_SER_MAPS. */
static inline __u64 iommufd_maps_ser_checksum(const struct iommufd_maps_ser *ser)
{
	return kho_checksum(0, &ser->next_pa,
			    sizeof(*ser) - sizeof(ser->checksum) +
			    ser->nr * sizeof(ser->map[0]));
}

#endif /* _LINUX_KHO_ABI_IOMMUFD_H */
