/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How sessions cross a kexec. This is a contract between kernels: a change needs
 * a new version.
 *
 * The subtree's root node has:
 *   compatible  LIVEUPDATE_COMPATIBLE
 *   nr          u64: how many records there are
 *   records     struct kho_vmalloc: all struct liveupdate_record_ser
 * and, when files have data in common, and so only if the kernel reads
 * LIVEUPDATE_FLB_VERSION:
 *   nr-flbs     u64: how many there are
 *   flbs        struct kho_vmalloc: all struct liveupdate_flb_ser
 *
 * Every record stands for itself, so that damage to one costs that one only.
 */
#ifndef _LINUX_KHO_ABI_LIVEUPDATE_H
#define _LINUX_KHO_ABI_LIVEUPDATE_H

#include <linux/types.h>
#include <linux/kho/abi/handover.h>

#define LIVEUPDATE_NAME			"liveupdate"
#define LIVEUPDATE_COMPATIBLE		"liveupdate-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_LIVEUPDATE), "liveupdate-v1")
#define LIVEUPDATE_PROP_NR		"nr"
#define LIVEUPDATE_PROP_RECORDS		"records"
#define LIVEUPDATE_FLB_VERSION		"liveupdate-flb-v1"
KHO_RESTORES(IS_ENABLED(CONFIG_LIVEUPDATE), "liveupdate-flb-v1")
#define LIVEUPDATE_PROP_NR_FLBS		"nr-flbs"
#define LIVEUPDATE_PROP_FLBS		"flbs"

/* With the terminating NUL */
#define LIVEUPDATE_HNDL_COMPAT_LENGTH	48
#define LIVEUPDATE_FLB_COMPAT_LENGTH	48

/**
 * struct liveupdate_record_ser - one file of a session
 * @session: name of the session, the rest filled with zeroes
 * @compatible: kind and version of the file, the rest filled with zeroes;
 *		empty for a session without files, which has neither token nor data
 * @token: by which userspace knows the file
 * @data: the kind's own
 * @checksum: kho_checksum() of what comes before
 *
 * Records of a session follow each other in the order in which its files were
 * preserved. The last record is followed by zeroes up to the end of the page.
 */
struct liveupdate_record_ser {
	char session[64];
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	__u64 token;
	__u64 data;
	__u64 checksum;
};

static inline __u64
liveupdate_record_checksum(const struct liveupdate_record_ser *record)
{
	return kho_checksum(0, record, __builtin_offsetof(struct liveupdate_record_ser,
							  checksum));
}

/**
 * struct liveupdate_flb_ser - data that files have in common
 * @compatible: its name and version, the rest filled with zeroes
 * @data: its own
 * @files: how many files in the sessions need it
 * @checksum: kho_checksum() of what comes before
 */
struct liveupdate_flb_ser {
	char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];
	__u64 data;
	__u64 files;
	__u64 checksum;
};

static inline __u64
liveupdate_flb_checksum(const struct liveupdate_flb_ser *flb)
{
	return kho_checksum(0, flb, __builtin_offsetof(struct liveupdate_flb_ser,
						       checksum));
}

#endif /* _LINUX_KHO_ABI_LIVEUPDATE_H */
