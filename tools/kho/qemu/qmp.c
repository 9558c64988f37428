// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's monitor, by QMP on a Unix socket: one command at a time. Events are not looked at: what
 * they report can be asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kho_qemu.h"
#include "qmp.h"
#include "sock.h"

#define ANSWER_S	60
#define LINE_MAX_SIZE	(16 << 20)
#define DELIMITER	0xff	/* which no text of UTF-8 has */

struct qmp {
	int sock;
	int64_t end_s;	/* of all that is said, or 0 */
	char *line;
	size_t size, room;
	char error[256];
	char status[32];
};

static int64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* (an agent is the guest's, which may say anything for as long as it likes) */
static int wait_for_more(const struct qmp *qmp)
{
	int64_t seconds = qmp->end_s ? qmp->end_s - now_s() : ANSWER_S;

	return seconds > 0 ? sock_wait(qmp->sock, seconds) : -1;
}

/* The next object that comes, or NULL with an error. What was left over before 0xff is no part. */
static json_t *receive(struct qmp *qmp)
{
	json_error_t problem;
	json_t *object;
	char *start, *end, *more;
	ssize_t size;

	while (!(end = memchr(qmp->line, '\n', qmp->size))) {
		if (qmp->size + 4096 > qmp->room) {
			more = qmp->room < LINE_MAX_SIZE ? realloc(qmp->line, 2 * qmp->room) : NULL;
			if (!more) {
				snprintf(qmp->error, sizeof(qmp->error), "its answer is too long");
				return NULL;
			}
			qmp->line = more;
			qmp->room *= 2;
		}
		if (wait_for_more(qmp)) {
			snprintf(qmp->error, sizeof(qmp->error), "it does not answer");
			return NULL;
		}
		size = read(qmp->sock, qmp->line + qmp->size, qmp->room - qmp->size);
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0) {
			snprintf(qmp->error, sizeof(qmp->error), "it has gone");
			return NULL;
		}
		qmp->size += size;
	}
	end++;
	start = memrchr(qmp->line, DELIMITER, end - qmp->line);
	start = start ? start + 1 : qmp->line;
	object = json_loadb(start, end - start, 0, &problem);
	qmp->size -= end - qmp->line;
	memmove(qmp->line, end, qmp->size);
	if (!object)
		snprintf(qmp->error, sizeof(qmp->error), "its answer is no JSON");
	return object;
}

static int send_text(struct qmp *qmp, const char *text)
{
	struct cpr_bytes bytes = { .data = (uint8_t *)text, .size = strlen(text) };

	if (!sock_send(qmp->sock, &bytes, NULL))
		return 0;
	snprintf(qmp->error, sizeof(qmp->error), "it has gone");
	return -1;
}

/* @arguments are taken over. */
static int send_command(struct qmp *qmp, const char *command, json_t *arguments)
{
	json_t *request = arguments ? json_pack("{s:s, s:o}", "execute", command, "arguments",
						arguments) :
				      json_pack("{s:s}", "execute", command);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int rc;

	json_decref(request);
	if (!text) {
		snprintf(qmp->error, sizeof(qmp->error), "out of memory");
		return -1;
	}
	rc = send_text(qmp, text);
	free(text);
	return rc ? rc : send_text(qmp, "\n");
}

json_t *qmp_ask(struct qmp *qmp, const char *command, json_t *arguments)
{
	json_t *answer, *result;
	const char *why;
	int rc;

	if (send_command(qmp, command, arguments))
		return NULL;
	for (;;) {
		answer = receive(qmp);
		if (!answer)
			return NULL;
		result = json_incref(json_object_get(answer, "return"));
		why = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
		if (!result && json_object_get(answer, "error"))
			snprintf(qmp->error, sizeof(qmp->error), "%s", why ? why : "no reason");
		rc = !result && !json_object_get(answer, "error");
		json_decref(answer);
		if (!rc)
			return result;
	}
}

const char *qmp_error(const struct qmp *qmp)
{
	return qmp->error;
}

pid_t qmp_pid(const struct qmp *qmp)
{
	return sock_peer(qmp->sock);
}

/* The member "status" of the answer, "" when it has none, "gone" without an answer */
static const char *ask_status(struct qmp *qmp, const char *command)
{
	json_t *answer = qmp_ask(qmp, command, NULL);
	const char *status = json_string_value(json_object_get(answer, "status"));

	snprintf(qmp->status, sizeof(qmp->status), "%s", !answer ? "gone" : status ? status : "");
	json_decref(answer);
	return qmp->status;
}

const char *qmp_migration(struct qmp *qmp)
{
	return ask_status(qmp, "query-migrate");
}

const char *qmp_run_state(struct qmp *qmp)
{
	return ask_status(qmp, "query-status");
}

void qmp_probe(const char *path)
{
	int sock = sock_connect(path, 0);

	if (sock >= 0) {
		close(sock);
		return;
	}
	complain("say where QEMU listens for QMP, with -qmp unix:PATH,server=on,wait=off",
		 "%s: %s", path, errno == ETIMEDOUT ? "nobody listens" : strerror(errno));
	exit(EXIT_NO_QEMU);
}

static struct qmp *make(void)
{
	struct qmp *qmp = calloc(1, sizeof(*qmp));

	if (qmp)
		qmp->line = malloc(8192);
	if (!qmp || !qmp->line) {
		complain(NULL, "out of memory");
		free(qmp);
		return NULL;
	}
	qmp->room = 8192;
	return qmp;
}

struct qmp *qmp_connect(const char *path, int seconds)
{
	struct qmp *qmp = make();
	json_t *answer;

	if (!qmp)
		return NULL;
	qmp->sock = sock_connect(path, seconds);
	if (qmp->sock < 0) {
		complain("say where QEMU listens for QMP, with -qmp unix:PATH,server=on,wait=off",
			 "%s: %s", path, strerror(errno));
		goto fail;
	}
	answer = receive(qmp);
	if (!json_object_get(answer, "QMP"))
		snprintf(qmp->error, sizeof(qmp->error),
			 "nobody there speaks QMP, or QEMU talks to somebody else");
	else
		qmp->error[0] = 0;
	json_decref(answer);
	answer = qmp->error[0] ? NULL : qmp_ask(qmp, "qmp_capabilities", NULL);
	if (answer) {
		json_decref(answer);
		return qmp;
	}
	complain(NULL, "%s: %s", path, qmp->error);
fail:
	qmp_close(qmp);
	return NULL;
}

/* What was left half said, by either side, is over. The agent may call it an error. */
static int begin_anew(struct qmp *agent)
{
	static const char delimiter[] = { (char)DELIMITER, 0 };
	json_int_t id = getpid();
	json_t *answer = NULL;

	if (send_text(agent, delimiter) ||
	    send_command(agent, "guest-sync-delimited", json_pack("{s:I}", "id", id)))
		return -1;
	do {
		json_decref(answer);
		answer = receive(agent);
	} while (answer && json_integer_value(json_object_get(answer, "return")) != id);
	json_decref(answer);
	return answer ? 0 : -1;
}

struct qmp *qmp_connect_agent(const char *path, int seconds, const char **why)
{
	struct qmp *agent = make();
	static char reason[256];

	*why = reason;
	snprintf(reason, sizeof(reason), "out of memory");
	if (!agent)
		return NULL;
	agent->end_s = now_s() + seconds;
	agent->sock = sock_connect(path, seconds);
	if (agent->sock >= 0 && !begin_anew(agent))
		return agent;
	snprintf(reason, sizeof(reason), "%s", agent->sock < 0 ? strerror(errno) : agent->error);
	qmp_close(agent);
	return NULL;
}

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	if (qmp->sock >= 0)
		close(qmp->sock);
	free(qmp->line);
	free(qmp);
}
