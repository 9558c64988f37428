// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that a guest goes on without (--without-devices, --without-device), as they are lost or
 * nobody wants them any more: what QEMU does not get of its list.
 */
#include <stdio.h>
#include <string.h>

#include "kho_qemu.h"

static bool is_named(const struct options *options, const char *address)
{
	unsigned int i;

	for (i = 0; i < options->nr_without; i++)
		if (!strcmp(options->without[i], address))
			return true;
	return false;
}

bool is_left_out(const struct options *options, const char *address)
{
	return options->without_devices || is_named(options, address);
}

static bool has_device(const struct guest *guest, const char *address)
{
	size_t i;

	for (i = 0; i < guest->list.nr_devices; i++)
		if (!strcmp(guest->list.devices[i].name, address))
			return true;
	return false;
}

int without_check(const struct guest *guest, const struct options *options)
{
	unsigned int i;

	for (i = 0; i < options->nr_without; i++) {
		if (has_device(guest, options->without[i]))
			continue;
		complain("kho-qemu show of its record has their names, such as 0000:01:00.0",
			 "%s: it has no device %s", guest->name, options->without[i]);
		return -1;
	}
	return 0;
}

/* The device's own descriptor, or one of its interrupts and notifiers: "ADDRESS_what" */
static bool belongs_to(const char *name, const char *address)
{
	size_t size = strlen(address);

	return !strncmp(name, address, size) && (!name[size] || name[size] == '_');
}

static bool is_wanted(const struct guest *guest, const struct options *options, size_t fd)
{
	size_t i;

	if (guest->record.fds[fd].kind == RECORD_FILE)
		return true;
	for (i = 0; i < options->nr_without; i++)
		if (belongs_to(guest->list.fds[fd].name, options->without[i]))
			return false;
	return !options->without_devices;
}

int without_list(const struct guest *guest, const struct options *options, struct cpr_state *rest,
		 int *fds)
{
	struct cpr_device *device;
	size_t i;

	for (i = 0; i < guest->list.nr_fds; i++) {
		if (!is_wanted(guest, options, i))
			continue;
		fds[rest->nr_fds] = guest->fds[i];
		if (!cpr_add(rest, guest->list.fds[i].name, guest->list.fds[i].id, rest->nr_fds))
			return -1;
	}
	for (i = 0; i < guest->list.nr_devices; i++) {
		if (is_left_out(options, guest->list.devices[i].name))
			continue;
		device = cpr_add_device(rest);
		if (!device)
			return -1;
		*device = guest->list.devices[i];
	}
	return 0;
}
