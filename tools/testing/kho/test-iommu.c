// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of VT-d tables (drivers/iommu/intel/record.c), with as many remapping
 * units as a machine may have: what is written is found again, and damage to any entry
 * is a fault of that entry and of those that refer to it, and of no other.
 */
#include "../../../drivers/iommu/intel/record.c"

#include "lib.h"

#define UNITS	8
#define DOMAINS	12
#define DEVICES	40

static struct iommu_table_ser *table;
static struct vtd_record record;
static size_t size;

static struct iommu_unit_ser *unit(u32 i)
{
	return (void *)&record.units[i];
}

static struct iommu_domain_ser *domain(u32 i)
{
	return (void *)&record.domains[i];
}

static struct iommu_device_ser *device(u32 i)
{
	return (void *)&record.devices[i];
}

/* Units 0, 2, 4 in legacy mode; a domain has the same id in all units. */
static void make(void)
{
	u32 i;

	memset(table, 0, size);
	table->magic = IOMMU_SER_MAGIC;
	table->nr_units = UNITS;
	table->nr_domains = DOMAINS;
	table->nr_devices = DEVICES;
	vtd_record_open(&record, table);
	for (i = 0; i < UNITS; i++) {
		unit(i)->reg_pa = 0xfed90000 + i * PAGE_SIZE;
		unit(i)->root_pa = (1ULL << 30) + i * PAGE_SIZE;
		unit(i)->segment = i / 4;
		unit(i)->flags = i % 2 ? IOMMU_UNIT_SCALABLE : 0;
	}
	for (i = 0; i < DOMAINS; i++) {
		domain(i)->pgd_pa = (2ULL << 30) + i * PAGE_SIZE;
		domain(i)->agaw = i % 4;
	}
	for (i = 0; i < DEVICES; i++) {
		device(i)->unit = i % UNITS;
		device(i)->segment = unit(i % UNITS)->segment;
		device(i)->sid = i << 3;
		device(i)->domain = i % DOMAINS;
		device(i)->did = 2 + i % DOMAINS;
		if (unit(i % UNITS)->flags & IOMMU_UNIT_SCALABLE) {
			device(i)->pasid_dir_pa = (3ULL << 30) + ((u64)i << 20);
			device(i)->pasid_order = i % 6;
		}
	}
	vtd_record_seal(table);
}

/* Faults must be exactly those of @wrong, which may depend on the device. */
static void expect(bool (*wrong)(u32 i, u32 arg), u32 arg)
{
	u32 i;

	CHECK(vtd_record_check(table) == size);
	for (i = 0; i < DEVICES; i++)
		CHECK(!vtd_record_device_fault(&record, i) == !wrong(i, arg));
}

static bool none(u32 i, u32 arg)
{
	return false;
}

static bool is_device(u32 i, u32 arg)
{
	return i == arg;
}

static bool is_of_unit(u32 i, u32 arg)
{
	return device(i)->unit == arg;
}

static bool is_of_domain(u32 i, u32 arg)
{
	return device(i)->domain == arg;
}

/* Every bit of the record, one after the other */
static void test_bits(void)
{
	u8 *bytes = (u8 *)table;
	size_t bit, offset;
	u32 i;

	make();
	expect(none, 0);
	for (bit = 0; bit < size * 8; bit++) {
		make();
		bytes[bit / 8] ^= 1 << bit % 8;
		offset = bit / 8;
		if (offset < sizeof(*table)) {
			CHECK(!vtd_record_check(table));
			continue;
		}
		offset -= sizeof(*table);
		if (offset < UNITS * sizeof(struct iommu_unit_ser)) {
			i = offset / sizeof(struct iommu_unit_ser);
			CHECK(vtd_record_unit_fault(&record, i));
			expect(is_of_unit, i);
			continue;
		}
		offset -= UNITS * sizeof(struct iommu_unit_ser);
		if (offset < DOMAINS * sizeof(struct iommu_domain_ser)) {
			i = offset / sizeof(struct iommu_domain_ser);
			CHECK(vtd_record_domain_fault(&record, i));
			expect(is_of_domain, i);
			continue;
		}
		offset -= DOMAINS * sizeof(struct iommu_domain_ser);
		expect(is_device, offset / sizeof(struct iommu_device_ser));
	}
}

/* Values that no kernel writes, with checksums that are right */
static void test_device_values(void)
{
	const u32 i = 1 + random_below(DEVICES - 1);

#define WRONG(member, value) do { \
		make(); \
		device(i)->member = (value); \
		vtd_record_seal(table); \
		expect(is_device, i); \
	} while (0)

	WRONG(unit, UNITS);
	WRONG(unit, U32_MAX);
	WRONG(domain, DOMAINS);
	WRONG(domain, U32_MAX);
	WRONG(segment, device(i)->segment ^ 1);
	WRONG(did, 0);
	WRONG(reserved, 1);
	WRONG(pasid_order, 6);
	WRONG(pasid_dir_pa, device(i)->pasid_dir_pa + 8);
	WRONG(pasid_dir_pa, device(i)->pasid_dir_pa ? 0 : PAGE_SIZE);
#undef WRONG
}

/* The later one is wrong. */
static void test_twice(void)
{
	make();
	device(8)->sid = device(0)->sid;
	vtd_record_seal(table);
	expect(is_device, 8);

	make();
	device(9)->pasid_dir_pa = device(1)->pasid_dir_pa;
	vtd_record_seal(table);
	expect(is_device, 9);

	/* 0 and 8 are of one unit and of two domains. */
	make();
	device(8)->did = device(0)->did;
	vtd_record_seal(table);
	CHECK(vtd_record_device_fault(&record, 8));

	/* 0 and 24 are of one unit and of one domain. */
	make();
	CHECK(device(24)->domain == device(0)->domain);
	device(24)->did = 100;
	vtd_record_seal(table);
	expect(is_device, 24);

	make();
	unit(3)->root_pa = unit(1)->root_pa;
	vtd_record_seal(table);
	expect(is_of_unit, 3);

	make();
	unit(3)->reg_pa = unit(2)->reg_pa;
	vtd_record_seal(table);
	expect(is_of_unit, 3);

	make();
	domain(11)->pgd_pa = domain(4)->pgd_pa;
	vtd_record_seal(table);
	expect(is_of_domain, 11);
}

static void test_unit_and_domain_values(void)
{
	u32 i = random_below(UNITS);

#define WRONG(what, field, value) do { \
		make(); \
		what(i)->field = (value); \
		vtd_record_seal(table); \
		expect(is_of_##what, i); \
	} while (0)

	WRONG(unit, reg_pa, 0);
	WRONG(unit, reg_pa, 0xfed90010);
	WRONG(unit, root_pa, 0);
	WRONG(unit, root_pa, 0x1234);
	WRONG(unit, flags, 2);
	WRONG(unit, segment, 2);
	WRONG(unit, segment, U16_MAX + 1);
	WRONG(domain, pgd_pa, 0);
	WRONG(domain, pgd_pa, 0x1001);
	WRONG(domain, agaw, 4);
	WRONG(domain, reserved, 1);
#undef WRONG
}

static void test_head(void)
{
#define WRONG(field, value) do { \
		make(); \
		table->field = (value); \
		table->checksum = CHECKSUM(table); \
		CHECK(!vtd_record_check(table)); \
	} while (0)

	WRONG(magic, 0);
	WRONG(reserved, 1);
	WRONG(nr_units, IOMMU_SER_MAX + 1);
	WRONG(nr_domains, U32_MAX);
	WRONG(nr_devices, U32_MAX);
#undef WRONG
}

int main(void)
{
	test_begin("iommu");
	size = vtd_record_size(UNITS, DOMAINS, DEVICES);
	table = calloc(1, size);
	CHECK(table);
	test_head();
	test_bits();
	test_device_values();
	test_unit_and_domain_values();
	test_twice();
	free(table);
	test_end("%u units, every bit of %zu bytes", UNITS, size);
	return 0;
}
