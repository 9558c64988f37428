// SPDX-License-Identifier: GPL-2.0-only
/* kho-qemu: guests of an unmodified QEMU go on under the next kernel, with their devices. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "kho_qemu.h"

#define STATE_ROOM	(8 << 20)
#define SECONDS		60

static const char help[] =
"kho-qemu: guests of QEMU go on under the next kernel, with their devices\n"
"\n"
"kho-qemu check [NAME] --qmp SOCKET   can this QEMU's guest be saved? Reasons and remedies\n"
"kho-qemu save NAME --qmp SOCKET      preserve it, stop it, and keep it for the next kernel\n"
"kho-qemu save NAME --qmp SOCKET --hold --background\n"
"                                     preserve it, and have it run until \"save NAME\" stops it\n"
"kho-qemu restore NAME --cpr SOCKET --main SOCKET [--qmp SOCKET]\n"
"                                     under the next kernel, give it to a QEMU that was started with\n"
"                                     these channels; with --qmp, have the guest go on\n"
"kho-qemu cancel NAME --cpr SOCKET --main SOCKET [--qmp SOCKET]\n"
"                                     the same under this kernel: there will be no next one\n"
"kho-qemu list                        guests that are saved, or came from the old kernel\n"
"kho-qemu show FILE                   a record in words\n"
"kho-qemu stay PROGRAM [ARGUMENT...]  in an initramfs, run it so that it goes on after that\n"
"\n"
"  --qmp SOCKET      QEMU's monitor\n"
"  --cpr SOCKET      QEMU's channel \"cpr\"; with save, when whoever calls has QEMU migrate there\n"
"  --main SOCKET     QEMU's channel \"main\"\n"
"  --dir DIRECTORY   for sockets of our own (default /run/kho-qemu/NAME)\n"
"  --hold            save: wait for another \"kho-qemu save NAME\" before the guest is stopped\n"
"  --background      save: return when it is saved, or with --hold preserved\n"
"  --ready FILE      save: is made when the guest is saved\n"
"  --state-size MIB  save: room for QEMU's state (default 8)\n"
"  --start COMMAND   restore, cancel: a shell's, that starts the QEMU; cancel has the old one end\n"
"  --agent SOCKET    restore, cancel: of the guest's agent, which is to set its clock\n"
"  --stopped         restore, cancel: do not have the guest go on\n"
"  --without-devices restore, cancel: leave them out; QEMU is started without them\n"
"  --without-device ADDRESS\n"
"                    the same of one, as often as you like\n"
"  --timeout S       seconds to wait for QEMU (default 60)\n"
"\n"
"See Documentation/admin-guide/kho-qemu.rst.\n";

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void complain(const char *remedy, const char *format, ...)
{
	va_list args;

	fputs("kho-qemu: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (remedy)
		fprintf(stderr, "    %s\n", remedy);
}

int misused(const char *what, const char *which)
{
	complain("kho-qemu --help", "%s%s", what, which);
	return EXIT_USAGE;
}

static bool is_name(const char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			return false;
	return c > name && c - name <= 40;
}

static bool is_number(const char *text, unsigned long most, unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	return isdigit((unsigned char)text[0]) && !*end && !errno && *number && *number <= most;
}

/* -1, or the exit status */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{ "qmp", required_argument, NULL, 'q' },
		{ "agent", required_argument, NULL, 'a' },
		{ "cpr", required_argument, NULL, 'c' },
		{ "main", required_argument, NULL, 'm' },
		{ "dir", required_argument, NULL, 'd' },
		{ "ready", required_argument, NULL, 'r' },
		{ "state-size", required_argument, NULL, 's' },
		{ "stopped", no_argument, NULL, 'S' },
		{ "timeout", required_argument, NULL, 't' },
		{ "hold", no_argument, NULL, 'H' },
		{ "background", no_argument, NULL, 'b' },
		{ "start", required_argument, NULL, 'x' },
		{ "without-devices", no_argument, NULL, 'w' },
		{ "without-device", required_argument, NULL, 'W' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long number;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (c) {
		case 'q':
			options->qmp = optarg;
			break;
		case 'a':
			options->agent = optarg;
			break;
		case 'c':
			options->cpr = optarg;
			break;
		case 'm':
			options->main = optarg;
			break;
		case 'd':
			options->dir = optarg;
			break;
		case 'r':
			options->ready = optarg;
			break;
		case 's':
			if (!is_number(optarg, 4096, &number))
				return misused("--state-size wants 1 to 4096 MiB, not ", optarg);
			options->state_room = number << 20;
			break;
		case 'S':
			options->stopped = true;
			break;
		case 't':
			if (!is_number(optarg, 86400, &number))
				return misused("--timeout wants seconds, not ", optarg);
			options->seconds = number;
			break;
		case 'H':
			options->hold = true;
			break;
		case 'b':
			options->background = true;
			break;
		case 'x':
			options->start = optarg;
			break;
		case 'w':
			options->without_devices = true;
			break;
		case 'W':
			if (options->nr_without == ARRAY_SIZE(options->without))
				return misused("too many devices, with ", optarg);
			options->without[options->nr_without++] = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			return EXIT_USAGE;
		}
	}
	return -1;
}

/* Of our own sockets; its parent, too, when it is the ordinary one */
static int make_dir(struct options *options)
{
	static char path[PATH_MAX];
	const char *base = "/run/kho-qemu";

	if (options->dir)
		return 0;
	if (geteuid()) {
		base = getenv("XDG_RUNTIME_DIR");
		if (!base) {
			complain("--dir says where kho-qemu has its sockets",
				 "XDG_RUNTIME_DIR is not set");
			return -1;
		}
	} else if (mkdir(base, 0711) && errno != EEXIST) {
		complain(NULL, "%s: %s", base, strerror(errno));
		return -1;
	}
	snprintf(path, sizeof(path), "%s/%s", base, options->guest);
	if (mkdir(path, 0711) && errno != EEXIST) {
		complain("--dir says where kho-qemu has its sockets", "%s: %s", path,
			 strerror(errno));
		return -1;
	}
	options->dir = path;
	return 0;
}

static int with_guest(int (*run)(const struct options *options), struct options *options,
		      const char *guest)
{
	if (!guest || !is_name(guest))
		return misused("which guest? A name has ", GUEST_NAME);
	options->guest = guest;
	if ((run == cmd_restore || run == cmd_cancel) && !(options->cpr && options->main))
		return misused("where does QEMU come in? --cpr and --main say it", "");
	if (options->agent && !options->qmp)
		return misused("--agent is for a guest that goes on by --qmp", "");
	return make_dir(options) ? EXIT_FAILED : run(options);
}

int main(int argc, char **argv)
{
	struct options options = { .state_room = STATE_ROOM, .seconds = SECONDS };
	const char *command, *operand;
	int status;

	/* (whose options are the program's) */
	if (argc > 1 && !strcmp(argv[1], "stay"))
		return cmd_stay(argv + 2);
	status = parse(argc, argv, &options);
	command = argv[optind];
	operand = command ? argv[optind + 1] : NULL;
	if (status >= 0)
		return status;
	if (!command)
		return misused("what is to be done?", "");
	if (operand && argv[optind + 2])
		return misused("too many words: ", argv[optind + 2]);
	if (!strcmp(command, "save"))
		return with_guest(cmd_save, &options, operand);
	if (!strcmp(command, "restore"))
		return with_guest(cmd_restore, &options, operand);
	if (!strcmp(command, "cancel"))
		return with_guest(cmd_cancel, &options, operand);
	if (!strcmp(command, "check") && !options.qmp)
		return misused("check wants --qmp", "");
	if (!strcmp(command, "check"))
		return operand ? with_guest(cmd_check, &options, operand) : cmd_check(&options);
	if (!strcmp(command, "list"))
		return operand ? misused("too many words: ", operand) : cmd_list(&options);
	if (!strcmp(command, "show"))
		return operand ? cmd_show(operand) : misused("show wants a file", "");
	return misused("unknown command ", command);
}
