// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: the operator's tool for kexec handover. What it can do is in its man page, khoctl.8; this
 * file finds the command and has the texts of --help.
 */
#include <linux/kho/abi/handover.h>
#include <linux/kho/abi/iommu.h>
#include <linux/kho/abi/liveupdate.h>
#include <linux/kho/abi/pci.h>
#include <string.h>

#include "khoctl.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;
	const char *what;
	const char *text;
	/* It changes something, and says itself when standard output cannot be written. */
	bool changes;
};

static const struct command commands[] = {
	{ "status", cmd_status, "[--json]", "what is under way and pending, and who holds it up",
	  "  --json  as JSON\n"
	  "\n"
	  "As an ordinary user it says all but the sessions, the place of the next kernel, and what\n"
	  "other users' processes have open.\n", false },
	{ "check", cmd_check,
	  "[--json] [--initrd FILE | --no-initrd] [--append ARGS] [--reuse-cmdline] [--no-root]\n"
	  "                    [--allow-unreadable] [IMAGE]",
	  "can this machine, and this image, do a live update now?",
	  "  --json             as JSON\n"
	  "  --initrd FILE      the initrd that the next kernel will get\n"
	  "  --no-initrd        it will get none, though this kernel had one\n"
	  "  --append ARGS      the command line that it will get\n"
	  "  --reuse-cmdline    it will get the one of this kernel, with ARGS of --append behind it\n"
	  "  --no-root          it needs no root=, though there is one on this kernel's command line\n"
	  "  --allow-unreadable versions that the next kernel cannot restore are no reason against it\n"
	  "\n"
	  "IMAGE is a bzImage. Each reason not is named with its remedy. Exit status: 0 yes, 1 no,\n"
	  "3 no reason found but not everything could be looked at, 4 there is no handover.\n",
	  false },
	{ "compat", cmd_compat, "[--json] [--one-way] A B",
	  "of two kernels, what can each take from the other?",
	  "  --json     as JSON\n"
	  "  --one-way  only from A to B\n"
	  "\n"
	  "A and B are each an IMAGE, a bzImage, or the word \"running\" for the running kernel. Exit\n"
	  "status: 0 each can take all that the other writes (with --one-way: B from A), 1 not, 2 it\n"
	  "cannot be told. What is missing is refused only when something of it is preserved.\n",
	  false },
	{ "list", cmd_list, "[--json] [sessions|files|devices|subtrees|common-data]",
	  "what was handed over and what will be",
	  "  --json  as JSON\n"
	  "\n"
	  "Without a word all five; common-data is what files in sessions have in common. Sessions,\n"
	  "files and common data can be listed by root only.\n", false },
	{ "show", cmd_show, "[--json] NAME",
	  "all about a session, a subtree, a device or common data",
	  "  --json  as JSON\n"
	  "\n"
	  "NAME is as in the list: of a session, a subtree, a part of one such as pci/0000:03:00.0, a\n"
	  "device's address, of common data, /memory, /blob, /map, /header, /reserved or /damaged. One\n"
	  "that begins with - comes behind --. Sessions and common data need root.\n", false },
	{ "discard", cmd_discard, "[--yes] [--session | --subtree] NAME",
	  "give up what was handed over to this kernel",
	  "  --yes      do not ask\n"
	  "  --session  NAME is that of a session,\n"
	  "  --subtree  or of a subtree, where there are both\n"
	  "\n"
	  "NAME is that of a session, /damaged for the files of damaged records, a subtree, /blob or\n"
	  "/memory. What it means is lost. Without a terminal nobody can be asked, so --yes is needed.\n"
	  "A NAME that begins with - comes behind --. Needs root.\n", true },
	{ "activate", cmd_activate, "", "begin to prepare a handover",
	  "Everything keeps running. It is no error when that is done already. Needs root.\n",
	  true },
	{ "finalize", cmd_finalize, "", "complete the preparation; kexec can jump then",
	  "Wants the state active. It is no error when it is done already. Needs root.\n", true },
	{ "abort", cmd_abort, "[--unload]", "undo finalize and activate, from any state",
	  "  --unload  unload the next kernel too\n"
	  "\n"
	  "Guests that were saved go on, see khoctl guests.\n"
	  "Needs root.\n", true },
	{ "kexec", cmd_kexec,
	  "[--initrd FILE | --no-initrd] [--append ARGS] [--reuse-cmdline] [--no-root]\n"
	  "                    [--allow-unreadable] [--replace] [--guests-timeout SECONDS]\n"
	  "                    [--no-jump | --systemd] IMAGE",
	  "check, load, activate, finalize, jump",
	  "  --initrd FILE      the next kernel's initrd\n"
	  "  --no-initrd        it gets none, though this kernel had one\n"
	  "  --append ARGS      its command line; '' when it is to be empty\n"
	  "  --reuse-cmdline    the one of this kernel, with ARGS of --append behind it\n"
	  "  --no-root          it needs no root=, though there is one on this kernel's command line\n"
	  "  --allow-unreadable go on when it cannot restore a version: the subtree is kept for a later\n"
	  "                     kernel\n"
	  "  --replace          an image is loaded already: replace it. It is not brought back\n"
	  "  --guests-timeout S how long each program in " GUESTS_DIR " may take (default 60)\n"
	  "  --no-jump          stop before the jump, with all prepared\n"
	  "  --systemd          try finalize, undo it, and leave the jump to systemctl kexec\n"
	  "\n"
	  "When a step is refused, a signal comes before the jump, or standard output cannot be written,\n"
	  "what was done is undone in reverse order. Needs root.\n", true },
	{ "rehearse", cmd_rehearse,
	  "[--json] [--initrd FILE | --no-initrd] [--append ARGS] [--reuse-cmdline]\n"
	  "                    [--no-root] [--allow-unreadable] [--guests-timeout SECONDS]\n"
	  "                    [--max-wait MS] [IMAGE]",
	  "all steps but the jump, undone again; what would be refused, and how long it would take",
	  "  --json             as JSON\n"
	  "  --initrd FILE      the next kernel's initrd\n"
	  "  --no-initrd        it gets none, though this kernel had one\n"
	  "  --append ARGS      its command line; '' when it is to be empty\n"
	  "  --reuse-cmdline    the one of this kernel, with ARGS of --append behind it\n"
	  "  --no-root          it needs no root=, though there is one on this kernel's command line\n"
	  "  --allow-unreadable versions that it cannot restore are no reason against it\n"
	  "  --guests-timeout S how long each program in " GUESTS_DIR " may take (default 60)\n"
	  "  --max-wait MS      give up when guests would have to wait for longer (default 50)\n"
	  "\n"
	  "Guests run on. Without IMAGE the one that is loaded is asked, if there is one. Exit status:\n"
	  "0 nothing would be refused, 1 something would, or it was given up. Needs root.\n",
	  true },
	{ "guests", cmd_guests, "[--timeout SECONDS] WORD",
	  "call the programs in " GUESTS_DIR,
	  "  --timeout SECONDS  that each may take (default 60)\n"
	  "\n"
	  "  check      could the guests be saved?\n"
	  "  prepare    preserve what can be preserved while they run\n"
	  "  save       stop them, to go on under the next kernel\n"
	  "  cancel     they go on under this one\n"
	  "  early      under the next kernel, in its initramfs: those that need nothing else go on\n"
	  "  restore    under the next kernel: they go on\n"
	  "  initramfs  print what is needed in an initramfs for \"early\"\n"
	  "\n"
	  "khoctl kexec does the first four by itself, units of systemd and the initramfs the others.\n"
	  "Needs root.\n", true },
	{ "dump", cmd_dump, "[--format text|json|dts] [--tree N] [FILE]",
	  "decode the blob, or any file with device trees of handover",
	  "  --format F  text (default), json, or dts, which is what dtc reads\n"
	  "  --tree N    of several trees in FILE only the N-th, from 0\n"
	  "\n"
	  "Without FILE the running kernel's, which needs root, debugfs and the state final; \"-\" is\n"
	  "standard input. A file is decoded on any machine.\n", false },
	{ "timeline", cmd_timeline, "[--format text|json|svg] [--from FILE] [--verbose]",
	  "how long the stages of the last handover took",
	  "  --format F  text (default), json or svg\n"
	  "  --from FILE a copy of " KHO_DIR "/timeline; \"-\" is standard input\n"
	  "  --verbose   the initcalls that took longest, too\n", false },
	{ "metrics", cmd_metrics, "", "numbers for a monitoring system, as OpenMetrics",
	  "State, sessions, files, devices, refusals, and the stages of the last handover. What\n"
	  "cannot be read is left out: sessions and files need root.\n", false },
};

static void print_usage(FILE *to)
{
	size_t i;

	fputs("Usage: khoctl [--root DIR] COMMAND [ARGUMENT...]\n\n", to);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].what);
	fputs("\n"
	      "  --root DIR  read /sys, /proc and /boot below DIR, and change nothing\n"
	      "  --help      this; khoctl COMMAND --help says more\n"
	      "  --version   which formats of handover it decodes\n"
	      "\n"
	      "Exit status: 0 done; 1 refused or failed; 2 wrong usage; 3 not permitted, mostly as it\n"
	      "needs root; 4 no handover in this kernel; 5 nothing of that name, or nothing there;\n"
	      "128 and N: ended by signal N. See khoctl(8).\n", to);
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* What was printed may not have arrived, when a disk is full. */
static int flushed(int status)
{
	int error = output_error();

	if (!error || status != EXIT_OK)
		return status;
	complain("standard output cannot be written: %s", strerror(error));
	return EXIT_REFUSED;
}

int help(const char *name)
{
	const struct command *command = find_command(name);

	printf("Usage: khoctl %s %s\n\n%c%s.\n\n%s", name, command->synopsis,
	       command->what[0] - 'a' + 'A', command->what + 1, command->text);
	return flushed(EXIT_OK);
}

static void print_version(void)
{
	puts("khoctl of the live update for Linux 6.12; decodes " KHO_BLOB_COMPATIBLE ", "
	     LIVEUPDATE_COMPATIBLE ", " PCI_LIVEUPDATE_COMPATIBLE ", " IOMMU_SER_COMPATIBLE);
}

/* khoctl help [COMMAND] */
static int print_help(int argc, char **argv)
{
	if (argc == 1) {
		print_usage(stdout);
		return flushed(EXIT_OK);
	}
	if (argc > 2)
		return misused("", "one command at most: help %s %s", argv[1], argv[2]);
	if (!find_command(argv[1]))
		return misused("", "unknown command: %s", argv[1]);
	return help(argv[1]);
}

int main(int argc, char **argv)
{
	const struct command *command;
	int status;

	argc--;
	argv++;
	while (argc && argv[0][0] == '-') {
		if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h")) {
			print_usage(stdout);
			return flushed(EXIT_OK);
		}
		if (!strcmp(argv[0], "--version")) {
			print_version();
			return flushed(EXIT_OK);
		}
		if (strcmp(argv[0], "--root") || argc < 2)
			return misused("", "unknown option, or one without its value: %s",
				       argv[0]);
		root_dir = argv[1];
		argc -= 2;
		argv += 2;
	}
	if (!argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "help"))
		return print_help(argc, argv);
	command = find_command(argv[0]);
	if (!command)
		return misused("", "unknown command: %s", argv[0]);
	status = command->run(argc, argv);
	return command->changes ? status : flushed(status);
}
