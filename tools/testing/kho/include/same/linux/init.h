/* SPDX-License-Identifier: GPL-2.0-only */
/* Sections, which mean nothing here. */
#define __init
