/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual machine with one processor, by KVM: the part of the sample VMM that knows
 * nothing of live updates but that a processor's state can be saved and loaded.
 *
 * Whatever returns an int gives -1 and sets errno when it fails.
 */
#ifndef KHO_VMM_MACHINE_H
#define KHO_VMM_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#define VCPU_CPUID_MAX	256
#define VCPU_MSRS_MAX	16

/* All that a processor of this kind of guest has; goes into a file as it is. */
struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	uint64_t tsc_offset;
	uint32_t nr_msrs;
	uint32_t nr_cpuid;
	struct kvm_msr_entry msrs[VCPU_MSRS_MAX];
	struct kvm_cpuid_entry2 cpuid[VCPU_CPUID_MAX];
};

struct machine {
	int kvm;
	int vm;
	int vcpu;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool running;		/* there is a thread */
	int ended;		/* errno why it stopped by itself, see exit_reason */
	uint32_t exit_reason;
};

/* A machine with a processor as after reset, whose time-stamp counter is the host's */
int machine_make(struct machine *machine);

/* The guest sees @size bytes of our memory @at, at @address, as memory @slot. */
int machine_memory(struct machine *machine, uint32_t slot, uint64_t address, void *at,
		   size_t size);

/*
 * Page tables at @tables in the guest's memory, of which @ram is the beginning: the
 * first GiB, and 2 MiB at @regs, are where they are. The processor is going to begin at
 * @entry, in 64-bit mode, with its stack below @stack.
 */
int machine_enter(struct machine *machine, void *ram, uint64_t tables, uint64_t regs,
		  uint64_t entry, uint64_t stack);

/* Of a processor that does not run */
int machine_save(const struct machine *machine, struct vcpu_state *state);
int machine_load(const struct machine *machine, const struct vcpu_state *state);

/* The processor runs in a thread of its own, until it is stopped. */
int machine_run(struct machine *machine);
int machine_stop(struct machine *machine);

#endif
