// SPDX-License-Identifier: GPL-2.0-only
/*
 * Translation that stays in force across a kexec: what is common to all IOMMUs.
 *
 * Old kernel: users preserve devices. At activate each user freezes the domain that
 * its device is attached to, and the driver of the IOMMU preserves that domain's
 * table. At finalize the driver preserves what else the hardware reads, and writes
 * the record. Abort undoes all of that in reverse.
 *
 * Next kernel: the driver takes the tables over. A device that it finds in the record
 * gets a restored domain, which is the old table and can do nothing but be there. The
 * device's group enters it instead of the default domain, and the handover has the
 * group's DMA ownership, so that nobody else can claim it. Once the device was
 * retrieved, its user can claim it; the restored domain stays in force until that
 * user attaches another one, and is freed when the last device has left it. A user that
 * goes away before gives the device back to the handover. Or the device is given up, and
 * when all devices of its group are, the group goes to the default domain; if one of
 * them could not be reset, to the blocking domain, where it waits for a user that claims
 * it. If nothing happens, the device is in the list of those that are kept, and the next
 * kexec hands it on.
 *
 * Locks, outer ones first: the handover's (Documentation/core-api/kho/owners.rst),
 * preserve_lock, the users' own, the group's mutex, kept_lock, the driver's. Users call
 * with none of their locks held.
 */
#define pr_fmt(fmt) "iommu: " fmt

#include <linux/cleanup.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/kho.h>
#include <linux/kho/abi/iommu.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci_liveupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "liveupdate.h"

/* Steps of a handover, against preserving and unpreserving */
static DEFINE_MUTEX(preserve_lock);
/* The list and what its entries say about restored domains */
static DEFINE_MUTEX(kept_lock);

static LIST_HEAD(kept_devices);
static const struct iommu_liveupdate_driver *driver;
/* preserve_lock; @leaving_denied with kept_lock too */
static bool active, final;
/* From activate to its undoing restored domains stay */
static bool leaving_denied;

static const struct kho_owner_ops iommu_owner_ops;
static struct kho_owner iommu_owner = {
	.name = IOMMU_SER_NAME,
	.ops = &iommu_owner_ops,
};

/* The group's owner while nobody has retrieved its devices */
static const char handover[] = "handover";

static struct iommu_kept *find_kept(const struct device *dev)
{
	struct iommu_kept *kept;

	lockdep_assert_held(&kept_lock);
	list_for_each_entry(kept, &kept_devices, list)
		if (kept->dev == dev)
			return kept;
	return NULL;
}

/* Entries of devices that have left are freed where nobody walks the list. */
static void reap(void)
{
	struct iommu_kept *kept, *next;

	lockdep_assert_held(&preserve_lock);
	guard(mutex)(&kept_lock);
	list_for_each_entry_safe(kept, next, &kept_devices, list) {
		if (kept->dev)
			continue;
		list_del(&kept->list);
		kfree(kept);
	}
}

static bool is_kept(const struct device *dev)
{
	guard(mutex)(&kept_lock);
	return find_kept(dev);
}

static int add_kept(struct iommu_kept *kept)
{
	guard(mutex)(&kept_lock);
	if (find_kept(kept->dev))
		return -EBUSY;
	list_add_tail(&kept->list, &kept_devices);
	return 0;
}

static void del_kept(struct iommu_kept *kept)
{
	guard(mutex)(&kept_lock);
	list_del(&kept->list);
}

/**
 * iommu_liveupdate_refuse - say why a handover is refused
 * @fmt: the thing, the reason and the remedy
 *
 * Context: in &iommu_preserve_ops.freeze, or in operations of a driver.
 */
void iommu_liveupdate_refuse(const char *fmt, ...)
{
	char reason[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	kho_refuse(&iommu_owner, "%s", reason);
}
EXPORT_SYMBOL_GPL(iommu_liveupdate_refuse);

static int keep(struct iommu_kept *kept)
{
	int rc;

	/* What was handed over is handed on as it is, unless it goes away. */
	if (!kept->ops)
		return 0;
	rc = kept->ops->freeze(kept->user);
	if (rc)
		return rc;
	kept->frozen = true;
	rc = driver->activate(kept);
	if (rc)
		goto err_thaw;
	kept->active = true;
	return 0;

err_thaw:
	kept->ops->thaw(kept->user);
	kept->frozen = false;
	return rc;
}

static void unkeep(struct iommu_kept *kept)
{
	if (kept->active)
		driver->deactivate(kept);
	kept->active = false;
	if (kept->frozen)
		kept->ops->thaw(kept->user);
	kept->frozen = false;
}

/**
 * iommu_preserve_device - keep a device's translation across the next kexec
 * @dev: the device
 * @ops: calls to its user
 * @user: for @ops; stays until iommu_unpreserve_device()
 *
 * The device may still be attached elsewhere, and mappings may change, until @ops
 * are told to freeze both; at once, when a handover is active already.
 *
 * Context: may sleep. No lock is held that @ops take.
 * Return: 0; -EBUSY when it is preserved already, or still in the domain of the
 * kernel before, or a handover is final; -EOPNOTSUPP when it cannot be, with a line
 * that says why; or an error of @ops
 */
int iommu_preserve_device(struct device *dev,
			  const struct iommu_preserve_ops *ops, void *user)
{
	struct iommu_kept *kept;
	int rc;

	guard(mutex)(&preserve_lock);
	if (!driver || !dev->iommu || !dev->iommu->iommu_dev) {
		dev_err(dev, "no IOMMU that can keep translating across a kexec: see that intel_iommu=on\n");
		return -EOPNOTSUPP;
	}
	if (final)
		return -EBUSY;
	reap();
	rc = driver->check(dev);
	if (rc)
		return rc;
	kept = kzalloc(sizeof(*kept), GFP_KERNEL);
	if (!kept)
		return -ENOMEM;
	kept->dev = dev;
	kept->ops = ops;
	kept->user = user;
	rc = add_kept(kept);
	if (rc)
		goto err_free;
	if (active) {
		rc = keep(kept);
		if (rc)
			goto err_del;
	}
	return 0;

err_del:
	del_kept(kept);
err_free:
	kfree(kept);
	return rc;
}
EXPORT_SYMBOL_GPL(iommu_preserve_device);

/**
 * iommu_unpreserve_device - undo iommu_preserve_device()
 * @dev: the device
 *
 * Context: may sleep. No lock is held that the user's operations take. Not between
 * finalize and its undoing.
 */
void iommu_unpreserve_device(struct device *dev)
{
	struct iommu_kept *kept;

	guard(mutex)(&preserve_lock);
	scoped_guard(mutex, &kept_lock)
		kept = find_kept(dev);
	if (WARN_ON(!kept || !kept->ops))
		return;
	unkeep(kept);
	del_kept(kept);
	kfree(kept);
}
EXPORT_SYMBOL_GPL(iommu_unpreserve_device);

static int check_member(struct device *dev, void *unused)
{
	/* Bridges do no DMA of their own, and are not attached to anything. */
	if (dev_is_pci(dev) && pci_is_bridge(to_pci_dev(dev)))
		return 0;
	if (is_kept(dev))
		return 0;
	iommu_liveupdate_refuse("%s: is in the group of a preserved device: preserve or remove it",
				dev_name(dev));
	return -EBUSY;
}

/* With a reference; NULL when the device has left */
static struct iommu_group *group_of(const struct iommu_kept *kept)
{
	guard(mutex)(&kept_lock);
	return kept->dev ? iommu_group_get(kept->dev) : NULL;
}

static int check_groups(void)
{
	struct iommu_group *group;
	struct iommu_kept *kept;
	int rc;

	list_for_each_entry(kept, &kept_devices, list) {
		group = group_of(kept);
		if (!group)
			continue;
		rc = iommu_group_for_each_dev(group, NULL, check_member);
		iommu_group_put(group);
		if (rc)
			return rc;
	}
	return 0;
}

static void deny_leaving(bool deny)
{
	guard(mutex)(&kept_lock);
	leaving_denied = deny;
}

/*
 * The list changes under preserve_lock only, except that restored devices are added
 * to its end, and that what leaves a restored domain is marked as gone.
 */
static int iommu_activate(struct kho_owner *owner)
{
	struct iommu_kept *kept;
	int rc;

	guard(mutex)(&preserve_lock);
	if (!driver)
		return 0;
	reap();
	deny_leaving(true);
	list_for_each_entry(kept, &kept_devices, list) {
		rc = keep(kept);
		if (rc)
			goto err_unkeep;
	}
	rc = check_groups();
	if (rc)
		goto err_unkeep;
	active = true;
	return 0;

err_unkeep:
	list_for_each_entry_continue_reverse(kept, &kept_devices, list)
		unkeep(kept);
	deny_leaving(false);
	return rc;
}

static void iommu_deactivate(struct kho_owner *owner)
{
	struct iommu_kept *kept;

	guard(mutex)(&preserve_lock);
	list_for_each_entry_reverse(kept, &kept_devices, list)
		unkeep(kept);
	deny_leaving(false);
	active = false;
}

static int iommu_finalize(struct kho_owner *owner)
{
	int rc;

	guard(mutex)(&preserve_lock);
	if (!driver)
		return 0;
	rc = check_groups();
	if (rc)
		return rc;
	/* A restored device that is pulled waits before it leaves the list. */
	scoped_guard(mutex, &kept_lock)
		rc = driver->finalize(&kept_devices);
	if (!rc)
		final = true;
	return rc;
}

static void iommu_unfinalize(struct kho_owner *owner)
{
	guard(mutex)(&preserve_lock);
	if (!driver)
		return;
	final = false;
	driver->unfinalize();
}

static int iommu_discard(struct kho_owner *owner, phys_addr_t fdt)
{
	return driver ? driver->discard(fdt) : -EOPNOTSUPP;
}

static const struct kho_owner_ops iommu_owner_ops = {
	.activate = iommu_activate,
	.deactivate = iommu_deactivate,
	.finalize = iommu_finalize,
	.unfinalize = iommu_unfinalize,
	.discard = iommu_discard,
};

/* While there is a device that must be translated for. */
static const char *untranslated(const char *cmdline)
{
	struct iommu_kept *kept;
	bool needed = false;

	scoped_guard(mutex, &kept_lock)
		list_for_each_entry(kept, &kept_devices, list)
			needed |= !!kept->dev;
	return needed ? driver->untranslated(cmdline) : NULL;
}

static struct kho_cmdline_need translation_need = {
	.check = untranslated,
	.why = "keeps the next kernel from taking over what translates for preserved devices",
};

/**
 * iommu_liveupdate_register - a driver of IOMMUs takes part in handovers
 * @ops: what it does; stays for ever
 *
 * Context: may sleep.
 * Return: 0, -EBUSY when there is one already, or as kho_register_owner()
 */
int iommu_liveupdate_register(const struct iommu_liveupdate_driver *ops)
{
	int rc;

	if (driver)
		return -EBUSY;
	rc = kho_register_owner(&iommu_owner);
	if (rc)
		return rc;
	scoped_guard(mutex, &preserve_lock)
		driver = ops;
	kho_add_cmdline_need(&translation_need);
	return 0;
}

/**
 * iommu_restored_add - a device that was handed over is in its old domain
 * @dev: the device, not yet in the list of its group
 * @domain: of type IOMMU_DOMAIN_RESTORED
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM, or -EBUSY when it was added before
 */
int iommu_restored_add(struct device *dev, struct iommu_domain *domain)
{
	struct iommu_kept *kept = kzalloc(sizeof(*kept), GFP_KERNEL);
	int rc;

	if (!kept)
		return -ENOMEM;
	kept->dev = dev;
	kept->domain = domain;
	rc = add_kept(kept);
	kho_note_device(dev, "enter restored domain", rc);
	if (rc)
		kfree(kept);
	return rc;
}

/*
 * A device is not in its restored domain any more, or will not be at once.
 *
 * Return: the domain, when it was the last one in there, for the caller to free
 */
static struct iommu_domain *take_out(struct device *dev)
{
	struct iommu_kept *kept, *other;
	struct iommu_domain *domain;

	guard(mutex)(&kept_lock);
	kept = find_kept(dev);
	if (!kept || !kept->domain)
		return NULL;
	domain = kept->domain;
	kept->domain = NULL;
	kept->dev = NULL;
	kho_test_hold("leave");
	list_for_each_entry(other, &kept_devices, list)
		if (other->domain == domain)
			return NULL;
	return domain;
}

/**
 * iommu_restored_remove - the device goes away
 * @dev: the device, which its driver has attached to something else
 *
 * Context: may sleep.
 */
void iommu_restored_remove(struct device *dev)
{
	struct iommu_domain *unused = take_out(dev);

	if (unused)
		iommu_domain_free(unused);
}

static struct iommu_domain *restored_domain(struct device *dev)
{
	struct iommu_kept *kept;

	guard(mutex)(&kept_lock);
	kept = find_kept(dev);
	return kept ? kept->domain : NULL;
}

/* With a reference; NULL when the device is not in a restored domain */
static struct iommu_group *restored_group(struct device *dev)
{
	struct iommu_kept *kept;

	guard(mutex)(&kept_lock);
	kept = find_kept(dev);
	return kept && kept->domain ? iommu_group_get(dev) : NULL;
}

/**
 * iommu_device_is_restored - is the device's DMA translated by the old kernel's table?
 * @dev: the device
 *
 * Context: may sleep.
 */
bool iommu_device_is_restored(struct device *dev)
{
	return restored_domain(dev);
}
EXPORT_SYMBOL_GPL(iommu_device_is_restored);

/**
 * iommu_restored_device_retrieve - let DMA ownership of a restored device be claimed
 * @dev: the device
 *
 * The next iommu_device_claim_dma_owner() succeeds and changes no translation.
 *
 * Context: may sleep.
 * Return: 0, -ENODEV when the device is not in a restored domain
 */
int iommu_restored_device_retrieve(struct device *dev)
{
	struct iommu_kept *kept;

	guard(mutex)(&kept_lock);
	kept = find_kept(dev);
	if (!kept || !kept->domain)
		return -ENODEV;
	kept->retrieved = true;
	return 0;
}
EXPORT_SYMBOL_GPL(iommu_restored_device_retrieve);

/**
 * iommu_domain_next_run - the next thing that a domain maps
 * @domain: a paging domain of the IOMMU's driver
 * @from: iova to begin at, page aligned
 * @last: iova to end with
 * @run: out; in: zeroes, or the run before of the same domain
 *
 * Context: may sleep. Nothing is mapped or unmapped in @domain meanwhile.
 * Return: 0; -ENOENT when nothing is mapped from there to @last; -EOPNOTSUPP when the
 * driver is none that takes part in handovers
 */
int iommu_domain_next_run(struct iommu_domain *domain, u64 from, u64 last,
			  struct iommu_run *run)
{
	if (!driver)
		return -EOPNOTSUPP;
	return driver->next_run(domain, from, last, run);
}
EXPORT_SYMBOL_GPL(iommu_domain_next_run);

/* The rest of @run, or the next one, of no length at the end */
static int advance(struct iommu_domain *domain, struct iommu_run *run, u64 by)
{
	int rc;

	run->iova += by;
	run->pa += by;
	run->length -= by;
	if (run->length)
		return 0;
	rc = driver->next_run(domain, run->iova, U64_MAX, run);
	return rc == -ENOENT ? 0 : rc;
}

/**
 * iommu_restored_device_compare - does a domain map what the device's DMA sees now?
 * @dev: a device in a restored domain, which it cannot leave meanwhile
 * @domain: a paging domain of the IOMMU's driver, in which nothing is mapped or
 *	    unmapped meanwhile
 * @iova: out: where the first difference is
 *
 * Context: may sleep.
 * Return: 0; -EINVAL when there is a difference; -ENODEV when the device is in no
 * restored domain; -EINTR when a fatal signal is pending
 */
int iommu_restored_device_compare(struct device *dev,
				  struct iommu_domain *domain, u64 *iova)
{
	struct iommu_domain *restored = restored_domain(dev);
	struct iommu_run old = {}, new = {};
	u64 same = 0;
	int rc;

	if (!restored)
		return -ENODEV;
	for (;;) {
		rc = advance(restored, &old, same) ?:
		     advance(domain, &new, same);
		if (rc || (!old.length && !new.length))
			break;
		if (!old.length || !new.length || old.iova != new.iova ||
		    old.pa != new.pa || old.prot != new.prot) {
			rc = -EINVAL;
			break;
		}
		same = min(old.length, new.length);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	if (old.length && new.length)
		*iova = min(old.iova, new.iova);
	else
		*iova = new.length ? new.iova : old.iova;
	return rc;
}
EXPORT_SYMBOL_GPL(iommu_restored_device_compare);

/* What becomes of a group when a device of it was given up */
enum verdict {
	STAYS,		/* others go on doing DMA */
	LEAVES,
	IS_BLOCKED,	/* one of them could go on where it was */
};

static enum verdict give_up(struct iommu_group *group, struct device *dev)
{
	enum verdict verdict = LEAVES;
	struct group_device *gdev;
	struct iommu_kept *kept;

	lockdep_assert_held(&group->mutex);
	guard(mutex)(&kept_lock);
	kept = find_kept(dev);
	if (!kept || !kept->domain)
		return STAYS;
	kept->given_up = true;
	list_for_each_entry(gdev, &group->devices, list) {
		kept = find_kept(gdev->dev);
		if (!kept || !kept->domain)
			continue;
		if (!kept->given_up)
			return STAYS;
		if (dev_is_pci(gdev->dev) &&
		    pci_liveupdate_is_unreset(to_pci_dev(gdev->dev)))
			verdict = IS_BLOCKED;
	}
	return verdict;
}

/**
 * iommu_restored_device_forget - free what is kept for a device that has no restored domain
 * @segment: its PCI segment
 * @id: bus << 8 | devfn
 *
 * It could not be restored, or is not there.
 *
 * Context: may sleep. Not between activate and its undoing.
 */
void iommu_restored_device_forget(u32 segment, u16 id)
{
	if (driver)
		driver->forget(segment, id);
}
EXPORT_SYMBOL_GPL(iommu_restored_device_forget);

/**
 * iommu_restored_device_discard - give up a restored device's old translation
 * @dev: the device, which does no DMA any more and has no DMA owner but the handover
 *
 * When all devices of its group are given up the group goes to the default domain. If
 * one of them could not be reset it goes to the blocking domain, and waits for a user
 * that claims its DMA ownership, or for being removed. If the device's translation could
 * not be restored, what was kept of it is freed.
 *
 * Context: may sleep. Not between activate and its undoing.
 */
void iommu_restored_device_discard(struct device *dev)
{
	struct iommu_group *group = restored_group(dev);
	enum verdict verdict = STAYS;

	if (!group) {
		if (dev_is_pci(dev))
			iommu_restored_device_forget(pci_domain_nr(to_pci_dev(dev)->bus),
						     pci_dev_id(to_pci_dev(dev)));
		return;
	}
	mutex_lock(&group->mutex);
	/* (of one that was pulled meanwhile nobody is the owner) */
	if (!WARN_ON(group->owner != handover && !list_empty(&group->devices)))
		verdict = give_up(group, dev);
	mutex_unlock(&group->mutex);
	/* Nobody claims the group before all of its devices are retrieved. */
	if (verdict == IS_BLOCKED) {
		dev_warn(dev, "its DMA stays blocked, as its group could not be reset: remove it, or open it with vfio\n");
		/* Firmware may want a mapping of its own for it. */
		if (iommu_group_replace_domain(group, group->blocking_domain))
			verdict = LEAVES;
	}
	if (verdict == LEAVES)
		iommu_group_release_dma_owner(group);
	iommu_group_put(group);
}
EXPORT_SYMBOL_GPL(iommu_restored_device_discard);

/**
 * iommu_restored_enter - a group gets its first domain
 * @group: the group, without a domain
 *
 * Return: has it got the restored domain of its devices, so that nothing is to be
 * attached?
 */
bool iommu_restored_enter(struct iommu_group *group)
{
	struct iommu_domain *domain = NULL;
	struct group_device *gdev;

	lockdep_assert_held(&group->mutex);
	if (group->domain)
		return iommu_domain_is_restored(group->domain);
	list_for_each_entry(gdev, &group->devices, list) {
		domain = restored_domain(gdev->dev);
		if (domain)
			break;
	}
	if (!domain)
		return false;
	/* The driver checked that devices of a group have one domain. */
	group->domain = domain;
	group->owner = (void *)handover;
	group->owner_cnt = 1;
	return true;
}

/* Every device of the group that was handed over was also retrieved. */
static bool all_retrieved(struct iommu_group *group)
{
	struct group_device *gdev;
	struct iommu_kept *kept;

	guard(mutex)(&kept_lock);
	list_for_each_entry(gdev, &group->devices, list) {
		kept = find_kept(gdev->dev);
		if (kept && kept->domain && !kept->retrieved)
			return false;
	}
	return !leaving_denied;
}

/**
 * iommu_restored_claim - somebody claims DMA ownership of a group that has an owner
 * @group: the group
 * @owner: who
 *
 * If the owner is the handover, and the devices were retrieved, @owner takes its
 * place.
 */
void iommu_restored_claim(struct iommu_group *group, void *owner)
{
	lockdep_assert_held(&group->mutex);
	if (group->owner != handover || !all_retrieved(group))
		return;
	group->owner = owner;
	group->owner_cnt = 0;
}

/**
 * iommu_restored_put_back - DMA ownership of a group is given up
 * @group: the group
 *
 * If it is still in its restored domain, it belongs to the handover again, as before
 * it was claimed.
 *
 * Return: is that so, and the group's domain to be left alone?
 */
bool iommu_restored_put_back(struct iommu_group *group)
{
	struct group_device *gdev;
	struct iommu_kept *kept;

	lockdep_assert_held(&group->mutex);
	if (!iommu_domain_is_restored(group->domain) || group->owner == handover)
		return false;
	group->owner = (void *)handover;
	group->owner_cnt = 1;
	guard(mutex)(&kept_lock);
	list_for_each_entry(gdev, &group->devices, list) {
		kept = find_kept(gdev->dev);
		if (kept)
			kept->retrieved = false;
	}
	return true;
}

/**
 * iommu_restored_may_leave - may another domain be attached to a group?
 * @group: the group
 *
 * Return: is it in a restored domain, with an owner, and no handover under way?
 */
bool iommu_restored_may_leave(struct iommu_group *group)
{
	lockdep_assert_held(&group->mutex);
	if (!iommu_domain_is_restored(group->domain) || group->owner == handover)
		return false;
	guard(mutex)(&kept_lock);
	return !leaving_denied;
}

/**
 * iommu_restored_leave - a group's devices were attached to another domain
 * @group: the group
 * @to: what they are attached to
 */
void iommu_restored_leave(struct iommu_group *group, struct iommu_domain *to)
{
	struct iommu_domain *domain = group->domain;
	struct group_device *gdev;

	lockdep_assert_held(&group->mutex);
	if (!domain || domain == to || !iommu_domain_is_restored(domain))
		return;
	list_for_each_entry(gdev, &group->devices, list) {
		iommu_restored_remove(gdev->dev);
		kho_note_device(gdev->dev, "leave restored domain", 0);
	}
}

/**
 * iommu_restored_empty - a device has left its group
 * @group: the group
 *
 * Of the last one the handover gives up DMA ownership, as nobody else can. The driver
 * takes it out of a restored domain, which is freed then: iommu_restored_remove().
 */
void iommu_restored_empty(struct iommu_group *group)
{
	lockdep_assert_held(&group->mutex);
	if (!list_empty(&group->devices) || group->owner != handover)
		return;
	group->owner = NULL;
	group->owner_cnt = 0;
	group->domain = group->default_domain;
}

/**
 * iommu_restored_dma_domain - the domain for the DMA API
 * @dev: a device that is set up
 *
 * Return: of a device in a restored domain the one that its own driver will find when
 * the restored one was left; NULL for others
 */
struct iommu_domain *iommu_restored_dma_domain(struct device *dev)
{
	struct iommu_group *group = dev->iommu_group;

	if (!group || !group->domain || !iommu_domain_is_restored(group->domain))
		return NULL;
	return group->default_domain;
}
