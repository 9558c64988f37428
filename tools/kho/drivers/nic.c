// SPDX-License-Identifier: GPL-2.0-only
/*
 * What drivers for NICs have in common.
 */
#include <errno.h>
#include <time.h>

#include <kho_vfio.h>

#include "intel_ring.h"

#define PATIENCE	5	/* seconds */

#define NR_DRIVERS	4

static const struct nic_driver *const nic_drivers[NR_DRIVERS] = {
	&e1000e.driver,
	&igb.driver,
	&igb_vf.driver,
	&virtio_net_driver,
};

static const struct nic_driver *find_driver(uint32_t id)
{
	unsigned int i;

	for (i = 0; i < NR_DRIVERS; i++)
		if (nic_drivers[i]->id == id)
			return nic_drivers[i];
	errno = ENODEV;
	return NULL;
}

const struct nic_driver *nic_driver_for(int fd)
{
	uint16_t vendor, device;

	if (kho_vfio_config_read16(fd, 0, &vendor) || kho_vfio_config_read16(fd, 2, &device))
		return NULL;
	return find_driver((uint32_t)device << 16 | vendor);
}

int nic_open(struct nic *nic, int fd, const struct dma_file *file,
	     const struct nic_driver *driver)
{
	*nic = (struct nic) {
		.driver = driver,
		.fd = fd,
		.file = file,
		.state = dma_file_page(file, NIC_PAGE_STATE),
	};
	if (!driver)
		nic->driver = find_driver(nic->state->id);
	if (!nic->driver)
		return -1;
	return fd < 0 ? 0 : nic->driver->open(nic);
}

int nic_start(struct nic *nic, uint64_t base, uint32_t ring)
{
	*nic->state = (struct nic_state) {
		.id = nic->driver->id,
		.base = base,
		.ring = ring,
	};
	return nic->driver->start(nic);
}

uint64_t nic_buffer_iova(uint64_t base, uint32_t buffer)
{
	return base + NIC_IOVA_BUFFERS + buffer / NIC_BUFFERS_PER_PAGE * NIC_IOVA_STRIDE +
	       buffer % NIC_BUFFERS_PER_PAGE * NIC_BUFFER;
}

size_t nic_buffer_pages(uint32_t ring)
{
	return (ring + NIC_BUFFERS_PER_PAGE - 1) / NIC_BUFFERS_PER_PAGE;
}

uint8_t *nic_buffer(struct nic *nic, size_t first_page, uint32_t buffer)
{
	uint8_t *page = dma_file_page(nic->file, first_page + buffer / NIC_BUFFERS_PER_PAGE);

	return page + buffer % NIC_BUFFERS_PER_PAGE * NIC_BUFFER;
}

int nic_map_buffers(const struct dma_file *file, size_t first_page, uint64_t base, uint32_t ring,
		    int iommufd, uint32_t ioas)
{
	size_t i;

	for (i = 0; i < nic_buffer_pages(ring); i++)
		if (dma_file_map(file, first_page + i, iommufd, ioas,
				 nic_buffer_iova(base, i * NIC_BUFFERS_PER_PAGE)))
			return -1;
	return 0;
}

int nic_wait(bool (*ready)(const void *arg), const void *arg)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!ready(arg)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > PATIENCE) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}
