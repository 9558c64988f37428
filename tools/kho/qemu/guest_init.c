// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only program of a Linux guest of QEMU, for tests: /init of its initrd. It fills memory with a
 * pattern, takes the numbered frames of nic-send from every NIC there is, and checks each byte of
 * them. It ends with the machine.
 *
 * Commands are lines on the serial console, "NUMBER COMMAND [ARGUMENT]", answers are lines that
 * begin with "= NUMBER", on the same console:
 *
 *	go RATE [NAME]	have frames sent to every NIC, or to that one, RATE a second
 *	report MS	tell the senders what was taken, so often from now on: they measure
 *			how long this guest was away, whose own clock stops meanwhile
 *	stop [NAME]	have no more sent, and wait for the last one
 *	frames		"NAME received R lost L late L corrupt C complete C" for each NIC
 *	memory		"words W wrong N" of the pattern
 *	spoil		change one word of it, for a test that has to fail
 *	who		"boot ID, uptime MS, time S": the same guest, and what its clocks say
 *	irqs		"msix", "msi" or "intx" for each NIC: what its driver has
 *	open		set the NICs up: with "late" on the kernel's command line, that is not
 *			done before
 *
 * With an agent of QEMU's in the initrd, that runs, and listens on the second serial port:
 *
 *	dismiss		end it
 *
 * A NIC of virtio gets no such frames; it is there for who speaks IP:
 *
 *	address IP	its address, in a network of that class
 *
 * A disk, /dev/vda, has an ext4, which is mounted when it is needed:
 *
 *	sync FILE TEXT	write it, and have it on the disk
 *	direct FILE TEXT	have it at the disk, which may still have it in a cache of its own
 *	keep FILE TEXT	write it, into this guest's memory and no further
 *	read FILE	what it has; from the disk, as far as that has it
 *	unmount
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "frames/frame_count.h"

#define PATTERN		(32UL << 20)
#define NICS_MAX	4
#define LINE_MAX_SIZE	256
#define BLOCK		4096

struct nic {
	char name[IFNAMSIZ];
	int sock;
	struct frame_counts counts;
};

static struct nic nics[NICS_MAX];
static int nr_nics;
static char ip_nic[IFNAMSIZ];
static pid_t agent;
static int report_ms = -1;
static uint64_t *pattern;
static char boot_id[64];

/* In one write, that the kernel's own lines do not come in between */
static void answer(const char *format, ...)
{
	char line[LINE_MAX_SIZE * NICS_MAX];
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	line[size++] = '\n';
	if (write(1, line, size) != size)
		exit(1);
}

static void die(const char *what)
{
	answer("! %s: %s", what, strerror(errno));
	for (;;)
		pause();
}

static void fill(void)
{
	size_t i;

	pattern = mmap(NULL, PATTERN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pattern == MAP_FAILED)
		die("memory");
	for (i = 0; i < PATTERN / sizeof(*pattern); i++)
		pattern[i] = frame_mix(i);
}

static void compare(const char *number)
{
	size_t i, wrong = 0;

	for (i = 0; i < PATTERN / sizeof(*pattern); i++)
		wrong += pattern[i] != frame_mix(i);
	answer("= %s words %zu wrong %zu", number, i, wrong);
}

/* Room for what comes while nobody runs the guest */
static void widen_ring(int sock, const char *name)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	struct ifreq request = { .ifr_data = (void *)&ring };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
	if (ioctl(sock, SIOCETHTOOL, &request))
		die(name);
	ring.cmd = ETHTOOL_SRINGPARAM;
	ring.rx_pending = ring.rx_max_pending;
	if (ioctl(sock, SIOCETHTOOL, &request))
		die(name);
}

static void open_nic(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = FRAME_TYPE,
	};
	struct packet_mreq all = { .mr_type = PACKET_MR_PROMISC };
	struct nic *nic = &nics[nr_nics];
	struct ifreq request = { 0 };
	int room = 64 << 20;

	snprintf(nic->name, sizeof(nic->name), "%.15s", name);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
	nic->sock = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, FRAME_TYPE);
	if (nic->sock < 0 ||
	    setsockopt(nic->sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    ioctl(nic->sock, SIOCGIFFLAGS, &request))
		die(name);
	widen_ring(nic->sock, name);
	request.ifr_flags |= IFF_UP;
	if (ioctl(nic->sock, SIOCSIFFLAGS, &request) ||
	    ioctl(nic->sock, SIOCGIFINDEX, &request))
		die(name);
	address.sll_ifindex = request.ifr_ifindex;
	all.mr_ifindex = request.ifr_ifindex;
	if (bind(nic->sock, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(nic->sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)))
		die(name);
	nr_nics++;
}

static bool is_virtio(const char *name)
{
	char path[64], driver[PATH_MAX] = "";

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/device/driver", name);
	return readlink(path, driver, sizeof(driver) - 1) > 0 && strstr(driver, "/virtio_net");
}

static bool has_carrier(const char *name)
{
	char path[64], value = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/carrier", name);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		if (read(fd, &value, 1) != 1)
			value = 0;
		close(fd);
	}
	return value == '1';
}

static void open_nics(void)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;
	int i;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "lo"))
			continue;
		if (is_virtio(entry->d_name))
			snprintf(ip_nic, sizeof(ip_nic), "%.15s", entry->d_name);
		else if (nr_nics < NICS_MAX)
			open_nic(entry->d_name);
	}
	if (dir)
		closedir(dir);
	for (i = 0; i < nr_nics; i++)
		while (!has_carrier(nics[i].name))
			usleep(10000);
}

static void receive(struct nic *nic)
{
	char frame[2048];
	ssize_t size;

	while ((size = recv(nic->sock, frame, sizeof(frame), 0)) > 0)
		frame_count(&nic->counts, frame, size);
}

/* @name: of the one NIC that is meant, or NULL */
static void send_all(enum frame_kind kind, uint64_t number, const char *name)
{
	uint8_t frame[FRAME_MAX];
	size_t size = frame_make(frame, kind, number, 0, 0);
	int i;

	for (i = 0; i < nr_nics; i++)
		if ((!name || !strcmp(nics[i].name, name)) &&
		    send(nics[i].sock, frame, size, 0) != (ssize_t)size)
			die(nics[i].name);
}

/* One that is not sent, as there is no room, is made up for by the next. */
static void report(void)
{
	uint8_t frame[FRAME_MAX];
	size_t size;
	int i;

	for (i = 0; i < nr_nics; i++) {
		size = frame_make(frame, FRAME_TOOK, nics[i].counts.received, 0, 0);
		if (send(nics[i].sock, frame, size, 0) < 0 && errno != ENOBUFS && errno != EAGAIN)
			die(nics[i].name);
	}
}

/* Returns how long it is until the next one; -1 when there are to be none. */
static int report_when_due(void)
{
	static struct timespec last;
	struct timespec now;
	long ms;

	if (report_ms < 0)
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
	if (ms < report_ms)
		return report_ms - ms;
	last = now;
	report();
	return report_ms;
}

static void show_frames(const char *number)
{
	char text[LINE_MAX_SIZE * NICS_MAX] = "";
	size_t at = 0;
	int i;

	for (i = 0; i < nr_nics; i++) {
		const struct frame_counts *c = &nics[i].counts;

		at += snprintf(text + at, sizeof(text) - at,
			       " %s received %lu lost %lu late %lu corrupt %lu complete %lu refused %lu gap %lu",
			       nics[i].name, c->received, c->lost, c->late, c->corrupt,
			       c->complete, c->refused, c->gap);
	}
	answer("= %s%s", number, text);
}

static void show_self(const char *number)
{
	struct timespec up, now;

	clock_gettime(CLOCK_MONOTONIC, &up);
	clock_gettime(CLOCK_REALTIME, &now);
	answer("= %s boot %s uptime %ld time %ld nics %d", number, boot_id,
	       up.tv_sec * 1000 + up.tv_nsec / 1000000, (long)now.tv_sec, nr_nics);
}

static const char *irq_kind(const char *line)
{
	if (strstr(line, "PCI-MSIX"))
		return "msix";
	return strstr(line, "PCI-MSI") ? "msi" : "intx";
}

static void show_irqs(const char *number)
{
	FILE *file = fopen("/proc/interrupts", "re");
	const char *kinds[NICS_MAX] = { 0 };
	char line[LINE_MAX_SIZE], text[LINE_MAX_SIZE] = "";
	size_t at = 0;
	int i;

	while (file && fgets(line, sizeof(line), file))
		for (i = 0; i < nr_nics; i++)
			if (strstr(line, nics[i].name))
				kinds[i] = irq_kind(line);
	if (file)
		fclose(file);
	for (i = 0; i < nr_nics; i++)
		at += snprintf(text + at, sizeof(text) - at, " %s", kinds[i] ? kinds[i] : "none");
	answer("= %s%s", number, text);
}

static void set_address(const char *number, const char *ip)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct ifreq request = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ip_nic);
	if (inet_pton(AF_INET, ip, &address.sin_addr) != 1)
		die(ip);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	if (ioctl(sock, SIOCSIFADDR, &request) || ioctl(sock, SIOCGIFFLAGS, &request))
		die(ip);
	request.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &request))
		die(ip);
	close(sock);
	answer("= %s", number);
}

/* What is in memory only is to stay there: nobody writes it back by and by. */
static void mount_disk(void)
{
	int fd = open("/proc/sys/vm/dirty_writeback_centisecs", O_WRONLY);

	if (fd < 0 || write(fd, "0", 1) != 1)
		die("writeback");
	close(fd);
	mkdir("/disk", 0755);
	if (mount("/dev/vda", "/disk", "ext4", 0, NULL) && errno != EBUSY)
		die("/dev/vda");
}

static int open_file(const char *name, int flags)
{
	char path[LINE_MAX_SIZE + 8];
	int fd;

	mount_disk();
	snprintf(path, sizeof(path), "/disk/%s", name);
	fd = open(path, flags, 0644);
	if (fd < 0)
		die(path);
	return fd;
}

static void write_file(const char *number, const char *how, const char *name, const char *text)
{
	int direct = strcmp(how, "direct") ? 0 : O_DIRECT;
	int fd = open_file(name, O_WRONLY | O_CREAT | O_TRUNC | direct);
	size_t size = direct ? BLOCK : strlen(text);
	char *block = aligned_alloc(BLOCK, BLOCK);

	if (!block)
		die(name);
	memset(block, 0, BLOCK);
	memcpy(block, text, strlen(text));
	if (write(fd, block, size) != (ssize_t)size || (!strcmp(how, "sync") && fsync(fd)))
		die(name);
	free(block);
	close(fd);
	answer("= %s", number);
}

static void read_file(const char *number, const char *name)
{
	int fd = open_file(name, O_RDONLY);
	char text[LINE_MAX_SIZE] = "";

	/* (what is not on the disk yet stays) */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (read(fd, text, sizeof(text) - 1) < 0)
		die(name);
	close(fd);
	answer("= %s %s", number, text);
}

static void unmount(const char *number)
{
	if (umount("/disk"))
		die("/disk");
	answer("= %s", number);
}

static void dismiss_agent(const char *number)
{
	if (agent <= 0 || kill(agent, SIGKILL) || waitpid(agent, NULL, 0) != agent)
		die("/agent");
	answer("= %s", number);
}

static bool obey_disk(const char *number, const char *command, char *line)
{
	char *name = line ? strsep(&line, " ") : NULL;

	if (!strcmp(command, "unmount"))
		unmount(number);
	else if (!strcmp(command, "read") && name)
		read_file(number, name);
	else if (line && (!strcmp(command, "sync") || !strcmp(command, "direct") ||
			  !strcmp(command, "keep")))
		write_file(number, command, name, line);
	else
		return false;
	return true;
}

static void obey(char *line)
{
	char *number = strsep(&line, " "), *command = line ? strsep(&line, " ") : NULL;
	unsigned long rate;

	if (!command || !number[0])
		return;
	if (!strcmp(command, "go")) {
		rate = line ? strtoul(strsep(&line, " "), NULL, 10) : 100;
		send_all(FRAME_GO, rate, line);
		answer("= %s", number);
	} else if (!strcmp(command, "report")) {
		report_ms = line ? atoi(line) : 20;
		answer("= %s", number);
	} else if (!strcmp(command, "stop")) {
		report_ms = -1;
		send_all(FRAME_STOP, 0, line);
		answer("= %s", number);
	} else if (!strcmp(command, "frames")) {
		show_frames(number);
	} else if (!strcmp(command, "memory")) {
		compare(number);
	} else if (!strcmp(command, "spoil")) {
		pattern[PATTERN / sizeof(*pattern) / 3]++;
		answer("= %s", number);
	} else if (!strcmp(command, "who")) {
		show_self(number);
	} else if (!strcmp(command, "irqs")) {
		show_irqs(number);
	} else if (!strcmp(command, "open")) {
		open_nics();
		answer("= %s", number);
	} else if (!strcmp(command, "dismiss")) {
		dismiss_agent(number);
	} else if (!strcmp(command, "address") && line) {
		set_address(number, line);
	} else if (!obey_disk(number, command, line)) {
		answer("= %s unknown command", number);
	}
}

static void read_commands(void)
{
	static char line[LINE_MAX_SIZE];
	static size_t size;
	char c;

	while (read(0, &c, 1) == 1) {
		if (c != '\n' && c != '\r') {
			if (size < sizeof(line) - 1)
				line[size++] = c;
			continue;
		}
		line[size] = 0;
		size = 0;
		obey(line);
	}
}

static void start_agent(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (access("/agent", F_OK))
		return;
	agent = fork();
	if (agent < 0)
		die("/agent");
	if (agent)
		return;
	dup2(null, 1);
	dup2(null, 2);
	execl("/agent/loader", "loader", "--library-path", "/agent", "/agent/qemu-ga", "--statedir",
	      "/agent", "--method", "isa-serial", "--path", "/dev/ttyS1", NULL);
	_exit(127);
}

static void set_up(void)
{
	struct termios raw;
	int fd;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return;
	dup2(fd, 0);
	fd = open("/dev/ttyS0", O_WRONLY | O_NOCTTY);
	dup2(fd, 1);
	dup2(fd, 2);
	if (!tcgetattr(0, &raw)) {
		cfmakeraw(&raw);
		raw.c_oflag |= OPOST | ONLCR;
		tcsetattr(0, TCSANOW, &raw);
	}
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
	if (fd >= 0 && read(fd, boot_id, sizeof(boot_id) - 1) > 0)
		boot_id[strcspn(boot_id, "\n")] = 0;
}

int main(int argc, char **argv)
{
	struct pollfd fds[NICS_MAX + 1];
	int i;

	set_up();
	start_agent();
	fill();
	if (argc < 2 || strcmp(argv[1], "late"))
		open_nics();
	answer("= ready nics %d", nr_nics);
	for (;;) {
		fds[0] = (struct pollfd) { .fd = 0, .events = POLLIN };
		for (i = 0; i < nr_nics; i++)
			fds[i + 1] = (struct pollfd) { .fd = nics[i].sock, .events = POLLIN };
		poll(fds, nr_nics + 1, report_when_due());
		for (i = 0; i < nr_nics; i++)
			receive(&nics[i]);
		if (fds[0].revents)
			read_commands();
	}
}
