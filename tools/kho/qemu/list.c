// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu list and show: guests that are saved for the next kernel or came from the old one, and
 * what is in a record.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kho_qemu.h"

#define SESSIONS	"/sys/kernel/kho/sessions"

/* A line is "[UID/]qemu-NAME incoming|outgoing ..."; what follows it, indented, are its files. */
int cmd_list(const struct options *options)
{
	FILE *file = fopen(SESSIONS, "re");
	char line[512], name[128], direction[32], state[32], *guest;
	unsigned int nr = 0, files;

	(void)options;
	if (!file) {
		complain("a kernel with live update has it", SESSIONS ": %s", strerror(errno));
		return EXIT_FAILED;
	}
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%127s %31s %31s %u files", name, direction, state, &files) != 4)
			continue;
		guest = strchr(name, '/');
		guest = guest ? guest + 1 : name;
		if (line[0] == '\t' || strncmp(guest, "qemu-", 5))
			continue;
		say("%-20s %-42s session %s, %u files", guest + 5,
		    !strcmp(direction, "outgoing") ? "saved, or being saved, for the next kernel" :
		    !strcmp(state, "closed") ? "from the old kernel, to be restored" :
					       "from the old kernel, being restored", name, files);
		nr++;
	}
	fclose(file);
	if (!nr)
		say("no guest is saved, and none came from the old kernel");
	return EXIT_OK;
}

static void show_device(const struct record_device *device)
{
	static const char * const irqs[] = {
		[RECORD_NO_IRQ] = "no interrupts",
		[RECORD_INTX] = "INTx",
		[RECORD_MSI] = "MSI",
		[RECORD_MSIX] = "MSI-X",
	};

	say("device %s: %s, %u vectors", device->address, irqs[device->irq], device->nr_vectors);
}

int cmd_show(const char *file)
{
	static const char * const kinds[] = {
		[RECORD_FILE] = "memory",
		[RECORD_IOMMUFD] = "iommufd",
		[RECORD_DEVICE] = "device",
		[RECORD_EVENTFD] = "eventfd, which restore makes anew",
	};
	struct record record;
	const char *why;
	char saved[64];
	time_t time;
	uint32_t i;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		complain(NULL, "%s: %s", file, strerror(errno));
		return EXIT_FAILED;
	}
	if (record_open(&record, fd, &why)) {
		complain(NULL, "%s: %s", file, why);
		return EXIT_FAILED;
	}
	time = record.head->saved;
	strftime(saved, sizeof(saved), "%F %T", localtime(&time));
	say("guest %s, saved %s from QEMU %s", record.head->guest, saved,
	    record.head->qemu[0] ? record.head->qemu : "of an unknown version");
	if (record.head->paused)
		say("it was paused before that");
	say("state of %llu bytes", (unsigned long long)record.head->state_size);
	for (i = 0; i < record.head->nr_fds; i++)
		say("%#llx %s,%d: %s", (unsigned long long)TOKEN_FD(i), record.fds[i].name,
		    record.fds[i].id, kinds[record.fds[i].kind]);
	for (i = 0; i < record.head->nr_devices; i++)
		show_device(&record.devices[i]);
	record_close(&record);
	return EXIT_OK;
}
