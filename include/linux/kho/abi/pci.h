/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How PCI devices that go on doing DMA cross a kexec, and the bridges above them.
 * This is a contract between kernels: a change needs a new PCI_LIVEUPDATE_COMPATIBLE.
 *
 * The subtree's root node has:
 *   compatible  PCI_LIVEUPDATE_COMPATIBLE
 *   devices     array of struct pci_index_ser, no device twice, may be empty, at
 *		 most PCI_SER_MAX_DEVICES entries
 *   records     u64: physical address of an array of struct pci_dev_ser, one for
 *		 each entry of devices, in the same order; 0 when there is none
 *   sriov       array of struct pci_sriov_ser, one for each of these devices that can
 *		 have virtual functions; may be absent
 *
 * The array of records is one preserved folio. Each record has a checksum of its
 * own, so that damage to one concerns one device; which one is known from the
 * subtree, which has the blob's checksum.
 */
#ifndef _LINUX_KHO_ABI_PCI_H
#define _LINUX_KHO_ABI_PCI_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define PCI_LIVEUPDATE_NAME		"pci"
#define PCI_LIVEUPDATE_COMPATIBLE	"pci-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_PCI_LIVEUPDATE), "pci-v1")

/* That, and devices with PCI_SER_ATS; needed only when there is one */
#define PCI_LIVEUPDATE_ATS		"pci-ats-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_PCI_LIVEUPDATE) && IS_ENABLED(CONFIG_PCI_ATS), "pci-ats-v1")

/* That, and virtual functions with the device that has them; needed only when there are any */
#define PCI_LIVEUPDATE_SRIOV		"pci-sriov-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_PCI_LIVEUPDATE) && IS_ENABLED(CONFIG_PCI_IOV), "pci-sriov-v1")

#define PCI_LIVEUPDATE_PROP_DEVICES	"devices"
#define PCI_LIVEUPDATE_PROP_RECORDS	"records"
#define PCI_LIVEUPDATE_PROP_SRIOV	"sriov"

#define PCI_SER_MAX_DEVICES	4096

/* What is handed over, as numbers that never change; one of the first two */
#define PCI_SER_ENDPOINT	0x01	/* does DMA */
#define PCI_SER_BRIDGE		0x02	/* is above one that does */
#define PCI_SER_BLOCKED		0x04	/* could not be restored: bus master is off */
#define PCI_SER_KINDS		0x07

/**
 * struct pci_index_ser - where a device is
 * @segment: PCI segment (domain)
 * @bus: bus number
 * @devfn: device and function
 * @kind: PCI_SER_*
 * @reserved: 0
 */
struct pci_index_ser {
	__u32 segment;
	__u8 bus;
	__u8 devfn;
	__u8 kind;
	__u8 reserved;
};

#define PCI_SER_HEADER_WORDS	16
#define PCI_SER_ROM		6
#define PCI_SER_NR_BARS		7

/* What enumeration finds out by writing to the device */
#define PCI_SER_INTX_MASK_BROKEN	0x01	/* INTx cannot be disabled */
#define PCI_SER_IO_WINDOW		0x02	/* a bridge has an I/O window, */
#define PCI_SER_PREF_WINDOW		0x04	/* a prefetchable one, */
#define PCI_SER_PREF_64_WINDOW		0x08	/* that can be above 4 GiB */
#define PCI_SER_ATS			0x10	/* ATS is on; PCI_LIVEUPDATE_ATS is needed */
#define PCI_SER_VF			0x20	/* is virtual; PCI_LIVEUPDATE_SRIOV is needed */
#define PCI_SER_FLAGS			0x3f

/**
 * struct pci_dev_ser - a device or bridge as the old kernel left it
 * @checksum: kho_checksum() of what comes after
 * @where: as in the index
 * @header: the first 64 bytes of its configuration space, the status registers as
 *	    0: ids, class, command, BARs; a bridge's bus numbers and windows. Of a virtual
 *	    function the ids are those that its physical function gives it
 * @bar_size: bytes of the BARs and, with index PCI_SER_ROM, of the expansion ROM;
 *	      0 if there is none. The upper half of a 64-bit BAR counts as none
 * @msi_cap: where the MSI capability is, or 0
 * @msi_ctrl: its message control
 * @msix_cap: where the MSI-X capability is, or 0
 * @msix_ctrl: its message control
 * @flags: PCI_SER_*
 * @reserved: 0
 */
struct pci_dev_ser {
	__u64 checksum;
	struct pci_index_ser where;
	__u32 header[PCI_SER_HEADER_WORDS];
	__u64 bar_size[PCI_SER_NR_BARS];
	__u16 msi_cap;
	__u16 msi_ctrl;
	__u16 msix_cap;
	__u16 msix_ctrl;
	__u32 flags;
	__u32 reserved;
};

#define PCI_SER_NR_VF_BARS	6

/**
 * struct pci_sriov_ser - the SR-IOV capability of a device that can have virtual functions
 * @where: as in the index
 * @ctrl: the control register
 * @num_vfs: virtual functions that are enabled
 * @offset: from the device's routing id to that of the first one
 * @stride: from one to the next
 * @page_size: the register, one bit
 * @last_bus: the highest bus number that it can need, 0 when that is not known
 * @bar: the registers
 * @bar_size: bytes of each BAR of one virtual function; 0 if there is none. The upper half
 *	      of a 64-bit BAR counts as none
 *
 * The checksum is the blob's.
 */
struct pci_sriov_ser {
	struct pci_index_ser where;
	__u16 ctrl;
	__u16 num_vfs;
	__u16 offset;
	__u16 stride;
	__u32 page_size;
	__u32 last_bus;
	__u32 bar[PCI_SER_NR_VF_BARS];
	__u64 bar_size[PCI_SER_NR_VF_BARS];
};

static inline __u64 pci_dev_ser_checksum(const struct pci_dev_ser *record)
{
	return kho_checksum(0, &record->where,
			    sizeof(*record) - sizeof(record->checksum));
}

#endif /* _LINUX_KHO_ABI_PCI_H */
