// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-sessions: what kho-sessiond holds, for people and scripts: list it, give it up. Part of
 * Documentation/admin-guide/kho-systemd.rst.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kho_sessiond_client.h"

static const char usage[] =
	"Usage: kho-sessions list\n"
	"       kho-sessions release NAME|UID/NAME...\n"
	"\n"
	"  list      the sessions that kho-sessiond holds for the next kernel: UID/NAME, and the\n"
	"            tokens of the files that it holds; root sees those of all users\n"
	"  release   have it close sessions and their files; when nobody else has them open, what\n"
	"            they preserve is given up. Only root can do so for others, by UID/NAME\n"
	"\n"
	"Sessions of the old kernel that nobody has asked for are not its own: see khoctl(8).\n"
	"Exit status: 0, 1 when it is refused, 2 when it is not used like this.\n";

static int complain(const char *what)
{
	const char *remedy = "";

	if (errno == ENOENT && !strcmp(what, KHO_SESSIOND_SOCKET))
		remedy = access("/dev/liveupdate", F_OK) ?
			 ": this kernel has no /dev/liveupdate" :
			 ": systemctl start kho-sessiond.socket";
	else if (errno == EINVAL && strchr(what, '/') && geteuid())
		remedy = ": only root can name another user";
	else if (errno == EACCES)
		remedy = ": only root and members of the group kho may use it";
	else if (errno == ENOENT)
		remedy = ": kho-sessions list shows which there are";
	fprintf(stderr, "kho-sessions: %s: %s%s\n", what, strerror(errno), remedy);
	return 1;
}

static int show(int sock)
{
	char buffer[4096];
	ssize_t len;
	int fd;

	if (kho_sessiond_ask(sock, "list", -1, &fd, NULL))
		return complain("list");
	while ((len = read(fd, buffer, sizeof(buffer))) > 0)
		fwrite(buffer, 1, len, stdout);
	if (len < 0 || fflush(stdout) || ferror(stdout))
		return complain("list");
	return 0;
}

static int give_up(int sock, const char *name)
{
	char request[128];

	if ((size_t)snprintf(request, sizeof(request), "release %s", name) >= sizeof(request)) {
		errno = ENAMETOOLONG;
		return complain(name);
	}
	return kho_sessiond_ask(sock, request, -1, NULL, NULL) ? complain(name) : 0;
}

int main(int argc, char **argv)
{
	int i, sock, rc = 0;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(usage, stdout) < 0 || fflush(stdout);
	if (!(argc == 2 && !strcmp(argv[1], "list")) &&
	    !(argc > 2 && !strcmp(argv[1], "release"))) {
		fputs(usage, stderr);
		return 2;
	}
	sock = kho_sessiond_connect();
	if (sock < 0)
		return complain(KHO_SESSIOND_SOCKET);
	if (argc == 2)
		return show(sock);
	for (i = 2; i < argc; i++)
		rc |= give_up(sock, argv[i]);
	return rc;
}
