/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What iommufd asks about a handover, and what it offers: see liveupdate.c. Of
 * liveupdate*.c each calls those above it here and none below it.
 */
#ifndef __IOMMUFD_LIVEUPDATE_H
#define __IOMMUFD_LIVEUPDATE_H

#include <linux/iommu_liveupdate.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/xarray.h>

#include "iommufd_private.h"

/*
 * Is there a preserved device that uses these mappings, and has it been activated?
 * Both locks are held for writing when that changes, so either will do.
 */
static inline bool iopt_is_frozen(const struct io_pagetable *iopt)
{
	lockdep_assert(lockdep_is_held(&iopt->domains_rwsem) ||
		       lockdep_is_held(&iopt->iova_rwsem));
	return iopt->frozen;
}

static inline bool iommufd_group_is_frozen(const struct iommufd_group *igroup)
{
	lockdep_assert_held(&igroup->lock);
	return igroup->frozen;
}

/* The next object at or after @index that is wanted, with a reference, or NULL */
static inline struct iommufd_object *
iommufd_next_object(struct iommufd_ctx *ictx, unsigned long *index,
		    bool (*wanted)(const struct iommufd_object *obj))
{
	struct iommufd_object *obj;

	xa_lock(&ictx->objects);
	for (obj = xa_find(&ictx->objects, index, ULONG_MAX, XA_PRESENT); obj;
	     obj = xa_find_after(&ictx->objects, index, ULONG_MAX, XA_PRESENT))
		if (wanted(obj) && iommufd_lock_obj(obj))
			break;
	xa_unlock(&ictx->objects);
	return obj;
}

/* As it is recorded */
static inline u64 iommufd_bdf_of(struct pci_dev *pdev)
{
	return (u64)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
}

struct iommufd_map_ser;
struct iommufd_maps_ser;
struct iommufd_ser;
struct liveupdate_file_op_args;
struct liveupdate_session;

/* What is mapped and cannot cross; @why with the remedy, after "what is mapped at" */
struct iommufd_maps_fault {
	unsigned long iova;
	size_t length;
	const char *why;
};

/* Changes the mark, or is false when it was like this before. */
static inline bool iommufd_set_preserved(struct iommufd_ctx *ictx,
					 bool preserved)
{
	bool ok;

	xa_lock(&ictx->objects);
	ok = ictx->preserved != preserved;
	ictx->preserved = preserved;
	xa_unlock(&ictx->objects);
	return ok;
}

/*
 * While a device leaves the old kernel's page table, nothing is mapped or unmapped in the
 * new one: what is dirty there is made dirty here. To be given to iommufd_release_maps().
 */
static inline bool iommufd_hold_maps(struct iommufd_hwpt_paging *hwpt,
				     struct iommufd_device *idev)
{
	lockdep_assert_held(&idev->igroup->lock);
	if (!hwpt || !iommu_device_is_restored(idev->dev))
		return false;
	down_write(&hwpt->ioas->iopt.domains_rwsem);
	return true;
}

static inline void iommufd_release_maps(struct iommufd_hwpt_paging *hwpt,
					bool held)
{
	if (held)
		up_write(&hwpt->ioas->iopt.domains_rwsem);
}

/* liveupdate_maps.c */
int iommufd_maps_check(struct io_pagetable *iopt,
		       struct liveupdate_session *session,
		       struct iommufd_maps_fault *fault);
int iommufd_maps_verify(struct io_pagetable *iopt, struct iommu_domain *domain,
			struct iommufd_maps_fault *fault);
int iommufd_maps_write(struct iommufd_ctx *ictx, struct iommufd_ser *ser,
		       struct liveupdate_file_op_args *args);
void iommufd_maps_free(struct iommufd_ser *ser);

/* liveupdate_record.c */
/**
 * struct iommufd_record - what the old kernel recorded, in memory that stays preserved
 * @ser: the iommufd and its objects
 * @units: of maps
 */
struct iommufd_record {
	const struct iommufd_ser *ser;
	const struct iommufd_maps_ser *units[];
};

struct iommufd_record *iommufd_record_open(phys_addr_t phys);
void iommufd_record_close(struct iommufd_record *record);
const struct iommufd_map_ser *
iommufd_record_map(const struct iommufd_record *record, u64 nr);
u64 iommufd_record_first_map(const struct iommufd_record *record, u32 id);
void iommufd_record_free(phys_addr_t phys);

/* liveupdate_preserve.c: file operations */
int iommufd_liveupdate_preserve(struct liveupdate_file_op_args *args);
void iommufd_liveupdate_unpreserve(struct liveupdate_file_op_args *args);
int iommufd_liveupdate_freeze(struct liveupdate_file_op_args *args);
void iommufd_liveupdate_unfreeze(struct liveupdate_file_op_args *args);

/* liveupdate_restore_ioas.c */
/**
 * struct iommufd_restore - what an iommufd can be made of again
 * @kref: of the iommufd, and of calls that are running
 * @lock: of everything below
 * @record: the record; NULL when the session is finished
 * @files: those of the session that were mapped and could be retrieved, by token
 * @sources: by their numbers in the record, to be shared by all that they are mapped by
 * @new_ids: of @record's objects, 0 when they were not made again
 */
struct iommufd_restore {
	struct kref kref;
	struct mutex lock;	/* everything below */
	struct iommufd_record *record;
	struct xarray files;
	struct iopt_pages **sources;
	u32 *new_ids;
};

int iommufd_restore_one_ioas(struct iommufd_restore *restore,
			     struct iommufd_ucmd *ucmd, u32 nr);

/* liveupdate_restore.c: file operations, and calls */
int iommufd_restore_retrieve(struct liveupdate_file_op_args *args);
bool iommufd_restore_put_back(struct liveupdate_file_op_args *args);
void iommufd_restore_finish(struct liveupdate_file_op_args *args);

#ifdef CONFIG_IOMMUFD_LIVEUPDATE
int iommufd_restore_list(struct iommufd_ucmd *ucmd);
int iommufd_restore_areas(struct iommufd_ucmd *ucmd);
int iommufd_restore_ioas(struct iommufd_ucmd *ucmd);

/* liveupdate.c */
int iommufd_liveupdate_init(void);
void iommufd_liveupdate_exit(void);
#else
static inline int iommufd_liveupdate_init(void) { return 0; }
static inline void iommufd_liveupdate_exit(void) { }
#endif

/* main.c */
struct file *iommufd_getfile(void);
bool iommufd_file_is_ours(const struct file *file);

#endif /* __IOMMUFD_LIVEUPDATE_H */
