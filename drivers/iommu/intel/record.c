// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of VT-d tables (include/linux/kho/abi/iommu.h): its size, its checksums,
 * and what can be wrong with it. Nothing here looks at hardware or at the tables.
 *
 * Life cycle: the old kernel fills a record in and seals it. The next kernel checks the
 * head, which gives the size, then each entry. Damage to one entry is a fault of that
 * entry and of those that refer to it.
 *
 * Locks: none; a record does not change.
 */
#include <linux/align.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "record.h"

/* The smallest and the largest number of levels are 2 and 5. */
#define AGAW_MAX	3
/* A directory for all of 20 bits of PASID */
#define PASID_ORDER_MAX	5

#define CHECKSUM(entry) \
	kho_checksum(0, (entry), offsetof(typeof(*(entry)), checksum))

/**
 * vtd_record_size - bytes of a record
 * @nr_units: units, at most IOMMU_SER_MAX
 * @nr_domains: domains, likewise
 * @nr_devices: devices, likewise
 */
size_t vtd_record_size(u32 nr_units, u32 nr_domains, u32 nr_devices)
{
	return sizeof(struct iommu_table_ser) +
	       nr_units * sizeof(struct iommu_unit_ser) +
	       nr_domains * sizeof(struct iommu_domain_ser) +
	       nr_devices * sizeof(struct iommu_device_ser);
}

/**
 * vtd_record_open - find the parts of a record
 * @record: out
 * @table: head, checked
 */
void vtd_record_open(struct vtd_record *record,
		     const struct iommu_table_ser *table)
{
	record->table = table;
	record->units = (const void *)(table + 1);
	record->domains = (const void *)(record->units + table->nr_units);
	record->devices = (const void *)(record->domains + table->nr_domains);
}

/**
 * vtd_record_seal - set all checksums
 * @table: head of a record that is complete
 */
void vtd_record_seal(struct iommu_table_ser *table)
{
	struct iommu_device_ser *device;
	struct iommu_domain_ser *domain;
	struct iommu_unit_ser *unit;
	u32 i;

	unit = (void *)(table + 1);
	for (i = 0; i < table->nr_units; i++, unit++)
		unit->checksum = CHECKSUM(unit);
	domain = (void *)unit;
	for (i = 0; i < table->nr_domains; i++, domain++)
		domain->checksum = CHECKSUM(domain);
	device = (void *)domain;
	for (i = 0; i < table->nr_devices; i++, device++)
		device->checksum = CHECKSUM(device);
	table->checksum = CHECKSUM(table);
}

/**
 * vtd_record_check - check the head of a record
 * @table: what is said to be one
 *
 * Return: the size of the whole record, 0 when it is damaged
 */
size_t vtd_record_check(const struct iommu_table_ser *table)
{
	if (table->checksum != CHECKSUM(table) ||
	    table->magic != IOMMU_SER_MAGIC || table->reserved ||
	    table->nr_units > IOMMU_SER_MAX ||
	    table->nr_domains > IOMMU_SER_MAX ||
	    table->nr_devices > IOMMU_SER_MAX)
		return 0;
	return vtd_record_size(table->nr_units, table->nr_domains,
			       table->nr_devices);
}

static bool is_page(u64 pa)
{
	return pa && IS_ALIGNED(pa, PAGE_SIZE);
}

/**
 * vtd_record_unit_fault - check a unit
 * @record: the record
 * @i: index of the unit
 *
 * Return: what is wrong with it, NULL when nothing is
 */
const char *vtd_record_unit_fault(const struct vtd_record *record, u32 i)
{
	const struct iommu_unit_ser *unit = &record->units[i];
	const struct iommu_unit_ser *other;
	u32 j;

	if (unit->checksum != CHECKSUM(unit))
		return "its unit's record is damaged";
	if (!is_page(unit->reg_pa) || !is_page(unit->root_pa) ||
	    unit->segment > U16_MAX || unit->flags & ~IOMMU_UNIT_SCALABLE)
		return "its unit's record makes no sense";
	for (j = 0; j < i; j++) {
		other = &record->units[j];
		if (other->checksum == CHECKSUM(other) &&
		    (other->reg_pa == unit->reg_pa ||
		     other->root_pa == unit->root_pa))
			return "its unit is recorded twice";
	}
	return NULL;
}

/**
 * vtd_record_domain_fault - check a domain
 * @record: the record
 * @i: index of the domain
 *
 * Return: what is wrong with it, NULL when nothing is
 */
const char *vtd_record_domain_fault(const struct vtd_record *record, u32 i)
{
	const struct iommu_domain_ser *domain = &record->domains[i];
	const struct iommu_domain_ser *other;
	u32 j;

	if (domain->checksum != CHECKSUM(domain))
		return "its domain's record is damaged";
	if (!is_page(domain->pgd_pa) || domain->agaw > AGAW_MAX ||
	    domain->reserved)
		return "its domain's record makes no sense";
	for (j = 0; j < i; j++) {
		other = &record->domains[j];
		if (other->checksum == CHECKSUM(other) &&
		    other->pgd_pa == domain->pgd_pa)
			return "its domain is recorded twice";
	}
	return NULL;
}

/* In one unit an id is a domain, and a domain is an id. */
static bool ids_disagree(const struct iommu_device_ser *a,
			 const struct iommu_device_ser *b)
{
	return a->unit == b->unit &&
	       (a->did == b->did) != (a->domain == b->domain);
}

/* What can be said about a device without looking at others */
static const char *own_fault(const struct vtd_record *record,
			     const struct iommu_device_ser *device)
{
	const char *fault;
	bool scalable;

	if (device->checksum != CHECKSUM(device))
		return "its record is damaged";
	if (device->unit >= record->table->nr_units ||
	    device->domain >= record->table->nr_domains)
		return "its record refers to nothing";
	fault = vtd_record_unit_fault(record, device->unit);
	if (!fault)
		fault = vtd_record_domain_fault(record, device->domain);
	if (fault)
		return fault;

	scalable = record->units[device->unit].flags & IOMMU_UNIT_SCALABLE;
	if (device->segment != record->units[device->unit].segment ||
	    device->reserved || !device->did ||
	    device->pasid_order > PASID_ORDER_MAX ||
	    (scalable ? !is_page(device->pasid_dir_pa) :
			device->pasid_dir_pa || device->pasid_order))
		return "its record makes no sense";
	return NULL;
}

/**
 * vtd_record_device_fault - check a device, and what it refers to
 * @record: the record
 * @i: index of the device
 *
 * Return: what is wrong with it, NULL when nothing is
 */
const char *vtd_record_device_fault(const struct vtd_record *record, u32 i)
{
	const struct iommu_device_ser *device = &record->devices[i];
	const struct iommu_device_ser *other;
	const char *fault = own_fault(record, device);
	u32 j;

	for (j = 0; j < i && !fault; j++) {
		other = &record->devices[j];
		if (own_fault(record, other))
			continue;
		if (other->segment == device->segment &&
		    other->sid == device->sid)
			fault = "it is recorded twice";
		else if (device->pasid_dir_pa &&
			 other->pasid_dir_pa == device->pasid_dir_pa)
			fault = "its PASID directory is recorded twice";
		else if (ids_disagree(other, device))
			fault = "its domain id is recorded for another domain";
	}
	return fault;
}
