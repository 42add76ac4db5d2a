# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Errors of the backing device are I/O errors of the disk, no more (R10).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
slow_disk 16
attach_disk d1 "path=$IMAGE"
fio_verify d1 "$DISK" --bs=4k --size=1m
# The second MiB of the disk fails now.
dmsetup --noudevsync suspend --nolockfs slow
printf '%s\n' "0 2048 linear /dev/ram1 0" "2048 2048 error" \
	"4096 $((SLOW_SECTORS - 4096)) linear /dev/ram1 4096" |
	dmsetup --noudevsync load slow
dmsetup --noudevsync resume slow
for command in "dd if=$DISK iflag=direct of=/dev/null bs=64k skip=16 count=1" \
	"dd if=/dev/zero of=$DISK oflag=direct bs=64k seek=20 count=1"; do
	! lab_domu_exec d1 "$command 2>&1" || lab_fail "$command succeeded"
done
fio_verify d1 "$DISK" --bs=64k --offset=2m --ioengine=libaio --iodepth=16
[ "$(stat_of d1 "$DEV" broken)" = 0 ] || lab_fail "the device is broken"
detach d1 "$DEV"

lab_log "no space left"
truncate -s 4M "$CASE_DIR/small"
mke2fs -q -t ext4 -O ^has_journal "$CASE_DIR/small"
mkdir "$CASE_DIR/mnt"
mount -o loop "$CASE_DIR/small" "$CASE_DIR/mnt"
truncate -s 16M "$CASE_DIR/mnt/disk"
attach_disk d1 "path=$CASE_DIR/mnt/disk"
! lab_domu_exec d1 "dd if=/dev/zero of=$DISK bs=1M oflag=direct 2>&1" ||
	lab_fail "16 MiB were written to 4"
lab_domu_exec d1 "dd if=$DISK of=/dev/null bs=1M iflag=direct status=none"
detach d1 "$DEV"
umount "$CASE_DIR/mnt"
lab_pass
