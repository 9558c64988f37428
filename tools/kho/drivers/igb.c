// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers for Intel's 82576 as QEMU emulates it (igb), see intel_ring.h: for the physical
 * function, and for virtual functions, which receive what it receives.
 *
 * The physical function has the pair of queues of the last pool, which no virtual function
 * is given: the device has one more than it can have virtual functions of here.
 */
#include <errno.h>

#include <kho_vfio.h>

#include "e1000e_regs.h"
#include "intel_ring.h"

/* Registers, besides those of its predecessor */
#define MDIC		0x0020		/* the way to the PHY's registers */
#define  MDIC_RESTART		0x04201200	/* write its control: negotiate again */
#define  MDIC_READY		0x10000000
#define VFRE		0x0c8c		/* a bit for each pool that receives, */
#define VFTE		0x0c90		/* and sends */
#define MRQC		0x5818
#define  MRQC_POOLS		3
#define VT_CTL		0x581c
#define  VT_CTL_POOL_SHIFT	7		/* for what belongs to no pool */
#define VMOLR(pool)	(0x5ad0 + 4 * (pool))
#define  VMOLR_UNTAGGED		0x01000000
#define  VMOLR_BROADCAST	0x08000000
#define RAL		0x5400
#define RAH		0x5404
#define  RAH_POOL(pool)		(0x00040000U << (pool))
#define  RAH_VALID		0x80000000U

/* The address that all frames are sent to */
#define ADDRESS_LOW	0x00000002
#define ADDRESS_HIGH	0x0100

#define OWN_POOL	7
#define VFS_MAX		OWN_POOL

/* Its queues; those of a virtual function are where its predecessor's are. */
#define OWN_RX		(0xc000 + 0x40 * OWN_POOL)
#define OWN_TX		(0xe000 + 0x40 * OWN_POOL)

/* What comes goes to this pool, too. */
static void enable_pool(struct nic *nic, unsigned int pool)
{
	intel_set(nic, VMOLR(pool), VMOLR_UNTAGGED | VMOLR_BROADCAST);
	intel_set(nic, RAH, intel_get(nic, RAH) | RAH_POOL(pool));
	intel_set(nic, VFRE, intel_get(nic, VFRE) | 1U << pool);
	intel_set(nic, VFTE, intel_get(nic, VFTE) | 1U << pool);
}

static int start(struct nic *nic)
{
	if (intel_reset(nic))
		return -1;
	intel_set(nic, MDIC, MDIC_RESTART);
	if (intel_wait_for(nic, MDIC, MDIC_READY, MDIC_READY) ||
	    intel_wait_for(nic, STATUS, STATUS_LU, STATUS_LU))
		return -1;
	intel_set(nic, MRQC, MRQC_POOLS);
	intel_set(nic, VT_CTL, OWN_POOL << VT_CTL_POOL_SHIFT);
	intel_set(nic, RAL, ADDRESS_LOW);
	intel_set(nic, RAH, RAH_VALID | ADDRESS_HIGH);
	enable_pool(nic, OWN_POOL);
	intel_start_tx(nic);
	intel_set(nic, TCTL, TCTL_EN | TCTL_PSP);
	intel_start_rx(nic);
	intel_set(nic, RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
	return 0;
}

/* Its reset has taken away what it had. */
static int enable_vf(struct nic *nic, unsigned int vf)
{
	if (vf < 1 || vf > VFS_MAX) {
		errno = EINVAL;
		return -1;
	}
	enable_pool(nic, vf - 1);
	return 0;
}

static int start_vf(struct nic *nic)
{
	if (kho_vfio_set_master(nic->fd, true))
		return -1;
	intel_start_rx(nic);
	return 0;
}

const struct intel_nic igb = {
	.driver = {
		INTEL_RING_DRIVER,
		.id = 0x10c98086,
		.start = start,
		.enable_vf = enable_vf,
	},
	.rx = OWN_RX,
	.tx = OWN_TX,
	.advanced = true,
};

const struct intel_nic igb_vf = {
	.driver = {
		INTEL_RING_DRIVER,
		.id = 0x10ca8086,
		.start = start_vf,
	},
	.rx = RDBAL,
	.advanced = true,
};
