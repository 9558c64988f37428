#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vfio-frozen: from activate to its undoing, whatever would stop a preserved device or change what it has mapped fails with
# EBUSY; what does not concern it works; before and after, all works.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib
# shellcheck source=../lib/vfio-lib.sh
. vfio-lib

# each RESULT-PREFIX: everything that the device must not see between activate and the jump
each() {
	# Mappings, and what it is attached to
	try "$1 map 1 0x20000" "$1 unmap 0x10000" "$1 attach-table" "$1 detach" "$1 table plain"
	# The device
	try "$1 reset" "$1 low-power" "$1 power 3"
}

address=$(nics | head -n 1)
to_vfio "$address"
keep_try "open $address" iommufd bind "file 4" ioas "map 0 0x10000" ioas "map 2 0x10000" "use 0" "table plain" attach \
	"session s" "preserve file 1" "preserve iommufd 2" "preserve device 3"

# Preserved is not frozen.
try "map 1 0x20000" "unmap 0x20000" reset "msix 2" "msix 0" "intx on" "intx off" "power 3" "power 0" detach attach

activate 1
each EBUSY
# An address space that no preserved device uses
try "use 1" "unmap 0x10000" "map 2 0x10000" ioas "map 2 0x10000" "unmap 0x10000" "use 0"
# Interrupts, and reading
try "msix 2" "signals 0 0" "msix 0" "intx on" "signals 0" "intx off" "config 0 0x8086"
finalize 1
each EBUSY
finalize 0
each EBUSY
activate 0

# ("power 3" is followed by "power 0", and so on.)
try "map 1 0x20000" "unmap 0x20000" "table plain" attach-table attach reset low-power wake "power 3" "power 0" "intx on" \
	"intx off" detach attach

# Whoever dies meanwhile leaves nothing behind.
activate 1
try "EBUSY unmap 0x10000"
end_try
activate 0
nothing_left
keep_try "open $address" iommufd bind "file 1" ioas "map 0 0x10000" attach "unmap 0x10000" detach reset
end_try
