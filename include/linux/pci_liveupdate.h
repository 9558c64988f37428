/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices that go on doing DMA across a kexec: see drivers/pci/liveupdate.c.
 *
 * Two groups of users: drivers of devices that are preserved (vfio-pci), and the
 * hooks in the PCI core.
 */
#ifndef _LINUX_PCI_LIVEUPDATE_H
#define _LINUX_PCI_LIVEUPDATE_H

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/pci.h>
#include <linux/types.h>

/**
 * pci_liveupdate_get_dev - find a device by what a record says
 * @segment: its segment
 * @id: bus << 8 | devfn
 *
 * Return: the device, with a reference; NULL when there is none
 */
static inline struct pci_dev *pci_liveupdate_get_dev(int segment, u16 id)
{
	return pci_get_domain_bus_and_slot(segment, PCI_BUS_NUM(id), id & 0xff);
}

#ifdef CONFIG_PCI_LIVEUPDATE

/* Old kernel */
int pci_liveupdate_preserve(struct pci_dev *dev);
void pci_liveupdate_unpreserve(struct pci_dev *dev);

/* Next kernel */
void pci_liveupdate_finish(struct pci_dev *dev);
int pci_liveupdate_discard(struct pci_dev *dev);
void pci_liveupdate_forget(int segment, u16 id);
__printf(2, 3)
void pci_liveupdate_block(struct pci_dev *dev, const char *fmt, ...);

#ifdef CONFIG_PCI_ATS
int pci_liveupdate_adopt_ats(struct pci_dev *dev, int ps);
#else
static inline int pci_liveupdate_adopt_ats(struct pci_dev *dev, int ps)
{
	return 0;
}
#endif

/*
 * struct pci_dev's liveupdate. Preserved and incoming are set for bridges above
 * such devices, too. Written under the lock of liveupdate.c, read anywhere.
 */
#define PCI_LIVEUPDATE_PRESERVED	BIT(0)
#define PCI_LIVEUPDATE_FROZEN		BIT(1)	/* preserved, and activated */
#define PCI_LIVEUPDATE_INCOMING		BIT(2)
#define PCI_LIVEUPDATE_HELD		BIT(3)	/* incoming, and no driver yet */
#define PCI_LIVEUPDATE_BLOCKED		BIT(4)	/* incoming, but unusable */
#define PCI_LIVEUPDATE_UNRESET		BIT(5)	/* given up without a reset */
#define PCI_LIVEUPDATE_UNBINDING	BIT(6)	/* any device: its driver is leaving */
#define PCI_LIVEUPDATE_VFS		BIT(7)	/* any device: has incoming virtual functions */

static inline unsigned long pci_liveupdate_flags(const struct pci_dev *dev)
{
	return READ_ONCE(dev->liveupdate);
}

/**
 * pci_liveupdate_is_preserved - will this device go on through the next kexec?
 * @dev: a device, or a bridge above one
 */
static inline bool pci_liveupdate_is_preserved(const struct pci_dev *dev)
{
	return pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_PRESERVED;
}

/**
 * pci_liveupdate_is_incoming - was this device handed over, and is not finished?
 * @dev: a device, or a bridge above one
 *
 * True for blocked devices, too.
 */
static inline bool pci_liveupdate_is_incoming(const struct pci_dev *dev)
{
	return pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_INCOMING;
}

/**
 * pci_liveupdate_is_blocked - was this device handed over, but cannot be used?
 * @dev: the device
 *
 * Its bus master is off. All that can be done is to discard it.
 */
static inline bool pci_liveupdate_is_blocked(const struct pci_dev *dev)
{
	return pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_BLOCKED;
}

/**
 * pci_liveupdate_is_unreset - was this device given up, and could not be reset?
 * @dev: the device
 *
 * Its bus master is off. With it on, the device might go on where it was.
 */
static inline bool pci_liveupdate_is_unreset(const struct pci_dev *dev)
{
	return pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_UNRESET;
}

/**
 * pci_liveupdate_has_vfs - are virtual functions of a device not finished?
 * @dev: a device that may be finished itself
 */
static inline bool pci_liveupdate_has_vfs(const struct pci_dev *dev)
{
	return pci_liveupdate_flags(dev) & PCI_LIVEUPDATE_VFS;
}

/* Hooks in the PCI core */
void pci_liveupdate_setup(struct pci_dev *dev);
void pci_liveupdate_size_bar(struct pci_dev *dev, int reg, u32 *mask);
bool pci_liveupdate_iov_init(struct pci_dev *dev);
void pci_liveupdate_add(struct pci_dev *dev);
bool pci_liveupdate_keeps_buses(void);
int pci_liveupdate_probe(struct pci_dev *dev,
			 const struct device_driver *driver);
int pci_liveupdate_can_unbind(struct device *dev);
int pci_liveupdate_can_change_vfs(struct pci_dev *dev);
bool pci_liveupdate_unbind(struct pci_dev *dev);
void pci_liveupdate_unbound(struct pci_dev *dev);
int pci_liveupdate_power_off(const struct pci_slot *slot);
bool pci_liveupdate_shutdown(struct pci_dev *dev);
void __pci_liveupdate_remove(struct pci_dev *dev);
bool __pci_liveupdate_refuses(const struct pci_dev *dev, int where, int size,
			      u32 val);

/* Must reset, low power states and the like leave this device or bridge alone? */
static inline bool pci_liveupdate_is_frozen(const struct pci_dev *dev)
{
	unsigned long flags = pci_liveupdate_flags(dev);

	return (flags & (PCI_LIVEUPDATE_FROZEN | PCI_LIVEUPDATE_INCOMING) &&
		!(flags & PCI_LIVEUPDATE_BLOCKED)) ||
	       flags & PCI_LIVEUPDATE_VFS;
}

/* Must nobody take the device away? */
static inline bool pci_liveupdate_must_stay(const struct pci_dev *dev)
{
	return pci_liveupdate_is_preserved(dev) ||
	       pci_liveupdate_is_frozen(dev);
}

/* Would a write to configuration space do harm? */
static inline bool pci_liveupdate_refuses(const struct pci_dev *dev, int where,
					  int size, u32 val)
{
	return unlikely(pci_liveupdate_flags(dev)) &&
	       __pci_liveupdate_refuses(dev, where, size, val);
}

static inline void pci_liveupdate_remove(struct pci_dev *dev)
{
	if (unlikely(pci_liveupdate_flags(dev)))
		__pci_liveupdate_remove(dev);
}

#ifdef CONFIG_KHO_TEST
void *pci_liveupdate_test_record(const struct pci_dev *dev, size_t *size);
#endif

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

static inline bool pci_liveupdate_is_blocked(const struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_is_unreset(const struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_has_vfs(const struct pci_dev *dev)
{
	return false;
}

static inline void pci_liveupdate_finish(struct pci_dev *dev) { }

static inline int pci_liveupdate_discard(struct pci_dev *dev)
{
	return -EOPNOTSUPP;
}

static inline void pci_liveupdate_forget(int segment, u16 id) { }

static inline __printf(2, 3)
void pci_liveupdate_block(struct pci_dev *dev, const char *fmt, ...)
{
}

static inline void pci_liveupdate_setup(struct pci_dev *dev) { }

static inline void pci_liveupdate_size_bar(struct pci_dev *dev, int reg,
					   u32 *mask)
{
}

static inline bool pci_liveupdate_iov_init(struct pci_dev *dev)
{
	return false;
}

static inline int pci_liveupdate_can_change_vfs(struct pci_dev *dev)
{
	return 0;
}

static inline void pci_liveupdate_add(struct pci_dev *dev) { }
static inline bool pci_liveupdate_keeps_buses(void) { return false; }

static inline int pci_liveupdate_probe(struct pci_dev *dev,
				       const struct device_driver *driver)
{
	return 0;
}

static inline int pci_liveupdate_can_unbind(struct device *dev)
{
	return 0;
}

static inline bool pci_liveupdate_unbind(struct pci_dev *dev)
{
	return true;
}

static inline void pci_liveupdate_unbound(struct pci_dev *dev) { }

static inline int pci_liveupdate_power_off(const struct pci_slot *slot)
{
	return 0;
}

static inline bool pci_liveupdate_shutdown(struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_is_frozen(const struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_must_stay(const struct pci_dev *dev)
{
	return false;
}

static inline bool pci_liveupdate_refuses(const struct pci_dev *dev, int where,
					  int size, u32 val)
{
	return false;
}

static inline void pci_liveupdate_remove(struct pci_dev *dev) { }

#endif /* CONFIG_PCI_LIVEUPDATE */
#endif /* _LINUX_PCI_LIVEUPDATE_H */
