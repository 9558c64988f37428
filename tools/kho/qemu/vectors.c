// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt vectors that the guest has enabled after QEMU sent its list, and before it was stopped:
 * a driver does that one by one, when its NIC is set up, for one.
 *
 * The next QEMU takes a vector that is not in the list for one that nobody uses, and the guest
 * would get no interrupt of it any more. But an eventfd crosses as its name only. So names are
 * added when the guest has stopped, for which the record has room. Which vectors there are, the
 * host's kernel knows: QEMU's state only says which ones the guest has not masked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "kho_qemu.h"

#define INTERRUPTS	"/proc/interrupts"

int vectors_spare(const struct guest *guest, size_t *nr)
{
	uint32_t i;

	*nr = 0;
	for (i = 0; i < guest->list.nr_devices; i++) {
		const char *address = guest->list.devices[i].name;
		int fd = guest_fd(guest, address);
		unsigned int most;

		/* (that there is none, is said when they are classified) */
		if (fd < 0)
			continue;
		if (device_most_vectors(fd, address, &most))
			return -1;
		/* QEMU's own, and KVM's */
		*nr += 2 * most;
	}
	return 0;
}

/* Is it a line of a vector of this device? That is *@vector. */
static bool is_vector_of(const char *line, const struct record_device *device, int32_t *vector)
{
	const char *kind = device->irq == RECORD_MSIX ? "vfio-msix[" : "vfio-msi[";
	const char *at = strstr(line, kind);
	size_t size = strlen(device->address);
	char *end;

	if (!at)
		return false;
	*vector = strtol(at + strlen(kind), &end, 10);
	return !strncmp(end, "](", 2) && !strncmp(end + 2, device->address, size) &&
	       end[2 + size] == ')';
}

static bool has_any(const struct guest *guest, const char *suffix)
{
	size_t i;

	for (i = 0; i < guest->list.nr_fds; i++)
		if (strstr(guest->list.fds[i].name, suffix))
			return true;
	return false;
}

static int add(struct guest *guest, const char *address, const char *suffix, int32_t vector)
{
	size_t nr = guest->list.nr_fds;
	char name[2 * CPR_NAME_SIZE];
	int *fds;

	snprintf(name, sizeof(name), "%s%s", address, suffix);
	if (cpr_find(&guest->list, name, vector))
		return 0;
	fds = realloc(guest->fds, (nr + 1) * sizeof(*fds));
	if (!fds)
		return -1;
	guest->fds = fds;
	fds[nr] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fds[nr] < 0)
		return -1;
	if (record_add_eventfd(&guest->record, name, vector)) {
		errno = ENOSPC;
		return -1;
	}
	return cpr_add(&guest->list, name, vector, nr) ? 0 : -1;
}

/* @kvm: KVM takes interrupts, where it is asked to. Without that QEMU takes them, at any rate. */
static void add_vector(struct guest *guest, const char *address, int32_t vector, bool kvm)
{
	if (!add(guest, address, "_interrupt", vector) &&
	    (!kvm || !add(guest, address, "_kvm_interrupt", vector)))
		return;
	complain("when the guest goes on, have its driver set the device up again",
		 "%s: interrupts of vector %d will not come: %s", address, vector, strerror(errno));
}

void vectors_add(struct guest *guest)
{
	bool kvm = has_any(guest, "_kvm_interrupt");
	FILE *file = fopen(INTERRUPTS, "re");
	size_t room = 0;
	char *line = NULL;
	int32_t vector;
	uint32_t i;

	if (!file) {
		complain(NULL, INTERRUPTS ": %s", strerror(errno));
		return;
	}
	/* (the record's devices move when it gets something) */
	while (getline(&line, &room, file) > 0)
		for (i = 0; i < guest->list.nr_devices; i++)
			if (is_vector_of(line, &guest->record.devices[i], &vector))
				add_vector(guest, guest->list.devices[i].name, vector, kvm);
	free(line);
	fclose(file);
}
