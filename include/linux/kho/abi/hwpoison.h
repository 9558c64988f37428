/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the list of bad frames crosses a kexec: those in which the hardware found an
 * error. This is a contract between kernels: a change needs a new version.
 *
 * The subtree's root node has:
 *   compatible  HWPOISON_COMPATIBLE
 *   frames      array of u64, in ascending order of frame: see below
 *
 * The subtree is optional. The next kernel must not use these frames, nor let anybody
 * read what was in them.
 */
#ifndef _LINUX_KHO_ABI_HWPOISON_H
#define _LINUX_KHO_ABI_HWPOISON_H

#include <linux/bits.h>
#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define HWPOISON_NAME		"hwpoison"
#define HWPOISON_COMPATIBLE	"hwpoison-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_KEXEC_HANDOVER) && IS_ENABLED(CONFIG_MEMORY_FAILURE), "hwpoison-v1")
#define HWPOISON_PROP_FRAMES	"frames"

/* The number of the frame */
#define HWPOISON_PFN_MASK	((1ULL << 52) - 1)
/*
 * The frame was of no use to anybody. It is preserved, as a single page, so that also a
 * kernel that does not know this list leaves it alone. Without: it belongs to a unit
 * that somebody else has preserved.
 */
#define HWPOISON_UNUSED		BIT_ULL(63)

#endif /* _LINUX_KHO_ABI_HWPOISON_H */
