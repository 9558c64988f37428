// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's state, as it sends it to another QEMU, as far as kho-qemu has to know it:
 *
 *	"QEVM", a version, sections; 0; 6, a length, a description of all of it in JSON
 *
 * The section of a device is 4, a number, the length of its name and the name, two numbers more,
 * what the device has to say, which only QEMU can read, and at its end 0x7e with the number once
 * more. Numbers are of 32 bits and big-endian, the length of a name is a byte.
 *
 * The name is of where the guest has the device, and not of what it is to the host. But that of one
 * of vfio begins with a number and the guest's configuration space, where ids and base addresses
 * are as the guest reads and has written them: they are in the record, too.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/pci_regs.h>

#include "kho_qemu.h"

#define SECTION_EOF	0
#define SECTION_FULL	4
#define SECTION_JSON	6
#define SECTION_END	0x7e

/* How QEMU calls the section of an iommufd, and that of a device, before which is where that is. */
#define IOMMUFD		"iommufd"
#define OF_VFIO		"/vfio-cpr-pci"

/* Where its configuration space is, behind its header, and how much of that are addresses */
#define CONFIG_AT	4
#define BASES		(PCI_BASE_ADDRESS_5 + 4 - PCI_BASE_ADDRESS_0)

static uint32_t number_at(const uint8_t *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return be32toh(number);
}

bool state_is_whole(const uint8_t *state, size_t size)
{
	size_t length;

	if (size < 16 || memcmp(state, "QEVM", 4) || state[size - 1] != '}')
		return false;
	for (length = 2; length < size - 6; length++) {
		const uint8_t *at = state + size - length - 5;

		if (at[0] == SECTION_JSON && at[-1] == SECTION_EOF && length == number_at(at + 1))
			return true;
	}
	return false;
}

/* The size of what a section begins with, its name and *@name; 0 when there is none */
static size_t header_size(const uint8_t *at, const uint8_t *end, const char **name, size_t *length)
{
	size_t i;

	if (end - at < 6 || at[0] != SECTION_FULL)
		return 0;
	*name = (const char *)at + 6;
	*length = at[5];
	if (!*length || (size_t)(end - at) < 6 + *length + 8)
		return 0;
	for (i = 0; i < *length; i++)
		if (!isgraph((unsigned char)(*name)[i]))
			return 0;
	return 6 + *length + 8;
}

static bool ends_with(const char *name, size_t length, const char *end)
{
	size_t size = strlen(end);

	return length >= size && !memcmp(name + length - size, end, size);
}

static bool is_config_of(const uint8_t *config, const struct record_device *device)
{
	return !memcmp(config, device->header, PCI_COMMAND) &&
	       !memcmp(config + PCI_BASE_ADDRESS_0, device->header + PCI_BASE_ADDRESS_0, BASES);
}

/*
 * Is the device of that configuration space left out? -1: it is none of the guest's, or may be one
 * that is and one that is not
 */
static int device_is_left(const struct guest *guest, const struct options *options,
			  const uint8_t *config)
{
	const struct record_device *device = guest->record.devices;
	const struct record_device *end = device + guest->record.head->nr_devices;
	int left = -1, one;

	for (; device < end; device++) {
		if (!is_config_of(config, device))
			continue;
		one = is_left_out(options, device->address);
		if (left >= 0 && left != one)
			return -1;
		left = one;
	}
	return left;
}

/* Is there a section, at whose begin are *@header bytes, to be left out? -1: that is not known */
static int is_left(const struct guest *guest, const struct options *options, const uint8_t *at,
		   const uint8_t *end, size_t *header)
{
	const char *name;
	size_t length;

	*header = header_size(at, end, &name, &length);
	if (!*header)
		return 0;
	if (length == strlen(IOMMUFD) && ends_with(name, length, IOMMUFD))
		return options->without_devices;
	if (!ends_with(name, length, OF_VFIO) || options->without_devices)
		return ends_with(name, length, OF_VFIO);
	if ((size_t)(end - at) < *header + CONFIG_AT + RECORD_HEADER)
		return -1;
	return device_is_left(guest, options, at + *header + CONFIG_AT);
}

/* Where the section ends whose number is at @number: another one follows, or nothing. */
static const uint8_t *end_of(const uint8_t *number, const uint8_t *at, const uint8_t *end)
{
	const char *name;
	size_t length;

	for (; end - at > 10; at++) {
		if (at[0] != SECTION_END || memcmp(at + 1, number, 4))
			continue;
		if (header_size(at + 5, end, &name, &length) ||
		    (at[5] == SECTION_EOF && at[6] == SECTION_JSON))
			return at + 5;
	}
	return NULL;
}

uint8_t *state_without(const struct guest *guest, const struct options *options, size_t *size)
{
	const uint8_t *at = guest->record.state, *end = at + guest->record.head->state_size, *next;
	uint8_t *copy = malloc(end - at), *to = copy;
	size_t header;
	int left;

	while (copy && at < end) {
		left = is_left(guest, options, at, end, &header);
		if (!left) {
			*to++ = *at++;
			continue;
		}
		next = left > 0 ? end_of(at + 1, at + header, end) : NULL;
		if (!next) {
			free(copy);
			errno = EBADMSG;
			return NULL;
		}
		at = next;
	}
	*size = to - copy;
	return copy;
}
