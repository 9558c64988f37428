// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu restore: a guest of the old kernel's, with its devices, goes on in a QEMU of this one.
 *
 * Devices do DMA by the old kernel's tables all the time. They are bound, their address spaces made
 * again and attached, and their interrupts set, before QEMU gets them: it does none of this when it
 * comes in. Another process keeps all of it, too, from when it was taken from the session, so that
 * it can be tried again, or without devices if there is something wrong with one: the guest's files
 * would go with the last who has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kho_iommufd.h>
#include <kho_restored.h>
#include <kho_session.h>
#include <kho_vfio.h>

#include "kho_qemu.h"

static const char without_remedy[] =
	"dmesg says why; with --without-devices, and a QEMU without them, the guest goes on";
static const char without_one_remedy[] =
	"dmesg says why; with --without-device ADDRESS, and a QEMU without it, the guest goes on";

static int take(struct guest *guest)
{
	uint32_t i;
	int fd = kho_session_take(guest->session, TOKEN_RECORD);

	if (fd < 0) {
		complain("khoctl discard gives the guest up", "%s: its record is not there: %s",
			 guest->name, strerror(errno));
		return -1;
	}
	if (guest_open(guest, fd, "khoctl discard gives the guest up"))
		return -1;
	for (i = 0; i < guest->list.nr_fds; i++) {
		if (guest->record.fds[i].kind == RECORD_EVENTFD)
			continue;
		guest->fds[i] = kho_session_take(guest->session, TOKEN_FD(i));
		if (guest->fds[i] >= 0)
			continue;
		complain("dmesg says why", "%s: %s is not to be had: %s", guest->name,
			 guest->list.fds[i].name, strerror(errno));
		/*
		 * Without a device the guest can go on, and it would lose its memory if we gave
		 * up. (Another process can be given this one, and it is no device.)
		 */
		if (guest->record.fds[i].kind != RECORD_FILE)
			guest->fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (guest->fds[i] < 0)
			return -1;
	}
	/* (those of the old kernel; 0: not bound yet, not attached yet) */
	for (i = 0; i < guest->list.nr_devices; i++) {
		guest->list.devices[i].id = 0;
		guest->list.devices[i].hwpt = 0;
	}
	return 0;
}

/* "0000:00:03.0" as iommufd's list has it */
static uint64_t bdf_of(const char *address)
{
	unsigned int segment, bus, slot, function;

	if (sscanf(address, "%x:%x:%x.%x", &segment, &bus, &slot, &function) != 4)
		return UINT64_MAX;
	return (uint64_t)segment << 16 | (bus & 0xff) << 8 | (slot & 0x1f) << 3 | (function & 7);
}

/* The old id of the device's page table, in this iommufd; 0 when it was not bound to it */
static uint32_t old_table(int iommufd, const char *address)
{
	struct iommu_restore_object object;
	uint64_t bdf = bdf_of(address);
	uint32_t i;

	for (i = 0; kho_restored_object(iommufd, i, &object) > 0; i++)
		if (object.type == IOMMU_RESTORE_TYPE_DEVICE && object.bdf == bdf)
			return object.parent;
	return 0;
}

/* The iommufd that the device belongs to; -1 when there is none */
static int iommufd_of(const struct guest *guest, const struct record_device *device)
{
	uint32_t i;

	for (i = 0; i < guest->list.nr_fds; i++)
		if (guest->record.fds[i].kind == RECORD_IOMMUFD &&
		    old_table(guest->fds[i], device->address))
			return guest->fds[i];
	return -1;
}

/* -1 with errno, ENOTTY: what was preserved of it is not there */
static int bind_device(const struct guest *guest, const struct record_device *device, uint32_t *id)
{
	int iommufd = iommufd_of(guest, device), fd = guest_fd(guest, device->address);

	if (iommufd >= 0 && fd >= 0)
		return kho_vfio_bind(fd, iommufd, id);
	errno = ENOTTY;
	return -1;
}

/*
 * Also those that are left out, and are there: a session with a device that is in the old kernel's
 * page table cannot be finished. Finishing it gives up those that are not there.
 */
static int bind_devices(struct guest *guest, const struct options *options)
{
	const struct record_device *device = guest->record.devices;
	uint32_t i, id;

	for (i = 0; i < guest->list.nr_devices; i++) {
		if (guest->list.devices[i].id)
			continue;
		if (!bind_device(guest, &device[i], &id)) {
			guest->list.devices[i].id = id;
			continue;
		}
		if (errno != ENOTTY) {
			complain(without_remedy, "%s: %s", device[i].address, strerror(errno));
			return -1;
		}
		if (is_left_out(options, device[i].address))
			continue;
		complain(without_one_remedy, "%s: what was preserved of it is not there",
			 device[i].address);
		return -1;
	}
	return 0;
}

static int restore_spaces(int iommufd, const char *name)
{
	struct iommu_restore_object object;
	uint32_t i, ioas;

	for (i = 0; kho_restored_object(iommufd, i, &object) > 0; i++) {
		if (object.type != IOMMU_RESTORE_TYPE_IOAS ||
		    !(object.flags & IOMMU_RESTORE_PRESERVED) || object.new_id)
			continue;
		if (kho_restored_ioas(iommufd, object.old_id, &ioas)) {
			complain(without_remedy, "%s: an address space cannot be made again: %s",
				 name, strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* Of the new page table, which is an address space when attaching made it, QEMU wants both. */
static int new_ids(int iommufd, uint32_t table, uint32_t *ioas, uint32_t *hwpt)
{
	struct iommu_restore_object object;
	uint32_t i, space = 0;

	for (i = 0; kho_restored_object(iommufd, i, &object) > 0; i++) {
		if (object.old_id != table)
			continue;
		space = object.type == IOMMU_RESTORE_TYPE_HWPT ? object.parent : table;
		*hwpt = object.new_id;
	}
	for (i = 0; kho_restored_object(iommufd, i, &object) > 0; i++)
		if (object.old_id == space) {
			*ioas = object.new_id;
			return 0;
		}
	return -1;
}

static int attach_devices(struct guest *guest, const struct options *options)
{
	const struct record_device *device = guest->record.devices;
	uint32_t i, table, hwpt = 0;

	for (i = 0; i < guest->list.nr_devices; i++) {
		struct cpr_device *known = &guest->list.devices[i];
		int iommufd = iommufd_of(guest, &device[i]);

		if (known->hwpt || !known->id)
			continue;
		table = old_table(iommufd, device[i].address);
		if (new_ids(iommufd, table, &known->ioas, &hwpt) ||
		    kho_restored_attach_to(iommufd, table, &table) ||
		    kho_vfio_attach(guest_fd(guest, device[i].address), table)) {
			complain(without_remedy, "%s: it cannot be attached: %s",
				 device[i].address, strerror(errno));
			return -1;
		}
		if (!is_left_out(options, device[i].address) &&
		    device_set_irqs(guest, &device[i]))
			return -1;
		known->hwpt = hwpt;
	}
	return 0;
}

static int set_up_devices(struct guest *guest, const struct options *options)
{
	uint32_t i;

	if (bind_devices(guest, options))
		return -1;
	for (i = 0; i < guest->list.nr_fds; i++)
		if (guest->record.fds[i].kind == RECORD_IOMMUFD &&
		    restore_spaces(guest->fds[i], guest->list.fds[i].name))
			return -1;
	return attach_devices(guest, options);
}

/* From the session; from here on another process keeps it, too. */
static int from_session(struct guest *guest, const struct options *options)
{
	guest->session = session_get(guest->name);
	if (guest->session < 0 || take(guest) || guest_eventfds(guest))
		return -1;
	return keeper_fork(guest, options);
}

/* The process that keeps it did not give it, to who wants to restore it. */
static void has_none(const struct guest *guest, const struct options *options)
{
	if (keeper_is_there(options))
		complain("kho-qemu cancel has it go on under this kernel",
			 "%s: it is saved for the next kernel, and did not come from the old one",
			 guest->name);
	else
		complain(NULL, "%s: somebody else has restored it meanwhile", guest->name);
	exit(EXIT_FAILED);
}

/* What another QEMU did not take */
static int from_process(struct guest *guest, const struct options *options)
{
	int sock = keeper_take(guest, options, KEEPER_RESTORE);

	if (sock < 0)
		return sock;
	if (!guest->fds)
		has_none(guest, options);
	/* (for that QEMU may have taken some) */
	guest_signal_all(guest);
	return sock;
}

/*
 * A session with a device that nobody uses again cannot be finished. It ends with the last who has
 * it, and with it the device's DMA; the guest's memory stays with QEMU.
 */
static void give_up_devices(struct guest *guest)
{
	uint32_t i;

	for (i = 0; i < guest->list.nr_fds; i++)
		if (guest->record.fds[i].kind != RECORD_FILE)
			close(guest->fds[i]);
	close(guest->session);
	session_release(guest->name);
	session_discard(guest->name);
}

int cmd_restore(const struct options *options)
{
	struct guest guest = { .name = options->guest };
	int keeper = from_process(&guest, options);

	if (keeper < 0)
		keeper = from_session(&guest, options);
	/* (QEMU starts while devices are set up) */
	if (keeper < 0 || without_check(&guest, options) || guest_start_qemu(options) ||
	    (!options->without_devices && set_up_devices(&guest, options)) ||
	    guest_feed(&guest, options))
		return EXIT_FAILED;
	if (!options->without_devices && kho_session_finish(guest.session)) {
		complain("dmesg says why", "%s: its session cannot be finished: %s", guest.name,
			 strerror(errno));
		return EXIT_FAILED;
	}
	keeper_end(keeper, options);
	if (options->without_devices)
		give_up_devices(&guest);
	return guest_go_on(&guest, options) ? EXIT_FAILED : EXIT_OK;
}
