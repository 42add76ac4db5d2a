# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Flush, discard, write-zeroes, serial number and the limits in sysfs.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
random_image disk 16
attach_disk d1 "path=$IMAGE,serial=S3r-iAl_01234567890x"

sysfs() { # FILE EXPECTED
	local value

	value=$(lab_domu_exec d1 cat "/sys/block/${DISK#/dev/}/$1")
	[ "$value" = "$2" ] || lab_fail "$1 is '$value' instead of '$2'"
}

sysfs serial S3r-iAl_01234567890x
sysfs cache_type 'write back'
sysfs queue/physical_block_size 4096
sysfs queue/minimum_io_size 4096
sysfs queue/discard_granularity 4096
lab_domu_exec d1 "echo 'write through' >/sys/block/${DISK#/dev/}/cache_type"
sysfs cache_type 'write through'
fio_verify d1 "$DISK" --bs=4k --size=256k --ioengine=psync --offset=8m
lab_domu_exec d1 "echo 'write back' >/sys/block/${DISK#/dev/}/cache_type"
fio_verify d1 "$DISK" --bs=4k --size=256k --ioengine=psync --fsync=8 --offset=8m

tail=$(sum tail -c 12M "$IMAGE")
used=$(stat -c %b "$IMAGE")
lab_domu_exec d1 blkdiscard -o 0 -l 2M "$DISK"
[ $((used - $(stat -c %b "$IMAGE"))) -ge 4000 ] ||
	lab_fail "discard did not make a hole: $used, $(stat -c %b "$IMAGE")"
lab_domu_exec d1 blkdiscard -z -o 2M -l 2M "$DISK"
cmp -n $((4 << 20)) "$IMAGE" /dev/zero || lab_fail "the ranges are not zero"
[ "$(sum tail -c 12M "$IMAGE")" = "$tail" ] ||
	lab_fail "more was cleared than asked for"
lab_pass
