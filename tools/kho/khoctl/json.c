// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl: writes JSON. Numbers that are addresses or checksums are strings, as many readers of
 * JSON know no integers of 64 bits. Bytes that are no UTF-8 become U+FFFD. It is ASCII, so that a
 * terminal may show it: there are characters that it would obey, or that turn a text round.
 */
#include <string.h>

#include "khoctl.h"

/* Length of the UTF-8 character at @s, which is @ch; 0 when it is none. */
static size_t utf8_char(const unsigned char *s, size_t len, uint32_t *ch)
{
	size_t n, i;
	uint32_t c;

	*ch = s[0];
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] < 0xe0)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] < 0xf0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] < 0xf5)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	c = s[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	*ch = c;
	return n;
}

static void put_char(FILE *to, uint32_t c)
{
	if (c == '"' || c == '\\')
		fprintf(to, "\\%c", (int)c);
	else if (c >= ' ' && c < 0x7f)
		fputc(c, to);
	else if (c < 0x10000)
		fprintf(to, "\\u%04x", c);
	else
		fprintf(to, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + (c & 0x3ff));
}

static void put_string(FILE *to, const char *value, size_t len)
{
	const unsigned char *s = (const unsigned char *)value;
	uint32_t c;
	size_t n;

	fputc('"', to);
	for (; len; s += n, len -= n) {
		n = utf8_char(s, len, &c);
		put_char(to, n ? c : 0xfffd);
		n = n ? n : 1;
	}
	fputc('"', to);
}

/* What comes before a value */
static void begin(struct json *json, const char *key)
{
	if (json->comma)
		fputc(',', json->to);
	if (json->depth)
		fprintf(json->to, "\n%*s", 2 * json->depth, "");
	if (key) {
		put_string(json->to, key, strlen(key));
		fputs(": ", json->to);
	}
	json->comma = true;
}

void json_open(struct json *json, const char *key, char bracket)
{
	begin(json, key);
	fputc(bracket, json->to);
	json->depth++;
	json->comma = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->comma)
		fprintf(json->to, "\n%*s", 2 * json->depth, "");
	fputc(bracket, json->to);
	json->comma = true;
	if (!json->depth)
		fputc('\n', json->to);
}

void json_bytes(struct json *json, const char *key, const char *value, size_t len)
{
	begin(json, key);
	put_string(json->to, value, len);
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (value)
		json_bytes(json, key, value, strlen(value));
	else
		json_null(json, key);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->to, "%llu", (unsigned long long)value);
}

void json_s64(struct json *json, const char *key, int64_t value)
{
	begin(json, key);
	fprintf(json->to, "%lld", (long long)value);
}

void json_hex(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->to, "\"%#llx\"", (unsigned long long)value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin(json, key);
	fputs(value ? "true" : "false", json->to);
}

void json_null(struct json *json, const char *key)
{
	begin(json, key);
	fputs("null", json->to);
}
