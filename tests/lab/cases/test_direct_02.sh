# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A worker is killed with direct grants in flight, taken by copy and by map: dom0
# clean, no grant left (R3, T10).
# lab: suites=bookworm,trixie guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

in_flight() { # the disk has requests of each kind
	local reads writes

	read -r reads writes <"/sys/block/${IMAGE#/dev/}/inflight"
	[ "$reads" -gt 1 ] && [ "$writes" -gt 1 ]
}

lab_start_daemon
late_disk 64 2000000000
for spec in direct-grants=copy direct-grants=map; do
	lab_domu_create d1
	attach_disk d1 "path=$IMAGE,dma=direct,$spec"
	lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw --bs=64k \
		--ioengine=libaio --iodepth=32 --direct=1 --time_based \
		--runtime=300" >"$CASE_DIR/fio" 2>&1 &
	lab_wait_for 60 in_flight || lab_fail "$spec: nothing is in flight"
	worker=$(workers)
	kill -KILL "$worker"
	lab_wait_for 10 _lab_pid_gone "$worker" ||
		lab_fail "$spec: the worker does not die"
	[ "$(guest_grants "$(xl domid d1)")" = 0 ] ||
		lab_fail "$spec: grants are left mapped"
	lab_wait_for 20 no_load || lab_fail "$spec: fio hangs"
	grep -q 'error' "$CASE_DIR/fio" || lab_fail "$spec: fio was not disturbed"
	# Its statistics are gone with the device.
	! lab_domu_exec d1 'dmesg | grep "still mapped"' ||
		lab_fail "$spec: quarantine"
	lab_domu_destroy d1
	lab_wait_for 20 not_held "$IMAGE" || lab_fail "$spec: the disk is held"
done
# The kernel does not let go of the disk before it is done with it.
lab_wait_for 20 late_disk_gone || lab_fail "the disk stays in use"
lab_pass
