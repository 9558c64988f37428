// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rates of clocks across a kexec: the old kernel has measured them on this very machine.
 *
 * Life cycle: at finalize the old kernel writes what it knows into an optional subtree. The
 * next one looks at it when it would measure the time-stamp counter for the first time, long
 * before the core reads what was handed over, and takes the rate of the local APIC's timer,
 * that the timer's interrupt arrives, and that ACPI's timer works from it, too. Whatever it
 * does not take it measures as ever: because of kho_clock=off, because the processor or its
 * microcode is another one, or because a number makes no sense. A rate of the TSC that the old
 * kernel had no time to refine is refined by the next one.
 *
 * Both kernels then have the same rate of the TSC, to the kHz: for guests of KVM it is the
 * machine's.
 *
 * Locks: none; early boot has one CPU, and owners are called one after the other.
 */
#define pr_fmt(fmt) "kho: clock: " fmt

#include <linux/acpi_pmtmr.h>
#include <linux/clocksource_ids.h>
#include <linux/cpufeature.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kho.h>
#include <linux/kho/abi/clock.h>
#include <linux/kstrtox.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/processor.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <asm/apic.h>
#include <asm/kho.h>
#include <asm/timer.h>
#include <asm/tsc.h>

static bool wanted __initdata = true;
static bool timer_works;
static void *fdt;

/* The port of ACPI's timer of the old kernel, 0 when it is not known to work */
static u32 old_pm_timer __initdata;

static int __init clock_param(char *arg)
{
	return kstrtobool(arg, &wanted);
}
early_param("kho_clock", clock_param);

static void fill_machine(struct kho_clock_machine *machine)
{
	u32 eax;

	memset(machine, 0, sizeof(*machine));
	machine->signature = cpuid_eax(1);
	machine->microcode = boot_cpu_data.microcode;
	if (boot_cpu_has(X86_FEATURE_HYPERVISOR))
		cpuid(0x40000000, &eax, &machine->hypervisor[0],
		      &machine->hypervisor[1], &machine->hypervisor[2]);
	strscpy(machine->vendor, boot_cpu_data.x86_vendor_id);
}

/*
 * Next kernel
 */

/**
 * kho_clock_take - what the old kernel has measured
 * @cpu: set to the processor's rate in kHz
 * @tsc: set to that of the time-stamp counter
 *
 * The local APIC's and the timer's interrupt are taken at the same time.
 *
 * Hook in determine_cpu_tsc_frequencies().
 *
 * Context: early boot, after the parameters and before memory is mapped
 * Return: false when it has to be measured
 */
bool __init kho_clock_take(unsigned int *cpu, unsigned int *tsc)
{
	struct kho_clock_machine here;
	struct kho_clock_ser clock;
	const char *wrong;

	if (!wanted || !kho_early_read_prop(KHO_CLOCK_NAME, KHO_CLOCK_COMPATIBLE,
					    KHO_CLOCK_PROP_X86, &clock,
					    sizeof(clock)))
		return false;
	fill_machine(&here);
	wrong = kho_clock_wrong(&clock, &here);
	if (wrong) {
		pr_warn("measured anew: %s\n", wrong);
		return false;
	}
	kho_early_read_prop(KHO_CLOCK_NAME, KHO_CLOCK_COMPATIBLE,
			    KHO_CLOCK_PROP_PM_TIMER, &old_pm_timer,
			    sizeof(old_pm_timer));
	*cpu = clock.cpu_khz;
	*tsc = clock.tsc_khz;
	if (clock.flags & KHO_CLOCK_REFINED)
		setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
	lapic_timer_period = div_u64(clock.apic_hz, HZ);
	if (clock.flags & KHO_CLOCK_TIMER_IRQ)
		no_timer_check = 1;
	pr_info("TSC %u kHz%s, APIC timer %llu kHz, as the kernel before has measured (kho_clock=off: measure)\n",
		clock.tsc_khz,
		clock.flags & KHO_CLOCK_REFINED ? "" : ", to be refined",
		div_u64(clock.apic_hz, 1000));
	return true;
}

/**
 * kho_clock_timer_works - the timer's interrupt comes by the I/O APIC's pin
 *
 * Hook in check_timer(), which has tried, or has taken it from the kernel before.
 */
void __init kho_clock_timer_works(void)
{
	timer_works = true;
}

/**
 * kho_clock_pm_timer_works - has the old kernel found ACPI's timer to work?
 * @port: its I/O port
 *
 * Hook in init_acpi_pm_clocksource().
 */
bool __init kho_clock_pm_timer_works(u32 port)
{
	return port && port == old_pm_timer;
}

/* All was taken before. */
static int __init clock_init(void)
{
	phys_addr_t pa;

	if (kho_retrieve_subtree(KHO_CLOCK_NAME, &pa, NULL))
		return 0;
	kho_restore_free(phys_to_virt(pa));
	kho_finish_subtree(KHO_CLOCK_NAME);
	return 0;
}
postcore_initcall(clock_init);

/*
 * Old kernel
 */

static void fill_clock(struct kho_clock_ser *clock)
{
	struct system_time_snapshot now;

	*clock = (struct kho_clock_ser) {
		.tsc_khz = tsc_khz,
		.cpu_khz = cpu_khz,
		.apic_hz = (u64)lapic_timer_period * HZ,
	};
	fill_machine(&clock->machine);
	/* Before, its clock source has another id. */
	ktime_get_snapshot(&now);
	if (now.cs_id == CSID_X86_TSC)
		clock->flags |= KHO_CLOCK_REFINED;
	if (timer_works)
		clock->flags |= KHO_CLOCK_TIMER_IRQ;
}

/* Where ACPI's timer is, 0 when there is none that works */
static u32 pm_timer(void)
{
#ifdef CONFIG_X86_PM_TIMER
	return pmtmr_ioport;
#else
	return 0;
#endif
}

static int write_fdt(const struct kho_clock_ser *clock)
{
	u32 port = pm_timer();
	int rc;

	rc = fdt_create(fdt, PAGE_SIZE);
	rc = rc ?: fdt_finish_reservemap(fdt);
	rc = rc ?: fdt_begin_node(fdt, "");
	rc = rc ?: fdt_property_string(fdt, KHO_PROP_COMPATIBLE,
				       KHO_CLOCK_COMPATIBLE);
	rc = rc ?: fdt_property(fdt, KHO_CLOCK_PROP_X86, clock, sizeof(*clock));
	if (port)
		rc = rc ?: fdt_property(fdt, KHO_CLOCK_PROP_PM_TIMER, &port,
					sizeof(port));
	rc = rc ?: fdt_end_node(fdt);
	rc = rc ?: fdt_finish(fdt);
	return rc ? -ENOSPC : 0;
}

/* It can be done without: no error of it is in the way of a handover. */
static int clock_finalize(struct kho_owner *owner)
{
	struct kho_clock_ser clock;
	int rc;

	if (!boot_cpu_has(X86_FEATURE_TSC) || check_tsc_unstable())
		return 0;
	fill_clock(&clock);
	if (kho_clock_wrong(&clock, &clock.machine))
		return 0;
	fdt = kho_alloc_preserve(PAGE_SIZE);
	if (IS_ERR(fdt)) {
		fdt = NULL;
		return 0;
	}
	rc = write_fdt(&clock) ?:
	     kho_add_optional_subtree(KHO_CLOCK_NAME, fdt, PAGE_SIZE);
	if (!rc)
		return 0;
	pr_info("the next kernel measures its clocks: %d\n", rc);
	kho_unpreserve_free(fdt);
	fdt = NULL;
	return 0;
}

static void clock_unfinalize(struct kho_owner *owner)
{
	if (!fdt)
		return;
	kho_remove_subtree(fdt);
	kho_unpreserve_free(fdt);
	fdt = NULL;
}

static const struct kho_owner_ops clock_ops = {
	.finalize = clock_finalize,
	.unfinalize = clock_unfinalize,
};

static struct kho_owner clock_owner = {
	.name = KHO_CLOCK_NAME,
	.ops = &clock_ops,
};

static int __init clock_register(void)
{
	return kho_is_enabled() ? kho_register_owner(&clock_owner) : 0;
}
late_initcall(clock_register);
