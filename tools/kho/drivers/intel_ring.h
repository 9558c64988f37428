/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers of Intel's NICs have in common, see nic.h: a ring for sending and one for
 * receiving, whose registers are alike wherever they are. In the file:
 *
 *	page 2		ring for sending, and the frame that is sent
 *	then		ring for receiving
 *	then		buffers, four to a page
 */
#ifndef KHO_INTEL_RING_H
#define KHO_INTEL_RING_H

#include "nic.h"

/**
 * struct intel_nic - a model
 * @driver: the driver for it
 * @rx: registers of the ring for receiving
 * @tx: registers of the ring for sending, 0 when it has none
 * @advanced: descriptors are not of the legacy kind, and rings have a switch of their own
 */
struct intel_nic {
	struct nic_driver driver;
	unsigned int rx;
	unsigned int tx;
	bool advanced;
};

extern const struct intel_nic e1000e, igb, igb_vf;

uint32_t intel_get(struct nic *nic, unsigned int reg);
void intel_set(struct nic *nic, unsigned int reg, uint32_t value);

/* Waits until bits of a register are as they should be. */
int intel_wait_for(struct nic *nic, unsigned int reg, uint32_t mask, uint32_t value);

/* Resets the device, and lets it do DMA again and its link come up; ETIMEDOUT if it does not. */
int intel_reset(struct nic *nic);

/* Sets both rings up, empty. What switches the device on is left to the caller. */
void intel_start_tx(struct nic *nic);
void intel_start_rx(struct nic *nic);

/* For struct nic_driver */
size_t intel_pages(uint32_t ring);
int intel_map(const struct dma_file *file, uint64_t base, uint32_t ring, int iommufd,
	      uint32_t ioas);
int intel_open(struct nic *nic);
void *intel_received(struct nic *nic, size_t *size);
bool intel_skipped(struct nic *nic);
void intel_next(struct nic *nic);
int intel_send(struct nic *nic, const void *frame, size_t size);

#define INTEL_RING_DRIVER			\
	.ring_max = NIC_RING_MAX,		\
	.pages = intel_pages,			\
	.map = intel_map,			\
	.open = intel_open,			\
	.received = intel_received,		\
	.skipped = intel_skipped,		\
	.next = intel_next,			\
	.send = intel_send

#endif
