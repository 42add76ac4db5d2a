# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A disk attached "readonly" cannot be changed, and several may read it.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
random_image disk 8
before=$(sum cat "$IMAGE")
attach_disk d1 "path=$IMAGE,readonly"
[ "$(lab_domu_exec d1 cat "/sys/block/${DISK#/dev/}/ro")" = 1 ] ||
	lab_fail "the disk is not read-only in the domU"
for command in "dd if=/dev/zero of=$DISK bs=4k count=1 oflag=direct" \
	"blkdiscard $DISK" "blkdiscard -z $DISK"; do
	! lab_domu_exec d1 "$command 2>&1" || lab_fail "$command succeeded"
done
attach_disk d1 "path=$IMAGE,readonly"
[ "$(lab_domu_exec d1 "sha256sum <$DISK" | cut -d' ' -f1)" = "$before" ] ||
	lab_fail "the second reader sees something else"
! lab_attach d1 "type=blk,path=$IMAGE" ||
	lab_fail "a writer was admitted beside two readers"
[ "$(sum cat "$IMAGE")" = "$before" ] || lab_fail "the image has changed"
lab_pass
