// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables of VT-d (drivers/iommu/intel/runs.c, walk.c, dirty.c) of two to five levels,
 * with pages of 4 KiB, 2 MiB and 1 GiB: what was mapped is found again, no more and no less;
 * damage ends the search where it is; what is dirty in one table becomes dirty in another one,
 * which has pages of other sizes. No emulator has tables of five levels, so this is where they
 * are tried.
 */
#define CONFIG_IOMMU_LIVEUPDATE

#include "../../../drivers/iommu/intel/runs.c"
#include "../../../drivers/iommu/intel/walk.c"
#include "../../../drivers/iommu/intel/dirty.c"

#include "lib.h"

#define MAX_LEAVES	4000
#define SIZE(level)	(VTD_PAGE_SIZE << ((level) - 1) * LEVEL_STRIDE)

/* What is mapped, in ascending order of iova */
struct leaf {
	u64 iova;
	u64 pa;
	int level;
	int prot;
	bool dirty;
};

struct table {
	struct dmar_domain domain;
	struct leaf leaf[MAX_LEAVES];
	unsigned int nr;
	unsigned long pages;
};

static struct table a, b;
static phys_addr_t lost;	/* not handed over */
static unsigned long nr_leaves, nr_flushed;

bool kho_is_pending(phys_addr_t phys, size_t size)
{
	return size == PAGE_SIZE && phys != lost && arena_has(phys);
}

void clflush_cache_range(void *va, unsigned int size)
{
	nr_flushed++;
}

static struct dma_pte *new_page(struct table *table)
{
	struct dma_pte *page = kho_alloc_pages(0);

	CHECK(page);
	memset(page, 0, PAGE_SIZE);
	table->pages++;
	return page;
}

static void make(struct table *table, int agaw)
{
	*table = (struct table) { .domain.agaw = agaw };
	table->domain.pgd = new_page(table);
}

static void free_pages_of(struct dma_pte *page, int level)
{
	unsigned int i;

	for (i = 0; i < VTD_ENTRIES && level > 1; i++)
		if (page[i].val && !dma_pte_superpage(&page[i]))
			free_pages_of(phys_to_virt(dma_pte_addr(&page[i])), level - 1);
	free_page((unsigned long)page);
}

static void drop(struct table *table)
{
	free_pages_of(table->domain.pgd, agaw_to_level(table->domain.agaw));
}

/* Behind all that there is */
static void map(struct table *table, struct leaf leaf)
{
	struct dma_pte *page = table->domain.pgd, *pte;
	int level = agaw_to_level(table->domain.agaw);

	CHECK(table->nr < MAX_LEAVES);
	for (;; level--) {
		pte = &page[leaf.iova / SIZE(level) % VTD_ENTRIES];
		if (level == leaf.level)
			break;
		if (!pte->val)
			pte->val = virt_to_phys(new_page(table)) | DMA_PTE_READ | DMA_PTE_WRITE;
		page = phys_to_virt(dma_pte_addr(pte));
	}
	CHECK(!pte->val);
	pte->val = leaf.pa | (level > 1 ? DMA_PTE_LARGE_PAGE : 0) |
		   (leaf.prot & IOMMU_READ ? DMA_PTE_READ : 0) |
		   (leaf.prot & IOMMU_WRITE ? DMA_PTE_WRITE : 0) |
		   (leaf.dirty ? BIT_ULL(DMA_SL_PTE_DIRTY_BIT) : 0);
	table->leaf[table->nr++] = leaf;
	nr_leaves++;
}

/* A leaf that fits, most of them next to the one before, on one side or on both */
static bool map_some(struct table *table)
{
	struct leaf *before = table->nr ? &table->leaf[table->nr - 1] : NULL;
	u64 end = 1ULL << agaw_to_width(table->domain.agaw);
	u64 from = before ? before->iova + SIZE(before->level) :
			    random_below(end) & -(u64)PAGE_SIZE;
	struct leaf leaf = { .prot = 1 + random_below(3), .dirty = random_below(2) };

	leaf.level = 1 + random_below(min(3, agaw_to_level(table->domain.agaw)));
	if (from == end)
		return false;
	if (!before || !random_below(4))
		from += random_below(end - from) >> random_below(45);
	/* (rounded up) */
	leaf.iova = (from + SIZE(leaf.level) - 1) & -SIZE(leaf.level);
	if (leaf.iova < from || leaf.iova >= end)
		return false;
	leaf.pa = random_below(1ULL << 51) & -SIZE(leaf.level);
	if (before && random_below(4)) {
		leaf.pa = before->pa + SIZE(before->level);
		leaf.prot = before->prot;
		if (leaf.pa & (SIZE(leaf.level) - 1))
			leaf.pa &= -SIZE(leaf.level);
	}
	map(table, leaf);
	return true;
}

/* The run that begins with leaf @i; returns the leaf behind it. */
static unsigned int expected_run(const struct table *table, unsigned int i, struct iommu_run *run)
{
	const struct leaf *leaf = &table->leaf[i];

	*run = (struct iommu_run) { .iova = leaf->iova, .pa = leaf->pa, .prot = leaf->prot };
	for (; i < table->nr; i++) {
		leaf = &table->leaf[i];
		if (leaf->iova != run->iova + run->length || leaf->pa != run->pa + run->length ||
		    leaf->prot != run->prot)
			break;
		run->length += SIZE(leaf->level);
	}
	return i;
}

/* Up to the damage, if there is some: then -EINVAL */
static int check_runs(const struct table *table)
{
	struct iommu_run run = {}, wanted;
	unsigned int i = 0;
	u64 from = 0;
	int rc;

	for (;;) {
		rc = vtd_next_run((struct iommu_domain *)&table->domain.domain, from,
				  U64_MAX, &run);
		if (rc)
			break;
		CHECK(i < table->nr);
		i = expected_run(table, i, &wanted);
		CHECK(run.iova == wanted.iova && run.pa == wanted.pa && run.prot == wanted.prot);
		/* (where it ends in damage, it is shorter) */
		CHECK(lost ? run.length <= wanted.length : run.length == wanted.length);
		if (run.length < wanted.length)
			return -EINVAL;
		from = run.iova + run.length;
	}
	CHECK(rc == -EINVAL || i == table->nr);
	return rc;
}

/* From anywhere, and to anywhere */
static void check_part(const struct table *table)
{
	const struct leaf *leaf = &table->leaf[random_below(table->nr)];
	u64 from = leaf->iova + (random_below(SIZE(leaf->level)) & -(u64)PAGE_SIZE);
	u64 last = leaf->iova + SIZE(leaf->level) - 1;
	struct iommu_run run = {};

	CHECK(!vtd_next_run((struct iommu_domain *)&table->domain.domain, from, last, &run));
	CHECK(run.iova == from && run.pa == leaf->pa + (from - leaf->iova));
	CHECK(run.length == last + 1 - from && run.prot == leaf->prot);
}

static void check_entries(const struct table *table)
{
	struct dma_pte *pte;
	unsigned int i;
	int level;

	for (i = 0; i < table->nr; i++) {
		pte = vtd_find_entry((struct iommu_domain *)&table->domain.domain,
				     table->leaf[i].iova + random_below(SIZE(table->leaf[i].level)),
				     &level);
		CHECK(pte && level == table->leaf[i].level);
		CHECK(dma_pte_addr(pte) == table->leaf[i].pa);
	}
}

static const struct table *walked;
static unsigned int next_leaf;

static int is_next_leaf(struct vtd_walk *walk, phys_addr_t pa, size_t size)
{
	const struct leaf *leaf = &walked->leaf[next_leaf++];

	CHECK(next_leaf <= walked->nr && pa == leaf->pa && size == SIZE(leaf->level));
	return 0;
}

static int count_page(struct vtd_walk *walk, struct dma_pte *page)
{
	walk->count++;
	return 0;
}

static void check_walk(struct table *table)
{
	struct vtd_walk walk = { .leaf = is_next_leaf, .table = count_page, .foreign = true };
	int rc;

	walked = table;
	next_leaf = 0;
	rc = vtd_walk_domain(&walk, &table->domain);
	if (lost) {
		CHECK(rc == -EIO);
		return;
	}
	CHECK(!rc && next_leaf == table->nr && walk.count == table->pages);
	/* A walk that looks at tables only does not look into the last ones. */
	walk = (struct vtd_walk) { .table = count_page };
	CHECK(!vtd_walk_domain(&walk, &table->domain) && walk.count == table->pages);
}

/* A page of the table that is not its first one */
static phys_addr_t some_page(struct table *table)
{
	struct dma_pte *pte, *page = table->domain.pgd;
	const struct leaf *leaf = &table->leaf[random_below(table->nr)];
	int level = agaw_to_level(table->domain.agaw), to;

	if (level == leaf->level)
		return 0;
	to = leaf->level + random_below(level - leaf->level);
	for (;; level--) {
		pte = &page[leaf->iova / SIZE(level) % VTD_ENTRIES];
		if (level == to + 1)
			return dma_pte_addr(pte);
		page = phys_to_virt(dma_pte_addr(pte));
	}
}

static void test_damage(struct table *table)
{
	lost = some_page(table);
	if (!lost)
		return;
	table->domain.domain.type = IOMMU_DOMAIN_RESTORED;
	check_walk(table);
	CHECK(check_runs(table) == -EINVAL);
	lost = 0;
	CHECK(check_runs(table) == -ENOENT);
	check_walk(table);
	table->domain.domain.type = 0;
}

/* The same as @leaf, in pages of another size */
static void map_again(struct table *table, const struct leaf *leaf)
{
	struct leaf part = *leaf;
	u64 i, nr;

	part.dirty = false;
	if (leaf->level > 1 && leaf->level < 3 && table->nr + VTD_ENTRIES < MAX_LEAVES &&
	    random_below(2))
		part.level--;
	nr = SIZE(leaf->level) / SIZE(part.level);
	for (i = 0; i < nr; i++) {
		map(table, part);
		part.iova += SIZE(part.level);
		part.pa += SIZE(part.level);
	}
}

/* Both are ordered; each leaf of @to is a part of one of @from. */
static void check_dirty(const struct table *from, struct table *to, bool passed)
{
	unsigned int i, j = 0;
	struct dma_pte *pte;
	int level;

	for (i = 0; i < to->nr; i++) {
		while (from->leaf[j].iova + SIZE(from->leaf[j].level) <= to->leaf[i].iova)
			j++;
		pte = vtd_find_entry(&to->domain.domain, to->leaf[i].iova, &level);
		CHECK((pte->val >> DMA_SL_PTE_DIRTY_BIT & 1) ==
		      (passed && from->leaf[j].dirty));
		pte->val &= ~BIT_ULL(DMA_SL_PTE_DIRTY_BIT);
	}
}

/* From small pages to the large ones that they are in: dirty if one of them is */
static void check_dirty_back(const struct table *large, struct table *small)
{
	struct dma_pte *pte;
	unsigned int i, j;
	bool dirty;
	int level;

	for (i = 0; i < small->nr; i++) {
		pte = vtd_find_entry(&small->domain.domain, small->leaf[i].iova, &level);
		small->leaf[i].dirty = !random_below(300);
		pte->val |= (u64)small->leaf[i].dirty << DMA_SL_PTE_DIRTY_BIT;
	}
	for (i = 0; i < large->nr; i++) {
		pte = vtd_find_entry((struct iommu_domain *)&large->domain.domain,
				     large->leaf[i].iova, &level);
		pte->val &= ~BIT_ULL(DMA_SL_PTE_DIRTY_BIT);
	}
	vtd_pass_dirty(&small->domain, (struct dmar_domain *)&large->domain);
	for (i = j = 0; i < large->nr; i++) {
		for (dirty = false; j < small->nr && small->leaf[j].iova <
		     large->leaf[i].iova + SIZE(large->leaf[i].level); j++)
			dirty |= small->leaf[j].dirty;
		pte = vtd_find_entry((struct iommu_domain *)&large->domain.domain,
				     large->leaf[i].iova, &level);
		CHECK((pte->val >> DMA_SL_PTE_DIRTY_BIT & 1) == dirty);
	}
}

static void test_dirty(void)
{
	unsigned int i;

	make(&b, a.domain.agaw);
	for (i = 0; i < a.nr; i++)
		map_again(&b, &a.leaf[i]);
	for (i = 0; i < 8; i++) {
		a.domain.domain.type = i & 1 ? IOMMU_DOMAIN_RESTORED : 0;
		a.domain.dirty_tracking = i & 2;
		b.domain.dirty_tracking = i & 4;
		nr_flushed = 0;
		b.domain.iommu_coherency = random_below(2);
		vtd_pass_dirty(&a.domain, &b.domain);
		check_dirty(&a, &b, i == 7);
		if (b.domain.iommu_coherency)
			CHECK(!nr_flushed);
	}
	check_dirty_back(&a, &b);
	drop(&b);
}

int main(void)
{
	unsigned long count = test_count(2000), i;
	unsigned int nr;

	test_begin("table");
	for (i = 0; i < count; i++) {
		arena_init_random(20000, NULL, 0);
		make(&a, i % 4);
		for (nr = random_below(200); nr && map_some(&a); nr--)
			;
		CHECK(check_runs(&a) == -ENOENT);
		check_entries(&a);
		check_walk(&a);
		if (a.nr) {
			check_part(&a);
			test_damage(&a);
		}
		test_dirty();
		drop(&a);
		arena_exit();
	}
	test_end("%lu page tables of two to five levels, %lu leaves", count, nr_leaves);
	return 0;
}
