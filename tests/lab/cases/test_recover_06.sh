# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A worker is killed with small requests in flight, which io_uring has: dom0
# clean, no grant left (R3, T10).
# lab: suites=bookworm,trixie guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

in_flight() { # the disk has requests of each kind
	local reads writes

	read -r reads writes <"/sys/block/${IMAGE#/dev/}/inflight"
	[ "$reads" -gt 4 ] && [ "$writes" -gt 4 ]
}

lab_start_daemon
lab_domu_create d1
late_disk 32 2000000000
attach_disk d1 "path=$IMAGE"
lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw --bssplit=4k/50:64k/50 \
	--ioengine=libaio --iodepth=64 --direct=1 --time_based \
	--runtime=300" >"$CASE_DIR/fio" 2>&1 &
lab_wait_for 30 in_flight || lab_fail "nothing is in flight"
worker=$(workers)
kill -KILL "$worker"
lab_wait_for 10 _lab_pid_gone "$worker" || lab_fail "the worker does not die"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are left mapped"
lab_wait_for 20 no_load || lab_fail "fio hangs"
grep -q 'error' "$CASE_DIR/fio" || lab_fail "fio was not disturbed"
lab_domu_destroy d1
# The kernel does not let go of the disk before it is done with it.
lab_wait_for 20 late_disk_gone || lab_fail "the disk stays in use"
lab_pass
