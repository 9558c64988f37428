#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# upstream NAME: a program of Linux 7.3's selftests, which is in /root, unchanged. Those that span a kexec run before and after.
set -e
# shellcheck source=../lib/kho-lib.sh
. kho-lib

# run PROGRAM [argument...]: it ends well
run() {
	say "$*"
	program=/root/$1
	shift
	"$program" "$@" >/tmp/out 2>&1 || {
		status=$?
		tail -n 40 /tmp/out
		fail "$program: exit status $status"
	}
	cat /tmp/out
}

# passed NR: so many of its cases did, and no other was there, or was left out
passed() {
	same "cases of $name that passed" "$(grep -c '^ok [0-9]' /tmp/out)" "$1"
	same "cases of $name that failed or were left out" "$(grep -c '^not ok\|# SKIP' /tmp/out || :)" 0
}

name=$1
case $name in
liveupdate)
	run liveupdate
	passed 15
	sessions_are
	nothing_left
	;;
luo_*)
	# (each says which stage it is in, and looks for the other's doing)
	if [ "$GENERATION" = 0 ]; then
		run "$name" -s 1
		live-update -- upstream "$name"
	fi
	run "$name" -s 2
	grep -q 'TEST PASSED' /tmp/out || fail "$name does not say that it has passed"
	sessions_are
	nothing_left
	;;
memfd_test)
	run memfd_test
	grep -q '^memfd: DONE' /tmp/out || fail "memfd_test did not come to its end"
	# (not with hugetlbfs, which holds F_SEAL_EXEC in no kernel)
	;;
iommufd)
	# IOMMU_IOAS_CHANGE_PROCESS, of what IOMMU_IOAS_MAP_FILE has mapped. (The cases with a domain, of files too, want a mock
	# that says what is in its device's cache, IOMMU_TEST_OP_DEV_CHECK_CACHE, which 6.12.y has not.)
	run iommufd -f change_process
	passed 3
	;;
vfio_*)
	# (an igb is what the tests have a driver for)
	case $name in
	vfio_pci_driver_test) address=$(devices 0x80860x10c9) ;;
	*) address=$(nics | head -n 1) ;;
	esac
	to_vfio "$address"
	echo 20 >/proc/sys/vm/nr_hugepages
	# (the other way to map, the container of vfio itself, is not in these kernels, nor do they get pages of 1 GiB)
	without='-V vfio_type1_iommu -V vfio_type1v2_iommu'
	for variant in vfio_type1_iommu vfio_type1v2_iommu iommufd_compat_type1 iommufd_compat_type1v2 iommufd; do
		without="$without -V ${variant}_anonymous_hugetlb_1gb"
	done
	for variant in vfio_type1_iommu vfio_type1v2_iommu; do
		without="$without -V ${variant}_anonymous -V ${variant}_anonymous_hugetlb_2mb"
	done
	# shellcheck disable=SC2086 # words
	run "$name" $without "$address"
	case $name in
	vfio_dma_mapping_test) passed 15 ;;
	vfio_iommufd_setup_test) passed 6 ;;
	vfio_pci_device_test) passed 5 ;;
	vfio_pci_driver_test) passed 21 ;;
	esac
	;;
*) fail "no such program: $name" ;;
esac
