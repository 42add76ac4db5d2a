# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A file system made, filled and unmounted in the domU is sound in dom0 (R2).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
image disk 96M
attach_disk d1 "path=$IMAGE"
lab_domu_exec d1 "set -e
	modprobe ext4; mke2fs -q -t ext4 $DISK
	mount -o discard $DISK /mnt
	mkdir /mnt/a
	for i in \$(seq 200); do
		head -c \$((i * 997)) /dev/urandom >/mnt/a/\$i
		[ \$((i % 7)) != 0 ] || rm /mnt/a/\$((i - 3))
	done
	fio --name=v --directory=/mnt --size=8m --rw=randrw --bsrange=1k-128k \
		--verify=crc32c --ioengine=libaio --iodepth=16 --fsync=32 \
		--thread --output=/tmp/fio
	fstrim /mnt
	umount /mnt; mount -o ro $DISK /mnt
	cd /mnt; sha256sum a/* >/tmp/sums; cd /; umount /mnt" ||
	lab_fail "the domU cannot use its file system"
lab_domu_exec d1 cat /tmp/sums >"$CASE_DIR/sums"
detach d1 "$DEV"
e2fsck -fn "$IMAGE" || lab_fail "the file system is damaged"
mkdir "$CASE_DIR/mnt"
mount -o loop,ro "$IMAGE" "$CASE_DIR/mnt"
(cd "$CASE_DIR/mnt" && sha256sum --quiet -c "$CASE_DIR/sums") ||
	lab_fail "files are damaged"
umount "$CASE_DIR/mnt"
lab_pass
