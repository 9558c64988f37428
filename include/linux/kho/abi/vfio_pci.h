/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the descriptor of a PCI device that is bound to vfio-pci crosses a kexec.
 * This is a contract between kernels: a change needs a new
 * VFIO_PCI_LIVEUPDATE_COMPATIBLE.
 *
 * The file's data in the session is the physical address of a preserved unit of
 * VFIO_PCI_SER_SIZE bytes: a struct vfio_pci_ser. Which device it is was written at
 * preserve, twice; the state of what vfio-pci emulates at finalize. Each has a
 * checksum of its own, so that with one of them damaged the device can still be
 * found, and be given up.
 */
#ifndef _LINUX_KHO_ABI_VFIO_PCI_H
#define _LINUX_KHO_ABI_VFIO_PCI_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define VFIO_PCI_LIVEUPDATE_COMPATIBLE	"vfio-pci-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_VFIO_PCI_LIVEUPDATE), "vfio-pci-v1")

/* That, and INTx can be set up before the session is finished; needed with INTx only */
#define VFIO_PCI_LIVEUPDATE_INTX	"vfio-pci-intx-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_VFIO_PCI_LIVEUPDATE), "vfio-pci-intx-v1")

#define VFIO_PCI_SER_CONFIG_MAX		4096
#define VFIO_PCI_SER_NR_REGIONS		7	/* BARs and ROM */
#define VFIO_PCI_SER_SIZE		8192

/* Which interrupts userspace had set up */
#define VFIO_PCI_SER_IRQ_NONE		0
#define VFIO_PCI_SER_IRQ_MSI		1
#define VFIO_PCI_SER_IRQ_MSIX		2
#define VFIO_PCI_SER_IRQ_INTX		3	/* VFIO_PCI_LIVEUPDATE_INTX is needed */

/* struct vfio_pci_state_ser.flags */
#define VFIO_PCI_SER_VIRQ_DISABLED	0x1
#define VFIO_PCI_SER_BARDIRTY		0x2
#define VFIO_PCI_SER_FLAGS		0x3

/**
 * struct vfio_pci_id_ser - which device
 * @segment: PCI domain
 * @bdf: bus << 8 | devfn
 * @vendor: as the device says
 * @device: as the device says
 * @subsystem_vendor: as the device says
 * @subsystem_device: as the device says
 * @class: base class, subclass and interface
 * @config_size: of its configuration space: 256 or 4096
 * @flags: 0
 * @iommufd_token: by which its iommufd is known in the session
 * @reserved: 0
 * @checksum: kho_checksum() of what comes before
 */
struct vfio_pci_id_ser {
	__u32 segment;
	__u32 bdf;
	__u16 vendor;
	__u16 device;
	__u16 subsystem_vendor;
	__u16 subsystem_device;
	__u32 class;
	__u32 config_size;
	__u64 flags;
	__u64 iommufd_token;
	__u64 reserved[4];
	__u64 checksum;
};

/**
 * struct vfio_pci_state_ser - what is emulated for userspace
 * @irq_type: VFIO_PCI_SER_IRQ_*
 * @nr_irqs: vectors that had an eventfd
 * @flags: VFIO_PCI_SER_*
 * @msi_qmax: as struct vfio_pci_core_device has it
 * @rbar: the real base addresses, for restoring them after a reset
 * @reserved0: 0
 * @region_size: bytes of each region; 0: there is none
 * @vf_token: what users of its virtual functions have to know; 0 when there are none. Only a
 *	      kernel that knows "pci-sriov-v1" gets another one
 * @reserved: 0
 * @vconfig: configuration space as userspace sees it where it is emulated
 * @checksum: kho_checksum() of what comes before
 */
struct vfio_pci_state_ser {
	__u32 irq_type;
	__u32 nr_irqs;
	__u32 flags;
	__u32 msi_qmax;
	__u32 rbar[VFIO_PCI_SER_NR_REGIONS];
	__u32 reserved0;
	__u64 region_size[VFIO_PCI_SER_NR_REGIONS];
	__u8 vf_token[16];
	__u64 reserved[2];
	__u8 vconfig[VFIO_PCI_SER_CONFIG_MAX];
	__u64 checksum;
};

/**
 * struct vfio_pci_ser - the whole
 * @id: which device
 * @state: what is emulated
 * @id_copy: as @id
 */
struct vfio_pci_ser {
	struct vfio_pci_id_ser id;
	struct vfio_pci_state_ser state;
	struct vfio_pci_id_ser id_copy;
};

static inline __u64 vfio_pci_id_checksum(const struct vfio_pci_id_ser *id)
{
	return kho_checksum(0, id, __builtin_offsetof(struct vfio_pci_id_ser,
						      checksum));
}

static inline __u64
vfio_pci_state_checksum(const struct vfio_pci_state_ser *state)
{
	return kho_checksum(0, state,
			    __builtin_offsetof(struct vfio_pci_state_ser,
					       checksum));
}

#endif /* _LINUX_KHO_ABI_VFIO_PCI_H */
