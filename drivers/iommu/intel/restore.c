// SPDX-License-Identifier: GPL-2.0-only
/*
 * VT-d in the next kernel: the record of the old kernel's tables, and what cannot be
 * taken over of them.
 *
 * Life cycle: the record is read once, before translation would be turned off, and then
 * restore_units.c and restore_devices.c go by it, in this order. What they cannot take
 * over is blocked: bus master off at the device, no entry in the tables. The page tables
 * of such a device stay preserved.
 *
 * Locks: until the probing of devices this runs single-threaded, under
 * dmar_global_lock. Afterwards see restore_devices.c.
 */
#define pr_fmt(fmt) "DMAR: " fmt

#include <linux/kho.h>
#include <linux/libfdt.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/slab.h>

#include "restore.h"

struct vtd_incoming vtd_incoming;

/* --- The record --- */

static int read_record(const char **reason)
{
	const struct iommu_table_ser *table;
	const fdt64_t *prop;
	phys_addr_t fdt_pa, pa;
	size_t size;
	void *fdt;
	int len, rc;

	rc = kho_retrieve_subtree(IOMMU_SER_NAME, &fdt_pa, NULL);
	if (rc) {
		*reason = "the record of the IOMMU is missing or damaged";
		return rc;
	}
	*reason = "the record of the IOMMU is damaged";
	fdt = phys_to_virt(fdt_pa);
	prop = fdt_getprop(fdt, 0, IOMMU_SER_PROP_TABLE, &len);
	if (!prop || len != sizeof(*prop))
		goto err_reject;
	pa = fdt64_to_cpu(*prop);
	if (!kho_is_pending(pa, PAGE_SIZE))
		goto err_reject;
	table = phys_to_virt(pa);
	size = vtd_record_check(table);
	if (!size || !kho_is_pending(pa, PAGE_ALIGN(size)))
		goto err_reject;

	*reason = "out of memory";
	vtd_incoming.table = kvmalloc(size, GFP_KERNEL);
	if (!vtd_incoming.table)
		goto err_reject;
	memcpy(vtd_incoming.table, table, size);
	vtd_incoming.states = kvcalloc(table->nr_devices + 1,
				       sizeof(*vtd_incoming.states), GFP_KERNEL);
	vtd_incoming.domains = kvcalloc(table->nr_domains + 1,
					sizeof(*vtd_incoming.domains), GFP_KERNEL);
	if (!vtd_incoming.states || !vtd_incoming.domains)
		goto err_free;
	vtd_record_open(&vtd_incoming.record, vtd_incoming.table);
	kho_restore_free((void *)table);
	kho_restore_free(fdt);
	return 0;

err_free:
	kvfree(vtd_incoming.domains);
	kvfree(vtd_incoming.states);
	kvfree(vtd_incoming.table);
	memset(&vtd_incoming, 0, sizeof(vtd_incoming));
err_reject:
	kho_reject_subtree(IOMMU_SER_NAME, *reason);
	return -EINVAL;
}

/* Once; afterwards there is a record, or there is none. */
bool vtd_load_record(void)
{
	const char *reason;

	if (vtd_incoming.loaded)
		return vtd_incoming.table;
	vtd_incoming.loaded = true;
	if (!is_kho_boot())
		return false;
	if (read_record(&reason))
		pr_err("no translation is taken over: %s\n", reason);
	return vtd_incoming.table;
}

u32 vtd_nr_devices(void)
{
	return vtd_incoming.table ? vtd_incoming.table->nr_devices : 0;
}

u32 vtd_find_device(u32 segment, u16 sid)
{
	const struct iommu_device_ser *ser;
	u32 i;

	for (i = 0; i < vtd_nr_devices(); i++) {
		ser = &vtd_incoming.record.devices[i];
		if (ser->segment == segment && ser->sid == sid)
			break;
	}
	return i;
}

/* --- Blocking --- */

void vtd_block_id(u32 segment, u16 sid, const char *reason)
{
	struct pci_dev *pdev;

	pr_err("%04x:%02x:%02x.%d is blocked: %s\n", segment, PCI_BUS_NUM(sid),
	       PCI_SLOT(sid), PCI_FUNC(sid), reason);
	pdev = pci_liveupdate_get_dev(segment, sid);
	if (!pdev)
		return;
	pci_liveupdate_block(pdev, "%s", reason);
	pci_clear_master(pdev);
	pci_dev_put(pdev);
}

void vtd_block_device(u32 i, const char *reason)
{
	const struct iommu_device_ser *ser = &vtd_incoming.record.devices[i];

	vtd_incoming.states[i] = DEVICE_BLOCKED;
	vtd_block_id(ser->segment, ser->sid, reason);
}

/**
 * vtd_discard - free a record that could not be used
 * @fdt: physical address of the subtree
 *
 * The tables that it describes go when no subtree is left that could have a claim.
 *
 * Context: &kho_owner_ops.discard.
 * Return: 0, or as kho_discard_range()
 */
int vtd_discard(phys_addr_t fdt)
{
	return kho_discard_range(fdt, PAGE_SIZE);
}
