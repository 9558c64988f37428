// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioas-try: what a device may have mapped, in every way that there is, who pays for it,
 * and what comes back of it after a live update. It needs no driver for the device.
 *
 *	ioas-try COMMAND...		see keeper.h: a command can be told to fail
 *	ioas-try start DIR COMMAND...
 *	ioas-try on DIR COMMAND...
 *
 *	fill [apart]		all pages of the file are there; apart: those that are
 *				neighbours in the file are none in memory
 *	map-file PAGE PAGES IOVA [ro]	pages of the file, at once
 *	map-each PAGE PAGES IOVA	or each by itself
 *	map-anywhere PAGE IOVA	the kernel is to choose that
 *	copy FROM PAGES IOVA	what is mapped elsewhere in the address space
 *	copy-from NR FROM PAGES IOVA	or in the one that was made as number NR
 *	allow FIRST LAST	iovas, no others
 *	punch PAGE		a hole into the file
 *	pins PAGES		so many has this process pinned, and locked
 *	by-process		so are they accounted, before anything is in the iommufd
 *	is-by-process		the iommufd says so
 *	limit PAGES		that it may lock, and no privilege to lock more
 *	track on|off		what is dirty, in the page table that was made last
 *	dirty IOVA PAGES N...	of so many pages, up to 64, those with these numbers are dirty, no
 *				others; and have been asked for
 *
 * After a live update:
 *
 *	objects			what the iommufd held in the kernel before, a line each
 *	areas OLD		what was mapped in an address space
 *	restore OLD		make it again; the last one now
 *	restored-table OLD	the page table that is what that one was, as made last
 *
 * and what trial.h has. vfio-try does the same for the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/iommufd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <kho_iommufd.h>
#include <kho_restored.h>

#include "keeper/keeper.h"
#include "trial.h"

#define APART		1021	/* pages; a prime */

static int by_process;

/* A page is allocated when it is written to, mostly next to the one before. */
static int fill(bool apart)
{
	uint64_t pages, i, page = 0, step = apart ? APART : 1;
	struct stat st;
	char *at;

	if (fstat(trial.file, &st))
		return -1;
	pages = st.st_size / TRIAL_PAGE;
	if (apart && !(pages % APART))
		return trial_bad("a multiple of that many pages is not met page by page");
	at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, trial.file, 0);
	if (at == MAP_FAILED)
		return -1;
	for (i = 0; i < pages; i++, page = (page + step) % pages)
		at[page * TRIAL_PAGE] = 1;
	return munmap(at, st.st_size);
}

static int map_file(uint64_t page, uint64_t pages, uint64_t iova, bool writable)
{
	return kho_iommufd_map_file(trial.iommufd, trial.space, trial.file, page * TRIAL_PAGE,
				    pages * TRIAL_PAGE, iova, writable);
}

static int map_each(uint64_t page, uint64_t pages, uint64_t iova)
{
	uint64_t i;

	for (i = 0; i < pages; i++)
		if (map_file(page + i, 1, iova + i * TRIAL_PAGE, true))
			return -1;
	return 0;
}

/* Where the kernel likes, which has to be at @first */
static int map_anywhere(uint64_t page, uint64_t first)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE,
		.ioas_id = trial.space,
		.fd = trial.file,
		.start = page * TRIAL_PAGE,
		.length = TRIAL_PAGE,
	};

	if (ioctl(trial.iommufd, IOMMU_IOAS_MAP_FILE, &map))
		return -1;
	if (map.iova == first)
		return 0;
	keeper_problem("it is at %#llx", map.iova);
	errno = EBADMSG;
	return -1;
}

static int copy(uint32_t from, char **w)
{
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = trial.space,
		.src_ioas_id = from,
		.src_iova = trial_number(w[0]),
		.length = trial_number(w[1]) * TRIAL_PAGE,
		.dst_iova = trial_number(w[2]),
	};

	return ioctl(trial.iommufd, IOMMU_IOAS_COPY, &copy);
}

static int allow(uint64_t first, uint64_t last)
{
	struct iommu_iova_range range = { .start = first, .last = last };
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow),
		.ioas_id = trial.space,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return ioctl(trial.iommufd, IOMMU_IOAS_ALLOW_IOVAS, &allow);
}

/* Of this process, in pages */
static int status_pages(const char *what, unsigned long *pages)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	int rc = -1;

	while (status && rc && fgets(line, sizeof(line), status))
		if (!strncmp(line, what, strlen(what)) &&
		    sscanf(line + strlen(what), ": %lu kB", pages) == 1)
			rc = 0;
	if (status)
		fclose(status);
	*pages /= TRIAL_PAGE / 1024;
	return rc;
}

static int check_pins(uint64_t wanted)
{
	unsigned long pinned, locked;

	if (status_pages("VmPin", &pinned) || status_pages("VmLck", &locked))
		return -1;
	if (pinned == wanted && locked == (by_process ? wanted : 0))
		return 0;
	keeper_problem("%lu pages are pinned, and %lu locked, expected %lu", pinned, locked,
		       wanted);
	errno = EBADMSG;
	return -1;
}

/* Without the privilege to lock as much as one likes */
static int limit_locked(uint64_t pages)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct rlimit limit = { pages * TRIAL_PAGE, pages * TRIAL_PAGE };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || syscall(SYS_capget, &header, data))
		return -1;
	data[0].effective &= ~(1 << CAP_IPC_LOCK);
	return syscall(SYS_capset, &header, data);
}

/* Not by user, where memory that somebody else locked counts as well */
static int account_by_process(uint32_t op)
{
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = op,
		.val64 = op == IOMMU_OPTION_OP_SET,
	};

	if (ioctl(trial.iommufd, IOMMU_OPTION, &option))
		return -1;
	by_process = option.val64;
	return by_process ? 0 : trial_bad("it is accounted by user");
}

static int track_dirty(bool on)
{
	struct iommu_hwpt_set_dirty_tracking set = {
		.size = sizeof(set),
		.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
		.hwpt_id = trial.table,
	};

	return ioctl(trial.iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set);
}

static int check_dirty(char **w, int nr)
{
	uint64_t bitmap = 0, wanted = 0;
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get),
		.hwpt_id = trial.table,
		.iova = trial_number(w[0]),
		.length = trial_number(w[1]) * TRIAL_PAGE,
		.page_size = TRIAL_PAGE,
		.data = (uintptr_t)&bitmap,
	};
	int i;

	for (i = 2; i < nr; i++)
		wanted |= 1ULL << trial_number(w[i]);
	if (ioctl(trial.iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &get))
		return -1;
	if (bitmap == wanted)
		return 0;
	keeper_problem("as a bitmap they are %#lx", bitmap);
	errno = EBADMSG;
	return -1;
}

static int print_objects(void)
{
	static const char *const types[] = { "?", "ioas", "hwpt", "device" };
	struct iommu_restore_object object;
	uint32_t i;
	int rc;

	for (i = 0; (rc = kho_restored_object(trial.iommufd, i, &object)) > 0; i++) {
		keeper_say("%s %u of %u", types[object.type & 3], object.old_id, object.parent);
		keeper_say("%s%s%s",
			   object.flags & IOMMU_RESTORE_AUTO ? " auto" : "",
			   object.flags & IOMMU_RESTORE_PRESERVED ? " preserved" : "",
			   object.flags & IOMMU_RESTORE_TRACKS_DIRTY ? " tracked" : "");
		if (object.hwpt_flags)
			keeper_say(" flags %#x", object.hwpt_flags);
		if (object.type == IOMMU_RESTORE_TYPE_DEVICE)
			keeper_say(" at %#llx", object.bdf);
		keeper_say(" new %u\n", object.new_id);
	}
	return rc;
}

static int print_areas(uint32_t old_id)
{
	struct iommu_restore_area area;
	uint32_t i;
	int rc;

	for (i = 0; (rc = kho_restored_area(trial.iommufd, old_id, i, &area)) > 0; i++)
		keeper_say("%#llx %#llx token %llu offset %#llx%s%s source %u\n", area.iova,
			   area.length, area.token, area.offset,
			   area.flags & IOMMU_IOAS_MAP_READABLE ? " r" : "",
			   area.flags & IOMMU_IOAS_MAP_WRITEABLE ? "w" : "", area.source);
	return rc;
}

static int restore(uint32_t old_id)
{
	uint32_t *ioas = trial_next_space();

	return ioas && !kho_restored_ioas(trial.iommufd, old_id, ioas) ? trial_made_space() : -1;
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "fill") && nr <= 2)
		return fill(nr == 2 && !strcmp(w[1], "apart"));
	if (!strcmp(w[0], "map-file") && nr >= 4)
		return map_file(trial_number(w[1]), trial_number(w[2]), trial_number(w[3]),
				nr == 4);
	if (!strcmp(w[0], "map-each") && nr == 4)
		return map_each(trial_number(w[1]), trial_number(w[2]), trial_number(w[3]));
	if (!strcmp(w[0], "map-anywhere") && nr == 3)
		return map_anywhere(trial_number(w[1]), trial_number(w[2]));
	if (!strcmp(w[0], "copy") && nr == 4)
		return copy(trial.space, w + 1);
	if (!strcmp(w[0], "copy-from") && nr == 5)
		return copy(trial_space(trial_number(w[1])), w + 2);
	if (!strcmp(w[0], "allow") && nr == 3)
		return allow(trial_number(w[1]), trial_number(w[2]));
	if (!strcmp(w[0], "punch") && nr == 2)
		return fallocate(trial.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 trial_number(w[1]) * TRIAL_PAGE, TRIAL_PAGE);
	if (!strcmp(w[0], "pins") && nr == 2)
		return check_pins(trial_number(w[1]));
	if (!strcmp(w[0], "by-process") && nr == 1)
		return account_by_process(IOMMU_OPTION_OP_SET);
	if (!strcmp(w[0], "is-by-process") && nr == 1)
		return account_by_process(IOMMU_OPTION_OP_GET);
	if (!strcmp(w[0], "limit") && nr == 2)
		return limit_locked(trial_number(w[1]));
	if (!strcmp(w[0], "track") && nr == 2)
		return track_dirty(!strcmp(w[1], "on"));
	if (!strcmp(w[0], "dirty") && nr >= 3)
		return check_dirty(w + 1, nr - 1);
	if (!strcmp(w[0], "objects") && nr == 1)
		return print_objects();
	if (!strcmp(w[0], "areas") && nr == 2)
		return print_areas(trial_number(w[1]));
	if (!strcmp(w[0], "restore") && nr == 2)
		return restore(trial_number(w[1]));
	if (!strcmp(w[0], "restored-table") && nr == 2)
		return kho_restored_attach_to(trial.iommufd, trial_number(w[1]), &trial.table);
	return trial_run(w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
