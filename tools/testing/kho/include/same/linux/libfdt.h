/* SPDX-License-Identifier: GPL-2.0-only */
/* The library itself, as packaged: the kernel has a copy of its source. */
#include <libfdt.h>
