// SPDX-License-Identifier: GPL-2.0-only
/*
 * The QEMU that a guest is to go on in, started by a command that the caller gives us (--start).
 *
 * The command need not return before that QEMU has the guest: one that is started with "-incoming"
 * and channels waits for it, and with it does "-daemonize", or a unit that waits for the start.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "kho_qemu.h"
#include "qmp.h"
#include "sock.h"

int guest_end_old_qemu(const struct options *options)
{
	int probe = options->qmp ? sock_connect(options->qmp, 0) : -1;
	struct pollfd end = { .events = POLLIN };
	struct qmp *qmp;
	json_t *answer;

	if (probe < 0)
		return 0;
	close(probe);
	qmp = qmp_connect(options->qmp, options->seconds);
	if (!qmp)
		return -1;
	if (!strcmp(qmp_run_state(qmp), "postmigrate")) {
		end.fd = syscall(SYS_pidfd_open, qmp_pid(qmp), 0);
		answer = qmp_ask(qmp, "quit", NULL);
		json_decref(answer);
		if (end.fd >= 0 && poll(&end, 1, options->seconds * 1000) <= 0) {
			complain("kill it", "the QEMU that the guest has left does not end");
			return -1;
		}
		close(end.fd);
	}
	qmp_close(qmp);
	return 0;
}

int guest_start_qemu(const struct options *options)
{
	pid_t pid;

	if (!options->start)
		return 0;
	/* What a QEMU of before has left there is not to be taken for the next one's. */
	unlink(options->cpr);
	unlink(options->main);
	pid = fork();
	if (pid < 0) {
		complain(NULL, "no process: %s", strerror(errno));
		return -1;
	}
	if (!pid) {
		setsid();
		execl("/bin/sh", "sh", "-c", options->start, NULL);
		_exit(127);
	}
	return 0;
}
