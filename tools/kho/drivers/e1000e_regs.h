/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers of Intel's 82574L have to know of it: registers with the bits that are
 * used, and descriptors. For the driver over vfio (e1000e.c) and for the guest of the
 * sample VMM (guest.c), which has no library.
 */
#ifndef KHO_E1000E_REGS_H
#define KHO_E1000E_REGS_H

#include <stdint.h>

/* Registers */
#define CTRL		0x0000
#define  CTRL_SLU		0x00000040	/* set link up */
#define  CTRL_RST		0x04000000
#define STATUS		0x0008
#define  STATUS_LU		0x00000002
#define CTRL_EXT	0x0018
#define  CTRL_EXT_EIAME		0x01000000
#define  CTRL_EXT_IAME		0x08000000
#define IMS		0x00d0
#define IMC		0x00d8
#define EIAC		0x00dc
#define  INT_RXQ0		0x00100000
#define IVAR		0x00e4
#define  IVAR_RXQ0_VECTOR0	8		/* valid, vector 0 */
#define RCTL		0x0100
#define  RCTL_EN		0x00000002
#define  RCTL_UPE		0x00000008	/* all unicast frames */
#define  RCTL_MPE		0x00000010	/* all multicast frames */
#define  RCTL_BAM		0x00008000	/* broadcast frames */
#define  RCTL_BSIZE_1024	0x00010000
#define  RCTL_SECRC		0x04000000	/* without checksum */
#define TCTL		0x0400
#define  TCTL_EN		0x00000002
#define  TCTL_PSP		0x00000008	/* pad short frames */
#define RDBAL		0x2800
#define RDBAH		0x2804
#define RDLEN		0x2808
#define RDH		0x2810
#define RDT		0x2818
#define TDBAL		0x3800
#define TDBAH		0x3804
#define TDLEN		0x3808
#define TDH		0x3810
#define TDT		0x3818
#define RFCTL		0x5008

/* Legacy descriptors */
struct rx_desc {
	uint64_t addr;
	uint16_t length;
	uint16_t checksum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};

struct tx_desc {
	uint64_t addr;
	uint16_t length;
	uint8_t cso;
	uint8_t command;
	uint8_t status;
	uint8_t css;
	uint16_t special;
};

#define RX_DONE		1
#define TX_DONE		1
#define TX_COMMAND	(1 | 2 | 8)	/* end of packet, add the checksum, report status */

#endif
