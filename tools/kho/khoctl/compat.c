// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl compat: of two kernels, what can each take from the other? Either is an image, which lists
 * what it restores, or the running kernel, which has the same list in sysfs.
 *
 * A kernel writes the newest version of what it restores. So the other has to list that one, unless
 * it is of what a kernel may do without. Whether it is needed depends on what is preserved: what is
 * missing is refused when, and only when, something is preserved that is written so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

#define RUNNING	"running"

/**
 * struct taking - what becomes of something that one kernel writes
 * @version: as it is written
 * @verdict: FINDING_OK, FINDING_NOTE when the other kernel does without, FINDING_NO
 * @what: in words
 */
struct taking {
	const char *version;
	enum verdict verdict;
	char *what;
};

/**
 * struct direction - from one kernel to the other
 * @from: its name
 * @to: that of the other
 * @why_not: NULL, or why nothing can be handed over at all
 * @taking: what can be, and cannot
 * @nr: how many of these
 * @possible: nothing is missing
 */
struct direction {
	const char *from, *to;
	char *why_not;
	struct taking *taking;
	size_t nr;
	bool possible;
};

/* What a next kernel may do without, and what is lost then */
static const struct {
	const char *owner, *without;
} optional[] = {
	{ "clock", "it measures clocks anew, which takes longer" },
	{ "x86-entry", "it is entered by its decompressor, which takes longer" },
	{ "hugetlb-pool",
	  "huge pages that are preserved come besides those that it is to have" },
	{ "hwpoison", "bad frames stay out of use, and are not listed" },
};

/* The length of the owner's name in a version, 0 when it is no "<owner>-v<N>" */
static size_t owner_length(const char *version)
{
	const char *dash = strrchr(version, '-');

	return dash && dash[1] == 'v' ? dash - version : 0;
}

static bool is_newer(const char *a, const char *b)
{
	size_t len = owner_length(a);

	return len && len == owner_length(b) && !strncmp(a, b, len) &&
	       strtoul(a + len + 2, NULL, 10) > strtoul(b + len + 2, NULL, 10);
}

static bool is_newest(const struct image *image, const char *version)
{
	size_t i;

	for (i = 0; i < image->nr; i++)
		if (is_newer(image->version[i], version))
			return false;
	return true;
}

static const char *done_without(const char *version)
{
	size_t len = owner_length(version), i;

	for (i = 0; i < ARRAY_SIZE(optional); i++)
		if (len == strlen(optional[i].owner) && !strncmp(optional[i].owner, version, len))
			return optional[i].without;
	return NULL;
}

static void take(struct direction *direction, const struct image *to, const char *version)
{
	const char *other = image_other_version(to, version), *without = done_without(version);
	struct taking *taking;

	direction->taking = xrealloc(direction->taking,
				     (direction->nr + 1) * sizeof(*taking));
	taking = &direction->taking[direction->nr++];
	taking->version = version;
	taking->verdict = FINDING_OK;
	if (image_restores_kind(to, version)) {
		taking->what = xstrdup("taken");
	} else if (without) {
		taking->verdict = FINDING_NOTE;
		taking->what = xstrdup(without);
	} else {
		taking->verdict = FINDING_NO;
		direction->possible = false;
		taking->what = other ? xasprintf("not taken, only such as %s", other) :
			       xstrdup("not taken: it has nobody who could");
	}
}

static void look(struct direction *direction, const struct image *from, const struct image *to)
{
	size_t i;

	if (from->why_not)
		direction->why_not = xasprintf("%s hands nothing over: %s", direction->from,
					       from->why_not);
	else if (to->why_not)
		direction->why_not = xasprintf("%s cannot receive a handover: %s", direction->to,
					       to->why_not);
	direction->possible = !direction->why_not;
	for (i = 0; !direction->why_not && i < from->nr; i++)
		if (is_newest(from, from->version[i]))
			take(direction, to, from->version[i]);
}

static void print_direction(const struct direction *direction)
{
	size_t i;

	say("from %s to %s: %s", direction->from, direction->to, direction->possible ?
	    "everything can be handed over" : direction->why_not ?
	    "nothing can be handed over" : "not everything can be handed over");
	if (direction->why_not)
		say("%-8s %s", verdict_name(FINDING_NO), direction->why_not);
	for (i = 0; i < direction->nr; i++)
		say("%-8s %-24s %s", verdict_name(direction->taking[i].verdict),
		    direction->taking[i].version, direction->taking[i].what);
}

static void json_direction(struct json *json, const struct direction *direction)
{
	static const char * const verdicts[] = { "taken", "without", NULL, "refused" };
	size_t i;

	json_open(json, NULL, '{');
	json_string(json, "from", direction->from);
	json_string(json, "to", direction->to);
	json_bool(json, "possible", direction->possible);
	json_string(json, "why_not", direction->why_not);
	json_open(json, "versions", '[');
	for (i = 0; i < direction->nr; i++) {
		json_open(json, NULL, '{');
		json_string(json, "version", direction->taking[i].version);
		json_string(json, "verdict", verdicts[direction->taking[i].verdict]);
		json_string(json, "what", direction->taking[i].what);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static void free_direction(struct direction *direction)
{
	size_t i;

	for (i = 0; i < direction->nr; i++)
		free(direction->taking[i].what);
	free(direction->taking);
	free(direction->why_not);
}

/* Returns 0, or -1 after saying why it is not known what the kernel can do. */
static int read_kernel(struct image *image, const char *name)
{
	const char *why = NULL;
	char *list, *path;
	size_t len;

	if (strcmp(name, RUNNING)) {
		why = image_read(image, name);
		if (!why && !image->is_kernel) {
			why = image->why_not;
			image_free(image);
		}
		if (why)
			complain("%s: %s", name, why);
		return why ? -1 : 0;
	}
	memset(image, 0, sizeof(*image));
	path = rooted(KHO_DIR "/restores");
	list = read_file(path, &len);
	free(path);
	if (!list && exists(KHO_DIR "/state")) {
		complain("this kernel does not say what it restores: %s", strerror(errno));
		complain_remedy("give its image, instead of \"" RUNNING "\"");
		return -1;
	}
	if (list)
		image_of_list(image, list);
	else
		image->why_not = "it has no handover: khoctl check says why";
	free(list);
	return 0;
}

static int compare(const char *a, const char *b, bool one_way, bool json)
{
	struct direction directions[2] = { { .from = a, .to = b }, { .from = b, .to = a } };
	int nr = one_way ? 1 : 2, status = EXIT_OK, i;
	struct json out = { .to = stdout };
	struct image first, second;

	if (read_kernel(&first, a))
		return EXIT_USAGE;
	if (read_kernel(&second, b)) {
		image_free(&first);
		return EXIT_USAGE;
	}
	look(&directions[0], &first, &second);
	look(&directions[1], &second, &first);
	if (json)
		json_open(&out, NULL, '{');
	if (json)
		json_open(&out, "directions", '[');
	for (i = 0; i < nr; i++) {
		if (json)
			json_direction(&out, &directions[i]);
		else
			print_direction(&directions[i]);
		if (!directions[i].possible)
			status = EXIT_REFUSED;
	}
	if (json) {
		json_close(&out, ']');
		json_close(&out, '}');
	}
	free_direction(&directions[0]);
	free_direction(&directions[1]);
	image_free(&first);
	image_free(&second);
	return status;
}

/**
 * cmd_compat - khoctl compat
 * @argc: as in main()
 * @argv: the same
 *
 * Return: the exit status: 2 also when it cannot be told
 */
int cmd_compat(int argc, char **argv)
{
	const char *names[2] = { NULL, NULL };
	bool one_way = false, json = false;
	int i, nr = 0;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return help("compat");
		if (!strcmp(argv[i], "--json"))
			json = true;
		else if (!strcmp(argv[i], "--one-way"))
			one_way = true;
		else if (argv[i][0] != '-' && nr < 2)
			names[nr++] = argv[i];
		else
			return misused("compat", "unknown argument: %s", argv[i]);
	}
	if (nr != 2)
		return misused("compat", "A and B are wanted: each an IMAGE, or \"" RUNNING "\"");
	return compare(names[0], names[1], one_way, json);
}
