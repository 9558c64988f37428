// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for Intel's 82574L as QEMU emulates it (e1000e), see nic.h.
 *
 * Legacy descriptors, one queue each way, everything that comes is received. In the file:
 *
 *	page 2		ring for sending, and the frame that is sent
 *	then		ring for receiving
 *	then		buffers, four to a page
 */
#include <string.h>

#include <kho_vfio.h>

#include "e1000e_regs.h"
#include "nic.h"

#define DESCS_PER_PAGE		(DMA_PAGE / sizeof(struct rx_desc))

#define PAGE_SEND	NIC_PAGE_FIRST
#define PAGE_RING	(PAGE_SEND + 1)
#define TX_RING		8		/* the fewest that TDLEN can say */
#define TX_BUFFER	2048		/* in the page */

/*
 * How the device sees it, all moved up by the base of the NIC. All buffers but the first
 * few are needed only when the ring gets there.
 */
#define IOVA_SEND	0x08000000ULL
#define IOVA_RING	0x10000000ULL

/* Descriptors go back to the device so many at a time. */
#define BATCH		16

/* What was in memory before is there for the device, and after, for us. */
static uint32_t get(struct nic *nic, unsigned int reg)
{
	return __atomic_load_n((uint32_t *)(nic->regs + reg), __ATOMIC_ACQUIRE);
}

static void set(struct nic *nic, unsigned int reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(nic->regs + reg), value, __ATOMIC_RELEASE);
}

struct wanted {
	struct nic *nic;
	unsigned int reg;
	uint32_t mask;
	uint32_t value;
};

static bool is_as_wanted(const void *arg)
{
	const struct wanted *wanted = arg;

	return (get(wanted->nic, wanted->reg) & wanted->mask) == wanted->value;
}

/* Waits until bits of a register are as they should be. */
static int wait_for(struct nic *nic, unsigned int reg, uint32_t mask, uint32_t value)
{
	struct wanted wanted = { nic, reg, mask, value };

	return nic_wait(is_as_wanted, &wanted);
}

static size_t ring_pages(uint32_t ring)
{
	return (ring + DESCS_PER_PAGE - 1) / DESCS_PER_PAGE;
}

static size_t pages(uint32_t ring)
{
	return PAGE_RING + ring_pages(ring) + nic_buffer_pages(ring);
}

static int map(const struct dma_file *file, uint64_t base, uint32_t ring, int iommufd,
	       uint32_t ioas)
{
	size_t i, nr = ring_pages(ring);

	if (dma_file_map(file, PAGE_SEND, iommufd, ioas, base + IOVA_SEND))
		return -1;
	for (i = 0; i < nr; i++)
		if (dma_file_map(file, PAGE_RING + i, iommufd, ioas,
				 base + IOVA_RING + i * DMA_PAGE))
			return -1;
	return nic_map_buffers(file, PAGE_RING + nr, base, ring, iommufd, ioas);
}

static struct rx_desc *rx_desc(struct nic *nic, uint32_t i)
{
	struct rx_desc *page = dma_file_page(nic->file, PAGE_RING + i / DESCS_PER_PAGE);

	return page + i % DESCS_PER_PAGE;
}

static uint8_t *rx_buffer(struct nic *nic, uint32_t i)
{
	return nic_buffer(nic, PAGE_RING + ring_pages(nic->state->ring), i);
}

/* Nothing in it may be taken for a frame later on. */
static void make_ready(struct nic *nic, uint32_t i)
{
	memset(rx_buffer(nic, i), 0, NIC_BUFFER);
	*rx_desc(nic, i) = (struct rx_desc) {
		.addr = nic_buffer_iova(nic->state->base, i),
	};
}

static int open_regs(struct nic *nic)
{
	size_t size;

	nic->regs = kho_vfio_map_bar(nic->fd, 0, &size);
	return nic->regs ? 0 : -1;
}

static int start(struct nic *nic)
{
	uint64_t base = nic->state->base;
	uint32_t i, ring = nic->state->ring;

	/* Somebody may have left it running. It must not find memory before it is reset. */
	if (kho_vfio_set_master(nic->fd, false))
		return -1;
	set(nic, IMC, ~0U);
	/* (The reset of the emulated device leaves these as they are.) */
	set(nic, RCTL, 0);
	set(nic, TCTL, 0);
	set(nic, CTRL, get(nic, CTRL) | CTRL_RST);
	if (wait_for(nic, CTRL, CTRL_RST, 0) || kho_vfio_set_master(nic->fd, true))
		return -1;
	set(nic, IMC, ~0U);
	set(nic, CTRL, get(nic, CTRL) | CTRL_SLU);
	if (wait_for(nic, STATUS, STATUS_LU, STATUS_LU))
		return -1;

	memset(dma_file_page(nic->file, PAGE_SEND), 0, DMA_PAGE);
	set(nic, TDBAL, (uint32_t)(base + IOVA_SEND));
	set(nic, TDBAH, (base + IOVA_SEND) >> 32);
	set(nic, TDLEN, TX_RING * sizeof(struct tx_desc));
	set(nic, TDH, 0);
	set(nic, TDT, 0);
	set(nic, TCTL, TCTL_EN | TCTL_PSP);

	for (i = 0; i < ring; i++)
		make_ready(nic, i);
	set(nic, RFCTL, 0);
	set(nic, RDBAL, (uint32_t)(base + IOVA_RING));
	set(nic, RDBAH, (base + IOVA_RING) >> 32);
	set(nic, RDLEN, ring * sizeof(struct rx_desc));
	set(nic, RDH, 0);
	/* All but one: a full ring looks like an empty one. */
	set(nic, RDT, ring - 1);
	set(nic, RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_BSIZE_1024 | RCTL_SECRC);
	return 0;
}

static void interrupts(struct nic *nic)
{
	set(nic, IVAR, IVAR_RXQ0_VECTOR0);
	/* The cause clears itself; without IAME its mask bit would do so too. */
	set(nic, EIAC, INT_RXQ0);
	set(nic, CTRL_EXT, get(nic, CTRL_EXT) | CTRL_EXT_EIAME | CTRL_EXT_IAME);
	set(nic, IMS, INT_RXQ0);
}

static void *received(struct nic *nic, size_t *size)
{
	struct rx_desc *desc = rx_desc(nic, nic->state->next);

	if (!(__atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) & RX_DONE))
		return NULL;
	*size = desc->length;
	return rx_buffer(nic, nic->state->next);
}

static bool skipped(struct nic *nic)
{
	size_t size;

	/* The head moves after a descriptor has been filled in. */
	return nic->regs && get(nic, RDH) != nic->state->next && !received(nic, &size);
}

static void next(struct nic *nic)
{
	uint32_t i = nic->state->next;

	make_ready(nic, i);
	nic->state->next = (i + 1) % nic->state->ring;
	if (nic->regs && i % BATCH == BATCH - 1)
		set(nic, RDT, i);
}

static bool is_sent(const void *desc)
{
	return __atomic_load_n(&((const struct tx_desc *)desc)->status, __ATOMIC_ACQUIRE) & TX_DONE;
}

static int send_frame(struct nic *nic, const void *frame, size_t size)
{
	uint8_t *page = dma_file_page(nic->file, PAGE_SEND);
	struct tx_desc *desc = (struct tx_desc *)page + nic->state->sent;

	memcpy(page + TX_BUFFER, frame, size);
	*desc = (struct tx_desc) {
		.addr = nic->state->base + IOVA_SEND + TX_BUFFER,
		.length = size,
		.command = TX_COMMAND,
	};
	nic->state->sent = (nic->state->sent + 1) % TX_RING;
	set(nic, TDT, nic->state->sent);
	return nic_wait(is_sent, desc);
}

const struct nic_driver e1000e_driver = {
	.id = 0x10d38086,
	.ring_max = NIC_RING_MAX,
	.pages = pages,
	.map = map,
	.open = open_regs,
	.start = start,
	.interrupts = interrupts,
	.received = received,
	.skipped = skipped,
	.next = next,
	.send = send_frame,
};
