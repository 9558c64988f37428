// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu-fuzz: what kho-qemu makes of lists of QEMU's and of its own records that are cut off, or
 * wrong, at each byte. It is built with sanitizers, and with the parts of kho-qemu that read them.
 *
 * An intact one has to come back as it was; of a record, no byte that is covered by a checksum may
 * be wrong without being noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../../../../kho/qemu/record.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define check(condition) check_that(condition, #condition, __LINE__)

static void check_that(bool holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "kho-qemu-fuzz: line %d: not so: %s\n", line, what);
	exit(1);
}

static void make_list(struct cpr_state *state)
{
	struct cpr_device *device;
	int i;

	*state = (struct cpr_state) { 0 };
	check(cpr_add(state, "ram0", 0, 0) && cpr_add(state, "iommufd0", 0, 1) &&
	      cpr_add(state, "0000:00:10.0", 0, 2));
	for (i = 0; i < 5; i++)
		check(cpr_add(state, "0000:00:10.0_kvm_interrupt", i, 3 + i));
	device = cpr_add_device(state);
	check(device);
	memcpy(device->name, "0000:00:10.0", sizeof("0000:00:10.0"));
	device->id = 1;
	device->ioas = 2;
	device->hwpt = 3;
}

static bool same_list(const struct cpr_state *a, const struct cpr_state *b)
{
	return a->nr_fds == b->nr_fds && a->nr_devices == b->nr_devices &&
	       !memcmp(a->fds, b->fds, a->nr_fds * sizeof(*a->fds)) &&
	       !memcmp(a->devices, b->devices, a->nr_devices * sizeof(*a->devices));
}

/* Whatever it says, it says it without a fault, and what it takes can be built again. */
static bool try_list(const struct cpr_bytes *bytes)
{
	struct cpr_state state;
	struct cpr_bytes again;
	const char *why = NULL;

	if (cpr_parse(bytes, &state, &why)) {
		check(why && !state.fds && !state.devices);
		return false;
	}
	check(!cpr_build(&state, &again));
	check(again.nr_fd_at == state.nr_fds);
	cpr_bytes_free(&again);
	cpr_free(&state);
	return true;
}

static void try_lists(void)
{
	static const uint8_t values[] = { 0, 1, 5, 0x7f, 0x80, 0xff };
	struct cpr_state state, again;
	struct cpr_bytes bytes;
	size_t i, j, size, taken = 0;
	const char *why;
	uint8_t *all;

	make_list(&state);
	check(!cpr_build(&state, &bytes));
	check(!cpr_parse(&bytes, &again, &why) && same_list(&state, &again));
	cpr_free(&again);
	size = bytes.size;
	/* (of exactly that size, so that reading one byte too many is seen) */
	all = bytes.data;
	for (i = 0; i < size; i++) {
		bytes.data = malloc(i ? i : 1);
		memcpy(bytes.data, all, i);
		bytes.size = i;
		taken += try_list(&bytes);
		free(bytes.data);
	}
	/* At the end of the list of descriptors, it may as well be over. */
	check(taken == 1);
	bytes.size = size;
	bytes.data = malloc(size);
	for (i = 0; i < size; i++)
		for (j = 0; j < ARRAY_SIZE(values); j++) {
			memcpy(bytes.data, all, size);
			bytes.data[i] = values[j];
			try_list(&bytes);
		}
	memcpy(bytes.data, all, size);
	for (i = 0; i < bytes.nr_fd_at; i++) {
		bytes.fd_at[i]++;
		check(!try_list(&bytes));
		bytes.fd_at[i]--;
	}
	bytes.nr_fd_at--;
	check(!try_list(&bytes));
	free(all);
	cpr_bytes_free(&bytes);
	cpr_free(&state);
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", 0);

	check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

static bool try_record(const uint8_t *data, size_t size)
{
	struct record record;
	struct cpr_state list;
	const char *why = NULL;
	int fd = file_of(data, size);

	if (record_open(&record, fd, &why)) {
		check(why);
		close(fd);
		return false;
	}
	check(!record_list(&record, &list));
	cpr_free(&list);
	record_close(&record);
	return true;
}

static void try_records(void)
{
	struct cpr_state state;
	struct record record;
	size_t size, used, i;
	uint8_t *data;

	make_list(&state);
	check(!record_new(&record, &state, 0, 4096));
	for (i = 0; i < state.nr_fds; i++)
		record.fds[i].kind = i == 0 ? RECORD_FILE : i == 1 ? RECORD_IOMMUFD :
				     i == 2 ? RECORD_DEVICE : RECORD_EVENTFD;
	memset(record.state, 7, 1000);
	record.head->state_size = 1000;
	data = malloc(record.size);
	size = record.size;
	memcpy(data, record.head, size);
	check(!try_record(data, size));	/* not sealed: the guest runs */
	record_seal(&record, "guest", "11.1.3");
	memcpy(data, record.head, size);
	check(try_record(data, size));
	used = sizeof(*record.head) + state.nr_fds * sizeof(*record.fds) +
	       state.nr_devices * sizeof(*record.devices);
	for (i = 0; i < size; i++) {
		bool covered = i < used || (i >= record.head->state_at &&
					    i < record.head->state_at + 1000);

		data[i] ^= 0x41;
		check(try_record(data, size) == !covered);
		data[i] ^= 0x41;
	}
	for (i = 0; i < size; i += 61)
		check(try_record(data, i) == (i >= record.head->state_at + 1000));
	free(data);
	record_close(&record);
	cpr_free(&state);
}

/* Numbers that are wrong, with checksums that are right */
static void try_numbers(void)
{
	static const uint32_t values[] = { 0, 1, 2, 0xff, 0xffff, INT32_MAX, UINT32_MAX };
	struct cpr_state state;
	struct record record;
	size_t at, end, i;
	uint8_t *data;

	make_list(&state);
	check(!record_new(&record, &state, 0, 4096));
	for (i = 0; i < state.nr_fds; i++)
		record.fds[i].kind = RECORD_FILE;
	record_seal(&record, "guest", "");
	end = sizeof(*record.head) + state.nr_fds * sizeof(*record.fds) +
	      state.nr_devices * sizeof(*record.devices);
	data = malloc(record.size);
	for (at = 0; at + 4 <= end; at += 4)
		for (i = 0; i < ARRAY_SIZE(values); i++) {
			struct record_head saved = *record.head, *head = record.head;
			uint32_t was;

			memcpy(&was, (uint8_t *)head + at, sizeof(was));
			memcpy((uint8_t *)head + at, &values[i], sizeof(was));
			record_check_sums(&record);
			memcpy(data, head, record.size);
			try_record(data, record.size);
			memcpy((uint8_t *)head + at, &was, sizeof(was));
			*head = saved;
		}
	free(data);
	record_close(&record);
	cpr_free(&state);
}

/* Eventfds that come later, until there is no room, leave the rest as it was. */
static void try_more(void)
{
	struct cpr_state state, list;
	struct record record, copy;
	const char *why;
	int added = 0, i;

	make_list(&state);
	check(!record_new(&record, &state, 20, 4096));
	for (i = 0; i < (int)state.nr_fds; i++)
		record.fds[i].kind = RECORD_FILE;
	memset(record.state, 7, 4096);
	record.head->state_size = 4096;
	while (!record_add_eventfd(&record, "0000:00:10.0_interrupt", added))
		added++;
	check(added >= 20);
	record_seal(&record, "guest", "");
	check(!record_open(&copy, record.fd, &why));
	check(!record_list(&copy, &list) && list.nr_fds == state.nr_fds + added);
	for (i = 0; i < added; i++)
		check(cpr_find(&list, "0000:00:10.0_interrupt", i));
	check(!memcmp(list.devices, state.devices, sizeof(*state.devices)));
	for (i = 0; i < 4096; i++)
		check(copy.state[i] == 7);
	cpr_free(&list);
	munmap(copy.head, copy.size);
	record_close(&record);
	cpr_free(&state);
}

int main(void)
{
	try_lists();
	try_records();
	try_more();
	try_numbers();
	return 0;
}
