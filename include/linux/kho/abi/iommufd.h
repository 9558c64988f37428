/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an iommufd crosses a kexec. This is a contract between kernels: a change
 * needs a new IOMMUFD_LIVEUPDATE_COMPATIBLE.
 *
 * The file's data in the session is the physical address of a preserved unit of
 * @pages pages: a struct iommufd_ser with the list of objects behind it. The list
 * says what there was; what was mapped is not in it, @extra_pa is where it will
 * be. Translation itself crosses in the IOMMU's own record.
 */
#ifndef _LINUX_KHO_ABI_IOMMUFD_H
#define _LINUX_KHO_ABI_IOMMUFD_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define IOMMUFD_LIVEUPDATE_COMPATIBLE	"iommufd-v1"

#define IOMMUFD_SER_MAX_PAGES		256

#define IOMMUFD_SER_IOAS		1
#define IOMMUFD_SER_HWPT		2
#define IOMMUFD_SER_DEVICE		3

/* The device is no PCI device. */
#define IOMMUFD_SER_NO_BDF		(~0ULL)

/**
 * struct iommufd_object_ser - an object of an iommufd
 * @type: IOMMUFD_SER_*
 * @id: as userspace knew it
 * @parent: id of a page table's address space, or of the page table that a device
 *	    is attached to; else 0
 * @flags: 0
 * @bdf: of a device: segment << 16 | bus << 8 | devfn; else 0
 * @extra_pa: 0
 */
struct iommufd_object_ser {
	__u32 type;
	__u32 id;
	__u32 parent;
	__u32 flags;
	__u64 bdf;
	__u64 extra_pa;
};

/**
 * struct iommufd_ser - an iommufd
 * @checksum: kho_checksum() of what comes after, to the last object
 * @pages: of the unit, a power of 2
 * @nr: objects
 * @account_mode: how locked memory was accounted, as the option
 *		  IOMMU_OPTION_RLIMIT_MODE says: 0 by user, 1 by process
 * @flags: 0
 * @reserved: 0
 * @object: in ascending order of id
 */
struct iommufd_ser {
	__u64 checksum;
	__u32 pages;
	__u32 nr;
	__u32 account_mode;
	__u32 flags;
	__u64 reserved[5];
	struct iommufd_object_ser object[];
};

/* Of an intact header, or with @nr checked against @pages. */
static inline __u64 iommufd_ser_checksum(const struct iommufd_ser *ser)
{
	return kho_checksum(0, &ser->pages,
			    sizeof(*ser) - sizeof(ser->checksum) +
			    ser->nr * sizeof(ser->object[0]));
}

#endif /* _LINUX_KHO_ABI_IOMMUFD_H */
