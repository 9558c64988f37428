// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioas-file: IOMMU_IOAS_MAP_FILE and IOMMU_IOAS_CHANGE_PROCESS, with three kinds of
 * devices: those that the kernel makes up for tests of iommufd (--config selftest),
 * with usual and with very little memory for lists of pages; and QEMU's device for
 * education, whose address is in $EDU, and which takes 100 ms for a DMA. What there
 * is not is skipped: ioas-file-test.sh counts.
 *
 * After each test as many pages are pinned and as much memory is locked as before,
 * and the pool of huge pages is the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <linux/iommufd.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <kho_iommufd.h>
#include <kho_vfio.h>

#include "../../../drivers/iommu/iommufd/iommufd_test.h"
#include "kselftest_harness.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define PAGE		4096UL
#define HUGE		(2UL << 20)
#define NOBODY		65534

/* Where both kinds of devices can reach */
#define FIXED		0x10000000UL
#define SCRATCH		0x40000000UL
/* Registers of the device for education; what it takes at a time; its own memory */
#define EDU_SOURCE	0x80
#define EDU_TARGET	0x88
#define EDU_COUNT	0x90
#define EDU_COMMAND	0x98
#define  EDU_RUN		1
#define  EDU_TO_US		2
#define EDU_SIZE	2048UL
#define EDU_MEMORY	0x40000

#define RW		(IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

enum kind { MOCK, EDU };

struct backend {
	enum kind kind;
	bool mm_mode;
	int iommufd;
	__u32 ioas;
	__u32 other;		/* an address space without devices */
	bool tests;		/* kernel for tests: calls may fail with other errors */
	unsigned long own;	/* pages that are pinned for the following */

	__u32 hwpt;		/* MOCK */
	__u32 access;

	int device;		/* EDU */
	__u8 *regs;
	int scratch_fd;
	__u8 *scratch;
};

struct counters {
	long pins;
	long pinned_vm;
	long locked_vm;
	long huge_free;
	long huge_reserved;
};

/* A system call's answer: 0 or the errno. */
static int try(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? errno : 0;
}

static int test_cmd(struct backend *b, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	return try(b->iommufd, IOMMU_TEST_CMD, cmd);
}

/* The number after @name in @path, 0 when it is not there */
static long number(const char *path, const char *name)
{
	size_t len = strlen(name);
	char line[256];
	long value = 0;
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len))
			value = strtol(line + len, NULL, 10);
	fclose(file);
	return value;
}

static bool put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Pages */
static long of_process(pid_t pid, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return number(path, name) / 4;
}

static long pinned(pid_t pid)
{
	return of_process(pid, "VmPin:");
}

static long locked(pid_t pid)
{
	return of_process(pid, "VmLck:");
}

static void count(struct counters *c)
{
	put_text("/proc/sys/vm/stat_refresh", "1");
	c->pins = number("/proc/vmstat", "nr_foll_pin_acquired") -
		  number("/proc/vmstat", "nr_foll_pin_released");
	c->pinned_vm = pinned(getpid());
	c->locked_vm = locked(getpid());
	c->huge_free = number("/proc/meminfo", "HugePages_Free:");
	c->huge_reserved = number("/proc/meminfo", "HugePages_Rsvd:");
}

/* The calls under test */

static int map_file_at(struct backend *b, __u32 ioas, int fd, __u64 start,
		       __u64 length, __u32 flags, __u64 *iova)
{
	struct iommu_ioas_map_file arg = {
		.size = sizeof(arg),
		.flags = flags,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = flags & IOMMU_IOAS_MAP_FIXED_IOVA ? *iova : 0,
	};
	int rc = try(b->iommufd, IOMMU_IOAS_MAP_FILE, &arg);

	*iova = arg.iova;
	return rc;
}

static int map_file(struct backend *b, int fd, __u64 start, __u64 length, __u64 *iova)
{
	return map_file_at(b, b->ioas, fd, start, length, RW, iova);
}

static int map_fixed(struct backend *b, int fd, __u64 start, __u64 length, __u64 iova)
{
	return map_file_at(b, b->ioas, fd, start, length,
			   RW | IOMMU_IOAS_MAP_FIXED_IOVA, &iova);
}

static int unmap(struct backend *b, __u32 ioas, __u64 iova, __u64 length)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};

	return try(b->iommufd, IOMMU_IOAS_UNMAP, &arg);
}

static int copy(struct backend *b, __u32 from, __u64 from_iova, __u32 to,
		__u64 length, __u64 iova)
{
	struct iommu_ioas_copy arg = {
		.size = sizeof(arg),
		.flags = RW | IOMMU_IOAS_MAP_FIXED_IOVA,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = length,
		.dst_iova = iova,
		.src_iova = from_iova,
	};

	return try(b->iommufd, IOMMU_IOAS_COPY, &arg);
}

static int change_process(struct backend *b)
{
	struct iommu_ioas_change_process arg = { .size = sizeof(arg) };

	return try(b->iommufd, IOMMU_IOAS_CHANGE_PROCESS, &arg);
}

static int destroy(struct backend *b, __u32 id)
{
	struct iommu_destroy arg = { .size = sizeof(arg), .id = id };

	return try(b->iommufd, IOMMU_DESTROY, &arg);
}

/* The devices */

static int edu_open(struct backend *b)
{
	size_t size;
	__u64 iova = SCRATCH;
	__u32 id;

	b->device = kho_vfio_open(getenv("EDU"));
	if (b->device < 0 || kho_vfio_bind(b->device, b->iommufd, &id) ||
	    kho_vfio_attach(b->device, b->ioas) || kho_vfio_set_master(b->device, true))
		return errno;
	b->regs = kho_vfio_map_bar(b->device, 0, &size);
	b->scratch_fd = memfd_create("scratch", MFD_CLOEXEC);
	if (!b->regs || ftruncate(b->scratch_fd, PAGE))
		return errno;
	b->scratch = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  b->scratch_fd, 0);
	if (b->scratch == MAP_FAILED)
		return errno;
	b->own = 1;
	return map_file_at(b, b->ioas, b->scratch_fd, 0, PAGE,
			   RW | IOMMU_IOAS_MAP_FIXED_IOVA, &iova);
}

static __u64 edu_get(struct backend *b, unsigned int reg)
{
	return __atomic_load_n((__u64 *)(b->regs + reg), __ATOMIC_ACQUIRE);
}

static void edu_set(struct backend *b, unsigned int reg, __u64 value)
{
	__atomic_store_n((__u64 *)(b->regs + reg), value, __ATOMIC_RELEASE);
}

/* Between a page and the memory that the device has */
static void edu_start(struct backend *b, __u64 iova, bool to_us)
{
	edu_set(b, EDU_SOURCE, to_us ? EDU_MEMORY : iova);
	edu_set(b, EDU_TARGET, to_us ? iova : EDU_MEMORY);
	edu_set(b, EDU_COUNT, EDU_SIZE);
	edu_set(b, EDU_COMMAND, to_us ? EDU_RUN | EDU_TO_US : EDU_RUN);
}

static void edu_wait(struct backend *b)
{
	while (edu_get(b, EDU_COMMAND) & EDU_RUN)
		usleep(1000);
}

static void edu_dma(struct backend *b, __u64 iova, bool to_us)
{
	edu_start(b, iova, to_us);
	edu_wait(b);
}

static int mock_open(struct backend *b)
{
	struct iommu_test_cmd domain = {
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
		.id = b->ioas,
	};
	struct iommu_test_cmd access = {
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = b->ioas,
	};
	int rc = test_cmd(b, &domain);

	if (!rc)
		rc = test_cmd(b, &access);
	b->hwpt = domain.mock_domain.out_hwpt_id;
	b->access = access.create_access.out_access_fd;
	return rc;
}

static int mock_rw(struct backend *b, __u64 iova, void *data, __u32 flags)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_ACCESS_RW,
		.id = b->access,
		.access_rw.iova = iova,
		.access_rw.length = PAGE,
		.access_rw.uptr = (uintptr_t)data,
		.access_rw.flags = flags,
	};

	return test_cmd(b, &cmd);
}

/* What the device gets at @iova, a page of it */
static int device_reads(struct backend *b, __u64 iova, void *data)
{
	unsigned long i;

	if (b->kind == MOCK)
		return mock_rw(b, iova, data, 0);
	for (i = 0; i < PAGE; i += EDU_SIZE) {
		edu_dma(b, iova + i, false);
		edu_dma(b, SCRATCH + i, true);
	}
	memcpy(data, b->scratch, PAGE);
	return 0;
}

static int device_writes(struct backend *b, __u64 iova, void *data)
{
	unsigned long i;

	if (b->kind == MOCK)
		return mock_rw(b, iova, data, MOCK_ACCESS_RW_WRITE);
	memcpy(b->scratch, data, PAGE);
	for (i = 0; i < PAGE; i += EDU_SIZE) {
		edu_dma(b, SCRATCH + i, false);
		edu_dma(b, iova + i, true);
	}
	return 0;
}

/* Whether the page table of a made up device has the pages that are at @va */
static int mock_check(struct backend *b, __u64 iova, __u64 length, void *va)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_MD_CHECK_MAP,
		.id = b->hwpt,
		.check_map.iova = iova,
		.check_map.length = length,
		.check_map.uptr = (uintptr_t)va,
	};

	return b->kind == MOCK ? test_cmd(b, &cmd) : 0;
}

static int ioas_alloc(struct backend *b, __u32 *ioas)
{
	return kho_iommufd_ioas_alloc(b->iommufd, ioas) ? errno : 0;
}

static int set_mm_mode(struct backend *b)
{
	struct iommu_option arg = {
		.size = sizeof(arg),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_SET,
		.val64 = 1,
	};

	return try(b->iommufd, IOMMU_OPTION, &arg);
}

static int set_memory_limit(struct backend *b, __u32 limit)
{
	struct iommu_test_cmd cmd = {
		.op = IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT,
		.memory_limit.limit = limit,
	};

	return test_cmd(b, &cmd);
}

/* Contents: each page of each file is different. */
static void fill(void *page, unsigned long seed)
{
	__u64 *word = page;
	size_t i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		word[i] = (seed << 20) + i;
}

static bool is_filled(void *page, unsigned long seed)
{
	__u64 expected[PAGE / 8];

	fill(expected, seed);
	return !memcmp(page, expected, PAGE);
}

static bool is_zero(const void *page)
{
	static const __u8 zero[PAGE];

	return !memcmp(page, zero, PAGE);
}

static int memfd(unsigned long size, unsigned int flags)
{
	int fd = memfd_create("ioas-file", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	return fd < 0 || ftruncate(fd, size) ? -1 : fd;
}

static void *map_shared(int fd, unsigned long size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* A file that has something in each page */
static int full_memfd(unsigned long size, unsigned long seed)
{
	int fd = memfd(size, 0);
	__u8 *va = map_shared(fd, size);
	unsigned long i;

	if (va == MAP_FAILED)
		return -1;
	for (i = 0; i < size / PAGE; i++)
		fill(va + i * PAGE, seed + i);
	munmap(va, size);
	return fd;
}

/* Other processes */

struct child {
	pid_t pid;
	int to;
	int from;
};

/* Whether @condition does not hold, and then says so */
#define FAILS(condition) (!(condition) && complain(__func__, __LINE__, #condition))

static bool complain(const char *where, int line, const char *condition)
{
	fprintf(stderr, "%s, line %d, in the other process: not %s (%s)\n", where, line,
		condition, strerror(errno));
	return true;
}

/* What another process does; @child tells it when to go on. */
typedef int body(struct child *child, struct backend *b, unsigned long arg);

static bool wait_word(int fd)
{
	char word;

	return read(fd, &word, 1) == 1;
}

static bool say_word(int fd)
{
	return write(fd, "x", 1) == 1;
}

static bool child_start(struct child *child, struct backend *b, body *run,
			unsigned long arg)
{
	int to[2], from[2];

	/* It may be gone when it is told to go on. */
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return false;
	child->pid = fork();
	if (!child->pid) {
		struct child self = { .to = from[1], .from = to[0] };

		close(to[1]);
		close(from[0]);
		_exit(run(&self, b, arg));
	}
	close(to[0]);
	close(from[1]);
	child->to = to[1];
	child->from = from[0];
	return child->pid > 0;
}

/* Whether it came to its end without complaint */
static bool child_end(struct child *child)
{
	int status;

	say_word(child->to);
	close(child->to);
	close(child->from);
	return waitpid(child->pid, &status, 0) == child->pid &&
	       WIFEXITED(status) && !WEXITSTATUS(status);
}

/* From now on limits hold. */
static bool drop_rights(uid_t uid, unsigned long lock_pages)
{
	struct rlimit limit = { lock_pages * PAGE, lock_pages * PAGE };

	return !setrlimit(RLIMIT_MEMLOCK, &limit) && !setresuid(uid, uid, uid);
}

FIXTURE(ioas_file)
{
	struct backend b;
	struct counters before;
	bool ready;
};

FIXTURE_VARIANT(ioas_file)
{
	enum kind kind;
	__u32 memory_limit;
	bool mm_mode;
};

FIXTURE_VARIANT_ADD(ioas_file, mock)
{
	.kind = MOCK,
	.memory_limit = 65536,
};

FIXTURE_VARIANT_ADD(ioas_file, mock_mm)
{
	.kind = MOCK,
	.memory_limit = 65536,
	.mm_mode = true,
};

FIXTURE_VARIANT_ADD(ioas_file, mock_little)
{
	.kind = MOCK,
	.memory_limit = 32,
};

FIXTURE_VARIANT_ADD(ioas_file, edu)
{
	.kind = EDU,
	.memory_limit = 65536,
};

FIXTURE_VARIANT_ADD(ioas_file, edu_mm)
{
	.kind = EDU,
	.memory_limit = 65536,
	.mm_mode = true,
};

FIXTURE_SETUP(ioas_file)
{
	struct backend *b = &self->b;
	int rc;

	if (variant->kind == EDU && !getenv("EDU"))
		SKIP(return, "no device for education");
	*b = (struct backend) {
		.kind = variant->kind,
		.mm_mode = variant->mm_mode,
		.iommufd = kho_iommufd_open(),
		.device = -1,
	};
	ASSERT_LE(0, b->iommufd);
	if (variant->mm_mode)
		ASSERT_EQ(0, set_mm_mode(b));
	rc = set_memory_limit(b, variant->memory_limit);
	if (rc == ENOTTY && variant->kind == MOCK)
		SKIP(return, "no made up devices");
	b->tests = rc != ENOTTY;
	count(&self->before);
	self->ready = true;
	ASSERT_EQ(0, ioas_alloc(b, &b->ioas));
	ASSERT_EQ(0, ioas_alloc(b, &b->other));
	ASSERT_EQ(0, variant->kind == MOCK ? mock_open(b) : edu_open(b));
}

FIXTURE_TEARDOWN(ioas_file)
{
	struct backend *b = &self->b;
	struct counters after;

	if (!self->ready)
		return;
	if (b->kind == EDU) {
		munmap(b->scratch, PAGE);
		close(b->scratch_fd);
		munmap(b->regs, 1UL << 20);
		close(b->device);
	} else {
		close(b->access);
	}
	set_memory_limit(b, 65536);
	close(b->iommufd);
	count(&after);
	EXPECT_EQ(self->before.pins, after.pins);
	EXPECT_EQ(self->before.pinned_vm, after.pinned_vm);
	EXPECT_EQ(self->before.locked_vm, after.locked_vm);
	EXPECT_EQ(self->before.huge_free, after.huge_free);
	EXPECT_EQ(self->before.huge_reserved, after.huge_reserved);
}

/* A range of a file is mapped, both ways of DMA are tried, and it is unmapped. */
static void check_range(struct __test_metadata *_metadata, struct backend *b,
			int fd, unsigned long size, unsigned long start,
			unsigned long length, bool hole)
{
	const unsigned long probe[] = { 0, length / 2 & -PAGE, length - PAGE };
	const long before = pinned(getpid());
	__u8 page[PAGE], *va;
	unsigned long i;
	__u64 iova;

	if (!hole) {
		va = map_shared(fd, size);
		ASSERT_NE(MAP_FAILED, va);
		for (i = 0; i < size / PAGE; i++)
			fill(va + i * PAGE, i + 1);
		munmap(va, size);
	}
	ASSERT_EQ(0, map_file(b, fd, start, length, &iova));
	EXPECT_EQ(before + (long)(length / PAGE), pinned(getpid()));
	va = map_shared(fd, size);
	ASSERT_NE(MAP_FAILED, va);
	for (i = 0; i < ARRAY_SIZE(probe); i++) {
		ASSERT_EQ(0, device_reads(b, iova + probe[i], page));
		EXPECT_TRUE(hole ? is_zero(page) :
				   is_filled(page, (start + probe[i]) / PAGE + 1));
		EXPECT_EQ(0, memcmp(page, va + start + probe[i], PAGE));
	}
	EXPECT_EQ(0, mock_check(b, iova, length, va + start));
	for (i = 0; i < ARRAY_SIZE(probe); i++) {
		fill(page, 1000 + probe[i] / PAGE);
		ASSERT_EQ(0, device_writes(b, iova + probe[i], page));
		EXPECT_EQ(0, memcmp(page, va + start + probe[i], PAGE));
	}
	EXPECT_EQ(0, unmap(b, b->ioas, iova, length));
	EXPECT_EQ(before, pinned(getpid()));
	for (i = 0; i < ARRAY_SIZE(probe); i++)
		EXPECT_TRUE(is_filled(va + start + probe[i], 1000 + probe[i] / PAGE));
	munmap(va, size);
}

TEST_F(ioas_file, memfd)
{
	int fd = memfd(16 * PAGE, 0);

	check_range(_metadata, &self->b, fd, 16 * PAGE, 0, 16 * PAGE, false);
	check_range(_metadata, &self->b, fd, 16 * PAGE, 3 * PAGE, 5 * PAGE, false);
	check_range(_metadata, &self->b, fd, 16 * PAGE, 15 * PAGE, PAGE, false);
	close(fd);
	fd = memfd(16 * PAGE, 0);
	check_range(_metadata, &self->b, fd, 16 * PAGE, 3 * PAGE, 5 * PAGE, true);
	close(fd);
}

/* More than are pinned at a time */
TEST_F(ioas_file, many_pages)
{
	const unsigned long size = 10000 * PAGE;
	int fd = memfd(size, 0);

	check_range(_metadata, &self->b, fd, size, 7 * PAGE, size - 9 * PAGE, false);
	close(fd);
}

static int tmpfs_file(const char *options, unsigned long size)
{
	int fd;

	mkdir("/tmp/ioas-file", 0700);
	if (mount("none", "/tmp/ioas-file", "tmpfs", 0, options))
		return -1;
	fd = open("/tmp/ioas-file/f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	umount2("/tmp/ioas-file", MNT_DETACH);
	return fd < 0 || ftruncate(fd, size) ? -1 : fd;
}

TEST_F(ioas_file, tmpfs)
{
	int fd = tmpfs_file("size=1M", 8 * PAGE);

	ASSERT_LE(0, fd);
	check_range(_metadata, &self->b, fd, 8 * PAGE, 0, 8 * PAGE, false);
	close(fd);
}

/* A huge page is mapped in part, and two across where they meet. */
TEST_F(ioas_file, tmpfs_huge)
{
	int fd = tmpfs_file("huge=always", 3 * HUGE);

	ASSERT_LE(0, fd);
	check_range(_metadata, &self->b, fd, 3 * HUGE, HUGE + 5 * PAGE, 7 * PAGE, false);
	check_range(_metadata, &self->b, fd, 3 * HUGE, HUGE - PAGE, 2 * PAGE, false);
	check_range(_metadata, &self->b, fd, 3 * HUGE, 0, 3 * HUGE, false);
	close(fd);
	fd = tmpfs_file("huge=always", 3 * HUGE);
	ASSERT_LE(0, fd);
	check_range(_metadata, &self->b, fd, 3 * HUGE, HUGE - PAGE, HUGE + 2 * PAGE, true);
	close(fd);
}

TEST_F(ioas_file, hugetlb)
{
	int fd = memfd(3 * HUGE, MFD_HUGETLB | MFD_HUGE_2MB);

	ASSERT_LE(0, fd);
	check_range(_metadata, &self->b, fd, 3 * HUGE, HUGE + 5 * PAGE, 7 * PAGE, true);
	check_range(_metadata, &self->b, fd, 3 * HUGE, HUGE - PAGE, HUGE + 2 * PAGE, false);
	check_range(_metadata, &self->b, fd, 3 * HUGE, 0, 3 * HUGE, false);
	close(fd);
}

/* A page in a hole is not one that another file has reserved. */
TEST_F(ioas_file, hugetlb_reserved)
{
	struct backend *b = &self->b;
	unsigned long nr = self->before.huge_free - self->before.huge_reserved;
	int fd = memfd(HUGE, MFD_HUGETLB | MFD_HUGE_2MB);
	int other = memfd(nr * HUGE, MFD_HUGETLB | MFD_HUGE_2MB);
	struct counters c;
	__u64 iova;
	void *va;

	ASSERT_LT(1, nr);
	va = map_shared(other, nr * HUGE);
	ASSERT_NE(MAP_FAILED, va);
	EXPECT_EQ(ENOMEM, map_file(b, fd, 0, HUGE, &iova));
	count(&c);
	EXPECT_EQ((long)nr, c.huge_reserved - self->before.huge_reserved);
	munmap(va, nr * HUGE);
	close(other);

	/* One page is in use, one is left, and no figure is below zero. */
	EXPECT_EQ(0, map_file(b, fd, 0, HUGE, &iova));
	count(&c);
	EXPECT_EQ(self->before.huge_free - 1, c.huge_free);
	EXPECT_EQ(self->before.huge_reserved, c.huge_reserved);
	EXPECT_EQ(0, unmap(b, b->ioas, iova, HUGE));
	EXPECT_EQ(0, ftruncate(fd, 0));
	count(&c);
	EXPECT_EQ(self->before.huge_free, c.huge_free);
	EXPECT_EQ(self->before.huge_reserved, c.huge_reserved);
	close(fd);
}

/*
 * fallocate() leaves in pages what was in them until they are used: neither does the
 * device get to see that, nor is what it writes lost.
 */
TEST_F(ioas_file, fallocated)
{
	const unsigned long size = 64 * PAGE;
	struct backend *b = &self->b;
	int fd = memfd(size, 0);
	__u8 page[PAGE], *va;
	unsigned long i;
	__u64 iova;

	close(full_memfd(64 * size, 1));
	ASSERT_EQ(0, fallocate(fd, 0, 0, size));
	ASSERT_EQ(0, map_file(b, fd, 0, size, &iova));
	for (i = 0; i < 64; i += b->kind == MOCK ? 1 : 21) {
		ASSERT_EQ(0, device_reads(b, iova + i * PAGE, page));
		EXPECT_TRUE(is_zero(page));
		fill(page, i);
		ASSERT_EQ(0, device_writes(b, iova + i * PAGE, page));
	}
	va = map_shared(fd, size);
	ASSERT_NE(MAP_FAILED, va);
	for (i = 0; i < 64; i += b->kind == MOCK ? 1 : 21)
		EXPECT_TRUE(is_filled(va + i * PAGE, i));
	munmap(va, size);
	EXPECT_EQ(0, unmap(b, b->ioas, iova, size));
	close(fd);
}

static void *collapse(void *va)
{
	madvise(va, HUGE, MADV_COLLAPSE);
	return NULL;
}

/* A huge page replaces the pages of a file while they are mapped. */
TEST_F(ioas_file, collapsed)
{
	struct backend *b = &self->b;
	__u8 page[PAGE], *room, *va;
	unsigned long i, j;
	pthread_t thread;
	__u64 iova;
	int fd;

	for (i = 0; i < 12; i++) {
		fd = memfd(HUGE, 0);
		room = mmap(NULL, 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
		ASSERT_NE(MAP_FAILED, room);
		va = (__u8 *)(((uintptr_t)room + HUGE - 1) & -HUGE);
		ASSERT_EQ(va, mmap(va, HUGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, fd, 0));
		for (j = 0; j < HUGE / PAGE; j++)
			fill(va + j * PAGE, j);
		ASSERT_EQ(0, pthread_create(&thread, NULL, collapse, va));
		usleep(i * 300);
		ASSERT_EQ(0, map_file(b, fd, 0, HUGE, &iova));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		fill(va + 5 * PAGE, 7000 + i);
		ASSERT_EQ(0, device_reads(b, iova + 5 * PAGE, page));
		EXPECT_TRUE(is_filled(page, 7000 + i));
		EXPECT_EQ(0, mock_check(b, iova, HUGE, va));
		EXPECT_EQ(0, unmap(b, b->ioas, iova, HUGE));
		munmap(room, 2 * HUGE);
		close(fd);
	}
}

TEST_F(ioas_file, fixed)
{
	struct backend *b = &self->b;
	int fd = full_memfd(8 * PAGE, 1);
	__u8 page[PAGE];

	ASSERT_EQ(0, map_fixed(b, fd, 2 * PAGE, 4 * PAGE, FIXED));
	EXPECT_EQ(EEXIST, map_fixed(b, fd, 0, PAGE, FIXED + 3 * PAGE));
	EXPECT_EQ(0, map_fixed(b, fd, 0, PAGE, FIXED + 4 * PAGE));
	ASSERT_EQ(0, device_reads(b, FIXED + PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 3));
	ASSERT_EQ(0, device_reads(b, FIXED + 4 * PAGE, page));
	EXPECT_TRUE(is_filled(page, 1));

	/* What is mapped as one is unmapped as one. */
	EXPECT_EQ(ENOENT, unmap(b, b->ioas, FIXED, 2 * PAGE));
	EXPECT_EQ(ENOENT, unmap(b, b->ioas, FIXED + PAGE, 4 * PAGE));
	EXPECT_EQ(5 + (long)b->own, pinned(getpid()));
	EXPECT_EQ(0, unmap(b, b->ioas, FIXED, 5 * PAGE));
	close(fd);
}

TEST_F(ioas_file, copies)
{
	struct backend *b = &self->b;
	int fd = full_memfd(8 * PAGE, 1);
	__u8 page[PAGE];

	ASSERT_EQ(0, map_fixed(b, fd, 0, 8 * PAGE, FIXED));
	/* From nobody else's: what the copies share is pinned once. */
	ASSERT_EQ(0, copy(b, b->ioas, FIXED + 2 * PAGE, b->ioas, 4 * PAGE, FIXED + HUGE));
	ASSERT_EQ(0, copy(b, b->ioas, FIXED, b->other, 8 * PAGE, FIXED));
	EXPECT_EQ(8 + (long)b->own, pinned(getpid()));
	ASSERT_EQ(0, device_reads(b, FIXED + HUGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 2));

	EXPECT_EQ(0, unmap(b, b->ioas, FIXED, 8 * PAGE));
	EXPECT_EQ(4 + (long)b->own, pinned(getpid()));
	ASSERT_EQ(0, device_reads(b, FIXED + HUGE + 3 * PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 5));
	ASSERT_EQ(0, copy(b, b->other, FIXED, b->ioas, 8 * PAGE, FIXED));
	EXPECT_EQ(8 + (long)b->own, pinned(getpid()));
	close(fd);
}

TEST_F(ioas_file, refused)
{
	struct backend *b = &self->b;
	int fd = full_memfd(8 * PAGE, 1);
	int path = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	int proc = open("/proc/version", O_RDONLY | O_CLOEXEC);
	int ends[2];
	__u64 iova;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	EXPECT_EQ(EBADF, map_file(b, -1, 0, PAGE, &iova));
	EXPECT_EQ(EBADF, map_file(b, 999, 0, PAGE, &iova));
	EXPECT_EQ(EBADF, map_file(b, path, 0, PAGE, &iova));
	EXPECT_EQ(EINVAL, map_file(b, proc, 0, PAGE, &iova));
	EXPECT_EQ(EINVAL, map_file(b, ends[0], 0, PAGE, &iova));
	EXPECT_EQ(EINVAL, map_file(b, b->iommufd, 0, PAGE, &iova));

	EXPECT_EQ(EINVAL, map_file(b, fd, 0, 0, &iova));
	EXPECT_EQ(EINVAL, map_file(b, fd, 8 * PAGE, PAGE, &iova));
	EXPECT_EQ(EINVAL, map_file(b, fd, 7 * PAGE, 2 * PAGE, &iova));
	EXPECT_EQ(EINVAL, map_file(b, fd, 1ULL << 63, PAGE, &iova));
	EXPECT_EQ(EOVERFLOW, map_file(b, fd, -PAGE, 2 * PAGE, &iova));
	EXPECT_EQ(EOVERFLOW, map_file(b, fd, PAGE, -PAGE, &iova));
	EXPECT_EQ(EOVERFLOW, map_file(b, fd, 0, ULLONG_MAX, &iova));
	EXPECT_EQ(EOVERFLOW, map_file(b, fd, ULLONG_MAX, PAGE, &iova));
	EXPECT_EQ(EINVAL, map_file(b, fd, 1, PAGE, &iova));
	EXPECT_EQ(EINVAL, map_file(b, fd, 0, 1, &iova));

	EXPECT_EQ(EOPNOTSUPP, map_file_at(b, b->ioas, fd, 0, PAGE, RW | 1 << 30, &iova));
	EXPECT_EQ(EINVAL, map_file_at(b, b->ioas, fd, 0, PAGE, 0, &iova));
	EXPECT_EQ(ENOENT, map_file_at(b, 999, fd, 0, PAGE, RW, &iova));
	EXPECT_EQ(EINVAL, map_fixed(b, fd, 0, PAGE, FIXED + 1));
	EXPECT_EQ((long)b->own, pinned(getpid()));

	/* The file does not end with a page. */
	ASSERT_EQ(0, ftruncate(fd, 7 * PAGE + 1));
	EXPECT_EQ(EINVAL, map_file(b, fd, 0, 8 * PAGE, &iova));
	EXPECT_EQ(0, map_file(b, fd, 0, 7 * PAGE, &iova));
	close(path);
	close(proc);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

TEST_F(ioas_file, permissions)
{
	struct backend *b = &self->b;
	int fd = full_memfd(2 * PAGE, 1);
	int read_only = reopen(fd, O_RDONLY), write_only = reopen(fd, O_WRONLY);
	const __u32 r = IOMMU_IOAS_MAP_READABLE;
	__u64 iova, read_iova;

	ASSERT_LE(0, read_only);
	ASSERT_LE(0, write_only);
	EXPECT_EQ(EACCES, map_file(b, read_only, 0, PAGE, &iova));
	EXPECT_EQ(EACCES, map_file(b, write_only, 0, PAGE, &iova));
	EXPECT_EQ(EACCES, map_file_at(b, b->ioas, write_only, 0, PAGE, r, &iova));
	ASSERT_EQ(0, map_file_at(b, b->ioas, read_only, 0, PAGE, r, &read_iova));
	/* Nor by way of a copy */
	EXPECT_EQ(EPERM, copy(b, b->ioas, read_iova, b->ioas, PAGE, FIXED));
	ASSERT_EQ(0, unmap(b, b->ioas, read_iova, PAGE));
	close(read_only);
	close(write_only);

	ASSERT_EQ(0, map_file(b, fd, 0, PAGE, &iova));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	EXPECT_EQ(EPERM, map_file(b, fd, 0, PAGE, &read_iova));
	EXPECT_EQ(0, unmap(b, b->ioas, iova, PAGE));
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	close(fd);

	fd = full_memfd(2 * PAGE, 1);
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(EPERM, map_file(b, fd, 0, PAGE, &iova));
	EXPECT_EQ(0, map_file_at(b, b->ioas, fd, 0, PAGE, r, &iova));
	close(fd);

	/* Also when there is no pin, as there is no device */
	fd = full_memfd(2 * PAGE, 1);
	ASSERT_EQ(0, map_file_at(b, b->other, fd, 0, PAGE, RW, &iova));
	EXPECT_EQ(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(0, unmap(b, b->other, iova, PAGE));
	EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	close(fd);
}

/* What is removed from the file stays what the device has. */
TEST_F(ioas_file, truncated)
{
	const unsigned long size = 8 * PAGE;
	struct backend *b = &self->b;
	int fd = full_memfd(size, 1);
	__u8 page[PAGE], *va;

	ASSERT_EQ(0, map_fixed(b, fd, 0, size, FIXED));
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	ASSERT_EQ(0, ftruncate(fd, 3 * PAGE));
	ASSERT_EQ(0, ftruncate(fd, size));
	va = map_shared(fd, size);
	ASSERT_NE(MAP_FAILED, va);
	EXPECT_TRUE(is_zero(va + PAGE));
	EXPECT_TRUE(is_zero(va + 5 * PAGE));
	ASSERT_EQ(0, device_reads(b, FIXED + PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 1));
	ASSERT_EQ(0, device_reads(b, FIXED + 5 * PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 5));
	fill(page, 77);
	ASSERT_EQ(0, device_writes(b, FIXED + 5 * PAGE, page));
	EXPECT_TRUE(is_zero(va + 5 * PAGE));
	ASSERT_EQ(0, device_reads(b, FIXED + 2 * PAGE, page));
	EXPECT_EQ(0, memcmp(page, va + 2 * PAGE, PAGE));

	/* A new mapping is of what there is now; of what there is not, it fails. */
	ASSERT_EQ(0, map_fixed(b, fd, PAGE, PAGE, FIXED + HUGE));
	ASSERT_EQ(0, device_reads(b, FIXED + HUGE, page));
	EXPECT_TRUE(is_zero(page));
	munmap(va, size);
	EXPECT_EQ(0, unmap(b, b->ioas, FIXED + HUGE, PAGE));
	EXPECT_EQ(0, unmap(b, b->ioas, FIXED, size));
	close(fd);
}

/* It is too late for a file that has become shorter when a device comes. */
TEST_F(ioas_file, truncated_before)
{
	struct backend *b = &self->b;
	int fd = full_memfd(8 * PAGE, 1);
	__u64 iova;

	ASSERT_EQ(0, map_file_at(b, b->other, fd, 0, 8 * PAGE, RW, &iova));
	ASSERT_EQ(0, ftruncate(fd, 7 * PAGE));
	EXPECT_EQ(EINVAL, copy(b, b->other, iova, b->ioas, 8 * PAGE, FIXED));
	EXPECT_EQ((long)b->own, pinned(getpid()));
	EXPECT_EQ(0, copy(b, b->other, iova, b->ioas, 7 * PAGE, FIXED));
	EXPECT_EQ(7 + (long)b->own, pinned(getpid()));
	close(fd);
}

static int map_some(struct child *child, struct backend *b, unsigned long pages)
{
	int fd = full_memfd(pages * PAGE, 1);

	if (FAILS(!map_fixed(b, fd, 0, pages * PAGE, FIXED)))
		return 1;
	if (FAILS(pinned(getpid()) == (long)pages))
		return 1;
	if (FAILS(say_word(child->to) && wait_word(child->from)))
		return 1;
	return 0;
}

static int map_unpinned(struct child *child, struct backend *b, unsigned long pages)
{
	int fd = full_memfd(pages * PAGE, 1);
	__u64 iova = FIXED;

	if (FAILS(drop_rights(NOBODY, pages + 1)))
		return 1;
	if (FAILS(!map_file_at(b, b->other, fd, 0, pages * PAGE,
			       RW | IOMMU_IOAS_MAP_FIXED_IOVA, &iova)))
		return 1;
	if (FAILS(pinned(getpid()) == 0))
		return 1;
	if (FAILS(say_word(child->to) && wait_word(child->from)))
		return 1;
	return 0;
}

/* Neither the process that mapped, nor its memory, nor its descriptor is needed. */
TEST_F(ioas_file, process_exits)
{
	struct backend *b = &self->b;
	struct child child;
	__u8 page[PAGE];

	ASSERT_TRUE(child_start(&child, b, map_some, 8));
	ASSERT_TRUE(wait_word(child.from));
	ASSERT_TRUE(child_end(&child));
	ASSERT_EQ(0, device_reads(b, FIXED + 5 * PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 5));
	EXPECT_EQ(0, copy(b, b->ioas, FIXED, b->other, 8 * PAGE, FIXED));
	EXPECT_EQ(0, unmap(b, b->ioas, FIXED, 8 * PAGE));
	/* Pinned again, by us, for what is charged to a process that is gone */
	EXPECT_EQ(0, copy(b, b->other, FIXED, b->ioas, 8 * PAGE, FIXED));
	ASSERT_EQ(0, device_reads(b, FIXED + 5 * PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 5));
	EXPECT_EQ((long)b->own, pinned(getpid()));
}

/* Nothing is pinned before it exits. With limits, as it has no right to exceed them */
TEST_F(ioas_file, process_exits_before)
{
	struct backend *b = &self->b;
	struct child child;
	__u8 page[PAGE];

	ASSERT_TRUE(child_start(&child, b, map_unpinned, 8));
	ASSERT_TRUE(wait_word(child.from));
	ASSERT_TRUE(child_end(&child));
	if (b->mm_mode) {
		/* There is nobody to charge, until somebody steps in. */
		EXPECT_EQ(EINVAL, copy(b, b->other, FIXED, b->ioas, 8 * PAGE, FIXED));
		EXPECT_EQ(0, change_process(b));
	}
	EXPECT_EQ(0, copy(b, b->other, FIXED, b->ioas, 8 * PAGE, FIXED));
	ASSERT_EQ(0, device_reads(b, FIXED + 5 * PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 5));
}

static int map_limited(struct child *child, struct backend *b, unsigned long pages)
{
	int fd = full_memfd(2 * pages * PAGE, 1);
	__u64 iova;

	if (FAILS(drop_rights(NOBODY, pages)))
		return 1;
	if (FAILS(map_fixed(b, fd, 0, (pages + 1) * PAGE, FIXED) == ENOMEM))
		return 1;
	if (FAILS(pinned(getpid()) == 0 && locked(getpid()) == 0))
		return 1;
	if (FAILS(!map_fixed(b, fd, 0, pages * PAGE, FIXED)))
		return 1;
	if (FAILS(pinned(getpid()) == (long)pages))
		return 1;
	if (FAILS(locked(getpid()) == (b->mm_mode ? (long)pages : 0)))
		return 1;
	if (FAILS(map_file(b, fd, 0, PAGE, &iova) == ENOMEM))
		return 1;
	if (FAILS(say_word(child->to) && wait_word(child->from)))
		return 1;
	if (FAILS(!unmap(b, b->ioas, FIXED, pages * PAGE)))
		return 1;
	if (FAILS(pinned(getpid()) == 0 && locked(getpid()) == 0))
		return 1;
	if (FAILS(!map_fixed(b, fd, PAGE, pages * PAGE, FIXED)))
		return 1;
	if (FAILS(!unmap(b, b->ioas, FIXED, pages * PAGE)))
		return 1;
	return 0;
}

TEST_F(ioas_file, limits)
{
	struct child child;

	ASSERT_TRUE(child_start(&child, &self->b, map_limited, 8));
	ASSERT_TRUE(wait_word(child.from));
	EXPECT_TRUE(child_end(&child));
}

static int map_for_others(struct child *child, struct backend *b, unsigned long pages)
{
	int fd = full_memfd(pages * PAGE, 1);

	if (FAILS(drop_rights(NOBODY, pages)))
		return 1;
	if (FAILS(!map_fixed(b, fd, 0, pages * PAGE, FIXED)))
		return 1;
	if (FAILS(!copy(b, b->ioas, FIXED, b->ioas, pages * PAGE, FIXED + HUGE)))
		return 1;
	if (FAILS(!copy(b, b->ioas, FIXED, b->other, pages * PAGE, FIXED)))
		return 1;
	if (FAILS(say_word(child->to) && wait_word(child->from)))
		return 1;
	/* It has been taken from here, so there is room again. */
	if (FAILS(pinned(getpid()) == 0 && locked(getpid()) == 0))
		return 1;
	if (FAILS(!map_fixed(b, fd, 0, pages * PAGE, FIXED + 2 * HUGE)))
		return 1;
	if (FAILS(!unmap(b, b->ioas, FIXED + 2 * HUGE, pages * PAGE)))
		return 1;
	return 0;
}

static int take_too_much(struct child *child, struct backend *b, unsigned long pages)
{
	struct iommu_ioas_change_process wrong = {
		.size = sizeof(wrong),
		.__reserved = 1,
	};

	if (FAILS(drop_rights(NOBODY - 1, pages + b->own - 1)))
		return 1;
	if (FAILS(try(b->iommufd, IOMMU_IOAS_CHANGE_PROCESS, &wrong) == EOPNOTSUPP))
		return 1;
	if (FAILS(change_process(b) == ENOMEM))
		return 1;
	if (FAILS(pinned(getpid()) == 0 && locked(getpid()) == 0))
		return 1;
	if (FAILS(say_word(child->to) && wait_word(child->from)))
		return 1;
	return 0;
}

static int take_over(struct child *child, struct backend *b, unsigned long pages)
{
	const long all = pages + b->own;

	if (FAILS(drop_rights(NOBODY - 1, all)))
		return 1;
	if (FAILS(!change_process(b)))
		return 1;
	if (FAILS(pinned(getpid()) == all))
		return 1;
	if (FAILS(locked(getpid()) == (b->mm_mode ? all : 0)))
		return 1;
	if (FAILS(!change_process(b)))
		return 1;
	if (FAILS(pinned(getpid()) == all))
		return 1;
	if (FAILS(say_word(child->to) && wait_word(child->from)))
		return 1;
	if (FAILS(!unmap(b, b->ioas, FIXED, pages * PAGE)))
		return 1;
	if (FAILS(!unmap(b, b->other, FIXED, pages * PAGE)))
		return 1;
	if (FAILS(pinned(getpid()) == all))
		return 1;
	if (FAILS(!unmap(b, b->ioas, FIXED + HUGE, pages * PAGE)))
		return 1;
	if (FAILS(pinned(getpid()) == (long)b->own))
		return 1;
	if (FAILS(locked(getpid()) == (b->mm_mode ? (long)b->own : 0)))
		return 1;
	return 0;
}

TEST_F(ioas_file, change_process)
{
	struct backend *b = &self->b;
	struct child old, small, new;
	__u8 page[PAGE];

	ASSERT_TRUE(child_start(&old, b, map_for_others, 8));
	ASSERT_TRUE(wait_word(old.from));
	EXPECT_EQ(8, pinned(old.pid));
	EXPECT_EQ(b->mm_mode ? 8 : 0, locked(old.pid));

	/* Its limit is one page too low: nothing happens. */
	ASSERT_TRUE(child_start(&small, b, take_too_much, 8));
	ASSERT_TRUE(wait_word(small.from));
	EXPECT_EQ(8, pinned(old.pid));
	EXPECT_EQ(b->mm_mode ? 8 : 0, locked(old.pid));
	EXPECT_EQ((long)b->own, pinned(getpid()));
	ASSERT_TRUE(child_end(&small));

	/* While there is DMA */
	if (b->kind == EDU)
		edu_start(b, FIXED + 3 * PAGE, false);
	ASSERT_TRUE(child_start(&new, b, take_over, 8));
	ASSERT_TRUE(wait_word(new.from));
	EXPECT_EQ(0, pinned(old.pid));
	EXPECT_EQ(0, locked(old.pid));
	EXPECT_EQ(0, pinned(getpid()));
	if (b->kind == EDU) {
		edu_wait(b);
		edu_dma(b, SCRATCH, true);
		fill(page, 1 + 3);
		EXPECT_EQ(0, memcmp(b->scratch, page, EDU_SIZE));
	}
	ASSERT_TRUE(child_end(&old));
	ASSERT_EQ(0, device_reads(b, FIXED + 5 * PAGE, page));
	EXPECT_TRUE(is_filled(page, 1 + 5));
	EXPECT_TRUE(child_end(&new));

	/* The last one is root: no limits hold, and nothing is locked. */
	EXPECT_EQ(0, change_process(b));
	EXPECT_EQ((long)b->own, pinned(getpid()));
	EXPECT_EQ(0, locked(getpid()));
}

TEST_F(ioas_file, change_process_refused)
{
	struct backend *b = &self->b;
	struct child child;
	void *user = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* Nothing is there, or nothing else. */
	EXPECT_EQ(0, change_process(b));
	ASSERT_TRUE(child_start(&child, b, map_some, 8));
	ASSERT_TRUE(wait_word(child.from));

	/* In an address space without devices, and the last one */
	ASSERT_EQ(0, kho_iommufd_map(b->iommufd, b->other, user, PAGE, FIXED));
	EXPECT_EQ(EINVAL, change_process(b));
	EXPECT_EQ(8, pinned(child.pid));
	EXPECT_EQ((long)b->own, pinned(getpid()));
	EXPECT_EQ(0, unmap(b, b->other, FIXED, PAGE));
	EXPECT_EQ(0, change_process(b));
	EXPECT_EQ(0, pinned(child.pid));
	EXPECT_EQ(8 + (long)b->own, pinned(getpid()));
	EXPECT_TRUE(child_end(&child));
	EXPECT_EQ(0, destroy(b, b->other));
	EXPECT_EQ(0, change_process(b));
	munmap(user, PAGE);
}

/* Its mappings come and go, at an IOVA of its own. */
static int map_often(struct child *child, struct backend *b, unsigned long iova)
{
	int fd = full_memfd(8 * PAGE, 1);
	__u32 ioas;
	int i;

	if (FAILS(drop_rights(NOBODY, 100)))
		return 1;
	for (i = 0; i < 100; i++) {
		if (FAILS(!map_fixed(b, fd, 0, 8 * PAGE, iova)) ||
		    FAILS(!ioas_alloc(b, &ioas)) ||
		    FAILS(!copy(b, b->ioas, iova, ioas, 8 * PAGE, FIXED)) ||
		    FAILS(!copy(b, ioas, FIXED, b->ioas, 4 * PAGE, iova + HUGE)) ||
		    FAILS(!unmap(b, b->ioas, iova, 8 * PAGE)) ||
		    FAILS(!destroy(b, ioas)) ||
		    FAILS(!unmap(b, b->ioas, iova + HUGE, 4 * PAGE)))
			return 1;
	}
	if (FAILS(pinned(getpid()) == 0 && locked(getpid()) == 0))
		return 1;
	return !say_word(child->to);
}

/* While others map, copy and unmap: nothing gets lost, and nobody waits for ever. */
TEST_F(ioas_file, change_process_often)
{
	struct backend *b = &self->b;
	struct child child[2];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_TRUE(child_start(&child[i], b, map_often, FIXED + i * 4 * HUGE));
	for (i = 0; i < 200; i++)
		EXPECT_EQ(0, change_process(b));
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(wait_word(child[i].from));
		EXPECT_TRUE(child_end(&child[i]));
	}
	EXPECT_EQ((long)b->own, pinned(getpid()));
}

static int map_and_exit(struct child *child, struct backend *b, unsigned long pages)
{
	int fd = full_memfd(pages * PAGE, 1);

	(void)child;
	return FAILS(drop_rights(NOBODY, pages)) ||
	       FAILS(!map_fixed(b, fd, 0, pages * PAGE, FIXED));
}

/* What was charged to a process that is gone: unmapped, and moved */
TEST_F(ioas_file, charged_process_exits)
{
	struct backend *b = &self->b;
	struct child child;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(child_start(&child, b, map_and_exit, 8));
		ASSERT_TRUE(child_end(&child));
		if (i)
			EXPECT_EQ(0, change_process(b));
		EXPECT_EQ((i ? 8 : 0) + (long)b->own, pinned(getpid()));
		EXPECT_EQ(0, unmap(b, b->ioas, FIXED, 8 * PAGE));
		EXPECT_EQ((long)b->own, pinned(getpid()));
	}
}

/* Calls with the n-th allocation failing, for each n until all are there */
static bool set_nth(unsigned long n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", n);
	return put_text("/proc/self/fail-nth", text);
}

/* Whether as many allocations were made */
static bool get_nth(void)
{
	char text[24] = "";
	int fd = open("/proc/self/fail-nth", O_RDONLY | O_CLOEXEC);
	bool made = pread(fd, text, sizeof(text) - 1, 0) > 0 && strtoul(text, NULL, 10) == 0;

	close(fd);
	return made;
}

#define EVERY_NTH(least, call, undo) do {					\
	unsigned long __n;							\
	bool __made;								\
	int __rc;								\
										\
	for (__n = 1;; __n++) {							\
		ASSERT_TRUE(set_nth(__n));					\
		__rc = call;							\
		__made = get_nth();						\
		set_nth(0);							\
		if (!__rc)							\
			undo;							\
		EXPECT_EQ((long)b->own, pinned(getpid()));			\
		if (!__made) {							\
			EXPECT_EQ(0, __rc);					\
			break;							\
		}								\
		if (__rc)							\
			EXPECT_TRUE(__rc == ENOMEM || b->tests);		\
	}									\
	EXPECT_LE(least, (long)__n);						\
	TH_LOG("%s: %lu allocations", #call, __n - 1);				\
} while (0)

TEST_F(ioas_file, every_allocation_fails)
{
	struct backend *b = &self->b;
	int small = memfd(40 * PAGE, 0);
	int huge = memfd(HUGE, MFD_HUGETLB | MFD_HUGE_2MB);
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (access("/proc/self/fail-nth", F_OK))
		SKIP(return, "no fault injection");
	EVERY_NTH(5, map_fixed(b, small, 0, 40 * PAGE, FIXED), ({
		EXPECT_EQ(0, unmap(b, b->ioas, FIXED, 40 * PAGE));
		EXPECT_EQ(0, fallocate(small, punch, 0, 40 * PAGE));
	}));
	EVERY_NTH(3, map_fixed(b, huge, 0, HUGE, FIXED), ({
		EXPECT_EQ(0, unmap(b, b->ioas, FIXED, HUGE));
		EXPECT_EQ(0, fallocate(huge, punch, 0, HUGE));
	}));
	close(small);
	close(huge);
}

TEST_HARNESS_MAIN
