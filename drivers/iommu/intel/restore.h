/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VT-d in the next kernel, between the files: restore.c has the record, which
 * restore_units.c goes by first and restore_devices.c afterwards. These two offer what
 * is in liveupdate.h.
 */
#ifndef _INTEL_RESTORE_H
#define _INTEL_RESTORE_H

#include "liveupdate.h"

enum device_state {
	DEVICE_RECORDED,	/* nothing found out yet */
	DEVICE_TRANSLATED,	/* its entry is in a table that was taken over */
	DEVICE_RESTORED,	/* it is in its restored domain, or was */
	DEVICE_BLOCKED,		/* its page table is kept */
	DEVICE_FORGOTTEN,
};

/**
 * struct vtd_incoming - what the old kernel left
 * @loaded: whether it was looked for
 * @table: a copy of the record; NULL when there is none that can be used
 * @record: its parts
 * @states: of its devices, by index
 * @domains: restored ones, by index
 */
struct vtd_incoming {
	bool loaded;
	struct iommu_table_ser *table;
	struct vtd_record record;
	enum device_state *states;
	struct dmar_domain **domains;
};

/* restore.c */
extern struct vtd_incoming vtd_incoming;

bool vtd_load_record(void);
u32 vtd_nr_devices(void);
u32 vtd_find_device(u32 segment, u16 sid);
void vtd_block_id(u32 segment, u16 sid, const char *reason);
void vtd_block_device(u32 i, const char *reason);

#endif /* _INTEL_RESTORE_H */
