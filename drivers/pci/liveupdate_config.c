// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space of PCI devices that go on doing DMA across a kexec: what must
 * not be written to it, and what is answered instead.
 *
 * Life cycle: what is refused depends on the flags of a device, which liveupdate.c
 * explains. While a device is held pci_write_config_*() refuses, so what is to be
 * written nevertheless takes the way below it.
 *
 * Locks: none for what is refused; the lock of liveupdate.c for answers, which come
 * from records.
 */
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>

#include "pci.h"
#include "liveupdate.h"

static void write_command(struct pci_dev *dev, u16 clear, u16 set)
{
	u16 command, new;

	pci_read_config_word(dev, PCI_COMMAND, &command);
	new = (command & ~clear) | set;
	if (!PCI_POSSIBLE_ERROR(command) && new != command)
		pci_bus_write_config_word(dev->bus, dev->devfn, PCI_COMMAND, new);
}

void pci_lu_stop_dma(struct pci_dev *dev)
{
	write_command(dev, PCI_COMMAND_MASTER, 0);
	dev->is_busmaster = 0;
}

/*
 * The pin says nothing any more, and the device remembers what it wants to say. One that
 * cannot be told so has its interrupt line to itself, which is off until a user asks.
 */
void pci_lu_mask_intx(struct pci_dev *dev)
{
	if (dev->pin && !dev->broken_intx_masking)
		write_command(dev, 0, PCI_COMMAND_INTX_DISABLE);
}

void pci_lu_read_header(struct pci_dev *dev, u32 *header)
{
	unsigned int i;

	for (i = 0; i < PCI_SER_HEADER_WORDS; i++)
		pci_read_config_dword(dev, 4 * i, &header[i]);
	/* A virtual function does not say what it is. */
	if (dev->is_virtfn)
		header[PCI_VENDOR_ID / 4] = dev->device << 16 | dev->vendor;
}

/* Since DMA may go on, there is nothing else that must not be written. */
static bool stops_dma(const struct pci_dev *dev, int where, int size, u32 val)
{
	u16 kept = PCI_COMMAND_MASTER, command;

	if (where > PCI_COMMAND + 1 || where + size <= PCI_COMMAND)
		return false;
	if (pci_lu_is_bridge(dev))
		kept |= PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
	/* All these bits are in the first byte. */
	if (where != PCI_COMMAND)
		return false;
	pci_read_config_word(dev, PCI_COMMAND, &command);
	return command & kept & ~val;
}

/**
 * __pci_liveupdate_refuses - would a write to configuration space do harm?
 * @dev: a device whose liveupdate flags are not 0
 * @where: the register
 * @size: bytes
 * @val: what is to be written
 */
bool __pci_liveupdate_refuses(const struct pci_dev *dev, int where, int size,
			      u32 val)
{
	unsigned long flags = pci_liveupdate_flags(dev);
	bool refused = false;

	if (flags & PCI_LIVEUPDATE_BLOCKED)
		return false;
	if (flags & PCI_LIVEUPDATE_HELD)
		refused = true;
	else if (flags & PCI_LIVEUPDATE_INCOMING || pci_lu_is_bridge(dev))
		refused = stops_dma(dev, where, size, val);
	if (!refused && flags & PCI_LIVEUPDATE_INCOMING) {
		/* BARs; of a bridge its bus numbers, windows and control, too */
		refused = where >= PCI_BASE_ADDRESS_0 &&
			  where < (pci_lu_is_bridge(dev) ?
				   PCI_STD_HEADER_SIZEOF : PCI_CARDBUS_CIS) &&
			  !(pci_lu_is_bridge(dev) && where == PCI_SEC_STATUS) &&
			  where != PCI_INTERRUPT_LINE;
	}
	if (refused)
		pci_dbg(dev, "left alone: %#x is not written to %#x\n", val,
			where);
	return refused;
}
EXPORT_SYMBOL_GPL(__pci_liveupdate_refuses);

/**
 * pci_liveupdate_size_bar - what would a BAR read after writing all ones to it?
 * @dev: a device that is being set up
 * @reg: the register
 * @mask: what it reads now; changed for a device that is held
 *
 * Hook in __pci_read_base(), after writing.
 */
void pci_liveupdate_size_bar(struct pci_dev *dev, int reg, u32 *mask)
{
	struct lu_entry *entry;

	if (!(pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_HELD))
		return;
	mutex_lock(&pci_lu_lock);
	entry = pci_lu_incoming_at(dev);
	if (entry && !entry->damaged && reg >= PCI_CFG_SPACE_SIZE)
		*mask = pci_lu_iov_bar_mask(dev, &entry->sriov, reg);
	else if (entry && !entry->damaged)
		*mask = pci_record_bar_mask(&entry->record, reg);
	else
		*mask = 0;
	mutex_unlock(&pci_lu_lock);
}
