/* SPDX-License-Identifier: GPL-2.0-only */
/* Seals that came from another kernel, for files of small and of huge pages. */
#ifndef _MM_LIVEUPDATE_SEALS_H
#define _MM_LIVEUPDATE_SEALS_H

#include <linux/fcntl.h>
#include <linux/fs.h>

#define LIVEUPDATE_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | \
				 F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC)

/* What F_SEAL_EXEC brings about for a file that can be executed */
#define LIVEUPDATE_EXEC_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
				 F_SEAL_FUTURE_WRITE)

/* Could a file with these permissions have got these seals? */
static inline bool liveupdate_seals_ok(u32 seals, u32 mode)
{
	if (seals & ~LIVEUPDATE_SEALS)
		return false;
	return !(seals & F_SEAL_EXEC) || !(mode & 0111) ||
	       (seals & LIVEUPDATE_EXEC_SEALS) == LIVEUPDATE_EXEC_SEALS;
}

/*
 * Seal a file that nobody has mapped yet and no device has pages of. @where is in
 * its inode.
 */
static inline void liveupdate_set_seals(struct address_space *mapping,
					unsigned int *where, u32 seals)
{
	if (seals & F_SEAL_WRITE)
		WARN_ON_ONCE(mapping_deny_writable(mapping));
	*where = seals;
}

#endif /* _MM_LIVEUPDATE_SEALS_H */
