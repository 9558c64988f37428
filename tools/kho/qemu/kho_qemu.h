/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kho-qemu: what its parts know of one another.
 *
 * Whatever returns an int gives 0, or -1 when it fails and has said why, unless it says otherwise.
 * The process ends then, so descriptors and memory of a failure are left to the kernel.
 */
#ifndef KHO_QEMU_H
#define KHO_QEMU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cpr.h"
#include "record.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define GUEST_NAME	"letters, digits, '_', '.' and '-', at most 40"

enum exit_status {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_NO_QEMU,	/* nobody listens where its monitor is to be */
};

/* What a command was given */
struct options {
	const char *guest;
	const char *qmp;	/* QEMU's monitor, or NULL */
	const char *agent;	/* restore, cancel: of the guest, behind QEMU's socket, or NULL */
	const char *cpr, *main;	/* QEMU's two channels, or NULL */
	const char *dir;	/* of our own sockets */
	const char *ready;	/* a file to be made when a guest is saved, or NULL */
	size_t state_room;	/* bytes, for QEMU's state */
	int seconds;		/* to wait for QEMU */
	bool stopped;		/* restore, cancel: leave the guest stopped */
	bool hold;		/* save: do not have the guest stopped yet */
	bool background;	/* save: return when that is reached */
	const char *start;	/* restore, cancel: a command that starts QEMU, or NULL */
	bool without_devices;	/* restore, cancel: all those of vfio are left out */
	const char *without[CPR_DEVICES_MAX];	/* or these */
	unsigned int nr_without;
};

/* A guest that no QEMU has, or that another one has, too: its descriptors and its record */
struct guest {
	const char *name;
	int session;
	struct record record;
	struct cpr_state list;	/* of as many as @fds */
	int *fds;
};

/* main.c */
__printf(1, 2) void say(const char *format, ...);
/* @remedy: what helps, or NULL */
__printf(2, 3) void complain(const char *remedy, const char *format, ...);

/* EXIT_USAGE, when that and how to get help has been said */
int misused(const char *what, const char *which);

/* session.c: the guest's session, by kho-sessiond where there is one, else by /dev/liveupdate */
int session_make(const char *guest);
int session_get(const char *guest);
/* The answer is -1 with errno, and nothing has been said. */
int session_hold(const char *guest, uint64_t token, int fd);
int session_fetch(const char *guest, uint64_t token);
int session_release(const char *guest);
/* Writes to a file of /sys/kernel/kho; -1 with errno, and nothing has been said. */
int kernel_tell(const char *node, const char *text);
/* Under the next kernel, once nobody has the session open: what was not retrieved is given up. */
void session_discard(const char *guest);
/* Has the agent a session of this guest, for the next kernel? */
bool session_is_held(const char *guest);
/* PRESERVE_FD; what the kernel logs about it is part of what is said. */
int session_preserve(int session, int fd, uint64_t token, const char *what);

/* device.c */
int device_look(int fd, struct record_device *device);
/* -1: as QEMU was started, it would not */
int device_keeps_intx(const struct guest *guest, const struct record_device *device);
/* How many vectors its guest could use: of MSI-X, or else of MSI */
int device_most_vectors(int fd, const char *address, unsigned int *nr);
/* All but INTx, before QEMU comes; INTx when it has loaded the guest */
int device_set_irqs(const struct guest *guest, const struct record_device *device);
int device_set_intx(const struct guest *guest, const struct record_device *device);
int device_mend(int fd, const struct record_device *device);

/* vectors.c: those that the guest has enabled since QEMU sent its list */
/* How many descriptors more they could be */
int vectors_spare(const struct guest *guest, size_t *nr);
/* The guest has stopped: what fails is said, and costs those vectors. */
void vectors_add(struct guest *guest);

/* state.c: QEMU's state as it sends it */
bool state_is_whole(const uint8_t *state, size_t size);
/*
 * A copy of the guest's, of *@size bytes, without the devices that are left out. NULL with errno;
 * EBADMSG: it is not understood
 */
uint8_t *state_without(const struct guest *guest, const struct options *options, size_t *size);

/* without.c: devices that are left out */
bool is_left_out(const struct options *options, const char *address);
/* Has it all of those that are named? */
int without_check(const struct guest *guest, const struct options *options);
/* QEMU's list without them; @fds: of as many as @guest has. -1: no memory */
int without_list(const struct guest *guest, const struct options *options, struct cpr_state *rest,
		 int *fds);

/* feed.c: from the record and the descriptors to a QEMU that is coming in */
/* The guest of that record, with room for its descriptors; @remedy: if it is damaged */
int guest_open(struct guest *guest, int record, const char *remedy);
int guest_eventfds(struct guest *guest);
void guest_signal_all(const struct guest *guest);
int guest_feed(struct guest *guest, const struct options *options);
/* With --qmp, and unless it was paused before it was saved */
int guest_go_on(const struct guest *guest, const struct options *options);
int guest_fd(const struct guest *guest, const char *name);

/* clock.c: with --agent; when it cannot be set, that is only said */
void guest_set_clock(const struct guest *guest, const struct options *options);

int cmd_save(const struct options *options);
int cmd_restore(const struct options *options);
int cmd_cancel(const struct options *options);
int cmd_check(const struct options *options);
int cmd_list(const struct options *options);
int cmd_show(const char *file);
/* stay.c: runs @argv; the exit status, if it cannot */
int cmd_stay(char **argv);

/* keep.c: the process that keeps a guest */
#define KEEPER_STOP	'S'
#define KEEPER_CANCEL	'C'
#define KEEPER_RESTORE	'R'

/* The process itself: a socket, and the next who has a command. -1 with ESRCH: @pidfd has ended */
int keeper_listen(const struct options *options);
int keeper_next(int control, int pidfd, char *command);
/* Keeps the guest, which it gives to who says @gives, until he has no need of it any more */
void keeper_keep(const struct guest *guest, int control, char gives);
void keeper_forget(const struct options *options);
/* Goes on in another process. This one ends when that one is detached, or with its status. */
void keeper_start(void);
void keeper_detach(void);
void keeper_speak_to(int fd);
bool keeper_is_there(const struct options *options);
/* Who wants something of it: a socket, or -1 without a word when there is none */
int keeper_connect(const struct options *options, char command);
/*
 * In the next kernel: another process that keeps the guest, too, and gives it to nobody else while
 * this one lives. It is ended by keeper_end() with the socket that is returned.
 */
int keeper_fork(struct guest *guest, const struct options *options);
/* The guest from the process that keeps it, whom keeper_end() ends; without fds if it had none */
int keeper_take(struct guest *guest, const struct options *options, char command);
void keeper_end(int sock, const struct options *options);
/* The exit status, or -1 when there is none */
int keeper_have_it_stopped(const struct options *options);

/* qmp.c: is there somebody? If not, that is said, and the process ends with EXIT_NO_QEMU. */
void qmp_probe(const char *path);

/* start.c: with --start; the QEMU of before, if the guest has left it, and the next one */
int guest_end_old_qemu(const struct options *options);
int guest_start_qemu(const struct options *options);

/* check.c: a line for each reason why this QEMU cannot be saved; returns how many, or -1 */
struct qmp;
int check_qemu(struct qmp *qmp);
/* Only whether it is too old: 1 if so */
int check_version(struct qmp *qmp);
/* Is all of the guest's memory in QEMU's list? */
int check_list(struct qmp *qmp, const struct cpr_state *list);

#endif
