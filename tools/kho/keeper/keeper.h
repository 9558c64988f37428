/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that carries out commands given as arguments, at once, or in a process
 * that stays in the background with all it has open:
 *
 *	PROGRAM COMMAND...		carry them out, then exit
 *	PROGRAM start DIR COMMAND...	the same, then stay; the process id is in DIR/pid
 *	PROGRAM on DIR COMMAND...	have the process that stays there do it
 *
 * A command must succeed, or, when it begins with the name of an errno, fail with
 * that. The first one that does not is reported and ends the program with 1 (and, with
 * start, the process in the background). Whether it failed is what it returned: to fail
 * with errno 0 is never what is wanted, and neither is to have no command at all.
 *
 * After "nth" a command is tried with every allocation in the kernel failing in turn,
 * which needs fault injection. After "ticks NAME" it is timed: NAME and what it took by
 * the time-stamp counter are printed.
 */
#ifndef KHO_KEEPER_H
#define KHO_KEEPER_H

#include "command.h"

/* Carries out one command: 0, or -1 with errno when it fails. Anything else is wrong. */
typedef int keeper_run(char **words, int nr);

/* For a command: text to print, and a reason besides errno why it fails */
__printf(1, 2) void keeper_say(const char *format, ...);
__printf(1, 2) void keeper_problem(const char *format, ...);

/* What main() returns */
int keeper(int argc, char **argv, keeper_run *run);

#endif
