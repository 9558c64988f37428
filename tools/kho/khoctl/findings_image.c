// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: what is under way and pending in the running kernel, and whether an image can
 * take it.
 *
 * Which versions this kernel's owners would hand over is known from the blob once everything is
 * sealed. Before, from what there is: an owner that restored a version writes the same.
 */
#include <errno.h>
#include <libfdt.h>
#include <linux/kho/abi/handover.h>
#include <linux/kho/abi/liveupdate.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

/* Devices that came, and do not go on, or are not there */
static void find_came(struct findings *findings, const struct item *item)
{
	const char *address = item->name + strlen("pci/");

	if (!strcmp(item->state, "blocked"))
		find(findings, FINDING_NOTE, "device", "discard the session that it is in",
		     "%s does not go on: %s", address, item->reason);
	else if (!strcmp(item->state, "missing"))
		find(findings, FINDING_NOTE, "device", NULL,
		     "%s came from the old kernel and is missing: %s", address, item->reason);
}

static void find_item(struct findings *findings, const struct item *item)
{
	bool pending = !strcmp(item->state, "pending");

	if (item_is_device(item))
		find_came(findings, item);
	else if (!strcmp(item->name, "/header"))
		find(findings, FINDING_NOTE, "handed over", "cold boot before you rely on it",
		     "the header page was damaged: what came before is lost");
	else if (!strcmp(item->name, "/map"))
		find(findings, FINDING_NO, "handed over", "cold boot",
		     "the map was damaged: nothing can be handed on");
	else if (!strcmp(item->name, "/reserved"))
		find(findings, FINDING_NOTE, "handed over", NULL,
		     "a part is lost: memory that this kernel reserved by address");
	else if (!strcmp(item->name, "/blob"))
		find(findings, FINDING_NOTE, "handed over", "khoctl discard /blob",
		     "the blob was damaged: memory is held that nobody can restore");
	else if (item_is_subtree(item) && *item->name != '/' && pending && *item->reason)
		find(findings, FINDING_NOTE, "handed over", NULL,
		     "%s (%s) is pending, %s: it is handed on as it is", item->name,
		     item->version, item->reason);
}

static bool same_name_pending(const struct arrived *arrived, const char *name)
{
	size_t i;

	for (i = 0; i < arrived->nr_sessions; i++)
		if (arrived->session[i].incoming && !strcmp(arrived->session[i].name, name))
			return true;
	return false;
}

static void find_session(struct findings *findings, const struct arrived *arrived,
			 const struct session *session)
{
	if (session->incoming && session_count(session, "failed"))
		find(findings, FINDING_NO, "session", "finish or discard it",
		     "session %s has a file that could not be retrieved: finalize would be refused",
		     session->name);
	if (session->incoming && session_count(session, "retrieved"))
		find(findings, FINDING_NO, "session",
		     "its program has to finish it; khoctl show NAME says who has it open",
		     "session %s is retrieved and not finished: finalize would be refused",
		     session->name);
	if (!session->incoming && same_name_pending(arrived, session->name))
		find(findings, FINDING_NO, "session",
		     "finish or discard the one that came; or name the other differently",
		     "session %s is pending from the old kernel, and there is a new one of that name",
		     session->name);
}

static void find_common(struct findings *findings, const struct arrived *arrived,
			const struct common *common)
{
	const char *in_the_way = common_in_the_way(arrived, common);

	if (in_the_way)
		find(findings, FINDING_NO, "common data", "finish or discard their sessions",
		     "%lu files of the old kernel need %s, and it %s: finalize would be refused",
		     common->nr, common->name, in_the_way);
}

static void find_memory(struct findings *findings)
{
	char *info = read_text("/proc/meminfo"), *bytes = read_kho("preserved_bytes");
	char *total = info ? strstr(info, "MemTotal:") : NULL;
	uint64_t all = total ? strtoull(total + strlen("MemTotal:"), NULL, 10) * 1024 : 0;
	uint64_t held = bytes ? strtoull(bytes, NULL, 10) : 0;
	char held_text[32], all_text[32];

	if (bytes)
		find(findings, held > all / 10 * 9 ? FINDING_NOTE : FINDING_OK, "memory",
		     held > all / 10 * 9 ? "preserve less, or finalize may give ENOSPC" : NULL,
		     "%s preserved; %s are in use by this kernel or free",
		     format_bytes(held_text, held), format_bytes(all_text, all));
	free(info);
	free(bytes);
}

/**
 * find_state - what is under way and pending
 * @findings: where to note it
 * @arrived: what was handed over
 */
void find_state(struct findings *findings, const struct arrived *arrived)
{
	char *state = read_kho("state"), *last = read_kho("last_error");
	size_t i;

	if (!state)
		return;
	if (strcmp(state, "idle"))
		find(findings, FINDING_NOTE, "state", NULL,
		     "it is %s already; khoctl abort undoes that", state);
	if (last && *last)
		find(findings, FINDING_NOTE, "state", NULL, "refused last: %s", last);
	for (i = 0; i < arrived->nr_items; i++)
		find_item(findings, &arrived->item[i]);
	for (i = 0; i < arrived->nr_sessions; i++)
		find_session(findings, arrived, &arrived->session[i]);
	for (i = 0; i < arrived->nr_common; i++)
		find_common(findings, arrived, &arrived->common[i]);
	if (arrived->sessions_error && arrived->sessions_error != ENOENT)
		find(findings, FINDING_UNKNOWN, "session", "try as root",
		     "sessions cannot be read: %s", strerror(arrived->sessions_error));
	find_memory(findings);
	free(state);
	free(last);
}

static void find_version(struct findings *findings, const struct image *image, const char *name,
			 const char *version)
{
	const char *other = image_other_version(image, version);
	char *cmdline;
	bool promised;

	if (image_restores_kind(image, version)) {
		find(findings, FINDING_OK, "image", NULL, "it restores %s (%s)", name, version);
		return;
	}
	if (!strcmp(version, KHO_RAW_COMPATIBLE)) {
		find(findings, FINDING_NOTE, "image", NULL,
		     "it hands on %s, of which only its owner knows who can restore it", name);
		return;
	}
	cmdline = next_cmdline(findings->next);
	promised = cmdline && cmdline_promises(cmdline, version);
	free(cmdline);
	if (promised) {
		find(findings, FINDING_OK, "image", NULL,
		     "it restores %s (%s) with a module, says its command line", name, version);
		return;
	}
	find(findings, findings->next->allow_unreadable ? FINDING_NOTE : FINDING_NO, "image",
	     findings->next->allow_unreadable ? "kexec into a kernel that can, later" :
	     "take an image that can; or say kho_restores= on its command line, if a module of its restores it; or --allow-unreadable: it is kept for a later kernel",
	     "it cannot restore %s (%s)%s%s", name, version,
	     other ? ", only such as " : ": it has nobody who could", other ? other : "");
}

/* The subtrees of a sealed blob. Gives false when it is none. */
static bool find_subtrees(struct findings *findings, const struct image *image, const char *blob,
			  size_t len)
{
	const char *version, *name;
	int node, size;

	if (!len || fdt_check_full(blob, len))
		return false;
	fdt_for_each_subnode(node, blob, 0) {
		name = fdt_get_name(blob, node, NULL);
		version = fdt_getprop(blob, node, "compatible", &size);
		if (name && version && size > 0 && !version[size - 1])
			find_version(findings, image, name, version);
	}
	return true;
}

/* The same of the kernel's, when it is sealed */
static bool find_in_blob(struct findings *findings, const struct image *image)
{
	size_t len;
	char *path = rooted("/sys/kernel/debug/kho/blob");
	char *blob = read_file(path, &len);
	bool seen = blob && find_subtrees(findings, image, blob, len);

	free(path);
	free(blob);
	return seen;
}

/**
 * find_in_sealed - can the image restore the subtrees of a blob?
 * @findings: where to note it; knows the image
 * @blob: as it was when all was sealed
 * @len: its bytes
 */
void find_in_sealed(struct findings *findings, const char *blob, size_t len)
{
	struct image image;

	if (image_read(&image, findings->next->image))
		return;
	if (!image.why_not && len && !find_subtrees(findings, &image, blob, len))
		find(findings, FINDING_NO, "handed over", "a bug in the kernel",
		     "the list of subtrees is no device tree that is intact");
	image_free(&image);
}

/* What is known without the blob */
static void find_in_lists(struct findings *findings, const struct image *image,
			  const struct arrived *arrived)
{
	size_t i;

	for (i = 0; i < arrived->nr_items; i++) {
		const struct item *item = &arrived->item[i];

		if (!item_is_subtree(item) || !*item->version)
			continue;
		/* It is not asked about what is only handed on. */
		if (strcmp(item->state, "restored")) {
			if (!strcmp(item->state, "pending") &&
			    !image_restores(image, item->version))
				find(findings, FINDING_NOTE, "image", NULL,
				     "it would keep %s (%s), which it cannot restore, for a later kernel",
				     item->name, item->version);
			continue;
		}
		find_version(findings, image, item->name, item->version);
	}
	if (arrived->nr_sessions && !image_other_version(image, "liveupdate-v"))
		find(findings, FINDING_NO, "image", "take one with CONFIG_LIVEUPDATE",
		     "there are sessions, and it has none");
	if (findings->nr_devices && !image_other_version(image, "pci-v"))
		find(findings, FINDING_NO, "image", "take one with CONFIG_PCI_LIVEUPDATE",
		     "devices are bound to vfio-pci, and it cannot restore any");
	if (findings->nr_devices && !image_other_version(image, "iommu-v"))
		find(findings, FINDING_NO, "image", "take one with CONFIG_IOMMU_LIVEUPDATE",
		     "devices are bound to vfio-pci, and it cannot restore their translation");
}

/* Different kinds of files, which belong to somebody else */
struct kinds {
	const char **kind;
	size_t nr;
};

static void add_kind(struct kinds *kinds, const char *kind)
{
	size_t i;

	for (i = 0; i < kinds->nr; i++)
		if (!strcmp(kinds->kind[i], kind))
			return;
	kinds->kind = xrealloc(kinds->kind, (kinds->nr + 1) * sizeof(*kinds->kind));
	kinds->kind[kinds->nr++] = kind;
}

/* Of files that this kernel preserved */
static void find_kinds(struct findings *findings, const struct image *image,
		       const struct arrived *arrived)
{
	struct kinds kinds = { 0 };
	size_t i, k;

	for (i = 0; i < arrived->nr_sessions; i++)
		for (k = 0; !arrived->session[i].incoming && k < arrived->session[i].nr; k++)
			add_kind(&kinds, arrived->session[i].file[k].kind);
	for (i = 0; i < kinds.nr; i++)
		find_version(findings, image, "files", kinds.kind[i]);
	free(kinds.kind);
}

/* What those have in common. What is only handed on needs a kernel that would do so, too. */
static void find_common_versions(struct findings *findings, const struct image *image,
				 const struct arrived *arrived)
{
	bool any = false;
	size_t i;

	for (i = 0; i < arrived->nr_common; i++) {
		if (!arrived->common[i].incoming)
			find_version(findings, image, "common data", arrived->common[i].name);
		any |= !arrived->common[i].incoming ||
		       (arrived->common[i].nr &&
			!strcmp(arrived->common[i].state, "pending"));
	}
	if (any)
		find_version(findings, image, "common data", LIVEUPDATE_FLB_VERSION);
}

/**
 * find_image - can an image take what there is?
 * @findings: where to note it; knows how many devices there are
 * @arrived: what was handed over
 */
void find_image(struct findings *findings, const struct arrived *arrived)
{
	const char *path = findings->next->image, *why;
	struct image image;
	size_t i;

	why = image_read(&image, path);
	if (why) {
		find_no_file(findings, "image", path, why, errno);
		return;
	}
	if (image.why_not) {
		find(findings, FINDING_NO, "image",
		     "take a bzImage that was built with CONFIG_KEXEC_HANDOVER",
		     "%s cannot receive a handover: %s", path, image.why_not);
	} else {
		find(findings, FINDING_OK, "image", NULL, "%s can receive a handover", path);
		for (i = 0; i < image.nr; i++)
			find(findings, FINDING_OK, "image", NULL, "it knows %s",
			     image.version[i]);
		if (!find_in_blob(findings, &image))
			find_in_lists(findings, &image, arrived);
		find_kinds(findings, &image, arrived);
		find_common_versions(findings, &image, arrived);
	}
	find_cmdline_length(findings, &image);
	find_huge(findings, &image);
	find_room(findings, &image);
	image_free(&image);
}
