/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pinning the memory of a file of shared memory or of huge pages, with no mapping
 * of it: see mm/pin_file.c.
 */
#ifndef _LINUX_PIN_FILE_H
#define _LINUX_PIN_FILE_H

#include <linux/types.h>

struct file;
struct page;

int pin_file_hold(struct file *file, u64 start, u64 length, bool write);
void pin_file_release(struct file *file, bool write);
long pin_file_pages(struct file *file, pgoff_t index, unsigned long nr,
		    struct page **pages);

#endif /* _LINUX_PIN_FILE_H */
