// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-try: one device of vfio, and every way to ask its kernel for something that a
 * live update may have to refuse. It needs no driver for the device.
 *
 *	vfio-try COMMAND...		see keeper.h: a command can be told to fail
 *	vfio-try start DIR COMMAND...
 *	vfio-try on DIR COMMAND...
 *
 *	open ADDRESS		the character device of a PCI device
 *	group ADDRESS		the same by its group
 *	iommufd			open one
 *	bind			the device to the iommufd
 *	file PAGES [huge]	memory to be mapped, a memfd; huge: its pages have 2 MiB
 *	fill [apart]		all its pages are there; apart: those that are neighbours
 *				in the file are none in memory
 *	ioas			make an address space; the commands below mean the last one
 *	use NR			or the one that was made as number NR, from 0
 *	map PAGE IOVA		a page of the file
 *	map-file PAGE PAGES IOVA [ro]	pages of the file, at once
 *	map-each PAGE PAGES IOVA	or each by itself
 *	map-anywhere PAGE IOVA	the kernel is to choose that
 *	copy FROM PAGES IOVA	what is mapped elsewhere in the address space
 *	copy-from NR FROM PAGES IOVA	or in the one that was made as number NR
 *	allow FIRST LAST	iovas, no others
 *	pins PAGES		so many has this process pinned, and locked
 *	by-process		so are they accounted, before anything is in the iommufd
 *	is-by-process		the iommufd says so
 *	limit PAGES		that it may lock, and no privilege to lock more
 *	map-anonymous IOVA	a page that is of no file
 *	replace PAGE		where a page was mapped last, put another one of the file
 *	punch PAGE		a hole into the file
 *	unmap IOVA
 *	table KIND		make a page table: plain, dirty, parent, fault
 *	attach			the device to the address space
 *	attach-table		to the page table that was made last
 *	detach
 *	destroy-ioas		the address space
 *	destroy			the page table that was made last
 *	reset | hot-reset | low-power | wake
 *	intx on|off
 *	msix NR | msi NR	so many vectors, each with an eventfd; 0: none
 *	signals N...		what each eventfd has counted since it was set or asked for
 *	read BAR OFFSET VALUE	32 bits, have to be that
 *	write BAR OFFSET VALUE
 *	config OFFSET VALUE	16 bits of configuration space have to be that
 *	set-config OFFSET VALUE
 *	power STATE		as in the device's power management capability
 *	flr			function reset by configuration space
 *	close WHAT		device, iommufd, file, session
 *
 * For a live update, with WHAT one of device, iommufd and file:
 *
 *	session NAME | retrieve NAME | preserve WHAT TOKEN | take WHAT TOKEN | finish
 *	objects			what the iommufd held in the kernel before, a line each
 *	areas OLD		what was mapped in an address space
 *	restore OLD		make it again; the last one now
 *	restored-table OLD	the page table that is what that one was, as made last
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/iommufd.h>
#include <linux/memfd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <kho_iommufd.h>
#include <kho_restored.h>
#include <kho_session.h>
#include <kho_vfio.h>

#include "keeper/keeper.h"

#define MAX_SPACES	8
#define MAX_VECTORS	32
#define PAGE		4096UL
#define APART		1021	/* pages; a prime */

static void *last_map;
static int by_process;
static int device = -1, iommufd = -1, file = -1, session = -1;
static uint32_t device_id, spaces[MAX_SPACES], nr_spaces, space, table;
static int events[MAX_VECTORS], nr_events;

static uint64_t number(const char *word)
{
	return strtoull(word, NULL, 0);
}

static int bad(const char *why)
{
	keeper_problem("%s", why);
	errno = EBADMSG;
	return -1;
}

static int opened(int *fd, int got)
{
	if (got < 0)
		return -1;
	*fd = got;
	return 0;
}

static int open_by_group(const char *address)
{
	char path[128], target[128];
	int group, fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return -1;
	target[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0)
		return -1;
	if (!ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommufd))
		fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (fd < 0) {
		int saved = errno;

		close(group);
		errno = saved;
		return -1;
	}
	device = fd;
	return 0;
}

static int make_file(uint64_t pages, bool huge)
{
	unsigned int flags = huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0;

	if (opened(&file, memfd_create("vfio-try", MFD_CLOEXEC | flags)))
		return -1;
	return ftruncate(file, pages * PAGE);
}

/* A page is allocated when it is written to, mostly next to the one before. */
static int fill(bool apart)
{
	uint64_t pages, i, page = 0, step = apart ? APART : 1;
	struct stat st;
	char *at;

	if (fstat(file, &st))
		return -1;
	pages = st.st_size / PAGE;
	if (apart && !(pages % APART))
		return bad("a multiple of that many pages is not met page by page");
	at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (at == MAP_FAILED)
		return -1;
	for (i = 0; i < pages; i++, page = (page + step) % pages)
		at[page * PAGE] = 1;
	return munmap(at, st.st_size);
}

static int make_space(void)
{
	if (nr_spaces == MAX_SPACES)
		return bad("too many address spaces");
	if (kho_iommufd_ioas_alloc(iommufd, &spaces[nr_spaces]))
		return -1;
	space = spaces[nr_spaces++];
	return 0;
}

static int map_page(uint64_t page, uint64_t iova)
{
	/* It stays, because the iommufd may want it later. */
	last_map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, page * PAGE);
	return last_map == MAP_FAILED ? -1 : kho_iommufd_map(iommufd, space, last_map, PAGE, iova);
}

static int destroy(uint32_t id)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = id };

	return ioctl(iommufd, IOMMU_DESTROY, &arg);
}

static int map_file(uint64_t page, uint64_t pages, uint64_t iova, bool writable)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = space,
		.fd = file,
		.start = page * PAGE,
		.length = pages * PAGE,
		.iova = iova,
	};

	if (writable)
		map.flags |= IOMMU_IOAS_MAP_WRITEABLE;
	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map);
}

static int map_each(uint64_t page, uint64_t pages, uint64_t iova)
{
	uint64_t i;

	for (i = 0; i < pages; i++)
		if (map_file(page + i, 1, iova + i * PAGE, true))
			return -1;
	return 0;
}

/* Where the kernel likes, which has to be at @first */
static int map_anywhere(uint64_t page, uint64_t first)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE,
		.ioas_id = space,
		.fd = file,
		.start = page * PAGE,
		.length = PAGE,
	};

	if (ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map))
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
		.dst_ioas_id = space,
		.src_ioas_id = from,
		.src_iova = number(w[0]),
		.length = number(w[1]) * PAGE,
		.dst_iova = number(w[2]),
	};

	return ioctl(iommufd, IOMMU_IOAS_COPY, &copy);
}

static int allow(uint64_t first, uint64_t last)
{
	struct iommu_iova_range range = { .start = first, .last = last };
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow),
		.ioas_id = space,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	return ioctl(iommufd, IOMMU_IOAS_ALLOW_IOVAS, &allow);
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
	*pages /= PAGE / 1024;
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
	struct rlimit limit = { pages * PAGE, pages * PAGE };

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

	if (ioctl(iommufd, IOMMU_OPTION, &option))
		return -1;
	by_process = option.val64;
	return by_process ? 0 : bad("it is accounted by user");
}

static int print_objects(void)
{
	static const char *const types[] = { "?", "ioas", "hwpt", "device" };
	struct iommu_restore_object object;
	uint32_t i;
	int rc;

	for (i = 0; (rc = kho_restored_object(iommufd, i, &object)) > 0; i++) {
		keeper_say("%s %u of %u%s%s", types[object.type & 3], object.old_id, object.parent,
			   object.flags & IOMMU_RESTORE_AUTO ? " auto" : "",
			   object.flags & IOMMU_RESTORE_PRESERVED ? " preserved" : "");
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

	for (i = 0; (rc = kho_restored_area(iommufd, old_id, i, &area)) > 0; i++)
		keeper_say("%#llx %#llx token %llu offset %#llx%s%s source %u\n", area.iova,
			   area.length, area.token, area.offset,
			   area.flags & IOMMU_IOAS_MAP_READABLE ? " r" : "",
			   area.flags & IOMMU_IOAS_MAP_WRITEABLE ? "w" : "", area.source);
	return rc;
}

static int restore(uint32_t old_id)
{
	if (nr_spaces == MAX_SPACES)
		return bad("too many address spaces");
	if (kho_restored_ioas(iommufd, old_id, &spaces[nr_spaces]))
		return -1;
	space = spaces[nr_spaces++];
	return 0;
}

static int map_anonymous(uint64_t iova)
{
	void *va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return va == MAP_FAILED ? -1 : kho_iommufd_map(iommufd, space, va, PAGE, iova);
}

/* Pinned pages stay what they were. */
static int replace_last(uint64_t page)
{
	return mmap(last_map, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
		    page * PAGE) == MAP_FAILED ? -1 : 0;
}

static int make_fault(void)
{
	struct iommu_fault_alloc arg = { .size = sizeof(arg) };

	return ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &arg);
}

static int make_table(const char *kind)
{
	struct iommu_hwpt_alloc arg = {
		.size = sizeof(arg),
		.dev_id = device_id,
		.pt_id = space,
	};

	if (!strcmp(kind, "fault"))
		return make_fault();
	if (!strcmp(kind, "dirty"))
		arg.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	else if (!strcmp(kind, "parent"))
		arg.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	else if (strcmp(kind, "plain"))
		return bad("no such kind of page table");
	if (ioctl(iommufd, IOMMU_HWPT_ALLOC, &arg))
		return -1;
	table = arg.out_hwpt_id;
	return 0;
}

static int detach(void)
{
	struct vfio_device_detach_iommufd_pt arg = { .argsz = sizeof(arg) };

	return ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

static int hot_reset(void)
{
	struct vfio_pci_hot_reset arg = { .argsz = sizeof(arg) };

	return ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, &arg);
}

static int feature(uint32_t which)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_FEATURE_SET | which,
	};

	return ioctl(device, VFIO_DEVICE_FEATURE, &arg);
}

static int set_irqs(uint32_t index, unsigned int nr)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(events)] = "";
	struct vfio_irq_set *set = (void *)buf;
	unsigned int i;

	if (nr > MAX_VECTORS)
		return bad("too many vectors");
	for (i = nr_events; i < nr; i++)
		if (opened(&events[nr_events++], eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)))
			return -1;
	set->argsz = sizeof(*set) + nr * sizeof(events[0]);
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER;
	set->flags |= nr ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE;
	set->index = index;
	set->count = nr;
	memcpy(set->data, events, nr * sizeof(events[0]));
	return ioctl(device, VFIO_DEVICE_SET_IRQS, set);
}

/* Adds what an eventfd has counted since the last look. */
static int add_signals(int fd, uint64_t *sum)
{
	ssize_t size;
	uint64_t nr;

	errno = EIO;	/* if only a part of it is read */
	size = read(fd, &nr, sizeof(nr));
	if (size == sizeof(nr)) {
		*sum += nr;
		return 0;
	}
	return size < 0 && errno == EAGAIN ? 0 : -1;
}

/*
 * Interrupts are under way for a moment: those that should come are waited for, however
 * long a busy host takes; then those that should not have 100 looks to show themselves.
 */
static int check_signals(char **words, int nr)
{
	uint64_t got[WORDS_MAX] = {}, wanted;
	int i, look, good = 0, wrong = 0;

	for (look = 0; look < 10000 && good < 100; look++) {
		usleep(1000);
		good++;
		for (i = 0; i < nr; i++) {
			if (i < nr_events && add_signals(events[i], &got[i]))
				return -1;
			wanted = number(words[i]);
			if (got[i] == wanted)
				continue;
			good = 0;
			wrong = i;
			if (got[i] > wanted)
				look = 10000;
		}
	}
	if (good)
		return 0;
	keeper_problem("vector %d was signalled %lu times", wrong, got[wrong]);
	errno = EBADMSG;
	return -1;
}

static int access_bar(char **w, int write)
{
	uint32_t *at, got;
	size_t size;
	void *bar = kho_vfio_map_bar(device, number(w[1]), &size);

	if (!bar)
		return -1;
	at = (void *)((char *)bar + number(w[2]));
	if (write)
		__atomic_store_n(at, number(w[3]), __ATOMIC_SEQ_CST);
	got = __atomic_load_n(at, __ATOMIC_SEQ_CST);
	munmap(bar, size);
	if (write || got == number(w[3]))
		return 0;
	keeper_problem("it is %#x", got);
	errno = EBADMSG;
	return -1;
}

static int check_config(unsigned int offset, uint16_t wanted)
{
	uint16_t got;

	if (kho_vfio_config_read16(device, offset, &got))
		return -1;
	if (got == wanted)
		return 0;
	keeper_problem("it is %#x", got);
	errno = EBADMSG;
	return -1;
}

static int find_cap(unsigned int id, unsigned int *at)
{
	uint16_t value;
	unsigned int i;

	if (kho_vfio_config_read16(device, PCI_CAPABILITY_LIST, &value))
		return -1;
	for (i = 0, *at = value & 0xfc; *at && i < 48; i++, *at = value >> 8 & 0xfc) {
		if (kho_vfio_config_read16(device, *at, &value))
			return -1;
		if ((value & 0xff) == id)
			return 0;
	}
	return bad("the device has no such capability");
}

static int set_power(unsigned int state)
{
	unsigned int at;

	return find_cap(PCI_CAP_ID_PM, &at) ||
	       kho_vfio_config_write16(device, at + PCI_PM_CTRL, state) ? -1 : 0;
}

static int function_reset(void)
{
	unsigned int at;
	uint16_t value;

	if (find_cap(PCI_CAP_ID_EXP, &at) ||
	    kho_vfio_config_read16(device, at + PCI_EXP_DEVCTL, &value))
		return -1;
	return kho_vfio_config_write16(device, at + PCI_EXP_DEVCTL, value | PCI_EXP_DEVCTL_BCR_FLR);
}

static int *descriptor(const char *what)
{
	static int none;

	none = -1;
	if (!strcmp(what, "device"))
		return &device;
	if (!strcmp(what, "iommufd"))
		return &iommufd;
	if (!strcmp(what, "file"))
		return &file;
	if (!strcmp(what, "session"))
		return &session;
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
		return opened(&iommufd, kho_iommufd_open());
	if (!strcmp(c, "bind"))
		return kho_vfio_bind(device, iommufd, &device_id);
	if (!strcmp(c, "ioas"))
		return make_space();
	if (!strcmp(c, "fill"))
		return fill(false);
	if (!strcmp(c, "attach"))
		return kho_vfio_attach(device, space);
	if (!strcmp(c, "attach-table"))
		return kho_vfio_attach(device, table);
	if (!strcmp(c, "detach"))
		return detach();
	if (!strcmp(c, "destroy"))
		return destroy(table);
	if (!strcmp(c, "reset"))
		return ioctl(device, VFIO_DEVICE_RESET);
	if (!strcmp(c, "hot-reset"))
		return hot_reset();
	if (!strcmp(c, "low-power"))
		return feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	if (!strcmp(c, "wake"))
		return feature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	if (!strcmp(c, "flr"))
		return function_reset();
	if (!strcmp(c, "finish"))
		return kho_session_finish(session);
	if (!strcmp(c, "objects"))
		return print_objects();
	if (!strcmp(c, "by-process"))
		return account_by_process(IOMMU_OPTION_OP_SET);
	if (!strcmp(c, "is-by-process"))
		return account_by_process(IOMMU_OPTION_OP_GET);
	if (!strcmp(c, "destroy-ioas"))
		return destroy(space);
	return bad("no such command");
}

static int run_two(const char *c, const char *arg)
{
	if (!strcmp(c, "open"))
		return opened(&device, kho_vfio_open(arg));
	if (!strcmp(c, "group"))
		return open_by_group(arg);
	if (!strcmp(c, "file"))
		return make_file(number(arg), false);
	if (!strcmp(c, "fill"))
		return fill(!strcmp(arg, "apart"));
	if (!strcmp(c, "use")) {
		space = spaces[number(arg) % MAX_SPACES];
		return 0;
	}
	if (!strcmp(c, "areas"))
		return print_areas(number(arg));
	if (!strcmp(c, "restore"))
		return restore(number(arg));
	if (!strcmp(c, "restored-table"))
		return kho_restored_attach_to(iommufd, number(arg), &table);
	if (!strcmp(c, "pins"))
		return check_pins(number(arg));
	if (!strcmp(c, "limit"))
		return limit_locked(number(arg));
	if (!strcmp(c, "map-anonymous"))
		return map_anonymous(number(arg));
	if (!strcmp(c, "replace"))
		return replace_last(number(arg));
	if (!strcmp(c, "punch"))
		return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 number(arg) * PAGE, PAGE);
	if (!strcmp(c, "unmap"))
		return kho_iommufd_unmap(iommufd, space, PAGE, number(arg));
	if (!strcmp(c, "table"))
		return make_table(arg);
	if (!strcmp(c, "intx"))
		return set_irqs(VFIO_PCI_INTX_IRQ_INDEX, !strcmp(arg, "on"));
	if (!strcmp(c, "msix"))
		return set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, number(arg));
	if (!strcmp(c, "msi"))
		return set_irqs(VFIO_PCI_MSI_IRQ_INDEX, number(arg));
	if (!strcmp(c, "power"))
		return set_power(number(arg));
	if (!strcmp(c, "close"))
		return close_it(descriptor(arg));
	if (!strcmp(c, "session"))
		return opened(&session, kho_session_create(arg));
	if (!strcmp(c, "retrieve"))
		return opened(&session, kho_session_retrieve(arg));
	return bad("no such command");
}

static int run_more(char **w, int nr)
{
	if (!strcmp(w[0], "map") && nr == 3)
		return map_page(number(w[1]), number(w[2]));
	if (!strcmp(w[0], "map-file") && nr >= 4)
		return map_file(number(w[1]), number(w[2]), number(w[3]), nr == 4);
	if (!strcmp(w[0], "map-each") && nr == 4)
		return map_each(number(w[1]), number(w[2]), number(w[3]));
	if (!strcmp(w[0], "file") && nr == 3)
		return make_file(number(w[1]), !strcmp(w[2], "huge"));
	if (!strcmp(w[0], "map-anywhere") && nr == 3)
		return map_anywhere(number(w[1]), number(w[2]));
	if (!strcmp(w[0], "copy") && nr == 4)
		return copy(space, w + 1);
	if (!strcmp(w[0], "copy-from") && nr == 5)
		return copy(spaces[number(w[1]) % MAX_SPACES], w + 2);
	if (!strcmp(w[0], "allow") && nr == 3)
		return allow(number(w[1]), number(w[2]));
	if (!strcmp(w[0], "config") && nr == 3)
		return check_config(number(w[1]), number(w[2]));
	if (!strcmp(w[0], "set-config") && nr == 3)
		return kho_vfio_config_write16(device, number(w[1]), number(w[2]));
	if (!strcmp(w[0], "preserve") && nr == 3)
		return kho_session_preserve(session, *descriptor(w[1]), number(w[2]));
	if (!strcmp(w[0], "take") && nr == 3)
		return opened(descriptor(w[1]), kho_session_take(session, number(w[2])));
	if (!strcmp(w[0], "read") && nr == 4)
		return access_bar(w, 0);
	if (!strcmp(w[0], "write") && nr == 4)
		return access_bar(w, 1);
	return bad("no such command");
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "signals"))
		return check_signals(w + 1, nr - 1);
	if (nr == 1)
		return run_one(w[0]);
	return nr == 2 ? run_two(w[0], w[1]) : run_more(w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
