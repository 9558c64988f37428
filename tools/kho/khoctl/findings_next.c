// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: the kernel that is to be started: its image, initrd and command line as files and
 * texts, and whether it would come up without something that this kernel has. What it can restore
 * is in findings_image.c.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/kho/abi/hugetlb_pool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "khoctl.h"

/* Files that are named in a remedy */
#define OFFERED_MAX	4

/* Of boot_params, see Documentation/arch/x86/zero-page.rst and boot.rst */
#define RAMDISK_SIZE		0x21c
#define EXT_RAMDISK_SIZE	0x0c4

/* Parameters that are in the way; @next: on the command line of the next kernel. */
static bool find_harmful(struct findings *findings, const char *cmdline, bool next)
{
	static const struct {
		const char *name;
		const char *why;
	} harmful[] = {
		{ "mem", "changes the memory that the next kernel uses" },
		{ "memmap", "changes the memory that the next kernel uses" },
		{ "initrdmem", "takes an initrd from memory that is not one" },
	};
	const char *remedy = next ? "leave it away" : "restart the machine without it";
	const char *of = next ? "the next" : "this", *untranslated;
	bool found = false;
	size_t i;

	for (i = 0; next && i < ARRAY_SIZE(harmful); i++) {
		if (!cmdline_has(cmdline, harmful[i].name))
			continue;
		find(findings, FINDING_NO, "command line", remedy, "%s= of %s kernel %s",
		     harmful[i].name, of, harmful[i].why);
		found = true;
	}
	untranslated = findings->nr_devices ? cmdline_untranslated(cmdline) : NULL;
	if (untranslated)
		find(findings, FINDING_NO, "command line", remedy,
		     "%s of %s kernel turns translation off", untranslated, of);
	return found || untranslated;
}

/* Would the next kernel not find what this one has as its root? */
static bool find_root(struct findings *findings, const char *own, const char *cmdline)
{
	const struct next *next = findings->next;
	bool meant = next->no_root || !*cmdline;

	if (!own || !cmdline_has(own, "root") || cmdline_has(cmdline, "root"))
		return false;
	find(findings, meant ? FINDING_NOTE : FINDING_NO, "command line",
	     meant ? NULL : "--reuse-cmdline, or add it; or say --no-root, if that is meant",
	     "this kernel's has root=, and that of the next kernel has not");
	return true;
}

static void find_next_cmdline(struct findings *findings, const char *own)
{
	char *cmdline = next_cmdline(findings->next);
	bool found = false;

	if (!cmdline && findings->next->reuse) {
		find(findings, FINDING_NO, "command line", "mount /proc; or give it with --append",
		     "this kernel's, which is to be used again, cannot be read");
	} else if (!cmdline && findings->next->image) {
		find(findings, FINDING_NOTE, "command line",
		     "say it with --reuse-cmdline or --append: khoctl kexec wants it, too",
		     "that of the next kernel is not known, and was not looked at");
	} else if (cmdline) {
		found = find_harmful(findings, cmdline, true);
		found |= find_root(findings, own, cmdline);
		if (!*cmdline)
			find(findings, FINDING_NOTE, "command line", NULL,
			     "that of the next kernel is empty, as was said");
		else if (!found)
			find(findings, FINDING_OK, "command line", NULL,
			     "nothing harmful is on that of the next kernel");
	}
	if (!cmdline && own && !findings->next->reuse &&
	    (cmdline_has(own, "mem") || cmdline_has(own, "memmap")))
		find(findings, FINDING_NOTE, "command line",
		     "give the next kernel another one, and not --reuse-cmdline",
		     "this kernel's has mem= or memmap=, with which the next one would be refused");
	free(cmdline);
}

/**
 * find_cmdlines - what is on the command lines of this kernel and of the next one
 * @findings: where to note it; knows how many devices there are
 */
void find_cmdlines(struct findings *findings)
{
	char *own = read_text("/proc/cmdline");

	if (own && !find_harmful(findings, own, false))
		find(findings, FINDING_OK, "command line", NULL,
		     "nothing harmful is on that of this kernel");
	find_next_cmdline(findings, own);
	free(own);
}

/**
 * find_cmdline_length - does the next kernel's command line fit its image?
 * @findings: where to note it
 * @image: the image
 */
void find_cmdline_length(struct findings *findings, const struct image *image)
{
	char *cmdline = next_cmdline(findings->next);

	if (cmdline && image->cmdline_max && strlen(cmdline) > image->cmdline_max)
		find(findings, FINDING_NO, "command line", "shorten it",
		     "that of the next kernel has %zu characters, and the image takes %zu",
		     strlen(cmdline), image->cmdline_max);
	free(cmdline);
}

/* The crash kernel of the next kernel gets a place that this kernel's has now, or what is free. */
static void find_crash(struct findings *findings, uint64_t asked, uint64_t kept)
{
	char *text = read_text("/sys/kernel/kexec_crash_size"), asked_is[32], here_is[32];
	uint64_t here = text ? strtoull(text, NULL, 10) : 0;

	if (asked > here && kept)
		find(findings, FINDING_NOTE, "command line",
		     "see /sys/kernel/kexec_crash_size then",
		     "crashkernel= of the next kernel asks for %s, this one has %s set aside, and for more there may be no room beside what is preserved",
		     format_bytes(asked_is, asked), format_bytes(here_is, here));
	free(text);
}

/**
 * find_huge - do the huge pages and the crash kernel fit that the next command line asks for?
 * @findings: where to note it
 * @image: the image
 *
 * As the kernel looks when the image is loaded. It knows besides how much of what is
 * preserved is of huge pages, which a kernel that lists HUGETLB_POOL_COMPATIBLE counts in what
 * is asked for.
 */
void find_huge(struct findings *findings, const struct image *image)
{
	char *cmdline = next_cmdline(findings->next), *info = read_text("/proc/meminfo");
	char *total = info ? strstr(info, "MemTotal:") : NULL;
	char *kept_text = read_kho("preserved_bytes");
	uint64_t asked = cmdline ? cmdline_huge(cmdline) : 0, kept, ram, rest;
	char asked_is[32], kept_is[32], ram_is[32];

	kept = kept_text ? strtoull(kept_text, NULL, 10) : 0;
	ram = total ? strtoull(total + strlen("MemTotal:"), NULL, 10) * 1024 : 0;
	rest = ram / 32 > 64 << 20 ? ram / 32 : 64 << 20;
	format_bytes(asked_is, asked);
	format_bytes(kept_is, kept);
	format_bytes(ram_is, ram);
	if (!asked || !kept || !ram || asked + kept + rest <= ram)
		;
	else if (asked + rest > ram || !image_restores(image, HUGETLB_POOL_COMPATIBLE))
		find(findings, FINDING_NO, "command line", "ask for less",
		     "hugepages= of the next kernel asks for %s, besides %s that are preserved, of %s",
		     asked_is, kept_is, ram_is);
	else
		find(findings, FINDING_NOTE, "command line",
		     "if what is preserved is of other pages, ask for less",
		     "hugepages= of the next kernel asks for %s, in which huge pages among the %s that are preserved count, of %s",
		     asked_is, kept_is, ram_is);
	find_crash(findings, cmdline ? cmdline_crash(cmdline, ram) : 0, kept);
	free(kept_text);
	free(info);
	free(cmdline);
}

/* The name's letters in front, such as "vmlinuz" */
static size_t stem(const char *name)
{
	size_t len = 0;

	while (isalpha((unsigned char)name[len]))
		len++;
	return len;
}

/* The files which begin like one that is not there, newest version first; to be freed. */
static char *others_like(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *dir = slash ? xasprintf("%.*s", (int)(slash - path + 1), path) : xstrdup("./");
	struct dirent **entries;
	int nr = stem(name) ? scandir(dir, &entries, NULL, versionsort) : -1, i, offered = 0;
	char *text = NULL, *longer;

	for (i = nr - 1; i >= 0; i--) {
		if (!strncmp(entries[i]->d_name, name, stem(name)) && offered++ < OFFERED_MAX) {
			longer = xasprintf("%s%s%s%s", text ? text : "there is ",
					   text ? ", " : "", slash ? dir : "", entries[i]->d_name);
			free(text);
			text = longer;
		}
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	free(dir);
	return text;
}

/**
 * find_no_file - a file cannot be loaded
 * @findings: where to note it
 * @topic: "image" or "initrd"
 * @path: the file
 * @why: what is the matter with it
 * @error: the errno
 */
void find_no_file(struct findings *findings, const char *topic, const char *path, const char *why,
		  int error)
{
	char *others = error == ENOENT ? others_like(path) : NULL;
	bool unknown = error == EACCES && geteuid();

	find(findings, unknown ? FINDING_UNKNOWN : FINDING_NO, topic,
	     unknown ? "try as root" : others ? others : "give the path of another file",
	     "%s: %s", path, why);
	free(others);
}

/* Was this kernel started with an initrd? False when it cannot be told. */
static bool had_initrd(void)
{
	char *path = rooted("/sys/kernel/boot_params/data");
	size_t len = 0;
	unsigned char *params = (unsigned char *)read_file(path, &len);
	bool had = params && len >= RAMDISK_SIZE + 4 &&
		   (native_u32(params + RAMDISK_SIZE) || native_u32(params + EXT_RAMDISK_SIZE));

	free(params);
	free(path);
	return had;
}

/* Formats that the kernel unpacks, and file systems that it takes for a RAM disk */
static bool is_initrd(const unsigned char *bytes, size_t len)
{
	static const struct {
		size_t at;
		const char *magic;
	} kinds[] = {
		{ 0, "07070" }, { 0, "\x1f\x8b" }, { 0, "\x1f\x9e" }, { 0, "BZh" },
		{ 0, "\x5d" }, { 0, "\3757zXZ" }, { 0, "\x89LZO" },
		{ 0, "\x02\x21\x4c\x18" }, { 0, "\x28\xb5\x2f\xfd" },
		{ 0, "hsqs" }, { 0, "-rom1fs-" }, { 0, "\x45\x3d\xcd\x28" },
		{ 0x438, "\x53\xef" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (len >= kinds[i].at + strlen(kinds[i].magic) &&
		    !memcmp(bytes + kinds[i].at, kinds[i].magic, strlen(kinds[i].magic)))
			return true;
	return false;
}

static void find_initrd_file(struct findings *findings, const char *path)
{
	unsigned char bytes[0x440] = "";
	const char *why;
	int fd = open_to_load(path, &why);
	ssize_t len;

	if (fd < 0) {
		find_no_file(findings, "initrd", path, why, errno);
		return;
	}
	len = pread(fd, bytes, sizeof(bytes), 0);
	close(fd);
	if (len < 0)
		find_no_file(findings, "initrd", path, strerror(errno), errno);
	else if (len >= 0x206 && !memcmp(bytes + 0x202, "HdrS", 4))
		find(findings, FINDING_NO, "initrd", "give the initrd", "%s is a kernel", path);
	else if (!is_initrd(bytes, len))
		find(findings, FINDING_NOTE, "initrd", "see whether it is the right file",
		     "%s is of no format that is known here", path);
	else
		find(findings, FINDING_OK, "initrd", NULL, "%s can be loaded", path);
}

/**
 * find_initrd - the next kernel's initrd
 * @findings: where to note it
 */
void find_initrd(struct findings *findings)
{
	const struct next *next = findings->next;

	if (next->initrd)
		find_initrd_file(findings, next->initrd);
	else if (next->image && !next->no_initrd && had_initrd())
		find(findings, findings->doing ? FINDING_NO : FINDING_NOTE, "initrd",
		     "give it with --initrd; or say --no-initrd, if that is meant",
		     "this kernel was started with one, and the next one gets none");
}

/**
 * find_room - is there memory for the image and the initrd?
 * @findings: where to note it
 * @image: the image
 */
void find_room(struct findings *findings, const struct image *image)
{
	const char *initrd = findings->next->initrd;
	char *info = read_text("/proc/meminfo");
	char *available = info ? strstr(info, "MemAvailable:") : NULL;
	struct stat stat_buf = { 0 };
	uint64_t bytes = 0, wanted;
	char need[32], have[32];

	if (initrd && stat(initrd, &stat_buf))
		stat_buf.st_size = 0;
	wanted = image->init_size + (uint64_t)stat_buf.st_size;
	if (available)
		bytes = strtoull(available + strlen("MemAvailable:"), NULL, 10) * 1024;
	if (available && bytes < wanted)
		find(findings, FINDING_NO, "memory", "free some",
		     "the image needs %s%s, and %s are available", format_bytes(need, wanted),
		     stat_buf.st_size ? " with its initrd" : "", format_bytes(have, bytes));
	free(info);
}
