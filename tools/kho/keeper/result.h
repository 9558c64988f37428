/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a call came to, in a word for a test to compare: "0", the name of an errno, or
 * something that no test can ask for.
 *
 * Whether it failed is what it returned. errno says only why, and a call that fails
 * and gives no reason must not be taken for one that worked.
 */
#ifndef KHO_RESULT_H
#define KHO_RESULT_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* @failed: what the call returned says so; errno is still that of the call */
static inline const char *result_of(bool failed)
{
	static char unknown[32];
	const char *name;

	if (!failed)
		return "0";
	if (!errno)
		return "failed-without-errno";
	name = strerrorname_np(errno);
	if (name)
		return name;
	snprintf(unknown, sizeof(unknown), "unknown-errno-%d", errno);
	return unknown;
}

/* The same of a call that returns 0 or -1, as everything that a test tries should */
static inline const char *result_of_call(long rc)
{
	static char other[40];

	if (rc <= 0)
		return result_of(rc < 0);
	snprintf(other, sizeof(other), "returned-%ld", rc);
	return other;
}

#endif /* KHO_RESULT_H */
