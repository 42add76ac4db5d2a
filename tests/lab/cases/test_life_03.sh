# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A disk is pulled out under I/O, raw and mounted: errors, but no hang (R6).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
image disk 64M
attach_disk d1 "path=$IMAGE"
lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw --bs=16k \
	--ioengine=libaio --iodepth=64 --direct=1 --time_based --runtime=300" \
	>"$CASE_DIR/fio" 2>&1 &
wait_busy d1 "$DISK" 4
detach d1 "$DEV"
lab_wait_for 20 no_load || lab_fail "fio hangs after its disk has gone"
grep -q 'error' "$CASE_DIR/fio" || lab_fail "fio was not disturbed"

attach_disk d1 "path=$IMAGE"
lab_domu_exec d1 "modprobe ext4; mke2fs -q -t ext4 $DISK && mount $DISK /mnt"
# shellcheck disable=SC2016 # the domU expands it
lab_domu_exec d1 'i=0; while head -c 100k /dev/zero >/mnt/$i && sync /mnt/$i
	do i=$((i + 1)); done' >/dev/null 2>&1 &
guest_wait d1 30 "[ -e /mnt/3 ]" || lab_fail "nobody writes"
detach d1 "$DEV"
lab_wait_for 30 no_load || lab_fail "a writer hangs after its disk has gone"
lab_domu_exec d1 umount /mnt || lab_fail "cannot unmount"
not_held "$IMAGE" || lab_fail "the image is still open"
e2fsck -fy "$IMAGE" >/dev/null || [ $? -le 2 ] || lab_fail "damaged for good"

attach_disk d1 "path=$IMAGE"
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=16
lab_pass
