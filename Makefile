# SPDX-License-Identifier: GPL-2.0-only
# The only entry point: every target calls a script in scripts/. `make help` lists them.

export KERNEL_SRC
T ?=
CONFIG ?= base
B ?=

.DEFAULT_GOAL := build
.PHONY: build setup prepare run test check bench refresh clean help

build: setup ## build the kernel (CONFIG=base|debug|security|selftest|stock) and the VM's initrd, from whatever state the folder is in
	@scripts/prepare
	@scripts/build $(CONFIG)
	@if [ $(CONFIG) != base ] && [ ! -d build/headers ]; then scripts/build base; fi
	@scripts/initrd

run: build ## boot it in QEMU, hand over to the next kernel, and show what survived
	@scripts/run

test: setup ## run all tests; T=name runs one (T='vm-*,name2' several)
	@scripts/test $(if $(T),'$(T)')

check: setup ## static checks: sparse, W=1, checkpatch, kernel-doc, shellcheck, and that refreshing changes nothing
	@scripts/check

bench: setup ## print the figures of the README; B='files 256 1024' only one table and these sizes, in MiB
	@scripts/bench $(B)

refresh: setup ## put the edits made in build/tree to existing files into patches/
	@scripts/refresh

prepare: setup ## only prepare build/tree: source, patches, our files
	@scripts/prepare

setup: ## only install the Debian packages that are missing
	@scripts/setup

kernel-%: setup ## build one kernel: kernel-base, kernel-debug, kernel-security, kernel-selftest, kernel-stock
	@scripts/prepare
	@scripts/build $*

clean: ## remove everything that was built, fetched or logged
	rm -rf build

help: ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z%-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14
	@echo 'Variables: CONFIG=base|debug|security|selftest|stock, T=test, B=rows, KERNEL_SRC=TARBALL|DIRECTORY (a 6.12.y source instead of the package)'
