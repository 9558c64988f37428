// SPDX-License-Identifier: GPL-2.0-only
/*
 * kho-stall: a guest for khoctl rehearse, that fills one hole after the other of a file that is in
 * a session, and reads again what it wrote.
 *
 *	kho-stall NAME FILE
 *
 * The session is NAME. FILE gets two numbers, some times in a second: how many holes were filled,
 * and the longest that one took, in microseconds. It ends with 1 when a byte is not what it was.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kho_session.h"

#define PAGE		4096UL
#define PAGES		65536UL
#define BETWEEN_US	2000
#define TOLD_EVERY	16

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* In one write: who reads it finds both numbers. */
static void tell(int fd, unsigned long filled, int64_t longest)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%lu %lld\n", filled, (long long)longest);

	if (pwrite(fd, text, len, 0) != len)
		err(1, "its numbers cannot be written");
}

int main(int argc, char **argv)
{
	int session, file, numbers;
	int64_t longest = 0, began;
	uint64_t *mem, page;

	if (argc != 3)
		errx(1, "NAME and FILE are wanted");
	file = memfd_create("guest", 0);
	if (file < 0 || ftruncate(file, PAGES * PAGE))
		err(1, "no memory");
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	session = kho_session_create(argv[1]);
	if (mem == MAP_FAILED || session < 0 || kho_session_preserve(session, file, 1))
		err(1, "the session");
	numbers = open(argv[2], O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (numbers < 0)
		err(1, "%s", argv[2]);
	for (page = 0; page < PAGES; page++) {
		began = now_us();
		mem[page * PAGE / 8] = page + 1;
		began = now_us() - began;
		longest = began > longest ? began : longest;
		if (page && mem[page / 2 * PAGE / 8] != page / 2 + 1)
			errx(1, "page %llu is not what it was", (unsigned long long)page / 2);
		if (page % TOLD_EVERY == 0)
			tell(numbers, page, longest);
		usleep(BETWEEN_US);
	}
	pause();
	return 0;
}
