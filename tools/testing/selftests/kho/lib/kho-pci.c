// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-pci: PCI devices as tests of preserving them need them.
 *
 *	kho-pci hold ADDRESS...		open them by vfio, attach them to an address
 *					space in which nothing is mapped, switch bus
 *					master and MSI-X on, and stay in the background
 *	kho-pci path ADDRESS		addresses of the bridges above and of itself
 *	kho-pci show ADDRESS		its configuration space, as one line
 *	kho-pci compare LINE		with such a line of the kernel before: prints
 *					what differs that must not, and exits with 1
 *	kho-pci command ADDRESS		the command register
 *	kho-pci command ADDRESS BITS	set it, past all drivers
 *	kho-pci vectors ADDRESS		"enabled|disabled masked|unmasked NR NR", the
 *					function's mask, how many vectors there are, and
 *					how many of them are masked
 *	kho-pci bar ADDRESS NR		size of a BAR
 *	kho-pci register ADDRESS NR OFFSET	32 bits of a BAR, past all drivers
 *	kho-pci mark ADDRESS VALUE	write where nothing can be written, for whoever
 *					traces all writes
 *
 * Registers that may differ are those that devices themselves change (status), and
 * in bridges where their own interrupts go.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
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
#include <sys/stat.h>

#define CONFIG_SIZE	4096
#define MAX_VECTORS	64

static void die(const char *what)
{
	fprintf(stderr, "kho-pci: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_file(const char *address, const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

/*
 * Configuration space
 */

static unsigned int read_config(const char *address, uint8_t *config)
{
	int fd = open_file(address, "config", O_RDONLY);
	struct stat st;
	ssize_t size;

	memset(config, 0, CONFIG_SIZE);
	errno = EIO;	/* if only a part of it is read: the rest would be equal to nothing */
	size = pread(fd, config, CONFIG_SIZE, 0);
	if (size < 0 || fstat(fd, &st) || size != st.st_size)
		die("reading configuration space");
	close(fd);
	return size;
}

static uint16_t word_at(const uint8_t *config, unsigned int offset)
{
	uint16_t word;

	memcpy(&word, config + offset, sizeof(word));
	return word;
}

static uint32_t dword_at(const uint8_t *config, unsigned int offset)
{
	uint32_t dword;

	memcpy(&dword, config + offset, sizeof(dword));
	return dword;
}

static bool is_bridge(const uint8_t *config)
{
	return (config[PCI_HEADER_TYPE] & 0x7f) == PCI_HEADER_TYPE_BRIDGE;
}

static unsigned int find_cap(const uint8_t *config, uint8_t id)
{
	unsigned int cap = config[PCI_CAPABILITY_LIST], tries;

	for (tries = 0; cap && tries < 48; tries++) {
		if (config[cap] == id)
			return cap;
		cap = config[cap + 1];
	}
	return 0;
}

static unsigned int find_ext_cap(const uint8_t *config, uint16_t id)
{
	unsigned int cap = 0x100, tries;

	for (tries = 0; cap && tries < 48; tries++) {
		if (PCI_EXT_CAP_ID(dword_at(config, cap)) == id)
			return cap;
		cap = PCI_EXT_CAP_NEXT(dword_at(config, cap));
	}
	return 0;
}

static void may_change(uint8_t *config, unsigned int offset, unsigned int size)
{
	memset(config + offset, 0, size);
}

/* Make zero what may differ; the names are those of pci_regs.h. */
static void clear_status(uint8_t *config)
{
	unsigned int cap;

	may_change(config, PCI_STATUS, 2);
	if (is_bridge(config))
		may_change(config, PCI_SEC_STATUS, 2);
	cap = find_cap(config, PCI_CAP_ID_PM);
	if (cap)
		config[cap + PCI_PM_CTRL + 1] &= ~(PCI_PM_CTRL_PME_STATUS >> 8);
	cap = find_cap(config, PCI_CAP_ID_EXP);
	if (cap) {
		may_change(config, cap + PCI_EXP_DEVSTA, 2);
		may_change(config, cap + PCI_EXP_LNKSTA, 2);
		may_change(config, cap + PCI_EXP_SLTSTA, 2);
		may_change(config, cap + PCI_EXP_RTSTA, 4);
		may_change(config, cap + PCI_EXP_DEVSTA2, 2);
		may_change(config, cap + PCI_EXP_LNKSTA2, 2);
	}
	cap = find_ext_cap(config, PCI_EXT_CAP_ID_ERR);
	if (cap) {
		may_change(config, cap + PCI_ERR_UNCOR_STATUS, 4);
		may_change(config, cap + PCI_ERR_COR_STATUS, 4);
		may_change(config, cap + PCI_ERR_ROOT_STATUS, 4);
	}
	/* The port's own interrupt goes to the kernel that runs. */
	cap = is_bridge(config) ? find_cap(config, PCI_CAP_ID_MSI) : 0;
	if (cap)
		may_change(config, cap + PCI_MSI_ADDRESS_LO,
			   word_at(config, cap + PCI_MSI_FLAGS) &
			   PCI_MSI_FLAGS_64BIT ? 10 : 6);
}

static int show(const char *address)
{
	uint8_t config[CONFIG_SIZE];
	unsigned int offset;

	read_config(address, config);
	printf("%s", address);
	for (offset = 0; offset < CONFIG_SIZE; offset += 4)
		if (dword_at(config, offset))
			printf(" %x=%x", offset, dword_at(config, offset));
	printf("\n");
	return 0;
}

static int compare(char *line)
{
	uint8_t before[CONFIG_SIZE] = { }, after[CONFIG_SIZE];
	unsigned int offset, value, msix, differ = 0;
	char *word = strtok(line, " "), *address = word;

	if (!address)
		return 2;
	while ((word = strtok(NULL, " "))) {
		if (sscanf(word, "%x=%x", &offset, &value) != 2 ||
		    offset > CONFIG_SIZE - 4)
			return 2;
		memcpy(before + offset, &value, 4);
	}
	read_config(address, after);

	/* MSI-X stays enabled, and is masked by the jump. */
	msix = find_cap(before, PCI_CAP_ID_MSIX);
	if (msix && !is_bridge(before) &&
	    word_at(before, msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE)
		before[msix + PCI_MSIX_FLAGS + 1] |= PCI_MSIX_FLAGS_MASKALL >> 8;
	/* So is the pin, which a virtual function has not, whatever it says. */
	if (!is_bridge(before) && before[PCI_INTERRUPT_PIN] &&
	    word_at(before, PCI_VENDOR_ID) != 0xffff)
		before[PCI_COMMAND + 1] |= PCI_COMMAND_INTX_DISABLE >> 8;
	clear_status(before);
	clear_status(after);
	for (offset = 0; offset < CONFIG_SIZE; offset += 4) {
		if (dword_at(before, offset) == dword_at(after, offset))
			continue;
		printf("%s: register %#x was %#x and is %#x\n", address, offset,
		       dword_at(before, offset), dword_at(after, offset));
		differ = 1;
	}
	return differ;
}

static int show_command(const char *address, const char *bits)
{
	uint8_t config[CONFIG_SIZE];
	uint16_t value;
	int fd;

	if (bits) {
		value = strtoul(bits, NULL, 0);
		fd = open_file(address, "config", O_WRONLY);
		if (pwrite(fd, &value, 2, PCI_COMMAND) != 2)
			die("writing the command register");
		close(fd);
		return 0;
	}
	read_config(address, config);
	printf("%#x\n", word_at(config, PCI_COMMAND));
	return 0;
}

static int write_mark(const char *address, const char *text)
{
	uint16_t value = strtoul(text, NULL, 0);
	int fd = open_file(address, "config", O_WRONLY);

	if (pwrite(fd, &value, 2, PCI_VENDOR_ID) != 2)
		die("writing a mark");
	close(fd);
	return 0;
}

static int vectors(const char *address)
{
	unsigned int cap, nr, i, bir, offset, masked = 0;
	uint8_t config[CONFIG_SIZE];
	uint8_t *bar;
	char name[16];
	size_t page;
	uint16_t ctrl;
	int fd;

	read_config(address, config);
	cap = find_cap(config, PCI_CAP_ID_MSIX);
	if (!cap)
		return 1;
	ctrl = word_at(config, cap + PCI_MSIX_FLAGS);
	nr = (ctrl & PCI_MSIX_FLAGS_QSIZE) + 1;
	bir = dword_at(config, cap + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_BIR;
	offset = dword_at(config, cap + PCI_MSIX_TABLE) & PCI_MSIX_TABLE_OFFSET;
	snprintf(name, sizeof(name), "resource%u", bir);
	fd = open_file(address, name, O_RDWR);
	page = offset & ~4095;
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page);
	if (bar == MAP_FAILED)
		die("mapping the BAR of the MSI-X table");
	for (i = 0; i < nr; i++)
		masked += __atomic_load_n((uint32_t *)(bar + (offset - page) +
						       16 * i + PCI_MSIX_ENTRY_VECTOR_CTRL),
					  __ATOMIC_RELAXED) & 1;
	printf("%s %s %u %u\n",
	       ctrl & PCI_MSIX_FLAGS_ENABLE ? "enabled" : "disabled",
	       ctrl & PCI_MSIX_FLAGS_MASKALL ? "masked" : "unmasked", nr, masked);
	return 0;
}

static int bar_size(const char *address, unsigned int nr)
{
	unsigned long long start, end;
	unsigned int i;
	FILE *file;

	file = fdopen(open_file(address, "resource", O_RDONLY), "r");
	for (i = 0; file && i <= nr; i++)
		if (fscanf(file, "%llx %llx %*x", &start, &end) != 2)
			return 1;
	printf("%llu\n", end ? end - start + 1 : 0);
	return 0;
}

static int show_register(const char *address, unsigned int nr, unsigned int offset)
{
	unsigned int page = offset & ~4095;
	uint8_t *bar;
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "resource%u", nr);
	fd = open_file(address, name, O_RDWR);
	bar = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, page);
	if (bar == MAP_FAILED)
		die("mapping a BAR");
	printf("%#x\n", __atomic_load_n((uint32_t *)(bar + (offset - page)), __ATOMIC_RELAXED));
	return 0;
}

static int show_path(const char *address)
{
	char path[512], name[128], *part;
	ssize_t len;

	snprintf(name, sizeof(name), "/sys/bus/pci/devices/%s", address);
	len = readlink(name, path, sizeof(path) - 1);
	if (len < 0)
		die(name);
	path[len] = '\0';
	for (part = strtok(path, "/"); part; part = strtok(NULL, "/"))
		if (strlen(part) == strlen(address) && part[4] == ':')
			printf("%s\n", part);
	return 0;
}

/*
 * Devices in use
 */

static int open_cdev(const char *address)
{
	char path[300], name[128];
	struct dirent *entry;
	DIR *dir;
	int fd = -1;

	snprintf(name, sizeof(name), "/sys/bus/pci/devices/%s/vfio-dev", address);
	dir = opendir(name);
	if (!dir)
		die(name);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
		fd = open(path, O_RDWR);
	}
	closedir(dir);
	if (fd < 0)
		die(path);
	return fd;
}

static void enable_msix(int fd)
{
	struct vfio_irq_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	struct {
		struct vfio_irq_set set;
		int32_t event[MAX_VECTORS];
	} irq = { };
	unsigned int i;

	if (ioctl(fd, VFIO_DEVICE_GET_IRQ_INFO, &info))
		die("VFIO_DEVICE_GET_IRQ_INFO");
	if (!info.count || info.count > MAX_VECTORS)
		return;
	for (i = 0; i < info.count; i++)
		irq.event[i] = eventfd(0, EFD_NONBLOCK);
	irq.set.argsz = sizeof(irq.set) + info.count * sizeof(int32_t);
	irq.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	irq.set.index = VFIO_PCI_MSIX_IRQ_INDEX;
	irq.set.count = info.count;
	if (ioctl(fd, VFIO_DEVICE_SET_IRQS, &irq))
		die("VFIO_DEVICE_SET_IRQS");
}

static void set_master(int fd)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t value = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) ||
	    pwrite(fd, &value, 2, info.offset + PCI_COMMAND) != 2)
		die("switching bus master on");
}

static int hold(int nr, char **addresses)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	int i, fd, iommufd = open("/dev/iommu", O_RDWR);
	pid_t pid;

	if (iommufd < 0 || ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas))
		die("/dev/iommu");
	for (i = 0; i < nr; i++) {
		struct vfio_device_bind_iommufd bind = {
			.argsz = sizeof(bind),
			.iommufd = iommufd,
		};
		struct vfio_device_attach_iommufd_pt attach = {
			.argsz = sizeof(attach),
			.pt_id = ioas.out_ioas_id,
		};

		fd = open_cdev(addresses[i]);
		if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
		    ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
			die(addresses[i]);
		enable_msix(fd);
		set_master(fd);
	}
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid) {
		printf("%d\n", pid);
		return 0;
	}
	/* Nobody has to wait for our output. */
	close(0);
	close(1);
	close(2);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (!strcmp(what, "hold"))
		return hold(argc - 2, argv + 2);
	if (!strcmp(what, "path"))
		return show_path(argv[2]);
	if (!strcmp(what, "show"))
		return show(argv[2]);
	if (!strcmp(what, "compare"))
		return compare(argv[2]);
	if (!strcmp(what, "command"))
		return show_command(argv[2], argc > 3 ? argv[3] : NULL);
	if (!strcmp(what, "vectors"))
		return vectors(argv[2]);
	if (!strcmp(what, "mark") && argc > 3)
		return write_mark(argv[2], argv[3]);
	if (!strcmp(what, "bar") && argc > 3)
		return bar_size(argv[2], atoi(argv[3]));
	if (!strcmp(what, "register") && argc > 4)
		return show_register(argv[2], atoi(argv[3]), strtoul(argv[4], NULL, 0));
	fprintf(stderr, "kho-pci: wrong arguments; its source says how to use it\n");
	return 2;
}
