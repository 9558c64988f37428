// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu cancel: a guest that was saved goes on in another QEMU under this kernel, as the change
 * of kernels was given up. It comes from the process of kho-qemu save, or else from kho-sessiond.
 *
 * Its session is closed last: until then it can be tried again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kho_qemu.h"
#include "sock.h"

/*
 * From kho-qemu save: -1 without a word when there is none. When that has not had the guest stopped
 * yet, it goes on in its QEMU, and that is all.
 */
static int from_process(struct guest *guest, const struct options *options)
{
	int sock = keeper_take(guest, options, KEEPER_CANCEL);

	if (sock < 0 || guest->fds)
		return sock;
	say("%s goes on as before", guest->name);
	exit(EXIT_OK);
}

/* Whoever was to save it has ended before the guest was stopped, which QEMU has noticed. */
static void let_go(const struct guest *guest)
{
	session_release(guest->name);
	say("%s was not saved: what was preserved of it is let go, and it goes on as before",
	    guest->name);
	exit(EXIT_OK);
}

static int from_agent(struct guest *guest)
{
	const char *why;
	uint32_t i;
	int fd = session_fetch(guest->name, TOKEN_RECORD);

	if (fd < 0 && errno == ENOENT && session_is_held(guest->name))
		let_go(guest);
	if (fd < 0) {
		complain("kho-qemu list shows guests that are saved",
			 "%s: neither kho-qemu save nor kho-sessiond has it", guest->name);
		return -1;
	}
	if (record_open(&guest->record, fd, &why) && why == record_incomplete)
		let_go(guest);
	if (guest_open(guest, fd, NULL))
		return -1;
	for (i = 0; i < guest->list.nr_fds; i++) {
		if (guest->record.fds[i].kind == RECORD_EVENTFD)
			continue;
		guest->fds[i] = session_fetch(guest->name, TOKEN_FD(i));
		if (guest->fds[i] < 0) {
			complain(NULL, "%s: kho-sessiond does not have %s: %s", guest->name,
				 guest->list.fds[i].name, strerror(errno));
			return -1;
		}
	}
	guest->session = -1;
	return 0;
}

static bool is_idle(void)
{
	FILE *file = fopen("/sys/kernel/kho/state", "re");
	char state[16] = "";

	if (file && !fgets(state, sizeof(state), file))
		state[0] = 0;
	if (file)
		fclose(file);
	return !strncmp(state, "idle", 4);
}

/*
 * A QEMU that starts takes bus master and addresses from a device that has no function reset, and
 * the guest would find its registers gone. From activate on the kernel lets nobody do that.
 */
static bool protect(const struct guest *guest)
{
	if (!guest->list.nr_devices || !is_idle())
		return false;
	if (!kernel_tell("activate", "1"))
		return true;
	complain("cat /sys/kernel/kho/last_error says why; the guest may have to be started anew",
		 "%s: its devices cannot be protected from QEMU's start", guest->name);
	return false;
}

int cmd_cancel(const struct options *options)
{
	struct guest guest = { .name = options->guest };
	int keeper = from_process(&guest, options), rc;
	bool protected;
	uint32_t i;

	if (keeper < 0 && from_agent(&guest))
		return EXIT_FAILED;
	if (without_check(&guest, options) || guest_eventfds(&guest))
		return EXIT_FAILED;
	for (i = 0; i < guest.list.nr_devices; i++)
		if (!is_left_out(options, guest.record.devices[i].address) &&
		    device_set_irqs(&guest, &guest.record.devices[i]))
			return EXIT_FAILED;
	guest_signal_all(&guest);
	if (options->start && guest_end_old_qemu(options))
		return EXIT_FAILED;
	protected = protect(&guest);
	rc = guest_start_qemu(options);
	if (!rc)
		rc = guest_feed(&guest, options);
	if (protected && kernel_tell("activate", "0"))
		complain("echo 0 > /sys/kernel/kho/activate", "activate cannot be undone");
	if (rc)
		return EXIT_FAILED;
	if (guest.session >= 0)
		close(guest.session);
	if (keeper >= 0)
		keeper_end(keeper, options);
	session_release(guest.name);
	return guest_go_on(&guest, options) ? EXIT_FAILED : EXIT_OK;
}
