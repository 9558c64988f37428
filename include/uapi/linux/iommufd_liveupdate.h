/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What an iommufd that was retrieved from a session offers besides the ordinary
 * calls: a list of what the old kernel's iommufd held, and making it again. See
 * Documentation/userspace-api/liveupdate.rst for the order of things.
 *
 * All this ends when the session is finished. On an iommufd that was not retrieved
 * every call gives ENOTTY.
 */
#ifndef _UAPI_IOMMUFD_LIVEUPDATE_H
#define _UAPI_IOMMUFD_LIVEUPDATE_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/iommufd.h>

/* Far from the numbers that linux/iommufd.h is still going to give out. */
enum {
	IOMMUFD_CMD_RESTORE_LIST = 0xf0,
	IOMMUFD_CMD_RESTORE_AREAS = 0xf1,
	IOMMUFD_CMD_RESTORE_IOAS = 0xf2,
};

/**
 * enum iommu_restore_type - what an object was
 * @IOMMU_RESTORE_TYPE_IOAS: an address space
 * @IOMMU_RESTORE_TYPE_HWPT: a page table that maps an address space
 * @IOMMU_RESTORE_TYPE_DEVICE: a device that was bound
 */
enum iommu_restore_type {
	IOMMU_RESTORE_TYPE_IOAS = 1,
	IOMMU_RESTORE_TYPE_HWPT = 2,
	IOMMU_RESTORE_TYPE_DEVICE = 3,
};

/**
 * enum iommu_restore_flags - more about an object
 * @IOMMU_RESTORE_AUTO: the page table was made by attaching a device to an address
 *			space, not by IOMMU_HWPT_ALLOC
 * @IOMMU_RESTORE_PRESERVED: the address space was recorded with what was mapped,
 *			     because a preserved device was attached to it; or the
 *			     page table, or the device, is such a one
 * @IOMMU_RESTORE_TRACKS_DIRTY: dirty tracking was on in the page table, and is in the
 *				one that IOMMU_RESTORE_IOAS made
 */
enum iommu_restore_flags {
	IOMMU_RESTORE_AUTO = 1 << 0,
	IOMMU_RESTORE_PRESERVED = 1 << 1,
	IOMMU_RESTORE_TRACKS_DIRTY = 1 << 2,
};

/**
 * struct iommu_restore_object - an object of the old kernel's iommufd
 * @type: enum iommu_restore_type
 * @flags: enum iommu_restore_flags
 * @old_id: its id in the old kernel
 * @parent: old id of a page table's address space, or of the page table that a
 *	    device was attached to; 0 for none
 * @new_id: an address space's or page table's id now that IOMMU_RESTORE_IOAS made
 *	    it again, else 0
 * @hwpt_flags: of a page table, the flags of IOMMU_HWPT_ALLOC
 * @bdf: of a PCI device segment << 16 | bus << 8 | devfn, of another one all ones;
 *	 else 0
 */
struct iommu_restore_object {
	__u32 type;
	__u32 flags;
	__u32 old_id;
	__u32 parent;
	__u32 new_id;
	__u32 hwpt_flags;
	__aligned_u64 bdf;
};

/**
 * struct iommu_restore_list - ioctl(IOMMU_RESTORE_LIST)
 * @size: sizeof(struct iommu_restore_list)
 * @flags: 0
 * @first: number of the first object wanted, from 0
 * @count: in: room in @objects; out: how many there are from @first on, which may
 *	   be more than were written
 * @objects: userspace array of struct iommu_restore_object, in ascending order of
 *	     old id
 *
 * What the old kernel's iommufd held.
 *
 * Errors: ENOTTY: the iommufd was not retrieved from a session, or that session is
 * finished. EOPNOTSUPP: @flags. EFAULT.
 */
struct iommu_restore_list {
	__u32 size;
	__u32 flags;
	__u32 first;
	__u32 count;
	__aligned_u64 objects;
};

#define IOMMU_RESTORE_LIST _IO(IOMMUFD_TYPE, IOMMUFD_CMD_RESTORE_LIST)

/**
 * struct iommu_restore_area - something that was mapped
 * @iova: where
 * @length: bytes
 * @token: of the file, in the session
 * @offset: in the file, bytes
 * @flags: enum iommufd_ioas_map_flags
 * @source: areas of all address spaces with the same number were mapped at once or
 *	    copied from one another, and are accounted once
 */
struct iommu_restore_area {
	__aligned_u64 iova;
	__aligned_u64 length;
	__aligned_u64 token;
	__aligned_u64 offset;
	__u32 flags;
	__u32 source;
};

/**
 * struct iommu_restore_areas - ioctl(IOMMU_RESTORE_AREAS)
 * @size: sizeof(struct iommu_restore_areas)
 * @flags: 0
 * @old_id: an address space
 * @first: number of the first area wanted, from 0
 * @count: in: room in @areas; out: how many there are from @first on, which may be
 *	   more than were written
 * @__reserved: 0
 * @areas: userspace array of struct iommu_restore_area, in ascending order of iova
 *
 * What was mapped in an address space with IOMMU_RESTORE_PRESERVED.
 *
 * Errors: as IOMMU_RESTORE_LIST, and ENOENT: there is no such address space.
 */
struct iommu_restore_areas {
	__u32 size;
	__u32 flags;
	__u32 old_id;
	__u32 first;
	__u32 count;
	__u32 __reserved;
	__aligned_u64 areas;
};

#define IOMMU_RESTORE_AREAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_RESTORE_AREAS)

/**
 * struct iommu_restore_ioas - ioctl(IOMMU_RESTORE_IOAS)
 * @size: sizeof(struct iommu_restore_ioas)
 * @flags: 0
 * @old_id: an address space with IOMMU_RESTORE_PRESERVED
 * @out_ioas_id: out: its new id
 *
 * Make an address space again: its allowed ranges, what was mapped, as
 * IOMMU_IOAS_MAP_FILE maps it, accounted to the caller, and its page tables with the
 * pages pinned. IOMMU_RESTORE_LIST tells their new ids. Devices that were attached to
 * them have to be bound to this iommufd before; the translation that has been in
 * force for them since the old kernel must be exactly what the new page tables say.
 * Nothing changes for a device until it is attached: to the new page table, or, if
 * that has IOMMU_RESTORE_AUTO, to the new address space. What it had made dirty, and
 * nobody asked for, is reported as dirty from then on.
 *
 * Where it fails, nothing has changed, and it may be tried again.
 *
 * Errors: as IOMMU_RESTORE_LIST, and ENOENT: there is no such address space. EEXIST:
 * it was made already. ENXIO: a device is not bound, or a file of the session cannot
 * be retrieved. EINVAL: files, record and the translation in force do not agree; the
 * kernel log says where. ENOMEM: also when RLIMIT_MEMLOCK is too small. EOPNOTSUPP:
 * also when the IOMMU cannot do any more what a page table was for.
 */
struct iommu_restore_ioas {
	__u32 size;
	__u32 flags;
	__u32 old_id;
	__u32 out_ioas_id;
};

#define IOMMU_RESTORE_IOAS _IO(IOMMUFD_TYPE, IOMMUFD_CMD_RESTORE_IOAS)

#endif /* _UAPI_IOMMUFD_LIVEUPDATE_H */
