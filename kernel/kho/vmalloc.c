// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmalloc areas across a handover.
 *
 * The pages of an area are preserved one by one; their addresses are kept in a
 * list of preserved pages, which the owner finds through struct kho_vmalloc. The
 * next kernel maps the same pages, in the same order, at an address of its own.
 *
 * Locks: none but the map's. The owner serialises calls for one area.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/kho/abi/vmalloc.h>

#include "internal.h"

static void free_lists(u64 pa)
{
	while (pa) {
		struct kho_vmalloc_list_ser *list = phys_to_virt(pa);

		pa = list->next_pa;
		kho_unpreserve_free(list);
	}
}

static void unpreserve_pages(const struct vm_struct *area, unsigned int nr)
{
	while (nr--)
		kho_unpreserve_pages(area->pages[nr], 1);
}

/**
 * kho_preserve_vmalloc - preserve a vmalloc area
 * @ptr: from vmalloc() or one of its siblings, or kho_restore_vmalloc()
 * @preservation: filled in; to be kept in the owner's preserved data
 *
 * Context: may sleep.
 * Return: 0, -EINVAL when @ptr is no such area, or as kho_preserve_pages()
 */
int kho_preserve_vmalloc(void *ptr, struct kho_vmalloc *preservation)
{
	struct vm_struct *area = find_vm_area(ptr);
	struct kho_vmalloc_list_ser *list = NULL;
	u64 first_pa = 0;
	unsigned int i;
	int rc;

	/* The second flag is that of a restored area. */
	if (!area || !(area->flags & (VM_ALLOC | VM_MAP_PUT_PAGES)) ||
	    area->addr != ptr || !area->nr_pages)
		return -EINVAL;

	for (i = 0; i < area->nr_pages; i++) {
		unsigned int slot = i % KHO_VMALLOC_LIST_PAGES;

		if (!slot) {
			struct kho_vmalloc_list_ser *new;

			new = kho_alloc_preserve(sizeof(*new));
			if (IS_ERR(new)) {
				rc = PTR_ERR(new);
				goto err_unpreserve;
			}
			if (list)
				list->next_pa = virt_to_phys(new);
			else
				first_pa = virt_to_phys(new);
			list = new;
		}
		rc = kho_preserve_pages(area->pages[i], 1);
		if (rc)
			goto err_unpreserve;
		list->page_pa[slot] = page_to_phys(area->pages[i]);
	}

	preservation->first_pa = first_pa;
	preservation->nr_pages = area->nr_pages;
	preservation->reserved = 0;
	return 0;

err_unpreserve:
	unpreserve_pages(area, i);
	free_lists(first_pa);
	return rc;
}
EXPORT_SYMBOL_GPL(kho_preserve_vmalloc);

/**
 * kho_unpreserve_vmalloc - undo kho_preserve_vmalloc()
 * @preservation: what it filled in; zeroed
 *
 * The area itself stays as it is.
 *
 * Context: may sleep. Not between finalize and its undoing.
 */
void kho_unpreserve_vmalloc(struct kho_vmalloc *preservation)
{
	const struct kho_vmalloc_list_ser *list = NULL;
	u64 pa = preservation->first_pa;
	unsigned int i;

	for (i = 0; i < preservation->nr_pages; i++) {
		unsigned int slot = i % KHO_VMALLOC_LIST_PAGES;

		if (!slot) {
			list = phys_to_virt(pa);
			pa = list->next_pa;
		}
		kho_unpreserve_range(list->page_pa[slot], PAGE_SIZE);
	}
	free_lists(preservation->first_pa);
	memset(preservation, 0, sizeof(*preservation));
}
EXPORT_SYMBOL_GPL(kho_unpreserve_vmalloc);

/* Collect the lists, believing nothing, before anything is changed. */
static int read_lists(const struct kho_vmalloc *preservation, u64 **lists_pa)
{
	unsigned int nr = DIV_ROUND_UP(preservation->nr_pages,
				       KHO_VMALLOC_LIST_PAGES);
	u64 pa = preservation->first_pa;
	unsigned int i;

	if (!nr || preservation->reserved)
		return -EINVAL;
	*lists_pa = kvcalloc(nr, sizeof(**lists_pa), GFP_KERNEL);
	if (!*lists_pa)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		const struct kho_vmalloc_list_ser *list;

		if (!pa || !PAGE_ALIGNED(pa) ||
		    kho_map_unit(&kho_in_map, PHYS_PFN(pa)) != 1)
			goto bad;
		(*lists_pa)[i] = pa;
		list = phys_to_virt(pa);
		pa = list->next_pa;
	}
	if (!pa)
		return 0;
bad:
	kvfree(*lists_pa);
	return -EINVAL;
}

/**
 * kho_restore_vmalloc - map a preserved vmalloc area
 * @preservation: as filled in by the old kernel
 *
 * Context: may sleep.
 * Return: the area, to be freed with vfree(), or NULL when memory for the mapping
 * is short or the record is damaged; then nothing has been restored, unless the
 * damage is a page that occurs twice
 */
void *kho_restore_vmalloc(const struct kho_vmalloc *preservation)
{
	unsigned int i, nr = preservation->nr_pages;
	struct page **pages;
	u64 *lists_pa;
	void *area;

	if (read_lists(preservation, &lists_pa))
		return NULL;
	pages = kvcalloc(nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		goto err_lists;

	for (i = 0; i < nr; i++) {
		const struct kho_vmalloc_list_ser *list =
			phys_to_virt(lists_pa[i / KHO_VMALLOC_LIST_PAGES]);
		u64 pa = list->page_pa[i % KHO_VMALLOC_LIST_PAGES];

		if (!pa || !PAGE_ALIGNED(pa) ||
		    kho_map_unit(&kho_in_map, PHYS_PFN(pa)) != 1)
			goto err_pages;
		pages[i] = pfn_to_page(PHYS_PFN(pa));
	}

	/* vfree() will free the pages and the array. */
	area = vmap(pages, nr, VM_MAP | VM_MAP_PUT_PAGES, PAGE_KERNEL);
	if (!area)
		goto err_pages;

	for (i = 0; i < nr; i++)
		if (!kho_restore_pages(page_to_phys(pages[i]), 1))
			break;
	if (i < nr) {
		/*
		 * A page occurs twice, or somebody else took one: give up the
		 * area, but free nothing that may belong to others.
		 */
		kvfree(lists_pa);
		return NULL;
	}
	for (i = 0; i < DIV_ROUND_UP(nr, KHO_VMALLOC_LIST_PAGES); i++)
		kho_restore_free(phys_to_virt(lists_pa[i]));
	kvfree(lists_pa);
	return area;

err_pages:
	kvfree(pages);
err_lists:
	kvfree(lists_pa);
	return NULL;
}
EXPORT_SYMBOL_GPL(kho_restore_vmalloc);
