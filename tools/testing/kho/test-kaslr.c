// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the next kernel goes (kernel/kho/kaslr.c): to each place at which nothing is in the
 * way about as often as to each other, and what the segments are after they were copied is
 * what they were to be, wherever that is.
 *
 * The model has memory of some hundred pages, an image at random in it, and copies its
 * segments as the jump does.
 */
#include <stdalign.h>
#include <linux/list.h>
#include <linux/types.h>

#include "lib.h"

#define FRAMES		512
#define ALIGNMENT	8
#define KEXEC_SEGMENT_MAX 16

#define IND_DESTINATION	0x1
#define IND_INDIRECTION	0x2
#define IND_DONE	0x4
#define IND_SOURCE	0x8
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define offset_in_page(pa) ((unsigned long)(pa) & ~PAGE_MASK)
#define WARN_ON(cond)	({ bool _cond = (cond); CHECK(!_cond); _cond; })
#define pr_notice(...)	((void)0)

#define kimage_entry_t	unsigned long

struct kimage {
	kimage_entry_t head;
	unsigned long nr_segments;
	struct { unsigned long mem, memsz; } segment[KEXEC_SEGMENT_MAX];
	struct list_head control_pages;
	struct kho_kernel *kernel;
};

enum { FREE, SOURCE, CONTROL, DEST, KEPT, NR_USES };

static alignas(4096) u8 memory[FRAMES][PAGE_SIZE];
static u8 use[FRAMES];
static bool in_hole[FRAMES];

static void *boot_phys_to_virt(unsigned long pa)
{
	CHECK(pa < sizeof(memory));
	return (u8 *)memory + pa;
}

#include "../../../include/linux/kho_kernel.h"
#include "../../../kernel/kho/internal.h"

#include <linux/mm.h>

struct control {
	struct page page;
	struct list_head lru;
	unsigned long pfn, order;
};

/* The core's list is of struct page; the model's has all that is asked of one. */
#define page_to_boot_pfn(p)	((p)->pfn)
#define page_private(p)		((p)->order)
#define page			control

static struct kho_hole_ser hole[FRAMES];
static unsigned int nr_holes;

struct kho_kernel *kho_image_kernel(const struct kimage *image)
{
	return image->kernel;
}

static unsigned int kho_out_holes(const struct kho_hole_ser **holes)
{
	*holes = hole;
	return nr_holes;
}

static bool kho_arch_is_mapped(phys_addr_t start, phys_addr_t end)
{
	return end <= sizeof(memory);
}

static bool kho_zone_keeps(phys_addr_t start, phys_addr_t end)
{
	u64 i;

	for (i = start / PAGE_SIZE; i < end / PAGE_SIZE; i++)
		if (use[i] == KEPT)
			return true;
	return false;
}

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include "../../../kernel/kho/kaslr.c"
#undef page

static struct kimage image;
static struct kho_kernel kernel;
static struct control control[8];
/* What the segments are to be; the pattern of a page is its number in here. */
static u8 want[64][PAGE_SIZE];
static kimage_entry_t *list;

static unsigned long take(u8 as)
{
	unsigned long pfn;

	do
		pfn = random_below(FRAMES);
	while (use[pfn] != FREE);
	use[pfn] = as;
	return pfn;
}

/* Frames in a row that nobody uses. */
static unsigned long take_row(unsigned long nr, unsigned long align, u8 as)
{
	unsigned long pfn, i;

	for (;;) {
		pfn = round_down(random_below(FRAMES - nr), align);
		for (i = 0; i < nr && use[pfn + i] == FREE; i++)
			;
		if (i == nr)
			break;
	}
	memset(use + pfn, as, nr);
	return pfn;
}

/* Pages of entries are short, so that there are some. */
static void add_entry(kimage_entry_t entry)
{
	unsigned long pfn;

	if (offset_in_page((unsigned long)list) == 6 * sizeof(*list)) {
		pfn = take(SOURCE);
		*list = pfn * PAGE_SIZE | IND_INDIRECTION;
		list = (kimage_entry_t *)memory[pfn];
		memset(list, 0, PAGE_SIZE);
	}
	*list++ = entry;
}

static void add_segment(unsigned long nr, unsigned long align, unsigned int *page_nr)
{
	unsigned long i, src, dest = take_row(nr, align, DEST);

	image.segment[image.nr_segments].mem = dest * PAGE_SIZE;
	image.segment[image.nr_segments++].memsz = nr * PAGE_SIZE;
	add_entry(dest * PAGE_SIZE | IND_DESTINATION);
	for (i = 0; i < nr; i++, (*page_nr)++) {
		/* Some are where they have to be already. */
		src = random_below(5) ? take(SOURCE) : dest + i;
		use[src] = SOURCE;
		add_entry(src * PAGE_SIZE | IND_SOURCE);
		memset(memory[src], 1 + *page_nr, PAGE_SIZE);
		memcpy(want[*page_nr], memory[src], PAGE_SIZE);
	}
}

static void make_holes(unsigned int part)
{
	unsigned long pfn, end;

	nr_holes = 0;
	memset(in_hole, 0, sizeof(in_hole));
	for (pfn = random_below(20); pfn < FRAMES; pfn = end + 1 + random_below(part)) {
		end = min_t(unsigned long, FRAMES, pfn + 1 + random_below(100));
		hole[nr_holes].start = pfn * PAGE_SIZE;
		hole[nr_holes++].size = (end - pfn) * PAGE_SIZE;
		memset(in_hole + pfn, true, end - pfn);
	}
}

static void make_image(void)
{
	static alignas(4096) kimage_entry_t first[8];
	unsigned int page_nr = 0, i, at, crowd = random_below(60);

	memset(use, FREE, sizeof(use));
	memset(memory, 0, sizeof(memory));
	memset(&image, 0, sizeof(image));
	memset(first, 0, sizeof(first));
	/* (the kimage's own entry leads to the first page of entries) */
	image.head = 0;
	list = &image.head;
	i = take(SOURCE);
	*list = i * PAGE_SIZE | IND_INDIRECTION;
	list = (kimage_entry_t *)memory[i];

	image.control_pages.next = &image.control_pages;
	image.control_pages.prev = &image.control_pages;
	for (i = 0; i < ARRAY_SIZE(control); i++) {
		control[i].order = random_below(2);
		control[i].pfn = take_row(1 << control[i].order, 1 << control[i].order,
					  CONTROL);
		list_add(&control[i].lru, &image.control_pages);
		memset(memory[control[i].pfn], 0xc0, PAGE_SIZE << control[i].order);
	}
	take_row(5, 1, KEPT);

	/* Purgatory, of two pages: the number may lie across their border. */
	add_segment(2, 1, &page_nr);
	at = random_below(2) ? PAGE_SIZE - random_below(8) :
			       random_below(2 * PAGE_SIZE - sizeof(u64) + 1);
	add_segment(20, ALIGNMENT, &page_nr);
	add_segment(1 + random_below(10), 1, &page_nr);
	add_entry(IND_DONE);

	kernel = (struct kho_kernel) {
		.size = 20 * PAGE_SIZE,
		.align = ALIGNMENT * PAGE_SIZE,
		.min = random_below(40) * PAGE_SIZE,
		.limit = (FRAMES - random_below(40)) * PAGE_SIZE,
		.entry = random_below(20 * PAGE_SIZE),
		.random = random_below(10),
		.mem = image.segment[1].mem,
		.entry_pa = image.segment[0].mem + at,
	};
	image.kernel = &kernel;
	/* Others' memory, which may be written to */
	while (crowd--)
		memory[take(FREE)][0] = 1;
}

/* Is this a place, as everybody can see? */
static bool is_place(unsigned long pfn)
{
	unsigned long i;

	if (pfn % ALIGNMENT || pfn * PAGE_SIZE < kernel.min ||
	    (pfn + 20) * PAGE_SIZE > kernel.limit)
		return false;
	for (i = pfn; i < pfn + 20; i++)
		if (!in_hole[i] ||
		    (use[i] != FREE && !(use[i] == DEST &&
					 i * PAGE_SIZE >= image.segment[1].mem &&
					 i * PAGE_SIZE < image.segment[1].mem + 20 * PAGE_SIZE)))
			return false;
	return true;
}

/* As the jump does it */
static void copy_segments(void)
{
	kimage_entry_t *entry = &image.head;
	unsigned long dest = 0;

	while (!(*entry & IND_DONE)) {
		if (*entry & IND_INDIRECTION) {
			entry = boot_phys_to_virt(*entry & PAGE_MASK);
			continue;
		}
		if (*entry & IND_DESTINATION) {
			dest = *entry & PAGE_MASK;
		} else {
			memmove(boot_phys_to_virt(dest),
				boot_phys_to_virt(*entry & PAGE_MASK), PAGE_SIZE);
			dest += PAGE_SIZE;
		}
		entry++;
	}
}

static void check_copies(u64 rip)
{
	unsigned long at = kernel.entry_pa - image.segment[0].mem, i, j, k = 0;

	memcpy((u8 *)want + at, &rip, sizeof(rip));
	copy_segments();
	for (i = 0; i < image.nr_segments; i++)
		for (j = 0; j < image.segment[i].memsz / PAGE_SIZE; j++, k++)
			CHECK(!memcmp(boot_phys_to_virt(image.segment[i].mem + j * PAGE_SIZE),
				      want[k], PAGE_SIZE));
	for (i = 0; i < ARRAY_SIZE(control); i++)
		for (j = 0; j < PAGE_SIZE << control[i].order; j++)
			CHECK(((u8 *)memory[control[i].pfn])[j] == 0xc0);
}

/* Did somebody write the entry point? */
static bool written(void)
{
	u64 is = 0, i;

	for (i = 0; i < sizeof(is); i++) {
		kimage_entry_t *entry = find_entry(&image, kernel.entry_pa + i,
						   IND_SOURCE);

		((u8 *)&is)[i] = *((u8 *)boot_phys_to_virt(*entry & PAGE_MASK) +
				   offset_in_page(kernel.entry_pa + i));
	}
	return is == kernel.mem + kernel.entry;
}

static unsigned long nr_moved;

static void test_one(void)
{
	static bool place[FRAMES];
	unsigned long before, pfn, at;
	u64 rip;

	make_holes(1 + random_below(60));
	make_image();
	before = kernel.mem;
	for (pfn = 0; pfn + 20 <= FRAMES; pfn++)
		place[pfn] = is_place(pfn);
	at = kernel.entry_pa - image.segment[0].mem;
	memcpy(&rip, (u8 *)want + at, sizeof(rip));

	kho_kernel_scatter(&image);
	CHECK(image.segment[1].mem == kernel.mem);
	if (kernel.mem != before) {
		nr_moved++;
		CHECK(kernel.random && place[kernel.mem / PAGE_SIZE] && written());
	}
	/* (where nothing was found, it enters what it did before) */
	if (written())
		rip = kernel.mem + kernel.entry;
	check_copies(rip);
}

/* Each place is as likely as each other. */
static void test_spread(void)
{
	static unsigned long seen[FRAMES];
	struct kho_kernel at_first;
	unsigned long pfn, places = 0, i, rounds;
	double expected, sum = 0;

	do {
		make_holes(2);
		make_image();
		kernel.random = true;
		for (places = 0, pfn = 0; pfn + 20 <= FRAMES; pfn++)
			places += is_place(pfn);
	} while (places < 4);
	at_first = kernel;
	memset(seen, 0, sizeof(seen));
	rounds = 400 * places;
	for (i = 0; i < rounds; i++) {
		u64 to;

		do
			to = random_place(&kernel, hole, nr_holes);
		while (!to || !may_go_to(&image, &at_first, to));
		seen[to / PAGE_SIZE]++;
	}
	expected = rounds / places;
	for (pfn = 0; pfn + 20 <= FRAMES; pfn++) {
		CHECK(is_place(pfn) == !!seen[pfn]);
		if (seen[pfn])
			sum += (seen[pfn] - expected) * (seen[pfn] - expected) / expected;
	}
	/* Chi-squared: with so many degrees of freedom it is hardly ever twice their number. */
	CHECK(sum < 2 * places + 20);
}

int main(void)
{
	unsigned long i, count;

	test_begin("kaslr");
	count = test_count(1000);
	for (i = 0; i < count; i++)
		test_one();
	CHECK(nr_moved > count / 10);
	for (i = 0; i < 1 + count / 50; i++)
		test_spread();
	test_end("%lu images, of which %lu moved", count, nr_moved);
	return 0;
}
