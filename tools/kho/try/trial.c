// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vfio-try and ioas-try have in common, see trial.h. All of it lives as long as the program.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/memfd.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kho_iommufd.h>
#include <kho_session.h>
#include <kho_vfio.h>

#include "keeper/keeper.h"
#include "trial.h"

#define MAX_SPACES	8

struct trial trial = {
	.device = -1,
	.iommufd = -1,
	.file = -1,
	.session = -1,
};

static void *last_map;
static uint32_t spaces[MAX_SPACES], nr_spaces;

uint64_t trial_number(const char *word)
{
	return strtoull(word, NULL, 0);
}

int trial_bad(const char *why)
{
	keeper_problem("%s", why);
	errno = EBADMSG;
	return -1;
}

int trial_opened(int *fd, int got)
{
	if (got < 0)
		return -1;
	*fd = got;
	return 0;
}

uint32_t trial_space(uint64_t nr)
{
	return spaces[nr % MAX_SPACES];
}

uint32_t *trial_next_space(void)
{
	if (nr_spaces < MAX_SPACES)
		return &spaces[nr_spaces];
	trial_bad("too many address spaces");
	return NULL;
}

int trial_made_space(void)
{
	trial.space = spaces[nr_spaces++];
	return 0;
}

static int make_file(uint64_t pages, bool huge)
{
	unsigned int flags = huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0;

	if (trial_opened(&trial.file, memfd_create("trial", MFD_CLOEXEC | flags)))
		return -1;
	return ftruncate(trial.file, pages * TRIAL_PAGE);
}

static int make_space(void)
{
	uint32_t *ioas = trial_next_space();

	return ioas && !kho_iommufd_ioas_alloc(trial.iommufd, ioas) ? trial_made_space() : -1;
}

static int map_page(uint64_t page, uint64_t iova)
{
	/* It stays, because the iommufd may want it later. */
	last_map = mmap(NULL, TRIAL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, trial.file,
			page * TRIAL_PAGE);
	return last_map == MAP_FAILED ?
	       -1 : kho_iommufd_map(trial.iommufd, trial.space, last_map, TRIAL_PAGE, iova);
}

static int map_anonymous(uint64_t iova)
{
	void *va = mmap(NULL, TRIAL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	return va == MAP_FAILED ?
	       -1 : kho_iommufd_map(trial.iommufd, trial.space, va, TRIAL_PAGE, iova);
}

/* Pinned pages stay what they were. */
static int replace_last(uint64_t page)
{
	return mmap(last_map, TRIAL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    trial.file, page * TRIAL_PAGE) == MAP_FAILED ? -1 : 0;
}

static int make_fault(void)
{
	struct iommu_fault_alloc arg = { .size = sizeof(arg) };

	return ioctl(trial.iommufd, IOMMU_FAULT_QUEUE_ALLOC, &arg);
}

static int make_table(const char *kind)
{
	struct iommu_hwpt_alloc arg = {
		.size = sizeof(arg),
		.dev_id = trial.device_id,
		.pt_id = trial.space,
	};

	if (!strcmp(kind, "fault"))
		return make_fault();
	if (!strcmp(kind, "dirty"))
		arg.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	else if (!strcmp(kind, "parent"))
		arg.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	else if (!strcmp(kind, "dirty-parent"))
		arg.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_NEST_PARENT;
	else if (strcmp(kind, "plain"))
		return trial_bad("no such kind of page table");
	if (ioctl(trial.iommufd, IOMMU_HWPT_ALLOC, &arg))
		return -1;
	trial.table = arg.out_hwpt_id;
	return 0;
}

static int detach(void)
{
	struct vfio_device_detach_iommufd_pt arg = { .argsz = sizeof(arg) };

	return ioctl(trial.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

static int destroy(uint32_t id)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = id };

	return ioctl(trial.iommufd, IOMMU_DESTROY, &arg);
}

static int check_config(unsigned int offset, uint16_t wanted)
{
	uint16_t got;

	if (kho_vfio_config_read16(trial.device, offset, &got))
		return -1;
	if (got == wanted)
		return 0;
	keeper_problem("it is %#x", got);
	errno = EBADMSG;
	return -1;
}

static int *descriptor(const char *what)
{
	static int none;

	none = -1;
	if (!strcmp(what, "device"))
		return &trial.device;
	if (!strcmp(what, "iommufd"))
		return &trial.iommufd;
	if (!strcmp(what, "file"))
		return &trial.file;
	if (!strcmp(what, "session"))
		return &trial.session;
	return &none;
}

static int close_it(int *fd)
{
	int rc = close(*fd);

	*fd = -1;
	return rc;
}

static int run_one(const char *c)
{
	if (!strcmp(c, "iommufd"))
		return trial_opened(&trial.iommufd, kho_iommufd_open());
	if (!strcmp(c, "bind"))
		return kho_vfio_bind(trial.device, trial.iommufd, &trial.device_id);
	if (!strcmp(c, "ioas"))
		return make_space();
	if (!strcmp(c, "attach"))
		return kho_vfio_attach(trial.device, trial.space);
	if (!strcmp(c, "attach-table"))
		return kho_vfio_attach(trial.device, trial.table);
	if (!strcmp(c, "detach"))
		return detach();
	if (!strcmp(c, "destroy"))
		return destroy(trial.table);
	if (!strcmp(c, "destroy-ioas"))
		return destroy(trial.space);
	if (!strcmp(c, "finish"))
		return kho_session_finish(trial.session);
	return trial_bad("no such command");
}

static int run_two(const char *c, const char *arg)
{
	if (!strcmp(c, "open"))
		return trial_opened(&trial.device, kho_vfio_open(arg));
	if (!strcmp(c, "file"))
		return make_file(trial_number(arg), false);
	if (!strcmp(c, "use")) {
		trial.space = trial_space(trial_number(arg));
		return 0;
	}
	if (!strcmp(c, "map-anonymous"))
		return map_anonymous(trial_number(arg));
	if (!strcmp(c, "replace"))
		return replace_last(trial_number(arg));
	if (!strcmp(c, "unmap"))
		return kho_iommufd_unmap(trial.iommufd, trial.space, TRIAL_PAGE,
					 trial_number(arg));
	if (!strcmp(c, "table"))
		return make_table(arg);
	if (!strcmp(c, "close"))
		return close_it(descriptor(arg));
	if (!strcmp(c, "session"))
		return trial_opened(&trial.session, kho_session_create(arg));
	if (!strcmp(c, "retrieve"))
		return trial_opened(&trial.session, kho_session_retrieve(arg));
	return trial_bad("no such command");
}

static int run_three(const char *c, const char *first, const char *second)
{
	if (!strcmp(c, "map"))
		return map_page(trial_number(first), trial_number(second));
	if (!strcmp(c, "file"))
		return make_file(trial_number(first), !strcmp(second, "huge"));
	if (!strcmp(c, "config"))
		return check_config(trial_number(first), trial_number(second));
	if (!strcmp(c, "set-config"))
		return kho_vfio_config_write16(trial.device, trial_number(first),
					       trial_number(second));
	if (!strcmp(c, "preserve"))
		return kho_session_preserve(trial.session, *descriptor(first),
					    trial_number(second));
	if (!strcmp(c, "take"))
		return trial_opened(descriptor(first),
				    kho_session_take(trial.session, trial_number(second)));
	return trial_bad("no such command");
}

int trial_run(char **w, int nr)
{
	switch (nr) {
	case 1:
		return run_one(w[0]);
	case 2:
		return run_two(w[0], w[1]);
	case 3:
		return run_three(w[0], w[1], w[2]);
	}
	return trial_bad("no such command");
}
