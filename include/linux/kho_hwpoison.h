/* SPDX-License-Identifier: GPL-2.0-only */
/* Bad frames in memory that was handed over, see kernel/kho/poison.c. */
#ifndef _LINUX_KHO_HWPOISON_H
#define _LINUX_KHO_HWPOISON_H

struct folio;
struct xarray;

#if defined(CONFIG_KEXEC_HANDOVER) && defined(CONFIG_MEMORY_FAILURE)
void kho_forget_poison(struct folio *folio, struct xarray *bad);
void kho_report_poison(struct xarray *bad);
#else
static inline void kho_forget_poison(struct folio *folio, struct xarray *bad) { }
static inline void kho_report_poison(struct xarray *bad) { }
#endif

#endif /* _LINUX_KHO_HWPOISON_H */
