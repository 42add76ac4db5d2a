# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# From 1 to 64 queues of 64 to 1024 entries, on four processors and on one: I/O
# through every one of them, verified (R1, R13).
# lab: suites=bookworm guests=pv timeout=900
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/vqt.sh
. /lab/dom0/vqt.sh

lab_start_daemon
image disk 64M

lab_log "virtio_blk"
lab_domu_create d1 vcpus=4
for how in "1 64" "1 512" "1 1024" "4 256" "16 1024" "64 64" "64 1024"; do
	read -r queues size <<<"$how"
	attach_disk d1 "path=$IMAGE,queues=$queues,queue_size=$size"
	used=$(lab_domu_exec d1 "ls /sys/block/${DISK#/dev/}/mq | wc -l")
	[ "$used" = $((queues < 4 ? queues : 4)) ] ||
		lab_fail "$used of $queues queues are used"
	fio_verify d1 "$DISK" --bsrange=4k-128k --size=4m --numjobs=4 \
		--ioengine=libaio --iodepth=64
	detach d1 "$DEV"
done
lab_domu_destroy d1

# virtio_blk has no more queues than processors: this module uses them all.
for vcpus in 4 1; do
	lab_log "all queues, $vcpus processors"
	vqt_domu d1 vcpus=$vcpus memory=768
	for how in "64 64 0" "64 1024 0" "16 1024 1" "4 256 1" "1 512 0" \
		"1 1024 0" "1 1024 1"; do
		read -r queues size packed <<<"$how"
		vqt_attach d1 \
			"path=$IMAGE,queues=$queues,queue_size=$size,packed=$packed"
		vqt_run d1 $((1 + 2 * queues)) io_only=1
		kind='split'
		[ "$packed" = 0 ] || kind='packed'
		grep -q "^# $kind rings, $queues queues of " "$CASE_DIR/ktap" ||
			lab_fail "not $queues $kind queues"
		detach d1 "$DEV"
	done
	lab_domu_destroy d1
done
lab_pass
