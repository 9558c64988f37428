// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for Intel's 82574L as QEMU emulates it (e1000e), on top of vfio.
 *
 * Legacy descriptors, one queue each way, everything that comes is received.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <kho_vfio.h>

#include "e1000e.h"
#include "e1000e_regs.h"

#define DESCS_PER_PAGE		(DMA_PAGE / sizeof(struct rx_desc))
#define BUFFERS_PER_PAGE	(DMA_PAGE / E1000E_BUFFER)

#define PAGE_STATE	0
#define PAGE_SEND	2
#define PAGE_RING	3
#define TX_RING		8		/* the fewest that TDLEN can say */
#define TX_BUFFER	2048		/* in the page */

/*
 * How the device sees it. Buffer pages are apart, so that there are many page
 * tables, and all but the first few are needed only when the ring gets there. All of
 * it moves up by the base of the NIC.
 */
#define IOVA_SEND	0x08000000ULL
#define IOVA_RING	0x10000000ULL
#define IOVA_BUFFERS	0x100000000ULL
#define IOVA_STRIDE	(16 * DMA_PAGE)

/* Descriptors go back to the device so many at a time. */
#define BATCH		16

/* What was in memory before is there for the device, and after, for us. */
static uint32_t get(struct e1000e *nic, unsigned int reg)
{
	return __atomic_load_n((uint32_t *)(nic->regs + reg), __ATOMIC_ACQUIRE);
}

static void set(struct e1000e *nic, unsigned int reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(nic->regs + reg), value, __ATOMIC_RELEASE);
}

static bool passed(const struct timespec *since, int seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - since->tv_sec > seconds;
}

/* Waits until bits of a register are as they should be. */
static int wait_for(struct e1000e *nic, unsigned int reg, uint32_t mask, uint32_t wanted)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((get(nic, reg) & mask) != wanted) {
		if (passed(&start, 5)) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}

static size_t ring_pages(uint32_t ring)
{
	return (ring + DESCS_PER_PAGE - 1) / DESCS_PER_PAGE;
}

static size_t buffer_pages(uint32_t ring)
{
	return (ring + BUFFERS_PER_PAGE - 1) / BUFFERS_PER_PAGE;
}

size_t e1000e_pages(uint32_t ring)
{
	return PAGE_RING + ring_pages(ring) + buffer_pages(ring);
}

uint64_t e1000e_buffer_iova(uint64_t base, uint32_t nr)
{
	return base + IOVA_BUFFERS + nr * IOVA_STRIDE;
}

int e1000e_map(const struct dma_file *file, uint64_t base, uint32_t ring, int iommufd,
	       uint32_t ioas)
{
	size_t i, nr = ring_pages(ring);

	if (dma_file_map(file, PAGE_SEND, iommufd, ioas, base + IOVA_SEND))
		return -1;
	for (i = 0; i < nr; i++)
		if (dma_file_map(file, PAGE_RING + i, iommufd, ioas,
				 base + IOVA_RING + i * DMA_PAGE))
			return -1;
	for (i = 0; i < buffer_pages(ring); i++)
		if (dma_file_map(file, PAGE_RING + nr + i, iommufd, ioas,
				 e1000e_buffer_iova(base, i)))
			return -1;
	return 0;
}

static struct rx_desc *rx_desc(struct e1000e *nic, uint32_t i)
{
	struct rx_desc *page = dma_file_page(nic->file, PAGE_RING + i / DESCS_PER_PAGE);

	return page + i % DESCS_PER_PAGE;
}

static uint8_t *rx_buffer(struct e1000e *nic, uint32_t i)
{
	size_t first = PAGE_RING + ring_pages(nic->state->ring);
	uint8_t *page = dma_file_page(nic->file, first + i / BUFFERS_PER_PAGE);

	return page + i % BUFFERS_PER_PAGE * E1000E_BUFFER;
}

/* Nothing in it may be taken for a frame later on. */
static void make_ready(struct e1000e *nic, uint32_t i)
{
	memset(rx_buffer(nic, i), 0, E1000E_BUFFER);
	*rx_desc(nic, i) = (struct rx_desc) {
		.addr = e1000e_buffer_iova(nic->state->base, i / BUFFERS_PER_PAGE) +
			i % BUFFERS_PER_PAGE * E1000E_BUFFER,
	};
}

int e1000e_open(struct e1000e *nic, int fd, const struct dma_file *file)
{
	size_t size;

	nic->fd = fd;
	nic->file = file;
	nic->state = dma_file_page(file, PAGE_STATE);
	nic->regs = NULL;
	if (fd < 0)
		return 0;
	nic->regs = kho_vfio_map_bar(fd, 0, &size);
	return nic->regs ? 0 : -1;
}

int e1000e_start(struct e1000e *nic, uint64_t base, uint32_t ring)
{
	uint32_t i;

	*nic->state = (struct e1000e_state) { .base = base, .ring = ring };
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

void e1000e_interrupts(struct e1000e *nic)
{
	set(nic, IVAR, IVAR_RXQ0_VECTOR0);
	/* The cause clears itself; without IAME its mask bit would do so too. */
	set(nic, EIAC, INT_RXQ0);
	set(nic, CTRL_EXT, get(nic, CTRL_EXT) | CTRL_EXT_EIAME | CTRL_EXT_IAME);
	set(nic, IMS, INT_RXQ0);
}

void *e1000e_received(struct e1000e *nic, size_t *size)
{
	struct rx_desc *desc = rx_desc(nic, nic->state->next);

	if (!(__atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) & RX_DONE))
		return NULL;
	*size = desc->length;
	return rx_buffer(nic, nic->state->next);
}

bool e1000e_skipped(struct e1000e *nic)
{
	size_t size;

	/* The head moves after a descriptor has been filled in. */
	return nic->regs && get(nic, RDH) != nic->state->next && !e1000e_received(nic, &size);
}

void e1000e_next(struct e1000e *nic)
{
	uint32_t i = nic->state->next;

	make_ready(nic, i);
	nic->state->next = (i + 1) % nic->state->ring;
	if (nic->regs && i % BATCH == BATCH - 1)
		set(nic, RDT, i);
}

int e1000e_send(struct e1000e *nic, const void *frame, size_t size)
{
	uint8_t *page = dma_file_page(nic->file, PAGE_SEND);
	struct tx_desc *desc = (struct tx_desc *)page + nic->state->sent;
	struct timespec start;

	memcpy(page + TX_BUFFER, frame, size);
	*desc = (struct tx_desc) {
		.addr = nic->state->base + IOVA_SEND + TX_BUFFER,
		.length = size,
		.command = TX_COMMAND,
	};
	nic->state->sent = (nic->state->sent + 1) % TX_RING;
	set(nic, TDT, nic->state->sent);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!(__atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) & TX_DONE)) {
		if (passed(&start, 5)) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}
