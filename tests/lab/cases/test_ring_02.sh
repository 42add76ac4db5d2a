# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Packed rings: a worker is killed with I/O in flight, of which it has taken some
# and some not; all of it ends with an error, nothing else does (R3, T10).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 vcpus=2
slow_disk 64
for queues in 1 2; do
	for depth in 1 7 128; do
		attach_disk d1 "path=$IMAGE,packed=1,queues=$queues,queue_size=256"
		fio_verify d1 "$DISK" --bs=4k --size=1m --ioengine=libaio \
			--iodepth=32
		slow_delay 3000
		lab_domu_exec d1 "fio --name=load --filename=$DISK --rw=randrw \
			--bsrange=4k-64k --ioengine=libaio --iodepth=$depth \
			--direct=1 --numjobs=2 --time_based --runtime=300" \
			>"$CASE_DIR/fio" 2>&1 &
		# A large request has a descriptor for each page, if they are
		# apart: no more than a dozen fit in the ring.
		wait_busy d1 "$DISK" $((depth < 8 ? (depth + 1) / 2 : 8))
		worker=$(workers)
		kill -KILL "$worker"
		lab_wait_for 10 _lab_pid_gone "$worker" ||
			lab_fail "the worker does not die"
		lab_wait_for 20 no_load ||
			lab_fail "fio hangs, depth $depth, $queues queues"
		grep -q 'error' "$CASE_DIR/fio" ||
			lab_fail "fio was not disturbed"
		# An id that nobody knows would be one that was not in flight.
		! lab_domu_exec d1 'dmesg | grep -E "is not a head|out of range"' ||
			lab_fail "requests were failed that were not there"
		slow_delay 0
		detach d1 "$DEV"
		# The statistics have gone with the worker: so the log.
		! lab_domu_exec d1 'dmesg | grep "are still mapped"' ||
			lab_fail "mappings are left, depth $depth"
	done
done
attach_disk d1 "path=$IMAGE,packed=1"
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=32
detach d1 "$DEV"
lab_pass
