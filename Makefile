# SPDX-License-Identifier: GPL-2.0-only
# The only entry point: every target calls a script in scripts/. `make help` lists them.

export KERNEL_SRC
VMM ?= sample
export VMM
T ?=
# (before CONFIG gets its default)
SOAK_CONFIG := $(or $(CONFIG),selftest)
CONFIG ?= base
B ?=
FLAVOUR ?= cloud
SUFFIX ?=
SIGN_KEY ?=
SIGN_CERT ?=
export FLAVOUR SUFFIX SIGN_KEY SIGN_CERT

.DEFAULT_GOAL := build
.PHONY: build setup prepare run test check docs soak bench refresh khoctl install deb clean help

build: setup ## build the kernel (CONFIG=base|debug|distro|selftest|stock) and the VM's initrd, from whatever state the folder is in
	@scripts/prepare
	@scripts/build $(CONFIG)
	@if [ $(CONFIG) != base ] && [ ! -d build/headers ]; then scripts/build base; fi
	@scripts/initrd

run: build ## boot it in QEMU, hand over to the next kernel, and show what survived; VMM=qemu: a guest of an unmodified QEMU
	@[ '$(VMM)' != qemu ] || { scripts/qemu >/dev/null && scripts/build guest; }
	@scripts/run

test: setup ## run the tests, each promise once; FULL=1 runs everything, T=name one (T='vm-*,name2' several)
	@scripts/test $(if $(T),'$(T)')

check: setup ## static checks: sparse, W=1, checkpatch, kernel-doc, shellcheck, the documentation, and that refreshing changes nothing
	@scripts/check

docs: setup ## the documentation as HTML, in build/docs
	@scripts/docs

bench: setup ## print the figures of README.md and figures.rst; B='files 256 1024' only one table and these sizes, in MiB; B=blackout by the memory of the machine; B=upstream beside Linux 7.3
	@scripts/bench $(B)

refresh: setup ## put the edits made in build/tree to existing files into patches/
	@scripts/refresh

soak: setup ## many handovers in a row with programs killed, steps refused, allocations failing (N=100 SEED= CONFIG=selftest)
	@scripts/prepare
	@scripts/build base
	@scripts/build $(SOAK_CONFIG)
	@CONFIG=$(SOAK_CONFIG) scripts/soak $(or $(N),100) $(SEED)

prepare: setup ## only prepare build/tree: source, patches, our files
	@scripts/prepare

setup: ## only install the Debian packages that are missing
	@scripts/setup

kernel-%: setup ## build one kernel: kernel-base, kernel-debug, kernel-distro, kernel-no-sessions, kernel-selftest, kernel-stock
	@scripts/prepare
	@scripts/build $*

khoctl: ## only build khoctl, the operator's tool: needs gcc and libfdt-dev, nothing else
	@[ ! -e build ] || [ -w build ] || { echo "make: build/ belongs to $$(stat -L -c %U build): run this as that user, or remove it" >&2; exit 1; }
	@$(MAKE) -s -C tools/kho/khoctl
	@echo 'build/user/khoctl'

install: khoctl ## install khoctl, its man page and completion, systemd's units, what an initramfs needs, kho-qemu and libliveupdate; DESTDIR=, PREFIX=/usr/local
	@$(MAKE) -C tools/kho/khoctl install
	@$(MAKE) -C tools/kho/systemd install
	@$(MAKE) -C tools/kho/initramfs install
	@if [ -d build/headers ]; then $(MAKE) -C tools/kho install && $(MAKE) -C tools/kho/lib install; \
	else echo "make: kho-qemu and libliveupdate are left out, as they need this kernel's headers: make kernel-base"; fi

deb: setup ## Debian packages in build/deb: the kernel (FLAVOUR=cloud|amd64|vm), kho-tools, libliveupdate1 and -dev; SIGN_KEY= SIGN_CERT= signs the kernel
	@scripts/deb

clean: ## remove everything that was built, fetched or logged
	@[ ! -e build/.root ] || rm -rf "$$(readlink -f build)"
	rm -rf build

help: ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z%-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14
	@echo 'Variables: CONFIG=base|debug|distro|selftest|stock, VMM=sample|qemu, T=test, FULL=1, OLDER=IMAGE, FLAVOUR=cloud|amd64|vm, SUFFIX=-kho (what ends the version of a packaged kernel), SIGN_KEY=FILE, SIGN_CERT=FILE, B=rows, N=handovers, SEED=number, KERNEL_SRC=TARBALL|DIRECTORY (a 6.12.y source instead of the package), UPSTREAM_SRC=DIRECTORY (a 7.3 source likewise), UPSTREAM=IMAGE (a 7.3 kernel, for B=upstream)'
