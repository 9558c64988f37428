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

#include "keeper.h"
#include "kho_vfio.h"
#include "session.h"
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
	vmm.session = session_retrieve(name);
	if (vmm.session < 0)
		return -1;
	vmm.ram_fd = session_take(vmm.session, VMM_TOKEN_RAM);
	vmm.state_fd = session_take(vmm.session, VMM_TOKEN_STATE);
	if (vmm.ram_fd < 0 || vmm.state_fd < 0)
		return -1;
	if (!files_are_right()) {
		keeper_problem("%s is no guest that was stopped for a live update", name);
		errno = EINVAL;
		return -1;
	}
	vmm.iommufd = session_take(vmm.session, VMM_TOKEN_IOMMUFD);
	vmm.device = session_take(vmm.session, VMM_TOKEN_DEVICE);
	if (vmm.iommufd < 0 || vmm.device < 0)
		return -1;
	/* Only then its registers can be mapped. It does DMA all the time. */
	return vfio_bind(vmm.device, vmm.iommufd, &vmm.device_id);
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

/* What the device has to be attached to now; 0 for none */
static uint32_t restored_table(const struct iommu_restore_object *objects, uint32_t nr)
{
	const struct iommu_restore_object *device = NULL, *hwpt = NULL, *ioas = NULL;
	uint32_t i;

	for (i = 0; i < nr; i++)
		if (objects[i].type == IOMMU_RESTORE_TYPE_DEVICE &&
		    objects[i].flags & IOMMU_RESTORE_PRESERVED)
			device = &objects[i];
	for (i = 0; i < nr; i++)
		if (device && objects[i].type == IOMMU_RESTORE_TYPE_HWPT &&
		    objects[i].old_id == device->parent)
			hwpt = &objects[i];
	for (i = 0; i < nr; i++)
		if (hwpt && objects[i].type == IOMMU_RESTORE_TYPE_IOAS &&
		    objects[i].old_id == hwpt->parent)
			ioas = &objects[i];
	if (!ioas)
		return 0;
	vmm.ioas = ioas->new_id;
	return hwpt->flags & IOMMU_RESTORE_AUTO ? ioas->new_id : hwpt->new_id;
}

static int restore(void)
{
	struct iommu_restore_object objects[16];
	uint32_t nr = 16, table, i;

	if (vmm_limit_pins() || iommufd_restore_list(vmm.iommufd, objects, &nr))
		return -1;
	for (i = 0; i < nr; i++)
		if (objects[i].type == IOMMU_RESTORE_TYPE_IOAS &&
		    objects[i].flags & IOMMU_RESTORE_PRESERVED &&
		    iommufd_restore_ioas(vmm.iommufd, objects[i].old_id))
			return -1;
	vmm_stamp("rebuilt", __rdtsc());
	/* Now it has the new names too. */
	if (iommufd_restore_list(vmm.iommufd, objects, &nr))
		return -1;
	table = restored_table(objects, nr);
	if (!table) {
		keeper_problem("the iommufd had no page table for a device");
		errno = ENOENT;
		return -1;
	}
	vmm_stamp("swap", __rdtsc());
	if (vfio_attach(vmm.device, table))
		return -1;
	vmm_stamp("swapped", __rdtsc());
	return 0;
}

static int finish(void)
{
	if (session_finish(vmm.session) || close(vmm.session))
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
