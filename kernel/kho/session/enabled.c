// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether files can be preserved in sessions in this kernel: from when sessions have
 * begun, if handovers are on.
 *
 * Locks: none; it changes once, at boot.
 */
#include <linux/cache.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/liveupdate.h>

#include "session.h"

static bool started __ro_after_init;

/**
 * liveupdate_enabled - can files be preserved in sessions?
 */
bool liveupdate_enabled(void)
{
	return started;
}
EXPORT_SYMBOL_GPL(liveupdate_enabled);

/* What the old kernel had in sessions is known. */
void __init kho_sessions_started(void)
{
	started = true;
}
