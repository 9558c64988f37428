// SPDX-License-Identifier: GPL-2.0-only
/* The record of a guest that was saved, see record.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "record.h"

#define PAGE	4096

static size_t tables_size(const struct record_head *head)
{
	return (size_t)head->nr_fds * sizeof(struct record_fd) +
	       (size_t)head->nr_devices * sizeof(struct record_device);
}

static void set_places(struct record *record)
{
	record->fds = (void *)(record->head + 1);
	record->devices = (void *)(record->fds + record->head->nr_fds);
	record->state = (uint8_t *)record->head + record->head->state_at;
	record->state_room = record->size - record->head->state_at;
}

int record_new(struct record *record, const struct cpr_state *state, size_t spare,
	       size_t state_room)
{
	struct record_head head = {
		.magic = RECORD_MAGIC,
		.version = RECORD_VERSION,
		.nr_fds = state->nr_fds,
		.nr_devices = state->nr_devices,
	};
	size_t i;
	int saved;

	head.state_at = sizeof(head) + tables_size(&head) + spare * sizeof(struct record_fd);
	head.state_at = (head.state_at + PAGE - 1) & -PAGE;
	*record = (struct record) { .size = head.state_at + ((state_room + PAGE - 1) & -PAGE) };
	record->fd = memfd_create(RECORD_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (record->fd < 0)
		return -1;
	if (fallocate(record->fd, 0, 0, record->size))
		goto fail;
	record->head = mmap(NULL, record->size, PROT_READ | PROT_WRITE, MAP_SHARED, record->fd, 0);
	if (record->head == MAP_FAILED)
		goto fail;
	*record->head = head;
	set_places(record);
	for (i = 0; i < state->nr_fds; i++) {
		memcpy(record->fds[i].name, state->fds[i].name, CPR_NAME_SIZE);
		record->fds[i].id = state->fds[i].id;
	}
	for (i = 0; i < state->nr_devices; i++) {
		memcpy(record->devices[i].address, state->devices[i].name, CPR_NAME_SIZE);
		record->devices[i].id = state->devices[i].id;
		record->devices[i].ioas = state->devices[i].ioas;
		record->devices[i].hwpt = state->devices[i].hwpt;
	}
	return 0;
fail:
	saved = errno;
	close(record->fd);
	errno = saved;
	return -1;
}

int record_add_eventfd(struct record *record, const char *name, int32_t id)
{
	struct record_head *head = record->head;
	struct record_fd *fd = record->fds + head->nr_fds;
	size_t end = sizeof(*head) + tables_size(head) + sizeof(*fd), size = strlen(name) + 1;

	if (end > head->state_at || head->nr_fds == CPR_FDS_MAX || size > sizeof(fd->name))
		return -1;
	memmove(fd + 1, fd, head->nr_devices * sizeof(*record->devices));
	*fd = (struct record_fd) { .id = id, .kind = RECORD_EVENTFD };
	memcpy(fd->name, name, size);
	head->nr_fds++;
	set_places(record);
	return 0;
}

static uint32_t crc(const void *data, size_t size)
{
	return crc32_z(0, data, size);
}

void record_check_sums(struct record *record)
{
	struct record_head *head = record->head;
	size_t size = tables_size(head), most = record->size - sizeof(*head);

	/* (a test asks for it with numbers that are wrong) */
	head->tables_crc = crc(record->fds, size < most ? size : most);
	head->state_crc = crc(record->state, head->state_size < record->state_room ?
					     head->state_size : record->state_room);
	head->head_crc = crc(head, offsetof(struct record_head, head_crc));
}

void record_seal(struct record *record, const char *guest, const char *qemu)
{
	struct record_head *head = record->head;

	memset(head->guest, 0, sizeof(head->guest));
	memset(head->qemu, 0, sizeof(head->qemu));
	memcpy(head->guest, guest, strnlen(guest, sizeof(head->guest) - 1));
	memcpy(head->qemu, qemu, strnlen(qemu, sizeof(head->qemu) - 1));
	head->saved = time(NULL);
	head->complete = 1;
	record_check_sums(record);
}

const char *const record_incomplete = "the guest was not stopped";

static bool is_text(const char *text, size_t size)
{
	return memchr(text, 0, size);
}

/* Each number of the head, before it is used */
static const char *head_problem(const struct record_head *head, size_t size)
{
	if (memcmp(head->magic, RECORD_MAGIC, sizeof(head->magic)))
		return "it is no record of kho-qemu";
	if (head->version != RECORD_VERSION)
		return "it is of another version of kho-qemu";
	if (!head->complete)
		return record_incomplete;
	if (head->head_crc != crc(head, offsetof(struct record_head, head_crc)))
		return "its head is damaged";
	if (head->nr_fds > CPR_FDS_MAX || head->nr_devices > CPR_DEVICES_MAX ||
	    head->paused > 1 || !is_text(head->guest, sizeof(head->guest)) ||
	    !is_text(head->qemu, sizeof(head->qemu)))
		return "its head is wrong";
	if (head->state_at % PAGE || head->state_at > size ||
	    head->state_at < sizeof(*head) + tables_size(head) ||
	    head->state_size > size - head->state_at)
		return "its sizes are wrong";
	return NULL;
}

static const char *tables_problem(const struct record *record)
{
	const struct record_head *head = record->head;
	const struct record_device *device;
	const struct record_fd *fd;
	uint32_t i;

	if (head->tables_crc != crc(record->fds, tables_size(head)) ||
	    head->state_crc != crc(record->state, head->state_size))
		return "its contents are damaged";
	for (i = 0; i < head->nr_fds; i++) {
		fd = &record->fds[i];
		if (!is_text(fd->name, sizeof(fd->name)) || !fd->name[0] || !fd->kind ||
		    fd->kind >= RECORD_KINDS)
			return "one of its files is wrong";
	}
	for (i = 0; i < head->nr_devices; i++) {
		device = &record->devices[i];
		if (!is_text(device->address, sizeof(device->address)) ||
		    device->irq >= RECORD_IRQS || device->nr_vectors > 2048)
			return "one of its devices is wrong";
	}
	return NULL;
}

int record_open(struct record *record, int fd, const char **why)
{
	struct stat stat;

	*record = (struct record) { .fd = fd };
	if (fstat(fd, &stat) || !S_ISREG(stat.st_mode) ||
	    stat.st_size < (off_t)sizeof(struct record_head)) {
		*why = "it is no record of kho-qemu";
		return -1;
	}
	record->size = stat.st_size;
	/* (private: what it says is only read, and somebody else's changes do not matter) */
	record->head = mmap(NULL, record->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (record->head == MAP_FAILED) {
		*why = "it cannot be mapped";
		return -1;
	}
	*why = head_problem(record->head, record->size);
	if (!*why) {
		set_places(record);
		*why = tables_problem(record);
	}
	if (!*why)
		return 0;
	munmap(record->head, record->size);
	return -1;
}

void record_close(struct record *record)
{
	munmap(record->head, record->size);
	close(record->fd);
}

int record_list(const struct record *record, struct cpr_state *state)
{
	uint32_t i;

	*state = (struct cpr_state) { 0 };
	for (i = 0; i < record->head->nr_fds; i++)
		if (!cpr_add(state, record->fds[i].name, record->fds[i].id, i))
			goto fail;
	for (i = 0; i < record->head->nr_devices; i++) {
		const struct record_device *from = &record->devices[i];
		struct cpr_device *to = cpr_add_device(state);

		if (!to)
			goto fail;
		memcpy(to->name, from->address, sizeof(to->name));
		to->id = from->id;
		to->ioas = from->ioas;
		to->hwpt = from->hwpt;
	}
	return 0;
fail:
	cpr_free(state);
	return -1;
}
