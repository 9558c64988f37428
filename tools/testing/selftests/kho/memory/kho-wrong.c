// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-wrong: a shared-memory file whose record says, with a checksum that is right,
 * that two of its pages are the same.
 *
 *	kho-wrong make LIST	make and preserve it and a file that stays right; a
 *				process stays. The test spoils the record. LIST gets where
 *				the page is that will be in no file, see kho-known.h
 *	kho-wrong check		one of the pages can be had, the other never, and it
 *				does not become a hole; all else is as ever
 */
#include "kho-file.h"
#include "../lib/kho-known.h"

#define PAGES	2000UL
#define FIRST	0UL
#define SECOND	1000UL
#define THIRD	1500UL

enum { WRONG = 1, RIGHT };

#define SEED	77
static const char *list;

static void make(void)
{
	int session = make_session("wrong", LIVEUPDATE_IOCTL_CREATE_SESSION);
	int token, fd;
	uint64_t *mem;

	for (token = WRONG; token <= RIGHT; token++) {
		fd = must(memfd_create("file", 0));
		must(ftruncate(fd, PAGES * PAGE));
		mem = map(fd, PAGES);
		fill_page(mem + FIRST * WORDS, token, FIRST);
		fill_page(mem + SECOND * WORDS, token, SECOND);
		fill_page(mem + THIRD * WORDS, token, THIRD);
		must(preserve(session, fd, token));
		if (token == WRONG)
			must(known_pages(mem + SECOND * WORDS, 1, SEED, list));
	}
	go_on();
}

static void check_wrong(int fd)
{
	uint64_t page[WORDS];

	must_all(PAGE, pread(fd, page, PAGE, FIRST * PAGE));
	check(page_is(page, WRONG, FIRST));
	refused(EIO, pread(fd, page, PAGE, SECOND * PAGE));
	refused(EIO, pwrite(fd, page, PAGE, SECOND * PAGE));
	must_all(PAGE, pread(fd, page, PAGE, (SECOND - 1) * PAGE));
	check(page_empty(page));
	must_all(PAGE, pread(fd, page, PAGE, THIRD * PAGE));
	check(page_is(page, WRONG, THIRD));
}

int main(int argc, char **argv)
{
	uint64_t page[WORDS];
	int session, fd, right;

	if (argc == 3 && !strcmp(argv[1], "make")) {
		list = argv[2];
		return in_background(make);
	}
	if (argc != 2 || strcmp(argv[1], "check"))
		return 2;

	session = make_session("wrong", LIVEUPDATE_IOCTL_RETRIEVE_SESSION);
	fd = retrieve(session, WRONG);
	check_wrong(fd);
	refused(EIO, lseek(fd, 0, SEEK_DATA));
	right = retrieve(session, RIGHT);
	finish(session);
	check_wrong(fd);
	refused(EBUSY, ftruncate(fd, 0));

	must_all(PAGE, pread(right, page, PAGE, SECOND * PAGE));
	check(page_is(page, RIGHT, SECOND));
	must_all(PAGE, pread(right, page, PAGE, THIRD * PAGE));
	check(page_is(page, RIGHT, THIRD));
	must(ftruncate(right, 0));
	return 0;
}
