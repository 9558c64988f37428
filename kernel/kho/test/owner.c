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
 * What a driver would do is in this file, in this order: preserving, restoring, taking
 * part in the handover. The others are for tests: memory.c makes memory, hold.c, sealed.c
 * and forge.c hold up and corrupt on request, and control.c reads the commands.
 *
 * Locks: that of control.c protects everything, but not what callbacks look at: which
 * step to refuse.
 */
#define pr_fmt(fmt) "kho-test: " fmt

#include <linux/init.h>
#include <linux/kho.h>
#include <linux/libfdt.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "../internal.h"
#include "test.h"

LIST_HEAD(kho_test_sets);
void *kho_test_subtree;
unsigned int kho_test_version = 1;

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

	snprintf(compatible, sizeof(compatible), "kho-test-v%u", kho_test_version);
	list_for_each_entry(set, &kho_test_sets, list)
		nr++;

	rc = fdt_create(fdt, size);
	rc = rc ?: fdt_finish_reservemap(fdt);
	rc = rc ?: fdt_begin_node(fdt, "");
	rc = rc ?: fdt_property_string(fdt, "compatible", compatible);
	rc = rc ?: fdt_property_placeholder(fdt, KHO_TEST_PROP_SETS,
					    nr * sizeof(*ser), (void **)&ser);
	if (rc)
		return -ENOSPC;
	list_for_each_entry(set, &kho_test_sets, list)
		memcpy(ser++, &set->ser, sizeof(*ser));
	rc = fdt_end_node(fdt);
	rc = rc ?: fdt_finish(fdt);
	return rc ? -ENOSPC : 0;
}

int kho_test_preserve(void)
{
	const size_t size = SZ_64K;
	struct test_set *set;
	int rc;

	if (kho_test_subtree)
		return -EALREADY;
	list_for_each_entry(set, &kho_test_sets, list) {
		rc = preserve_set(set);
		if (rc)
			goto err_unpreserve;
	}

	kho_test_subtree = kho_alloc_preserve(size);
	if (IS_ERR(kho_test_subtree)) {
		rc = PTR_ERR(kho_test_subtree);
		goto err_no_subtree;
	}
	rc = write_subtree(kho_test_subtree, size);
	if (rc)
		goto err_free;
	rc = kho_add_subtree(KHO_TEST_NAME, kho_test_subtree, size);
	if (rc)
		goto err_free;
	return 0;

err_free:
	kho_unpreserve_free(kho_test_subtree);
err_no_subtree:
	kho_test_subtree = NULL;
	set = list_entry(&kho_test_sets, struct test_set, list);
err_unpreserve:
	list_for_each_entry_continue_reverse(set, &kho_test_sets, list)
		unpreserve_set(set);
	return rc;
}

int kho_test_unpreserve(void)
{
	struct test_set *set;

	if (!kho_test_subtree)
		return -EALREADY;
	if (kho_get_state() == KHO_FINAL)
		return -EBUSY;
	kho_remove_subtree(kho_test_subtree);
	kho_unpreserve_free(kho_test_subtree);
	kho_test_subtree = NULL;
	list_for_each_entry_reverse(set, &kho_test_sets, list)
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

int kho_test_retrieve(void)
{
	const struct kho_test_set_ser *ser;
	struct test_set *set;
	phys_addr_t pa;
	void *fdt;
	int len, rc;

	rc = kho_retrieve_subtree(KHO_TEST_NAME, &pa, NULL);
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
		list_add_tail(&set->list, &kho_test_sets);
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

static int maybe_refuse(struct kho_owner *owner, const char *step)
{
	if (strcmp(refuse_step, step))
		return 0;
	kho_refuse(owner, "told to refuse %s", step);
	return -refuse_errno;
}

/* Each is 0 or 1, and 0 again after an abort. */
int kho_test_active_count, kho_test_final_count, kho_test_jump_count;

static int test_activate(struct kho_owner *owner)
{
	int rc;

	kho_test_hold("activate");
	rc = maybe_refuse(owner, "activate");
	if (!rc)
		kho_test_active_count++;
	return rc;
}

static void test_deactivate(struct kho_owner *owner)
{
	kho_test_active_count--;
}

static int test_finalize(struct kho_owner *owner)
{
	int rc;

	kho_test_hold("finalize");
	rc = maybe_refuse(owner, "finalize");
	if (!rc)
		kho_test_final_count++;
	return rc;
}

static void test_unfinalize(struct kho_owner *owner)
{
	kho_test_final_count--;
}

static int test_jump(struct kho_owner *owner)
{
	int rc = maybe_refuse(owner, "jump");

	if (!rc)
		kho_test_jump_count++;
	return rc;
}

static void test_unjump(struct kho_owner *owner)
{
	kho_test_jump_count--;
}

static const struct kho_owner_ops test_ops = {
	.activate = test_activate,
	.deactivate = test_deactivate,
	.finalize = test_finalize,
	.unfinalize = test_unfinalize,
	.jump = test_jump,
	.unjump = test_unjump,
};

static struct kho_owner test_owner = {
	.name = KHO_TEST_NAME,
	.ops = &test_ops,
};

/*
 * A second owner, before and after which the first one is called and undone. The
 * sessions are complete by then, but not sealed.
 */
static int late_finalize(struct kho_owner *owner)
{
	kho_test_tell_records();
	return maybe_refuse(owner, "late");
}

static int late_jump(struct kho_owner *owner)
{
	return maybe_refuse(owner, "late-jump");
}

static const struct kho_owner_ops late_ops = {
	.finalize = late_finalize,
	.jump = late_jump,
};

static struct kho_owner late_owner = {
	.name = "kho-test-late",
	.ops = &late_ops,
};

/* What maybe_refuse() refuses from now on. */
void kho_test_set_refuse(const char *step, int rc)
{
	strscpy(refuse_step, step);
	refuse_errno = rc;
}

int kho_test_join(void)
{
	return kho_register_owner(&late_owner);
}

void kho_test_leave(void)
{
	kho_unregister_owner(&late_owner);
}

int __init kho_test_owners_init(void)
{
	int rc;

	rc = kho_register_owner(&test_owner);
	if (rc)
		return rc;
	rc = kho_test_join();
	if (rc)
		kho_unregister_owner(&test_owner);
	return rc;
}
