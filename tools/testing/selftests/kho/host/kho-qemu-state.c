// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu-state: what kho-qemu leaves out of QEMU's state and list for devices that a guest goes
 * on without. It is built with sanitizers, and with the parts of kho-qemu that do it.
 *
 * The state is made up, of the form that QEMU's has. It is also cut off, and wrong, at each byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "../../../../kho/qemu/kho_qemu.h"

#define check(condition) check_that(condition, #condition, __LINE__)

#define ROOM	16384
#define CONFIG	256
#define FIRST	"0000:00:03.0"
#define SECOND	"0000:01:00.0"

static void check_that(bool holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "kho-qemu-state: line %d: not so: %s\n", line, what);
	exit(1);
}

void complain(const char *remedy, const char *format, ...)
{
	(void)remedy;
	(void)format;
}

static uint8_t *put(uint8_t *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return to + size;
}

static uint8_t *put32(uint8_t *to, uint32_t number)
{
	number = htonl(number);
	return put(to, &number, sizeof(number));
}

static uint8_t *put_section(uint8_t *to, uint32_t number, const char *name, const void *body,
			    size_t size)
{
	*to++ = 4;
	to = put32(to, number);
	*to++ = strlen(name);
	to = put(to, name, strlen(name));
	to = put32(to, 0);
	to = put32(to, 1);
	to = put(to, body, size);
	*to++ = 0x7e;
	return put32(to, number);
}

/* Like one of vfio: a number, its configuration space, and something behind that */
static uint8_t *put_device(uint8_t *to, uint32_t number, const char *name,
			   const struct record_device *device)
{
	uint8_t body[4 + CONFIG + 40];

	memset(body, 0x55, sizeof(body));
	memset(body, 0, 4);
	memcpy(body + 4, device->header, RECORD_HEADER);
	/* (the command register is the device's own) */
	body[4 + 4] ^= 7;
	return put_section(to, number, name, body, sizeof(body));
}

static void make_list(struct cpr_state *list)
{
	static const char * const names[] = { FIRST, SECOND };
	size_t i;

	*list = (struct cpr_state) { 0 };
	check(cpr_add(list, "ram0", 0, 0) && cpr_add(list, "iommufd0", 0, 1) &&
	      cpr_add(list, FIRST, 0, 2) && cpr_add(list, SECOND, 0, 3) &&
	      cpr_add(list, FIRST "_kvm_interrupt", 0, 4) &&
	      cpr_add(list, SECOND "_interrupt", 0, 5));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		struct cpr_device *device = cpr_add_device(list);

		check(device);
		memcpy(device->name, names[i], strlen(names[i]) + 1);
		device->id = i + 1;
	}
}

/* Two of a kind, at different addresses */
static void make_guest(struct guest *guest)
{
	static const enum record_kind kinds[] = { RECORD_FILE, RECORD_IOMMUFD, RECORD_DEVICE,
						  RECORD_DEVICE, RECORD_EVENTFD, RECORD_EVENTFD };
	static int fds[ARRAY_SIZE(kinds)] = { 10, 11, 12, 13, 14, 15 };
	struct record *record = &guest->record;
	uint8_t *end;
	size_t i;

	*guest = (struct guest) { .name = "guest", .session = -1, .fds = fds };
	make_list(&guest->list);
	check(!record_new(record, &guest->list, 0, ROOM));
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		record->fds[i].kind = kinds[i];
	for (i = 0; i < guest->list.nr_devices; i++) {
		memset(record->devices[i].header, 0x20, RECORD_HEADER);
		record->devices[i].header[0x13] = 0xfe - i;
	}
	end = put(record->state, "QEVM\0\0\0\3", 8);
	end = put_section(end, 1, "timer", "tick", 4);
	end = put_device(end, 2, "0000:00:10.0/vfio-cpr-pci", &record->devices[0]);
	end = put_section(end, 3, "iommufd", "many", 4);
	end = put_device(end, 4, "0000:00:11.0/vfio-cpr-pci", &record->devices[1]);
	end = put_section(end, 5, "last", "tock", 4);
	end = put(end, "\0\6\0\0\0\2{}", 8);
	record->head->state_size = end - record->state;
	check(state_is_whole(record->state, record->head->state_size));
}

static bool has(const uint8_t *state, size_t size, const char *text)
{
	return memmem(state, size, text, strlen(text));
}

/* Which sections are there: a bit for each of the two devices, and for the iommufd; -1: refused */
static int try_state(const struct guest *guest, const struct options *options)
{
	size_t size = 0;
	uint8_t *copy = state_without(guest, options, &size);
	int there;

	if (!copy) {
		check(errno == EBADMSG);
		return -1;
	}
	check(size <= guest->record.head->state_size);
	there = has(copy, size, "0000:00:10.0/") | has(copy, size, "0000:00:11.0/") << 1 |
		has(copy, size, "iommufd") << 2;
	if (state_is_whole(guest->record.state, guest->record.head->state_size))
		check(state_is_whole(copy, size) && has(copy, size, "timer") &&
		      has(copy, size, "last") && has(copy, size, "tick"));
	free(copy);
	return there;
}

static void try_list(const struct guest *guest, const struct options *options, int wanted)
{
	struct cpr_state rest = { 0 };
	int fds[8], there = 0;
	size_t i;

	check(!without_list(guest, options, &rest, fds));
	for (i = 0; i < rest.nr_fds; i++)
		there |= 1 << (fds[i] - 10);
	check(there == wanted);
	for (i = 0; i < rest.nr_devices; i++)
		check(!is_left_out(options, rest.devices[i].name));
	check(rest.nr_devices == 2U - options->nr_without || options->without_devices);
	cpr_free(&rest);
}

static void try_names(struct guest *guest)
{
	const struct options none = { 0 }, all = { .without_devices = true };
	const struct options first = { .without = { FIRST }, .nr_without = 1 };
	const struct options second = { .without = { SECOND }, .nr_without = 1 };
	const struct options both = { .without = { SECOND, FIRST }, .nr_without = 2 };
	const struct options other = { .without = { "0000:00:03" }, .nr_without = 1 };

	check(!without_check(guest, &both) && without_check(guest, &other));
	check(try_state(guest, &none) == 7);
	try_list(guest, &none, 0x3f);
	check(try_state(guest, &first) == 6);
	try_list(guest, &first, 0x2b);
	check(try_state(guest, &second) == 5);
	try_list(guest, &second, 0x17);
	check(try_state(guest, &both) == 4);
	try_list(guest, &both, 0x03);
	check(try_state(guest, &all) == 0);
	try_list(guest, &all, 0x01);

	/* Two that look the same cannot be told apart, unless it does not matter. */
	guest->record.devices[1].header[0x13] = guest->record.devices[0].header[0x13];
	check(try_state(guest, &first) == -1);
	guest->record.devices[1].header[0x13]--;
}

static void try_damaged(struct guest *guest)
{
	const struct options first = { .without = { FIRST }, .nr_without = 1 };
	struct record *record = &guest->record;
	uint8_t *all = record->state;
	size_t size = record->head->state_size, i;

	/* (of exactly that size, so that reading one byte too many is seen) */
	for (i = 0; i < size; i++) {
		record->state = malloc(i ? i : 1);
		memcpy(record->state, all, i);
		record->head->state_size = i;
		try_state(guest, &first);
		free(record->state);
	}
	record->head->state_size = size;
	record->state = malloc(size);
	for (i = 0; i < size; i++) {
		uint8_t *copy;
		size_t left = 0;

		memcpy(record->state, all, size);
		record->state[i] ^= 0x41;
		copy = state_without(guest, &first, &left);
		check(!copy || left <= size);
		free(copy);
	}
	free(record->state);
	record->state = all;
}

int main(void)
{
	struct guest guest;

	make_guest(&guest);
	try_names(&guest);
	try_damaged(&guest);
	cpr_free(&guest.list);
	record_close(&guest.record);
	return 0;
}
