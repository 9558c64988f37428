// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-vmm: what a VMM does so that its guest's memory, and a device assigned to the
 * guest, survive a kexec. Run once in each kernel, with the vfio character device of QEMU's
 * device for education, whose driver is vfio-pci. That one copies between memory and a
 * buffer of its own. Part of Documentation/userspace-api/liveupdate.rst.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/iommufd_liveupdate.h>
#include <linux/liveupdate.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* common */
enum { MEMORY = 1, IOMMUFD, DEVICE };	/* tokens */

#define SIZE 0x200000
#define IOVA 0x100000

/* In the guest's memory: what the VMM has to know in the next kernel besides */
struct state {
	uint32_t ioas;
	char text[64];	/* the device reads it under the old kernel, */
	char copy[64];	/* and writes it here under the next one */
};

static void call(int fd, unsigned long request, void *arg, const char *name)
{
	if (ioctl(fd, request, arg))
		err(1, "%s", name);
}

#define CALL(fd, request, arg) call(fd, request, arg, #request)

static struct state *map_state(int memory)
{
	void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

	if (at == MAP_FAILED)
		err(1, "mmap of the memory");
	return at;
}

static void bind_device(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	CALL(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static void attach_device(int device, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = pt };

	CALL(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

/* device */
static uint64_t region(int device, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	CALL(device, VFIO_DEVICE_GET_REGION_INFO, &info);
	return info.offset;
}

static void let_it_do_dma(int device)
{
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	if (pwrite(device, &command, sizeof(command),
		   region(device, VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND) != sizeof(command))
		err(1, "writing the command register");
}

static void set(int device, unsigned int at, uint64_t value)
{
	if (pwrite(device, &value, 8, region(device, VFIO_PCI_BAR0_REGION_INDEX) + at) != 8)
		err(1, "writing a register");
}

static void copy(int device, uint64_t from, uint64_t to, bool to_memory)
{
	uint64_t command = to_memory ? 3 : 1;

	set(device, 0x80, from);
	set(device, 0x88, to);
	set(device, 0x90, sizeof(((struct state *)0)->text));
	set(device, 0x98, command);
	while (command & 1) {
		usleep(1000);
		if (pread(device, &command, 8,
			  region(device, VFIO_PCI_BAR0_REGION_INDEX) + 0x98) != 8)
			err(1, "reading a register");
	}
}

#define BUFFER 0x40000	/* of the device, as it sees it */

/* old kernel */
static void preserve(int session, int fd, uint64_t token)
{
	struct liveupdate_session_preserve_fd arg = { sizeof(arg), fd, token };

	CALL(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

static void old_kernel(int liveupdate, const char *path)
{
	struct liveupdate_ioctl_create_session session = { sizeof(session), -1, "vmm" };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	int memory = memfd_create("guest", MFD_CLOEXEC);
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	int device = open(path, O_RDWR | O_CLOEXEC);
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.fd = memory,
		.length = SIZE,
		.iova = IOVA,
	};
	struct state *state;

	/* Before there is a guest: it fails, too, if what the old kernel left is damaged. */
	CALL(liveupdate, LIVEUPDATE_IOCTL_CREATE_SESSION, &session);
	if (memory < 0 || iommufd < 0 || device < 0 || ftruncate(memory, SIZE))
		err(1, "opening /dev/iommu or %s", path);
	state = map_state(memory);
	bind_device(device, iommufd);
	CALL(iommufd, IOMMU_IOAS_ALLOC, &ioas);
	map.ioas_id = ioas.out_ioas_id;
	CALL(iommufd, IOMMU_IOAS_MAP_FILE, &map);
	attach_device(device, ioas.out_ioas_id);

	/* The guest would run from here on. */
	state->ioas = ioas.out_ioas_id;
	snprintf(state->text, sizeof(state->text), "good morning, device");
	let_it_do_dma(device);
	copy(device, IOVA + offsetof(struct state, text), BUFFER, false);

	/* Whatever needs another one comes after it. */
	preserve(session.fd, memory, MEMORY);
	preserve(session.fd, iommufd, IOMMUFD);
	preserve(session.fd, device, DEVICE);
}

/* next kernel */
static int retrieve(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = { sizeof(arg), -1, token };

	CALL(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);
	return arg.fd;
}

static void next_kernel(int session)
{
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };
	struct iommu_restore_ioas ioas = { .size = sizeof(ioas) };
	int memory = retrieve(session, MEMORY);
	int iommufd = retrieve(session, IOMMUFD);
	int device = retrieve(session, DEVICE);
	struct state *state = map_state(memory);

	/* The device is at work, in the old kernel's page table; the guest could run. */
	bind_device(device, iommufd);
	copy(device, BUFFER, IOVA + offsetof(struct state, copy), true);

	/* The same mappings in a page table of this kernel; then over to it, in one step. */
	ioas.old_id = state->ioas;
	CALL(iommufd, IOMMU_RESTORE_IOAS, &ioas);
	attach_device(device, ioas.out_ioas_id);
	CALL(session, LIVEUPDATE_SESSION_FINISH, &finish);

	printf("the device kept: %s\n", state->copy);
}

int main(int argc, char **argv)
{
	struct liveupdate_ioctl_retrieve_session session = { sizeof(session), -1, "vmm" };
	int liveupdate = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);

	if (argc != 2)
		errx(1, "usage: example-vmm DEVICE, for example /dev/vfio/devices/vfio0");
	if (liveupdate < 0)
		err(1, "/dev/liveupdate");
	if (!ioctl(liveupdate, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &session)) {
		next_kernel(session.fd);
		return 0;
	}
	/* It is there, but not for us: another VMM may run this guest. No second one. */
	if (errno != ENOENT)
		err(1, "the old kernel's session 'vmm' cannot be opened");
	old_kernel(liveupdate, argv[1]);
	close(liveupdate);
	return daemon(0, 0) || pause();	/* with the session open until the kexec */
}
