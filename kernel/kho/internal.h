/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to the handover core, by floors: a file uses what is on its own floor and on
 * those below it, and nothing above. Which file is where says the Makefile, and
 * "scripts/check floors" that it is so.
 *
 * Lock order: kho_lock -> kho_blob_lock -> kho_map.sem. Owners' callbacks run under
 * the first. The kexec lock (kernel/kexec_internal.h) is held over loading an image,
 * outside of kho_blob_lock; below kho_lock it is taken for moments only, by
 * kho_target_get(). Nobody waits for kho_lock with it.
 */
#ifndef _KERNEL_KHO_INTERNAL_H
#define _KERNEL_KHO_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/kho.h>
#include <linux/kho/abi/handover.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/kexec.h>
#endif

struct kho_image;
struct kho_map;
struct kobject;
struct seq_file;

/*
 * Floor 1: what everybody needs
 */

/**
 * struct kho_range - an extent of RAM that holes are looked for in
 * @start: first frame
 * @end: end, exclusive
 * @group: extents of the same group count as one kind of memory (a NUMA node,
 *	   above or below 4 GiB); every group gets its largest hole listed
 */
struct kho_range {
	unsigned long start;
	unsigned long end;
	unsigned int group;
};

#ifdef __KERNEL__

/*
 * error.c: what the operator is told
 */
const char *kho_last_error(void);
void kho_clear_err(void);
__printf(1, 2) void kho_set_err(const char *fmt, ...);
int kho_refusals_show(char *buf);
size_t kho_escape(char *buf, const char *s);

/*
 * state.c: how far a handover has come
 */

enum kho_state {
	KHO_IDLE,
	KHO_ACTIVE,
	KHO_FINAL,
};

extern struct mutex kho_lock;
extern bool kho_allow_unreadable;

bool kho_is_wanted(void);
void kho_set_enabled(bool enabled);
enum kho_state kho_get_state(void);
const char *kho_state_name(enum kho_state which);
void kho_set_state(enum kho_state to);
bool kho_is_jumping(void);
void kho_set_jumping(void);

/*
 * stages.c: how long the stages of a handover take
 */
struct kho_stage_ser;
struct kho_stages_ser;

/* Places in early boot */
enum kho_stamp {
	KHO_STAMP_SETUP,
	KHO_STAMP_MEMORY,
	KHO_NR_STAMPS,
};

phys_addr_t kho_stages_pa(void);
phys_addr_t kho_stages_page(void);
struct kho_stage_ser *kho_stage_open(const char *stage, const char *what);
void kho_stage_close(struct kho_stage_ser *entry);
void kho_stages_restart(bool activate);
void kho_stages_jump(u64 begin);
void kho_stage_stamp(enum kho_stamp stamp);
void kho_stage_note(const char *stage, const char *what, u64 begin, u64 end);
void kho_stages_boot_ends(u64 end);
void kho_stages_init(struct kho_stages_ser *page);
ssize_t kho_stages_read(char *buf, loff_t pos, size_t count, bool names);

/*
 * ram.c: RAM as the next kernel will see it
 */
bool kho_frames_ok(unsigned long pfn, unsigned long nr);
int kho_ram_ranges(struct kho_range **ranges, unsigned int *nr);
int kho_ram_init(void);

/*
 * alloc.c: memory that lies where it can be preserved
 */
struct page *kho_alloc_fit(gfp_t gfp, unsigned int order, int nid,
			   unsigned int tries);
void *kho_alloc_pages(unsigned int order);
void *kho_vzalloc(size_t size);

#endif /* __KERNEL__ */

/*
 * Floor 2: the map
 */

/*
 * map.c: the set of preserved frames
 */

/**
 * struct kho_map - the set of preserved frames
 * @sem: read side: setting and clearing bits and adding nodes, any number of
 *	 tasks at a time; write side: sealing, merging, freeing nodes
 * @root: root node or NULL; set by cmpxchg under @sem read
 * @nr_frames: preserved frames, nodes that are marked by a seal not counted
 * @nr_nodes: nodes of the tree
 * @sealed: the map is immutable; written under @sem write
 * @keep: nodes are not freed even when no frame is left; written under @sem write
 */
struct kho_map {
	struct rw_semaphore sem;
	struct kho_node_ser *root;
	atomic_long_t nr_frames;
	atomic_long_t nr_nodes;
	bool sealed;
	bool keep;
};

#define KHO_MAP_INIT(name) { .sem = __RWSEM_INITIALIZER((name).sem) }

int kho_map_add(struct kho_map *map, unsigned long pfn, unsigned long nr,
		unsigned int order);
int kho_map_del(struct kho_map *map, unsigned long pfn, unsigned long nr);
int kho_map_take(struct kho_map *map, unsigned long pfn, unsigned long nr,
		 unsigned int order);
unsigned long kho_map_unit(struct kho_map *map, unsigned long pfn);
bool kho_map_covers(struct kho_map *map, unsigned long pfn, unsigned long nr);
unsigned long kho_map_end_of_used(struct kho_map *map, unsigned long pfn,
				  unsigned long end);
unsigned long kho_map_next_used(const struct kho_map *map, unsigned long pfn,
				unsigned long end);
unsigned long kho_map_next_free(const struct kho_map *map, unsigned long pfn,
				unsigned long end);
unsigned long kho_map_next_clear_word(const struct kho_map *map,
				      unsigned long pfn, unsigned long end);
unsigned long kho_map_next_open(struct kho_map *map, unsigned long *pfn,
				unsigned long end);
unsigned long kho_map_peek_open(const struct kho_map *map, unsigned long *pfn,
				unsigned long end);
unsigned long kho_map_claim_fragments(struct kho_map *map, unsigned long *pfn,
				      unsigned long end, u64 *fragments);
int kho_map_merge(struct kho_map *map, const struct kho_map *other);
void kho_map_unmerge(struct kho_map *map, const struct kho_map *other);
int kho_map_seal(struct kho_map *map);
void kho_map_unseal(struct kho_map *map);
int kho_map_add_nodes(struct kho_map *map, struct kho_map *other);
bool kho_map_trim(struct kho_map *map);
__u64 kho_map_checksum(const struct kho_map *map);
int kho_map_adopt(struct kho_map *map, const struct kho_header_ser *header,
		  bool (*readable)(phys_addr_t pa));
long kho_map_withdraw(struct kho_map *map, unsigned long *first,
		      unsigned long *last, void *(*move)(void));
void kho_map_disown(struct kho_map *map,
		    void (*node)(struct kho_map *map, void *va));

/*
 * holes.c: what the next kernel may allocate from before it can read the map
 */

#define KHO_MAX_GROUPS	128

/* The rest of the header page is for spares. */
#define KHO_MAX_LISTED	(KHO_MAX_HOLES - KHO_MAX_SPARES)

/**
 * struct kho_census - what a first look at all holes finds
 * @count: holes whose size in frames has this as its highest bit
 * @best: the largest hole of each group
 */
struct kho_census {
	unsigned long count[BITS_PER_LONG];
	struct kho_range best[KHO_MAX_GROUPS];
};

/**
 * struct kho_holes - a list of holes under construction
 * @hole: the list, sorted
 * @nr: entries
 * @frames: sum of their sizes, in frames
 * @census: kho_holes_find() works with it
 */
struct kho_holes {
	struct kho_hole_ser hole[KHO_MAX_HOLES];
	unsigned int nr;
	unsigned long frames;
	struct kho_census census;
};

void kho_holes_find(struct kho_holes *holes, const struct kho_map *map,
		    const struct kho_range *ram, unsigned int nr_ram,
		    const struct kho_range *must, unsigned int nr_must);
bool kho_holes_cover(const struct kho_hole_ser *hole, unsigned int nr,
		     u64 start, u64 end);
u64 kho_holes_fit(const struct kho_hole_ser *hole, unsigned int nr, u64 start,
		  u64 end, u64 size, u64 align, bool top_down);

/*
 * Floor 3: memory
 */

#ifdef __KERNEL__

/*
 * preserve.c: the owners' interface to the outgoing map
 */
extern struct kho_map kho_out_map;
u64 kho_preserved_frames(void);
bool kho_frames_unused(unsigned long pfn, unsigned long end);

/*
 * restore.c: the owners' interface to the incoming map
 */
extern struct kho_map kho_in_map;
bool kho_frames_sane(unsigned long pfn, unsigned long nr);
void kho_in_freeze(void);
void kho_in_thaw(void);

/*
 * early.c: early boot
 */
const struct kho_header_ser *kho_early_header(void);
phys_addr_t kho_early_header_pa(void);
u64 kho_generation(void);
const char *kho_early_damage(void);
unsigned long kho_early_withdrawn(void);
void *kho_early_blob(void);
unsigned long kho_early_need(void);
unsigned int kho_early_boot_runs(const struct kho_hole_ser **runs);

/*
 * fragments.c: frames that are too scattered to be freed in early boot
 */
void kho_fragments_init(void);
void kho_fragments_free_early(void);
void kho_fragments_settle(void);

/*
 * spares.c: extents that the next kernel should find free for the same purpose
 */
unsigned int kho_spares_find(struct kho_range *spare, unsigned int max);
int kho_spares_cut(const struct kho_range *spare, unsigned int nr_spares,
		   struct kho_range **ram, unsigned int *nr_ram);

/*
 * own.c: what the core itself hands over
 */
phys_addr_t kho_header_pa(void);
int kho_own_mark(struct kho_map *map);
int kho_own_add(const void *blob, unsigned int order);
void kho_own_del(const void *blob, unsigned int order);
unsigned long kho_own_frames(void);

/*
 * zone.c: where the next kernel's image goes
 */
void kho_zone_free(struct kho_image *kho);
bool kho_zone_keeps(phys_addr_t start, phys_addr_t end);

/*
 * poison.c: bad frames in restored memory
 */
#ifdef CONFIG_MEMORY_FAILURE
void kho_note_poison(struct folio *folio);
#else
static inline void kho_note_poison(struct folio *folio) { }
#endif

#endif /* __KERNEL__ */

/*
 * Floor 4: subtrees
 */

/*
 * blob.c: the device tree that names the subtrees
 */

enum kho_subtree_state {
	KHO_PENDING,
	KHO_RESTORED,
	KHO_DISCARDED,
};

#define KHO_REASON_MAX	128

/**
 * struct kho_subtree - one owner's part of the blob
 * @list: kho_out or kho_in list
 * @name: name of the node
 * @compatible: its version
 * @fdt_pa: the subtree itself
 * @size: bytes of it
 * @room: of an outgoing one: bytes that it may have
 * @checksum: kho_checksum() of it; of an outgoing one, from the time of sealing
 * @state: of an incoming one, what became of it
 * @reason: of an incoming one that is pending: why it was not restored, or ""
 * @unusable: of an incoming one: it must not be given to its owner
 * @finished: of an incoming one that was restored: its owner wants no more of it
 * @optional: of an outgoing one: an image that cannot restore it may be started
 */
struct kho_subtree {
	struct list_head list;
	char name[KHO_NAME_MAX + 1];
	char compatible[KHO_NAME_MAX + 1];
	phys_addr_t fdt_pa;
	size_t size;
	size_t room;
	u64 checksum;
	enum kho_subtree_state state;
	char reason[KHO_REASON_MAX];
	bool unusable;
	bool finished;
	bool optional;
};

int kho_blob_write(void *buf, size_t size, struct list_head *own,
		   struct list_head *inherited);
int kho_blob_read(const void *blob, size_t size, struct list_head *subtrees);
int kho_blob_find(const void *blob, size_t size, const char *name,
		  struct kho_subtree *subtree);
bool kho_fdt_ok(const void *fdt, size_t size);
bool kho_is_raw(const struct kho_subtree *subtree);
void kho_blob_free(struct list_head *subtrees);
struct kho_subtree *kho_subtree_find(struct list_head *subtrees,
				     const char *name);

/*
 * versions.c: lists of versions
 */
bool kho_reads(const char *versions, size_t size, const char *compatible,
	       bool *same_owner);
bool kho_reads_kind(const char *versions, size_t size, const char *compatible);

#ifdef __KERNEL__

/*
 * out.c: outgoing subtrees
 */
extern struct mutex kho_blob_lock;
extern struct list_head kho_out_subtrees;
void kho_note_subtree(const char *name, const char *step, int rc);
bool kho_out_empty(void);
bool kho_out_has(const char *name);
void *kho_out_fdt(const char *name);
int kho_out_measure(void);
bool kho_have_state(void);

/*
 * in.c: incoming subtrees
 */

/* Names of the core's own data; owners' names have no slash. */
#define KHO_BLOB_NAME	"/blob"
#define KHO_MEMORY_NAME	"/memory"

extern struct list_head kho_in_subtrees;
extern bool kho_in_blob_damaged;
int kho_in_init(void);
bool kho_in_empty(void);
bool kho_in_has_pending(const char *name);
int kho_in_show(char *buf, int size);
int kho_restores_show(char *buf);

/*
 * Floor 5: the image
 */

/*
 * image.c: the loaded kernel
 */

/**
 * struct kho_target - the image that is loaded, as it was when it was looked at
 * @image: not to be looked into: it may be unloaded; NULL when there is none
 * @kho: what the core knows about it, with a reference; NULL if it cannot receive
 * @segment: its landing zone, in frames
 * @nr_segments: entries of @segment
 */
struct kho_target {
	const struct kimage *image;
	struct kho_image *kho;
	struct kho_range segment[KEXEC_SEGMENT_MAX];
	unsigned int nr_segments;
};

int kho_target_get(struct kho_target *target);
void kho_target_put(struct kho_target *target);
int kho_target_check(const struct kho_target *target);
int kho_target_look(struct kho_target *target);
int kho_target_lock(const struct kho_target *target);
int kho_image_busy(void);
bool kho_image_reads(const struct kho_image *kho, const char *compatible);

/*
 * needs.c: what the next kernel has to be able to restore
 */
int kho_needs_check(const struct kho_image *kho);

/*
 * cmdline.c: the next kernel's command line
 */
int kho_cmdline_probe(const struct kimage *image, struct kho_image *kho,
		      const char *cmdline);
int kho_cmdline_check(const struct kho_image *kho);

/*
 * Floor 6: the seal
 */

/*
 * seal.c: map, blob and header become final
 */
int kho_out_seal(const struct kho_target *target);
void kho_out_unseal(void);
int kho_out_reseal_header(const struct kho_target *target);
bool kho_out_hole_covers(u64 start, u64 end);
unsigned int kho_out_holes(const struct kho_hole_ser **holes);
const struct kho_header_ser *kho_out_header(void);
void kho_out_show_blob(struct seq_file *m);

/*
 * verify.c: what is sealed, as the next kernel will read it
 */
int kho_verify(char *buf);

/*
 * Floor 7: owners
 */

/*
 * owners.c: the owners that take part
 */
struct kho_owner *kho_find_owner(const char *name);
int kho_owners_activate(void);
void kho_owners_deactivate(void);
int kho_owners_finalize(void);
void kho_owners_unfinalize(void);
int kho_owners_jump(void);
void kho_owners_unjump(void);

/*
 * Floor 8: the machine
 */

/*
 * kaslr.c: where the kernel goes that is entered without its decompressor
 */
void kho_kernel_scatter(struct kimage *image);

/*
 * cpus.c: processors that come up after userspace has started
 */
#ifdef CONFIG_SMP
void kho_cpus_rest(void);
#else
static inline void kho_cpus_rest(void) { }
#endif

/*
 * late_clear.c: what is overwritten after userspace has started
 */
void kho_clear_left(void);

/*
 * initcalls.c: the slowest of them
 */
void kho_initcalls_end(void);

/*
 * machine.c: the steps
 */
int kho_activate(void);
int kho_deactivate(void);
int kho_finalize(void);
int kho_unfinalize(void);

/*
 * discard.c: giving up what nobody has restored
 */
int kho_in_discard(const char *name);

/*
 * Floor 9: faces
 */

/*
 * sysfs.c
 */
int kho_sysfs_init(void);
extern struct kobject *kho_kobj;

#endif /* __KERNEL__ */
#endif /* _KERNEL_KHO_INTERNAL_H */
