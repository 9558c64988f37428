# SPDX-License-Identifier: GPL-2.0-only
# Builds the examples against the installed libliveupdate: its Makefile, where they are installed.
#
#   make [O=DIR]    a program for each example-*.c, in DIR (default: here)

O ?= .
PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -Wall -Wextra

programs := $(patsubst %.c,$(O)/%,$(wildcard example-*.c))

all: $(programs)

$(O)/%: %.c
	$(CC) $(CFLAGS) -D_GNU_SOURCE -o $@ $< $$($(PKG_CONFIG) --cflags --libs libliveupdate)

clean:
	rm -f $(programs)

.PHONY: all clean
