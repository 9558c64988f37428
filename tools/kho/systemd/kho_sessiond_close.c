// SPDX-License-Identifier: GPL-2.0-only
/*
 * Closing what is a client's, beside the main loop: part of kho-sessiond.
 *
 * close() can take as long as who made the file likes: a TCP socket may linger, a file of a
 * FUSE daemon waits for that daemon, freeing memory takes its time. This is so for a
 * descriptor that was received, for one in a message that was never read (it goes with its
 * connection), and for the last one of a session. So each of these closes has a thread.
 *
 * A signal ends a socket's lingering, and the thread gets one every few milliseconds. So
 * connections are always closed soon: what lies in them unread is not flushed, it is only
 * let go. What the signal cannot end is the flush of a file that was received. How many
 * requests' files a user may have in that state is the main loop's to decide: it does not
 * serve him while there are too many.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include "kho_sessiond.h"

#define CONNECTIONS_MAX	64	/* that are being closed; then no more are accepted for a while */
#define TICK_NS		10000000
#define GONE_TICKS	100

struct job {
	struct job *next;
	enum closing what;
	uid_t uid;
	int tag;
	char name[SESSION_NAME_SIZE];
	bool started;
	bool done;
	int nr;
	int fds[];
};

/* The list is the main loop's alone; threads set .done, under the lock. */
static struct job *jobs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int wakeup;

static void wake(int signal)
{
	(void)signal;
}

/**
 * closing_start() - get ready
 *
 * Return: the descriptor to poll; when it is readable, or closing_turn() returned true and
 * some time has passed, closing_turn() has to be called. -1 with errno set.
 */
int closing_start(void)
{
	struct sigaction action = { .sa_handler = wake };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	/* For the main loop, which hands that on to threads; they undo it. */
	if (sigaction(SIGUSR1, &action, NULL) || sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wakeup;
}

/* Without a timer it is closed all the same, and takes as long as it takes. */
static bool start_ticking(timer_t *timer)
{
	const struct itimerspec ticks = {
		.it_value.tv_nsec = TICK_NS,
		.it_interval.tv_nsec = TICK_NS,
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGUSR1,
	};
	sigset_t set;

	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, timer))
		return false;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	timer_settime(*timer, 0, &ticks, NULL);
	return true;
}

static bool has_session(const char *name)
{
	char line[256], wanted[SESSION_NAME_SIZE + 16];
	bool found = false;
	FILE *file = fopen("/sys/kernel/kho/sessions", "re");

	if (!file)
		return false;
	snprintf(wanted, sizeof(wanted), "%s outgoing open ", name);
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, wanted, strlen(wanted));
	fclose(file);
	return found;
}

/*
 * From 254 on systemd closes what it removes from its store in a thread of its own, and until
 * then the name is taken. The kernel has no event for that. Others may have the session too, so the
 * wait has an end.
 */
static void until_gone(const char *name)
{
	const struct timespec step = { .tv_nsec = TICK_NS };
	int i;

	for (i = 0; i < GONE_TICKS && has_session(name); i++)
		nanosleep(&step, NULL);
}

static void *carry_out(void *argument)
{
	struct job *job = argument;
	const uint64_t one = 1;
	timer_t timer;
	bool ticking = start_ticking(&timer);
	int i;

	for (i = 0; i < job->nr; i++)
		close(job->fds[i]);
	if (job->what == CLOSE_SESSION)
		until_gone(job->name);
	if (ticking)
		timer_delete(timer);
	pthread_mutex_lock(&lock);
	job->done = true;
	pthread_mutex_unlock(&lock);
	if (write(wakeup, &one, sizeof(one)) < 0)
		perror("kho-sessiond: telling that a descriptor is closed");
	return NULL;
}

/* False when there can be no more threads now; closing_turn() tries again. */
static bool start(struct job *job)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, carry_out, job))
		return false;
	pthread_detach(thread);
	job->started = true;
	return true;
}

static struct job *new_job(enum closing what, uid_t uid, const int *fds, int nr)
{
	struct job *job = malloc(sizeof(*job) + nr * sizeof(*fds));

	if (!job) {
		/* systemd starts it again, with all that is in the store. */
		fprintf(stderr, "kho-sessiond: no memory\n");
		_exit(1);
	}
	*job = (struct job){ .next = jobs, .what = what, .uid = uid, .nr = nr };
	memcpy(job->fds, fds, nr * sizeof(*fds));
	jobs = job;
	return job;
}

/**
 * close_later() - close a client's descriptors in a thread
 * @what: what they are, which says how closing_of() counts them
 * @uid: whose
 * @fds: the descriptors
 * @nr: how many there are; 0 is all right
 */
void close_later(enum closing what, uid_t uid, const int *fds, int nr)
{
	if (nr)
		start(new_job(what, uid, fds, nr));
}

/**
 * close_session_later() - close a session in a thread, and wait there until it is given up
 * @uid: whose
 * @fd: the session
 * @name: what the kernel calls it
 * @tag: what closing_turn() will say then, also when others have it open and do not let go
 */
void close_session_later(uid_t uid, int fd, const char *name, int tag)
{
	struct job *job = new_job(CLOSE_SESSION, uid, &fd, 1);

	job->tag = tag;
	snprintf(job->name, sizeof(job->name), "%s", name);
	start(job);
}

/**
 * closing_of() - how much of a user's is being closed
 * @uid: the user
 * @what: what of his
 *
 * Return: how many calls of close_later() have not been carried out
 */
int closing_of(uid_t uid, enum closing what)
{
	const struct job *job;
	int nr = 0;

	for (job = jobs; job; job = job->next)
		nr += job->uid == uid && job->what == what;
	return nr;
}

/**
 * closing_crowded() - should no connection be accepted, as it may have to be closed?
 *
 * Return: whether there are so many of them
 */
bool closing_crowded(void)
{
	const struct job *job;
	int nr = 0;

	for (job = jobs; job; job = job->next)
		nr += job->what == CLOSE_CONNECTION;
	return nr >= CONNECTIONS_MAX;
}

/**
 * closing_turn() - look what has been closed, and start what could not be started
 * @session_closed: called with the tag of each session
 *
 * Return: whether there is something that still could not be started
 */
bool closing_turn(void (*session_closed)(int tag))
{
	struct job **at = &jobs, *job;
	bool waiting = false;
	uint64_t count;

	if (read(wakeup, &count, sizeof(count)) < 0 && errno != EAGAIN)
		perror("kho-sessiond: eventfd");
	while ((job = *at)) {
		bool done;

		pthread_mutex_lock(&lock);
		done = job->done;
		pthread_mutex_unlock(&lock);
		if (done) {
			*at = job->next;
			if (job->what == CLOSE_SESSION)
				session_closed(job->tag);
			free(job);
			continue;
		}
		if (!job->started && !start(job))
			waiting = true;
		at = &job->next;
	}
	return waiting;
}
