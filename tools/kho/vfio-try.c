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
 *	file PAGES		memory to be mapped, a memfd
 *	ioas			make an address space; the commands below mean the last one
 *	use NR			or the one that was made as number NR, from 0
 *	map PAGE IOVA		a page of the file
 *	unmap IOVA
 *	table KIND		make a page table: plain, dirty, parent, fault
 *	attach			the device to the address space
 *	attach-table		to the page table that was made last
 *	detach
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
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "keeper.h"
#include "kho_vfio.h"
#include "session.h"

#define MAX_SPACES	8
#define MAX_VECTORS	32
#define PAGE		4096UL

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

static int make_file(uint64_t pages)
{
	if (opened(&file, memfd_create("vfio-try", MFD_CLOEXEC)))
		return -1;
	return ftruncate(file, pages * PAGE);
}

static int make_space(void)
{
	if (nr_spaces == MAX_SPACES)
		return bad("too many address spaces");
	if (iommufd_ioas_alloc(iommufd, &spaces[nr_spaces]))
		return -1;
	space = spaces[nr_spaces++];
	return 0;
}

static int map_page(uint64_t page, uint64_t iova)
{
	void *va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, page * PAGE);

	/* It stays, because the iommufd may want it later. */
	return va == MAP_FAILED ? -1 : iommufd_map(iommufd, space, va, PAGE, iova);
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

static int destroy_table(void)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = table };

	return ioctl(iommufd, IOMMU_DESTROY, &arg);
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

/* Interrupts are under way for a moment. */
static int check_signals(char **words, int nr)
{
	int i;

	usleep(100000);
	for (i = 0; i < nr; i++) {
		uint64_t got = 0;

		if (i < nr_events && read(events[i], &got, sizeof(got)) < 0 && errno != EAGAIN)
			return -1;
		if (got != number(words[i])) {
			keeper_problem("vector %d was signalled %lu times", i, got);
			errno = EBADMSG;
			return -1;
		}
	}
	return 0;
}

static int access_bar(char **w, int write)
{
	uint32_t *at, got;
	size_t size;
	void *bar = vfio_map_bar(device, number(w[1]), &size);

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

	if (vfio_config_read16(device, offset, &got))
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

	if (vfio_config_read16(device, PCI_CAPABILITY_LIST, &value))
		return -1;
	for (i = 0, *at = value & 0xfc; *at && i < 48; i++, *at = value >> 8 & 0xfc) {
		if (vfio_config_read16(device, *at, &value))
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
	       vfio_config_write16(device, at + PCI_PM_CTRL, state) ? -1 : 0;
}

static int function_reset(void)
{
	unsigned int at;
	uint16_t value;

	if (find_cap(PCI_CAP_ID_EXP, &at) ||
	    vfio_config_read16(device, at + PCI_EXP_DEVCTL, &value))
		return -1;
	return vfio_config_write16(device, at + PCI_EXP_DEVCTL, value | PCI_EXP_DEVCTL_BCR_FLR);
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
		return opened(&iommufd, iommufd_open());
	if (!strcmp(c, "bind"))
		return vfio_bind(device, iommufd, &device_id);
	if (!strcmp(c, "ioas"))
		return make_space();
	if (!strcmp(c, "attach"))
		return vfio_attach(device, space);
	if (!strcmp(c, "attach-table"))
		return vfio_attach(device, table);
	if (!strcmp(c, "detach"))
		return detach();
	if (!strcmp(c, "destroy"))
		return destroy_table();
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
		return session_finish(session);
	return bad("no such command");
}

static int run_two(const char *c, const char *arg)
{
	if (!strcmp(c, "open"))
		return opened(&device, vfio_open(arg));
	if (!strcmp(c, "group"))
		return open_by_group(arg);
	if (!strcmp(c, "file"))
		return make_file(number(arg));
	if (!strcmp(c, "use")) {
		space = spaces[number(arg) % MAX_SPACES];
		return 0;
	}
	if (!strcmp(c, "unmap"))
		return iommufd_unmap(iommufd, space, PAGE, number(arg));
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
		return opened(&session, session_create(arg));
	if (!strcmp(c, "retrieve"))
		return opened(&session, session_retrieve(arg));
	return bad("no such command");
}

static int run_more(char **w, int nr)
{
	if (!strcmp(w[0], "map") && nr == 3)
		return map_page(number(w[1]), number(w[2]));
	if (!strcmp(w[0], "config") && nr == 3)
		return check_config(number(w[1]), number(w[2]));
	if (!strcmp(w[0], "set-config") && nr == 3)
		return vfio_config_write16(device, number(w[1]), number(w[2]));
	if (!strcmp(w[0], "preserve") && nr == 3)
		return session_preserve(session, *descriptor(w[1]), number(w[2]));
	if (!strcmp(w[0], "take") && nr == 3)
		return opened(descriptor(w[1]), session_take(session, number(w[2])));
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
