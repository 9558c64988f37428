// SPDX-License-Identifier: GPL-2.0-only
/*
 * What drivers of Intel's NICs have in common.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <kho_vfio.h>

#include "e1000e_regs.h"
#include "intel_ring.h"

#define DESCS_PER_PAGE		(DMA_PAGE / sizeof(struct rx_desc))

#define PAGE_SEND	NIC_PAGE_FIRST
#define PAGE_RING	(PAGE_SEND + 1)
#define TX_RING		8		/* the fewest that their length can say */
#define TX_BUFFER	2048		/* in the page */

/*
 * How the device sees it, all moved up by the base of the NIC. All buffers but the first
 * few are needed only when the ring gets there.
 */
#define IOVA_SEND	0x08000000ULL
#define IOVA_RING	0x10000000ULL

/* Descriptors go back to the device so many at a time. */
#define BATCH		16

/* From the first register of a ring */
#define LOW		0x00
#define HIGH		0x04
#define LENGTH		0x08
#define BUFFERS		0x0c
#define  BUFFERS_1024		1
#define  ADVANCED		0x02000000
#define HEAD		0x10
#define TAIL		0x18
#define SWITCH		0x28
#define  SWITCH_ON		0x02000000

/* Advanced descriptors, in which the device leaves this */
struct rx_done {
	uint32_t kind;
	uint32_t hash;
	uint32_t status;
	uint16_t length;
	uint16_t vlan;
};

struct tx_data {
	uint64_t addr;
	uint32_t command;
	uint32_t status;
};

#define DATA_COMMAND	(0x00300000 | 0x20000000 | 0x01000000 | 0x02000000 | 0x08000000)
#define DATA_SIZE_SHIFT	14

/* Rings are of one kind. */
static_assert(sizeof(struct rx_done) == sizeof(struct rx_desc));
static_assert(sizeof(struct tx_data) == sizeof(struct tx_desc));

static const struct intel_nic *model_of(struct nic *nic)
{
	return (const struct intel_nic *)nic->driver;
}

/* What was in memory before is there for the device, and after, for us. */
uint32_t intel_get(struct nic *nic, unsigned int reg)
{
	return __atomic_load_n((uint32_t *)(nic->regs + reg), __ATOMIC_ACQUIRE);
}

void intel_set(struct nic *nic, unsigned int reg, uint32_t value)
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

	return (intel_get(wanted->nic, wanted->reg) & wanted->mask) == wanted->value;
}

int intel_wait_for(struct nic *nic, unsigned int reg, uint32_t mask, uint32_t value)
{
	struct wanted wanted = { nic, reg, mask, value };

	return nic_wait(is_as_wanted, &wanted);
}

int intel_reset(struct nic *nic)
{
	/* Somebody may have left it running. It must not find memory before it is reset. */
	if (kho_vfio_set_master(nic->fd, false))
		return -1;
	intel_set(nic, IMC, ~0U);
	/* (The reset of an emulated device leaves these as they are.) */
	intel_set(nic, RCTL, 0);
	intel_set(nic, TCTL, 0);
	intel_set(nic, CTRL, intel_get(nic, CTRL) | CTRL_RST);
	if (intel_wait_for(nic, CTRL, CTRL_RST, 0) || kho_vfio_set_master(nic->fd, true))
		return -1;
	intel_set(nic, IMC, ~0U);
	intel_set(nic, CTRL, intel_get(nic, CTRL) | CTRL_SLU);
	return 0;
}

static size_t ring_pages(uint32_t ring)
{
	return (ring + DESCS_PER_PAGE - 1) / DESCS_PER_PAGE;
}

size_t intel_pages(uint32_t ring)
{
	return PAGE_RING + ring_pages(ring) + nic_buffer_pages(ring);
}

int intel_map(const struct dma_file *file, uint64_t base, uint32_t ring, int iommufd,
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

int intel_open(struct nic *nic)
{
	size_t size;

	nic->regs = kho_vfio_map_bar(nic->fd, 0, &size);
	return nic->regs ? 0 : -1;
}

static void set_ring(struct nic *nic, unsigned int regs, uint64_t iova, uint32_t size)
{
	intel_set(nic, regs + LOW, (uint32_t)iova);
	intel_set(nic, regs + HIGH, iova >> 32);
	intel_set(nic, regs + LENGTH, size);
	intel_set(nic, regs + HEAD, 0);
	intel_set(nic, regs + TAIL, 0);
	if (model_of(nic)->advanced)
		intel_set(nic, regs + SWITCH, SWITCH_ON);
}

void intel_start_tx(struct nic *nic)
{
	memset(dma_file_page(nic->file, PAGE_SEND), 0, DMA_PAGE);
	set_ring(nic, model_of(nic)->tx, nic->state->base + IOVA_SEND,
		 TX_RING * sizeof(struct tx_desc));
}

void intel_start_rx(struct nic *nic)
{
	const struct intel_nic *model = model_of(nic);
	uint32_t i, ring = nic->state->ring;

	for (i = 0; i < ring; i++)
		make_ready(nic, i);
	if (model->advanced)
		intel_set(nic, model->rx + BUFFERS, BUFFERS_1024 | ADVANCED);
	set_ring(nic, model->rx, nic->state->base + IOVA_RING, ring * sizeof(struct rx_desc));
	/* All but one: a full ring looks like an empty one. */
	intel_set(nic, model->rx + TAIL, ring - 1);
}

void *intel_received(struct nic *nic, size_t *size)
{
	struct rx_desc *desc = rx_desc(nic, nic->state->next);
	const struct rx_done *done = (const struct rx_done *)desc;

	if (model_of(nic)->advanced) {
		if (!(__atomic_load_n(&done->status, __ATOMIC_ACQUIRE) & RX_DONE))
			return NULL;
		*size = done->length;
	} else {
		if (!(__atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) & RX_DONE))
			return NULL;
		*size = desc->length;
	}
	return rx_buffer(nic, nic->state->next);
}

bool intel_skipped(struct nic *nic)
{
	size_t size;

	/* The head moves after a descriptor has been filled in. */
	return nic->regs && intel_get(nic, model_of(nic)->rx + HEAD) != nic->state->next &&
	       !intel_received(nic, &size);
}

void intel_next(struct nic *nic)
{
	uint32_t i = nic->state->next;

	make_ready(nic, i);
	nic->state->next = (i + 1) % nic->state->ring;
	if (nic->regs && i % BATCH == BATCH - 1)
		intel_set(nic, model_of(nic)->rx + TAIL, i);
}

static bool is_sent(const void *desc)
{
	return __atomic_load_n(&((const struct tx_desc *)desc)->status, __ATOMIC_ACQUIRE) & TX_DONE;
}

int intel_send(struct nic *nic, const void *frame, size_t size)
{
	const struct intel_nic *model = model_of(nic);
	uint8_t *page = dma_file_page(nic->file, PAGE_SEND);
	struct tx_desc *desc = (struct tx_desc *)page + nic->state->sent;
	uint64_t addr = nic->state->base + IOVA_SEND + TX_BUFFER;

	if (!model->tx) {
		errno = EOPNOTSUPP;
		return -1;
	}
	memcpy(page + TX_BUFFER, frame, size);
	/* (the status is in the same byte of both) */
	if (model->advanced)
		*(struct tx_data *)desc = (struct tx_data) {
			.addr = addr,
			.command = DATA_COMMAND | size,
			.status = size << DATA_SIZE_SHIFT,
		};
	else
		*desc = (struct tx_desc) {
			.addr = addr,
			.length = size,
			.command = TX_COMMAND,
		};
	nic->state->sent = (nic->state->sent + 1) % TX_RING;
	intel_set(nic, model->tx + TAIL, nic->state->sent);
	return nic_wait(is_sent, desc);
}
