/* SPDX-License-Identifier: GPL-2.0-only */
/* What is in the record of VT-d tables, checked: see record.c. */
#ifndef _INTEL_RECORD_H
#define _INTEL_RECORD_H

#include <linux/kho/abi/iommu.h>

/**
 * struct vtd_record - a record and its parts
 * @table: head
 * @units: its units
 * @domains: its domains
 * @devices: its devices
 */
struct vtd_record {
	const struct iommu_table_ser *table;
	const struct iommu_unit_ser *units;
	const struct iommu_domain_ser *domains;
	const struct iommu_device_ser *devices;
};

size_t vtd_record_size(u32 nr_units, u32 nr_domains, u32 nr_devices);
void vtd_record_seal(struct iommu_table_ser *table);
size_t vtd_record_check(const struct iommu_table_ser *table);
void vtd_record_open(struct vtd_record *record,
		     const struct iommu_table_ser *table);
const char *vtd_record_unit_fault(const struct vtd_record *record, u32 i);
const char *vtd_record_domain_fault(const struct vtd_record *record, u32 i);
const char *vtd_record_device_fault(const struct vtd_record *record, u32 i);

#endif /* _INTEL_RECORD_H */
