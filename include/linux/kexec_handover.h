/* SPDX-License-Identifier: GPL-2.0-only */
/* The name by which drivers written for newer kernels know <linux/kho.h>. */
#ifndef _LINUX_KEXEC_HANDOVER_H
#define _LINUX_KEXEC_HANDOVER_H

#include <linux/kho.h>

#endif /* _LINUX_KEXEC_HANDOVER_H */
