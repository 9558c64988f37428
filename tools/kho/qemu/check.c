// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-qemu check: can this running QEMU be saved? Each reason against it with what helps. Whether
 * every device and file can really be preserved, only preserving them says.
 */
#include <stdio.h>
#include <string.h>

#include "kho_qemu.h"
#include "qmp.h"

#define OLDEST_MAJOR	10
#define OLDEST_MINOR	1

/* Of the machine, of a backend, of a device; NULL when there is no such property */
static json_t *property(struct qmp *qmp, const char *path, const char *name)
{
	return qmp_ask(qmp, "qom-get", json_pack("{s:s, s:s}", "path", path, "property", name));
}

static bool is_true(struct qmp *qmp, const char *path, const char *name)
{
	json_t *value = property(qmp, path, name);
	bool yes = json_is_true(value);

	json_decref(value);
	return yes;
}

int check_version(struct qmp *qmp)
{
	json_t *answer = qmp_ask(qmp, "query-version", NULL);
	json_t *version = json_object_get(answer, "qemu");
	int major = json_integer_value(json_object_get(version, "major"));
	int minor = json_integer_value(json_object_get(version, "minor"));

	json_decref(answer);
	if (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR))
		return 0;
	complain("QEMU 10.1 or later has cpr-transfer for devices of vfio",
		 "this is QEMU %d.%d", major, minor);
	return 1;
}

/* Its ROMs and firmware have descriptors only then. */
static int check_machine(struct qmp *qmp)
{
	if (is_true(qmp, "/machine", "aux-ram-share"))
		return 0;
	complain("start QEMU with -machine ...,aux-ram-share=on",
		 "the memory of its firmware has no files");
	return 1;
}

/* QEMU has descriptors of these alone; a file that was given by its path, it opens again. */
static int check_backend(struct qmp *qmp, const char *id)
{
	char path[256];
	json_t *type;
	const char *text;
	int reasons = 0;

	snprintf(path, sizeof(path), "/objects/%s", id);
	type = property(qmp, path, "type");
	text = json_string_value(type);
	if (text && strcmp(text, "memory-backend-memfd") && strcmp(text, "memory-backend-shm")) {
		complain("start QEMU with -object memory-backend-memfd,...,share=on",
			 "memory %s is a %s, of which QEMU gives no descriptor", id, text);
		reasons++;
	}
	json_decref(type);
	return reasons;
}

static int check_memory(struct qmp *qmp)
{
	json_t *answer = qmp_ask(qmp, "query-memdev", NULL), *one;
	int reasons = 0;
	size_t i;

	json_array_foreach(answer, i, one) {
		const char *id = json_string_value(json_object_get(one, "id"));

		if (id)
			reasons += check_backend(qmp, id);
		if (json_is_true(json_object_get(one, "share")))
			continue;
		complain("start QEMU with -object memory-backend-memfd,...,share=on",
			 "memory %s is not shared", id ? id : "without an id");
		reasons++;
	}
	if (!json_array_size(answer)) {
		complain("start QEMU with -object memory-backend-memfd,id=ram0,share=on,size=SIZE",
			 "the guest's memory is in no file");
		reasons++;
	}
	json_decref(answer);
	return reasons;
}

static void set_mode(struct qmp *qmp, const char *mode)
{
	json_decref(qmp_ask(qmp, "migrate-set-parameters", json_pack("{s:s}", "mode", mode)));
}

/* (of a guest that came in by one, it is completed) */
static bool is_under_way(const char *status)
{
	return *status && strcmp(status, "failed") && strcmp(status, "cancelled") &&
	       strcmp(status, "completed") && strcmp(status, "none");
}

/* What QEMU itself has against it, vhost for one. It depends on the mode, which stays as it was. */
static int check_reasons(struct qmp *qmp)
{
	json_t *parameters = qmp_ask(qmp, "query-migrate-parameters", NULL), *answer, *reason;
	const char *mode = json_string_value(json_object_get(parameters, "mode"));
	int reasons = 0;
	size_t i;

	set_mode(qmp, "cpr-transfer");
	answer = qmp_ask(qmp, "query-migrate", NULL);
	set_mode(qmp, mode ? mode : "normal");
	json_decref(parameters);
	if (!answer) {
		complain(NULL, "QEMU does not say how its migration is: %s", qmp_error(qmp));
		return 1;
	}
	json_array_foreach(json_object_get(answer, "blocked-reasons"), i, reason) {
		complain(NULL, "QEMU says: %s", json_string_value(reason));
		reasons++;
	}
	json_decref(answer);
	return reasons;
}

static int check_migration(struct qmp *qmp)
{
	const char *status = qmp_migration(qmp);

	if (!is_under_way(status))
		return check_reasons(qmp);
	complain("wait for its end, or cancel it with migrate_cancel",
		 "a migration is under way (%s)", status);
	return 1;
}

static int check_run_state(struct qmp *qmp)
{
	const char *status = qmp_run_state(qmp);
	bool elsewhere = !strcmp(status, "postmigrate") || !strcmp(status, "inmigrate");

	if (elsewhere)
		complain("ask the QEMU that has it, or wait until this one has",
			 "this QEMU has no guest (%s)", status);
	return elsewhere;
}

static int check_device(struct qmp *qmp, const char *path)
{
	json_t *iommufd = property(qmp, path, "iommufd");
	json_t *host = property(qmp, path, "host");
	const char *text = json_string_value(iommufd);
	int reasons = 0;

	if (!text || !*text) {
		complain("start QEMU with -object iommufd,id=ID and vfio-pci,iommufd=ID",
			 "device %s is not given by iommufd",
			 host ? json_string_value(host) : path);
		reasons++;
	}
	json_decref(iommufd);
	json_decref(host);
	return reasons;
}

static int check_devices_of(struct qmp *qmp, const char *folder)
{
	json_t *answer = qmp_ask(qmp, "qom-list", json_pack("{s:s}", "path", folder)), *one;
	int reasons = 0;
	char path[256];
	size_t i;

	json_array_foreach(answer, i, one) {
		const char *type = json_string_value(json_object_get(one, "type"));
		const char *name = json_string_value(json_object_get(one, "name"));

		if (!type || !name || strncmp(type, "child<vfio-pci", 14))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		reasons += check_device(qmp, path);
	}
	json_decref(answer);
	return reasons;
}

int check_qemu(struct qmp *qmp)
{
	int reasons = check_version(qmp);

	/* An older one does not have what is asked for next. */
	if (reasons)
		return reasons;
	return check_run_state(qmp) + check_machine(qmp) + check_memory(qmp) +
	       check_migration(qmp) + check_devices_of(qmp, "/machine/peripheral") +
	       check_devices_of(qmp, "/machine/peripheral-anon");
}

int check_list(struct qmp *qmp, const struct cpr_state *list)
{
	json_t *answer = qmp_ask(qmp, "query-memdev", NULL), *one;
	int reasons = 0;
	size_t i;

	json_array_foreach(answer, i, one) {
		const char *id = json_string_value(json_object_get(one, "id"));

		if (id && cpr_find(list, id, 0))
			continue;
		complain("start QEMU with -object memory-backend-memfd,id=ID,...,share=on",
			 "QEMU has sent no descriptor of memory %s", id ? id : "without an id");
		reasons++;
	}
	if (!answer)
		complain(NULL, "QEMU does not say what memory it has: %s", qmp_error(qmp));
	json_decref(answer);
	return reasons || !answer ? -1 : 0;
}

int cmd_check(const struct options *options)
{
	struct qmp *qmp;

	if (options->guest && keeper_is_there(options)) {
		say("%s is preserved already", options->guest);
		return EXIT_OK;
	}
	qmp_probe(options->qmp);
	qmp = qmp_connect(options->qmp, options->seconds);
	if (!qmp || check_qemu(qmp))
		return EXIT_FAILED;
	say("nothing is known that is in the way");
	qmp_close(qmp);
	return EXIT_OK;
}
