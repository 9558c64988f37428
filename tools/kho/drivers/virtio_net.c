// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for virtio-net of version 1, see nic.h.
 *
 * Split rings, one queue each way, a frame is in one buffer. In the file:
 *
 *	page 2		all of the queue for sending, and the frame that is sent
 *	then		descriptors for receiving, those that are available, those that are used
 *	then		buffers, four to a page, descriptor N has buffer N
 */
#include <errno.h>
#include <string.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <kho_vfio.h>

#include "nic.h"

#define QUEUE_RX	0
#define QUEUE_TX	1
#define RING_MAX	1024
#define DESCS_PER_PAGE	(DMA_PAGE / sizeof(struct vring_desc))
#define HEADER		sizeof(struct virtio_net_hdr_v1)

/* In the page for sending */
#define TX_RING		8
#define TX_AVAIL	512
#define TX_USED		1024
#define TX_BUFFER	2048

#define PAGE_SEND	NIC_PAGE_FIRST
#define PAGE_DESC	(PAGE_SEND + 1)
#define PAGE_AVAIL	(PAGE_DESC + RING_MAX / DESCS_PER_PAGE)
#define PAGE_USED	(PAGE_AVAIL + 1)
#define PAGE_BUFFERS	(PAGE_USED + 3)

/* How the device sees it, moved up by the base of the NIC */
#define IOVA_SEND	0x08000000ULL
#define IOVA_RING	0x10000000ULL

/* So far into its page what is used begins, that no element is in two pages. */
#define USED_AT		4

/* Buffers go back to the device so many at a time. */
#define BATCH		16

static uint64_t ring_iova(const struct nic *nic, unsigned int page)
{
	return nic->state->base + IOVA_RING + (page - PAGE_DESC) * DMA_PAGE;
}

static size_t pages(uint32_t ring)
{
	return PAGE_BUFFERS + nic_buffer_pages(ring);
}

static int map(const struct dma_file *file, uint64_t base, uint32_t ring, int iommufd,
	       uint32_t ioas)
{
	unsigned int i;

	if (dma_file_map(file, PAGE_SEND, iommufd, ioas, base + IOVA_SEND))
		return -1;
	for (i = PAGE_DESC; i < PAGE_BUFFERS; i++)
		if (dma_file_map(file, i, iommufd, ioas,
				 base + IOVA_RING + (i - PAGE_DESC) * DMA_PAGE))
			return -1;
	return nic_map_buffers(file, PAGE_BUFFERS, base, ring, iommufd, ioas);
}

static struct vring_desc *rx_desc(struct nic *nic, uint32_t i)
{
	struct vring_desc *page = dma_file_page(nic->file, PAGE_DESC + i / DESCS_PER_PAGE);

	return page + i % DESCS_PER_PAGE;
}

static struct vring_avail *rx_avail(struct nic *nic)
{
	return dma_file_page(nic->file, PAGE_AVAIL);
}

static struct vring_used *rx_used(struct nic *nic)
{
	return (void *)((uint8_t *)dma_file_page(nic->file, PAGE_USED) + USED_AT);
}

/* Its offset in the pages */
static struct vring_used_elem *used_elem(struct nic *nic, uint32_t i)
{
	size_t at = USED_AT + sizeof(struct vring_used) + i * sizeof(struct vring_used_elem);
	uint8_t *page = dma_file_page(nic->file, PAGE_USED + at / DMA_PAGE);

	return (void *)(page + at % DMA_PAGE);
}

static uint16_t get16(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
}

static void set16(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_SEQ_CST);
}

/* --- The device --- */

/* A register of the common part */
#define REG(nic, field)	(((struct virtio_pci_common_cfg *)(nic)->regs)->field)
#define GET(nic, field)	__atomic_load_n(&REG(nic, field), __ATOMIC_ACQUIRE)
#define SET(nic, field, value) __atomic_store_n(&REG(nic, field), value, __ATOMIC_SEQ_CST)

static int read32(int fd, unsigned int at, uint32_t *value)
{
	uint16_t low, high;

	if (kho_vfio_config_read16(fd, at, &low) || kho_vfio_config_read16(fd, at + 2, &high))
		return -1;
	*value = (uint32_t)high << 16 | low;
	return 0;
}

struct place {
	uint8_t *at;
	uint32_t multiplier;
};

/* Where in a BAR a part of the device's registers is */
static int find_part(int fd, uint8_t type, struct place *place)
{
	uint16_t word, len_type, bar;
	uint8_t *base;
	size_t size;
	uint32_t offset;
	unsigned int at, i;

	if (kho_vfio_config_read16(fd, PCI_CAPABILITY_LIST, &word))
		return -1;
	at = word & 0xfc;
	for (i = 0; at && i < 48; i++, at = word >> 8 & 0xfc) {
		if (kho_vfio_config_read16(fd, at, &word) ||
		    kho_vfio_config_read16(fd, at + 2, &len_type) ||
		    kho_vfio_config_read16(fd, at + VIRTIO_PCI_CAP_BAR, &bar))
			return -1;
		if ((word & 0xff) != PCI_CAP_ID_VNDR || len_type >> 8 != type)
			continue;
		if (read32(fd, at + VIRTIO_PCI_CAP_OFFSET, &offset) ||
		    read32(fd, at + VIRTIO_PCI_NOTIFY_CAP_MULT, &place->multiplier))
			return -1;
		base = kho_vfio_map_bar(fd, bar & 0xff, &size);
		if (!base)
			return -1;
		place->at = base + offset;
		return 0;
	}
	errno = ENODEV;
	return -1;
}

static int open_regs(struct nic *nic)
{
	struct place common, notify;
	uint16_t queue;

	if (find_part(nic->fd, VIRTIO_PCI_CAP_COMMON_CFG, &common) ||
	    find_part(nic->fd, VIRTIO_PCI_CAP_NOTIFY_CFG, &notify))
		return -1;
	nic->regs = common.at;
	for (queue = QUEUE_RX; queue <= QUEUE_TX; queue++) {
		SET(nic, queue_select, queue);
		nic->doorbell[queue] = notify.at +
				       GET(nic, queue_notify_off) * notify.multiplier;
	}
	/* It may have run out of buffers, and have been given some while nobody had it. */
	if (GET(nic, device_status) & VIRTIO_CONFIG_S_DRIVER_OK)
		set16(nic->doorbell[QUEUE_RX], QUEUE_RX);
	return 0;
}

static bool is_reset(const void *arg)
{
	const struct nic *nic = arg;

	return GET(nic, device_status) == 0;
}

static void set_queue(struct nic *nic, uint16_t queue, uint16_t size, uint64_t desc,
		      uint64_t avail, uint64_t used)
{
	SET(nic, queue_select, queue);
	SET(nic, queue_size, size);
	SET(nic, queue_msix_vector, VIRTIO_MSI_NO_VECTOR);
	SET(nic, queue_desc_lo, desc);
	SET(nic, queue_desc_hi, desc >> 32);
	SET(nic, queue_avail_lo, avail);
	SET(nic, queue_avail_hi, avail >> 32);
	SET(nic, queue_used_lo, used);
	SET(nic, queue_used_hi, used >> 32);
	SET(nic, queue_enable, 1);
}

static void make_available(struct nic *nic, uint16_t desc)
{
	struct vring_avail *avail = rx_avail(nic);
	uint16_t index = avail->idx;

	memset(nic_buffer(nic, PAGE_BUFFERS, desc), 0, NIC_BUFFER);
	avail->ring[index % nic->state->ring] = desc;
	set16(&avail->idx, index + 1);
}

static int start(struct nic *nic)
{
	uint64_t send = nic->state->base + IOVA_SEND;
	uint32_t i, ring = nic->state->ring;

	/* Somebody may have left it running. It must not find memory before it is reset. */
	if (kho_vfio_set_master(nic->fd, false))
		return -1;
	SET(nic, device_status, 0);
	if (nic_wait(is_reset, nic) || kho_vfio_set_master(nic->fd, true))
		return -1;
	SET(nic, device_status, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	SET(nic, guest_feature_select, 0);
	SET(nic, guest_feature, 0);
	SET(nic, guest_feature_select, 1);
	SET(nic, guest_feature,
	    1U << (VIRTIO_F_VERSION_1 - 32) | 1U << (VIRTIO_F_ACCESS_PLATFORM - 32));
	SET(nic, device_status, GET(nic, device_status) | VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(GET(nic, device_status) & VIRTIO_CONFIG_S_FEATURES_OK)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	memset(dma_file_page(nic->file, PAGE_SEND), 0, DMA_PAGE);
	for (i = PAGE_DESC; i < PAGE_BUFFERS; i++)
		memset(dma_file_page(nic->file, i), 0, DMA_PAGE);
	rx_avail(nic)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (i = 0; i < ring; i++) {
		*rx_desc(nic, i) = (struct vring_desc) {
			.addr = nic_buffer_iova(nic->state->base, i),
			.len = NIC_BUFFER,
			.flags = VRING_DESC_F_WRITE,
		};
		make_available(nic, i);
	}
	set_queue(nic, QUEUE_RX, ring, ring_iova(nic, PAGE_DESC), ring_iova(nic, PAGE_AVAIL),
		  ring_iova(nic, PAGE_USED) + USED_AT);
	set_queue(nic, QUEUE_TX, TX_RING, send, send + TX_AVAIL, send + TX_USED);
	SET(nic, device_status, GET(nic, device_status) | VIRTIO_CONFIG_S_DRIVER_OK);
	set16(nic->doorbell[QUEUE_RX], QUEUE_RX);
	return 0;
}

static void interrupts(struct nic *nic)
{
	SET(nic, queue_select, QUEUE_RX);
	SET(nic, queue_msix_vector, 0);
	set16(&rx_avail(nic)->flags, 0);
}

/* --- Frames --- */

static void *received(struct nic *nic, size_t *size)
{
	struct vring_used_elem *elem;

	if (get16(&rx_used(nic)->idx) == (uint16_t)nic->state->next)
		return NULL;
	elem = used_elem(nic, nic->state->next % nic->state->ring);
	*size = elem->len - HEADER;
	return nic_buffer(nic, PAGE_BUFFERS, elem->id % nic->state->ring) + HEADER;
}

static void next(struct nic *nic)
{
	uint32_t i = nic->state->next++;

	make_available(nic, used_elem(nic, i % nic->state->ring)->id % nic->state->ring);
	if (nic->regs && i % BATCH == BATCH - 1)
		set16(nic->doorbell[QUEUE_RX], QUEUE_RX);
}

static bool is_sent(const void *arg)
{
	const struct nic *nic = arg;
	uint8_t *page = dma_file_page(nic->file, PAGE_SEND);

	return get16(&((struct vring_used *)(page + TX_USED))->idx) == (uint16_t)nic->state->sent;
}

static int send_frame(struct nic *nic, const void *frame, size_t size)
{
	uint8_t *page = dma_file_page(nic->file, PAGE_SEND);
	struct vring_avail *avail = (void *)(page + TX_AVAIL);
	uint32_t i = nic->state->sent++ % TX_RING;

	memset(page + TX_BUFFER, 0, HEADER);
	memcpy(page + TX_BUFFER + HEADER, frame, size);
	((struct vring_desc *)page)[i] = (struct vring_desc) {
		.addr = nic->state->base + IOVA_SEND + TX_BUFFER,
		.len = HEADER + size,
	};
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	avail->ring[i] = i;
	set16(&avail->idx, nic->state->sent);
	set16(nic->doorbell[QUEUE_TX], QUEUE_TX);
	return nic_wait(is_sent, nic);
}

const struct nic_driver virtio_net_driver = {
	.id = 0x10411af4,
	.ring_max = RING_MAX,
	.pages = pages,
	.map = map,
	.open = open_regs,
	.start = start,
	.interrupts = interrupts,
	.received = received,
	.next = next,
	.send = send_frame,
};
