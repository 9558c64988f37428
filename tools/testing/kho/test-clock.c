// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel knows of clocks (include/linux/kho/abi/clock.h): it is used on the same
 * machine only, and no number that makes no sense is.
 */
#include <stddef.h>

#include <linux/kho/abi/clock.h>

#include "lib.h"

static struct kho_clock_ser good(void)
{
	return (struct kho_clock_ser) {
		.machine = {
			.signature = 0xa20f12,
			.microcode = 0x0a20120a,
			.hypervisor = { 1, 2, 3 },
			.vendor = "AuthenticAMD",
		},
		.flags = random_below(KHO_CLOCK_FLAGS + 1),
		.tsc_khz = KHO_CLOCK_KHZ_MIN +
			   random_below(KHO_CLOCK_KHZ_MAX - KHO_CLOCK_KHZ_MIN + 1),
		.cpu_khz = KHO_CLOCK_KHZ_MIN +
			   random_below(KHO_CLOCK_KHZ_MAX - KHO_CLOCK_KHZ_MIN + 1),
		.apic_hz = random_below(2) ? 0 : KHO_CLOCK_APIC_MIN +
			   random_u64() % (KHO_CLOCK_APIC_MAX - KHO_CLOCK_APIC_MIN + 1),
	};
}

/* With a field changed it is not used any more. */
#define WRONG(field, value) do {					\
	clock = good();							\
	clock.field = (value);						\
	CHECK(kho_clock_wrong(&clock, &here));				\
} while (0)

static void test_fields(void)
{
	struct kho_clock_machine here = good().machine;
	struct kho_clock_ser clock;

	WRONG(flags, KHO_CLOCK_FLAGS + 1);
	WRONG(reserved, 1);
	WRONG(tsc_khz, 0);
	WRONG(tsc_khz, KHO_CLOCK_KHZ_MIN - 1);
	WRONG(tsc_khz, KHO_CLOCK_KHZ_MAX + 1);
	WRONG(cpu_khz, 0);
	WRONG(cpu_khz, ~0U);
	WRONG(apic_hz, 1);
	WRONG(apic_hz, KHO_CLOCK_APIC_MIN - 1);
	WRONG(apic_hz, KHO_CLOCK_APIC_MAX + 1);
}

/* Any single bit of the machine */
static void test_machine(void)
{
	struct kho_clock_machine here = good().machine;
	struct kho_clock_ser clock = good();
	unsigned int bit;

	CHECK(!kho_clock_wrong(&clock, &here));
	for (bit = 0; bit < 8 * sizeof(here); bit++) {
		((u8 *)&here)[bit / 8] ^= 1 << bit % 8;
		CHECK(kho_clock_wrong(&clock, &here));
		((u8 *)&here)[bit / 8] ^= 1 << bit % 8;
	}
}

int main(void)
{
	unsigned long i, count;

	test_begin("clock");
	count = test_count(2000);
	test_fields();
	for (i = 0; i < count; i++)
		test_machine();
	test_end("%lu machines", count);
	return 0;
}
