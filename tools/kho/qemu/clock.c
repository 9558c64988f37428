// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's wall clock, which stood still while no QEMU ran the guest: its own agent sets it.
 * Whatever that says, or does not say, the guest goes on.
 */
#include <string.h>
#include <time.h>

#include "kho_qemu.h"
#include "qmp.h"

/* khoctl's programs for guests have 60 s for everything. */
#define AGENT_S		20

/* How late it may be at most, when it was set */
#define LATE_NS		500000000
#define TRIES		3

static json_int_t host_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool is_right(struct qmp *agent)
{
	json_int_t now = host_time();
	json_t *answer = qmp_ask(agent, "guest-get-time", NULL);
	bool right = answer && json_integer_value(answer) > now - LATE_NS;

	json_decref(answer);
	return right;
}

/*
 * A guest that is slow sets it too late, and is told once more. One that has no hwclock calls it an
 * error, when it has set the time.
 */
static bool set_clock(struct qmp *agent)
{
	json_t *answer;
	int i;

	for (i = 0; i < TRIES; i++) {
		answer = qmp_ask(agent, "guest-set-time",
				 json_pack("{s:I}", "time", host_time()));
		json_decref(answer);
		if (is_right(agent))
			return true;
	}
	return false;
}

void guest_set_clock(const struct guest *guest, const struct options *options)
{
	int seconds = options->seconds < AGENT_S ? options->seconds : AGENT_S;
	struct qmp *agent;
	const char *why;

	if (!options->agent)
		return;
	agent = qmp_connect_agent(options->agent, seconds, &why);
	if (agent && set_clock(agent)) {
		qmp_close(agent);
		return;
	}
	if (agent)
		why = *qmp_error(agent) ? qmp_error(agent) : "it is slow";
	complain("run qemu-guest-agent in the guest, or have NTP set its clock",
		 "%s: its clock is late, and its agent did not set it: %s: %s", guest->name,
		 options->agent, why);
	qmp_close(agent);
}
