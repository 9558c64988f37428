/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices that go on doing DMA across a kexec: see drivers/pci/liveupdate.c.
 *
 * Two groups of users: drivers of devices that are preserved (vfio-pci), and the
 * hooks in the PCI core.
 */
#ifndef _LINUX_PCI_LIVEUPDATE_H
#define _LINUX_PCI_LIVEUPDATE_H

#include <linux/errno.h>
#include <linux/types.h>

struct pci_bus;
struct pci_dev;

#ifdef CONFIG_PCI_LIVEUPDATE

/* Old kernel */
int pci_liveupdate_preserve(struct pci_dev *dev);
void pci_liveupdate_unpreserve(struct pci_dev *dev);
bool pci_liveupdate_is_preserved(const struct pci_dev *dev);

/* Next kernel */
bool pci_liveupdate_is_incoming(const struct pci_dev *dev);
void pci_liveupdate_finish(struct pci_dev *dev);
int pci_liveupdate_discard(struct pci_dev *dev);
__printf(2, 3)
void pci_liveupdate_block(struct pci_dev *dev, const char *fmt, ...);

#else

static inline int pci_liveupdate_preserve(struct pci_dev *dev)
{
	return -EOPNOTSUPP;
}

static inline void pci_liveupdate_unpreserve(struct pci_dev *dev) { }

static inline bool pci_liveupdate_is_preserved(const struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_is_incoming(const struct pci_dev *dev)
{
	return false;
}

static inline void pci_liveupdate_finish(struct pci_dev *dev) { }

static inline int pci_liveupdate_discard(struct pci_dev *dev)
{
	return -EOPNOTSUPP;
}

static inline __printf(2, 3)
void pci_liveupdate_block(struct pci_dev *dev, const char *fmt, ...)
{
}

#endif /* CONFIG_PCI_LIVEUPDATE */
#endif /* _LINUX_PCI_LIVEUPDATE_H */
