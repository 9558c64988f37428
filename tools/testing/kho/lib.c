// SPDX-License-Identifier: GPL-2.0-only
/* What the user-space tests share, see lib.h. */
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <linux/slab.h>
#include <linux/kho/abi/handover.h>

#include "lib.h"
#include "../../../kernel/kho/internal.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN
#endif
#endif

#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)	((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size)	((void)(at), (void)(size))
#endif

#define ALL_FRAMES	BIT(KHO_MAP_PFN_BITS)

static const char *name = "test";
static u64 seed = 1;
static __thread u64 state = 1;

void test_fail(const char *file, int line, const char *what)
{
	printf("%s: FAILED at %s:%d: %s (SEED=%llu)\n", name, file, line, what,
	       seed);
	fflush(stdout);
	abort();
}

unsigned long test_count(unsigned long count)
{
	const char *given = getenv("COUNT");

	return given && *given ? strtoul(given, NULL, 0) : count;
}

void test_begin(const char *test)
{
	const char *given = getenv("SEED");

	name = test;
	if (given && *given)
		seed = strtoull(given, NULL, 0);
	random_seed(seed);
}

void test_end(const char *fmt, ...)
{
	va_list args;

	printf("%s: ok: ", name);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf(", SEED=%llu\n", seed);
}

/* Xorshift, with a multiplication so that low bits are random too. */
void random_seed(u64 from)
{
	state = (from + seed * 1000003) * 0x9e3779b97f4a7c15ULL | 1;
}

u64 random_u64(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

u64 random_below(u64 limit)
{
	return random_u64() % limit;
}

long alloc_budget = -1;
bool alloc_failed;

static struct {
	pthread_mutex_t lock;
	char *base;
	bool *used;
	unsigned long *free;		/* a stack of indices */
	unsigned long nr, nr_free;
	unsigned long first, stride, inverse;
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool (*arena_guard)(phys_addr_t pa);

static unsigned long arena_pfn(unsigned long index)
{
	return (arena.first + index * arena.stride) % ALL_FRAMES;
}

static unsigned long arena_index(unsigned long pfn)
{
	return (pfn - arena.first) * arena.inverse % ALL_FRAMES;
}

static void set_frames(unsigned long first, unsigned long stride)
{
	int i;

	CHECK(stride & 1);
	arena.first = first;
	arena.stride = stride;
	/* Newton: each step doubles the number of right bits. */
	for (arena.inverse = 1, i = 0; i < 6; i++)
		arena.inverse *= 2 - stride * arena.inverse;
}

void arena_init(unsigned long nr, unsigned long first, unsigned long stride)
{
	unsigned long i;

	arena.base = mmap(NULL, nr * PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(arena.base != MAP_FAILED);
	ASAN_POISON_MEMORY_REGION(arena.base, nr * PAGE_SIZE);
	arena.used = calloc(nr, sizeof(*arena.used));
	arena.free = calloc(nr, sizeof(*arena.free));
	CHECK(arena.used && arena.free);
	arena.nr = nr;
	arena.nr_free = nr;
	for (i = 0; i < nr; i++)
		arena.free[i] = nr - 1 - i;
	set_frames(first, stride);
}

static bool frames_allowed(const struct kho_range *banned, unsigned int nr_banned)
{
	unsigned long i;
	unsigned int j;

	for (i = 0; i < arena.nr; i++) {
		if (!arena_pfn(i))
			return false;
		for (j = 0; j < nr_banned; j++)
			if (arena_pfn(i) >= banned[j].start &&
			    arena_pfn(i) < banned[j].end)
				return false;
	}
	return true;
}

void arena_init_random(unsigned long nr, const struct kho_range *banned,
		       unsigned int nr_banned)
{
	arena_init(nr, 0, 1);
	/* Not too far from each other: every leaf that is touched is a page. */
	while (!frames_allowed(banned, nr_banned))
		set_frames((random_below(ALL_FRAMES) >> random_below(30)) - nr,
			   random_below(2) ? 1 : random_below(2048) | 1);
}

unsigned long arena_used(void)
{
	return arena.nr - arena.nr_free;
}

void arena_exit(void)
{
	CHECK(!arena_used());
	munmap(arena.base, arena.nr * PAGE_SIZE);
	ASAN_UNPOISON_MEMORY_REGION(arena.base, arena.nr * PAGE_SIZE);
	free(arena.used);
	free(arena.free);
}

bool arena_has(phys_addr_t pa)
{
	unsigned long index = arena_index(pa >> PAGE_SHIFT);

	return PAGE_ALIGNED(pa) && pa >> PAGE_SHIFT < ALL_FRAMES &&
	       index < arena.nr && arena.used[index];
}

static bool may_allocate(void)
{
	if (alloc_budget < 0)
		return true;
	if (alloc_budget) {
		alloc_budget--;
		return true;
	}
	alloc_failed = true;
	return false;
}

void *kho_alloc_pages(unsigned int order)
{
	void *page = NULL;
	unsigned long index;

	CHECK(order == 0);
	pthread_mutex_lock(&arena.lock);
	if (may_allocate()) {
		CHECK(arena.nr_free);
		index = arena.free[--arena.nr_free];
		arena.used[index] = true;
		page = arena.base + index * PAGE_SIZE;
		ASAN_UNPOISON_MEMORY_REGION(page, PAGE_SIZE);
		memset(page, 0, PAGE_SIZE);
	}
	pthread_mutex_unlock(&arena.lock);
	return page;
}

void free_page(unsigned long page)
{
	unsigned long index = (page - (unsigned long)arena.base) / PAGE_SIZE;

	CHECK(page % PAGE_SIZE == 0 && index < arena.nr);
	pthread_mutex_lock(&arena.lock);
	CHECK(arena.used[index]);
	memset((void *)page, 0xa5, PAGE_SIZE);
	ASAN_POISON_MEMORY_REGION((void *)page, PAGE_SIZE);
	arena.used[index] = false;
	arena.free[arena.nr_free++] = index;
	pthread_mutex_unlock(&arena.lock);
}

void *phys_to_virt(phys_addr_t pa)
{
	unsigned long index = arena_index(pa >> PAGE_SHIFT);

	CHECK(pa >> PAGE_SHIFT < ALL_FRAMES && index < arena.nr);
	CHECK(!arena_guard || arena_guard(pa));
	return arena.base + index * PAGE_SIZE + pa % PAGE_SIZE;
}

phys_addr_t virt_to_phys(const void *va)
{
	unsigned long offset = (const char *)va - arena.base;

	CHECK(offset / PAGE_SIZE < arena.nr);
	return (arena_pfn(offset / PAGE_SIZE) << PAGE_SHIFT) + offset % PAGE_SIZE;
}

void *test_zalloc(size_t size)
{
	return may_allocate() ? calloc(1, size) : NULL;
}

void test_free(void *ptr)
{
	free(ptr);
}
