/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Struct pages that are initialised after a kexec has come to an end, see mm/late_memmap.c.
 */
#ifndef _LINUX_LATE_MEMMAP_H
#define _LINUX_LATE_MEMMAP_H

#include <linux/jump_label.h>
#include <linux/types.h>

struct zone;

#ifdef CONFIG_LATE_MEMMAP

DECLARE_STATIC_KEY_FALSE(late_memmap_key);

/* Are there struct pages that are not initialised yet? */
static inline bool late_memmap_is_under_way(void)
{
	return static_branch_unlikely(&late_memmap_key);
}

void __late_memmap_ensure(unsigned long pfn);

/**
 * late_memmap_ensure - have the struct page of a frame, and those around it, initialised
 * @pfn: the frame, of any kind or none
 *
 * For whoever has a frame's number from elsewhere than from the page allocator.
 *
 * Context: any but NMI, whatever locks are held; interrupts are off for some 50 microseconds
 */
static inline void late_memmap_ensure(unsigned long pfn)
{
	if (late_memmap_is_under_way())
		__late_memmap_ensure(pfn);
}

void late_memmap_settle(unsigned long pfn, unsigned long nr_frames);
void late_memmap_leave(const void *map, unsigned long size);
bool late_memmap_is_left(phys_addr_t phys);
bool late_memmap_leave_low(int nid, unsigned long pfn, unsigned long end_pfn);
bool late_memmap_is_low(unsigned long pfn);
void late_memmap_begin(void);
bool late_memmap_has_begun(void);
void late_memmap_rush(void);
void late_memmap_finish(void);
void late_memmap_wait(void);
bool late_memmap_grow(struct zone *zone);
bool late_memmap_grow_early(struct zone *zone);
unsigned long late_memmap_pages(void);

#else

static inline bool late_memmap_is_under_way(void)
{
	return false;
}

static inline void late_memmap_ensure(unsigned long pfn)
{
}

static inline void late_memmap_settle(unsigned long pfn, unsigned long nr_frames)
{
}

static inline void late_memmap_leave(const void *map, unsigned long size)
{
}

static inline bool late_memmap_is_left(phys_addr_t phys)
{
	return false;
}

static inline bool late_memmap_leave_low(int nid, unsigned long pfn, unsigned long end_pfn)
{
	return false;
}

static inline bool late_memmap_is_low(unsigned long pfn)
{
	return false;
}

static inline void late_memmap_begin(void)
{
}

static inline bool late_memmap_has_begun(void)
{
	return false;
}

static inline void late_memmap_rush(void)
{
}

static inline void late_memmap_finish(void)
{
}

static inline void late_memmap_wait(void)
{
}

static inline bool late_memmap_grow(struct zone *zone)
{
	return false;
}

static inline bool late_memmap_grow_early(struct zone *zone)
{
	return false;
}

static inline unsigned long late_memmap_pages(void)
{
	return 0;
}

#endif
#endif
