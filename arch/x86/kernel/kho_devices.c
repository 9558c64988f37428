// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that go on doing DMA, in a kernel that cannot read what was handed over.
 *
 * Life cycle: called once, in early boot, when the header turns out to be damaged and
 * before memory is given to anybody: which memory devices write to is not known then.
 *
 * Only devices of segment 0 are reached this early. The PCI core does the same to all
 * others when it finds them.
 *
 * Locks: none, a single processor runs.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/init.h>
#include <linux/pci_regs.h>
#include <linux/printk.h>
#include <asm/kho.h>
#include <asm/pci-direct.h>

/* Return: did it do DMA, and is no bridge? What is below a bridge has its own turn. */
static bool __init stop_dma(u8 bus, u8 slot, u8 func)
{
	u16 command;
	u8 type;

	/* (a virtual function does not say what it is, but has this register) */
	if (read_pci_config(bus, slot, func, PCI_COMMAND) == ~0U)
		return false;
	type = read_pci_config_byte(bus, slot, func, PCI_HEADER_TYPE);
	command = read_pci_config_16(bus, slot, func, PCI_COMMAND);
	if ((type & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL ||
	    !(command & PCI_COMMAND_MASTER))
		return false;
	write_pci_config_16(bus, slot, func, PCI_COMMAND,
			    command & ~PCI_COMMAND_MASTER);
	return true;
}

/**
 * kho_arch_stop_dma - switch bus master off wherever it is on
 */
void __init kho_arch_stop_dma(void)
{
	unsigned int bus, devfn, nr = 0;

	if (!IS_ENABLED(CONFIG_PCI_DIRECT) || !early_pci_allowed())
		return;
	for (bus = 0; bus < 256; bus++)
		for (devfn = 0; devfn < 256; devfn++)
			nr += stop_dma(bus, devfn >> 3, devfn & 7);
	if (nr)
		pr_err("bus master is switched off at %u devices: nobody knows what they write to\n",
		       nr);
}
