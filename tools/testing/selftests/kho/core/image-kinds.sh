#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# image-kinds: kinds of files that an image lists, or does not. One that cannot restore what is preserved in sessions is refused
# at load and at activate, by name; the first images, which listed no kinds at all, can restore four.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
dir=/sys/kernel/debug/kho_test
image=/tmp/bzImage
without() { image_without $image "$@"; }

keep 'memfd m 5 8' 'create s'
without memfd
load 0 $image
on 'preserve s m 1'
# loaded before it was preserved
activate 1 EPROTONOSUPPORT
error_says 'image: cannot restore files of the kind memfd-v1' allow_unreadable
state_is idle
expect EPROTONOSUPPORT jump
load EPROTONOSUPPORT $image
load 0
# loaded while active, and finalize asks again
activate 1
load EPROTONOSUPPORT $image
finalize 1
state_is final
finalize 0
activate 0

without kho-test-file
load 0 $image
on "open f $dir/file" 'fill f 1 7' 'preserve s f 2'
load EPROTONOSUPPORT $image
error_says 'the kind kho-test-file-v1'
echo 1 >$kho/allow_unreadable
load 0 $image
activate 1
activate 0
echo 0 >$kho/allow_unreadable
activate 1 EPROTONOSUPPORT
on 'close s'
activate 1
activate 0

# one of the first kernels
without memfd hugetlb iommufd vfio-pci kho-test-file
on 'create s' 'preserve s m 1'
load 0 $image
activate 1
activate 0
on 'preserve s f 2'
load EPROTONOSUPPORT $image
error_says 'the kind kho-test-file-v1'
on 'close s'
kill_keeper
load 0 $image
nothing_left
