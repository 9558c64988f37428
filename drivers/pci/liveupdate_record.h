/* SPDX-License-Identifier: GPL-2.0-only */
/* The record of a PCI device that survives a kexec: see liveupdate_record.c. */
#ifndef _PCI_LIVEUPDATE_RECORD_H
#define _PCI_LIVEUPDATE_RECORD_H

#include <linux/kho/abi/pci.h>

const char *pci_index_check(const struct pci_index_ser *index, size_t nr);
const char *pci_record_check(const struct pci_dev_ser *record,
			     const struct pci_index_ser *where);
bool pci_record_is_of(const struct pci_dev_ser *record, const u32 *header);
const char *pci_record_compare(const struct pci_dev_ser *record,
			       const u32 *header);
const char *pci_record_goes_on(const struct pci_dev_ser *record,
			       const u32 *header);
u32 pci_record_bar_mask(const struct pci_dev_ser *record, unsigned int reg);
const char *pci_sriov_check(const struct pci_sriov_ser *sriov, size_t nr,
			    const struct pci_index_ser *index, size_t nr_devices);
const char *pci_sriov_compare(const struct pci_sriov_ser *sriov,
			      const struct pci_sriov_ser *now);
u32 pci_sriov_bar_mask(const struct pci_sriov_ser *sriov, unsigned int bar);

#endif /* _PCI_LIVEUPDATE_RECORD_H */
