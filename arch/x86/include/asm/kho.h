/* SPDX-License-Identifier: GPL-2.0-only */
/* Kexec handover: what is particular to x86. */
#ifndef _ASM_X86_KHO_H
#define _ASM_X86_KHO_H

#include <linux/kho.h>
#include <linux/types.h>
#include <linux/kho/abi/handover.h>

struct boot_params;
struct kexec_buf;
struct kexec_entry64_regs;
struct kimage;
struct setup_header;

#ifdef CONFIG_KEXEC_HANDOVER

int kho_arch_image_versions(const char *kernel, unsigned long len,
			    const char **versions, size_t *size);
unsigned int kho_setup_data_size(const struct kimage *image);
void kho_setup_data_add(const struct kimage *image, struct boot_params *params,
			unsigned long params_pa, unsigned int offset);
void kho_setup_data_parse(u64 pa, u32 len);
int kho_unpack_kernel(struct kimage *image, const struct setup_header *header,
		      struct kexec_buf *kbuf);
void kho_enter_kernel(struct kimage *image, struct boot_params *params,
		      unsigned long mem, struct kexec_entry64_regs *regs);
bool kho_arch_is_mapped(phys_addr_t start, phys_addr_t end);
bool kho_keeps_memory(const char *param);
bool kho_arch_encrypts_as(bool encrypts);
void kho_arch_stop_dma(void);
bool kho_clock_take(unsigned int *cpu, unsigned int *tsc);
void kho_clock_timer_works(void);
bool kho_clock_pm_timer_works(u32 port);

#else

static inline unsigned int kho_setup_data_size(const struct kimage *image)
{
	return 0;
}

static inline void kho_setup_data_add(const struct kimage *image,
				      struct boot_params *params,
				      unsigned long params_pa,
				      unsigned int offset) { }
static inline void kho_setup_data_parse(u64 pa, u32 len) { }
static inline int kho_unpack_kernel(struct kimage *image,
				    const struct setup_header *header,
				    struct kexec_buf *kbuf)
{
	return 0;
}

static inline void kho_enter_kernel(struct kimage *image,
				    struct boot_params *params,
				    unsigned long mem,
				    struct kexec_entry64_regs *regs) { }
static inline bool kho_keeps_memory(const char *param) { return false; }

static inline bool kho_clock_take(unsigned int *cpu, unsigned int *tsc)
{
	return false;
}

static inline void kho_clock_timer_works(void) { }
static inline bool kho_clock_pm_timer_works(u32 port) { return false; }

#endif /* CONFIG_KEXEC_HANDOVER */
#endif /* _ASM_X86_KHO_H */
