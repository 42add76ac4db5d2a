# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A disk that somebody else writes is refused, one line says why; so is a daemon
# that does not run.
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

taken() { # PATTERN SPEC
	refused "$1" xen-virtio attach d1 "$2"
}

lab_domu_create d1
lab_domu_wait d1
image disk 16M
taken 'xen-virtiod' "type=blk,path=$IMAGE"
refused 'xen-virtiod' xen-virtio list
lab_start_daemon
refused 'running|already' timeout 60 xen-virtiod -f

attach_disk d1 "path=$IMAGE"
taken 'in use' "type=blk,path=$IMAGE"
taken 'in use' "type=blk,path=$IMAGE,readonly"
ln "$IMAGE" "$CASE_DIR/other-name"
taken 'in use' "type=blk,path=$CASE_DIR/other-name"
fio_verify d1 "$DISK" --bs=4k --size=256k
detach d1 "$DEV"

image fs 16M
mke2fs -q -F "$IMAGE"
loop=$(losetup --find --show "$IMAGE")
mkdir "$CASE_DIR/mnt"
mount "$loop" "$CASE_DIR/mnt"
taken 'in use|busy' "type=blk,path=$loop"
umount "$CASE_DIR/mnt"
attach_disk d1 "path=$loop"
lab_pass
