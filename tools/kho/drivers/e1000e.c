// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for Intel's 82574L as QEMU emulates it (e1000e), see intel_ring.h.
 *
 * Legacy descriptors, one queue each way, everything that comes is received.
 */
#include "e1000e_regs.h"
#include "intel_ring.h"

static int start(struct nic *nic)
{
	if (intel_reset(nic) || intel_wait_for(nic, STATUS, STATUS_LU, STATUS_LU))
		return -1;

	intel_start_tx(nic);
	intel_set(nic, TCTL, TCTL_EN | TCTL_PSP);
	intel_set(nic, RFCTL, 0);
	intel_start_rx(nic);
	intel_set(nic, RCTL,
		  RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_BSIZE_1024 | RCTL_SECRC);
	return 0;
}

static void interrupts(struct nic *nic)
{
	intel_set(nic, IVAR, IVAR_RXQ0_VECTOR0);
	/* The cause clears itself; without IAME its mask bit would do so too. */
	intel_set(nic, EIAC, INT_RXQ0);
	intel_set(nic, CTRL_EXT, intel_get(nic, CTRL_EXT) | CTRL_EXT_EIAME | CTRL_EXT_IAME);
	intel_set(nic, IMS, INT_RXQ0);
}

const struct intel_nic e1000e = {
	.driver = {
		INTEL_RING_DRIVER,
		.id = 0x10d38086,
		.start = start,
		.interrupts = interrupts,
	},
	.rx = RDBAL,
	.tx = TDBAL,
};
