// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual machine with one processor, by KVM. There are no interrupts, no devices
 * that are emulated, and no reason for the processor to leave the guest but that it is
 * told to stop.
 *
 * Locks: none. The thread writes @ended and @exit_reason and then ends; everything else
 * is for one thread that makes, runs, stops, saves.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm_machine.h"

#define CR0_PE		0x00000001ULL
#define CR0_MP		0x00000002ULL
#define CR0_ET		0x00000010ULL
#define CR0_NE		0x00000020ULL
#define CR0_WP		0x00010000ULL
#define CR0_PG		0x80000000ULL
#define CR4_PAE		0x00000020ULL
#define EFER_LME	0x00000100ULL
#define EFER_LMA	0x00000400ULL
#define RFLAGS_ONE	0x00000002ULL

#define PTE_TABLE	0x03ULL		/* present, writable */
#define PTE_HUGE	0x83ULL		/* the same, and a page of 2 MiB */
#define TABLE_ENTRIES	512
#define HUGE_PAGE	0x200000ULL

/* What 64-bit programs may have set, besides what struct kvm_sregs has */
#define NR_MSRS		9
static const uint32_t msrs[NR_MSRS] = {
	0x00000174, 0x00000175, 0x00000176,	/* SYSENTER_CS, _ESP, _EIP */
	0x00000277,				/* PAT */
	0xc0000081, 0xc0000082, 0xc0000083,	/* STAR, LSTAR, CSTAR */
	0xc0000084,				/* SYSCALL_MASK */
	0xc0000102,				/* KERNEL_GS_BASE */
};

struct msr_list {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[VCPU_MSRS_MAX];
};

struct cpuid_list {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[VCPU_CPUID_MAX];
};

static int tsc_offset(const struct machine *machine, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return ioctl(machine->vcpu, request, &attr);
}

static int set_cpuid(const struct machine *machine, const struct kvm_cpuid_entry2 *entries,
		     uint32_t nr)
{
	struct cpuid_list list = { .head.nent = nr };

	memcpy(list.entries, entries, nr * sizeof(*entries));
	return ioctl(machine->vcpu, KVM_SET_CPUID2, &list);
}

/* The guest is to have all that this host and KVM can do. */
static int set_all_cpuid(const struct machine *machine)
{
	struct cpuid_list list = { .head.nent = VCPU_CPUID_MAX };

	if (ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, &list))
		return -1;
	return set_cpuid(machine, list.entries, list.head.nent);
}

int machine_make(struct machine *machine)
{
	uint64_t offset = 0;
	int size;

	machine->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (machine->kvm < 0)
		return -1;
	machine->vm = ioctl(machine->kvm, KVM_CREATE_VM, 0);
	if (machine->vm < 0)
		goto no_vm;
	machine->vcpu = ioctl(machine->vm, KVM_CREATE_VCPU, 0);
	if (machine->vcpu < 0)
		goto no_vcpu;
	size = ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < 0)
		goto no_run;
	machine->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu, 0);
	if (machine->run == MAP_FAILED)
		goto no_run;
	machine->run_size = size;
	if (!set_all_cpuid(machine) && !tsc_offset(machine, KVM_SET_DEVICE_ATTR, &offset))
		return 0;
	munmap(machine->run, size);
no_run:
	close(machine->vcpu);
no_vcpu:
	close(machine->vm);
no_vm:
	close(machine->kvm);
	return -1;
}

int machine_memory(struct machine *machine, uint32_t slot, uint64_t address, void *at,
		   size_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = address,
		.memory_size = size,
		.userspace_addr = (uintptr_t)at,
	};

	return ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void make_tables(void *ram, uint64_t tables, uint64_t regs)
{
	uint64_t *level[4], i;

	for (i = 0; i < 4; i++)
		level[i] = (uint64_t *)((char *)ram + tables) + i * TABLE_ENTRIES;
	memset(level[0], 0, 4 * TABLE_ENTRIES * sizeof(uint64_t));
	level[0][0] = (tables + 0x1000) | PTE_TABLE;
	level[1][0] = (tables + 0x2000) | PTE_TABLE;
	level[1][regs >> 30] = (tables + 0x3000) | PTE_TABLE;
	for (i = 0; i < TABLE_ENTRIES; i++)
		level[2][i] = i * HUGE_PAGE | PTE_HUGE;
	level[3][(regs >> 21) % TABLE_ENTRIES] = regs | PTE_HUGE;
}

int machine_enter(struct machine *machine, void *ram, uint64_t tables, uint64_t regs,
		  uint64_t entry, uint64_t stack)
{
	const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 0x10,
		.type = 3,		/* read, write, accessed */
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_segment code = data;
	struct kvm_sregs sregs;
	struct kvm_regs regs64 = {
		.rip = entry,
		/* as after the call of a function */
		.rsp = stack - 8,
		.rflags = RFLAGS_ONE,
	};

	make_tables(ram, tables, regs);
	if (ioctl(machine->vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	code.selector = 0x08;
	code.type = 11;			/* execute, read, accessed */
	code.db = 0;
	code.l = 1;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = tables;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	return ioctl(machine->vcpu, KVM_SET_SREGS, &sregs) ||
	       ioctl(machine->vcpu, KVM_SET_REGS, &regs64) ? -1 : 0;
}

static int save_msrs(const struct machine *machine, struct vcpu_state *state)
{
	struct msr_list list = { .head.nmsrs = NR_MSRS };
	unsigned int i;

	for (i = 0; i < NR_MSRS; i++)
		list.entries[i].index = msrs[i];
	if (ioctl(machine->vcpu, KVM_GET_MSRS, &list) != NR_MSRS)
		return -1;
	state->nr_msrs = NR_MSRS;
	memcpy(state->msrs, list.entries, sizeof(state->msrs));
	return 0;
}

static int load_msrs(const struct machine *machine, const struct vcpu_state *state)
{
	struct msr_list list = { .head.nmsrs = state->nr_msrs };

	memcpy(list.entries, state->msrs, sizeof(list.entries));
	return ioctl(machine->vcpu, KVM_SET_MSRS, &list) == (int)state->nr_msrs ? 0 : -1;
}

int machine_save(const struct machine *machine, struct vcpu_state *state)
{
	struct cpuid_list list = { .head.nent = VCPU_CPUID_MAX };

	if (ioctl(machine->vcpu, KVM_GET_CPUID2, &list) ||
	    ioctl(machine->vcpu, KVM_GET_SREGS, &state->sregs) ||
	    ioctl(machine->vcpu, KVM_GET_REGS, &state->regs) ||
	    ioctl(machine->vcpu, KVM_GET_XCRS, &state->xcrs) ||
	    ioctl(machine->vcpu, KVM_GET_XSAVE, &state->xsave) ||
	    ioctl(machine->vcpu, KVM_GET_DEBUGREGS, &state->debugregs) ||
	    ioctl(machine->vcpu, KVM_GET_VCPU_EVENTS, &state->events) ||
	    tsc_offset(machine, KVM_GET_DEVICE_ATTR, &state->tsc_offset))
		return -1;
	state->nr_cpuid = list.head.nent;
	memcpy(state->cpuid, list.entries, sizeof(state->cpuid));
	return save_msrs(machine, state);
}

/* What the guest was told of its processor comes first: it says what is allowed. */
int machine_load(const struct machine *machine, const struct vcpu_state *state)
{
	uint64_t offset = state->tsc_offset;

	if (state->nr_cpuid > VCPU_CPUID_MAX || state->nr_msrs > VCPU_MSRS_MAX) {
		errno = EINVAL;
		return -1;
	}
	return set_cpuid(machine, state->cpuid, state->nr_cpuid) ||
	       ioctl(machine->vcpu, KVM_SET_SREGS, &state->sregs) ||
	       ioctl(machine->vcpu, KVM_SET_REGS, &state->regs) ||
	       ioctl(machine->vcpu, KVM_SET_XCRS, &state->xcrs) ||
	       ioctl(machine->vcpu, KVM_SET_XSAVE, &state->xsave) ||
	       ioctl(machine->vcpu, KVM_SET_DEBUGREGS, &state->debugregs) ||
	       load_msrs(machine, state) ||
	       ioctl(machine->vcpu, KVM_SET_VCPU_EVENTS, &state->events) ||
	       tsc_offset(machine, KVM_SET_DEVICE_ATTR, &offset) ? -1 : 0;
}

/* There only so that the signal interrupts */
static void on_signal(int signal)
{
	(void)signal;
}

static void *run(void *arg)
{
	struct machine *machine = arg;

	while (!__atomic_load_n(&machine->run->immediate_exit, __ATOMIC_ACQUIRE)) {
		if (!ioctl(machine->vcpu, KVM_RUN, 0)) {
			machine->exit_reason = machine->run->exit_reason;
			machine->ended = EIO;
			break;
		}
		if (errno != EINTR && errno != EAGAIN) {
			machine->ended = errno;
			break;
		}
	}
	return NULL;
}

int machine_run(struct machine *machine)
{
	struct sigaction action = { .sa_handler = on_signal };
	int rc;

	if (sigaction(SIGUSR1, &action, NULL))
		return -1;
	machine->run->immediate_exit = 0;
	machine->ended = 0;
	rc = pthread_create(&machine->thread, NULL, run, machine);
	if (rc) {
		errno = rc;
		return -1;
	}
	machine->running = true;
	return 0;
}

int machine_stop(struct machine *machine)
{
	if (!machine->running) {
		errno = EINVAL;
		return -1;
	}
	/* In this order: a signal that comes before the guest is entered is not lost. */
	__atomic_store_n(&machine->run->immediate_exit, 1, __ATOMIC_RELEASE);
	pthread_kill(machine->thread, SIGUSR1);
	pthread_join(machine->thread, NULL);
	machine->running = false;
	if (machine->ended) {
		errno = machine->ended;
		return -1;
	}
	return 0;
}
