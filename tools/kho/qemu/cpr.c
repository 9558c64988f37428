// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state that QEMU's cpr-transfer sends first. Numbers in it are big-endian:
 *
 *	u32 magic, u32 version
 *	{ u8 1, name, s32 id, a blank, with a descriptor }..., u8 0
 *	subsections: { u8 5, u8 length, name, u32 version, what it has }...
 *
 * where a name in a list is a u32 length, which counts the NUL, and that many bytes. The only
 * subsection is that of vfio: { u8 1, name, s32 id, u32 ioas, u32 hwpt }..., u8 0.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cpr.h"

#define MAGIC		0x51435052	/* QCPR */
#define VERSION		1
#define ELEMENT		1
#define SUBSECTION	5
#define PLACEHOLDER	' '
#define VFIO_SECTION	"CprState/vfio devices"
#define VFIO_VERSION	1

/* Where a reader is, and what it did not like first */
struct reader {
	const struct cpr_bytes *bytes;
	size_t at, next_fd;
	const char *why;
};

static int wrong(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return -1;
}

static int get(struct reader *r, void *to, size_t size)
{
	if (r->why || r->bytes->size - r->at < size)
		return wrong(r, "it ends in the middle");
	memcpy(to, r->bytes->data + r->at, size);
	r->at += size;
	return 0;
}

static int get_u8(struct reader *r, uint8_t *value)
{
	return get(r, value, 1);
}

static int get_u32(struct reader *r, uint32_t *value)
{
	uint32_t big;

	if (get(r, &big, sizeof(big)))
		return -1;
	*value = be32toh(big);
	return 0;
}

static int get_name(struct reader *r, char *name)
{
	uint32_t length;

	if (get_u32(r, &length))
		return -1;
	if (length < 2 || length > CPR_NAME_SIZE)
		return wrong(r, "a name is too long, or empty");
	if (get(r, name, length))
		return -1;
	if (memchr(name, 0, length) != name + length - 1)
		return wrong(r, "a name is no text");
	return 0;
}

/* Whether there is one more of a list. The list has at most @most. */
static bool more(struct reader *r, size_t nr, size_t most)
{
	uint8_t mark;

	if (get_u8(r, &mark) || !mark)
		return false;
	if (mark != ELEMENT)
		return !wrong(r, "a list is not ended");
	return nr < most || !wrong(r, "there are too many of something");
}

static void *one_more(void *array, size_t nr, size_t size)
{
	/* (a power of two is when there is no room) */
	return nr & (nr - 1) ? array : realloc(array, (nr ? 2 * nr : 1) * size);
}

struct cpr_fd *cpr_find(const struct cpr_state *state, const char *name, int32_t id)
{
	size_t i;

	for (i = 0; i < state->nr_fds; i++)
		if (state->fds[i].id == id && !strcmp(state->fds[i].name, name))
			return &state->fds[i];
	return NULL;
}

struct cpr_fd *cpr_add(struct cpr_state *state, const char *name, int32_t id, int fd)
{
	struct cpr_fd *fds, *one;
	size_t length = strlen(name);

	if (state->nr_fds == CPR_FDS_MAX || length >= sizeof(one->name))
		return NULL;
	fds = one_more(state->fds, state->nr_fds, sizeof(*fds));
	if (!fds)
		return NULL;
	state->fds = fds;
	one = &fds[state->nr_fds++];
	*one = (struct cpr_fd) { .id = id, .fd = fd };
	memcpy(one->name, name, length);
	return one;
}

static int get_fds(struct reader *r, struct cpr_state *state)
{
	char name[CPR_NAME_SIZE];
	uint8_t placeholder;
	uint32_t id;

	while (more(r, state->nr_fds, CPR_FDS_MAX)) {
		if (get_name(r, name) || get_u32(r, &id))
			return -1;
		if (r->next_fd == r->bytes->nr_fd_at || r->bytes->fd_at[r->next_fd] != r->at)
			return wrong(r, "a descriptor is missing, or is where none belongs");
		if (get_u8(r, &placeholder))
			return -1;
		if (placeholder != PLACEHOLDER)
			return wrong(r, "a descriptor comes with something else");
		if (cpr_find(state, name, id))
			return wrong(r, "a descriptor is there twice");
		if (!cpr_add(state, name, id, r->next_fd++))
			return wrong(r, "there is no memory for it");
	}
	return r->why ? -1 : 0;
}

struct cpr_device *cpr_add_device(struct cpr_state *state)
{
	struct cpr_device *devices;

	if (state->nr_devices == CPR_DEVICES_MAX)
		return NULL;
	devices = one_more(state->devices, state->nr_devices, sizeof(*devices));
	if (!devices)
		return NULL;
	state->devices = devices;
	devices[state->nr_devices] = (struct cpr_device) { 0 };
	return &devices[state->nr_devices++];
}

static int get_devices(struct reader *r, struct cpr_state *state)
{
	struct cpr_device *one;

	while (more(r, state->nr_devices, CPR_DEVICES_MAX)) {
		one = cpr_add_device(state);
		if (!one)
			return wrong(r, "there is no memory for it");
		if (get_name(r, one->name) || get_u32(r, (uint32_t *)&one->id) ||
		    get_u32(r, &one->ioas) || get_u32(r, &one->hwpt))
			return -1;
	}
	return r->why ? -1 : 0;
}

static int get_subsection(struct reader *r, struct cpr_state *state)
{
	char name[256] = "";
	uint32_t version;
	uint8_t mark, length;

	if (get_u8(r, &mark))
		return -1;
	if (mark != SUBSECTION)
		return wrong(r, "there is something behind its end");
	if (get_u8(r, &length) || get(r, name, length) || get_u32(r, &version))
		return -1;
	if (strlen(name) != length || strcmp(name, VFIO_SECTION) || version != VFIO_VERSION)
		return wrong(r, "it has a section that this kho-qemu does not know");
	if (state->devices)
		return wrong(r, "a section is there twice");
	return get_devices(r, state);
}

int cpr_parse(const struct cpr_bytes *bytes, struct cpr_state *state, const char **why)
{
	struct reader r = { .bytes = bytes };
	uint32_t magic, version;

	*state = (struct cpr_state) { 0 };
	if (get_u32(&r, &magic) || get_u32(&r, &version))
		goto bad;
	if (magic != MAGIC)
		wrong(&r, "it is none");
	else if (version != VERSION)
		wrong(&r, "it is of another version");
	else
		get_fds(&r, state);
	while (!r.why && r.at < bytes->size)
		get_subsection(&r, state);
	if (!r.why && r.next_fd < bytes->nr_fd_at)
		wrong(&r, "there are more descriptors than names");
	if (!r.why)
		return 0;
bad:
	*why = r.why;
	cpr_free(state);
	return -1;
}

int cpr_bytes_add(struct cpr_bytes *bytes, const void *data, size_t size)
{
	size_t room = bytes->room ? bytes->room : 4096;
	uint8_t *more;

	while (room - bytes->size < size)
		room *= 2;
	if (room > bytes->room) {
		more = realloc(bytes->data, room);
		if (!more)
			return -1;
		bytes->data = more;
		bytes->room = room;
	}
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
	return 0;
}

int cpr_bytes_mark(struct cpr_bytes *bytes, size_t at)
{
	size_t *more = one_more(bytes->fd_at, bytes->nr_fd_at, sizeof(*more));

	if (!more)
		return -1;
	bytes->fd_at = more;
	more[bytes->nr_fd_at++] = at;
	return 0;
}

void cpr_bytes_free(struct cpr_bytes *bytes)
{
	free(bytes->data);
	free(bytes->fd_at);
	*bytes = (struct cpr_bytes) { 0 };
}

static int put_u8(struct cpr_bytes *bytes, uint8_t value)
{
	return cpr_bytes_add(bytes, &value, 1);
}

static int put_u32(struct cpr_bytes *bytes, uint32_t value)
{
	uint32_t big = htobe32(value);

	return cpr_bytes_add(bytes, &big, sizeof(big));
}

static int put_name(struct cpr_bytes *bytes, const char *name)
{
	size_t length = strlen(name) + 1;

	return put_u32(bytes, length) || cpr_bytes_add(bytes, name, length) ? -1 : 0;
}

static int put_fds(struct cpr_bytes *bytes, const struct cpr_state *state)
{
	const struct cpr_fd *one;

	for (one = state->fds; one < state->fds + state->nr_fds; one++)
		if (put_u8(bytes, ELEMENT) || put_name(bytes, one->name) ||
		    put_u32(bytes, one->id) || cpr_bytes_mark(bytes, bytes->size) ||
		    put_u8(bytes, PLACEHOLDER))
			return -1;
	return put_u8(bytes, 0);
}

static int put_devices(struct cpr_bytes *bytes, const struct cpr_state *state)
{
	const struct cpr_device *one;

	if (!state->nr_devices)
		return 0;
	if (put_u8(bytes, SUBSECTION) || put_u8(bytes, strlen(VFIO_SECTION)) ||
	    cpr_bytes_add(bytes, VFIO_SECTION, strlen(VFIO_SECTION)) ||
	    put_u32(bytes, VFIO_VERSION))
		return -1;
	for (one = state->devices; one < state->devices + state->nr_devices; one++)
		if (put_u8(bytes, ELEMENT) || put_name(bytes, one->name) ||
		    put_u32(bytes, one->id) || put_u32(bytes, one->ioas) ||
		    put_u32(bytes, one->hwpt))
			return -1;
	return put_u8(bytes, 0);
}

int cpr_build(const struct cpr_state *state, struct cpr_bytes *bytes)
{
	*bytes = (struct cpr_bytes) { 0 };
	if (!put_u32(bytes, MAGIC) && !put_u32(bytes, VERSION) && !put_fds(bytes, state) &&
	    !put_devices(bytes, state))
		return 0;
	cpr_bytes_free(bytes);
	return -1;
}

void cpr_free(struct cpr_state *state)
{
	free(state->fds);
	free(state->devices);
	*state = (struct cpr_state) { 0 };
}
