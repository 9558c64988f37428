// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample VMM: what both of its programs have in common. See vmm_common.h.
 *
 * Locks: none. Commands come one after the other; the guest's counters are read while
 * it changes them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include <kho_session.h>
#include <kho_vfio.h>

#include "keeper/keeper.h"
#include "vmm_common.h"
#include "vmm_record.h"

#define QUIET_MS	20000
#define STOP_TRIES	5

#define SLOT_RAM	0
#define SLOT_REGS	1

struct vmm vmm = {
	.ram_fd = -1,
	.state_fd = -1,
	.iommufd = -1,
	.device = -1,
	.session = -1,
};

struct guest_state *vmm_guest(void)
{
	return (struct guest_state *)(vmm.ram + GUEST_STATE);
}

int vmm_map_files(size_t ram)
{
	vmm.ram = mmap(NULL, ram, PROT_READ | PROT_WRITE, MAP_SHARED, vmm.ram_fd, 0);
	if (vmm.ram == MAP_FAILED)
		return -1;
	vmm.state = mmap(NULL, sizeof(*vmm.state), PROT_READ | PROT_WRITE, MAP_SHARED,
			 vmm.state_fd, 0);
	if (vmm.state != MAP_FAILED)
		return 0;
	munmap(vmm.ram, ram);
	return -1;
}

int vmm_limit_pins(void)
{
	const struct rlimit limit = { vmm.state->ram, vmm.state->ram };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || syscall(SYS_capget, &head, data))
		return -1;
	data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	return syscall(SYS_capset, &head, data);
}

int vmm_make_machine(void)
{
	size_t size;
	void *regs;

	regs = kho_vfio_map_bar(vmm.device, 0, &size);
	if (!regs || machine_make(&vmm.machine))
		return -1;
	return machine_memory(&vmm.machine, SLOT_RAM, 0, vmm.ram, vmm.state->ram) ||
	       machine_memory(&vmm.machine, SLOT_REGS, GUEST_REGS, regs, size) ? -1 : 0;
}

void vmm_stamp(const char *what, uint64_t tsc)
{
	uint64_t i = vmm.state->nr_stamps;

	if (i >= VMM_STAMPS_MAX)
		return;
	snprintf(vmm.state->stamps[i].name, VMM_STAMP_NAME, "%s", what);
	vmm.state->stamps[i].tsc = tsc;
	vmm.state->nr_stamps++;
}

uint64_t vmm_stamp_of(const char *what)
{
	uint64_t i;

	for (i = 0; i < vmm.state->nr_stamps; i++)
		if (!strcmp(vmm.state->stamps[i].name, what))
			return vmm.state->stamps[i].tsc;
	return 0;
}

/* Nanoseconds in a tick, by the sender's clock, which is the host's */
static double tick(void)
{
	const struct guest_state *guest = vmm_guest();
	double ticks = guest->clock[1].tsc - guest->clock[0].tsc;

	return (guest->clock[1].time - guest->clock[0].time) / ticks;
}

double vmm_ms(uint64_t ticks)
{
	return ticks * tick() / 1e6;
}

uint64_t vmm_sender_time(uint64_t tsc)
{
	const struct guest_state *guest = vmm_guest();

	return guest->clock[1].time + ((double)tsc - guest->clock[1].tsc) * tick();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Whether to look again at what should change */
static bool go_on(uint64_t since, uint64_t ms)
{
	if (vmm.machine.ended) {
		keeper_problem("the guest has ended: exit reason %u", vmm.machine.exit_reason);
		errno = vmm.machine.ended;
		return false;
	}
	if (now_ms() - since >= ms) {
		errno = ETIMEDOUT;
		return false;
	}
	usleep(1000);
	return true;
}

static int command(enum guest_command what, uint64_t argument)
{
	struct guest_state *guest = vmm_guest();
	uint64_t start = now_ms();

	guest->argument = argument;
	__atomic_store_n(&guest->command, what, __ATOMIC_RELEASE);
	while (__atomic_load_n(&guest->command, __ATOMIC_ACQUIRE) != GUEST_IDLE)
		if (!go_on(start, QUIET_MS))
			return -1;
	return 0;
}

static int receive(uint64_t nr)
{
	const struct frame_counts *frames = &vmm_guest()->frames;
	uint64_t seen = __atomic_load_n(&frames->received, __ATOMIC_RELAXED);
	uint64_t enough = seen + nr, now, start = now_ms();

	for (;;) {
		now = __atomic_load_n(&frames->received, __ATOMIC_RELAXED);
		if (now >= enough)
			return 0;
		if (now != seen)
			start = now_ms();
		seen = now;
		if (!go_on(start, QUIET_MS)) {
			keeper_problem("no frame for %d ms after %lu", QUIET_MS, now);
			return -1;
		}
	}
}

/* The wish may be lost on the way, or the answer. */
static int stop(void)
{
	const struct frame_counts *frames = &vmm_guest()->frames;
	uint64_t start;
	int i;

	for (i = 0; i < STOP_TRIES; i++) {
		if (command(GUEST_STOP, 0))
			return -1;
		start = now_ms();
		while (!__atomic_load_n(&frames->complete, __ATOMIC_ACQUIRE) && go_on(start, 2000))
			;
		if (frames->complete)
			return 0;
	}
	keeper_problem("the last frame does not come");
	errno = ETIMEDOUT;
	return -1;
}

static int verdict(bool all)
{
	const struct guest_state *guest = vmm_guest();
	const struct frame_counts *frames = &guest->frames;

	if (frame_counts_are_sound(frames) && !guest->skipped &&
	    (!all || (frames->complete && !frames->refused)))
		return 0;
	keeper_problem("lost %lu late %lu corrupt %lu skipped %lu refused %lu of %lu%s",
		       frames->lost, frames->late, frames->corrupt, guest->skipped,
		       frames->refused, frames->expected,
		       frames->complete ? "" : ", and the end did not come");
	errno = EBADMSG;
	return -1;
}

static void show(void)
{
	const struct guest_state *guest = vmm_guest();

	keeper_say("received %lu lost %lu late %lu corrupt %lu skipped %lu refused %lu\n",
		   guest->frames.received, guest->frames.lost, guest->frames.late,
		   guest->frames.corrupt, guest->skipped, guest->frames.refused);
	keeper_say("longest gap %.1f ms, %lu iterations, in the window %lu\n",
		   vmm_ms(guest->gap), guest->iterations, guest->in_window);
}

/* Once it is over: the guest has to have looked at the clock again. */
static int show_gap(void)
{
	const struct guest_state *guest = vmm_guest();
	uint64_t seen = __atomic_load_n(&guest->iterations, __ATOMIC_RELAXED);
	uint64_t start = now_ms();

	while (__atomic_load_n(&guest->iterations, __ATOMIC_ACQUIRE) < seen + 2)
		if (!go_on(start, QUIET_MS))
			return -1;
	keeper_say("gap %lu\nagain %lu\n", guest->gap, guest->gap_at + guest->gap);
	return 0;
}

/* The guest's memory from behind its buffers to the end */
static int compare(void)
{
	uint64_t start = guest_pattern_start(vmm_guest()->ring), at, wrong = 0, first = 0;

	if (start >= vmm.state->ram) {
		keeper_problem("the guest has no memory behind its buffers");
		errno = ENODATA;
		return -1;
	}
	for (at = start; at < vmm.state->ram; at += sizeof(at)) {
		if (*(uint64_t *)(vmm.ram + at) == guest_pattern(at))
			continue;
		if (!wrong++)
			first = at;
	}
	vmm_record_compared(vmm.state->ram - start, wrong);
	keeper_say("compared %lu bytes of guest memory, %lu words differ\n",
		   vmm.state->ram - start, wrong);
	if (!wrong)
		return 0;
	keeper_problem("%lu words differ, the first at %#lx", wrong, first);
	errno = EBADMSG;
	return -1;
}

static int poke(uint64_t address)
{
	if (address >= vmm.state->ram) {
		errno = EINVAL;
		return -1;
	}
	vmm.ram[address] ^= 1;
	return 0;
}

static int preserve(const char *name)
{
	vmm.session = kho_session_create(name);
	if (vmm.session < 0)
		return -1;
	vmm.state->nr_stamps = 0;
	vmm.state->paused = 0;
	/* In this order: the device needs its iommufd, which needs what it maps. */
	return kho_session_preserve(vmm.session, vmm.ram_fd, VMM_TOKEN_RAM) ||
	       kho_session_preserve(vmm.session, vmm.state_fd, VMM_TOKEN_STATE) ||
	       kho_session_preserve(vmm.session, vmm.iommufd, VMM_TOKEN_IOMMUFD) ||
	       kho_session_preserve(vmm.session, vmm.device, VMM_TOKEN_DEVICE) ? -1 : 0;
}

static int pause_guest(void)
{
	if (machine_stop(&vmm.machine) || machine_save(&vmm.machine, &vmm.state->vcpu))
		return -1;
	vmm.state->paused = 1;
	vmm_stamp("jump", __rdtsc());
	return 0;
}

static int run_guest(void)
{
	vmm.state->paused = 0;
	return machine_run(&vmm.machine);
}

static uint64_t number(const char *word)
{
	return strtoull(word, NULL, 0);
}

int vmm_run(char **w, int nr)
{
	if (!strcmp(w[0], "go") && nr == 2)
		return command(GUEST_GO, number(w[1]));
	if (!strcmp(w[0], "receive") && nr == 2)
		return receive(number(w[1]));
	if (!strcmp(w[0], "stop") && nr == 1)
		return stop();
	if (!strcmp(w[0], "sound") && nr == 1)
		return verdict(false);
	if (!strcmp(w[0], "verify") && nr == 1)
		return verdict(true);
	if (!strcmp(w[0], "show") && nr == 1) {
		show();
		return 0;
	}
	if (!strcmp(w[0], "gap") && nr == 1)
		return show_gap();
	if (!strcmp(w[0], "compare") && nr == 1)
		return compare();
	if (!strcmp(w[0], "poke") && nr == 2)
		return poke(number(w[1]));
	if (!strcmp(w[0], "pins") && nr == 1)
		return vmm_record_pins();
	if (!strcmp(w[0], "stamp") && nr == 2) {
		vmm_stamp(w[1], __rdtsc());
		return 0;
	}
	if (!strcmp(w[0], "record") && nr == 2)
		return vmm_record_write(w[1]);
	if (!strcmp(w[0], "preserve") && nr == 2)
		return preserve(w[1]);
	if (!strcmp(w[0], "pause") && nr == 1)
		return pause_guest();
	if (!strcmp(w[0], "run") && nr == 1)
		return run_guest();
	keeper_problem("no such command");
	errno = EINVAL;
	return -1;
}
