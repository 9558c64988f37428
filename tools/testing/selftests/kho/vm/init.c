// SPDX-License-Identifier: GPL-2.0-only
/*
 * init: PID 1 of every kernel generation in the VM.
 *
 * It mounts the usual file systems, unpacks what scripts/vm put into BAR 2 of the ivshmem device
 * (a newc archive with /boot and /root; the same in every generation, as it is no part of any
 * kernel's memory), runs the command found in /.vm/argv on ttyS2 (firmware writes to the first two
 * ports), says how it ended and powers off. Before unpacking, which takes time, it loads the
 * modules that /boot/modules names and runs /.vm/first, if there are any, on the console.
 *
 * What it has to say to scripts/vm goes, line by line, to QEMU's debug console port, which works
 * without a driver, an interrupt or a buffer, and so loses nothing when the next instruction jumps:
 *
 *	boot GEN		this generation reached user space
 *	taint GEN VALUE		/proc/sys/kernel/tainted when the generation ended
 *	jump GEN		live-update is about to jump; "stay GEN" when that failed
 *	exit GEN STATUS		the command ended
 *	fail GEN REASON		the VM is of no use
 *
 * If the archive has a /root/systemd/init, that becomes PID 1 instead and leads to a systemd, one
 * of whose services calls "vm-note command": it does what is left, from the command to the
 * power-off.
 *
 * Called as "vm-note WORD...", it sends such a line with the generation put after the first word;
 * "vm-note end" does what has to be done before a generation ends. live-update uses both.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <x86intrin.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEBUG_PORT	0xe9
#define NEWC_HEADER	110
#define OTHER_INIT	"/root/systemd/init"

static int generation;

static void note(const char *format, ...)
{
	char line[256];
	va_list args;
	int i, len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* Under lockdown nobody gets the port any more, but what PID 1 got is inherited. */
	if (ioperm(DEBUG_PORT, 1, 1) && errno != EPERM) {
		perror("init: ioperm");
		return;
	}
	for (i = 0; i < len; i++)
		outb(line[i], DEBUG_PORT);
}

/* scripts/vm shows the reason. */
static void give_up(const char *what)
{
	note("fail %d %s: %s", generation, what, strerror(errno));
	printf("init: %s: %s\n", what, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len >= 0)
		buf[len] = 0;
	return len;
}

static void write_string(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void read_generation(void)
{
	char text[32];

	if (read_file("/.vm/generation", text, sizeof(text)) > 0)
		generation = atoi(text);
}

/* A leak is reported on the console, where scripts/vm finds it. Not every kernel has kmemleak. */
static void generation_end(void)
{
	char taint[32] = "unknown";

	write_string("/sys/kernel/debug/kmemleak", "scan");
	if (read_file("/proc/sys/kernel/tainted", taint, sizeof(taint)) > 0)
		taint[strcspn(taint, "\n")] = 0;
	note("taint %d %s", generation, taint);
	tcdrain(STDOUT_FILENO);
	tcdrain(STDERR_FILENO);
}

static void make_parents(const char *path)
{
	char dir[512];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	for (slash = strchr(dir + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(dir, 0755);
		*slash = '/';
	}
}

static void write_file(const char *path, mode_t mode, const char *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ssize_t len;

	if (fd < 0)
		give_up(path);
	for (; size; data += len, size -= len) {
		len = write(fd, data, size);
		if (len <= 0)
			give_up(path);
	}
	fchmod(fd, mode);
	close(fd);
}

static unsigned long newc_field(const char *header, int index)
{
	char digits[9] = "";

	memcpy(digits, header + 6 + 8 * index, 8);
	return strtoul(digits, NULL, 16);
}

static void unpack_newc(const char *archive, size_t size)
{
	size_t at = 0;

	while (at + NEWC_HEADER <= size) {
		const char *header = archive + at;
		unsigned long mode, file_size, name_size, data;
		char path[512] = "/";

		if (memcmp(header, "070701", 6))
			break;
		mode = newc_field(header, 1);
		file_size = newc_field(header, 6);
		name_size = newc_field(header, 11);
		data = (at + NEWC_HEADER + name_size + 3) & ~3UL;
		if (name_size >= sizeof(path) - 1 || data > size || file_size > size - data)
			break;
		memcpy(path + 1, header + NEWC_HEADER, name_size);
		if (!strcmp(path, "/TRAILER!!!"))
			return;
		make_parents(path);
		if (S_ISDIR(mode))
			mkdir(path, mode & 07777);
		else if (S_ISREG(mode))
			write_file(path, mode & 07777, archive + data, file_size);
		at = (data + file_size + 3) & ~3UL;
	}
	errno = EINVAL;
	give_up("the archive in the ivshmem device");
}

static void unpack_ivshmem(void)
{
	const char *bus = "/sys/bus/pci/devices";
	char path[512], id[32];
	struct dirent *entry;
	struct stat st;
	DIR *dir = opendir(bus);
	void *bar;
	int fd;

	if (!dir)
		give_up(bus);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/vendor", bus, entry->d_name);
		if (read_file(path, id, sizeof(id)) < 0 || strcmp(id, "0x1af4\n"))
			continue;
		snprintf(path, sizeof(path), "%s/%s/device", bus, entry->d_name);
		if (read_file(path, id, sizeof(id)) < 0 || strcmp(id, "0x1110\n"))
			continue;
		snprintf(path, sizeof(path), "%s/%s/enable", bus, entry->d_name);
		write_string(path, "1");
		snprintf(path, sizeof(path), "%s/%s/resource2", bus, entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st))
			give_up(path);
		bar = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (bar == MAP_FAILED)
			give_up(path);
		unpack_newc(bar, st.st_size);
		munmap(bar, st.st_size);
		close(fd);
		closedir(dir);
		return;
	}
	errno = ENODEV;
	give_up("ivshmem device");
}

static void set_environment(void)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", generation);
	setenv("GENERATION", number, 1);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("TERM", "dumb", 1);
}

/* sh FIRST [SECOND]: its wait status */
static int shell(const char *first, const char *second)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		give_up("fork");
	if (!pid) {
		execlp("sh", "sh", first, second, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	return status;
}

/* The command that comes later finds out how it went. */
static void run_first(void)
{
	if (!access("/.vm/first", F_OK))
		shell("/.vm/first", NULL);
}

/* A kernel with modules comes with a list of those that a host has always loaded. */
static void load_modules(void)
{
	if (access("/boot/modules", F_OK))
		return;
	if (shell("-c", "modprobe -a $(cat /boot/modules)")) {
		errno = ENOENT;
		give_up("the modules in /boot/modules");
	}
}

static int run_command(void)
{
	static char text[128 * 1024];
	static char *argv[8192];
	struct termios tty;
	int fd, status, argc = 0;
	ssize_t len, at;
	pid_t pid, gone;

	len = read_file("/.vm/argv", text, sizeof(text));
	if (len <= 0)
		give_up("/.vm/argv");
	for (at = 0; at < len && argc < 8191; at += strlen(text + at) + 1)
		argv[argc++] = text + at;

	fd = open("/dev/ttyS2", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &tty))
		give_up("/dev/ttyS2");
	cfmakeraw(&tty);
	cfsetspeed(&tty, B115200);
	tty.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &tty))
		give_up("/dev/ttyS2");

	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		setsid();
		dup2(null, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
		if (chdir("/root"))
			perror("/root");
		execvp(argv[0], argv);
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	do
		gone = wait(&status);
	while (gone != pid);
	dup2(fd, STDOUT_FILENO);
	generation_end();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_and_power_off(void)
{
	int status = run_command();

	note("exit %d %d", generation, status);
	reboot(RB_POWER_OFF);
	return 1;
}

static int vm_note(int argc, char **argv)
{
	char line[200] = "";
	int i;

	if (argc == 2 && !strcmp(argv[1], "end")) {
		generation_end();
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "command")) {
		set_environment();
		return run_and_power_off();
	}
	if (argc < 2)
		return 2;
	for (i = 2; i < argc; i++) {
		strncat(line, " ", sizeof(line) - strlen(line) - 1);
		strncat(line, argv[i], sizeof(line) - strlen(line) - 1);
	}
	note("%s %d%s", argv[1], generation, line);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long long tsc = __rdtsc();
	char number[24];

	if (getpid() != 1) {
		read_generation();
		return vm_note(argc, argv);
	}
	/* For measuring how long userspace was away, see kho-bench.c. */
	snprintf(number, sizeof(number), "%llu", tsc);
	setenv("INIT_TSC", number, 1);
	read_generation();
	note("boot %d", generation);
	mount("none", "/proc", "proc", 0, NULL);
	mount("none", "/sys", "sysfs", 0, NULL);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	mkdir("/dev/shm", 01777);
	mount("none", "/dev/shm", "tmpfs", 0, NULL);
	umask(022);
	set_environment();
	load_modules();
	run_first();
	unpack_ivshmem();
	if (!access(OTHER_INIT, F_OK)) {
		execl(OTHER_INIT, OTHER_INIT, NULL);
		give_up(OTHER_INIT);
	}
	return run_and_power_off();
}
