/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices that go on doing DMA across a kexec: between the files, each of which
 * calls those above it here and none below it.
 */
#ifndef _PCI_LIVEUPDATE_PRIVATE_H
#define _PCI_LIVEUPDATE_PRIVATE_H

#include <linux/kho.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/types.h>

#include "liveupdate_record.h"

/**
 * struct lu_entry - a device or bridge that is preserved, or was handed over
 * @list: in entries
 * @dev: the device, with a reference; NULL when it is not there (any more)
 * @record: where it is, and, incoming or since activate, what crosses the kexec
 * @sriov: likewise, if it can have virtual functions; otherwise its page_size is 0
 * @users: preserved devices: itself, or those below a bridge
 * @incoming: was handed over, and is not finished
 * @damaged: what is wrong with @record, which is handed on only; or NULL
 * @gone: it was removed while it was preserved
 * @listed: @item is in the core's list
 * @item: what the operator sees
 */
struct lu_entry {
	struct list_head list;
	struct pci_dev *dev;
	struct pci_dev_ser record;
	struct pci_sriov_ser sriov;
	unsigned int users;
	bool incoming;
	const char *damaged;
	bool gone;
	bool listed;
	struct kho_in_item item;
};

static inline bool pci_lu_is_bridge(const struct pci_dev *dev)
{
	return dev->hdr_type == PCI_HEADER_TYPE_BRIDGE;
}

/* liveupdate.c: the list of them */
extern struct mutex pci_lu_lock;
extern struct list_head pci_lu_entries;

struct lu_entry *pci_lu_entry_of(const struct pci_dev *dev);
struct lu_entry *pci_lu_incoming_at(const struct pci_dev *dev);
void pci_lu_change_flags(struct pci_dev *dev, unsigned long set,
			 unsigned long clear);
void pci_lu_set_flags(struct pci_dev *dev, unsigned long flags);
void pci_lu_clear_flags(struct pci_dev *dev, unsigned long flags);
bool pci_lu_try_set_flags(struct pci_dev *dev, unsigned long flags);
void pci_lu_list_entry(struct lu_entry *entry, const char *state,
		       const char *reason);
void pci_lu_unlist_entry(struct lu_entry *entry);
bool pci_lu_entry_unused(const struct lu_entry *entry);
void pci_lu_free_entry(struct lu_entry *entry);

/* liveupdate_config.c: configuration space */
void pci_lu_stop_dma(struct pci_dev *dev);
void pci_lu_mask_intx(struct pci_dev *dev);
void pci_lu_read_header(struct pci_dev *dev, u32 *header);

/* liveupdate_iov.c: virtual functions, and devices that have some */
#ifdef CONFIG_PCI_IOV
int pci_lu_iov_check(struct pci_dev *dev, const char **why);
int pci_lu_iov_check_handed_on(const struct lu_entry *entry, const char **why);
const char *pci_lu_iov_changed(const struct lu_entry *entry);
void pci_lu_iov_fill(struct lu_entry *entry);
bool pci_lu_iov_needed(void);
int pci_lu_iov_write(void *fdt);
const char *pci_lu_iov_take(const void *fdt, const struct pci_index_ser *index,
			    size_t nr);
u32 pci_lu_iov_bar_mask(struct pci_dev *dev, const struct pci_sriov_ser *sriov,
			int reg);
const char *pci_lu_iov_adopt(struct pci_dev *dev,
			     const struct pci_sriov_ser *sriov);
const char *pci_lu_iov_add_vfs(struct pci_dev *dev);
void pci_lu_iov_add(struct pci_dev *dev);
void pci_lu_iov_release(struct pci_dev *dev);
void pci_lu_iov_remove(struct pci_dev *dev);
#else
static inline int pci_lu_iov_check(struct pci_dev *dev, const char **why)
{
	return 0;
}

static inline int pci_lu_iov_check_handed_on(const struct lu_entry *entry,
					     const char **why)
{
	return 0;
}

static inline const char *pci_lu_iov_changed(const struct lu_entry *entry)
{
	return NULL;
}

static inline void pci_lu_iov_fill(struct lu_entry *entry) { }
static inline bool pci_lu_iov_needed(void) { return false; }
static inline int pci_lu_iov_write(void *fdt) { return 0; }

static inline const char *pci_lu_iov_take(const void *fdt,
					  const struct pci_index_ser *index,
					  size_t nr)
{
	return NULL;
}

static inline u32 pci_lu_iov_bar_mask(struct pci_dev *dev,
				      const struct pci_sriov_ser *sriov, int reg)
{
	return 0;
}

static inline const char *pci_lu_iov_adopt(struct pci_dev *dev,
					   const struct pci_sriov_ser *sriov)
{
	return NULL;
}

static inline const char *pci_lu_iov_add_vfs(struct pci_dev *dev)
{
	return NULL;
}

static inline void pci_lu_iov_add(struct pci_dev *dev) { }
static inline void pci_lu_iov_release(struct pci_dev *dev) { }
static inline void pci_lu_iov_remove(struct pci_dev *dev) { }
#endif

/* liveupdate_ats.c: translations that devices keep */
#ifdef CONFIG_PCI_ATS
bool pci_lu_uses_ats(const struct pci_dev *dev);
void pci_lu_stop_ats(struct pci_dev *dev);
void pci_lu_ats_init(void);
#else
static inline bool pci_lu_uses_ats(const struct pci_dev *dev) { return false; }
static inline void pci_lu_stop_ats(struct pci_dev *dev) { }
static inline void pci_lu_ats_init(void) { }
#endif

/* liveupdate_stay.c: drivers that leave */
bool pci_lu_is_unbinding(const struct pci_dev *dev);
int pci_lu_leave(struct kho_owner *owner);
void pci_lu_stay(void);
bool pci_lu_is_leaving(void);

/*
 * liveupdate_preserve.c, the old kernel, and liveupdate_restore.c, the next one: what
 * they offer is in include/linux/pci_liveupdate.h.
 */

#endif /* _PCI_LIVEUPDATE_PRIVATE_H */
