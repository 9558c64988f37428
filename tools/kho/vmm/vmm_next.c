// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmm-next: goes on with the guest and the device that vmm, or another vmm-next, had
 * under the old kernel.
 *
 *	vmm-next start DIR COMMAND...	see keeper.h
 *	vmm-next on DIR COMMAND...
 *
 *	retrieve NAME		all that is in the session
 *	resume TSC		the guest runs on. The time-stamp counter was that when the
 *				first program of this kernel began
 *	restore			make the iommufd again what it was, and attach the device
 *	finish			the session
 *
 * and what vmm_common.h has. They are meant to be given in this order: the guest does
 * not wait until the iommufd is restored, as the device goes on by the old tables.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <x86intrin.h>

#include <kho_restored.h>
#include <kho_session.h>
#include <kho_vfio.h>

#include "keeper/keeper.h"
#include "vmm_common.h"

static bool files_are_right(void)
{
	struct stat ram, state;

	return !fstat(vmm.ram_fd, &ram) && !fstat(vmm.state_fd, &state) &&
	       ram.st_size >= (off_t)GUEST_BUFFERS && state.st_size == sizeof(*vmm.state) &&
	       !vmm_map_files(ram.st_size) && vmm.state->magic == VMM_STATE_MAGIC &&
	       vmm.state->size == sizeof(*vmm.state) && vmm.state->paused &&
	       vmm.state->ram == (uint64_t)ram.st_size &&
	       vmm.state->nr_stamps <= VMM_STAMPS_MAX;
}

static int retrieve(const char *name)
{
	vmm.session = kho_session_retrieve(name);
	if (vmm.session < 0)
		return -1;
	vmm.ram_fd = kho_session_take(vmm.session, VMM_TOKEN_RAM);
	vmm.state_fd = kho_session_take(vmm.session, VMM_TOKEN_STATE);
	if (vmm.ram_fd < 0 || vmm.state_fd < 0)
		return -1;
	if (!files_are_right()) {
		keeper_problem("%s is no guest that was stopped for a live update", name);
		errno = EINVAL;
		return -1;
	}
	vmm.iommufd = kho_session_take(vmm.session, VMM_TOKEN_IOMMUFD);
	vmm.device = kho_session_take(vmm.session, VMM_TOKEN_DEVICE);
	if (vmm.iommufd < 0 || vmm.device < 0)
		return -1;
	/* Only then its registers can be mapped. It does DMA all the time. */
	return kho_vfio_bind(vmm.device, vmm.iommufd, &vmm.device_id);
}

static int resume(uint64_t init_tsc)
{
	struct guest_state *guest = vmm_guest();

	if (vmm_make_machine() || machine_load(&vmm.machine, &vmm.state->vcpu))
		return -1;
	/* Frames that were sent meanwhile are counted by themselves. */
	guest->window[0] = vmm_sender_time(vmm_stamp_of("jump"));
	guest->window[1] = vmm_sender_time(init_tsc);
	vmm_stamp("userspace", init_tsc);
	vmm_stamp("resumed", __rdtsc());
	vmm.state->paused = 0;
	return machine_run(&vmm.machine);
}

/* All address spaces, and then the page table of our only device, which gets it. */
static int restore(void)
{
	struct iommu_restore_object object;
	uint32_t i, table = 0;
	int rc;

	if (vmm_limit_pins())
		return -1;
	for (i = 0; (rc = kho_restored_object(vmm.iommufd, i, &object)) > 0; i++) {
		if (!(object.flags & IOMMU_RESTORE_PRESERVED))
			continue;
		if (object.type == IOMMU_RESTORE_TYPE_IOAS &&
		    kho_restored_ioas(vmm.iommufd, object.old_id, &vmm.ioas))
			return -1;
		if (object.type == IOMMU_RESTORE_TYPE_DEVICE)
			table = object.parent;
	}
	if (rc || kho_restored_attach_to(vmm.iommufd, table, &table))
		return -1;
	vmm_stamp("rebuilt", __rdtsc());
	vmm_stamp("swap", __rdtsc());
	if (kho_vfio_attach(vmm.device, table))
		return -1;
	vmm_stamp("swapped", __rdtsc());
	return 0;
}

static int finish(void)
{
	if (kho_session_finish(vmm.session) || close(vmm.session))
		return -1;
	vmm.session = -1;
	vmm_stamp("finished", __rdtsc());
	return 0;
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "retrieve") && nr == 2)
		return retrieve(w[1]);
	if (!strcmp(w[0], "resume") && nr == 2)
		return resume(strtoull(w[1], NULL, 0));
	if (!strcmp(w[0], "restore") && nr == 1)
		return restore();
	if (!strcmp(w[0], "finish") && nr == 1)
		return finish();
	return vmm_run(w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
