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
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kho_vfio.h>

#include "kho_qemu.h"

/* Names of descriptors, after the device's; KVM unmasks, if it takes the interrupt */
#define INTX_TRIGGER	"_intx-interrupt"
#define INTX_UNMASK	"_intx-unmask"

/* Bytes of configuration space, of which each is read by what must be read at once */
static int read16(int fd, unsigned int offset, const char *address, uint16_t *value)
{
	if (!kho_vfio_config_read16(fd, offset, value))
		return 0;
	complain(NULL, "%s: configuration space cannot be read: %s", address, strerror(errno));
	return -1;
}

/* Where it has that capability; 0 when it has none */
static int find_capability(int fd, const char *address, uint8_t id, unsigned int *at)
{
	unsigned int looks;
	uint16_t word;

	*at = 0;
	if (read16(fd, PCI_STATUS, address, &word))
		return -1;
	if (!(word & PCI_STATUS_CAP_LIST))
		return 0;
	if (read16(fd, PCI_CAPABILITY_LIST, address, &word))
		return -1;
	*at = word & 0xfc;
	for (looks = 0; *at && looks < 48; looks++, *at = (word >> 8) & 0xfc) {
		if (read16(fd, *at, address, &word))
			return -1;
		if ((word & 0xff) == id)
			return 0;
	}
	*at = 0;
	return 0;
}

/* A register of that capability; 0 when there is none */
static int read_capability(int fd, const char *address, uint8_t id, unsigned int offset,
			   uint16_t *value)
{
	unsigned int at;

	*value = 0;
	if (find_capability(fd, address, id, &at))
		return -1;
	return at ? read16(fd, at + offset, address, value) : 0;
}

/* By its enable bits; of MSI-X, a vector is looked for as long as there are some. */
static int look_for_irq(int fd, struct record_device *device)
{
	uint16_t msi, msix, word;

	device->irq = RECORD_NO_IRQ;
	device->nr_vectors = 0;
	if (read_capability(fd, device->address, PCI_CAP_ID_MSI, PCI_MSI_FLAGS, &msi) ||
	    read_capability(fd, device->address, PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, &msix) ||
	    read16(fd, PCI_INTERRUPT_LINE, device->address, &word))
		return -1;
	if (msi & PCI_MSI_FLAGS_ENABLE) {
		device->irq = RECORD_MSI;
		device->nr_vectors = 1 << ((msi & PCI_MSI_FLAGS_QSIZE) >> 4);
	} else if (msix & PCI_MSIX_FLAGS_ENABLE) {
		device->irq = RECORD_MSIX;
		device->nr_vectors = (msix & PCI_MSIX_FLAGS_QSIZE) + 1;
	} else if (word >> 8) {
		device->irq = RECORD_INTX;
	}
	return 0;
}

int device_most_vectors(int fd, const char *address, unsigned int *nr)
{
	uint16_t msi, msix;

	if (read_capability(fd, address, PCI_CAP_ID_MSI, PCI_MSI_FLAGS, &msi) ||
	    read_capability(fd, address, PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, &msix))
		return -1;
	*nr = msi ? 1 << ((msi & PCI_MSI_FLAGS_QMASK) >> 1) : 0;
	if (msix && *nr < (msix & PCI_MSIX_FLAGS_QSIZE) + 1U)
		*nr = (msix & PCI_MSIX_FLAGS_QSIZE) + 1;
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

/* As QEMU decides it: a reset of the device alone is not enough, or there is none. */
static int is_reset_with_bus(int fd, const char *address, bool *is)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint16_t express, features, power = PCI_PM_CTRL_NO_SOFT_RESET;
	unsigned int at;

	if (ioctl(fd, VFIO_DEVICE_GET_INFO, &info)) {
		complain(NULL, "%s: %s", address, strerror(errno));
		return -1;
	}
	/* (the upper half of the register, and the byte behind it) */
	if (read_capability(fd, address, PCI_CAP_ID_EXP, PCI_EXP_DEVCAP + 2, &express) ||
	    read_capability(fd, address, PCI_CAP_ID_AF, PCI_AF_LENGTH, &features) ||
	    find_capability(fd, address, PCI_CAP_ID_PM, &at) ||
	    (at && read16(fd, at + PCI_PM_CTRL, address, &power)))
		return -1;
	*is = !(info.flags & VFIO_DEVICE_FLAGS_RESET) ||
	      (!(express & (PCI_EXP_DEVCAP_FLR >> 16)) && !((features >> 8) & PCI_AF_CAP_FLR) &&
	       !(power & PCI_PM_CTRL_NO_SOFT_RESET));
	return 0;
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

static int irqs_are_set(int rc, const struct record_device *device)
{
	if (rc)
		complain(NULL, "%s: its interrupts cannot be set: %s", device->address,
			 strerror(errno));
	return rc;
}

int device_set_irqs(const struct guest *guest, const struct record_device *device)
{
	int fd = guest_fd(guest, device->address), rc = 0;

	switch (device->irq) {
	case RECORD_MSI:
		rc = set_vectors(guest, device, fd, VFIO_PCI_MSI_IRQ_INDEX);
		break;
	case RECORD_MSIX:
		rc = set_vectors(guest, device, fd, VFIO_PCI_MSIX_IRQ_INDEX);
		break;
	}
	if (!rc)
		set_notifiers(guest, device, fd);
	return irqs_are_set(rc, device);
}

/*
 * QEMU would take a signal of INTx that comes before it has loaded where the pin leads to and
 * whether it is asserted, and forget it.
 */
int device_set_intx(const struct guest *guest, const struct record_device *device)
{
	int trigger = descriptor(guest, device->address, INTX_TRIGGER, 0);
	int unmask = descriptor(guest, device->address, INTX_UNMASK, 0);
	int fd = guest_fd(guest, device->address), none = -1, rc;

	if (device->irq != RECORD_INTX || trigger < 0)
		return 0;
	rc = set_irqs(fd, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, &trigger, 1);
	/* (one that the QEMU before has set would stay) */
	if (!rc)
		rc = set_irqs(fd, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, &none, 1);
	if (!rc && unmask >= 0)
		rc = set_irqs(fd, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, &unmask, 1);
	/* What came while nobody listened is made up for; the next kernel has done that already. */
	if (!rc)
		rc = eventfd_write(trigger, 1);
	return irqs_are_set(rc, device);
}

/*
 * A QEMU that starts makes INTx of a device ready after a reset with the bus. By then it has not
 * loaded where the pin leads to, and when it has, KVM refuses to take another interrupt for it.
 */
int device_keeps_intx(const struct guest *guest, const struct record_device *device)
{
	const char *address = device->address;
	int fd = guest_fd(guest, address);
	struct record_device now = *device;
	bool with_bus;
	uint16_t command;

	if (look_for_irq(fd, &now) || read16(fd, PCI_COMMAND, address, &command) ||
	    is_reset_with_bus(fd, address, &with_bus))
		return -1;
	/* (without bus master, no driver of the guest has it) */
	if (now.irq != RECORD_INTX || !(command & PCI_COMMAND_MASTER) || !with_bus ||
	    descriptor(guest, address, INTX_UNMASK, 0) < 0)
		return 0;
	complain("start QEMU with -device vfio-pci,...,x-no-kvm-intx=on, or let the guest use MSI",
		 "%s: it has no function reset, and QEMU would lose its INTx", address);
	return -1;
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
