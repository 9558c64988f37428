// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-hold: sends a signal to a program at a certain point of what it does, or reads no further.
 *
 *	kho-hold LINES FILE VALUE SIGNAL COMMAND...
 *
 * The program's output goes through a pipe that holds one line, so that it stands still until
 * somebody reads. LINES lines are read; it goes on to the line after the next one. When FILE reads
 * as VALUE, what the program was doing is done, and it stands still before it can do more: that is
 * when the signal is sent. Then all is read and printed. With SIGNAL 0 the pipe is closed instead:
 * nobody reads any more. The exit status is the program's, or 128 and the number of the signal that
 * ended it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "kho-hold: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* Gives 0 at the end of the output. */
static int pass_line(int from)
{
	char line[4096];
	ssize_t len = read(from, line, sizeof(line));

	if (len < 0)
		die("read");
	if (len && write(STDOUT_FILENO, line, len) != len)
		die("write");
	return len > 0;
}

static int reads_as(const char *path, const char *value)
{
	size_t len = strlen(value);
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		die(path);
	close(fd);
	return !strncmp(text, value, len) && text[len] == '\n';
}

int main(int argc, char **argv)
{
	int pipes[2], lines, status;
	pid_t pid;

	if (argc < 6) {
		fprintf(stderr, "kho-hold: wrong arguments; its source says how to use it\n");
		return 125;
	}
	/* Packets are not joined: each write takes a place, and there is one. */
	if (pipe2(pipes, O_DIRECT) || fcntl(pipes[1], F_SETPIPE_SZ, 4096) != 4096)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execvp(argv[5], argv + 5);
		die(argv[5]);
	}
	close(pipes[1]);

	for (lines = atoi(argv[1]); lines; lines--)
		if (!pass_line(pipes[0]))
			break;
	while (!reads_as(argv[2], argv[3])) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			fprintf(stderr, "kho-hold: %s ended before %s was %s\n", argv[5], argv[2],
				argv[3]);
			return 125;
		}
		usleep(1000);
	}
	if (!atoi(argv[4]))
		close(pipes[0]);
	else if (kill(pid, atoi(argv[4])))
		die("kill");
	else
		while (pass_line(pipes[0]))
			;
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
