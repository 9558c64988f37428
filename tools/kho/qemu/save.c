// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu save: takes a running guest from its QEMU, for the next kernel.
 *
 * It is what QEMU takes for another QEMU on this machine, to which the guest moves by cpr-transfer:
 *
 * 1. QEMU sends the list of its descriptors. The guest runs.
 * 2. Everything is preserved. If something cannot be, nobody will listen at the main channel: QEMU
 *    finds that its migration has failed, and the guest has noticed nothing.
 * 3. With --hold, the guest runs on until kho-qemu save is called once more.
 * 4. We hang up. QEMU stops the guest and sends its state, which comes into the record.
 * 5. What is held by the descriptors, and the session, has to stay open until the jump: by
 *    kho-sessiond, or else by this process, from which kho-qemu cancel can get it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "kho_qemu.h"
#include "qmp.h"
#include "sock.h"

/* What is to be undone when it fails: QEMU finds nobody, and the session goes with us. */
struct saving {
	const struct options *options;
	struct guest guest;
	struct qmp *qmp;
	char cpr_path[PATH_MAX], main_path[PATH_MAX];
	int cpr, main;		/* listen */
	int from;		/* QEMU, that sends its list */
	pid_t pid;		/* QEMU's, or 0 */
	int pidfd;
	int control;		/* where others speak to this process, or -1 */
	char version[RECORD_TEXT];
};

/* What a descriptor is; 0 when it is nothing that is known here */
static enum record_kind kind_of(int fd)
{
	char link[64], path[PATH_MAX];
	struct statfs fs;
	struct stat stat;
	ssize_t size;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlink(link, path, sizeof(path) - 1);
	if (size < 0 || fstat(fd, &stat))
		return 0;
	path[size] = 0;
	if (!strcmp(path, "anon_inode:[eventfd]"))
		return RECORD_EVENTFD;
	/* (what came from a session is no file of a node in /dev) */
	if (!strcmp(path, "anon_inode:[vfio-device]"))
		return RECORD_DEVICE;
	if (!strcmp(path, "anon_inode:[iommufd]"))
		return RECORD_IOMMUFD;
	if (S_ISREG(stat.st_mode))
		return !fstatfs(fd, &fs) &&
		       (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC) ? RECORD_FILE : 0;
	if (!S_ISCHR(stat.st_mode))
		return 0;
	/* (by what the kernel calls the device: where its node is, is QEMU's business) */
	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u", major(stat.st_rdev),
		 minor(stat.st_rdev));
	size = readlink(link, path, sizeof(path) - 1);
	path[size < 0 ? 0 : size] = 0;
	if (strstr(path, "/vfio-dev/"))
		return RECORD_DEVICE;
	if (strstr(path, "/misc/iommu"))
		return RECORD_IOMMUFD;
	return 0;
}

static int classify(struct saving *s)
{
	struct guest *guest = &s->guest;
	struct record_fd *fd = guest->record.fds;
	bool iommufd = false;
	uint32_t i;

	for (i = 0; i < guest->list.nr_fds; i++) {
		fd[i].kind = kind_of(guest->fds[i]);
		if (!fd[i].kind) {
			complain("kho-qemu check says what QEMU has to be started with",
				 "%s: this kind of file cannot be preserved", fd[i].name);
			return -1;
		}
		if (fd[i].kind == RECORD_IOMMUFD)
			iommufd = true;
	}
	for (i = 0; i < guest->list.nr_devices; i++) {
		const char *address = guest->list.devices[i].name;

		if (guest_fd(guest, address) < 0 || !iommufd) {
			complain("start QEMU with -object iommufd and -device vfio-pci,iommufd=",
				 "%s: QEMU has sent no descriptor for it", address);
			return -1;
		}
	}
	return 0;
}

/* Files first, which iommufds need, and these before their devices */
static int preserve_all(struct saving *s)
{
	static const enum record_kind order[] = { RECORD_FILE, RECORD_IOMMUFD, RECORD_DEVICE };
	struct guest *guest = &s->guest;
	uint32_t i, step;

	for (step = 0; step < ARRAY_SIZE(order); step++)
		for (i = 0; i < guest->list.nr_fds; i++)
			if (guest->record.fds[i].kind == order[step] &&
			    session_preserve(guest->session, guest->fds[i], TOKEN_FD(i),
					     guest->record.fds[i].name))
				return -1;
	return session_preserve(guest->session, guest->record.fd, TOKEN_RECORD,
				"QEMU's state");
}

/* A channel of QEMU's, where it finds us */
static int listen_for(struct saving *s, const char *given, const char *name, char *path)
{
	int sock;

	if (given)
		snprintf(path, PATH_MAX, "%s", given);
	else
		snprintf(path, PATH_MAX, "%s/%s.sock", s->options->dir, name);
	sock = sock_listen(path);
	if (sock < 0)
		complain("--dir says where kho-qemu has its sockets", "%s: %s", path,
			 strerror(errno));
	return sock;
}

static json_t *channel(const char *type, const char *path)
{
	return json_pack("{s:s, s:{s:s, s:s, s:s}}", "channel-type", type, "addr", "transport",
			 "socket", "type", "unix", "path", path);
}

/* Has QEMU begin, unless whoever called us does that. */
static int begin(struct saving *s)
{
	json_t *answer;

	if (!s->qmp)
		return 0;
	answer = qmp_ask(s->qmp, "migrate-set-parameters",
			 json_pack("{s:s}", "mode", "cpr-transfer"));
	if (answer) {
		json_decref(answer);
		answer = qmp_ask(s->qmp, "migrate",
				 json_pack("{s:[o, o]}", "channels", channel("main", s->main_path),
					   channel("cpr", s->cpr_path)));
	}
	if (!answer)
		complain("kho-qemu check says what is in the way", "QEMU refuses: %s",
			 qmp_error(s->qmp));
	json_decref(answer);
	return answer ? 0 : -1;
}

static int take_list(struct saving *s)
{
	struct guest *guest = &s->guest;
	struct cpr_bytes bytes;
	const char *why;
	int rc;

	s->from = sock_accept(s->cpr, s->pid, s->pidfd, s->options->seconds);
	if (s->from < 0) {
		complain(NULL, "QEMU does not send its list: %s", strerror(errno));
		return -1;
	}
	if (sock_receive(s->from, &bytes, &guest->fds, s->options->seconds)) {
		complain(NULL, "QEMU's list did not come: %s", strerror(errno));
		return -1;
	}
	rc = cpr_parse(&bytes, &guest->list, &why);
	if (rc)
		complain("this kho-qemu knows QEMU 11.1's", "QEMU's list is not understood: %s",
			 why);
	cpr_bytes_free(&bytes);
	return rc;
}

static int read_state(struct saving *s, int sock)
{
	struct record *record = &s->guest.record;
	uint64_t size = 0;
	ssize_t got = 1;

	while (got) {
		if (sock_wait(sock, s->options->seconds)) {
			complain(NULL, "QEMU does not send its state: %s", strerror(errno));
			return -1;
		}
		if (size == record->state_room) {
			complain("give --state-size a larger one",
				 "QEMU's state is larger than %zu bytes", record->state_room);
			return -1;
		}
		got = read(sock, record->state + size, record->state_room - size);
		if (got < 0) {
			complain(NULL, "QEMU's state did not come: %s", strerror(errno));
			return -1;
		}
		size += got;
	}
	record->head->state_size = size;
	return 0;
}

/* QEMU has sent its state; that it has noticed, too, comes a moment later. */
static bool migration_completes(struct saving *s)
{
	const char *status;

	if (!s->qmp)
		return true;
	for (;;) {
		status = qmp_migration(s->qmp);
		if (!strcmp(status, "completed"))
			return true;
		if (!strcmp(status, "failed") || !strcmp(status, "gone"))
			return false;
		usleep(2000);
	}
}

/* QEMU has stopped the guest, and sends its state. */
static int take_state(struct saving *s)
{
	struct record *record = &s->guest.record;
	int sock, got;

	sock = sock_accept(s->main, s->pid, s->pidfd, s->options->seconds);
	if (sock < 0) {
		complain(NULL, "QEMU does not send its state: %s", strerror(errno));
		return -1;
	}
	got = read_state(s, sock);
	/* (if that was not all, QEMU fails, and has the guest go on) */
	close(sock);
	if (got)
		return -1;
	if (!state_is_whole(record->state, record->head->state_size) || !migration_completes(s)) {
		complain(NULL, "QEMU did not send the whole of its state");
		return -1;
	}
	return 0;
}

/* What QEMU itself could not give back to the guest */
static int check_devices(struct saving *s)
{
	const struct record_device *device = s->guest.record.devices;
	uint32_t i;

	for (i = 0; i < s->guest.record.head->nr_devices; i++)
		if (device_keeps_intx(&s->guest, &device[i]))
			return -1;
	return 0;
}

/* Everything that has to be known of devices: when the guest has stopped, for good */
static int look_at_devices(struct saving *s)
{
	struct record_device *device = s->guest.record.devices;
	uint32_t i;

	for (i = 0; i < s->guest.record.head->nr_devices; i++)
		if (device_look(guest_fd(&s->guest, device[i].address), &device[i]))
			return -1;
	return 0;
}

/* Whether kho-sessiond holds everything from now on; if not, this process has to. */
static bool agent_holds(const struct guest *guest)
{
	uint32_t i;

	if (session_hold(guest->name, TOKEN_RECORD, guest->record.fd))
		return false;
	for (i = 0; i < guest->list.nr_fds; i++)
		if (guest->record.fds[i].kind != RECORD_EVENTFD &&
		    session_hold(guest->name, TOKEN_FD(i), guest->fds[i]))
			return false;
	return true;
}

static int say_ready(const struct options *options)
{
	int fd;

	say("%s is saved: %s", options->guest,
	    "when the kernel has changed, kho-qemu restore gives it to a QEMU");
	if (!options->ready)
		return 0;
	fd = open(options->ready, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		return close(fd);
	complain(NULL, "%s: %s", options->ready, strerror(errno));
	return -1;
}

static void forget_sockets(struct saving *s)
{
	unlink(s->cpr_path);
	unlink(s->main_path);
	close(s->cpr);
	close(s->main);
}

/* The guest goes on in its QEMU, which learns it first. */
static void give_up(struct saving *s)
{
	const char *status = "";
	int tries;

	forget_sockets(s);
	if (s->from >= 0)
		close(s->from);
	for (tries = 0; s->qmp && tries < 5000; tries++) {
		status = qmp_migration(s->qmp);
		if (strcmp(status, "setup") && strcmp(status, "active") &&
		    strcmp(status, "cancelling"))
			break;
		usleep(2000);
	}
	session_release(s->guest.name);
	if (s->qmp && !strcmp(status, "completed"))
		complain("it has stopped: kill QEMU, the guest is lost", "%s: too late",
			 s->guest.name);
	else if (strcmp(status, "gone"))
		say("%s goes on as before", s->guest.name);
}

/* QEMU's monitor has room for one: nobody else has it while something is asked of it. */
static int ask_qemu(struct saving *s)
{
	if (!s->options->qmp)
		return 0;
	s->qmp = qmp_connect(s->options->qmp, s->options->seconds);
	return s->qmp ? 0 : -1;
}

static void leave_qemu(struct saving *s)
{
	qmp_close(s->qmp);
	s->qmp = NULL;
}

static int prepare(struct saving *s)
{
	json_t *answer, *version;

	if (ask_qemu(s))
		return -1;
	if (s->qmp) {
		if (check_qemu(s->qmp))
			return -1;
		s->pid = qmp_pid(s->qmp);
		s->pidfd = syscall(SYS_pidfd_open, s->pid, 0);
		answer = qmp_ask(s->qmp, "query-version", NULL);
		version = json_object_get(answer, "qemu");
		snprintf(s->version, sizeof(s->version), "%lld.%lld.%lld",
			 json_integer_value(json_object_get(version, "major")),
			 json_integer_value(json_object_get(version, "minor")),
			 json_integer_value(json_object_get(version, "micro")));
		json_decref(answer);
	}
	s->guest.session = session_make(s->options->guest);
	return s->guest.session < 0 ? -1 : 0;
}

/* The guest runs. */
static int preserve(struct saving *s)
{
	const struct options *options = s->options;
	struct guest *guest = &s->guest;
	size_t spare;

	s->cpr = listen_for(s, options->cpr, "cpr", s->cpr_path);
	s->main = listen_for(s, options->main, "main", s->main_path);
	if (s->cpr < 0 || s->main < 0 || begin(s) || take_list(s) ||
	    (s->qmp && check_list(s->qmp, &guest->list)) || vectors_spare(guest, &spare))
		return -1;
	if (record_new(&guest->record, &guest->list, spare, options->state_room)) {
		complain(NULL, "no memory for the record: %s", strerror(errno));
		return -1;
	}
	return classify(s) || check_devices(s) || look_at_devices(s) || preserve_all(s) ? -1 : 0;
}

/* Did whoever manages it stop the guest, before we do? */
static bool is_paused(struct saving *s)
{
	const char *status = s->qmp ? qmp_run_state(s->qmp) : "";

	return !strcmp(status, "paused") || !strcmp(status, "prelaunch");
}

/*
 * QEMU's list is of when it began. Of a guest whose driver came or went since, it lacks what the
 * next QEMU needs for interrupts. (Between this and its stop a moment is left. Single vectors, see
 * vectors.c, may come at any time.)
 */
static int check_irqs(struct saving *s)
{
	const struct record_device *device = s->guest.record.devices;
	struct record_device now;
	uint32_t i;

	for (i = 0; i < s->guest.record.head->nr_devices; i++) {
		now = device[i];
		if (device_look(guest_fd(&s->guest, now.address), &now))
			return -1;
		if (now.irq == device[i].irq)
			continue;
		complain("save it again",
			 "%s: the guest has other interrupts than when it was preserved",
			 now.address);
		return -1;
	}
	return 0;
}

static int stop(struct saving *s)
{
	struct guest *guest = &s->guest;

	if (check_irqs(s))
		return -1;
	guest->record.head->paused = is_paused(s);
	close(s->from);
	s->from = -1;
	if (take_state(s) || look_at_devices(s))
		return -1;
	vectors_add(guest);
	record_seal(&guest->record, guest->name, s->version);
	return 0;
}

/* Has QEMU given its migration up, for which it waits for us to hang up? */
static bool has_hung_up(const struct saving *s)
{
	struct pollfd from = { .fd = s->from };

	return poll(&from, 1, 0) > 0 && from.revents & POLLHUP;
}

/*
 * The guest runs, with all of it preserved, until somebody has it stopped: he, at the socket that
 * is returned, is told how that ends. -1: there is nothing to be stopped any more
 */
static int hold(struct saving *s)
{
	char command;
	int sock;

	leave_qemu(s);
	say("%s is preserved, and runs: kho-qemu save %s has it stopped", s->guest.name,
	    s->guest.name);
	keeper_detach();
	for (;;) {
		sock = keeper_next(s->control, s->pidfd, &command);
		if (sock < 0)
			return -1;
		if (command == KEEPER_CANCEL) {
			ask_qemu(s);
			give_up(s);
			keeper_forget(s->options);
			close(sock);
			exit(EXIT_OK);
		}
		if (command == KEEPER_STOP) {
			keeper_speak_to(sock);
			if (!has_hung_up(s) && !ask_qemu(s))
				return sock;
			complain("somebody has cancelled it in QEMU", "%s: %s", s->guest.name,
				 "its migration has ended");
			return -1;
		}
		close(sock);
	}
}

/* The exit status, when nothing is left to be done in this process */
static int run(struct saving *s)
{
	int caller = -1;
	bool held;

	if (preserve(s))
		return EXIT_FAILED;
	/* (before the guest is stopped: after that it would be lost with this process) */
	held = agent_holds(&s->guest);
	if (s->options->hold) {
		caller = hold(s);
		if (caller < 0)
			return EXIT_FAILED;
	}
	if (stop(s))
		return EXIT_FAILED;
	forget_sockets(s);
	leave_qemu(s);
	if (say_ready(s->options))
		return EXIT_FAILED;
	if (caller >= 0) {
		if (write(caller, "", 1) != 1)
			complain(NULL, "nobody waits for it any more");
		keeper_speak_to(-1);
		close(caller);
	}
	keeper_detach();
	/* (until the jump, or until kho-qemu cancel has given it to a QEMU) */
	if (!held)
		keeper_keep(&s->guest, s->control, KEEPER_CANCEL);
	return EXIT_OK;
}

int cmd_save(const struct options *options)
{
	struct saving s = {
		.options = options,
		.guest = { .name = options->guest },
		.from = -1,
		.pidfd = -1,
	};
	int status = options->hold ? -1 : keeper_have_it_stopped(options);

	if (status >= 0)
		return status;
	if (options->hold && keeper_is_there(options)) {
		say("%s is preserved already", options->guest);
		return EXIT_OK;
	}
	if (!options->qmp && !(options->cpr && options->main))
		return misused("save wants --qmp, or --cpr and --main", "");
	if (options->qmp)
		qmp_probe(options->qmp);
	if (options->background)
		keeper_start();
	s.control = keeper_listen(options);
	if (s.control < 0)
		return EXIT_FAILED;
	if (prepare(&s)) {
		keeper_forget(options);
		say("%s goes on as before", options->guest);
		return EXIT_FAILED;
	}
	status = run(&s);
	if (status)
		give_up(&s);
	keeper_forget(options);
	return status;
}
