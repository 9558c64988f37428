// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for NVMe disks, on top of vfio.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <kho_vfio.h>

#include "nvme.h"

/* Registers, and what is used of them */
#define CAP		0x00
#define  CAP_STRIDE(cap)	(4U << (((cap) >> 32) & 15))
#define CC		0x14
#define  CC_EN			1
#define  CC_SIZES		(6 << 16 | 4 << 20)	/* 64 and 16 bytes */
#define CSTS		0x1c
#define  CSTS_READY		1
#define AQA		0x24
#define ASQ		0x28
#define ACQ		0x30
#define DOORBELLS	0x1000

/* Commands of the administrator, and of the pair of queues */
#define CREATE_SQ	1
#define CREATE_CQ	5
#define IDENTIFY	6
#define  SECONDARIES		0x15
#define VIRTUALIZE	0x1c
#define  ASSIGN			8
#define  ONLINE			9
#define  INTERRUPTS		0x100
#define READ		2

struct command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t id;
	uint32_t namespace;
	uint64_t reserved[2];
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};

struct completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t id;
	uint16_t status;	/* bit 0 is the phase */
};

/* What there is of virtual functions: in the list a number, and then these */
struct secondary {
	uint16_t id;
	uint16_t primary;
	uint8_t state;
	uint8_t reserved1[3];
	uint16_t vf;
	uint16_t queues;
	uint16_t interrupts;
	uint8_t reserved2[18];
};

#define SECONDARIES_MAX	127

#define PER_SQ_PAGE	(DMA_PAGE / sizeof(struct command))
#define PER_CQ_PAGE	(DMA_PAGE / sizeof(struct completion))

/* Two pages of completions: the device comes to the second one late. */
#define SQ_PAGES	4
#define SQ_SIZE		(SQ_PAGES * PER_SQ_PAGE)
#define CQ_PAGES	2
#define CQ_SIZE		(CQ_PAGES * PER_CQ_PAGE)

#define PAGE_STATE	0
#define PAGE_ADMIN_SQ	2
#define PAGE_ADMIN_CQ	3
#define PAGE_ADMIN_DATA	4
#define PAGE_SQ		5
#define PAGE_CQ		(PAGE_SQ + SQ_PAGES)
#define PAGE_DATA	(PAGE_CQ + CQ_PAGES)
#define PAGES_PER_READ	3
#define ADMIN_SIZE	16

/* How the device sees it. Data pages are apart, so that there are many page tables. */
#define IOVA_QUEUES	0x10000000ULL
#define IOVA_DATA	0x100000000ULL
#define IOVA_STRIDE	(16 * DMA_PAGE)

static uint32_t get32(struct nvme *nvme, unsigned int reg)
{
	return __atomic_load_n((uint32_t *)(nvme->regs + reg), __ATOMIC_ACQUIRE);
}

/* What was written to memory before is there for the device. */
static void set32(struct nvme *nvme, unsigned int reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(nvme->regs + reg), value, __ATOMIC_RELEASE);
}

static void set64(struct nvme *nvme, unsigned int reg, uint64_t value)
{
	set32(nvme, reg, value);
	set32(nvme, reg + 4, value >> 32);
}

static uint64_t queue_iova(size_t page)
{
	return IOVA_QUEUES + page * DMA_PAGE;
}

static uint64_t data_iova(size_t page)
{
	return IOVA_DATA + page * IOVA_STRIDE;
}

size_t nvme_pages(void)
{
	return PAGE_DATA + NVME_READS_MAX * PAGES_PER_READ;
}

size_t nvme_data_page(unsigned int id, unsigned int i)
{
	return PAGE_DATA + id * PAGES_PER_READ + i;
}

int nvme_map(const struct dma_file *file, int iommufd, uint32_t ioas)
{
	size_t i;

	for (i = PAGE_ADMIN_SQ; i < PAGE_DATA; i++)
		if (dma_file_map(file, i, iommufd, ioas, queue_iova(i)))
			return -1;
	for (i = PAGE_DATA; i < nvme_pages(); i++)
		if (dma_file_map(file, i, iommufd, ioas, data_iova(i)))
			return -1;
	return 0;
}

int nvme_open(struct nvme *nvme, int fd, const struct dma_file *file)
{
	size_t size;

	nvme->file = file;
	nvme->state = dma_file_page(file, PAGE_STATE);
	nvme->regs = NULL;
	if (fd < 0)
		return 0;
	nvme->regs = kho_vfio_map_bar(fd, 0, &size);
	return nvme->regs ? 0 : -1;
}

static bool passed(const struct timespec *since, int seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - since->tv_sec > seconds;
}

/* Waits until the device is ready, or is not. */
static int wait_ready(struct nvme *nvme, uint32_t wanted)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((get32(nvme, CSTS) & CSTS_READY) != wanted) {
		if (passed(&start, 5)) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}

/* Queue 0 is the administrator's, 1 the one for reads. */
static void ring_sq(struct nvme *nvme, unsigned int queue, uint32_t tail)
{
	set32(nvme, DOORBELLS + 2 * queue * nvme->state->stride, tail);
}

static void ring_cq(struct nvme *nvme, unsigned int queue, uint32_t head)
{
	set32(nvme, DOORBELLS + (2 * queue + 1) * nvme->state->stride, head);
}

/* Few: no queue goes round. */
static int administrate(struct nvme *nvme, const struct command *command)
{
	struct command *sq = dma_file_page(nvme->file, PAGE_ADMIN_SQ);
	struct completion *cq = dma_file_page(nvme->file, PAGE_ADMIN_CQ);
	unsigned int nr = nvme->state->commands;
	struct timespec start;
	uint16_t status;

	if (nr == ADMIN_SIZE - 1) {
		errno = ENOSPC;
		return -1;
	}
	nvme->state->commands++;
	sq[nr] = *command;
	ring_sq(nvme, 0, nr + 1);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		if (passed(&start, 5)) {
			errno = ETIMEDOUT;
			return -1;
		}
		status = __atomic_load_n(&cq[nr].status, __ATOMIC_ACQUIRE);
	} while (!(status & 1));
	ring_cq(nvme, 0, nr + 1);
	if (status >> 1) {
		errno = EIO;
		return -1;
	}
	return 0;
}

int nvme_start(struct nvme *nvme, int fd)
{
	struct command create = {};
	size_t i;

	/* Somebody may have left it running. It must not find memory before it is off. */
	if (kho_vfio_set_master(fd, false))
		return -1;
	set32(nvme, CC, 0);
	if (wait_ready(nvme, 0) || kho_vfio_set_master(fd, true))
		return -1;
	for (i = PAGE_ADMIN_SQ; i < PAGE_DATA; i++)
		memset(dma_file_page(nvme->file, i), 0, DMA_PAGE);
	*nvme->state = (struct nvme_state) {
		.stride = CAP_STRIDE((uint64_t)get32(nvme, CAP + 4) << 32),
		.phase = 1,
	};
	set32(nvme, AQA, (ADMIN_SIZE - 1) << 16 | (ADMIN_SIZE - 1));
	set64(nvme, ASQ, queue_iova(PAGE_ADMIN_SQ));
	set64(nvme, ACQ, queue_iova(PAGE_ADMIN_CQ));
	set32(nvme, CC, CC_EN | CC_SIZES);
	if (wait_ready(nvme, CSTS_READY))
		return -1;
	create.opcode = CREATE_CQ;
	create.prp1 = queue_iova(PAGE_CQ);
	create.cdw10 = (CQ_SIZE - 1) << 16 | 1;
	create.cdw11 = 1;			/* one piece, no interrupts */
	if (administrate(nvme, &create))
		return -1;
	create.opcode = CREATE_SQ;
	create.prp1 = queue_iova(PAGE_SQ);
	create.cdw10 = (SQ_SIZE - 1) << 16 | 1;
	create.cdw11 = 1 << 16 | 1;		/* completions go to queue 1 */
	return administrate(nvme, &create);
}

/* The id of the controller that a virtual function is; -1 when there is none */
static int find_secondary(struct nvme *nvme, unsigned int vf)
{
	const void *page = dma_file_page(nvme->file, PAGE_ADMIN_DATA);
	const struct secondary *list = page + sizeof(*list);
	struct command identify = {
		.opcode = IDENTIFY,
		.prp1 = queue_iova(PAGE_ADMIN_DATA),
		.cdw10 = SECONDARIES,
	};
	int i, nr;

	if (administrate(nvme, &identify))
		return -1;
	nr = *(const uint8_t *)page;
	for (i = 0; i < nr && i < SECONDARIES_MAX; i++)
		if (list[i].vf == vf)
			return list[i].id;
	errno = ENODEV;
	return -1;
}

static int virtualize(struct nvme *nvme, int id, uint32_t action, uint32_t nr)
{
	struct command command = {
		.opcode = VIRTUALIZE,
		.cdw10 = (uint32_t)id << 16 | action,
		.cdw11 = nr,
	};

	return administrate(nvme, &command);
}

int nvme_enable_vf(struct nvme *nvme, unsigned int vf)
{
	int id = find_secondary(nvme, vf);

	/* The administrator's queues and those for reads */
	if (id < 0 || virtualize(nvme, id, ASSIGN, 2) ||
	    virtualize(nvme, id, ASSIGN | INTERRUPTS, 1))
		return -1;
	return virtualize(nvme, id, ONLINE, 0);
}

void nvme_read(struct nvme *nvme, unsigned int id, uint64_t block)
{
	uint32_t tail = nvme->state->tail;
	struct command *sq = dma_file_page(nvme->file, PAGE_SQ + tail / PER_SQ_PAGE);

	sq[tail % PER_SQ_PAGE] = (struct command) {
		.opcode = READ,
		.id = id,
		.namespace = 1,
		.prp1 = data_iova(nvme_data_page(id, 0)),
		.prp2 = data_iova(nvme_data_page(id, 1)),
		.cdw10 = block,
		.cdw11 = block >> 32,
		.cdw12 = NVME_READ_SIZE / NVME_BLOCK - 1,
	};
	nvme->state->tail = (tail + 1) % SQ_SIZE;
	ring_sq(nvme, 1, nvme->state->tail);
}

int nvme_completed(struct nvme *nvme, uint16_t *status)
{
	uint32_t head = nvme->state->head;
	struct completion *cq = dma_file_page(nvme->file, PAGE_CQ + head / PER_CQ_PAGE);
	uint16_t id;

	cq += head % PER_CQ_PAGE;
	*status = __atomic_load_n(&cq->status, __ATOMIC_ACQUIRE);
	if ((*status & 1) != nvme->state->phase)
		return -1;
	*status >>= 1;
	id = cq->id;
	nvme->state->head = (head + 1) % CQ_SIZE;
	if (!nvme->state->head)
		nvme->state->phase ^= 1;
	if (nvme->regs)
		ring_cq(nvme, 1, nvme->state->head);
	return id;
}
