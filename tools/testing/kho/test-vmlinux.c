// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel as its image has it (arch/x86/kernel/kho_vmlinux.c): what is made of it is what
 * a model has in memory, and no damage to it makes anybody read or write elsewhere.
 *
 *   file:    [ header | segments' headers | segments, with gaps | sections | relocations ]
 *   memory:  [ segment ][ gap ][ segment ] ... [ the rest of the last one ]
 */
#include <linux/types.h>

#include "lib.h"

/* As the kernel is built */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include "../../../arch/x86/kernel/kho_vmlinux.c"

#define BASE		0x1000000ULL
#define MAX_SEGMENTS	5
#define MAX_FILE	8192
#define MAX_MEMORY	8192

/* The model */
static u8 memory[MAX_MEMORY];
static u64 filled, size, entry;
static unsigned int nr_relocs[NR_KINDS];

static u8 *file;
static u64 len;

static void append(const void *data, u64 bytes)
{
	CHECK(len + bytes <= MAX_FILE);
	memcpy(file + len, data, bytes);
	len += bytes;
}

static void fill(u8 *at, u64 bytes)
{
	while (bytes--)
		*at++ = random_u64();
}

/* Whether these bytes are another place's, too; then the order would matter. */
static bool claim(bool *taken, u64 at, u64 bytes)
{
	u64 i;

	for (i = 0; i < bytes; i++)
		if (taken[at + i])
			return false;
	memset(taken + at, true, bytes);
	return true;
}

static void add_relocs(u64 distance)
{
	static bool taken[MAX_MEMORY];
	unsigned int kind, i, want;
	u32 word;

	memset(taken, 0, sizeof(taken));
	for (kind = 0; kind < NR_KINDS; kind++) {
		u64 width = kind == ADD_64 ? 8 : 4;

		word = 0;
		append(&word, sizeof(word));
		nr_relocs[kind] = 0;
		want = random_below(20);
		for (i = 0; i < want; i++) {
			u64 at = random_below(filled - width + 1);
			u64 value = 0;

			if (!claim(taken, at, width))
				continue;
			word = VIRTUAL_BASE + BASE + at;
			append(&word, sizeof(word));
			nr_relocs[kind]++;
			memcpy(&value, memory + at, width);
			value += kind == SUBTRACT_32 ? -distance : distance;
			memcpy(memory + at, &value, width);
		}
	}
}

/* A file at random, and what becomes of it. */
static void make_file(bool relocatable, u64 distance)
{
	unsigned int i, nr = 1 + random_below(MAX_SEGMENTS);
	struct elf64_phdr phdr[MAX_SEGMENTS] = { };
	struct elf64_shdr shdr = { };
	struct elf64_hdr elf = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64 },
		.e_machine = EM_X86_64,
		.e_phentsize = sizeof(*phdr),
		.e_phnum = nr,
		.e_phoff = sizeof(elf),
		.e_shentsize = sizeof(shdr),
		.e_shnum = random_below(4),
	};
	u64 at = 0;

	memset(memory, 0, sizeof(memory));
	filled = 0;
	size = 0;
	len = sizeof(elf) + nr * sizeof(*phdr);
	for (i = 0; i < nr; i++) {
		u64 bytes = i ? random_below(500) : 16 + random_below(500);

		/* One that is not loaded is between them at times. */
		phdr[i].p_type = i && !random_below(4) ? PT_NOTE : PT_LOAD;
		phdr[i].p_offset = len;
		phdr[i].p_filesz = bytes;
		fill(file + len, bytes);
		len += bytes + random_below(50);
		if (phdr[i].p_type != PT_LOAD)
			continue;
		phdr[i].p_paddr = BASE + at;
		phdr[i].p_memsz = bytes + random_below(100);
		memcpy(memory + at, file + phdr[i].p_offset, bytes);
		if (bytes)
			filled = at + bytes;
		size = max(size, at + phdr[i].p_memsz);
		at += phdr[i].p_memsz + random_below(300);
	}
	entry = random_below(filled);
	elf.e_entry = BASE + entry;
	elf.e_shoff = len;
	memcpy(file, &elf, sizeof(elf));
	memcpy(file + sizeof(elf), phdr, nr * sizeof(*phdr));
	for (i = 0; i < elf.e_shnum; i++)
		append(&shdr, sizeof(shdr));
	if (relocatable)
		add_relocs(distance);
}

/* Memory of just the right size, so that ASan sees who goes beyond it. */
static int try_file(u64 distance, bool good)
{
	u8 *copy = malloc(len), *got;
	struct kho_vmlinux vmlinux;
	int rc;

	memcpy(copy, file, len);
	rc = kho_vmlinux_read(&vmlinux, copy, len, BASE);
	if (rc)
		goto out_free_copy;
	CHECK(vmlinux.filled <= vmlinux.size && vmlinux.entry < vmlinux.filled);
	/* (a damaged one may say that it is large) */
	if (vmlinux.filled <= MAX_MEMORY) {
		got = calloc(1, vmlinux.filled);
		rc = kho_vmlinux_write(&vmlinux, got, distance);
		if (good)
			CHECK(vmlinux.filled == filled && vmlinux.size == size &&
			      vmlinux.entry == entry && !rc &&
			      !memcmp(got, memory, filled));
		free(got);
	}
out_free_copy:
	free(copy);
	return rc;
}

static void test_good(void)
{
	bool relocatable = random_below(4);
	u64 distance = relocatable ? random_below(400) << 21 : 0;

	make_file(relocatable, distance);
	CHECK(!try_file(distance, true));
}

/* Cut off anywhere, it is refused, or its relocations are; but for the gap at its end. */
static void test_cut(void)
{
	u64 whole, distance = (1 + random_below(400)) << 21;
	unsigned int words = 0, kind;

	make_file(true, distance);
	for (kind = 0; kind < NR_KINDS; kind++)
		words += 1 + nr_relocs[kind];
	for (whole = len--; len; len--) {
		int rc = try_file(distance, false);

		/* A shorter last list looks like a whole one. */
		if (len < whole - sizeof(u32) * nr_relocs[ADD_32] ||
		    (whole - len) % sizeof(u32))
			CHECK(rc == -ENOEXEC);
	}
	CHECK(words >= NR_KINDS);
}

static void test_damage(void)
{
	u64 headers = sizeof(struct elf64_hdr) + sizeof(struct elf64_phdr);
	u64 distance = random_below(400) << 21;
	unsigned int i;

	make_file(true, distance);
	for (i = 0; i < 1 + random_below(4); i++)
		file[random_below(random_below(2) ? len : headers)] = random_u64();
	try_file(distance, false);
}

/* What is wrong in one way only. */
#define REFUSED(change) do {						\
	struct elf64_hdr *elf = (void *)file;					\
	struct elf64_phdr *phdr = (void *)(file + sizeof(*elf));		\
									\
	make_file(true, 1 << 21);					\
	change;								\
	CHECK(try_file(1 << 21, false) == -ENOEXEC);			\
	(void)phdr;							\
} while (0)

static void test_each(void)
{
	u32 word;

	REFUSED(elf->e_ident[0] = 0);
	REFUSED(elf->e_ident[EI_CLASS] = ELFCLASS32);
	REFUSED(elf->e_machine = EM_386);
	REFUSED(elf->e_phentsize++);
	REFUSED(elf->e_shentsize--);
	REFUSED(elf->e_phoff = len);
	REFUSED(elf->e_phoff = ~0ULL);
	REFUSED(elf->e_shoff = ~0ULL);
	REFUSED(elf->e_phnum = 0);
	REFUSED(elf->e_entry = BASE - 1);
	REFUSED(elf->e_entry = BASE + filled);
	REFUSED(phdr->p_paddr = BASE - 1);
	REFUSED(phdr->p_paddr = ~0ULL);
	REFUSED(phdr->p_offset = len);
	REFUSED(phdr->p_offset = ~0ULL);
	REFUSED(phdr->p_memsz = phdr->p_filesz - 1);
	REFUSED(phdr->p_memsz = ~0ULL);
	/* A place before the kernel, and one beyond it */
	word = (u32)(VIRTUAL_BASE + BASE - 1);
	REFUSED(append(&word, sizeof(word)));
	word = (u32)(VIRTUAL_BASE + BASE + MAX_MEMORY);
	REFUSED(append(&word, sizeof(word)));
	/* A fourth list */
	word = 0;
	REFUSED(append(&word, sizeof(word)));
}

int main(void)
{
	unsigned long i, count;

	test_begin("vmlinux");
	count = test_count(3000);
	file = calloc(1, MAX_FILE);
	test_each();
	for (i = 0; i < count; i++) {
		test_good();
		test_damage();
		if (!(i % 100))
			test_cut();
	}
	free(file);
	test_end("%lu kernels", count);
	return 0;
}
