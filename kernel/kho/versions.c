// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of subtree versions: of this kernel, and of an image that is loaded.
 *
 * A list is a sequence of terminated strings "<owner>-v<N>", of the lines
 * KHO_RESTORES() in include/linux/kho/abi/. Nothing here takes locks.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "internal.h"

/* Length of "<owner>-v" in "<owner>-v<N>", 0 if it is not of that form. */
static size_t owner_length(const char *compatible)
{
	const char *dash = strrchr(compatible, '-');

	return dash && dash[1] == 'v' ? dash + 2 - compatible : 0;
}

/**
 * kho_reads - is a version in a list?
 * @versions: the list; believed only as far as @size
 * @size: its bytes
 * @compatible: the version
 * @same_owner: set to whether another version of the same owner is in it; may
 *		be NULL
 */
bool kho_reads(const char *versions, size_t size, const char *compatible,
	       bool *same_owner)
{
	size_t prefix = owner_length(compatible);
	size_t len;

	if (same_owner)
		*same_owner = false;
	for (; size; versions += len + 1, size -= len + 1) {
		len = strnlen(versions, size);
		if (len == size)
			break;
		if (!strcmp(versions, compatible))
			return true;
		if (same_owner && prefix &&
		    !strncmp(versions, compatible, prefix))
			*same_owner = true;
	}
	return false;
}

/**
 * kho_reads_kind - is the version of a kind of files in a list?
 * @versions: the list; believed only as far as @size
 * @size: its bytes
 * @compatible: the version
 *
 * The first images listed no kinds, and had these.
 */
bool kho_reads_kind(const char *versions, size_t size, const char *compatible)
{
	static const char * const first[] = {
		"memfd-v1", "hugetlb-v1", "iommufd-v2", "vfio-pci-v1",
	};
	bool lists_kinds = false, is_first = false, same_owner;
	size_t i;

	if (kho_reads(versions, size, compatible, NULL))
		return true;
	for (i = 0; i < ARRAY_SIZE(first); i++) {
		lists_kinds |= kho_reads(versions, size, first[i],
					 &same_owner) || same_owner;
		is_first |= !strcmp(compatible, first[i]);
	}
	return is_first && !lists_kinds;
}
