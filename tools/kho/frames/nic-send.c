// SPDX-License-Identifier: GPL-2.0-only
/*
 * nic-send DIR: on the host, sends numbered frames to a NIC of a VM, on its demand.
 *
 * Sockets in DIR, each of them for QEMU's "-netdev dgram":
 *
 *	host	ours; the NIC's frames come here
 *	qemu	the NIC's
 *	beat	of a netdev without a NIC, which takes whatever it gets
 *
 * With a rate, frames do not wait for a device that takes none: on a wire they would
 * be lost, so they count as refused, and their numbers are used up. But a busy host
 * may also leave QEMU without processor time. The beat tells which it is: each time it
 * is taken, QEMU has been around its main loop, and could have taken a frame. Only
 * after PATIENCE times round without a frame, frames are refused.
 *
 * A receiver that says from time to time what it took has its absence measured by the
 * sender's clock: the longest time between two such reports. From the first one on, the
 * log has what was taken and what was sent, SAMPLES times a second.
 *
 * Says "ready" on its standard output when the NIC may speak. The log goes to standard
 * error, a line for each thing that happens. Ends when it finds that QEMU has gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "frame.h"

#define SECOND		1000000000ULL
#define PATIENCE	40
#define BACKLOG		40	/* frames; most hosts allow 10 */
#define SAMPLES		50

static const char *dir;
static int data, beat;

static bool running;
static uint64_t rate;
static uint64_t next;		/* the number of the next frame */
static uint64_t due;		/* when it is to be sent */
static uint64_t refused;
static uint64_t refused_since;	/* the first number, when refusing */
static bool refusing;
static int rounds;		/* of QEMU's main loop without taking a frame */
static bool beating;

static struct {
	uint64_t taken;
	uint64_t last;		/* when it came; 0: none came */
	uint64_t gap, gap_at;	/* the longest time between two, and when it began */
	uint64_t sampled;
} reports;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static void say(const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "%.6f %s\n", (double)now() / SECOND, line);
}

static void die(const char *what)
{
	fprintf(stderr, "nic-send: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* QEMU has gone: the end. */
static void bye(const char *what)
{
	if (errno != ECONNREFUSED && errno != ECONNRESET && errno != ENOTCONN)
		die(what);
	say("QEMU is gone, %lu frames sent, %lu refused", next, refused);
	exit(0);
}

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", dir, name) >=
	    (int)sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		die(dir);
	}
	return to;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The kernel doubles it, and counts about as much more than there is in a frame. */
	int room = BACKLOG * FRAME_MAX;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)))
		die("socket");
	return fd;
}

static void connect_to(int fd, const char *name)
{
	struct sockaddr_un to = address(name);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		bye(name);
}

static void done_refusing(void)
{
	if (refusing)
		say("refused %lu to %lu", refused_since, next - 1);
	refusing = false;
	rounds = 0;
}

static bool push(enum frame_kind kind, uint64_t number)
{
	uint8_t frame[FRAME_MAX];
	size_t size = frame_make(frame, kind, number, now(), refused);

	if (send(data, frame, size, 0) == (ssize_t)size)
		return true;
	if (errno != EAGAIN && errno != ENOBUFS)
		bye("send");
	return false;
}

/* Counts QEMU's rounds while it takes no frame. */
static void beat_once(void)
{
	int waiting;

	if (beating) {
		if (ioctl(beat, SIOCOUTQ, &waiting))
			die("SIOCOUTQ");
		if (waiting)
			return;
		rounds++;
	}
	if (send(beat, "beat", 4, 0) != 4)
		bye("beat");
	beating = true;
}

/* Whether the next frame, which was not taken, is given up. */
static bool refuse(void)
{
	if (!rate)
		return false;
	beat_once();
	if (rounds < PATIENCE)
		return false;
	if (!refusing)
		refused_since = next;
	refusing = true;
	refused++;
	return true;
}

/* Sends all that is due; returns how long to wait. */
static uint64_t send_due(void)
{
	uint64_t step = rate ? SECOND / rate : 0, time = now();

	/* After being held up ourselves, there is nothing to make up for. */
	if (rate && time > due + BACKLOG * step)
		due = time - BACKLOG * step;
	while (!rate || due <= time) {
		if (push(FRAME_DATA, next))
			done_refusing();
		else if (!refuse())
			return rate ? SECOND / 5000 : SECOND;	/* or until there is room */
		next++;
		due += step;
		if (!rate)
			return 0;	/* look what else there is */
	}
	return due - time;
}

static void note_report(uint64_t taken)
{
	uint64_t time = now();

	if (reports.last && time - reports.last > reports.gap) {
		reports.gap = time - reports.last;
		reports.gap_at = reports.last;
	}
	reports.last = time;
	reports.taken = taken;
}

static void sample(void)
{
	if (!reports.last || now() - reports.sampled < SECOND / SAMPLES)
		return;
	reports.sampled = now();
	say("at %lu taken, %lu sent", reports.taken, next - refused);
}

static void end_run(void)
{
	struct pollfd room = { .fd = data, .events = POLLOUT };

	if (running)
		say("stop: %lu frames sent, %lu refused", next - refused, refused);
	if (reports.last)
		say("gap: no report for %.3f ms from %.6f on", reports.gap / 1e6,
		    (double)reports.gap_at / SECOND);
	memset(&reports, 0, sizeof(reports));
	done_refusing();
	running = false;
	while (!push(FRAME_LAST, next))
		poll(&room, 1, -1);
}

static void obey(void)
{
	uint8_t frame[2048];
	struct frame_head head;
	ssize_t size = recv(data, frame, sizeof(frame), 0);

	if (size < 0 && errno != EAGAIN)
		bye("recv");
	if (size < (ssize_t)sizeof(head))
		return;
	memcpy(&head, frame, sizeof(head));
	if (head.type != FRAME_TYPE)
		return;
	if (head.kind == FRAME_TOOK && running)
		note_report(head.number);
	if (head.kind != FRAME_GO && head.kind != FRAME_STOP)
		return;
	connect_to(data, "qemu");
	connect_to(beat, "beat");
	if (head.kind == FRAME_GO) {
		if (!running) {
			next = 0;
			refused = 0;
		}
		say("go: %lu a second from frame %lu", head.number, next);
		rate = head.number;
		due = now();
		running = true;
	} else {
		end_run();
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un here;

	if (argc != 2) {
		fprintf(stderr, "Usage: nic-send DIR\n");
		return 2;
	}
	dir = argv[1];
	data = new_socket();
	beat = new_socket();
	here = address("host");
	if (bind(data, (struct sockaddr *)&here, sizeof(here)))
		die("host");
	prctl(PR_SET_TIMERSLACK, 1);
	puts("ready");
	fflush(stdout);
	for (;;) {
		uint64_t wait = running ? send_due() : SECOND;
		struct timespec ts = { wait / SECOND, wait % SECOND };
		struct pollfd events = { .fd = data, .events = POLLIN };

		if (running && !rate && wait)
			events.events |= POLLOUT;
		if (ppoll(&events, 1, &ts, NULL) < 0)
			die("poll");
		if (events.revents & POLLIN)
			obey();
		sample();
	}
}
