// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: the running kernel: its configuration, what is locked, the command lines.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "khoctl.h"

/* What gzip -dc makes of a file, or NULL. The kernel packs /proc/config.gz. */
static char *unpack(const char *path)
{
	char *name, *text = NULL;
	size_t len = 0;
	FILE *from, *to;
	int pipes[2], c;
	pid_t pid;

	if (!exists(path) || pipe(pipes))
		return NULL;
	name = rooted(path);
	pid = fork();
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execlp("gzip", "gzip", "-dc", "--", name, NULL);
		_exit(127);
	}
	free(name);
	close(pipes[1]);
	from = fdopen(pipes[0], "r");
	to = open_memstream(&text, &len);
	while (from && to && (c = getc(from)) != EOF)
		putc(c, to);
	if (from)
		fclose(from);
	if (to)
		fclose(to);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (len)
		return text;
	free(text);
	return NULL;
}

static char *read_config(void)
{
	char *text = unpack("/proc/config.gz"), *path, *release;
	struct utsname name;

	if (text)
		return text;
	release = read_text("/proc/sys/kernel/osrelease");
	if (!release && !uname(&name))
		release = xstrdup(name.release);
	path = xasprintf("/boot/config-%s", release ? release : "");
	text = read_text(path);
	free(path);
	free(release);
	return text;
}

/* 'y', 'm' or 'n' */
static char option(const char *config, const char *name)
{
	size_t len = strlen(name);
	const char *at = config;

	while ((at = strstr(at, name))) {
		if ((at == config || at[-1] == '\n') && at[len] == '=')
			return at[len + 1];
		at += len;
	}
	return 'n';
}

static void find_options(struct findings *findings, const char *config)
{
	static const struct {
		const char *name;
		const char *for_what;
		enum verdict without;
	} options[] = {
		{ "CONFIG_KEXEC_FILE", "kexec -s", FINDING_NO },
		{ "CONFIG_KEXEC_HANDOVER", "handover", FINDING_NO },
		{ "CONFIG_LIVEUPDATE", "sessions of programs", FINDING_NOTE },
		{ "CONFIG_PCI_LIVEUPDATE", "devices", FINDING_NOTE },
		{ "CONFIG_IOMMU_LIVEUPDATE", "devices", FINDING_NOTE },
		{ "CONFIG_IOMMUFD_LIVEUPDATE", "devices", FINDING_NOTE },
		{ "CONFIG_VFIO_PCI_LIVEUPDATE", "devices", FINDING_NOTE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		bool device = !strcmp(options[i].for_what, "devices");
		enum verdict verdict = device && findings->nr_devices ? FINDING_NO :
				       options[i].without;

		if (option(config, options[i].name) == 'n')
			find(findings, verdict, device ? "device" : "kernel",
			     verdict == FINDING_NO ? "start a kernel that was built with it" :
			     NULL, "%s is off: no %s", options[i].name, options[i].for_what);
	}
	if (option(config, "CONFIG_KEXEC_SIG_FORCE") == 'y')
		find(findings, FINDING_NOTE, "kernel", NULL,
		     "CONFIG_KEXEC_SIG_FORCE: the image has to be signed");
}

static void find_loading(struct findings *findings)
{
	char *disabled = read_text("/proc/sys/kernel/kexec_load_disabled");
	char *limit = read_text("/proc/sys/kernel/kexec_load_limit_reboot");
	char *lockdown = read_text("/sys/kernel/security/lockdown");

	if (disabled && *disabled == '1')
		find(findings, FINDING_NO, "kernel",
		     "it can only be set once: restart the machine without it",
		     "kexec_load_disabled is 1: no image can be loaded");
	if (limit && *limit == '0')
		find(findings, FINDING_NO, "kernel",
		     "the limit can only be lowered: restart the machine without it",
		     "kexec_load_limit_reboot is 0: no image can be loaded any more");
	if (lockdown && !strstr(lockdown, "[none]"))
		find(findings, FINDING_NOTE, "kernel", NULL,
		     "lockdown: the image has to be signed, and debugfs is closed");
	free(disabled);
	free(limit);
	free(lockdown);
}

/**
 * find_kernel - what the running kernel can do
 * @findings: where to note it; knows how many devices there are
 */
void find_kernel(struct findings *findings)
{
	char *cmdline = read_text("/proc/cmdline");
	char *config = read_config();
	bool kho = exists(KHO_DIR "/state");

	if (kho) {
		find(findings, FINDING_OK, "kernel", NULL, "it has handover");
	} else if (config && option(config, "CONFIG_KEXEC_HANDOVER") == 'y') {
		find(findings, FINDING_NO, "kernel", "start it without kho=off",
		     "handover is off%s", cmdline && cmdline_has(cmdline, "kho") ?
		     ": kho= is on its command line" : "");
	} else if (!config) {
		find(findings, FINDING_NO, "kernel",
		     "start a kernel with CONFIG_KEXEC_HANDOVER, and without kho=off",
		     "there is no " KHO_DIR);
	}
	if (config)
		find_options(findings, config);
	else
		find(findings, FINDING_NOTE, "kernel", NULL,
		     "its configuration is neither in /proc/config.gz nor in /boot");
	if (kho && !exists(KHO_DIR "/sessions") && !config)
		find(findings, FINDING_NOTE, "kernel", NULL, "it has no sessions of programs");
	find_loading(findings);
	free(config);
	free(cmdline);
}
