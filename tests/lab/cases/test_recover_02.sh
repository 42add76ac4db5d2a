# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A worker is killed with slow I/O in flight, straight between the disk and granted
# memory (libaio): dom0 clean, no grant left, the domU gets errors and can have the
# disk again (R3, T10).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

shown_broken() {
	xen-virtio list | grep -i -E 'ended|closed|error'
}

lab_start_daemon
lab_domu_create d1 vcpus=2
slow_disk 64
attach_disk d1 "path=$IMAGE,queues=2,io_uring=0"
fio_verify d1 "$DISK" --bs=4k --size=1m
slow_delay 3000
lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw --bs=128k \
	--ioengine=libaio --iodepth=64 --direct=1 --numjobs=2 --time_based \
	--runtime=300" >"$CASE_DIR/fio" 2>&1 &
wait_busy d1 "$DISK" 4
worker=$(workers)
lab_log "killing worker $worker"
kill -KILL "$worker"
lab_wait_for 10 _lab_pid_gone "$worker" || lab_fail "the worker does not die"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are left mapped"
lab_wait_for 20 no_load || lab_fail "fio hangs"
grep -q 'error' "$CASE_DIR/fio" || lab_fail "fio was not disturbed"
guest_wait d1 10 'dmesg | grep "the backend has gone"' ||
	lab_fail "the domU's log does not say what happened"
lab_daemon_alive || lab_fail "the daemon has died, too"
lab_wait_for 10 shown_broken ||
	lab_fail "list does not show that the device is broken"
slow_delay 0
detach d1 "$DEV"
attach_disk d1 "path=$IMAGE,queues=2"
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=32
detach d1 "$DEV"
lab_pass
