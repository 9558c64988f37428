// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of a PCI device that survives a kexec: what one kernel wrote and the
 * next one reads before it believes anything; layout in <linux/kho/abi/pci.h>.
 *
 * Nothing here touches a device, allocates or locks: it is built in user space,
 * too, by tools/testing/kho. The life cycle is that of liveupdate.c, which calls
 * it; a record is not changed here.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/pci_regs.h>
#include <linux/string.h>
#include <linux/types.h>

#include "liveupdate_record.h"

#define HEADER_ID(h)		((h)[PCI_VENDOR_ID / 4])
#define HEADER_COMMAND(h)	((h)[PCI_COMMAND / 4] & 0xffff)
#define HEADER_CLASS(h)		((h)[PCI_CLASS_REVISION / 4])
#define HEADER_TYPE(h)		((h)[PCI_CACHE_LINE_SIZE / 4] >> 16 & 0xff)
#define HEADER_BAR(h, i)	((h)[PCI_BASE_ADDRESS_0 / 4 + (i)])
#define HEADER_BUSES(h)		((h)[PCI_PRIMARY_BUS / 4] & 0xffffff)

#define MAX_BUS		0xff
#define VF_BAR_MIN	4096

static bool is_bridge(const struct pci_dev_ser *record)
{
	return record->where.kind & PCI_SER_BRIDGE;
}

/* BARs besides the expansion ROM */
static unsigned int nr_bars(const struct pci_dev_ser *record)
{
	return is_bridge(record) ? 2 : 6;
}

static unsigned int rom_reg(const struct pci_dev_ser *record)
{
	return is_bridge(record) ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS;
}

static bool bar_is_io(u32 bar)
{
	return (bar & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_IO;
}

static bool bar_is_64(u32 bar)
{
	return !bar_is_io(bar) && (bar & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
				  PCI_BASE_ADDRESS_MEM_TYPE_64;
}

/* Addresses that a BAR decodes; @end is the last one. */
struct extent {
	u64 start;
	u64 end;
	bool io;
};

static bool extent_ok(struct extent *extent, u64 start, u64 size, u64 least,
		      u64 limit)
{
	extent->start = start;
	extent->end = start + (size - 1);
	return is_power_of_2(size) && size >= least && !(start & (size - 1)) &&
	       extent->end >= start && extent->end <= limit;
}

/* Read BAR *@i of @nr; afterwards *@i is the last one that it takes. */
static bool read_bar(const u32 *bars, const u64 *sizes, unsigned int nr,
		     unsigned int *i, struct extent *extent)
{
	u64 size = sizes[*i], start;
	u32 bar = bars[*i];

	extent->io = bar_is_io(bar);
	if (extent->io)
		return extent_ok(extent, bar & (u32)PCI_BASE_ADDRESS_IO_MASK,
				 size, 4, U32_MAX);
	start = bar & (u32)PCI_BASE_ADDRESS_MEM_MASK;
	if (!bar_is_64(bar))
		return extent_ok(extent, start, size, 16, U32_MAX);

	if (++*i == nr || sizes[*i])
		return false;
	start |= (u64)bars[*i] << 32;
	return extent_ok(extent, start, size, 16, U64_MAX);
}

static const char *check_bars(const struct pci_dev_ser *record)
{
	u64 rom_size = record->bar_size[PCI_SER_ROM];
	struct extent extents[PCI_SER_NR_BARS];
	unsigned int i, j, nr = 0;
	u32 rom;

	for (i = 0; i < nr_bars(record); i++) {
		/* One for which there was no room, or none, has no size. */
		if (record->bar_size[i]) {
			if (!read_bar(&HEADER_BAR(record->header, 0),
				      record->bar_size, nr_bars(record), &i,
				      &extents[nr]))
				return "a BAR's size does not go with its address";
			nr++;
		} else if (bar_is_64(HEADER_BAR(record->header, i)) &&
			   ++i < nr_bars(record) && record->bar_size[i]) {
			return "half a BAR has a size";
		}
	}
	for (; i < PCI_SER_ROM; i++)
		if (record->bar_size[i])
			return "a bridge has a BAR too many";
	if (nr && record->flags & PCI_SER_VF)
		return "a virtual function has a BAR";
	if (rom_size) {
		rom = record->header[rom_reg(record) / 4];
		extents[nr].io = false;
		if (!extent_ok(&extents[nr], rom & PCI_ROM_ADDRESS_MASK,
			       rom_size, 2048, U32_MAX))
			return "the ROM's size does not go with its address";
		nr++;
	}
	for (i = 0; i < nr; i++)
		for (j = 0; j < i; j++)
			if (extents[i].io == extents[j].io &&
			    extents[i].start <= extents[j].end &&
			    extents[j].start <= extents[i].end)
				return "BARs overlap";
	return NULL;
}

static const char *check_buses(const struct pci_dev_ser *record)
{
	u32 buses = HEADER_BUSES(record->header);
	u8 primary = buses, secondary = buses >> 8, subordinate = buses >> 16;

	if (primary != record->where.bus || secondary <= primary ||
	    subordinate < secondary)
		return "wrong bus numbers";
	return NULL;
}

/* Capabilities begin where the header ends, and are aligned. */
static bool cap_ok(u16 cap, u16 ctrl)
{
	if (!cap)
		return !ctrl;
	return cap >= PCI_STD_HEADER_SIZEOF && cap < 0x100 && !(cap & 3);
}

static bool where_ok(const struct pci_index_ser *where)
{
	u8 role = where->kind & (PCI_SER_ENDPOINT | PCI_SER_BRIDGE);

	if (where->segment > U16_MAX || where->reserved ||
	    where->kind & ~PCI_SER_KINDS || !is_power_of_2(role))
		return false;
	/* Only what does DMA by itself is ever blocked. */
	return role == PCI_SER_ENDPOINT || !(where->kind & PCI_SER_BLOCKED);
}

/**
 * pci_index_check - is this a list of devices?
 * @index: the list
 * @nr: entries
 *
 * Return: NULL, or what is wrong
 */
const char *pci_index_check(const struct pci_index_ser *index, size_t nr)
{
	size_t i, j;

	if (nr > PCI_SER_MAX_DEVICES)
		return "too many devices";
	for (i = 0; i < nr; i++) {
		if (!where_ok(&index[i]))
			return "wrong entry in the list of devices";
		for (j = 0; j < i; j++)
			if (index[i].segment == index[j].segment &&
			    index[i].bus == index[j].bus &&
			    index[i].devfn == index[j].devfn)
				return "a device is listed twice";
	}
	return NULL;
}

/**
 * pci_record_check - can a record be believed?
 * @record: the record, a copy that nobody else writes to
 * @where: its entry in the list of devices, checked
 *
 * Return: NULL, or what is wrong
 */
const char *pci_record_check(const struct pci_dev_ser *record,
			     const struct pci_index_ser *where)
{
	const u32 *header = record->header;
	u16 vendor = HEADER_ID(header);
	const char *wrong;
	u8 type;

	if (pci_dev_ser_checksum(record) != record->checksum)
		return "its record is damaged";
	if (record->where.segment != where->segment ||
	    record->where.bus != where->bus ||
	    record->where.devfn != where->devfn ||
	    record->where.kind != where->kind || record->where.reserved)
		return "its record is another device's";
	if (record->flags & ~PCI_SER_FLAGS || record->reserved ||
	    (is_bridge(record) && record->flags & (PCI_SER_ATS | PCI_SER_VF)))
		return "unknown flags";
	if (!vendor || vendor == 0xffff)
		return "no vendor";
	if (header[PCI_COMMAND / 4] >> 16)
		return "status bits where there should be none";
	type = is_bridge(record) ? PCI_HEADER_TYPE_BRIDGE :
				   PCI_HEADER_TYPE_NORMAL;
	if ((HEADER_TYPE(header) & PCI_HEADER_TYPE_MASK) != type)
		return "wrong type of header";
	if (!cap_ok(record->msi_cap, record->msi_ctrl) ||
	    !cap_ok(record->msix_cap, record->msix_ctrl) ||
	    (record->msi_cap && record->msi_cap == record->msix_cap))
		return "wrong place of a capability";
	wrong = check_bars(record);
	if (!wrong && is_bridge(record))
		wrong = check_buses(record);
	return wrong;
}

/**
 * pci_record_is_of - is this the device that was handed over?
 * @record: the record, checked
 * @header: the first 64 bytes of the device's configuration space
 */
bool pci_record_is_of(const struct pci_dev_ser *record, const u32 *header)
{
	const u32 *was = record->header;

	return HEADER_ID(was) == HEADER_ID(header) &&
	       HEADER_CLASS(was) == HEADER_CLASS(header) &&
	       HEADER_TYPE(was) == HEADER_TYPE(header);
}

/**
 * pci_record_compare - is a device as its record says?
 * @record: the record, checked, of this device
 * @header: the first 64 bytes of the device's configuration space
 *
 * Return: NULL, or what differs
 */
const char *pci_record_compare(const struct pci_dev_ser *record,
			       const u32 *header)
{
	const u32 *was = record->header;
	unsigned int i;

	for (i = 0; i < nr_bars(record); i++)
		if (HEADER_BAR(was, i) != HEADER_BAR(header, i))
			return "a BAR has changed";
	if (is_bridge(record)) {
		if (HEADER_BUSES(was) != HEADER_BUSES(header))
			return "the bus numbers have changed";
		/* The other half is the secondary status. */
		if ((was[PCI_IO_BASE / 4] ^ header[PCI_IO_BASE / 4]) & 0xffff)
			return "a window has changed";
		for (i = PCI_MEMORY_BASE; i <= PCI_IO_BASE_UPPER16; i += 4)
			if (was[i / 4] != header[i / 4])
				return "a window has changed";
	}
	return NULL;
}

/**
 * pci_record_goes_on - does a device still do what its record says?
 * @record: the record, checked, of this device
 * @header: the first 64 bytes of the device's configuration space
 *
 * Return: NULL, or what was switched off
 */
const char *pci_record_goes_on(const struct pci_dev_ser *record,
			       const u32 *header)
{
	u32 kept = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	if (!(record->where.kind & PCI_SER_BLOCKED) &&
	    HEADER_COMMAND(record->header) & ~HEADER_COMMAND(header) & kept)
		return "bus master or decoding was switched off";
	return NULL;
}

/* What BAR @i would read after all ones were written to it */
static u32 bar_mask(const u32 *bars, const u64 *sizes, unsigned int i)
{
	u64 size = sizes[i];
	u32 bits;

	if (size) {
		bits = bar_is_io(bars[i]) ? ~PCI_BASE_ADDRESS_IO_MASK :
					    ~PCI_BASE_ADDRESS_MEM_MASK;
		return (u32)-size | (bars[i] & bits);
	}
	size = i ? sizes[i - 1] : 0;
	if (size && bar_is_64(bars[i - 1]))
		return -size >> 32;
	return 0;
}

/**
 * pci_record_bar_mask - what a BAR would read after all ones were written to it
 * @record: the record, checked
 * @reg: the register's offset in configuration space
 *
 * Return: the value, 0 when nothing is there
 */
u32 pci_record_bar_mask(const struct pci_dev_ser *record, unsigned int reg)
{
	unsigned int i = (reg - PCI_BASE_ADDRESS_0) / 4;
	u64 size;

	if (reg == rom_reg(record)) {
		size = record->bar_size[PCI_SER_ROM];
		return size ? -size & PCI_ROM_ADDRESS_MASK : 0;
	}
	if (reg < PCI_BASE_ADDRESS_0 || i >= nr_bars(record))
		return 0;
	return bar_mask(&HEADER_BAR(record->header, 0), record->bar_size, i);
}

static bool sriov_bars_ok(const struct pci_sriov_ser *sriov)
{
	struct extent extent;
	unsigned int i;

	for (i = 0; i < PCI_SER_NR_VF_BARS; i++) {
		if (!sriov->bar_size[i])
			continue;
		if (bar_is_io(sriov->bar[i]) ||
		    !read_bar(sriov->bar, sriov->bar_size, PCI_SER_NR_VF_BARS,
			      &i, &extent) ||
		    extent.end - extent.start < VF_BAR_MIN - 1)
			return false;
	}
	return true;
}

static const char *sriov_check(const struct pci_sriov_ser *sriov)
{
	u32 first = ((u32)sriov->where.bus << 8 | sriov->where.devfn) +
		    sriov->offset;

	if (!is_power_of_2(sriov->page_size) || sriov->last_bus > MAX_BUS ||
	    sriov->ctrl & ~(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE |
			    PCI_SRIOV_CTRL_ARI))
		return "unknown control of virtual functions";
	if (!!(sriov->ctrl & PCI_SRIOV_CTRL_VFE) != !!sriov->num_vfs)
		return "virtual functions are neither on nor off";
	if (sriov->num_vfs &&
	    (!sriov->offset || (sriov->num_vfs > 1 && !sriov->stride) ||
	     first + (sriov->num_vfs - 1) * (u32)sriov->stride > U16_MAX))
		return "wrong routing ids of virtual functions";
	if (!sriov_bars_ok(sriov))
		return "wrong BARs of virtual functions";
	return NULL;
}

static bool is_endpoint_at(const struct pci_index_ser *where,
			   const struct pci_index_ser *device)
{
	return device->segment == where->segment && device->bus == where->bus &&
	       device->devfn == where->devfn && device->kind == where->kind &&
	       device->kind & PCI_SER_ENDPOINT && !where->reserved;
}

/**
 * pci_sriov_check - is this a list of devices that can have virtual functions?
 * @sriov: the list
 * @nr: entries
 * @index: the list of all devices, checked
 * @nr_devices: entries of that
 *
 * Return: NULL, or what is wrong
 */
const char *pci_sriov_check(const struct pci_sriov_ser *sriov, size_t nr,
			    const struct pci_index_ser *index, size_t nr_devices)
{
	const char *wrong = NULL;
	size_t i, j, at = 0;

	/* In the order of the list of all devices, so that none can be there twice. */
	for (i = 0; i < nr && !wrong; i++) {
		for (j = at; j < nr_devices; j++)
			if (is_endpoint_at(&sriov[i].where, &index[j]))
				break;
		if (j == nr_devices)
			return "virtual functions of a device that is not there";
		at = j + 1;
		wrong = sriov_check(&sriov[i]);
	}
	return wrong;
}

/**
 * pci_sriov_compare - is a device's SR-IOV capability as was recorded?
 * @sriov: the record, checked
 * @now: what is in the registers; sizes and bus number are not looked at
 *
 * Return: NULL, or what differs
 */
const char *pci_sriov_compare(const struct pci_sriov_ser *sriov,
			      const struct pci_sriov_ser *now)
{
	if (now->num_vfs != sriov->num_vfs || now->ctrl != sriov->ctrl)
		return "its virtual functions were switched on or off";
	if (sriov->num_vfs &&
	    (now->offset != sriov->offset || now->stride != sriov->stride))
		return "the routing ids of its virtual functions have changed";
	if (now->page_size != sriov->page_size ||
	    memcmp(now->bar, sriov->bar, sizeof(now->bar)))
		return "a BAR of its virtual functions has changed";
	return NULL;
}

/**
 * pci_sriov_bar_mask - what a BAR of virtual functions would read after writing all ones
 * @sriov: the record, checked
 * @bar: its number
 *
 * Return: the value, 0 when nothing is there
 */
u32 pci_sriov_bar_mask(const struct pci_sriov_ser *sriov, unsigned int bar)
{
	return bar < PCI_SER_NR_VF_BARS ?
	       bar_mask(sriov->bar, sriov->bar_size, bar) : 0;
}
