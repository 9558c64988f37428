// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl timeline: as a drawing. Above, the blackout: a bar for each stage in it, along one axis.
 * Below, a table of what came before and after, which would not fit the same axis.
 */
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

#define WIDTH		960
#define LEFT		230	/* where the axis begins */
#define RIGHT		120	/* room for durations behind the bars */
#define ROW		24
#define TOP		76
/* More rows than that are for nobody to read. */
#define ROWS_MAX	1000

static void put_xml(FILE *to, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '&':
			fputs("&amp;", to);
			break;
		default:
			if (*text >= ' ' && *text <= '~')
				fputc(*text, to);
			else
				fprintf(to, "\\%03o", (unsigned char)*text);
		}
	}
}

static bool in_blackout(const struct timeline *timeline, const struct stage *stage)
{
	return timeline->blackout > 0 && stage->begin >= 0 &&
	       stage->begin + stage->duration <= timeline->blackout;
}

static void put_text(FILE *to, int x, int y, const char *class, const char *text)
{
	fprintf(to, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	put_xml(to, text);
	fputs("</text>\n", to);
}

static void put_name(FILE *to, int y, const struct stage *stage)
{
	char *name = xasprintf("%s: %s%s%.16s", stage->kernel, stage->name,
			       strcmp(stage->what, "-") ? " " : "",
			       strcmp(stage->what, "-") ? stage->what : "");

	put_text(to, LEFT - 10, y, "name", name);
	free(name);
}

/* A distance between marks of which some ten fit: 1, 2 or 5 times a power of ten */
static int64_t mark_distance(int64_t span)
{
	int64_t distance = 1, power;

	for (power = 1; power <= span; power *= 10) {
		if (span / power <= 10)
			return power;
		if (span / (2 * power) <= 10)
			return 2 * power;
		if (span / (5 * power) <= 10)
			return 5 * power;
		distance = power;
	}
	return distance;
}

static void put_axis(FILE *to, const struct timeline *timeline, int rows)
{
	int64_t step = mark_distance(timeline->blackout), at;
	double scale = (double)(WIDTH - LEFT - RIGHT) / timeline->blackout;
	char text[32];

	for (at = 0; at <= timeline->blackout; at += step) {
		fprintf(to, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" class=\"mark\"/>\n",
			LEFT + at * scale, TOP - 6, LEFT + at * scale, TOP + rows * ROW);
		fprintf(to, "<text x=\"%.1f\" y=\"%d\" class=\"axis\">%s</text>\n",
			LEFT + at * scale, TOP - 10, at ? format_ns(text, at) : "0");
	}
}

static void put_bar(FILE *to, const struct timeline *timeline, const struct stage *stage, int y)
{
	double scale = (double)(WIDTH - LEFT - RIGHT) / timeline->blackout;
	double width = stage->duration * scale < 1 ? 1 : stage->duration * scale;
	char text[32];

	fprintf(to, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"%s\"><title>",
		LEFT + stage->begin * scale, y + 4, width, ROW - 8,
		strcmp(stage->kernel, "old") ? "next" : "old");
	put_xml(to, stage_words(stage->name));
	fputs("</title></rect>\n", to);
	fprintf(to, "<text x=\"%.1f\" y=\"%d\" class=\"value\">%s</text>\n",
		LEFT + stage->begin * scale + width + 5, y + 16, format_ns(text, stage->duration));
	put_name(to, y + 16, stage);
}

static void put_row(FILE *to, const struct stage *stage, int y)
{
	char text[32];
	char *begin = xasprintf("at %s", format_ns(text, stage->begin));

	put_name(to, y + 16, stage);
	put_text(to, LEFT, y + 16, "value", format_ns(text, stage->duration));
	put_text(to, LEFT + 110, y + 16, "value", begin);
	put_text(to, LEFT + 240, y + 16, "value", stage_words(stage->name));
	free(begin);
}

/**
 * timeline_svg - draw a timeline
 * @to: where to
 * @timeline: with one stage at least
 */
void timeline_svg(FILE *to, const struct timeline *timeline)
{
	size_t nr = timeline->nr < ROWS_MAX ? timeline->nr : ROWS_MAX, i;
	int inside = 0, y = TOP, height;
	char text[32], *title;

	for (i = 0; i < nr; i++)
		inside += in_blackout(timeline, &timeline->stage[i]);
	height = TOP + nr * ROW + (inside < (int)nr ? 50 : 0) + (nr < timeline->nr ? ROW : 0) + 20;
	title = timeline->blackout >= 0 ?
		xasprintf("Kexec handover: blackout %s", format_ns(text, timeline->blackout)) :
		xstrdup("Kexec handover");

	fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
		WIDTH, height, WIDTH, height);
	fputs("<style>\n"
	      "text { font: 13px sans-serif; fill: #222; }\n"
	      ".title { font-size: 18px; font-weight: bold; }\n"
	      ".name { text-anchor: end; }\n"
	      ".axis { text-anchor: middle; font-size: 11px; fill: #555; }\n"
	      ".value { font-size: 12px; }\n"
	      ".head { font-weight: bold; }\n"
	      ".mark { stroke: #ddd; }\n"
	      ".old { fill: #c8642c; }\n"
	      ".next { fill: #2c6fb0; }\n"
	      "</style>\n", to);
	fprintf(to, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", WIDTH, height);
	put_text(to, 20, 30, "title", title);
	free(title);

	if (inside)
		put_axis(to, timeline, inside);
	for (i = 0; i < nr; i++) {
		if (!in_blackout(timeline, &timeline->stage[i]))
			continue;
		put_bar(to, timeline, &timeline->stage[i], y);
		y += ROW;
	}
	if (inside < (int)nr) {
		y += 30;
		put_text(to, 20, y, "head", inside ? "Before and after it" : "Stages");
		y += 8;
	}
	for (i = 0; i < nr; i++) {
		if (in_blackout(timeline, &timeline->stage[i]))
			continue;
		put_row(to, &timeline->stage[i], y);
		y += ROW;
	}
	if (nr < timeline->nr) {
		title = xasprintf("and %zu more stages, which are not drawn", timeline->nr - nr);
		put_text(to, 20, y + 16, "head", title);
		complain("only the first %zu of %zu stages are drawn", nr, timeline->nr);
		free(title);
	}
	fputs("</svg>\n", to);
}
