// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device of the guest, over vfio: what has to be known of it before the old kernel ends, and its
 * interrupts and header under the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kho_vfio.h>

#include "kho_qemu.h"

/* Bytes of configuration space, of which each is read by what must be read at once */
static int read16(int fd, unsigned int offset, const char *address, uint16_t *value)
{
	if (!kho_vfio_config_read16(fd, offset, value))
		return 0;
	complain(NULL, "%s: configuration space cannot be read: %s", address, strerror(errno));
	return -1;
}

/* By its enable bits; of MSI-X, a vector is looked for as long as there are some. */
static int look_for_irq(int fd, struct record_device *device)
{
	uint16_t status, word, control;
	unsigned int at, looks;

	device->irq = RECORD_NO_IRQ;
	device->nr_vectors = 0;
	if (read16(fd, PCI_STATUS, device->address, &status))
		return -1;
	if (read16(fd, PCI_CAPABILITY_LIST, device->address, &word))
		return -1;
	at = status & PCI_STATUS_CAP_LIST ? word & 0xfc : 0;
	for (looks = 0; at && looks < 48; looks++, at = (word >> 8) & 0xfc) {
		if (read16(fd, at, device->address, &word))
			return -1;
		if ((word & 0xff) == PCI_CAP_ID_MSI) {
			if (read16(fd, at + PCI_MSI_FLAGS, device->address, &control))
				return -1;
			if (!(control & PCI_MSI_FLAGS_ENABLE))
				continue;
			device->irq = RECORD_MSI;
			device->nr_vectors = 1 << ((control & PCI_MSI_FLAGS_QSIZE) >> 4);
			return 0;
		}
		if ((word & 0xff) == PCI_CAP_ID_MSIX) {
			if (read16(fd, at + PCI_MSIX_FLAGS, device->address, &control))
				return -1;
			if (!(control & PCI_MSIX_FLAGS_ENABLE))
				continue;
			device->irq = RECORD_MSIX;
			device->nr_vectors = (control & PCI_MSIX_FLAGS_QSIZE) + 1;
			return 0;
		}
	}
	if (read16(fd, PCI_INTERRUPT_LINE, device->address, &word))
		return -1;
	if (word >> 8)
		device->irq = RECORD_INTX;
	return 0;
}

int device_look(int fd, struct record_device *device)
{
	unsigned int at;
	uint16_t word;

	for (at = 0; at < RECORD_HEADER; at += sizeof(word)) {
		if (read16(fd, at, device->address, &word))
			return -1;
		memcpy(device->header + at, &word, sizeof(word));
	}
	return look_for_irq(fd, device);
}

static int descriptor(const struct guest *guest, const char *address, const char *suffix,
		      int32_t id)
{
	char name[2 * CPR_NAME_SIZE];
	const struct cpr_fd *one;

	snprintf(name, sizeof(name), "%s%s", address, suffix);
	one = cpr_find(&guest->list, name, id);
	return one ? guest->fds[one - guest->list.fds] : -1;
}

static int set_irqs(int fd, unsigned int index, unsigned int action, const int *eventfds,
		    unsigned int nr)
{
	size_t size = sizeof(struct vfio_irq_set) + nr * sizeof(*eventfds);
	struct vfio_irq_set *set = calloc(1, size);
	int rc, saved;

	if (!set)
		return -1;
	set->argsz = size;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | action;
	set->index = index;
	set->count = nr;
	memcpy(set->data, eventfds, nr * sizeof(*eventfds));
	rc = ioctl(fd, VFIO_DEVICE_SET_IRQS, set);
	saved = errno;
	free(set);
	errno = saved;
	return rc;
}

/* KVM takes a vector's interrupt where it can, else QEMU. */
static int vector(const struct guest *guest, const char *address, int32_t id)
{
	int fd = descriptor(guest, address, "_kvm_interrupt", id);

	return fd >= 0 ? fd : descriptor(guest, address, "_interrupt", id);
}

static int set_vectors(const struct guest *guest, const struct record_device *device, int fd,
		       unsigned int index)
{
	unsigned int i, nr = 0;
	int *eventfds = calloc(device->nr_vectors, sizeof(*eventfds));
	int rc = 0;

	if (!eventfds)
		return -1;
	for (i = 0; i < device->nr_vectors; i++) {
		eventfds[i] = vector(guest, device->address, i);
		if (eventfds[i] >= 0)
			nr = i + 1;
	}
	if (nr)
		rc = set_irqs(fd, index, VFIO_IRQ_SET_ACTION_TRIGGER, eventfds, nr);
	free(eventfds);
	return rc;
}

static int set_intx(const struct guest *guest, const struct record_device *device, int fd)
{
	int trigger = descriptor(guest, device->address, "_intx-interrupt", 0);
	int unmask = descriptor(guest, device->address, "_intx-unmask", 0);

	if (trigger < 0)
		return 0;
	if (set_irqs(fd, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, &trigger, 1))
		return -1;
	return unmask < 0 ? 0 :
	       set_irqs(fd, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, &unmask, 1);
}

/* What tells QEMU of an error, and that somebody wants the device back; not all devices have it. */
static void set_notifiers(const struct guest *guest, const struct record_device *device, int fd)
{
	int error = descriptor(guest, device->address, "_err_notifier", 0);
	int request = descriptor(guest, device->address, "_req_notifier", 0);

	if (error >= 0)
		set_irqs(fd, VFIO_PCI_ERR_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, &error, 1);
	if (request >= 0)
		set_irqs(fd, VFIO_PCI_REQ_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, &request, 1);
}

int device_set_irqs(const struct guest *guest, const struct record_device *device)
{
	int fd = guest_fd(guest, device->address), rc = 0;

	switch (device->irq) {
	case RECORD_INTX:
		rc = set_intx(guest, device, fd);
		break;
	case RECORD_MSI:
		rc = set_vectors(guest, device, fd, VFIO_PCI_MSI_IRQ_INDEX);
		break;
	case RECORD_MSIX:
		rc = set_vectors(guest, device, fd, VFIO_PCI_MSIX_IRQ_INDEX);
		break;
	}
	if (rc)
		complain(NULL, "%s: its interrupts cannot be set: %s", device->address,
			 strerror(errno));
	else
		set_notifiers(guest, device, fd);
	return rc;
}

static int write16(int fd, const struct record_device *device, unsigned int at)
{
	uint16_t value, now;

	memcpy(&value, device->header + at, sizeof(value));
	if (!kho_vfio_config_read16(fd, at, &now) && now == value)
		return 0;
	if (!kho_vfio_config_write16(fd, at, value))
		return 0;
	complain(NULL, "%s: configuration space cannot be written: %s", device->address,
		 strerror(errno));
	return -1;
}

/*
 * A QEMU that starts takes a device without function reset for one that has to be reset
 * with its bus, and writes to base addresses and the command register for that.
 */
int device_mend(int fd, const struct record_device *device)
{
	unsigned int at;

	for (at = PCI_BASE_ADDRESS_0; at < PCI_BASE_ADDRESS_5 + 4; at += 2)
		if (write16(fd, device, at))
			return -1;
	return write16(fd, device, PCI_COMMAND);
}
