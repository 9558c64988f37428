// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: command lines of kernels. They are read here as the kernel reads them, with next_arg()
 * and parse_args():
 *
 * - White space separates parameters: blank, \t, \n, \v, \f, \r, and the byte 0xa0.
 * - Within double quotes it does not. They may be around a value (a="b c"), around all of a
 *   parameter ("a=b c"), or anywhere else; one that is not closed reaches to the end. A pair around
 *   a value or a parameter is dropped, others are part of the text. Single quotes mean nothing.
 * - A value begins behind the first '=' which is not the first character.
 * - A parameter "--" without a value ends what the kernel reads. The rest is for init.
 * - In names '-' and '_' are the same.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

static bool is_space(char c)
{
	return c && strchr(" \t\n\v\f\r\xa0", c);
}

/* The length of the parameter at @at; @value is where its value begins, or 0. */
static size_t measure(const char *at, size_t *value)
{
	size_t first = *at == '"', i;
	bool quoted = false;

	*value = 0;
	for (i = 0; at[i] && (quoted || !is_space(at[i])); i++) {
		if (at[i] == '=' && !*value && i > first)
			*value = i + 1;
		quoted ^= at[i] == '"';
	}
	return i;
}

/* From @from until @end, without a quote at its end if @quoted */
static char *cut(const char *from, const char *end, bool quoted)
{
	size_t len = end > from ? end - from : 0;

	if (quoted && len && from[len - 1] == '"')
		len--;
	return memcpy(xzalloc(len + 1), from, len);
}

bool param_next(const char **at, struct param *param)
{
	const char *begin = *at, *end;
	bool whole, quoted;
	size_t value;

	while (is_space(*begin))
		begin++;
	*at = begin;
	end = begin + measure(begin, &value);
	whole = *begin == '"';
	quoted = value && begin[value] == '"';
	if (value) {
		param->name = cut(begin + whole, begin + value - 1, false);
		param->value = cut(begin + value + quoted, end, whole || quoted);
	} else {
		param->name = cut(begin + whole, end, whole);
		param->value = NULL;
	}
	if (end == begin || (!param->value && !strcmp(param->name, "--"))) {
		param_free(param);
		return false;
	}
	*at = end;
	return true;
}

void param_free(struct param *param)
{
	free(param->name);
	free(param->value);
}

bool param_is(const struct param *param, const char *name)
{
	const char *is = param->name;

	for (; *is && *name; is++, name++)
		if (*is != *name && !(strchr("-_", *is) && strchr("-_", *name)))
			return false;
	return *is == *name;
}

bool cmdline_has(const char *cmdline, const char *name)
{
	struct param param;
	bool found = false;

	while (!found && param_next(&cmdline, &param)) {
		found = param_is(&param, name);
		param_free(&param);
	}
	return found;
}

/* Is one of the words of @value, between commas, @word? If not @whole: does one begin with it? */
static bool has_word(const char *value, const char *word, bool whole)
{
	size_t len = strlen(word);

	while (value && (strncmp(value, word, len) ||
			 (whole && value[len] && value[len] != ','))) {
		value = strchr(value, ',');
		value += !!value;
	}
	return value;
}

bool cmdline_promises(const char *cmdline, const char *version)
{
	struct param param;
	bool found = false;

	while (!found && param_next(&cmdline, &param)) {
		found = param_is(&param, "kho_restores") && has_word(param.value, version, true);
		param_free(&param);
	}
	return found;
}

const char *cmdline_untranslated(const char *cmdline)
{
	bool iommu = false, intel = false;
	struct param param;

	while (param_next(&cmdline, &param)) {
		if (param_is(&param, "iommu"))
			iommu |= has_word(param.value, "off", false);
		/* Of these the last one holds. */
		else if (param_is(&param, "intel_iommu") && has_word(param.value, "off", false))
			intel = true;
		else if (param_is(&param, "intel_iommu") && has_word(param.value, "on", false))
			intel = false;
		param_free(&param);
	}
	return intel ? "intel_iommu=off" : iommu ? "iommu=off" : NULL;
}

/* A number and perhaps K, M, G or T, as the kernel's memparse() */
static uint64_t parse_size(const char *value, char **end)
{
	static const char units[] = "KMGT";
	uint64_t size = strtoull(value, end, 0);
	const char *unit = **end ? strchr(units, toupper((unsigned char)**end)) : NULL;

	if (!unit)
		return size;
	++*end;
	return size << 10 * (unit - units + 1);
}

/* "N", or "NODE:N,NODE:N" */
static uint64_t count_huge(const char *value)
{
	uint64_t nr = 0;
	char *end;

	for (;;) {
		const char *colon = strchr(value, ':'), *comma = strchr(value, ',');

		if (colon && (!comma || colon < comma))
			value = colon + 1;
		nr += strtoull(value, &end, 0);
		if (*end != ',')
			return nr;
		value = end + 1;
	}
}

/* How many bytes of huge pages does a command line ask for? */
uint64_t cmdline_huge(const char *cmdline)
{
	uint64_t size = 0, usual = 2 << 20, bytes = 0, nr_usual = 0;
	struct param param;
	char *end;

	while (param_next(&cmdline, &param)) {
		if (!param.value)
			;
		else if (param_is(&param, "hugepagesz"))
			size = parse_size(param.value, &end);
		else if (param_is(&param, "default_hugepagesz"))
			usual = parse_size(param.value, &end);
		else if (param_is(&param, "hugepages") && size)
			bytes += count_huge(param.value) * size;
		else if (param_is(&param, "hugepages"))
			nr_usual = count_huge(param.value);
		if (param.value && param_is(&param, "default_hugepagesz"))
			size = usual;
		param_free(&param);
	}
	return bytes + nr_usual * usual;
}

/*
 * How many bytes does crashkernel= ask for on a machine with that much memory? Its value is a size,
 * or sizes for ranges of memory ("1G-4G:128M,4G-:256M"), and then perhaps "@" and where.
 */
uint64_t cmdline_crash(const char *cmdline, uint64_t ram)
{
	struct param param;
	uint64_t asked = 0;

	while (param_next(&cmdline, &param)) {
		const char *at = param_is(&param, "crashkernel") ? param.value : NULL;

		while (at && *at) {
			uint64_t from = 0, to = UINT64_MAX, size;
			char *end;

			size = parse_size(at, &end);
			if (*end == '-') {
				from = size;
				if (end[1] != ':')
					to = parse_size(end + 1, &end);
				else
					end++;
				if (*end != ':')
					break;
				size = parse_size(end + 1, &end);
			}
			if (ram >= from && ram < to && size > asked)
				asked = size;
			at = strchr(end, ',');
			at += !!at;
		}
		param_free(&param);
	}
	return asked;
}

char *cmdline_next_kernel(const char *own, const char *append)
{
	struct param param;
	const char *end = own;

	if (!own || !append)
		return xstrdup(own ? own : append ? append : "");
	while (param_next(&end, &param))
		param_free(&param);
	/* What is behind "--" is for init: more for the kernel has to come before it. */
	return xasprintf("%.*s%s%s%s%s", (int)(end - own), own,
			 end > own && !is_space(end[-1]) ? " " : "", append, *end ? " " : "", end);
}
