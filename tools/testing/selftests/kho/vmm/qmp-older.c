// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmp-older SOCKET: stands in for the monitor of a QEMU that is too old for kho-qemu: it says that
 * it is QEMU 7.2, and yes to everything else. It ends when it is killed.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#define VERSION	"{\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, \"package\": \"\"}"

static void answer(int sock)
{
	FILE *client = fdopen(sock, "r");
	char line[4096];

	dprintf(sock, "{\"QMP\": {\"version\": " VERSION ", \"capabilities\": []}}\r\n");
	while (client && fgets(line, sizeof(line), client))
		dprintf(sock, "{\"return\": %s}\r\n",
			strstr(line, "query-version") ? VERSION : "{}");
	if (client)
		fclose(client);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0), one;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "qmp-older: where is it to listen?\n");
		return 2;
	}
	memcpy(address.sun_path, argv[1], strlen(argv[1]));
	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(sock, 4)) {
		perror(argv[1]);
		return 1;
	}
	/* (who only looks whether somebody listens hangs up at once) */
	signal(SIGPIPE, SIG_IGN);
	while ((one = accept(sock, NULL, NULL)) >= 0)
		answer(one);
	return 1;
}
