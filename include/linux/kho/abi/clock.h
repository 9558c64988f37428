/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the old kernel knows of the machine's clocks, so that the next one need not measure it.
 * This is a contract between kernels: a change needs a new version.
 *
 * The subtree's root node has:
 *   compatible  KHO_CLOCK_COMPATIBLE
 *   x86         struct kho_clock_ser
 *   pm-timer    u32: I/O port of ACPI's timer, which was found to work; may be missing
 *
 * The subtree is optional. Nothing of it is used on a machine, or after a change of
 * microcode, that is not the recorded one.
 */
#ifndef _LINUX_KHO_ABI_CLOCK_H
#define _LINUX_KHO_ABI_CLOCK_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define KHO_CLOCK_NAME		"clock"
#define KHO_CLOCK_COMPATIBLE	"clock-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_KEXEC_HANDOVER) && IS_ENABLED(CONFIG_X86), "clock-v1")
#define KHO_CLOCK_PROP_X86	"x86"
#define KHO_CLOCK_PROP_PM_TIMER	"pm-timer"

/* struct kho_clock_ser.flags */
#define KHO_CLOCK_REFINED	0x1	/* the rate of the TSC was compared with another clock */
#define KHO_CLOCK_TIMER_IRQ	0x2	/* the timer's interrupt came by the I/O APIC's pin */
#define KHO_CLOCK_FLAGS		0x3

/* Rates outside are none of a machine's. */
#define KHO_CLOCK_KHZ_MIN	100000U
#define KHO_CLOCK_KHZ_MAX	20000000U
#define KHO_CLOCK_APIC_MIN	1000000U
#define KHO_CLOCK_APIC_MAX	20000000000ULL

/**
 * struct kho_clock_machine - on what the facts were found
 * @signature: CPUID leaf 1, EAX: family, model, stepping
 * @microcode: its revision
 * @hypervisor: CPUID leaf 0x40000000, EBX, ECX and EDX; 0 without one
 * @reserved: 0
 * @vendor: of the processor, the rest 0
 */
struct kho_clock_machine {
	__u32 signature;
	__u32 microcode;
	__u32 hypervisor[3];
	__u32 reserved;
	__u8 vendor[16];
};

/**
 * struct kho_clock_ser - the facts
 * @machine: on what they were found
 * @flags: KHO_CLOCK_*
 * @reserved: 0
 * @tsc_khz: of the time-stamp counter
 * @cpu_khz: of the processor
 * @apic_hz: of the clock of the local APIC's timer; 0 when nobody has measured it
 */
struct kho_clock_ser {
	struct kho_clock_machine machine;
	__u32 flags;
	__u32 reserved;
	__u32 tsc_khz;
	__u32 cpu_khz;
	__u64 apic_hz;
};

static inline int kho_clock_khz_ok(__u32 khz)
{
	return khz >= KHO_CLOCK_KHZ_MIN && khz <= KHO_CLOCK_KHZ_MAX;
}

/**
 * kho_clock_wrong - can these facts be used?
 * @clock: the facts
 * @here: the machine on which they are to be used
 *
 * Return: NULL, or why not
 */
static inline const char *kho_clock_wrong(const struct kho_clock_ser *clock,
					  const struct kho_clock_machine *here)
{
	const __u8 *was = (const __u8 *)&clock->machine, *is = (const __u8 *)here;
	unsigned int i;

	for (i = 0; i < sizeof(*here); i++)
		if (was[i] != is[i])
			return "the processor or its microcode is another one";
	if (clock->flags & ~KHO_CLOCK_FLAGS || clock->reserved)
		return "unknown flags";
	if (!kho_clock_khz_ok(clock->tsc_khz) || !kho_clock_khz_ok(clock->cpu_khz))
		return "no processor has such a rate";
	if (clock->apic_hz && (clock->apic_hz < KHO_CLOCK_APIC_MIN ||
			       clock->apic_hz > KHO_CLOCK_APIC_MAX))
		return "no local APIC has such a rate";
	return NULL;
}

#endif /* _LINUX_KHO_ABI_CLOCK_H */
