// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-try: one device of vfio, and every way to ask its kernel for something that a
 * live update may have to refuse. It needs no driver for the device.
 *
 *	vfio-try COMMAND...		see keeper.h: a command can be told to fail
 *	vfio-try start DIR COMMAND...
 *	vfio-try on DIR COMMAND...
 *
 *	group ADDRESS [TOKEN]	what "open" opens, by its group; of a virtual function with the
 *				token of its physical function
 *	token TOKEN		a UUID, for users of the virtual functions of this device
 *	reset | hot-reset | low-power | wake
 *	intx on|off|mask|unmask	by the pin, which is masked with each interrupt
 *	msix NR | msi NR	so many vectors, each with an eventfd; 0: none
 *	signals N...		what each eventfd has counted since it was set or asked for
 *	read BAR OFFSET VALUE	32 bits, have to be that
 *	write BAR OFFSET VALUE
 *	map-bar BAR IOVA	its first page, for a device to access
 *	power STATE		as in the device's power management capability
 *	flr			function reset by configuration space
 *	rewrite-config		read each byte of configuration space and write it back
 *
 * and what trial.h has. ioas-try does the same for what is mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <kho_iommufd.h>
#include <kho_vfio.h>

#include "keeper/keeper.h"
#include "trial.h"

#define MAX_VECTORS	32

static int events[MAX_VECTORS], nr_events;

static int open_by_group(const char *address, const char *token)
{
	char path[128], target[128], name[128];
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
	snprintf(name, sizeof(name), token ? "%s vf_token=%s" : "%s", address, token);
	if (!ioctl(group, VFIO_GROUP_SET_CONTAINER, &trial.iommufd))
		fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (fd < 0) {
		int saved = errno;

		close(group);
		errno = saved;
		return -1;
	}
	trial.device = fd;
	return 0;
}

static int hot_reset(void)
{
	struct vfio_pci_hot_reset arg = { .argsz = sizeof(arg) };

	return ioctl(trial.device, VFIO_DEVICE_PCI_HOT_RESET, &arg);
}

static int feature(uint32_t which)
{
	struct vfio_device_feature arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_FEATURE_SET | which,
	};

	return ioctl(trial.device, VFIO_DEVICE_FEATURE, &arg);
}

static int set_token(const char *token)
{
	char buf[sizeof(struct vfio_device_feature) + 16] = "";
	struct vfio_device_feature *arg = (void *)buf;
	unsigned int i;

	arg->argsz = sizeof(buf);
	arg->flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
	for (i = 0; i < 16; i++, token += 2) {
		token += *token == '-';
		if (sscanf(token, "%2hhx", &arg->data[i]) != 1)
			return trial_bad("no UUID");
	}
	return ioctl(trial.device, VFIO_DEVICE_FEATURE, arg);
}

static int mask_intx(uint32_t action)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | action,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	return ioctl(trial.device, VFIO_DEVICE_SET_IRQS, &set);
}

static int set_irqs(uint32_t index, unsigned int nr)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(events)] = "";
	struct vfio_irq_set *set = (void *)buf;
	unsigned int i;

	if (nr > MAX_VECTORS)
		return trial_bad("too many vectors");
	for (i = nr_events; i < nr; i++)
		if (trial_opened(&events[nr_events++], eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)))
			return -1;
	set->argsz = sizeof(*set) + nr * sizeof(events[0]);
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER;
	set->flags |= nr ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE;
	set->index = index;
	set->count = nr;
	memcpy(set->data, events, nr * sizeof(events[0]));
	return ioctl(trial.device, VFIO_DEVICE_SET_IRQS, set);
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
			wanted = trial_number(words[i]);
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
	void *bar = kho_vfio_map_bar(trial.device, trial_number(w[1]), &size);

	if (!bar)
		return -1;
	at = (void *)((char *)bar + trial_number(w[2]));
	if (write)
		__atomic_store_n(at, trial_number(w[3]), __ATOMIC_SEQ_CST);
	got = __atomic_load_n(at, __ATOMIC_SEQ_CST);
	munmap(bar, size);
	if (write || got == trial_number(w[3]))
		return 0;
	keeper_problem("it is %#x", got);
	errno = EBADMSG;
	return -1;
}

static int map_bar(unsigned int bar, uint64_t iova)
{
	size_t size;
	void *va = kho_vfio_map_bar(trial.device, bar, &size);

	return va ? kho_iommufd_map(trial.iommufd, trial.space, va, TRIAL_PAGE, iova) : -1;
}

static int find_cap(unsigned int id, unsigned int *at)
{
	uint16_t value;
	unsigned int i;

	if (kho_vfio_config_read16(trial.device, PCI_CAPABILITY_LIST, &value))
		return -1;
	for (i = 0, *at = value & 0xfc; *at && i < 48; i++, *at = value >> 8 & 0xfc) {
		if (kho_vfio_config_read16(trial.device, *at, &value))
			return -1;
		if ((value & 0xff) == id)
			return 0;
	}
	return trial_bad("the device has no such capability");
}

static int set_power(unsigned int state)
{
	unsigned int at;

	return find_cap(PCI_CAP_ID_PM, &at) ||
	       kho_vfio_config_write16(trial.device, at + PCI_PM_CTRL, state) ? -1 : 0;
}

static int function_reset(void)
{
	unsigned int at;
	uint16_t value;

	if (find_cap(PCI_CAP_ID_EXP, &at) ||
	    kho_vfio_config_read16(trial.device, at + PCI_EXP_DEVCTL, &value))
		return -1;
	return kho_vfio_config_write16(trial.device, at + PCI_EXP_DEVCTL,
				       value | PCI_EXP_DEVCTL_BCR_FLR);
}

static int rewrite_config(void)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint64_t at;
	uint8_t byte;

	if (ioctl(trial.device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	for (at = info.offset; at < info.offset + info.size; at++)
		if (pread(trial.device, &byte, 1, at) != 1 ||
		    pwrite(trial.device, &byte, 1, at) != 1)
			return trial_bad("a byte cannot be read and written");
	return 0;
}

static int run(char **w, int nr)
{
	if (!strcmp(w[0], "signals"))
		return check_signals(w + 1, nr - 1);
	if (!strcmp(w[0], "group") && (nr == 2 || nr == 3))
		return open_by_group(w[1], nr == 3 ? w[2] : NULL);
	if (!strcmp(w[0], "token") && nr == 2)
		return set_token(w[1]);
	if (!strcmp(w[0], "reset") && nr == 1)
		return ioctl(trial.device, VFIO_DEVICE_RESET);
	if (!strcmp(w[0], "hot-reset") && nr == 1)
		return hot_reset();
	if (!strcmp(w[0], "low-power") && nr == 1)
		return feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	if (!strcmp(w[0], "wake") && nr == 1)
		return feature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
	if (!strcmp(w[0], "intx") && nr == 2 && !strcmp(w[1], "mask"))
		return mask_intx(VFIO_IRQ_SET_ACTION_MASK);
	if (!strcmp(w[0], "intx") && nr == 2 && !strcmp(w[1], "unmask"))
		return mask_intx(VFIO_IRQ_SET_ACTION_UNMASK);
	if (!strcmp(w[0], "intx") && nr == 2)
		return set_irqs(VFIO_PCI_INTX_IRQ_INDEX, !strcmp(w[1], "on"));
	if (!strcmp(w[0], "msix") && nr == 2)
		return set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, trial_number(w[1]));
	if (!strcmp(w[0], "msi") && nr == 2)
		return set_irqs(VFIO_PCI_MSI_IRQ_INDEX, trial_number(w[1]));
	if (!strcmp(w[0], "read") && nr == 4)
		return access_bar(w, 0);
	if (!strcmp(w[0], "write") && nr == 4)
		return access_bar(w, 1);
	if (!strcmp(w[0], "map-bar") && nr == 3)
		return map_bar(trial_number(w[1]), trial_number(w[2]));
	if (!strcmp(w[0], "power") && nr == 2)
		return set_power(trial_number(w[1]));
	if (!strcmp(w[0], "flr") && nr == 1)
		return function_reset();
	if (!strcmp(w[0], "rewrite-config") && nr == 1)
		return rewrite_config();
	return trial_run(w, nr);
}

int main(int argc, char **argv)
{
	return keeper(argc, argv, run);
}
