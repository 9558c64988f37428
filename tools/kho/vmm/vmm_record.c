// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the sample VMM has measured in a live update, written for who shows it. All of
 * it is in the guest's memory, or in the VMM's file, and so crossed the kexec.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/keeper.h"
#include "vmm_common.h"
#include "vmm_record.h"

static uint64_t compared, differ;

void vmm_record_compared(uint64_t bytes, uint64_t wrong)
{
	compared = bytes;
	differ = wrong;
}

static double ms_since_start(uint64_t tsc)
{
	uint64_t start = vmm_guest()->start;

	return tsc < start ? -vmm_ms(start - tsc) : vmm_ms(tsc - start);
}

int vmm_record_pins(void)
{
	long pinned = -1, locked = -1;
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "VmPin:", 6))
			pinned = strtol(line + 6, NULL, 10);
		if (!strncmp(line, "VmLck:", 6))
			locked = strtol(line + 6, NULL, 10);
	}
	fclose(file);
	/* The guest's memory is pinned for the device. That nothing is, twice, is no agreement. */
	if (pinned <= 0 || locked < 0) {
		keeper_problem("pinned %ld locked %ld", pinned, locked);
		errno = ENODATA;
		return -1;
	}
	keeper_say("pinned %ld locked %ld\n", pinned, locked);
	return 0;
}

static void write_counts(FILE *out)
{
	const struct guest_state *guest = vmm_guest();
	const struct frame_counts *frames = &guest->frames;

	fprintf(out, "numbers %lu\n", frames->expected);
	fprintf(out, "refused %lu\n", frames->refused);
	fprintf(out, "received %lu\n", frames->received);
	fprintf(out, "lost %lu\n", frames->lost);
	fprintf(out, "late %lu\n", frames->late);
	fprintf(out, "corrupt %lu\n", frames->corrupt);
	fprintf(out, "skipped %lu\n", guest->skipped);
	fprintf(out, "complete %lu\n", frames->complete);
	fprintf(out, "without-program %lu\n", guest->in_window);
	fprintf(out, "start-by-sender %lu\n", vmm_sender_time(guest->start));
	fprintf(out, "iterations %lu\n", guest->iterations);
	fprintf(out, "gap %.3f\n", vmm_ms(guest->gap));
	fprintf(out, "gap-at %.3f\n", ms_since_start(guest->gap_at));
	fprintf(out, "compared %lu\n", compared);
	fprintf(out, "differ %lu\n", differ);
}

/* When the first slot of the sender's time began */
static double first_sent(void)
{
	const struct guest_state *guest = vmm_guest();

	return (guest->first_time - (double)vmm_sender_time(guest->start)) / 1e6;
}

static void write_series(FILE *out)
{
	const struct guest_state *guest = vmm_guest();
	const struct guest_series *series = (const void *)(vmm.ram + GUEST_SERIES);
	double slot = vmm_ms(guest->slot_ticks), sent_slot = guest->sent_slot_ns / 1e6;
	double first = first_sent(), time;
	uint64_t i, at = 0, sent = 0;

	for (i = 0; i < guest->slots && i < GUEST_SLOTS; i++) {
		time = (i + 1) * slot;
		while (at < GUEST_SENT_SLOTS && first + (at + 1) * sent_slot <= time)
			sent += series->sent[at++];
		fprintf(out, "at %.1f %u %lu\n", time, series->received[i], sent);
	}
}

/* From the jump until a program ran again: who knows when no kernel ran can count. */
static void write_away(FILE *out)
{
	const struct guest_state *guest = vmm_guest();
	const struct guest_series *series = (const void *)(vmm.ram + GUEST_SERIES);
	double jump = ms_since_start(vmm_stamp_of("jump"));
	double back = ms_since_start(vmm_stamp_of("userspace"));
	double first = first_sent(), sent_slot = guest->sent_slot_ns / 1e6, time;
	uint64_t i;

	for (i = 0; i < GUEST_SENT_SLOTS; i++) {
		time = first + i * sent_slot;
		if (series->sent[i] && time >= jump && time < back)
			fprintf(out, "away %.1f %u\n", time, series->sent[i]);
	}
}

int vmm_record_write(const char *path)
{
	FILE *out = fopen(path, "we");
	uint64_t i;

	if (!out)
		return -1;
	for (i = 0; i < vmm.state->nr_stamps; i++)
		fprintf(out, "stage-%s %.3f\n", vmm.state->stamps[i].name,
			ms_since_start(vmm.state->stamps[i].tsc));
	write_counts(out);
	write_away(out);
	write_series(out);
	if (ferror(out)) {
		fclose(out);
		errno = EIO;
		return -1;
	}
	return fclose(out) ? -1 : 0;
}
