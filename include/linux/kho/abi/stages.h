/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When the stages of a handover began and ended in the old kernel: one page that
 * the header page points to.
 *
 * It is written up to the jump, so it has no checksum. For people and tools only:
 * nothing that the next kernel does depends on it.
 */
#ifndef _LINUX_KHO_ABI_STAGES_H
#define _LINUX_KHO_ABI_STAGES_H

#include <linux/types.h>

#define KHO_STAGES_SIZE		4096
#define KHO_STAGES_MAGIC	0x6b686f2d73746765ULL
#define KHO_STAGE_NAME_MAX	15
#define KHO_STAGE_WHAT_MAX	63

/**
 * struct kho_stage_ser - one stage
 * @stage: its name, terminated; printable, no blanks
 * @what: terminated: the owner, or "" for the whole stage
 * @begin: time-stamp counter
 * @end: the same, not before @begin
 */
struct kho_stage_ser {
	char stage[KHO_STAGE_NAME_MAX + 1];
	char what[KHO_STAGE_WHAT_MAX + 1];
	__u64 begin;
	__u64 end;
};

/**
 * struct kho_stages_ser - the page
 * @magic: KHO_STAGES_MAGIC
 * @jump: time-stamp counter when the jump began
 * @nr: entries in @stage
 * @padding: 0
 * @reserved: 0
 * @stage: in the order in which they began
 */
struct kho_stages_ser {
	__u64 magic;
	__u64 jump;
	__u32 nr;
	__u32 padding;
	__u64 reserved[5];
	struct kho_stage_ser stage[];
};

#define KHO_STAGES_MAX \
	((KHO_STAGES_SIZE - sizeof(struct kho_stages_ser)) / \
	 sizeof(struct kho_stage_ser))

#endif /* _LINUX_KHO_ABI_STAGES_H */
