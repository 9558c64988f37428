// SPDX-License-Identifier: GPL-2.0-only
/*
 * sessiond-hostile DAEMON DIR [COUNT [SEED]]: clients that want to stop kho-sessiond, and that do
 * not succeed; on the host, with sessiond-stand-in.c in the daemon. This program is systemd too:
 * it passes the socket, keeps what it is told to store, and passes that to the next process.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/kcmp.h>

#include <kho_sessiond_client.h>

#define STORE_MAX		4224
#define SESSIONS_PER_USER	16
#define CLIENTS_PER_USER	8
#define CLOSING_PER_USER	4
#define FDS_MAX			253

static const char *daemon_path, *dir;
static int failures, listener, notify;
static pid_t daemon_pid;
static char stuck[128];

/* What systemd keeps; its thread has the lock whenever it deals with a message. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	int fd;
	char name[128];
} store[STORE_MAX];
static int nr_stored;

__printf(1, 2)
static void failed(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("FAILED: ");
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	failures++;
}

/* ---- systemd ---- */

static bool same(int a, int b)
{
	long rc = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);
	struct stat of_a, of_b;

	if (rc >= 0)
		return !rc;
	fstat(a, &of_a);
	fstat(b, &of_b);
	return of_a.st_ino == of_b.st_ino && of_a.st_dev == of_b.st_dev;
}

static void put(int fd, const char *name)
{
	int i;

	for (i = 0; i < nr_stored; i++)
		if (same(store[i].fd, fd))
			break;
	if (i < nr_stored || i == STORE_MAX) {
		close(fd);
		return;
	}
	store[nr_stored].fd = fd;
	snprintf(store[nr_stored++].name, sizeof(store[0].name), "%s", name);
}

static void drop(const char *name)
{
	int i;

	for (i = 0; i < nr_stored; i++)
		if (!strcmp(store[i].name, name)) {
			close(store[i].fd);
			store[i--] = store[--nr_stored];
		}
}

static void obey(char *text, int fd)
{
	char *name = strstr(text, "FDNAME=");

	if (name)
		name += strlen("FDNAME=");
	if (!strncmp(text, "FDSTORE=1\n", 10) && name && fd >= 0)
		put(fd, name);
	else if (!strncmp(text, "FDSTOREREMOVE=1\n", 16) && name)
		drop(name);
	else if (fd >= 0)
		close(fd);	/* for "BARRIER=1", this is the answer */
}

static void *be_systemd(void *unused)
{
	for (;;) {
		char text[512], space[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { text, sizeof(text) - 1 };
		struct msghdr message = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = space, .msg_controllen = sizeof(space),
		};
		ssize_t len = recvmsg(notify, &message, MSG_CMSG_CLOEXEC);
		int fd = -1;

		if (len < 0)
			continue;
		text[len] = 0;
		if (message.msg_controllen)
			memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
		pthread_mutex_lock(&lock);
		obey(text, fd);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static int bound(int type, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name);
	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)))
		err(1, "%s", address.sun_path);
	return sock;
}

/* In the child */
static void become_daemon(void)
{
	static char names[STORE_MAX * 40] = "LISTEN_FDNAMES=kho-sessiond.socket";
	const int base = 10000;
	char line[64];
	int i;

	/* First out of the way, then to where they belong */
	dup2(listener, base);
	for (i = 0; i < nr_stored; i++) {
		dup2(store[i].fd, base + 1 + i);
		strcat(strcat(names, ":"), store[i].name);
	}
	for (i = 0; i <= nr_stored; i++)
		dup2(base + i, 3 + i);
	close_range(3 + i, ~0U, 0);
	putenv(names);
	snprintf(line, sizeof(line), "%d", getpid());
	setenv("LISTEN_PID", line, 1);
	snprintf(line, sizeof(line), "%d", nr_stored + 1);
	setenv("LISTEN_FDS", line, 1);
	execl(daemon_path, daemon_path, NULL);
	_exit(127);
}

static void start_daemon(void)
{
	pthread_mutex_lock(&lock);
	daemon_pid = fork();
	if (!daemon_pid)
		become_daemon();
	pthread_mutex_unlock(&lock);
}

static void restart_daemon(void)
{
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	start_daemon();
}

/* ---- clients ---- */

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* A connection of this user */
static int connect_as(unsigned int uid)
{
	static int nr;
	struct sockaddr_un own = { .sun_family = AF_UNIX }, to = { .sun_family = AF_UNIX };
	int len, sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	len = snprintf(own.sun_path + 1, sizeof(own.sun_path) - 1, "%u-%d-%d", uid, getpid(), nr++);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/sock", dir);
	if (sock < 0 ||
	    bind(sock, (struct sockaddr *)&own,
		 offsetof(struct sockaddr_un, sun_path) + 1 + len) ||
	    connect(sock, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connecting");
	return sock;
}

/* Sends @text, of @len bytes, with descriptors; does not wait. */
static bool send_fds(int sock, const char *text, size_t len, const int *fds, int nr)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = {};
	struct iovec iov = { (char *)text, len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nr * sizeof(int));
	}
	return sendmsg(sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* The next answer, without its descriptor, into @text; false when there is none in this time */
static bool receive(int sock, char *text, size_t size, int ms)
{
	struct pollfd one = { .fd = sock, .events = POLLIN };
	ssize_t len;

	if (poll(&one, 1, ms) != 1)
		return false;
	len = recv(sock, text, size - 1, MSG_DONTWAIT);
	text[len < 0 ? 0 : len] = 0;
	return len > 0;
}

/* Asks on a connection of its own; 0 or the errno */
static int ask_as(unsigned int uid, const char *request, int give, int *take)
{
	int sock = connect_as(uid);
	int rc = kho_sessiond_ask(sock, request, give, take, NULL) ? errno : 0;

	close(sock);
	return rc;
}

static void expect(unsigned int uid, int error, int give, const char *request)
{
	int rc = ask_as(uid, request, give, NULL);

	if (rc != error)
		failed("user %u: '%s' gives %s, expected %s", uid, request, strerrorname_np(rc),
		       strerrorname_np(error));
}

/* Somebody else gets an answer, soon. */
static void others_are_served(const char *when)
{
	char text[64] = "";
	int sock = connect_as(4999);
	long long begin = now_ms();

	if (!send_fds(sock, "get nothing", 11, NULL, 0) ||
	    !receive(sock, text, sizeof(text), 3000) || strcmp(text, "error 2 ENOENT"))
		failed("%s: nobody else gets an answer: '%s' after %lld ms", when, text,
		       now_ms() - begin);
	close(sock);
}

static int memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		err(1, "memfd");
	return fd;
}

/* A socket whose last close() takes an hour */
static int lingering(void)
{
	static int server = -1;
	static struct sockaddr_in address = { .sin_family = AF_INET };
	const struct linger hour = { 1, 3600 };
	socklen_t size = sizeof(address);
	static char data[65536];
	int fd;

	if (server < 0) {
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof(address)) ||
		    listen(server, 1000) ||
		    getsockname(server, (struct sockaddr *)&address, &size))
			err(1, "a TCP socket");
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hour, sizeof(hour)))
		err(1, "a TCP connection");
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* Descriptors, or threads, of the daemon */
static int count(const char *what)
{
	char path[64];
	struct dirent *entry;
	int nr = 0;
	DIR *list;

	snprintf(path, sizeof(path), "/proc/%d/%s", daemon_pid, what);
	list = opendir(path);
	while (list && (entry = readdir(list)))
		nr += entry->d_name[0] != '.';
	if (list)
		closedir(list);
	return nr;
}

/* Until all has been closed that had to be: @fds are left, besides what the daemon always has */
static void settles(const char *when, int fds)
{
	long long end = now_ms() + 10000;
	int open_fds, threads;

	/* Standard input and so on, the socket, what closed files are counted with */
	fds += 5;
	do {
		usleep(1000);
		open_fds = count("fd");
		threads = count("task");
	} while ((open_fds != fds || threads != 1) && now_ms() < end);
	if (open_fds != fds || threads != 1)
		failed("%s: %d descriptors and %d threads, expected %d and 1", when, open_fds,
		       threads, fds);
}

/* ---- what they try ---- */

/* Ours must not be the last close(), so the daemon does nothing in between. */
static void stop_daemon(void)
{
	kill(daemon_pid, SIGSTOP);
	waitpid(daemon_pid, NULL, WUNTRACED);
}

static void continue_daemon(void)
{
	kill(daemon_pid, SIGCONT);
}

/* A request with @nr lingering sockets, and as many that are twice as there is room for */
static void send_lingering(int sock, const char *text, int nr, int room)
{
	int i, fds[FDS_MAX];

	for (i = 0; i < room; i++)
		fds[i] = i < nr ? lingering() : fds[0];
	if (!send_fds(sock, text, strlen(text), fds, room))
		err(1, "sending a lingering socket");
	for (i = 0; i < nr; i++)
		close(fds[i]);
}

static void try_linger(void)
{
	int i, j, sock, hostile[CLIENTS_PER_USER + 4];
	char text[64];

	/* One with a request, and more than one */
	sock = connect_as(1001);
	stop_daemon();
	send_lingering(sock, "get x", 1, 1);
	continue_daemon();
	others_are_served("a lingering socket");
	stop_daemon();
	send_lingering(sock, "get x", 12, FDS_MAX);
	continue_daemon();
	others_are_served("253 of them");
	close(sock);

	/* In connections that are not accepted */
	stop_daemon();
	for (i = 0; i < CLIENTS_PER_USER + 4; i++) {
		hostile[i] = connect_as(1001);
		if (i < CLIENTS_PER_USER)
			send_fds(hostile[i], "get x", 5, NULL, 0);
		else
			send_lingering(hostile[i], "get x", 1, 1);
	}
	continue_daemon();
	others_are_served("the ninth connection");
	for (i = 0; i < CLIENTS_PER_USER + 4; i++)
		close(hostile[i]);

	/* In requests that nobody reads, as the client has gone */
	stop_daemon();
	for (i = 0; i < 4; i++) {
		sock = connect_as(1001);
		for (j = 0; j < 8; j++)
			send_lingering(sock, "get x", 1, 1);
		close(sock);
	}
	continue_daemon();
	others_are_served("requests of a client that has gone");

	/* Held by root, and released */
	expect(0, 0, -1, "create linger");
	sock = connect_as(0);
	stop_daemon();
	send_lingering(sock, "hold linger 1", 1, 1);
	continue_daemon();
	if (!receive(sock, text, sizeof(text), 3000) || strcmp(text, "ok"))
		failed("holding a socket: %s", text);
	close(sock);
	expect(0, 0, -1, "release linger");
	others_are_served("a file that was released");
	settles("lingering sockets", 0);
}

/* Files whose close() does not end, even for a signal */
static void try_stuck(void)
{
	int i, fd, first = connect_as(1001), second = connect_as(1001), answers = 0;
	char text[64];

	close(open(stuck, O_CREAT | O_WRONLY, 0600));
	for (i = 0; i < 10; i++) {
		fd = memfd("stuck");
		send_fds(i & 1 ? first : second, "get x", 5, &fd, 1);
		close(fd);
	}
	others_are_served("files that cannot be closed");
	while (receive(first, text, sizeof(text), 100) || receive(second, text, sizeof(text), 100))
		answers++;
	if (answers != CLOSING_PER_USER)
		failed("%d requests are answered whose files are not closed, expected %d", answers,
		       CLOSING_PER_USER);
	if (count("task") > CLOSING_PER_USER + 1)
		failed("%d threads", count("task"));
	unlink(stuck);
	while (receive(first, text, sizeof(text), 1000) ||
	       receive(second, text, sizeof(text), 1000))
		answers++;
	if (answers != 10)
		failed("%d answers of 10 when the files could be closed", answers);
	settles("stuck files", 2);
	close(first);
	close(second);
}

/* A client that asks and asks, and reads no answer */
static void try_not_reading(void)
{
	int sock, sent = 0, got = 0;
	char text[64];

	expect(1001, 0, -1, "create unread");
	sock = connect_as(1001);
	while (sent < 500 && send_fds(sock, "get unread", 10, NULL, 0))
		sent++;
	others_are_served("a client that does not read");
	while (got < sent && receive(sock, text, sizeof(text), 3000) &&
	       !strcmp(text, "ok outgoing"))
		got++;
	if (sent < 20 || got != sent)
		failed("%d answers to %d requests, the last is '%s'", got, sent, text);
	close(sock);
	expect(1001, 0, -1, "release unread");
	settles("a client that does not read", 0);
}

static void try_quotas(void)
{
	int socks[7 * CLIENTS_PER_USER + 1], roots[CLIENTS_PER_USER], i, uid;
	char request[64], text[64];

	for (uid = 2000; uid < 2007; uid++)
		for (i = 0; i < SESSIONS_PER_USER; i++) {
			snprintf(request, sizeof(request), "create quota-%d", i);
			expect(uid, 0, -1, request);
		}
	expect(2000, EDQUOT, -1, "create more");
	expect(2007, EDQUOT, -1, "create more");
	for (i = 0; i < SESSIONS_PER_USER; i++) {
		snprintf(request, sizeof(request), "create roots-%d", i);
		expect(0, 0, -1, request);
	}
	expect(0, EDQUOT, -1, "create more");

	/* Root alone may release what is not his. */
	expect(2000, EINVAL, -1, "release 2001/quota-1");
	expect(0, ENOENT, -1, "release 2001/none");
	expect(0, EINVAL, -1, "release 99999999999/quota-1");
	expect(0, EINVAL, -1, "get 2001/quota-1");
	for (uid = 2000; uid < 2007; uid++)
		for (i = 0; i < SESSIONS_PER_USER; i++) {
			snprintf(request, sizeof(request), "release %d/quota-%d", uid, i);
			expect(0, 0, -1, request);
		}
	for (i = 0; i < SESSIONS_PER_USER; i++) {
		snprintf(request, sizeof(request), "release roots-%d", i);
		expect(0, 0, -1, request);
	}

	for (i = 0; i < 7 * CLIENTS_PER_USER; i++) {
		socks[i] = connect_as(2000 + i / CLIENTS_PER_USER);
		if (kho_sessiond_ask(socks[i], "get x", -1, NULL, NULL) && errno != ENOENT)
			failed("connection %d: %m", i);
	}
	socks[i] = connect_as(2007);
	if (receive(socks[i], text, sizeof(text), 3000))
		failed("a connection that is root's is given to somebody else");
	for (i = 0; i < CLIENTS_PER_USER; i++) {
		roots[i] = connect_as(0);
		if (kho_sessiond_ask(roots[i], "get x", -1, NULL, NULL) && errno != ENOENT)
			failed("root's connection %d: %m", i);
	}
	for (i = 0; i < CLIENTS_PER_USER; i++)
		close(roots[i]);
	for (i = 0; i <= 7 * CLIENTS_PER_USER; i++)
		close(socks[i]);
}

/* The list, as the daemon says it to root */
static void get_list(char *text, size_t size)
{
	ssize_t len = 0;
	int fd;

	*text = 0;
	if (ask_as(0, "list", -1, &fd))
		failed("list: %m");
	else
		len = read(fd, text, size - 1);
	text[len < 0 ? 0 : len] = 0;
	close(fd);
}

static int stored(void)
{
	int nr;

	pthread_mutex_lock(&lock);
	nr = nr_stored;
	pthread_mutex_unlock(&lock);
	return nr;
}

static void store_empties(const char *when)
{
	long long end = now_ms() + 5000;

	while (stored() && now_ms() < end)
		usleep(1000);
	if (stored())
		failed("%s: %d descriptors stay in the store", when, stored());
}

/* Is what was held there, to the byte? */
static void holds(int uid, const char *request, const char *expected)
{
	char text[64] = "";
	int fd;

	if (ask_as(uid, request, -1, &fd)) {
		failed("'%s': %m", request);
		return;
	}
	if (pread(fd, text, sizeof(text) - 1, 0) < 0 || strcmp(text, expected))
		failed("'%s' has '%s', expected '%s'", request, text, expected);
	close(fd);
}

static void try_store(void)
{
	char before[8192], after[8192], request[64], text[64];
	int i, files[5];

	for (i = 0; i < 5; i++) {
		files[i] = memfd("held");
		dprintf(files[i], "content %d", i);
	}
	expect(3000, 0, -1, "create one");
	expect(3000, 0, -1, "create two");
	expect(3001, 0, -1, "create one");
	for (i = 0; i < 4; i++) {
		snprintf(request, sizeof(request), "hold one %d", i);
		expect(3000, 0, files[i], request);
	}

	/* systemd would take it once, and the second name would be gone after a restart. */
	expect(3000, EEXIST, files[0], "hold one 17");
	expect(3000, EEXIST, files[1], "hold two 1");
	expect(3001, EEXIST, files[2], "hold one 1");

	/* systemd does not answer: then nothing is held. */
	get_list(before, sizeof(before));
	pthread_mutex_lock(&lock);
	expect(3000, ETIMEDOUT, -1, "create three");
	expect(3000, ETIMEDOUT, files[4], "hold two 4");
	pthread_mutex_unlock(&lock);
	get_list(after, sizeof(after));
	if (strcmp(before, after))
		failed("what is not in the store is held: '%s', expected '%s'", after, before);
	expect(3000, ENOENT, -1, "fetch two 4");
	expect(3000, 0, files[4], "hold two 4");
	expect(3000, 0, -1, "create three");

	get_list(before, sizeof(before));
	if (!strstr(before, "3000/one 0 0x1 0x2 0x3\n") || !strstr(before, "3000/two 0x4\n") ||
	    !strstr(before, "3001/one\n") || !strstr(before, "3000/three\n"))
		failed("the list is '%s'", before);
	for (i = 0; i < 10; i++) {
		restart_daemon();
		get_list(after, sizeof(after));
		if (strcmp(before, after))
			failed("restart %d: '%s', expected '%s'", i, after, before);
	}
	for (i = 0; i < 4; i++) {
		snprintf(request, sizeof(request), "fetch one %d", i);
		snprintf(text, sizeof(text), "content %d", i);
		holds(3000, request, text);
	}
	holds(3000, "fetch two 4", "content 4");

	/* No more than systemd says that it stores: that are four sessions and five files */
	setenv("FDSTORE", "10", 1);
	restart_daemon();
	expect(3002, 0, -1, "create last");
	expect(3002, EDQUOT, -1, "create more");
	i = memfd("one more");
	expect(3000, EDQUOT, i, "hold one 99");
	close(i);
	expect(3002, 0, -1, "release last");
	unsetenv("FDSTORE");
	restart_daemon();
	expect(3000, 0, -1, "release one");
	expect(3000, 0, -1, "release two");
	expect(3000, 0, -1, "release three");
	expect(0, 0, -1, "release 3001/one");
	get_list(after, sizeof(after));
	if (*after)
		failed("sessions that stay: %s", after);
	store_empties("all is released");
}

static void nothing(int signal)
{
	(void)signal;
}

/* A client that gets signals all the time takes each answer for what it is. */
static void try_signals(void)
{
	const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = {};
	struct sigaction action = { .sa_handler = nothing };
	int i, fd, sock = connect_as(1001);

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < 3000; i++) {
		if (kho_sessiond_ask(sock, "get none", -1, &fd, NULL) == 0 || errno != ENOENT)
			break;
		if (kho_sessiond_ask(sock, "list", -1, &fd, NULL) || fd < 0)
			break;
		close(fd);
		if (kho_sessiond_ask(sock, "none", -1, &fd, NULL) == 0 || errno != EINVAL)
			break;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	if (i < 3000)
		failed("with signals, round %d: %m", i);
	close(sock);
}

/* A daemon that answers too late has answered nothing. */
static void try_late_answer(void)
{
	int pair[2], fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		err(1, "socketpair");
	if (!kho_sessiond_ask(pair[0], "get a", -1, &fd, NULL) || errno != ETIMEDOUT)
		failed("an answer that does not come gives %m, expected ETIMEDOUT");
	send(pair[1], "ok outgoing", 11, MSG_NOSIGNAL);
	if (!kho_sessiond_ask(pair[0], "release a", -1, NULL, NULL) || errno != ECONNRESET)
		failed("the next request gives %m, expected ECONNRESET");
	close(pair[0]);
	close(pair[1]);
}

static const char *const templates[] = {
	"create %s", "keep %s", "get %s", "hold %s 1", "fetch %s 1", "release %s", "list",
	"hold %s 0x", "release 1001/%s", "fetch %s 99999999999999999999", "list %s", "", " ", "%s",
};

/* A request that is right, nearly right, or anything */
static size_t malformed(char *text, size_t size)
{
	static const char *const names[] = { "a", "b", "../a", "a b", "a:b", "a,b", "", "1000/a" };
	size_t i, len;

	len = snprintf(text, size, templates[random() % 14], names[random() % 8]);
	switch (random() % 6) {
	case 0:
		len = random() % size;
		for (i = 0; i < len; i++)
			text[i] = random();
		break;
	case 1:
		if (len)
			text[random() % len] = random();
		break;
	case 2:
		len = random() % (len + 1);
		break;
	case 3:
		len += random() % 40;
		break;
	}
	return len;
}

static void try_malformed(int rounds)
{
	int socks[6], fds[FDS_MAX], i, nr, answers = 0;
	char text[8192], reply[64], *line;

	for (i = 0; i < 6; i++)
		socks[i] = connect_as(i < 2 ? 0 : 1000 + i / 2);
	for (i = 0; i < rounds; i++) {
		int sock = random() % 6, j;
		size_t len = malformed(text, 600);

		nr = random() % 4 ? random() % 3 : random() % (FDS_MAX + 1);
		for (j = 0; j < nr; j++)
			fds[j] = j < 2 ? memfd("malformed") : j & 1 ? fds[0] : STDOUT_FILENO;
		if (send_fds(socks[sock], text, len, fds, nr) &&
		    receive(socks[sock], reply, sizeof(reply), 5000)) {
			answers++;
		} else {
			/* (an empty message looks like the end, and it is hung up) */
			close(socks[sock]);
			socks[sock] = connect_as(sock < 2 ? 0 : 1000 + sock / 2);
		}
		for (j = 0; j < nr && j < 2; j++)
			close(fds[j]);
	}
	for (i = 0; i < 6; i++)
		close(socks[i]);
	printf("%d malformed messages, %d answers\n", rounds, answers);
	if (answers < rounds * 3 / 4)
		failed("hardly any malformed message is answered");
	/* What was allowed by chance */
	get_list(text, sizeof(text));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		snprintf(reply, sizeof(reply), "release %.*s", (int)strcspn(line, " "), line);
		expect(0, 0, -1, reply);
	}
	settles("malformed messages", 0);
	store_empties("malformed messages");
}

int main(int argc, char **argv)
{
	const struct rlimit files = { 16384, 16384 };
	int rounds = argc > 3 ? atoi(argv[3]) : 22000;
	char path[128];
	pthread_t thread;
	pid_t first;

	if (argc < 3)
		errx(2, "usage: sessiond-hostile DAEMON DIR [COUNT [SEED]]");
	daemon_path = argv[1];
	dir = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	srandom(argc > 4 ? atoi(argv[4]) : 1);
	snprintf(stuck, sizeof(stuck), "%s/stuck", dir);
	setenv("STUCK", stuck, 1);
	listener = bound(SOCK_SEQPACKET, "sock");
	notify = bound(SOCK_DGRAM, "notify");
	if (setrlimit(RLIMIT_NOFILE, &files) || listen(listener, 100))
		err(1, "preparing");
	snprintf(path, sizeof(path), "%s/notify", dir);
	setenv("NOTIFY_SOCKET", path, 1);
	if (pthread_create(&thread, NULL, be_systemd, NULL))
		errx(1, "no thread");
	start_daemon();
	others_are_served("the beginning");
	try_store();
	first = daemon_pid;
	try_linger();
	try_stuck();
	try_not_reading();
	try_quotas();
	try_signals();
	try_late_answer();
	try_malformed(rounds);
	others_are_served("the end");
	if (waitpid(first, NULL, WNOHANG) || daemon_pid != first)
		failed("the daemon has ended");
	kill(daemon_pid, SIGKILL);
	printf("%d failures\n", failures);
	return !!failures;
}
