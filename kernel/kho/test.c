// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test owner for kexec handover, and a sample for authors of drivers.
 *
 * It owns sets of memory of every kind, filled with patterns that follow from a
 * seed and the physical address. One kernel preserves them; the next retrieves
 * them and compares every byte. Life cycle of a set:
 *
 *   add -> filled -> preserve -> preserved -> (kexec) -> retrieve -> filled -> free
 *                 <- unpreserve <-
 *
 * What a driver would do is in the first half, in this order: preserving,
 * restoring, taking part in the handover. The second half is for tests: it makes
 * memory, refuses and corrupts on request, and reads the commands.
 *
 * Locks: test_lock protects everything here, but not what callbacks look at: which
 * step to refuse, and, under hold_lock, in which to wait. So commands work while
 * a callback waits. test_lock is not held over functions of the core that take
 * kho_lock.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/iommu_liveupdate.h>
#include <linux/kho.h>
#include <linux/kho/abi/hugetlb.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/kho/abi/kho_test.h>
#include <linux/kho/abi/memfd.h>
#include <linux/libfdt.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/pci_liveupdate.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timex.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "../kexec_internal.h"
#include "internal.h"
#include "session/session.h"

/**
 * struct test_set - a set of units of memory
 * @list: in sets
 * @ser: what the next kernel gets to know of it
 * @unit_pa: physical addresses of the units, a vmalloc area; NULL for
 *	     KHO_TEST_VMALLOC
 * @area: the unit of KHO_TEST_VMALLOC
 */
struct test_set {
	struct list_head list;
	struct kho_test_set_ser ser;
	u64 *unit_pa;
	void *area;
};

static DEFINE_MUTEX(test_lock);
static LIST_HEAD(sets);
static void *subtree;
static unsigned int version = 1;
static u64 last_cycles;

/*
 * Preserving
 */

static size_t unit_size(const struct test_set *set)
{
	return PAGE_SIZE << set->ser.order;
}

static int preserve_unit(const struct test_set *set, u64 pa)
{
	struct page *page = pfn_to_page(PHYS_PFN(pa));

	switch (set->ser.kind) {
	case KHO_TEST_FOLIO:
		return kho_preserve_folio(page_folio(page));
	case KHO_TEST_PAGES:
		return kho_preserve_pages(page, 1UL << set->ser.order);
	case KHO_TEST_RANGE:
		return kho_preserve_range(pa, unit_size(set));
	default:
		return -EINVAL;
	}
}

static void unpreserve_unit(const struct test_set *set, u64 pa)
{
	struct page *page = pfn_to_page(PHYS_PFN(pa));

	switch (set->ser.kind) {
	case KHO_TEST_FOLIO:
		kho_unpreserve_folio(page_folio(page));
		break;
	case KHO_TEST_PAGES:
		kho_unpreserve_pages(page, 1UL << set->ser.order);
		break;
	case KHO_TEST_RANGE:
		kho_unpreserve_range(pa, unit_size(set));
		break;
	}
}

static int preserve_set(struct test_set *set)
{
	u64 i;
	int rc;

	if (set->ser.kind == KHO_TEST_VMALLOC)
		return kho_preserve_vmalloc(set->area, &set->ser.units);

	rc = kho_preserve_vmalloc(set->unit_pa, &set->ser.units);
	if (rc)
		return rc;
	for (i = 0; i < set->ser.nr; i++) {
		rc = preserve_unit(set, set->unit_pa[i]);
		if (rc)
			goto err_unpreserve;
	}
	return 0;

err_unpreserve:
	while (i--)
		unpreserve_unit(set, set->unit_pa[i]);
	kho_unpreserve_vmalloc(&set->ser.units);
	return rc;
}

static void unpreserve_set(struct test_set *set)
{
	u64 i = set->ser.kind == KHO_TEST_VMALLOC ? 0 : set->ser.nr;

	while (i--)
		unpreserve_unit(set, set->unit_pa[i]);
	kho_unpreserve_vmalloc(&set->ser.units);
}

/* Write the device tree that tells the next kernel what there is. */
static int write_subtree(void *fdt, size_t size)
{
	struct kho_test_set_ser *ser;
	struct test_set *set;
	char compatible[32];
	int rc, nr = 0;

	snprintf(compatible, sizeof(compatible), "kho-test-v%u", version);
	list_for_each_entry(set, &sets, list)
		nr++;

	rc = fdt_create(fdt, size);
	rc = rc ?: fdt_finish_reservemap(fdt);
	rc = rc ?: fdt_begin_node(fdt, "");
	rc = rc ?: fdt_property_string(fdt, "compatible", compatible);
	rc = rc ?: fdt_property_placeholder(fdt, KHO_TEST_PROP_SETS,
					    nr * sizeof(*ser), (void **)&ser);
	if (rc)
		return -ENOSPC;
	list_for_each_entry(set, &sets, list)
		memcpy(ser++, &set->ser, sizeof(*ser));
	rc = fdt_end_node(fdt);
	rc = rc ?: fdt_finish(fdt);
	return rc ? -ENOSPC : 0;
}

static int preserve_all(void)
{
	const size_t size = SZ_64K;
	struct test_set *set;
	int rc;

	if (subtree)
		return -EALREADY;
	list_for_each_entry(set, &sets, list) {
		rc = preserve_set(set);
		if (rc)
			goto err_unpreserve;
	}

	subtree = kho_alloc_preserve(size);
	if (IS_ERR(subtree)) {
		rc = PTR_ERR(subtree);
		goto err_no_subtree;
	}
	rc = write_subtree(subtree, size);
	if (rc)
		goto err_free;
	rc = kho_add_subtree(KHO_TEST_NAME, subtree);
	if (rc)
		goto err_free;
	return 0;

err_free:
	kho_unpreserve_free(subtree);
err_no_subtree:
	subtree = NULL;
	set = list_entry(&sets, struct test_set, list);
err_unpreserve:
	list_for_each_entry_continue_reverse(set, &sets, list)
		unpreserve_set(set);
	return rc;
}

static int unpreserve_all(void)
{
	struct test_set *set;

	if (!subtree)
		return -EALREADY;
	if (kho_get_state() == KHO_FINAL)
		return -EBUSY;
	kho_remove_subtree(subtree);
	kho_unpreserve_free(subtree);
	subtree = NULL;
	list_for_each_entry_reverse(set, &sets, list)
		unpreserve_set(set);
	return 0;
}

/*
 * Restoring
 */

static bool restore_unit(const struct test_set *set, u64 pa)
{
	struct folio *folio;

	switch (set->ser.kind) {
	case KHO_TEST_FOLIO:
		folio = kho_restore_folio(pa);
		return folio && folio_order(folio) == set->ser.order;
	case KHO_TEST_PAGES:
		return kho_restore_pages(pa, 1UL << set->ser.order);
	case KHO_TEST_RANGE:
		return !kho_restore_range(pa, unit_size(set));
	default:
		return false;
	}
}

static struct test_set *restore_set(const struct kho_test_set_ser *ser)
{
	struct test_set *set;
	void *area;
	u64 i;

	if (ser->kind < KHO_TEST_FOLIO || ser->kind > KHO_TEST_VMALLOC ||
	    ser->order > MAX_PAGE_ORDER)
		return NULL;
	set = kzalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return NULL;
	area = kho_restore_vmalloc(&ser->units);
	if (!area)
		goto err_free;

	set->ser = *ser;
	if (ser->kind == KHO_TEST_VMALLOC) {
		set->area = area;
		return set;
	}
	set->unit_pa = area;
	if (ser->nr > (u64)ser->units.nr_pages * PAGE_SIZE / sizeof(u64))
		goto err_free_area;
	for (i = 0; i < ser->nr; i++)
		if (!restore_unit(set, set->unit_pa[i]))
			goto err_free_area;
	return set;

err_free_area:
	/* Units that were restored so far are lost: a driver would undo this. */
	vfree(area);
err_free:
	kfree(set);
	return NULL;
}

static int retrieve(void)
{
	const struct kho_test_set_ser *ser;
	struct test_set *set;
	phys_addr_t pa;
	void *fdt;
	int len, rc;

	rc = kho_retrieve_subtree(KHO_TEST_NAME, &pa);
	if (rc)
		return rc;
	fdt = phys_to_virt(pa);
	ser = fdt_getprop(fdt, 0, KHO_TEST_PROP_SETS, &len);
	if (!ser || len % sizeof(*ser)) {
		kho_reject_subtree(KHO_TEST_NAME, "no list of sets");
		return -EINVAL;
	}
	for (; len; len -= sizeof(*ser), ser++) {
		set = restore_set(ser);
		if (!set) {
			pr_err("set of kind %u at %pa: not restored\n",
			       ser->kind, &ser->units.first_pa);
			rc = -EINVAL;
			continue;
		}
		memset(&set->ser.units, 0, sizeof(set->ser.units));
		list_add_tail(&set->list, &sets);
	}
	kho_restore_free(fdt);
	kho_finish_subtree(KHO_TEST_NAME);
	return rc;
}

/*
 * Taking part in the handover
 */

/* Which step to refuse, and with what; on a test's request. */
static char refuse_step[16];
static int refuse_errno;

/* In which step to wait, on a test's request, and whether somebody does. */
static char hold_step[24];
static bool held;
static DEFINE_SPINLOCK(hold_lock);
static DECLARE_WAIT_QUEUE_HEAD(hold_wait);

/* Wait as long as the test says so; only the first who comes to a step does. */
void kho_test_hold(const char *step)
{
	bool wait;

	spin_lock(&hold_lock);
	wait = !held && !strcmp(hold_step, step);
	if (wait)
		held = true;
	spin_unlock(&hold_lock);
	if (!wait)
		return;
	pr_info("waiting in %s\n", step);
	/* Also whoever is killed does, which is what a test may want. */
	wait_event_idle(hold_wait, !READ_ONCE(hold_step[0]));
	WRITE_ONCE(held, false);
}

/* "none": nobody waits any more. */
static int hold(const char *step)
{
	spin_lock(&hold_lock);
	strscpy(hold_step, strcmp(step, "none") ? step : "");
	spin_unlock(&hold_lock);
	wake_up_all(&hold_wait);
	return 0;
}

/* On a test's request, of how many page tables of an IOMMU one is not preserved */
static atomic_t forget_every = ATOMIC_INIT(0);

bool kho_test_forgets(void)
{
	static atomic_t asked = ATOMIC_INIT(0);
	int every = atomic_read(&forget_every);

	return every && atomic_inc_return(&asked) % every == 0;
}

static int maybe_refuse(struct kho_owner *owner, const char *step)
{
	if (strcmp(refuse_step, step))
		return 0;
	kho_refuse(owner, "told to refuse %s", step);
	return -refuse_errno;
}

/* Each is 0 or 1, and 0 again after an abort. */
static int active_count, final_count;

static int test_activate(struct kho_owner *owner)
{
	int rc;

	kho_test_hold("activate");
	rc = maybe_refuse(owner, "activate");
	if (!rc)
		active_count++;
	return rc;
}

static void test_deactivate(struct kho_owner *owner)
{
	active_count--;
}

static int test_finalize(struct kho_owner *owner)
{
	int rc;

	kho_test_hold("finalize");
	rc = maybe_refuse(owner, "finalize");
	if (!rc)
		final_count++;
	return rc;
}

static void test_unfinalize(struct kho_owner *owner)
{
	final_count--;
}

static const struct kho_owner_ops test_ops = {
	.activate = test_activate,
	.deactivate = test_deactivate,
	.finalize = test_finalize,
	.unfinalize = test_unfinalize,
};

static struct kho_owner test_owner = {
	.name = KHO_TEST_NAME,
	.ops = &test_ops,
};

/* How many records there are to be by the sessions' subtree, on a test's request */
static unsigned int records_told;

static void tell_records(void)
{
#ifdef CONFIG_LIVEUPDATE
	if (records_told && kho_session_fdt())
		fdt_setprop_inplace_u64(kho_session_fdt(), 0,
					LIVEUPDATE_PROP_NR, records_told);
#endif
}

/*
 * A second owner, before and after which the first one is called and undone. The
 * sessions are complete by then, but not sealed.
 */
static int late_finalize(struct kho_owner *owner)
{
	tell_records();
	return maybe_refuse(owner, "late");
}

static const struct kho_owner_ops late_ops = {
	.finalize = late_finalize,
};

static struct kho_owner late_owner = {
	.name = "kho-test-late",
	.ops = &late_ops,
};

/*
 * Making, checking and freeing memory
 */

static u64 first_word(u64 seed, u64 pa)
{
	return (seed + (pa >> PAGE_SHIFT)) * 0x9e3779b97f4a7c15ULL;
}

static void fill_page(void *page, u64 seed, u64 pa)
{
	u64 value = first_word(seed, pa);
	u64 *word = page;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++, value += pa | 1)
		word[i] = value;
}

static bool check_page(const void *page, u64 seed, u64 pa)
{
	u64 value = first_word(seed, pa);
	const u64 *word = page;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++, value += pa | 1)
		if (word[i] != value)
			return false;
	return true;
}

/* The pages of a vmalloc area move in virtual space only. */
static u64 page_pa(const struct test_set *set, u64 unit, u64 page)
{
	if (set->ser.kind == KHO_TEST_VMALLOC)
		return page_to_phys(vmalloc_to_page(set->area +
						    (unit << PAGE_SHIFT)));
	return set->unit_pa[unit] + (page << PAGE_SHIFT);
}

static u64 pages_per_unit(const struct test_set *set)
{
	return set->ser.kind == KHO_TEST_VMALLOC ? 1 : 1UL << set->ser.order;
}

static void fill_set(const struct test_set *set)
{
	u64 i, j, pa;

	for (i = 0; i < set->ser.nr; i++) {
		for (j = 0; j < pages_per_unit(set); j++) {
			pa = page_pa(set, i, j);
			fill_page(phys_to_virt(pa), set->ser.seed, pa);
		}
		cond_resched();
	}
}

/* Compare every byte of what is held. */
static int verify_all(void)
{
	u64 i, j, pa, good = 0, bad = 0;
	struct test_set *set;

	list_for_each_entry(set, &sets, list) {
		for (i = 0; i < set->ser.nr; i++) {
			for (j = 0; j < pages_per_unit(set); j++) {
				pa = page_pa(set, i, j);
				if (check_page(phys_to_virt(pa), set->ser.seed, pa))
					good++;
				else if (!bad++)
					pr_err("page at %pa differs\n", &pa);
			}
			cond_resched();
		}
	}
	pr_info("%llu pages as they were, %llu differ\n", good, bad);
	return bad ? -EIO : 0;
}

/* Compare the bytes of a unit that is not held: what became of lost memory. */
static int look(u64 pa, unsigned int order, u64 seed)
{
	u64 i;

	if (order > MAX_PAGE_ORDER || !IS_ALIGNED(pa, PAGE_SIZE << order) ||
	    !pfn_valid(PHYS_PFN(pa)))
		return -EINVAL;
	for (i = 0; i < 1UL << order; i++, pa += PAGE_SIZE) {
		if (!check_page(phys_to_virt(pa), seed, pa)) {
			pr_err("page at %pa differs\n", &pa);
			return -EIO;
		}
	}
	return 0;
}

static void free_unit(const struct test_set *set, u64 pa)
{
	struct page *page = pfn_to_page(PHYS_PFN(pa));
	u64 i;

	switch (set->ser.kind) {
	case KHO_TEST_FOLIO:
		folio_put(page_folio(page));
		break;
	default:
		for (i = 0; i < 1UL << set->ser.order; i++)
			__free_page(page + i);
	}
}

static void free_set(struct test_set *set)
{
	u64 i;

	if (set->ser.kind == KHO_TEST_VMALLOC) {
		vfree(set->area);
	} else {
		for (i = 0; i < set->ser.nr; i++)
			free_unit(set, set->unit_pa[i]);
		vfree(set->unit_pa);
	}
	kfree(set);
}

static int free_all(void)
{
	struct test_set *set, *next;

	if (subtree)
		return -EBUSY;
	list_for_each_entry_safe(set, next, &sets, list) {
		list_del(&set->list);
		free_set(set);
	}
	return 0;
}

/* Make room for a set of @nr units; they are added by add_unit(). */
static struct test_set *new_set(u32 kind, u32 order, u64 nr, u64 seed)
{
	struct test_set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	if (!set)
		return NULL;
	set->ser.kind = kind;
	set->ser.order = order;
	set->ser.seed = seed;
	if (kind != KHO_TEST_VMALLOC) {
		set->unit_pa = kho_vzalloc(array_size(nr, sizeof(u64)));
		if (!set->unit_pa) {
			kfree(set);
			return NULL;
		}
	}
	return set;
}

static void keep_set(struct test_set *set)
{
	fill_set(set);
	list_add_tail(&set->list, &sets);
}

static int add_vmalloc(u64 nr, u64 seed)
{
	struct test_set *set = new_set(KHO_TEST_VMALLOC, 0, nr, seed);

	if (!set)
		return -ENOMEM;
	set->area = vmalloc(nr << PAGE_SHIFT);
	if (!set->area) {
		kfree(set);
		return -ENOMEM;
	}
	set->ser.nr = nr;
	keep_set(set);
	return 0;
}

static int add(u32 kind, u32 order, u64 nr, u64 seed)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;
	struct test_set *set;

	if (subtree)
		return -EBUSY;
	if (!nr || nr > totalram_pages() || order > MAX_PAGE_ORDER)
		return -EINVAL;
	if (kind == KHO_TEST_VMALLOC)
		return add_vmalloc(nr, seed);
	if (kind == KHO_TEST_FOLIO)
		gfp |= __GFP_COMP;

	set = new_set(kind, order, nr, seed);
	if (!set)
		return -ENOMEM;
	for (; set->ser.nr < nr; set->ser.nr++) {
		struct page *page = alloc_pages(gfp, order);
		u64 i;

		if (!page) {
			free_set(set);
			return -ENOMEM;
		}
		if (kind != KHO_TEST_FOLIO)
			split_page(page, order);
		for (i = 0; i < 1UL << order; i++)
			clear_page(page_address(page + i));
		set->unit_pa[set->ser.nr] = page_to_phys(page);
	}
	keep_set(set);
	return 0;
}

/* Take nearly all memory, and give back all but units chosen at random. */
static int scatter(u32 percent, u32 order, u64 seed)
{
	gfp_t gfp = GFP_KERNEL | __GFP_COMP | __GFP_NOWARN | __GFP_NORETRY;
	u64 all = totalram_pages() >> order, want = all * percent / 100;
	struct page *page, *next;
	struct test_set *set;
	LIST_HEAD(rest);
	u64 taken = 0;

	if (subtree)
		return -EBUSY;
	if (percent > 100 || order > MAX_PAGE_ORDER)
		return -EINVAL;
	set = new_set(KHO_TEST_FOLIO, order, all, seed);
	if (!set)
		return -ENOMEM;

	while (taken < all) {
		page = alloc_pages(gfp, order);
		if (!page)
			break;
		taken++;
		list_add(&page->lru, &rest);
	}
	list_for_each_entry_safe(page, next, &rest, lru) {
		u64 pa = page_to_phys(page);
		bool chosen = (first_word(seed, pa) >> 32) % taken < want;

		list_del(&page->lru);
		if (chosen && set->ser.nr < want)
			set->unit_pa[set->ser.nr++] = pa;
		else
			__free_pages(page, order);
	}
	pr_info("%llu of %llu units of order %u kept\n", set->ser.nr, taken,
		order);
	keep_set(set);
	return 0;
}

/* What churn() has taken; it ends when somebody else is out of memory. */
static LIST_HEAD(churned);
static DEFINE_SPINLOCK(churned_lock);
static bool churned_enough;

static unsigned long give_back_churned(unsigned long max)
{
	unsigned long nr;
	struct page *page;

	for (nr = 0; nr < max; nr++) {
		spin_lock(&churned_lock);
		page = list_first_entry_or_null(&churned, struct page, lru);
		if (page)
			list_del(&page->lru);
		spin_unlock(&churned_lock);
		if (!page)
			break;
		__free_page(page);
	}
	return nr;
}

static int give_way(struct notifier_block *nb, unsigned long unused, void *parm)
{
	unsigned long *freed = parm;

	WRITE_ONCE(churned_enough, true);
	*freed += give_back_churned(PFN_DOWN(SZ_4M));
	return NOTIFY_OK;
}

/* Write to all memory that is free. */
static int churn(void)
{
	struct notifier_block notifier = { .notifier_call = give_way };
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY;
	unsigned long nr = 0;
	struct page *page;
	int rc;

	churned_enough = false;
	rc = register_oom_notifier(&notifier);
	if (rc)
		return rc;
	while (!READ_ONCE(churned_enough) && (page = alloc_page(gfp))) {
		memset(page_address(page), 0xa5, PAGE_SIZE);
		spin_lock(&churned_lock);
		list_add(&page->lru, &churned);
		spin_unlock(&churned_lock);
		nr++;
	}
	give_back_churned(ULONG_MAX);
	unregister_oom_notifier(&notifier);
	pr_info("wrote to %lu KiB of free memory\n", nr << (PAGE_SHIFT - 10));
	return 0;
}

/* NAME is an owner's subtree, NAME:PROP a page that it has the address of. */
static void *find_sealed(const char *what, size_t *size)
{
	const char *prop = strchr(what, ':');
	const fdt64_t *pa;
	char name[32];
	void *fdt;
	int len;

	snprintf(name, sizeof(name), "%.*s",
		 prop ? (int)(prop - what) : (int)strlen(what), what);
	fdt = kho_out_fdt(name);
	if (!fdt)
		return NULL;
	*size = fdt_totalsize(fdt);
	if (!prop)
		return fdt;
	pa = fdt_getprop(fdt, 0, prop + 1, &len);
	if (!pa || len != sizeof(*pa))
		return NULL;
	*size = PAGE_SIZE;
	return phys_to_virt(fdt64_to_cpu(*pa));
}

/* The byte of what is sealed in which a bit is, NULL if there is no such thing. */
static u8 *sealed_byte(const char *what, u64 *bit)
{
	struct liveupdate_record_ser __maybe_unused *record;
	struct kho_node_ser *node = kho_out_map.root;
	size_t size = PAGE_SIZE;
	u8 *target;
	int level;

	if (kho_get_state() != KHO_FINAL)
		return NULL;
	if (!strcmp(what, "header")) {
		target = phys_to_virt(kho_header_pa());
	} else if (!strcmp(what, "stages")) {
		target = phys_to_virt(kho_stages_pa());
	} else if (!strcmp(what, "root")) {
		target = (u8 *)node;
	} else if (!strcmp(what, "leaf")) {
		for (level = 0; level < KHO_MAP_LEVELS; level++) {
			u64 i = 0;

			while (!node->slot_pa[i])
				i++;
			node = phys_to_virt(node->slot_pa[i]);
		}
		target = (u8 *)node;
	} else if (!strcmp(what, "blob")) {
		struct kho_header_ser *header = phys_to_virt(kho_header_pa());

		target = phys_to_virt(header->blob_pa);
		size = fdt_totalsize(target);
#ifdef CONFIG_LIVEUPDATE
	} else if (!strcmp(what, "sessions") && kho_session_fdt()) {
		target = kho_session_fdt();
		size = fdt_totalsize(target);
	} else if (!strcmp(what, "record") &&
		   kho_session_record(*bit / (8 * sizeof(*record)))) {
		record = kho_session_record(*bit / (8 * sizeof(*record)));
		target = (u8 *)record;
		size = sizeof(*record);
	} else if (!strcmp(what, "data") &&
		   kho_session_record(*bit / (8 * PAGE_SIZE))) {
		record = kho_session_record(*bit / (8 * PAGE_SIZE));
		target = phys_to_virt(record->data);
#endif
	} else if (!strcmp(what, "subtree") && subtree) {
		target = subtree;
		size = fdt_totalsize(target);
	} else {
		target = find_sealed(what, &size);
		if (!target)
			return NULL;
	}
	*bit %= size * 8;
	return target + *bit / 8;
}

/* Flip a bit of what is sealed. */
static int corrupt(const char *what, u64 bit)
{
	u8 *byte = sealed_byte(what, &bit);

	if (!byte)
		return -EINVAL;
	*byte ^= 1 << (bit % 8);
	return 0;
}

/* Say where something lies that is sealed. */
static int where(const char *what)
{
	u64 bit = 0;
	u8 *byte = sealed_byte(what, &bit);

	if (!byte || !virt_addr_valid(byte))
		return -EINVAL;
	pr_info("%s lies at %#llx\n", what, (u64)virt_to_phys(byte));
	return 0;
}

#ifdef CONFIG_LIVEUPDATE
/* Make the second memory in the record of a shared-memory file the first once more. */
static int repeat_memory(struct memfd_ser *ser)
{
	u64 *words = (u64 *)(ser + 1), *first = NULL;
	u64 i;

	for (i = 0; i < ser->words.nr; i++) {
		if (words[i] & MEMFD_WORD_INDEX)
			continue;
		if (first) {
			words[i] &= ~MEMFD_PFN_MASK;
			words[i] |= *first & MEMFD_PFN_MASK;
			return 0;
		}
		first = &words[i];
	}
	return -EINVAL;
}

/* A byte of the record of a file, so that the checksum is right. */
static int alter_record(u64 nr, u32 offset, u8 value)
{
	struct liveupdate_record_ser *record = kho_session_record(nr);

	if (kho_get_state() != KHO_FINAL || !record ||
	    offset >= offsetof(struct liveupdate_record_ser, checksum))
		return -EINVAL;
	((u8 *)record)[offset] = value;
	record->checksum = liveupdate_record_checksum(record);
	return 0;
}

/* Make the record of a shared-memory file wrong, such that the checksum is right. */
static int forge_memfd(struct memfd_ser *ser, const char *what, u64 bit)
{
	int rc = 0;

	if (!strcmp(what, "header"))
		((u8 *)ser)[bit / 8 % MEMFD_SER_PAGE] ^= 1 << (bit % 8);
	else if (!strcmp(what, "round"))
		ser->words.next_pa = virt_to_phys(ser);
	else if (!strcmp(what, "twice"))
		rc = repeat_memory(ser);
	else
		rc = -EINVAL;
	ser->words.checksum = kho_checksum(0, &ser->words.next_pa,
					   MEMFD_SER_PAGE - sizeof(u64));
	return rc;
}

/* A word of the record of an iommufd, or of its first maps, so that checksums are right. */
static int alter_iommufd(u64 nr, bool maps, u32 offset, u32 value)
{
	struct liveupdate_record_ser *record = kho_session_record(nr);
	struct iommufd_maps_ser *unit;
	struct iommufd_ser *ser;

	if (kho_get_state() != KHO_FINAL || !record ||
	    strcmp(record->compatible, IOMMUFD_LIVEUPDATE_COMPATIBLE) ||
	    offset > PAGE_SIZE - sizeof(value))
		return -EINVAL;
	ser = phys_to_virt(record->data);
	if (!maps) {
		*(u32 *)((u8 *)ser + offset) = value;
		ser->checksum = iommufd_ser_checksum(ser);
		return 0;
	}
	if (!ser->maps_pa)
		return -EINVAL;
	unit = phys_to_virt(ser->maps_pa);
	*(u32 *)((u8 *)unit + offset) = value;
	unit->checksum = iommufd_maps_ser_checksum(unit);
	return 0;
}
#endif

#if defined(CONFIG_LIVEUPDATE) && defined(CONFIG_HUGETLBFS)
/* Flip a bit of what a file is, such that the checksum is right. */
static int forge(const char *what, u64 nr, u64 bit)
{
	struct liveupdate_record_ser *record = kho_session_record(nr);
	struct hugetlb_file_ser *file;
	struct hugetlb_chunk_ser *chunk;

	if (kho_get_state() != KHO_FINAL || !record)
		return -EINVAL;
	if (!strcmp(record->compatible, MEMFD_COMPATIBLE))
		return forge_memfd(phys_to_virt(record->data), what, bit);
	if (strcmp(record->compatible, HUGETLB_LIVEUPDATE_COMPATIBLE))
		return -EINVAL;
	file = phys_to_virt(record->data);
	chunk = phys_to_virt(file->chunk_pa);
	if (!strcmp(what, "header")) {
		((u8 *)file)[bit / 8 % sizeof(*file)] ^= 1 << (bit % 8);
		file->checksum = hugetlb_file_checksum(file);
	} else if (!strcmp(what, "chunk") && file->chunk_pa) {
		((u8 *)chunk)[bit / 8 % sizeof(*chunk)] ^= 1 << (bit % 8);
		chunk->checksum = hugetlb_chunk_checksum(chunk);
	} else if (!strcmp(what, "twice") && file->chunk_pa) {
		chunk->entry[bit % (chunk->nr - 1) + 1].pfn = chunk->entry[0].pfn;
		chunk->checksum = hugetlb_chunk_checksum(chunk);
	} else if (!strcmp(what, "list") && file->chunk_pa) {
		((u8 *)chunk)[bit / 8 % sizeof(*chunk)] ^= 1 << (bit % 8);
	} else {
		return -EINVAL;
	}
	return 0;
}
#else
static int forge(const char *what, u64 nr, u64 bit)
{
	return -EOPNOTSUPP;
}
#endif

/*
 * Commands
 */

static int parse_kind(const char *name)
{
	if (!strcmp(name, "folio"))
		return KHO_TEST_FOLIO;
	if (!strcmp(name, "pages"))
		return KHO_TEST_PAGES;
	if (!strcmp(name, "range"))
		return KHO_TEST_RANGE;
	if (!strcmp(name, "vmalloc"))
		return KHO_TEST_VMALLOC;
	return 0;
}

/* Commands that wait for the core, or that go on while another one waits. */
static int run_unlocked(const char *line)
{
	char arg[24];

	if (sscanf(line, "hold %23s", arg) == 1)
		return hold(arg);
	if (!strcmp(line, "join"))
		return kho_register_owner(&late_owner);
	if (!strcmp(line, "leave")) {
		kho_unregister_owner(&late_owner);
		return 0;
	}
	/* As an image that is being loaded has it. */
	if (!strcmp(line, "lock kexec"))
		return kexec_trylock() ? 0 : -EBUSY;
	if (!strcmp(line, "unlock kexec")) {
		kexec_unlock();
		return 0;
	}
	return 1;
}

static int run_command(char *line)
{
	char word[16], arg[32] = "";
	unsigned int order;
	u64 nr, seed;

	if (sscanf(line, "add %15s %u %llu %llu", arg, &order, &nr, &seed) == 4)
		return add(parse_kind(arg), order, nr, seed);
	if (sscanf(line, "scatter %llu %u %llu", &nr, &order, &seed) == 3)
		return scatter(nr, order, seed);
	if (sscanf(line, "look %llx %u %llu", &nr, &order, &seed) == 3)
		return look(nr, order, seed);
	if (sscanf(line, "where %31s", arg) == 1)
		return where(arg);
	if (sscanf(line, "corrupt %31s %llu", arg, &nr) == 2)
		return corrupt(arg, nr);
	if (sscanf(line, "forge %15s %llu %llu", arg, &nr, &seed) == 3)
		return forge(arg, nr, seed);
#ifdef CONFIG_LIVEUPDATE
	if (sscanf(line, "alter %llu %15s %u %llu", &nr, arg, &order, &seed) == 4)
		return alter_iommufd(nr, !strcmp(arg, "maps"), order, seed);
	if (sscanf(line, "record %llu %u %llu", &nr, &order, &seed) == 3)
		return alter_record(nr, order, seed);
#endif
	if (sscanf(line, "version %u", &order) == 1) {
		version = order;
		return 0;
	}
	if (sscanf(line, "records %u", &order) == 1) {
		records_told = order;
		return 0;
	}
	if (sscanf(line, "forget %u", &order) == 1) {
		atomic_set(&forget_every, order);
		return 0;
	}
	if (sscanf(line, "refuse %15s %u", arg, &order) == 2) {
		strscpy(refuse_step, arg);
		refuse_errno = order;
		return 0;
	}
	if (sscanf(line, "%15s", word) != 1)
		return -EINVAL;
	if (!strcmp(word, "preserve"))
		return preserve_all();
	if (!strcmp(word, "unpreserve"))
		return unpreserve_all();
	if (!strcmp(word, "retrieve"))
		return retrieve();
	if (!strcmp(word, "verify"))
		return verify_all();
	if (!strcmp(word, "free"))
		return free_all();
	if (!strcmp(word, "churn"))
		return churn();
	if (!strcmp(word, "settle")) {
		kho_fragments_settle();
		return 0;
	}
	return -EINVAL;
}

static ssize_t control_write(struct file *file, const char __user *from,
			     size_t count, loff_t *pos)
{
	char line[80];
	u64 start;
	int rc;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';

	rc = run_unlocked(strim(line));
	if (rc <= 0)
		return rc ?: count;
	mutex_lock(&test_lock);
	start = get_cycles();
	rc = run_command(strim(line));
	last_cycles = get_cycles() - start;
	mutex_unlock(&test_lock);
	return rc ?: count;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = control_write,
};

#ifdef CONFIG_PCI_LIVEUPDATE
/*
 * Devices without a session: what the vfio-pci handler does, on request. The
 * device has to be attached to an address space, in which nothing is mapped.
 */
static int device_freeze(void *user)
{
	return 0;
}

static void device_thaw(void *user) { }

static const struct iommu_preserve_ops device_ops = {
	.freeze = device_freeze,
	.thaw = device_thaw,
};

static int preserve_device(struct pci_dev *pdev)
{
	int rc = pci_liveupdate_preserve(pdev);

	if (rc)
		return rc;
	rc = iommu_preserve_device(&pdev->dev, &device_ops, NULL);
	if (rc)
		pci_liveupdate_unpreserve(pdev);
	return rc;
}

static int unpreserve_device(struct pci_dev *pdev)
{
	if (!pci_liveupdate_is_preserved(pdev))
		return -EALREADY;
	iommu_unpreserve_device(&pdev->dev);
	pci_liveupdate_unpreserve(pdev);
	return 0;
}

static int discard_device(struct pci_dev *pdev)
{
	int rc = pci_liveupdate_discard(pdev);

	if (rc != -ENOENT)
		iommu_restored_device_discard(&pdev->dev);
	return rc;
}

/* Flip a bit of the record of a device, or, with NULL, of the list of devices. */
static int damage_device(const struct pci_dev *pdev, u64 bit)
{
	size_t size;
	u8 *record = pci_liveupdate_test_record(pdev, &size);

	if (!record)
		return -EINVAL;
	bit %= 8 * size;
	record[bit / 8] ^= 1 << (bit % 8);
	return 0;
}

static int run_device_command(char *line)
{
	unsigned int segment, bus, slot, func;
	struct pci_dev *pdev;
	char word[16];
	int nr, rc;
	u64 bit;

	nr = sscanf(line, "%15s %x:%x:%x.%u %llu", word, &segment, &bus, &slot,
		    &func, &bit);
	if (nr < 5)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(segment, bus, PCI_DEVFN(slot, func));
	if (!pdev)
		return -ENODEV;
	rc = -EINVAL;
	if (!strcmp(word, "preserve"))
		rc = preserve_device(pdev);
	else if (!strcmp(word, "unpreserve"))
		rc = unpreserve_device(pdev);
	else if (!strcmp(word, "discard"))
		rc = discard_device(pdev);
	else if (!strcmp(word, "damage") && nr == 6)
		rc = damage_device(pdev, bit);
	else if (!strcmp(word, "damage-list") && nr == 6)
		rc = damage_device(NULL, bit);
	pci_dev_put(pdev);
	return rc;
}

static ssize_t device_write(struct file *file, const char __user *from,
			    size_t count, loff_t *pos)
{
	char line[80];

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';
	return run_device_command(strim(line)) ?: count;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = device_write,
};
#endif

static int status_show(struct seq_file *m, void *unused)
{
	struct test_set *set;

	mutex_lock(&test_lock);
	list_for_each_entry(set, &sets, list)
		seq_printf(m, "set kind %u order %u units %llu seed %llu\n",
			   set->ser.kind, set->ser.order, set->ser.nr,
			   set->ser.seed);
	seq_printf(m, "preserved %d\n", !!subtree);
	seq_printf(m, "active %d final %d\n", active_count, final_count);
	seq_printf(m, "held %d\n", READ_ONCE(held));
	seq_printf(m, "cycles %llu\n", last_cycles);
	seq_printf(m, "nodes %ld\n", atomic_long_read(&kho_out_map.nr_nodes) +
		   atomic_long_read(&kho_in_map.nr_nodes));
	mutex_unlock(&test_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

/* Where what is held lies, as the command "look" takes it. */
static int units_show(struct seq_file *m, void *unused)
{
	struct test_set *set;
	u64 i;

	mutex_lock(&test_lock);
	list_for_each_entry(set, &sets, list)
		for (i = 0; set->unit_pa && i < set->ser.nr; i++)
			seq_printf(m, "%llx %u %llu\n", set->unit_pa[i],
				   set->ser.order, set->ser.seed);
	mutex_unlock(&test_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(units);

static int __init kho_test_init(void)
{
	struct dentry *dir;
	int rc;

	rc = kho_register_owner(&test_owner);
	if (rc)
		return rc;
	rc = kho_register_owner(&late_owner);
	if (rc) {
		kho_unregister_owner(&test_owner);
		return rc;
	}
	dir = debugfs_create_dir("kho_test", NULL);
	debugfs_create_file("control", 0200, dir, NULL, &control_fops);
	debugfs_create_file("status", 0400, dir, NULL, &status_fops);
	debugfs_create_file("units", 0400, dir, NULL, &units_fops);
#ifdef CONFIG_PCI_LIVEUPDATE
	debugfs_create_file("pci", 0200, dir, NULL, &device_fops);
#endif
	return 0;
}
late_initcall(kho_test_init);
