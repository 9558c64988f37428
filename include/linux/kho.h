/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kexec handover: memory that survives a kexec, and owners that participate.
 *
 * Two groups of users, two groups of declarations: owners (drivers and subsystems
 * that hand something over), and the hooks in existing kernel code. What is
 * private to the core is in kernel/kho/internal.h; what crosses the kexec is in
 * include/linux/kho/abi/.
 */
#ifndef _LINUX_KHO_H
#define _LINUX_KHO_H

#include <linux/errno.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/types.h>

struct device;
struct folio;
struct kexec_buf;
struct kho_owner;
struct kimage;
struct page;
struct resource;

/**
 * struct kho_vmalloc - a preserved vmalloc area, to be kept in an owner's data
 * @first_pa: first page of a list of the area's pages
 * @nr_pages: pages of the area
 * @reserved: 0
 */
struct kho_vmalloc {
	u64 first_pa;
	u32 nr_pages;
	u32 reserved;
};

/**
 * struct kho_owner_ops - how an owner participates in a handover
 * @activate: start of preparation: serialise in bulk, freeze layouts; guests
 *	      and DMA go on. Refusing is returning an errno.
 * @deactivate: undo @activate
 * @finalize: last changes to the owner's subtree before it is sealed. Runs in
 *	      the blackout: be quick.
 * @unfinalize: undo @finalize
 * @jump: the last point at which the jump can be refused: after it nobody may make
 *	  the way to the next kernel wait. Be quick, and change nothing that crosses
 * @unjump: undo @jump: the jump was refused after all
 * @discard: the operator gives up the owner's incoming subtree: quiesce and
 *	     free what it describes, with kho_discard_range()
 *
 * All may be NULL, all may sleep. They are called in the order of registration
 * and undone in the reverse order; an undo never fails and is called only for
 * an owner whose step succeeded. They may preserve memory and add and remove
 * subtrees, but not register or unregister owners.
 */
struct kho_owner_ops {
	int (*activate)(struct kho_owner *owner);
	void (*deactivate)(struct kho_owner *owner);
	int (*finalize)(struct kho_owner *owner);
	void (*unfinalize)(struct kho_owner *owner);
	int (*jump)(struct kho_owner *owner);
	void (*unjump)(struct kho_owner *owner);
	int (*discard)(struct kho_owner *owner, phys_addr_t fdt);
};

/**
 * struct kho_owner - a driver or subsystem that hands something over
 * @name: name of its subtree, as given to kho_add_subtree()
 * @ops: its part in a handover
 * @list: private to the core
 */
struct kho_owner {
	const char *name;
	const struct kho_owner_ops *ops;
	struct list_head list;
};

#define KHO_ITEM_NAME_MAX	31
#define KHO_ITEM_REASON_MAX	95

/**
 * struct kho_in_item - a part of an owner's subtree that has a state of its own
 * @list: private to the core
 * @owner: name of the subtree
 * @name: of the part
 * @state: as the operator reads it
 * @reason: why, or ""
 */
struct kho_in_item {
	struct list_head list;
	const char *owner;
	char name[KHO_ITEM_NAME_MAX + 1];
	const char *state;
	char reason[KHO_ITEM_REASON_MAX + 1];
};

/**
 * struct kho_cmdline_need - what must not be on the next kernel's command line
 * @list: private to the core
 * @check: the parameter that would keep it from taking over what is preserved now,
 *	   such as "intel_iommu=off", or NULL, or an ERR_PTR(). May sleep.
 * @why: what the parameter does, for last_error
 */
struct kho_cmdline_need {
	struct list_head list;
	const char *(*check)(const char *cmdline);
	const char *why;
};

#ifdef CONFIG_KEXEC_HANDOVER

bool kho_is_enabled(void);
bool is_kho_boot(void);

int kho_preserve_folio(struct folio *folio);
void kho_unpreserve_folio(struct folio *folio);
struct folio *kho_restore_folio(phys_addr_t phys);
bool kho_can_restore_folio(phys_addr_t phys, unsigned int order);

int kho_preserve_folios(struct folio *folio, unsigned long nr);
void kho_unpreserve_folios(struct folio *folio, unsigned long nr);

int kho_preserve_pages(struct page *page, unsigned long nr_pages);
void kho_unpreserve_pages(struct page *page, unsigned long nr_pages);
struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr_pages);
struct folio *kho_restore_pages_as_folio(phys_addr_t phys, unsigned int order);

int kho_preserve_range(phys_addr_t phys, size_t size);
void kho_unpreserve_range(phys_addr_t phys, size_t size);
int kho_restore_range(phys_addr_t phys, size_t size);
int kho_discard_range(phys_addr_t phys, size_t size);
bool kho_is_pending(phys_addr_t phys, size_t size);
bool kho_was_withdrawn(phys_addr_t phys, size_t size);

bool kho_is_kept(phys_addr_t phys, size_t size);

int kho_preserve_vmalloc(void *ptr, struct kho_vmalloc *preservation);
void kho_unpreserve_vmalloc(struct kho_vmalloc *preservation);
void *kho_restore_vmalloc(const struct kho_vmalloc *preservation);

void *kho_alloc_preserve(size_t size);
void kho_unpreserve_free(void *mem);
void kho_restore_free(void *mem);

int kho_add_subtree(const char *name, void *blob, size_t size);
int kho_add_optional_subtree(const char *name, void *fdt, size_t size);
void kho_remove_subtree(void *blob);
bool kho_may_have(const char *name);
int kho_retrieve_subtree(const char *name, phys_addr_t *phys, size_t *size);
void kho_reject_subtree(const char *name, const char *reason);
void kho_finish_subtree(const char *name);
int kho_need_version(const char *version);
void kho_unneed_version(const char *version);
void kho_add_cmdline_need(struct kho_cmdline_need *need);
int kho_cmdline_walk(const char *cmdline,
		     bool (*look)(const char *name, const char *value,
				  void *data), void *data);

void kho_add_in_item(struct kho_in_item *item);
__printf(3, 4) void kho_set_in_item(struct kho_in_item *item, const char *state,
				    const char *fmt, ...);
void kho_del_in_item(struct kho_in_item *item);

int kho_register_owner(struct kho_owner *owner);
void kho_unregister_owner(struct kho_owner *owner);
__printf(2, 3) void kho_refuse(struct kho_owner *owner, const char *fmt, ...);

u64 kho_stage_begin(void);
void kho_stage_end(const char *stage, const char *what, u64 begin);
void kho_note_device(const struct device *dev, const char *step, int rc);

/* Hooks: early boot (kernel/kho/early.c, early_subtree.c, stages.c) */
void kho_early_setup(phys_addr_t header_pa);
bool kho_early_scoped(void);
phys_addr_t kho_early_find(phys_addr_t start, phys_addr_t end, phys_addr_t size,
			   phys_addr_t align, bool top_down);
const void *kho_early_subtree(const char *name, const char *compatible);
bool kho_early_read_prop(const char *name, const char *compatible,
			 const char *prop, void *buf, int size);
void kho_early_free_begin(void);
void kho_early_free_end(void);
bool kho_next_free_range(unsigned long *pfn, unsigned long end,
			 unsigned long *range_end);
bool kho_has_free_range(unsigned long pfn, unsigned long end);
void kho_boot_part(const char *stage, const char *what, u64 begin);
void kho_initcall_done(int (*fn)(void), u64 begin);
void kho_boot_ends(void);

bool kho_leave_initrd(unsigned long start, unsigned long end);
bool kho_leave_bounce(void *start, size_t size);
void kho_forget_bounce(void);
void kho_clear_bounce(void);
unsigned long kho_table_pages(unsigned long pages, bool cleared);

/* Hooks: kexec (kernel/kho/image.c, zone.c, jump.c, stages.c) */
int kho_kexec_load_check(unsigned long flags);
int kho_image_probe(struct kimage *image, const char *kernel,
		    unsigned long kernel_len, const char *cmdline);
bool kho_image_receives(const struct kimage *image);
int kho_locate_mem_hole(struct kexec_buf *kbuf,
			int (*func)(struct resource *, void *));
void kho_image_loaded(struct kimage *image);
void kho_image_free(struct kimage *image);
int kho_kexec_prepare(void);
phys_addr_t kho_image_header(const struct kimage *image);
void kho_stages_leave(void);

#else

static inline bool kho_is_enabled(void) { return false; }
static inline bool is_kho_boot(void) { return false; }

static inline int kho_preserve_folio(struct folio *folio)
{
	return -EOPNOTSUPP;
}

static inline void kho_unpreserve_folio(struct folio *folio) { }

static inline struct folio *kho_restore_folio(phys_addr_t phys)
{
	return NULL;
}

static inline bool kho_can_restore_folio(phys_addr_t phys, unsigned int order)
{
	return false;
}

static inline int kho_preserve_folios(struct folio *folio, unsigned long nr)
{
	return -EOPNOTSUPP;
}

static inline void kho_unpreserve_folios(struct folio *folio,
					 unsigned long nr) { }

static inline int kho_preserve_pages(struct page *page, unsigned long nr_pages)
{
	return -EOPNOTSUPP;
}

static inline void kho_unpreserve_pages(struct page *page,
					unsigned long nr_pages) { }

static inline struct page *kho_restore_pages(phys_addr_t phys,
					     unsigned long nr_pages)
{
	return NULL;
}

static inline int kho_preserve_range(phys_addr_t phys, size_t size)
{
	return -EOPNOTSUPP;
}

static inline void kho_unpreserve_range(phys_addr_t phys, size_t size) { }

static inline int kho_restore_range(phys_addr_t phys, size_t size)
{
	return -EOPNOTSUPP;
}

static inline int kho_discard_range(phys_addr_t phys, size_t size)
{
	return -EOPNOTSUPP;
}

static inline bool kho_is_kept(phys_addr_t phys, size_t size)
{
	return false;
}

static inline bool kho_is_pending(phys_addr_t phys, size_t size)
{
	return false;
}

static inline bool kho_was_withdrawn(phys_addr_t phys, size_t size)
{
	return false;
}

static inline int kho_preserve_vmalloc(void *ptr,
				       struct kho_vmalloc *preservation)
{
	return -EOPNOTSUPP;
}

static inline void kho_unpreserve_vmalloc(struct kho_vmalloc *preservation) { }

static inline void *kho_restore_vmalloc(const struct kho_vmalloc *preservation)
{
	return NULL;
}

static inline void *kho_alloc_preserve(size_t size)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void kho_unpreserve_free(void *mem) { }
static inline void kho_restore_free(void *mem) { }

static inline int kho_add_subtree(const char *name, void *blob, size_t size)
{
	return -EOPNOTSUPP;
}

static inline int kho_add_optional_subtree(const char *name, void *fdt,
					   size_t size)
{
	return -EOPNOTSUPP;
}

static inline void kho_remove_subtree(void *blob) { }

static inline bool kho_may_have(const char *name)
{
	return false;
}

static inline int kho_retrieve_subtree(const char *name, phys_addr_t *phys,
				       size_t *size)
{
	return -EOPNOTSUPP;
}

static inline void kho_reject_subtree(const char *name, const char *reason) { }
static inline void kho_finish_subtree(const char *name) { }

static inline int kho_need_version(const char *version)
{
	return -EOPNOTSUPP;
}

static inline void kho_unneed_version(const char *version) { }
static inline void kho_add_cmdline_need(struct kho_cmdline_need *need) { }

static inline int kho_cmdline_walk(const char *cmdline,
				   bool (*look)(const char *name,
						const char *value, void *data),
				   void *data)
{
	return -EOPNOTSUPP;
}

static inline void kho_add_in_item(struct kho_in_item *item) { }

static inline __printf(3, 4)
void kho_set_in_item(struct kho_in_item *item, const char *state,
		     const char *fmt, ...)
{
}

static inline void kho_del_in_item(struct kho_in_item *item) { }

static inline int kho_register_owner(struct kho_owner *owner)
{
	return -EOPNOTSUPP;
}

static inline void kho_unregister_owner(struct kho_owner *owner) { }

static inline __printf(2, 3)
void kho_refuse(struct kho_owner *owner, const char *fmt, ...) { }

static inline u64 kho_stage_begin(void) { return 0; }

static inline void kho_stage_end(const char *stage, const char *what, u64 begin)
{
}

static inline void kho_note_device(const struct device *dev, const char *step,
				   int rc)
{
}

static inline void kho_early_setup(phys_addr_t header_pa) { }
static inline bool kho_early_scoped(void) { return false; }

static inline phys_addr_t kho_early_find(phys_addr_t start, phys_addr_t end,
					 phys_addr_t size, phys_addr_t align,
					 bool top_down)
{
	return 0;
}

static inline void kho_early_free_begin(void) { }
static inline void kho_early_free_end(void) { }

static inline bool kho_next_free_range(unsigned long *pfn, unsigned long end,
				       unsigned long *range_end)
{
	*range_end = end;
	return *pfn < end;
}

static inline void kho_boot_part(const char *stage, const char *what,
				 u64 begin) { }
static inline void kho_initcall_done(int (*fn)(void), u64 begin) { }
static inline void kho_boot_ends(void) { }

static inline bool kho_leave_initrd(unsigned long start, unsigned long end)
{
	return false;
}

static inline bool kho_leave_bounce(void *start, size_t size)
{
	return false;
}

static inline void kho_forget_bounce(void) { }
static inline void kho_clear_bounce(void) { }

static inline unsigned long kho_table_pages(unsigned long pages, bool cleared)
{
	return pages;
}

static inline int kho_kexec_load_check(unsigned long flags)
{
	return 0;
}

static inline int kho_image_probe(struct kimage *image, const char *kernel,
				  unsigned long kernel_len, const char *cmdline)
{
	return 0;
}

static inline bool kho_image_receives(const struct kimage *image)
{
	return false;
}

static inline int kho_locate_mem_hole(struct kexec_buf *kbuf,
				      int (*func)(struct resource *, void *))
{
	return -EOPNOTSUPP;
}

static inline void kho_image_loaded(struct kimage *image) { }
static inline void kho_image_free(struct kimage *image) { }

static inline int kho_kexec_prepare(void)
{
	return 0;
}

static inline phys_addr_t kho_image_header(const struct kimage *image)
{
	return 0;
}

static inline void kho_stages_leave(void) { }

#endif /* CONFIG_KEXEC_HANDOVER */

/*
 * Whether a test wants to see what happens when just this is not preserved; and where a
 * test can have somebody wait, to see what others do meanwhile
 */
#ifdef CONFIG_KHO_TEST
bool kho_test_forgets(void);
void kho_test_hold(const char *step);
#else
static inline bool kho_test_forgets(void)
{
	return false;
}

static inline void kho_test_hold(const char *step) { }
#endif

/**
 * for_each_kho_free_range - walk a range of frames, leaving out preserved ones
 * @pfn: first frame of the current part, variable
 * @range_end: end of the current part, exclusive, variable
 * @start: first frame
 * @end: end of the range, exclusive
 *
 * Before there was a handover, and without CONFIG_KEXEC_HANDOVER, the only
 * part is the whole range.
 */
#define for_each_kho_free_range(pfn, range_end, start, end)		\
	for ((pfn) = (start);						\
	     kho_next_free_range(&(pfn), (end), &(range_end));		\
	     (pfn) = (range_end))

#endif /* _LINUX_KHO_H */
