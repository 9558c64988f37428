/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state that QEMU's cpr-transfer sends first: a list of named file descriptors, and what its
 * devices of vfio have in their iommufd. The descriptors themselves travel beside it.
 */
#ifndef KHO_QEMU_CPR_H
#define KHO_QEMU_CPR_H

#include <stddef.h>
#include <stdint.h>

#define CPR_NAME_SIZE	192	/* with the NUL */
#define CPR_FDS_MAX	16384	/* a device can have 2048 vectors, with two each */
#define CPR_DEVICES_MAX	256
#define CPR_SIZE_MAX	(8 << 20)

struct cpr_fd {
	char name[CPR_NAME_SIZE];
	int32_t id;
	int fd;		/* as who reads it wants: when parsed, the number of the descriptor */
};

struct cpr_device {
	char name[CPR_NAME_SIZE];
	int32_t id;
	uint32_t ioas, hwpt;
};

struct cpr_state {
	struct cpr_fd *fds;
	size_t nr_fds;
	struct cpr_device *devices;
	size_t nr_devices;
};

/* Bytes, and where in them a descriptor belongs */
struct cpr_bytes {
	uint8_t *data;
	size_t size, room;
	size_t *fd_at;
	size_t nr_fd_at;
};

/*
 * What @bytes says. fd of descriptor number i is i, in the order of @bytes. On failure -1, with
 * nothing to be freed and *@why what is wrong.
 */
int cpr_parse(const struct cpr_bytes *bytes, struct cpr_state *state, const char **why);

/* The reverse; -1 when there is no memory. */
int cpr_build(const struct cpr_state *state, struct cpr_bytes *bytes);

struct cpr_fd *cpr_find(const struct cpr_state *state, const char *name, int32_t id);

/* One more at the end; NULL when there is no memory, or there would be too many. */
struct cpr_fd *cpr_add(struct cpr_state *state, const char *name, int32_t id, int fd);

/* The same of a device, whose fields are 0 */
struct cpr_device *cpr_add_device(struct cpr_state *state);

/* Bytes at the end, and that the one at @at comes with a descriptor. -1: no memory */
int cpr_bytes_add(struct cpr_bytes *bytes, const void *data, size_t size);
int cpr_bytes_mark(struct cpr_bytes *bytes, size_t at);
void cpr_bytes_free(struct cpr_bytes *bytes);
void cpr_free(struct cpr_state *state);

#endif
