# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A worker that hangs: the disk can be detached, dom0 and the domU live (R4).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 extra="lab.modargs=close_timeout=5,request_timeout=5"
image disk 16M
attach_disk d1 "path=$IMAGE"
lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw --bs=16k \
	--ioengine=libaio --iodepth=64 --direct=1 --time_based --runtime=300" \
	>"$CASE_DIR/fio" 2>&1 &
fio=$!
wait_busy d1 "$DISK" 4
worker=$(workers)
kill -STOP "$worker"
lab_log "worker $worker is stopped"
lab_detach --timeout 60 d1 "$DEV" &
lab_wait_for 30 _lab_pid_gone "$fio" || lab_fail "fio hangs"
guest_wait d1 30 "! [ -b $DISK ]" || lab_fail "the disk stays"
guest_wait d1 10 'dmesg | grep -i "broken"' ||
	lab_fail "the domU's log does not say what happened"
lab_wait_for 60 _lab_pid_gone "$worker" || {
	kill -CONT "$worker"
	lab_fail "nobody has killed the worker"
}
wait $! || lab_fail "detach has failed"
lab_wait_for 10 not_held "$IMAGE" || lab_fail "the image is still open"
lab_daemon_alive || lab_fail "the daemon has died"
attach_disk d1 "path=$IMAGE"
fio_verify d1 "$DISK" --bs=4k
lab_pass
