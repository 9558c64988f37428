// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-frames: a device that was preserved goes on with DMA to the frames that the
 * old kernel told its IOMMU. So from retrieve until finish, whatever else may happen
 * to a page that was touched, it stays in its frame; afterwards it is like any other.
 *
 *	kho-frames make		make and preserve files; a process stays
 *	kho-frames take		retrieve and touch them, try to move their pages,
 *				finish, and move them
 *
 * Needs two nodes, swap space, and huge pages in the pools of both nodes.
 */
#include <stdbool.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "kho-file.h"

#define HUGE		512UL
#define PAGES		(2 * HUGE)
/* What compaction finds to move: so many pages each time, and so many times at most */
#define LITTER		4096UL
#define LITTERS		16
/* Some pages are also locked in memory meanwhile. */
#define LOCKED		(HUGE + 16)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

enum kind { SMALL, LARGE, HUGETLB, KINDS };

static const char * const kind_names[] = {
	"4 KiB pages", "2 MiB pages", "hugetlb pages",
};

/**
 * struct file - a file that came back
 * @kind: what pages it had
 * @mem: its mapping
 * @pfn: where its pages are
 */
struct file {
	enum kind kind;
	uint64_t *mem;
	uint64_t pfn[PAGES];
};

/* As map(), such that huge pages fit */
static uint64_t *map_aligned(int fd)
{
	const uintptr_t align = HUGE * PAGE;
	uintptr_t at = must(mmap(NULL, PAGES * PAGE + align, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	at = (at + align - 1) / align * align;
	return (void *)must(mmap((void *)at, PAGES * PAGE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, fd, 0));
}

static void make(void)
{
	unsigned long node_0 = 1;
	int session, fd[KINDS];

	must(syscall(SYS_set_mempolicy, MPOL_BIND, &node_0, 8 * sizeof(node_0)));
	session = make_session("frames", LIVEUPDATE_IOCTL_CREATE_SESSION);
	fd[SMALL] = must(memfd_create("small", 0));
	fd[LARGE] = must(open("/mnt/huge/large", O_RDWR | O_CREAT, 0600));
	fd[HUGETLB] = must(memfd_create("hugetlb", MFD_HUGETLB | MFD_HUGE_2MB));
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t *mem;

		about = kind_names[kind];
		must(ftruncate(fd[kind], PAGES * PAGE));
		mem = map_aligned(fd[kind]);
		for (uint64_t page = 0; page < PAGES; page++)
			fill_page(mem + page * WORDS, kind, page);
		must(preserve(session, fd[kind], kind));
	}
	go_on();
}

/* Contents are right; so all pages are mapped. */
static void compare(const struct file *file)
{
	for (uint64_t page = 0; page < PAGES; page++)
		check(page_is(file->mem + page * WORDS, file->kind, page));
}

/* How many of the pages, each @step of which is there, are elsewhere than at the last look? */
static unsigned int look_at(const uint64_t *mem, uint64_t pages, unsigned int step,
			    uint64_t *pfn)
{
	int fd = must(open("/proc/self/pagemap", O_RDONLY));
	unsigned int nr = 0;
	uint64_t entry;

	for (uint64_t page = 0; page < pages; page += step) {
		must_all(sizeof(entry),
			 pread(fd, &entry, sizeof(entry),
			       ((uintptr_t)mem / PAGE + page) * sizeof(entry)));
		/* Present, and the caller may see where */
		check(entry >> 63);
		entry &= (1ULL << 55) - 1;
		check(entry);
		nr += pfn[page] != entry;
		pfn[page] = entry;
	}
	close(fd);
	return nr;
}

static unsigned int look(struct file *file)
{
	compare(file);
	return look_at(file->mem, PAGES, 1, file->pfn);
}

static unsigned int step_of(const struct file *file)
{
	return file->kind == SMALL ? 1 : HUGE;
}

static int node_of(void *mem)
{
	int status;

	must(syscall(SYS_move_pages, 0, 1UL, &mem, NULL, &status, 0));
	return must(status);
}

static void by_moving(struct file *file)
{
	const unsigned int step = step_of(file);
	const int node = 1 - node_of(file->mem);
	int nodes[PAGES], status[PAGES];
	unsigned long nr = 0;
	void *at[PAGES];

	for (uint64_t page = 0; page < PAGES; page += step) {
		at[nr] = file->mem + page * WORDS;
		nodes[nr++] = node;
	}
	/* Returns how many it could not move */
	must(syscall(SYS_move_pages, 0, nr, at, nodes, status, MPOL_MF_MOVE));
}

static void by_migrating(struct file *file)
{
	unsigned long from = 1UL << node_of(file->mem), to = 3 - from;

	must(syscall(SYS_migrate_pages, 0, 8 * sizeof(from), &from, &to));
}

/* Refused where memory is locked, and for hugetlb pages. */
static void by_paging_out(struct file *file)
{
	madvise(file->mem, PAGES * PAGE, MADV_PAGEOUT);
}

static void by_collapsing(struct file *file)
{
	madvise(file->mem, PAGES * PAGE, MADV_COLLAPSE);
}

/* More memory on the node, in which every other page is free */
static uint64_t *make_litter(unsigned long node)
{
	int fd = must(memfd_create("litter", 0));
	uint64_t *mem;

	must(ftruncate(fd, LITTER * PAGE));
	mem = map(fd, LITTER);
	must(syscall(SYS_set_mempolicy, MPOL_BIND, &node, 8 * sizeof(node)));
	for (uint64_t page = 0; page < LITTER; page++)
		mem[page * WORDS] = page;
	must(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	for (uint64_t page = 1; page < LITTER; page += 2)
		must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       page * PAGE, PAGE));
	close(fd);
	return mem;
}

/*
 * All of memory. Whether it has anything to move is chance, and it gives up when it
 * meets a page that it cannot move: so it gets more and more litter on the same node,
 * until it has moved some of that. Only then does it mean something that it has not
 * moved the file.
 */
static void by_compacting(struct file *file)
{
	static uint64_t pfn[LITTERS][LITTER];
	int fd = must(open("/proc/sys/vm/compact_memory", O_WRONLY));
	unsigned int i, nr, moved = 0;
	uint64_t *litter[LITTERS];

	for (nr = 0; nr < LITTERS && !moved;) {
		litter[nr] = make_litter(1UL << node_of(file->mem));
		nr++;
		for (i = 0; i < nr; i++)
			look_at(litter[i], LITTER, 2, pfn[i]);
		must_all(1, write(fd, "1", 1));
		for (i = 0; i < nr; i++)
			moved += look_at(litter[i], LITTER, 2, pfn[i]);
	}
	for (i = 0; i < nr; i++)
		must(munmap(litter[i], LITTER * PAGE));
	close(fd);
	if (!moved)
		failed(__LINE__, "compaction has moved nothing", NULL);
	printf("%s: compaction moved %u other pages, of %u pieces of litter\n", about, moved, nr);
}

/**
 * struct way - a way in which pages get elsewhere
 * @name: of it
 * @try: do it
 * @swaps: to swap space
 * @kinds: bits of the kinds of file whose pages it does move
 */
struct way {
	const char *name;
	void (*try)(struct file *file);
	bool swaps;
	unsigned int kinds;
};

/* Collapsing comes first, as the file no longer has small pages then. */
static const struct way ways[] = {
	{ "MADV_COLLAPSE", by_collapsing, false, 1 << SMALL },
	{ "move_pages()", by_moving, false, 1 << SMALL | 1 << LARGE | 1 << HUGETLB },
	{ "migrate_pages()", by_migrating, false,
	  1 << SMALL | 1 << LARGE | 1 << HUGETLB },
	{ "MADV_PAGEOUT", by_paging_out, true, 1 << SMALL | 1 << LARGE },
	/* Whether it moves these pages when it may is chance. */
	{ "compaction", by_compacting, false, 0 },
};

/* Try all ways on all files, and say what happens that should not. */
static bool try_all(struct file *files, bool finished)
{
	bool ok = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *way = &ways[i];

		for (unsigned int kind = 0; kind < KINDS; kind++) {
			struct file *file = &files[kind];
			bool as_wanted, moves = way->kinds & 1 << kind;
			unsigned int nr;
			long swap;

			about = kind_names[kind];
			/* migrate_pages() moved this one when it was another's turn. */
			look(file);
			swap = kib_of("SwapFree");
			way->try(file);
			swap -= kib_of("SwapFree");
			nr = look(file);
			if (!finished)
				as_wanted = !nr && swap <= 0;
			else
				as_wanted = !moves ||
					    (way->swaps ?
					     swap >= (long)(PAGES * PAGE / 2048) :
					     nr == PAGES);
			if (as_wanted)
				continue;
			fprintf(stderr, "%s, %s, %sfinished: %u of %lu pages moved, %ld KiB out\n",
				kind_names[kind], way->name,
				finished ? "" : "not ", nr, PAGES, swap);
			ok = false;
		}
	}
	about = NULL;
	return ok;
}

static bool is_near(const char *name, long before)
{
	long now = kib_of(name);

	if (now - before < 256 && before - now < 256)
		return true;
	fprintf(stderr, "%s was %ld KiB and is %ld KiB\n", name, before, now);
	return false;
}

static void take(void)
{
	long unevictable = kib_of("Unevictable"), mlocked = kib_of("Mlocked");
	static struct file files[KINDS];
	bool ok;
	int session = make_session("frames", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);

	for (unsigned int kind = 0; kind < KINDS; kind++) {
		files[kind].kind = kind;
		files[kind].mem = map_aligned(retrieve(session, kind));
		look(&files[kind]);
		if (kind != HUGETLB)
			must(mlock(files[kind].mem, LOCKED * PAGE));
	}
	ok = try_all(files, false);
	/* Locked pages would have stayed without any of this. */
	for (unsigned int kind = 0; kind < KINDS; kind++)
		must(munlock(files[kind].mem, LOCKED * PAGE));
	ok &= try_all(files, false);
	finish(session);
	ok &= try_all(files, true);
	ok &= is_near("Unevictable", unevictable);
	ok &= is_near("Mlocked", mlocked);
	check(ok);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "make"))
		return in_background(make);
	if (argc != 2 || strcmp(argv[1], "take"))
		return 2;
	take();
	return 0;
}
