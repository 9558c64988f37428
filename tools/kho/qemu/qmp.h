/* SPDX-License-Identifier: GPL-2.0-only */
/* QEMU's monitor, by QMP on a Unix socket; and the agent in a guest, which is spoken to alike. */
#ifndef KHO_QEMU_QMP_H
#define KHO_QEMU_QMP_H

#include <stdbool.h>
#include <sys/types.h>
#include <jansson.h>

struct qmp;

/* NULL when it fails, which has been said */
struct qmp *qmp_connect(const char *path, int seconds);

/*
 * The guest's agent, behind a socket that QEMU has also when nobody in the guest listens. On
 * failure NULL, with the reason in *@why
 */
struct qmp *qmp_connect_agent(const char *path, int seconds, const char **why);

/*
 * Carries @command out. @arguments, which may be NULL, are taken over. The answer is the caller's
 * to json_decref(). NULL when it fails, with the reason in qmp_error().
 */
json_t *qmp_ask(struct qmp *qmp, const char *command, json_t *arguments);
const char *qmp_error(const struct qmp *qmp);

/* The process of QEMU */
pid_t qmp_pid(const struct qmp *qmp);

/*
 * The state of its migration, like "completed", "" when there was none; and of the guest, like
 * "paused". "gone" when it does not answer. Until it is asked again
 */
const char *qmp_migration(struct qmp *qmp);
const char *qmp_run_state(struct qmp *qmp);

void qmp_close(struct qmp *qmp);

#endif
