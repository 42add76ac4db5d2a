# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The daemon is stopped under I/O: clean end; a new one serves again (R3).
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
image disk 16M
attach_disk d1 "path=$IMAGE,poll_us=1000"
lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw --bs=16k \
	--ioengine=libaio --iodepth=64 --direct=1 --time_based --runtime=300" \
	>"$CASE_DIR/fio" 2>&1 &
wait_busy d1 "$DISK" 4
lab_stop_daemon || lab_fail "the daemon does not end"
not_held "$IMAGE" || lab_fail "the image is still open"
lab_wait_for 20 no_load || lab_fail "fio hangs"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are mapped"

lab_log "again"
lab_start_daemon
lab_domu_exec d1 "echo virtio-$DEV \
	>/sys/bus/xen/drivers/xen-virtio-front/unbind
	rmmod xen_virtio_front && insmod /lab/xen-virtio-front.ko"
wait_disk d1
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=32
detach d1 "$DEV"

lab_log "and killed"
attach_disk d1 "path=$IMAGE"
worker=$(workers)
kill -KILL "$(cat /run/lab/daemon.pid)"
lab_wait_for 35 _lab_pid_gone "$worker" || lab_fail "the worker lives on"
not_held "$IMAGE" || lab_fail "the image is still open"
lab_start_daemon
guest_wait d1 40 "! [ -b $DISK ]" || lab_fail "the dead disk stays"
detach d1 "$DEV"
attach_disk d1 "path=$IMAGE"
fio_verify d1 "$DISK" --bs=4k
lab_pass
