/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How IOMMU translation crosses a kexec. This is a contract between kernels: a
 * change needs a new IOMMU_SER_COMPATIBLE.
 *
 * The subtree "iommu" has a property IOMMU_SER_PROP_TABLE with the physical address
 * of a struct iommu_table_ser in preserved memory. It is followed by the units, the
 * domains and the devices. Each entry has a checksum of its own, so that damage is
 * damage to one device.
 *
 * The hardware's tables are preserved as they are: of each unit the root table, the
 * context tables that have an entry of a device listed here, and no other entries;
 * of each device in scalable mode the PASID directory and its first table; of each
 * domain the page table. Every table page is preserved as a single page.
 */
#ifndef _LINUX_KHO_ABI_IOMMU_H
#define _LINUX_KHO_ABI_IOMMU_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define IOMMU_SER_NAME		"iommu"
#define IOMMU_SER_COMPATIBLE	"iommu-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_IOMMU_LIVEUPDATE), "iommu-v1")
#define IOMMU_SER_PROP_TABLE	"table"
#define IOMMU_SER_MAGIC		0x6f686b2d642d7476ULL	/* "vt-d-kho" */

/* More than any machine has; keeps sums of sizes within 32 bits */
#define IOMMU_SER_MAX		65536

/**
 * struct iommu_table_ser - head of the record
 * @magic: IOMMU_SER_MAGIC
 * @nr_units: struct iommu_unit_ser that follow
 * @nr_domains: struct iommu_domain_ser that follow those
 * @nr_devices: struct iommu_device_ser that follow those
 * @reserved: 0
 * @checksum: kho_checksum() of what comes before
 */
struct iommu_table_ser {
	__u64 magic;
	__u32 nr_units;
	__u32 nr_domains;
	__u32 nr_devices;
	__u32 reserved;
	__u64 checksum;
};

#define IOMMU_UNIT_SCALABLE	1U	/* root and context tables of scalable mode */

/**
 * struct iommu_unit_ser - a remapping unit whose translation is on
 * @reg_pa: its registers
 * @root_pa: root table
 * @segment: PCI segment
 * @flags: IOMMU_UNIT_*
 * @checksum: kho_checksum() of what comes before
 */
struct iommu_unit_ser {
	__u64 reg_pa;
	__u64 root_pa;
	__u32 segment;
	__u32 flags;
	__u64 checksum;
};

/**
 * struct iommu_domain_ser - a second-level page table
 * @pgd_pa: its root
 * @agaw: 0 to 3, for 2 to 5 levels
 * @reserved: 0
 * @checksum: kho_checksum() of what comes before
 */
struct iommu_domain_ser {
	__u64 pgd_pa;
	__u32 agaw;
	__u32 reserved;
	__u64 checksum;
};

/**
 * struct iommu_device_ser - a device whose DMA goes on
 * @segment: PCI segment
 * @sid: requester id: bus and function
 * @did: the domain's id in the unit
 * @unit: index into the units
 * @domain: index into the domains
 * @pasid_dir_pa: PASID directory in scalable mode, else 0
 * @pasid_order: the directory has 1 << @pasid_order pages
 * @reserved: 0
 * @checksum: kho_checksum() of what comes before
 */
struct iommu_device_ser {
	__u32 segment;
	__u16 sid;
	__u16 did;
	__u32 unit;
	__u32 domain;
	__u64 pasid_dir_pa;
	__u32 pasid_order;
	__u32 reserved;
	__u64 checksum;
};

#endif /* _LINUX_KHO_ABI_IOMMU_H */
