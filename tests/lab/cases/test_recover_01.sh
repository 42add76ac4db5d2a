# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A domU is destroyed in the middle of I/O: daemon healthy, image closed (R5, T19).
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

no_zombie() {
	! xl list | grep -q '(null)'
}

no_nodes_of_it() {
	! virtio_nodes | grep -q "virtio/$id/"
}

lab_start_daemon
lab_domu_create d1 vcpus=2
lab_domu_create d2
image other 16M
attach_disk d2 "path=$IMAGE"
other_disk=$DISK
image disk 64M
attach_disk d1 "path=$IMAGE,queues=2"
lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw --bs=128k \
	--ioengine=libaio --iodepth=128 --direct=1 --numjobs=2 --time_based \
	--runtime=300" >/dev/null 2>&1 &
wait_busy d1 "$DISK" 4
# Until this has been looked at, however long that takes.
lab_domu_exec d2 "while [ ! -e /run/stop ]; do
	$FIO_VERIFY --name=v --filename=$other_disk --bs=4k --time_based \
		--runtime=4 --ioengine=libaio --iodepth=16 || exit 1
	done" >"$CASE_DIR/fio" 2>&1 &
other=$!
wait_busy d2 "$other_disk"
id=$(xl domid d1)
xl destroy d1
lab_wait_for 10 not_held "$IMAGE" || lab_fail "the image is still open"
lab_wait_for 10 one_worker || lab_fail "a worker is left"
lab_wait_for 10 no_nodes_of_it || lab_fail "nodes are left"
lab_wait_for 10 no_zombie || lab_fail "the domain is a zombie"
lab_domu_exec d2 'touch /run/stop'
wait "$other" || lab_fail "the other domU: $(cat "$CASE_DIR/fio")"
attach_disk d2 "path=$IMAGE"
fio_verify d2 "$DISK" --bs=64k --ioengine=libaio --iodepth=16
lab_daemon_alive || lab_fail "the daemon has died"
lab_pass
