// SPDX-License-Identifier: GPL-2.0-only
/*
 * example-kvm: a VMM that takes its guest over a kexec: what KVM knows of a guest, in which
 * order it is read and written, and how a VMM is told to stop and learns that it may run on.
 * It needs no privilege but access to /dev/kvm; its session comes from example-agent. Run
 * once in each kernel. Part of Documentation/userspace-api/liveupdate.rst.
 *
 *	example-kvm SOCKET NAME		the agent's socket, and what the guest is called
 *
 * The guest has a processor, interrupt controllers, a timer, and a device that is nothing but
 * an eventfd: writing to its port gives an interrupt. It counts what it gets.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/liveupdate.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <x86intrin.h>

/*
 * The guest, in real mode: its interrupt vectors, the interrupt controller, the timer with 100 Hz;
 * then it waits. With each tick it looks whether a register is still what memory says it is,
 * whether time went backwards, and asks the device for an interrupt when it has had the last one.
 */
asm(".pushsection .rodata\n"
	".code16\n"
	"guest_code:\n"
	"	cli\n"
	"	movw	$(tick - guest_code + 0x1000), 0x80\n"
	"	movw	$0, 0x82\n"
	"	movw	$(answer - guest_code + 0x1000), 0x90\n"
	"	movw	$0, 0x92\n"
	"	movb	$0x11, %al\n	outb	%al, $0x20\n"
	"	movb	$0x20, %al\n	outb	%al, $0x21\n"
	"	movb	$0x04, %al\n	outb	%al, $0x21\n"
	"	movb	$0x01, %al\n	outb	%al, $0x21\n"
	"	movb	$0xee, %al\n	outb	%al, $0x21\n"
	"	movb	$0x34, %al\n	outb	%al, $0x43\n"
	"	movb	$0x9c, %al\n	outb	%al, $0x40\n"
	"	movb	$0x2e, %al\n	outb	%al, $0x40\n"
	"	sti\n"
	"1:	hlt\n"
	"	jmp	1b\n"
	"tick:\n"
	"	incl	%ebx\n"
	"	incl	0x500\n"
	"	cmpl	%ebx, 0x500\n"
	"	je	2f\n"
	"	incl	0x50c\n"
	"2:	rdtsc\n"
	"	cmpl	%edi, %edx\n"
	"	ja	4f\n"
	"	jb	3f\n"
	"	cmpl	%esi, %eax\n"
	"	jae	4f\n"
	"3:	incl	0x510\n"
	"4:	movl	%eax, %esi\n"
	"	movl	%edx, %edi\n"
	"	movl	0x504, %eax\n"
	"	cmpl	%eax, 0x508\n"
	"	jne	5f\n"
	"	incl	0x504\n"
	"	outb	%al, $0xe0\n"
	"5:	movb	$0x20, %al\n"
	"	outb	%al, $0x20\n"
	"	iret\n"
	"answer:\n"
	"	incl	0x508\n"
	"	movb	$0x20, %al\n"
	"	outb	%al, $0x20\n"
	"	iret\n"
	"guest_end:\n"
	".code64\n"
	".popsection\n");

#define GUEST_CODE	0x1000
#define GUEST_COUNTS	0x500
#define GUEST_PORT	0xe0
#define GUEST_IRQ	4
#define RAM_SIZE	0x200000
#define PATTERN		0x10000	/* memory from here on is not the guest's program's */

struct counts {
	uint32_t ticks;
	uint32_t asked;		/* of the device */
	uint32_t answers;	/* it gave */
	uint32_t wrong;		/* a register was not what it should be */
	uint32_t backwards;	/* the time-stamp counter was less than before */
};

#define MSR_TSC		0x10
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MARK		0x1234567
#define XSAVE_XMM0	(160 / 4)	/* words of the XSAVE area */
#define XSAVE_BV	(512 / 4)
#define XSAVE_SSE	2
#define MSRS_MAX	512
#define CPUID_MAX	256

/* saved */
/* What is in KVM, and nowhere else: in a memfd, which is preserved with the guest's memory */
struct saved {
	uint64_t stopped;	/* the rest is valid */
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_irqchip irqchips[3];
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	uint64_t tsc_offset;
	uint32_t nr_msrs;
	uint32_t nr_cpuid;
	struct kvm_msr_entry msrs[MSRS_MAX];
	struct kvm_cpuid_entry2 cpuid[CPUID_MAX];
};

enum { MEMORY = 1, STATE };	/* tokens */

/* end of saved */
static int kvm, vm, vcpu, device;
static struct kvm_run *vcpu_run;
static pthread_t vcpu_thread;
static bool running;
static char *ram;
static struct saved *saved;

static int call(int fd, unsigned long request, void *arg, const char *name)
{
	int rc = ioctl(fd, request, arg);

	if (rc < 0)
		err(1, "%s", name);
	return rc;
}

#define CALL(fd, request, arg) call(fd, request, (void *)(arg), #request)

/* in order */
#define PART(what, member) { KVM_GET_##what, KVM_SET_##what, offsetof(struct saved, member), #what }

/* Of a processor: written in this order, and read in the reverse one */
static const struct part {
	unsigned long get, set;
	size_t at;
	const char *name;
} first[] = {
	PART(SREGS, sregs),		/* whether the local APIC is on, and how */
	PART(REGS, regs),
	PART(DEBUGREGS, debugregs),
	PART(XCRS, xcrs),
	PART(XSAVE, xsave),
	PART(LAPIC, lapic),		/* stops its timer */
}, last[] = {
	PART(VCPU_EVENTS, events),
	PART(MP_STATE, mp_state),	/* reading it may change all the others */
};

static void read_parts(const struct part *parts, int nr)
{
	while (nr--)
		call(vcpu, parts[nr].get, (char *)saved + parts[nr].at, parts[nr].name);
}

static void write_parts(const struct part *parts, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		call(vcpu, parts[i].set, (char *)saved + parts[i].at, parts[i].name);
}

/* end of order */
#define NR(array) ((int)(sizeof(array) / sizeof(*(array))))

struct msr_list {
	struct kvm_msr_list head;
	uint32_t indices[MSRS_MAX];
};

static bool get_msr(struct kvm_msr_entry *entry)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} arg = { .head.nmsrs = 1, .entry.index = entry->index };

	if (CALL(vcpu, KVM_GET_MSRS, &arg) != 1)
		return false;
	entry->data = arg.entry.data;
	return true;
}

/* msrs */
/* All that KVM has, but the time-stamp counter: that has an offset, which is exact. */
static void read_msrs(void)
{
	struct msr_list list = { .head.nmsrs = MSRS_MAX };
	unsigned int i;

	CALL(kvm, KVM_GET_MSR_INDEX_LIST, &list);
	saved->nr_msrs = 0;
	for (i = 0; i < list.head.nmsrs; i++) {
		struct kvm_msr_entry *entry = &saved->msrs[saved->nr_msrs];

		*entry = (struct kvm_msr_entry) { .index = list.indices[i] };
		if (entry->index != MSR_TSC && get_msr(entry))
			saved->nr_msrs++;
	}
}

/* What a new processor has already is left alone: some cannot be written. */
static void write_msrs(void)
{
	unsigned int i;

	for (i = 0; i < saved->nr_msrs; i++) {
		struct kvm_msr_entry now = { .index = saved->msrs[i].index };
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} arg = { .head.nmsrs = 1, .entry = saved->msrs[i] };

		if (get_msr(&now) && now.data == arg.entry.data)
			continue;
		if (CALL(vcpu, KVM_SET_MSRS, &arg) != 1)
			errx(1, "MSR %#x cannot be set to %#llx", now.index, arg.entry.data);
	}
}

/* end of msrs */
static void set_cpuid(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} arg = { .head.nent = saved->nr_cpuid };

	memcpy(arg.entries, saved->cpuid, sizeof(arg.entries));
	CALL(vcpu, KVM_SET_CPUID2, &arg);
}

static void choose_cpuid(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} arg = { .head.nent = CPUID_MAX };

	CALL(kvm, KVM_GET_SUPPORTED_CPUID, &arg);
	saved->nr_cpuid = arg.head.nent;
	memcpy(saved->cpuid, arg.entries, sizeof(arg.entries));
	set_cpuid();
}

/* devices */
/* In the order in which they are needed: the processor's local APIC comes with the first. */
static void make_machine(void)
{
	struct kvm_userspace_memory_region memory = {
		.memory_size = RAM_SIZE,
		.userspace_addr = (uintptr_t)ram,
	};
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int size;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	vm = CALL(kvm, KVM_CREATE_VM, 0);
	CALL(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	CALL(vm, KVM_CREATE_IRQCHIP, 0);
	CALL(vm, KVM_CREATE_PIT2, &pit);
	CALL(vm, KVM_SET_USER_MEMORY_REGION, &memory);
	vcpu = CALL(vm, KVM_CREATE_VCPU, 0);
	size = CALL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vcpu_run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (vcpu_run == MAP_FAILED)
		err(1, "mmap of the processor");
}

/* Eventfds belong to a kernel. The VMM makes new ones, and knows what for. */
static void connect_device(void)
{
	struct kvm_irqfd irqfd = { .gsi = GUEST_IRQ };
	struct kvm_ioeventfd doorbell = {
		.addr = GUEST_PORT,
		.len = 1,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	device = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device < 0)
		err(1, "eventfd");
	irqfd.fd = device;
	doorbell.fd = device;
	CALL(vm, KVM_IRQFD, &irqfd);
	CALL(vm, KVM_IOEVENTFD, &doorbell);
}

/* An interrupt that is under way has arrived in the interrupt controller when this returns. */
static void disconnect_device(void)
{
	struct kvm_irqfd irqfd = {
		.fd = device,
		.gsi = GUEST_IRQ,
		.flags = KVM_IRQFD_FLAG_DEASSIGN,
	};
	struct kvm_ioeventfd doorbell = {
		.addr = GUEST_PORT,
		.len = 1,
		.fd = device,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	CALL(vm, KVM_IOEVENTFD, &doorbell);
	CALL(vm, KVM_IRQFD, &irqfd);
	close(device);
}

/* end of devices */
static int tsc_offset(unsigned long request)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)&saved->tsc_offset,
	};

	return call(vcpu, request, &attr, "KVM_VCPU_TSC_OFFSET");
}

/* clock */
/*
 * The guest's clock goes on by what the host's time-stamp counter did meanwhile, as the guest's
 * counter does: a kexec does not reset it.
 */
static void set_clock(void)
{
	struct kvm_clock_data clock = { .clock = saved->clock.clock };
	uint64_t khz = CALL(vcpu, KVM_GET_TSC_KHZ, 0);

	if (saved->clock.flags & KVM_CLOCK_HOST_TSC)
		clock.clock += (__uint128_t)(__rdtsc() - saved->clock.host_tsc) *
			       1000000 / khz;
	CALL(vm, KVM_SET_CLOCK, &clock);
}

/* end of clock */
static void *run_processor(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&vcpu_run->immediate_exit, __ATOMIC_ACQUIRE)) {
		if (!ioctl(vcpu, KVM_RUN, 0))
			errx(1, "the guest has ended: exit reason %u", vcpu_run->exit_reason);
		if (errno != EINTR && errno != EAGAIN)
			err(1, "KVM_RUN");
	}
	return NULL;
}

/* There only so that the signal interrupts */
static void on_signal(int signal)
{
	(void)signal;
}

static void start_processor(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR2, &action, NULL);
	vcpu_run->immediate_exit = 0;
	/* The guest's watchdog is not to bark because of the time that it did not run. */
	if (ioctl(vcpu, KVM_KVMCLOCK_CTRL, 0) && errno != EINVAL)
		err(1, "KVM_KVMCLOCK_CTRL");
	if (pthread_create(&vcpu_thread, NULL, run_processor, NULL))
		errx(1, "no thread for the processor");
	running = true;
}

/* stop */
/* Fills in @saved. Memory of the guest does not change any more, by this VMM. */
static void stop_guest(void)
{
	int i;

	/* Before it enters the guest again, KVM completes what the last exit has begun. */
	__atomic_store_n(&vcpu_run->immediate_exit, 1, __ATOMIC_RELEASE);
	pthread_kill(vcpu_thread, SIGUSR2);
	pthread_join(vcpu_thread, NULL);
	disconnect_device();

	CALL(vm, KVM_GET_CLOCK, &saved->clock);
	CALL(vm, KVM_GET_PIT2, &saved->pit);
	for (i = NR(saved->irqchips) - 1; i >= 0; i--) {
		saved->irqchips[i].chip_id = i;
		CALL(vm, KVM_GET_IRQCHIP, &saved->irqchips[i]);
	}
	read_parts(last, NR(last));
	read_msrs();
	read_parts(first, NR(first));
	tsc_offset(KVM_GET_DEVICE_ATTR);
	saved->stopped = 1;
	running = false;
}

/* What @saved says goes into a machine that was just made. */
static void load_guest(void)
{
	int i;

	set_cpuid();	/* says what is allowed */
	tsc_offset(KVM_SET_DEVICE_ATTR);	/* timers are set by it */
	write_parts(first, NR(first));
	write_msrs();
	write_parts(last, NR(last));
	for (i = 0; i < NR(saved->irqchips); i++)
		CALL(vm, KVM_SET_IRQCHIP, &saved->irqchips[i]);
	CALL(vm, KVM_SET_PIT2, &saved->pit);
	set_clock();
}

static void run_on(void)
{
	saved->stopped = 0;
	connect_device();
	start_processor();
}

/* end of stop */
static struct counts guest(void)
{
	struct counts counts;

	/* The guest writes to it all the time. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(&counts, ram + GUEST_COUNTS, sizeof(counts));
	return counts;
}

static void say(const char *what)
{
	printf("%s after %u ticks\n", what, guest().ticks);
}

static uint64_t pattern(size_t at)
{
	return (at + 1) * 0x9e3779b97f4a7c15;
}

static void fill(void)
{
	size_t at;

	for (at = PATTERN; at < RAM_SIZE; at += sizeof(uint64_t))
		*(uint64_t *)(ram + at) = pattern(at);
}

/* The timer ticks, the device answers, and the guest has found nothing wrong; nor do we. */
static void verify(void)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	struct counts before = guest(), now = before;
	int patience = 3000;
	size_t at;

	while (now.ticks - before.ticks < 20 || now.answers - before.answers < 10) {
		if (!patience--)
			errx(1, "in 30 s %u ticks and %u answers came", now.ticks - before.ticks,
			     now.answers - before.answers);
		nanosleep(&moment, NULL);
		now = guest();
	}
	if (now.wrong || now.backwards)
		errx(1, "%u times a register was wrong, %u times time went backwards", now.wrong,
		     now.backwards);
	for (at = PATTERN; at < RAM_SIZE; at += sizeof(uint64_t))
		if (*(uint64_t *)(ram + at) != pattern(at))
			errx(1, "memory differs at %#zx", at);
	printf("the timer ticks, the device answers, %u bytes are right\n", RAM_SIZE - PATTERN);
}

static void *map(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	return at;
}

/* What the guest never touches has to come back as well: a value in a register of each kind */
static void set_marks(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = {
		.head.nmsrs = 1,
		.entry = { .index = MSR_KERNEL_GS_BASE, .data = MARK },
	};

	CALL(vcpu, KVM_GET_DEBUGREGS, &saved->debugregs);
	saved->debugregs.db[0] = MARK;
	CALL(vcpu, KVM_SET_DEBUGREGS, &saved->debugregs);
	CALL(vcpu, KVM_GET_XSAVE, &saved->xsave);
	saved->xsave.region[XSAVE_XMM0] = MARK;
	saved->xsave.region[XSAVE_BV] |= XSAVE_SSE;
	CALL(vcpu, KVM_SET_XSAVE, &saved->xsave);
	CALL(vcpu, KVM_SET_MSRS, &msr);
}

static void check_marks(void)
{
	struct kvm_msr_entry msr = { .index = MSR_KERNEL_GS_BASE };
	struct kvm_debugregs debugregs;
	struct kvm_xsave xsave;

	CALL(vcpu, KVM_GET_DEBUGREGS, &debugregs);
	CALL(vcpu, KVM_GET_XSAVE, &xsave);
	if (debugregs.db[0] != MARK || xsave.region[XSAVE_XMM0] != MARK || !get_msr(&msr) ||
	    msr.data != MARK)
		errx(1, "registers are not as they were: %#llx %#x %#llx", debugregs.db[0],
		     xsave.region[XSAVE_XMM0], msr.data);
}

static void enter_guest(void)
{
	const char *code, *end;

	asm("lea	guest_code(%%rip), %0\n	lea	guest_end(%%rip), %1"
	    : "=r"(code), "=r"(end));
	memcpy(ram + GUEST_CODE, code, end - code);
	choose_cpuid();
	set_marks();
	/* Far ahead of the host's, or it would not show that it is kept. */
	saved->tsc_offset = 1ULL << 40;
	tsc_offset(KVM_SET_DEVICE_ATTR);
	CALL(vcpu, KVM_GET_SREGS, &saved->sregs);
	CALL(vcpu, KVM_GET_REGS, &saved->regs);
	saved->sregs.cs.base = 0;
	saved->sregs.cs.selector = 0;
	saved->regs.rip = GUEST_CODE;
	saved->regs.rsp = GUEST_CODE;
	CALL(vcpu, KVM_SET_SREGS, &saved->sregs);
	CALL(vcpu, KVM_SET_REGS, &saved->regs);
}

/* session */
static int new_file(int session, const char *name, size_t size, uint64_t token)
{
	struct liveupdate_session_preserve_fd give = { sizeof(give), -1, token };

	give.fd = memfd_create(name, MFD_CLOEXEC);
	/* No hole may be left: who fills one when all is final waits, and cannot be stopped. */
	if (give.fd < 0 || fallocate(give.fd, 0, 0, size))
		err(1, "making %s", name);
	CALL(session, LIVEUPDATE_SESSION_PRESERVE_FD, &give);
	return give.fd;
}

static void new_guest(int session)
{
	ram = map(new_file(session, "guest", RAM_SIZE, MEMORY), RAM_SIZE);
	saved = map(new_file(session, "state", sizeof(*saved), STATE), sizeof(*saved));
	fill();
	make_machine();
	enter_guest();
	say("started");
}

static int take(int session, uint64_t token)
{
	struct liveupdate_session_retrieve_fd arg = { sizeof(arg), -1, token };

	CALL(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);
	return arg.fd;
}

static void guest_of_old_kernel(int session)
{
	struct liveupdate_session_finish finish = { .size = sizeof(finish) };

	saved = map(take(session, STATE), sizeof(*saved));
	if (!saved->stopped)
		errx(1, "the guest ran until the jump: what its processor had is lost");
	ram = map(take(session, MEMORY), RAM_SIZE);
	make_machine();
	load_guest();
	check_marks();
	CALL(session, LIVEUPDATE_SESSION_FINISH, &finish);
	close(session);
	say("goes on");
}

static int ask_agent(const char *path, const char *name, bool *incoming)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = -1, peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char space[CMSG_SPACE(sizeof(fd))], byte;
	struct iovec data = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(peer, (struct sockaddr *)&address, sizeof(address)) ||
	    write(peer, name, strlen(name)) < 0)
		err(1, "%s", path);
	if (recvmsg(peer, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		errx(1, "the agent has no session for us");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	close(peer);
	*incoming = byte == 'i';
	return fd;
}

/* watch */
static bool being_prepared(void)
{
	char state[16] = "";
	int fd = open("/sys/kernel/kho/state", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, state, sizeof(state) - 1) < 0)
		err(1, "/sys/kernel/kho/state");
	close(fd);
	return strcmp(state, "idle\n");
}

/* Whoever writes to one of these files has closed it when the event comes, also if refused. */
static int watch_steps(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0 || inotify_add_watch(fd, "/sys/kernel/kho/activate", IN_CLOSE_WRITE) < 0 ||
	    inotify_add_watch(fd, "/sys/kernel/kho/finalize", IN_CLOSE_WRITE) < 0)
		err(1, "watching /sys/kernel/kho");
	return fd;
}

/* SIGUSR1 is the agent's word to stop; what is printed, its answer. Until SIGTERM. */
static void obey(int signals)
{
	struct pollfd polls[] = { { signals, POLLIN, 0 }, { watch_steps(), POLLIN, 0 } };
	struct signalfd_siginfo info;
	char events[4096];

	for (;;) {
		if (poll(polls, NR(polls), -1) < 0 && errno != EINTR)
			err(1, "poll");
		while (read(polls[1].fd, events, sizeof(events)) > 0)
			;
		if (read(signals, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo == SIGTERM)
				return;
			if (running) {
				stop_guest();
				say("stopped");
			}
		}
		/* Undone, or given up before we had stopped: both are seen here. */
		if (!running && !being_prepared()) {
			say("runs on");
			run_on();
			verify();
		}
	}
}

/* end of watch */
int main(int argc, char **argv)
{
	int session, signals;
	bool incoming;
	sigset_t set;

	if (argc != 3)
		errx(1, "usage: example-kvm SOCKET NAME");
	setlinebuf(stdout);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL))
		errx(1, "signals cannot be blocked");
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		err(1, "signalfd");

	session = ask_agent(argv[1], argv[2], &incoming);
	if (incoming)
		guest_of_old_kernel(session);
	else
		new_guest(session);
	run_on();
	verify();
	obey(signals);
	return 0;
}
