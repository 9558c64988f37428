// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm: a VMM, as short as can be, that starts a guest with a device of its own, and
 * hands both to the next kernel. There vmm-next goes on with them.
 *
 *	vmm COMMAND...		see keeper.h
 *	vmm start DIR COMMAND...
 *	vmm on DIR COMMAND...
 *
 *	memory MIB [huge]	for the guest; huge: in pages of 2 MiB
 *	open ADDRESS		a NIC, which reaches that memory at the guest's addresses
 *	boot FILE RING		the guest's program; it receives with so many descriptors.
 *				Returns when it does
 *
 * and what vmm_common.h has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <x86intrin.h>

#include <kho_iommufd.h>
#include <kho_vfio.h>

#include "keeper/keeper.h"
#include "vmm_common.h"

#define SLOT_MS		10
#define SENT_SLOT_MS	1
#define BOOT_SECONDS	120

static int make_file(const char *name, size_t size, unsigned int flags)
{
	int fd = memfd_create(name, MFD_CLOEXEC | flags);

	if (fd < 0)
		return -1;
	if (!ftruncate(fd, size))
		return fd;
	close(fd);
	return -1;
}

static int make_memory(uint64_t mib, bool huge)
{
	uint64_t size = mib << 20;

	if (size < GUEST_BUFFERS || size > GUEST_RAM_MAX) {
		errno = EINVAL;
		return -1;
	}
	vmm.ram_fd = make_file("guest", size, huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
	vmm.state_fd = make_file("vmm-state", sizeof(*vmm.state), 0);
	if (vmm.ram_fd < 0 || vmm.state_fd < 0 || vmm_map_files(size))
		return -1;
	/* No hole may be left: when all is sealed for the jump, who fills one has to wait. */
	memset(vmm.state, 0, sizeof(*vmm.state));
	vmm.state->magic = VMM_STATE_MAGIC;
	vmm.state->size = sizeof(*vmm.state);
	vmm.state->ram = size;
	return vmm_limit_pins();
}

static int open_device(const char *address)
{
	vmm.iommufd = kho_iommufd_open();
	if (vmm.iommufd < 0)
		return -1;
	vmm.device = kho_vfio_open(address);
	if (vmm.device < 0)
		return -1;
	return kho_vfio_bind(vmm.device, vmm.iommufd, &vmm.device_id) ||
	       kho_iommufd_ioas_alloc(vmm.iommufd, &vmm.ioas) ||
	       kho_iommufd_map_file(vmm.iommufd, vmm.ioas, vmm.ram_fd, 0, vmm.state->ram, 0,
				    true) ||
	       kho_vfio_attach(vmm.device, vmm.ioas) ||
	       kho_vfio_set_master(vmm.device, true) ? -1 : 0;
}

static int load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, vmm.ram + GUEST_ENTRY, GUEST_RX_RING - GUEST_ENTRY);
	/* All of it, or it would run into nothing */
	if (len > 0 && !fstat(fd, &st) && len == st.st_size) {
		close(fd);
		return 0;
	}
	close(fd);
	keeper_problem("%zd bytes of it were read", len);
	errno = ENOEXEC;
	return -1;
}

/* About; the frames' times tell it exactly, later. */
static uint64_t ticks_per_ms(void)
{
	struct timespec from, to;
	uint64_t start = __rdtsc(), end, us;

	clock_gettime(CLOCK_MONOTONIC, &from);
	/* (measured by both clocks, so a longer sleep is as good) */
	usleep(20000);
	end = __rdtsc();
	clock_gettime(CLOCK_MONOTONIC, &to);
	us = (to.tv_sec - from.tv_sec) * 1000000ULL + (to.tv_nsec - from.tv_nsec) / 1000;
	return (end - start) * 1000 / us;
}

static int wait_for_guest(void)
{
	struct guest_state *guest = vmm_guest();
	time_t start = time(NULL);
	uint64_t stage;

	for (;;) {
		stage = __atomic_load_n(&guest->stage, __ATOMIC_ACQUIRE);
		if (stage == GUEST_RUNNING)
			return 0;
		if (stage > GUEST_RUNNING || vmm.machine.ended ||
		    time(NULL) - start > BOOT_SECONDS) {
			keeper_problem("the guest is in stage %lu, exit reason %u", stage,
				       vmm.machine.exit_reason);
			errno = EIO;
			return -1;
		}
		usleep(1000);
	}
}

static int boot(const char *program, uint64_t ring)
{
	struct guest_state *guest = vmm_guest();

	if (ring < 64 || ring > GUEST_RING_MAX || ring % 8 ||
	    guest_pattern_start(ring) > vmm.state->ram) {
		errno = EINVAL;
		return -1;
	}
	guest->ram = vmm.state->ram;
	guest->ring = ring;
	guest->slot_ticks = SLOT_MS * ticks_per_ms();
	guest->sent_slot_ns = SENT_SLOT_MS * 1000000ULL;
	if (load(program) || vmm_make_machine() ||
	    machine_enter(&vmm.machine, vmm.ram, GUEST_TABLES, GUEST_REGS, GUEST_ENTRY,
			  GUEST_STACK) ||
	    machine_run(&vmm.machine))
		return -1;
	return wait_for_guest();
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "memory") && (nr == 2 || nr == 3))
		return make_memory(strtoull(w[1], NULL, 0), nr == 3 && !strcmp(w[2], "huge"));
	if (!strcmp(w[0], "open") && nr == 2)
		return open_device(w[1]);
	if (!strcmp(w[0], "boot") && nr == 3)
		return boot(w[1], strtoull(w[2], NULL, 0));
	return vmm_run(w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
