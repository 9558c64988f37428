// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest of the sample VMM: a program without a kernel or a library below it. It
 * fills its memory with a pattern, starts its NIC, and then goes round in a loop that
 * takes frames, checks each byte of them, and notes how long it was away at most.
 *
 * It begins in 64-bit mode with a page table and a stack (vmm_machine.c), and uses
 * neither interrupts nor floating-point registers. See guest.h for its memory.
 */
#include <stdbool.h>
#include <x86intrin.h>

#include "drivers/e1000e_regs.h"
#include "guest.h"

#define TX_RING		8	/* the fewest that TDLEN can say */
#define TX_BUFFER	(GUEST_TX + 2048)
#define BATCH		16	/* descriptors that go back to the device at a time */
#define PATIENCE	500	/* slots of time */
#define LOOK		0xffff	/* empty rounds between looks at the device */

static struct guest_state *const state = (void *)GUEST_STATE;
static struct guest_series *const series = (void *)GUEST_SERIES;
static struct rx_desc *const rx_ring = (void *)GUEST_RX_RING;
static struct tx_desc *const tx_ring = (void *)GUEST_TX;

static uint64_t slot_end;
static uint64_t empty_rounds;

/* The compiler calls these even where there is no library. */
void *memcpy(void *to, const void *from, size_t size)
{
	void *start = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return start;
}

void *memset(void *at, int byte, size_t size)
{
	void *start = at;

	asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;
	size_t i;

	for (i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

static uint32_t get(unsigned int reg)
{
	return __atomic_load_n((uint32_t *)(GUEST_REGS + reg), __ATOMIC_ACQUIRE);
}

static void set(unsigned int reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(GUEST_REGS + reg), value, __ATOMIC_RELEASE);
}

static void set_stage(enum guest_stage stage)
{
	__atomic_store_n(&state->stage, stage, __ATOMIC_RELEASE);
}

static void give_up(enum guest_stage stage)
{
	set_stage(stage);
	for (;;)
		asm volatile("hlt");
}

/* Waits until bits of a register are as they should be. */
static void wait_for(unsigned int reg, uint32_t mask, uint32_t wanted, enum guest_stage otherwise)
{
	uint64_t start = __rdtsc();

	while ((get(reg) & mask) != wanted)
		if (__rdtsc() - start > PATIENCE * state->slot_ticks)
			give_up(otherwise);
}

static uint64_t buffer(uint64_t i)
{
	return GUEST_BUFFERS + i * GUEST_BUFFER;
}

/* Nothing in it may be taken for a frame later on. */
static void make_ready(uint64_t i)
{
	memset((void *)buffer(i), 0, GUEST_BUFFER);
	rx_ring[i] = (struct rx_desc) { .addr = buffer(i) };
}

/* The VMM has made it bus master, after a reset that came with opening it. */
static void start_device(void)
{
	uint64_t i;

	set(IMC, ~0U);
	set(CTRL, get(CTRL) | CTRL_RST);
	wait_for(CTRL, CTRL_RST, 0, GUEST_NO_RESET);
	set(IMC, ~0U);
	set(CTRL, get(CTRL) | CTRL_SLU);
	wait_for(STATUS, STATUS_LU, STATUS_LU, GUEST_NO_LINK);

	set(TDBAL, GUEST_TX);
	set(TDBAH, 0);
	set(TDLEN, TX_RING * sizeof(*tx_ring));
	set(TDH, 0);
	set(TDT, 0);
	set(TCTL, TCTL_EN | TCTL_PSP);

	for (i = 0; i < state->ring; i++)
		make_ready(i);
	set(RFCTL, 0);
	set(RDBAL, GUEST_RX_RING);
	set(RDBAH, 0);
	set(RDLEN, state->ring * sizeof(*rx_ring));
	set(RDH, 0);
	/* All but one: a full ring looks like an empty one. */
	set(RDT, state->ring - 1);
	set(RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_BSIZE_1024 | RCTL_SECRC);
}

static void send(enum frame_kind kind, uint64_t number)
{
	struct tx_desc *desc = &tx_ring[state->sent];
	uint64_t start = __rdtsc();

	*desc = (struct tx_desc) {
		.addr = TX_BUFFER,
		.length = frame_make((void *)TX_BUFFER, kind, number, 0, 0),
		.command = TX_COMMAND,
	};
	state->sent = (state->sent + 1) % TX_RING;
	set(TDT, state->sent);
	while (!(__atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) & TX_DONE))
		if (__rdtsc() - start > PATIENCE * state->slot_ticks)
			give_up(GUEST_NO_SEND);
}

static void obey(void)
{
	uint64_t command = __atomic_load_n(&state->command, __ATOMIC_ACQUIRE);

	if (command == GUEST_IDLE)
		return;
	send(command == GUEST_GO ? FRAME_GO : FRAME_STOP, state->argument);
	__atomic_store_n(&state->command, GUEST_IDLE, __ATOMIC_RELEASE);
}

static void note_time(uint64_t now, uint64_t time)
{
	uint64_t slot;
	int i;

	if (time >= state->window[0] && time < state->window[1])
		state->in_window++;
	if (!state->first_time)
		state->first_time = time;
	slot = (time - state->first_time) / state->sent_slot_ns;
	if (slot < GUEST_SENT_SLOTS)
		series->sent[slot]++;
	/* A frame that was not there just now, and is, was sent now. */
	if (empty_rounds) {
		i = state->clock[0].tsc ? 1 : 0;
		state->clock[i].tsc = now;
		state->clock[i].time = time;
	}
}

/* The device is past a descriptor that it did not fill in, if it could not reach memory. */
static bool was_skipped(const struct rx_desc *desc)
{
	/* The head moves after a descriptor has been filled in. */
	return (empty_rounds & LOOK) == LOOK && get(RDH) != state->next &&
	       !(__atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) & RX_DONE);
}

static void look_for_frame(uint64_t now)
{
	struct rx_desc *desc = &rx_ring[state->next];
	uint64_t i = state->next, time;

	if (__atomic_load_n(&desc->status, __ATOMIC_ACQUIRE) & RX_DONE) {
		time = frame_count(&state->frames, (void *)buffer(i), desc->length);
		if (time)
			note_time(now, time);
		empty_rounds = 0;
	} else if (was_skipped(desc)) {
		state->skipped++;
	} else {
		empty_rounds++;
		/* Processors that are emulated by turns have the next one go on. */
		_mm_pause();
		return;
	}
	make_ready(i);
	state->next = i + 1 == state->ring ? 0 : i + 1;
	if (i % BATCH == BATCH - 1)
		set(RDT, i);
}

static void look_at_clock(uint64_t now)
{
	if (now - state->last > state->gap) {
		state->gap = now - state->last;
		state->gap_at = state->last;
	}
	state->last = now;
	/* After time away, several are over at once. */
	while (now >= slot_end && state->slots < GUEST_SLOTS) {
		series->received[state->slots++] = state->frames.received;
		slot_end += state->slot_ticks;
	}
}

/* The first thing in the program, see guest.lds. It does not return. */
void guest_main(void)
{
	uint64_t address, now;

	set_stage(GUEST_FILLING);
	for (address = guest_pattern_start(state->ring); address < state->ram; address += 8)
		*(uint64_t *)address = guest_pattern(address);
	set_stage(GUEST_STARTING);
	start_device();
	set_stage(GUEST_RUNNING);
	state->last = __rdtsc();
	state->start = state->last;
	slot_end = state->last + state->slot_ticks;
	for (;;) {
		now = __rdtsc();
		state->iterations++;
		look_at_clock(now);
		look_for_frame(now);
		obey();
	}
}
