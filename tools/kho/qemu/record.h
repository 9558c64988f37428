/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of a guest that was saved: a file of shared memory in the guest's session, which says
 * what the session's other files are to QEMU, and has QEMU's state.
 *
 *	struct record_head
 *	struct record_fd	nr_fds times
 *	struct record_device	nr_devices times
 *	QEMU's state		state_size bytes, from state_at on
 *
 * The file has room for all of it before the guest stops: nothing has to be preserved after that.
 * Numbers are of the machine's byte order: the next kernel is on the same machine.
 */
#ifndef KHO_QEMU_RECORD_H
#define KHO_QEMU_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpr.h"

#define RECORD_MAGIC	"KHOQEMU"	/* with the NUL */
#define RECORD_VERSION	2
#define RECORD_NAME	"kho-qemu-record"
#define RECORD_TEXT	64

/* Tokens in the session: of the record, and of descriptor number i */
#define TOKEN_RECORD	0x51454d55ULL
#define TOKEN_FD(i)	(0x5145000000000000ULL + (i))

enum record_kind {
	RECORD_FILE = 1,	/* of shared memory: the guest's */
	RECORD_IOMMUFD,
	RECORD_DEVICE,
	RECORD_EVENTFD,		/* which the next kernel's restore makes anew */
	RECORD_KINDS,
};

enum record_irq {
	RECORD_NO_IRQ,
	RECORD_INTX,
	RECORD_MSI,
	RECORD_MSIX,
	RECORD_IRQS,
};

struct record_head {
	char magic[8];
	uint32_t version;
	uint32_t complete;	/* the guest was stopped, and all of this is right */
	uint32_t nr_fds;
	uint32_t nr_devices;
	uint64_t state_at;
	uint64_t state_size;
	uint64_t saved;		/* seconds since 1970 */
	char guest[RECORD_TEXT];
	char qemu[RECORD_TEXT];	/* version, as it says itself; may be empty */
	uint32_t tables_crc;	/* of what is between this and the state */
	uint32_t state_crc;
	uint32_t paused;	/* by whoever manages it, and stays so */
	uint32_t head_crc;	/* of what is before it */
};

struct record_fd {
	char name[CPR_NAME_SIZE];
	int32_t id;
	uint32_t kind;
};

#define RECORD_HEADER	64	/* of configuration space: command and BARs */

struct record_device {
	char address[CPR_NAME_SIZE];	/* name of its descriptor, too */
	int32_t id;		/* in its iommufd */
	uint32_t ioas, hwpt;
	uint32_t irq;
	uint32_t nr_vectors;
	uint8_t header[RECORD_HEADER];
};

/* A record that is mapped */
struct record {
	int fd;
	size_t size;
	struct record_head *head;
	struct record_fd *fds;
	struct record_device *devices;
	uint8_t *state;
	size_t state_room;
};

/*
 * A new one, for descriptors and devices as in @state, with room for @spare more descriptors and
 * @state_room bytes of QEMU's state; all of its memory is there. 0, or -1 with errno.
 */
int record_new(struct record *record, const struct cpr_state *state, size_t spare,
	       size_t state_room);

/* One more eventfd, behind the others. -1: there is no room */
int record_add_eventfd(struct record *record, const char *name, int32_t id);

/* As it is now is what it shall be. */
void record_seal(struct record *record, const char *guest, const char *qemu);

/* The checksums of what it has now, for record_seal() */
void record_check_sums(struct record *record);

/*
 * Of a file, which may be anything. On failure -1 and *@why is what is wrong: record_incomplete, if
 * it was not sealed.
 */
extern const char *const record_incomplete;
int record_open(struct record *record, int fd, const char **why);

void record_close(struct record *record);

/* QEMU's list as the record has it; the number of a descriptor is its fd. -1: no memory */
int record_list(const struct record *record, struct cpr_state *state);

#endif
