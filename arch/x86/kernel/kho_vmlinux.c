// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in a bzImage, decompressed: a kernel as an ELF file, and behind it a list of the
 * places that hold virtual addresses, for a kernel that may run at any of them. The
 * decompressor puts the former in its place and goes through the latter; this does the same
 * for a kernel that is entered without it.
 *
 * An image says with the version KHO_ENTRY_VERSION that it is as described here. Whatever is
 * read is checked nevertheless. Nothing here takes locks. It is also built in user space, by
 * tools/testing/kho.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "kho_vmlinux.h"

/* No image is that large; so nothing overflows. */
#define MOST		BIT_ULL(30)

/* Where the kernel's memory begins at virtual address 0. */
#define VIRTUAL_BASE	0xffffffff80000000ULL

static const struct elf64_phdr *segments(const struct kho_vmlinux *vmlinux)
{
	return (const void *)vmlinux->elf + vmlinux->elf->e_phoff;
}

/* Does an extent lie in the first @len bytes? */
static bool is_within(u64 start, u64 size, u64 len)
{
	return start <= len && size <= len - start;
}

static int read_segments(struct kho_vmlinux *vmlinux, u64 len)
{
	const struct elf64_phdr *phdr = segments(vmlinux);
	u64 start;
	unsigned int i;

	for (i = 0; i < vmlinux->elf->e_phnum; i++, phdr++) {
		if (phdr->p_type != PT_LOAD)
			continue;
		/* (far beyond the most when it is before the base) */
		start = phdr->p_paddr - vmlinux->base;
		if (!is_within(start, phdr->p_memsz, MOST) ||
		    !is_within(phdr->p_offset, phdr->p_filesz, len) ||
		    phdr->p_filesz > phdr->p_memsz)
			return -ENOEXEC;
		vmlinux->size = max(vmlinux->size, start + phdr->p_memsz);
		if (phdr->p_filesz)
			vmlinux->filled = max(vmlinux->filled,
					      start + phdr->p_filesz);
	}
	if (vmlinux->elf->e_entry < vmlinux->base ||
	    vmlinux->elf->e_entry - vmlinux->base >= vmlinux->filled)
		return -ENOEXEC;
	vmlinux->entry = vmlinux->elf->e_entry - vmlinux->base;
	return 0;
}

/**
 * kho_vmlinux_read - look at a kernel
 * @vmlinux: the result
 * @data: it, stays in use
 * @len: its bytes
 * @base: physical address that it is linked for
 *
 * Return: 0, -ENOEXEC when it is not as it has to be
 */
int kho_vmlinux_read(struct kho_vmlinux *vmlinux, const void *data, u64 len,
		     u64 base)
{
	const struct elf64_hdr *elf = data;
	u64 end;

	*vmlinux = (struct kho_vmlinux) { .elf = elf, .base = base };
	if (len < sizeof(*elf) || len > MOST ||
	    memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
	    elf->e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf->e_machine != EM_X86_64 ||
	    elf->e_phentsize != sizeof(struct elf64_phdr) ||
	    elf->e_shentsize != sizeof(struct elf64_shdr) ||
	    !is_within(elf->e_phoff, elf->e_phnum * sizeof(struct elf64_phdr), len) ||
	    !is_within(elf->e_shoff, elf->e_shnum * sizeof(struct elf64_shdr), len))
		return -ENOEXEC;

	/* The table of sections is the file's last part. */
	end = elf->e_shoff + elf->e_shnum * sizeof(struct elf64_shdr);
	if (end < len) {
		if ((len - end) % sizeof(u32))
			return -ENOEXEC;
		vmlinux->relocs = data + end;
		vmlinux->nr_relocs = (len - end) / sizeof(u32);
	}
	return read_segments(vmlinux, end);
}

/* The kinds of places, in the order of their lists; each list begins with a 0. */
enum { ADD_64, SUBTRACT_32, ADD_32, NR_KINDS };

static void relocate(u8 *place, unsigned int kind, u64 delta)
{
	switch (kind) {
	case ADD_64:
		put_unaligned(get_unaligned((u64 *)place) + delta, (u64 *)place);
		break;
	case SUBTRACT_32:
		put_unaligned(get_unaligned((u32 *)place) - (u32)delta,
			      (u32 *)place);
		break;
	case ADD_32:
		put_unaligned(get_unaligned((u32 *)place) + (u32)delta,
			      (u32 *)place);
		break;
	}
}

static int relocate_all(const struct kho_vmlinux *vmlinux, u8 *memory, u64 delta)
{
	unsigned int kind = NR_KINDS, lists = 0;
	u64 i, place;
	s32 word;

	for (i = 0; i < vmlinux->nr_relocs; i++) {
		word = get_unaligned((const s32 *)vmlinux->relocs + i);
		if (!word) {
			kind = lists++;
			continue;
		}
		/* (an address, cut to 32 bits) */
		place = (u64)(s64)word - VIRTUAL_BASE - vmlinux->base;
		if (kind >= NR_KINDS ||
		    !is_within(place, kind == ADD_64 ? sizeof(u64) : sizeof(u32),
			       vmlinux->filled))
			return -ENOEXEC;
		relocate(memory + place, kind, delta);
	}
	return lists == NR_KINDS ? 0 : -ENOEXEC;
}

/**
 * kho_vmlinux_write - what a kernel is in memory
 * @vmlinux: from kho_vmlinux_read()
 * @memory: @vmlinux->filled bytes of zeroes
 * @delta: how far from where it is linked for its virtual address is; 0 when no relocations
 *	   are listed
 *
 * Return: 0, -ENOEXEC when relocations are not as they have to be
 */
int kho_vmlinux_write(const struct kho_vmlinux *vmlinux, u8 *memory, u64 delta)
{
	const struct elf64_phdr *phdr = segments(vmlinux);
	unsigned int i;

	for (i = 0; i < vmlinux->elf->e_phnum; i++, phdr++)
		if (phdr->p_type == PT_LOAD)
			memcpy(memory + (phdr->p_paddr - vmlinux->base),
			       (const u8 *)vmlinux->elf + phdr->p_offset,
			       phdr->p_filesz);
	return delta ? relocate_all(vmlinux, memory, delta) : 0;
}
