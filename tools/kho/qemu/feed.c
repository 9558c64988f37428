// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that is only a record and descriptors becomes one of a QEMU that has been started with
 * "-incoming", under the next kernel or, when the change of kernels was cancelled, under this one.
 *
 * QEMU may be started before or after, and again when it ends before it has loaded everything:
 * until it has, and whoever starts it says "cont", nothing is lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "kho_qemu.h"
#include "qmp.h"
#include "sock.h"

int guest_fd(const struct guest *guest, const char *name)
{
	const struct cpr_fd *one = cpr_find(&guest->list, name, 0);

	return one ? guest->fds[one - guest->list.fds] : -1;
}

int guest_open(struct guest *guest, int record, const char *remedy)
{
	const char *why;

	if (record_open(&guest->record, record, &why)) {
		complain(remedy, "%s: the record: %s", guest->name, why);
		return -1;
	}
	if (!record_list(&guest->record, &guest->list))
		guest->fds = calloc(guest->list.nr_fds, sizeof(*guest->fds));
	if (guest->fds)
		return 0;
	complain(NULL, "out of memory");
	return -1;
}

int guest_eventfds(struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->list.nr_fds; i++) {
		if (guest->record.fds[i].kind != RECORD_EVENTFD)
			continue;
		guest->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (guest->fds[i] < 0) {
			complain("raise the limit of open files", "no eventfd: %s",
				 strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* What came while nobody listened is made up for; for INTx it is later. */
void guest_signal_all(const struct guest *guest)
{
	uint32_t i;

	for (i = 0; i < guest->list.nr_fds; i++)
		if (guest->record.fds[i].kind == RECORD_EVENTFD &&
		    strstr(guest->list.fds[i].name, "interrupt") &&
		    !strstr(guest->list.fds[i].name, "intx"))
			eventfd_write(guest->fds[i], 1);
}

/*
 * One that is new enough has no monitor before it has got its list. An old one knows no channel
 * "cpr", and would never listen there.
 */
static bool is_too_old(const struct options *options)
{
	int probe = options->qmp ? sock_connect(options->qmp, 0) : -1;
	struct qmp *qmp;
	bool too_old;

	if (probe < 0)
		return false;
	close(probe);
	qmp = qmp_connect(options->qmp, options->seconds);
	too_old = !qmp || check_version(qmp);
	qmp_close(qmp);
	return too_old;
}

/* To the channel "cpr"; -1 has been said. */
static int connect_cpr(const struct options *options)
{
	int left, sock;

	for (left = options->seconds; left > 0; left--) {
		sock = sock_connect(options->cpr, 1);
		if (sock >= 0)
			return sock;
		if (errno != ETIMEDOUT)
			break;
		if (is_too_old(options))
			return -1;
		errno = ETIMEDOUT;
	}
	complain("start QEMU with -incoming and the channel \"cpr\" at that path",
		 "%s: %s", options->cpr, strerror(errno));
	return -1;
}

static int send_list(const struct cpr_state *list, const int *fds, const struct options *options)
{
	struct cpr_bytes bytes;
	int sock, rc;

	if (cpr_build(list, &bytes)) {
		complain(NULL, "out of memory");
		return -1;
	}
	sock = connect_cpr(options);
	if (sock < 0) {
		cpr_bytes_free(&bytes);
		return -1;
	}
	rc = sock_send(sock, &bytes, fds);
	if (rc)
		complain(NULL, "%s: %s", options->cpr, strerror(errno));
	close(sock);
	cpr_bytes_free(&bytes);
	return rc;
}

/* What is left out, QEMU does not get. */
static int send_fds(const struct guest *guest, const struct options *options)
{
	int *fds = calloc(guest->list.nr_fds, sizeof(*fds));
	struct cpr_state list = { 0 };
	int rc = -1;

	if (fds && !without_list(guest, options, &list, fds))
		rc = send_list(&list, fds, options);
	else
		complain(NULL, "out of memory");
	cpr_free(&list);
	free(fds);
	return rc;
}

static int send_state(const struct guest *guest, const struct options *options)
{
	const struct record *record = &guest->record;
	struct cpr_bytes bytes = { .data = record->state, .size = record->head->state_size };
	int sock;

	if (options->without_devices || options->nr_without) {
		bytes.data = state_without(guest, options, &bytes.size);
		if (!bytes.data) {
			complain(NULL, "%s: its devices cannot be left out of QEMU's state: %s",
				 guest->name, strerror(errno));
			return -1;
		}
	}
	sock = sock_connect(options->main, options->seconds);
	if (sock < 0) {
		complain("what QEMU itself says tells why; start it again with the same arguments",
			 "%s: QEMU does not listen: %s", options->main, strerror(errno));
		return -1;
	}
	if (sock_send(sock, &bytes, NULL) || shutdown(sock, SHUT_WR) ||
	    sock_wait_closed(sock, options->seconds)) {
		complain("what QEMU itself says tells why; start it again with the same arguments",
			 "%s: QEMU did not load the guest: %s", options->main, strerror(errno));
		close(sock);
		return -1;
	}
	close(sock);
	return 0;
}

/* QEMU closes its end as well when it could not load what it got. */
static int has_loaded(const struct options *options)
{
	struct qmp *qmp;
	json_t *answer;
	const char *status;
	int rc;

	if (!options->qmp)
		return 0;
	qmp = qmp_connect(options->qmp, options->seconds);
	if (!qmp)
		return -1;
	do {
		status = qmp_migration(qmp);
		rc = !strcmp(status, "completed");
		if (!rc && !strcmp(status, "active"))
			usleep(2000);
	} while (!rc && !strcmp(status, "active"));
	answer = rc ? NULL : qmp_ask(qmp, "query-migrate", NULL);
	if (!rc) {
		const char *why = json_string_value(json_object_get(answer, "error-desc"));

		complain("start QEMU again, with the same arguments as before",
			 "QEMU did not load the guest: %s", why ? why : status);
	}
	json_decref(answer);
	qmp_close(qmp);
	return rc ? 0 : -1;
}

int guest_feed(struct guest *guest, const struct options *options)
{
	const struct record_device *device = guest->record.devices;
	const struct record_device *end = device + guest->record.head->nr_devices;

	if (send_fds(guest, options) || send_state(guest, options) || has_loaded(options))
		return -1;
	for (; device < end; device++)
		if (!is_left_out(options, device->address) &&
		    (device_mend(guest_fd(guest, device->address), device) ||
		     device_set_intx(guest, device)))
			return -1;
	return 0;
}

int guest_go_on(const struct guest *guest, const struct options *options)
{
	struct qmp *qmp;
	json_t *answer;

	if (!options->qmp || options->stopped)
		return 0;
	if (guest->record.head->paused) {
		say("%s was paused when it was saved, and stays so", guest->name);
		return 0;
	}
	qmp = qmp_connect(options->qmp, options->seconds);
	answer = qmp ? qmp_ask(qmp, "cont", NULL) : NULL;
	if (qmp && !answer)
		complain(NULL, "the guest does not go on: %s", qmp_error(qmp));
	json_decref(answer);
	qmp_close(qmp);
	if (!answer)
		return -1;
	say("%s goes on", guest->name);
	guest_set_clock(guest, options);
	return 0;
}
