/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command of the programs that tests drive: words, with the errno in front that it is
 * to fail with, if any.
 */
#ifndef KHO_COMMAND_H
#define KHO_COMMAND_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COMMAND_MAX	512
#define WORDS_MAX	8

struct command {
	char copy[COMMAND_MAX];
	char *words[WORDS_MAX + 1];
	char **first;		/* the first of @nr words after the errno */
	int nr;
	const char *wanted;	/* "0" or the errno */
};

/*
 * Takes @text apart; false when it is none, with the reason in @problem. Nothing of it
 * may be lost unnoticed.
 */
static inline bool parse_command(struct command *c, const char *text, char *problem, size_t size)
{
	char *rest = c->copy, *word;

	*c = (struct command){ .first = c->words, .wanted = "0" };
	if (strlen(text) >= sizeof(c->copy)) {
		snprintf(problem, size, "%.100s...: longer than %zu bytes: split it", text,
			 sizeof(c->copy) - 1);
		return false;
	}
	memcpy(c->copy, text, strlen(text) + 1);
	while ((word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		if (c->nr == WORDS_MAX) {
			snprintf(problem, size, "%.400s: more than %d words: split it", text,
				 WORDS_MAX);
			return false;
		}
		c->words[c->nr++] = word;
	}
	if (c->nr && c->words[0][0] == 'E') {
		c->wanted = c->words[0];
		c->first++;
		c->nr--;
	}
	if (c->nr)
		return true;
	snprintf(problem, size, "'%.400s' is no command: nothing would be done", text);
	return false;
}

#endif /* KHO_COMMAND_H */
