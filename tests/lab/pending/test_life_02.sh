# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# 50 disks are attached and detached under I/O; nothing leaks (R6).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 vcpus=2
image other 16M
attach_disk d1 "path=$IMAGE"
other=$DEV other_disk=$DISK
image disk 16M
attach_disk d1 "path=$IMAGE"
channels=$(guest_channels d1)
load d1 "$DISK"
lab_domu_exec d1 "$FIO_VERIFY --name=v --filename=$other_disk --bs=4k --loops=1000 \
	--ioengine=libaio --iodepth=8 --time_based --runtime=30" >/dev/null &
other_job=$!
files=$(find "/proc/$(cat /run/lab/daemon.pid)/fd" | wc -l)
for round in $(seq 50); do
	detach d1 "$DEV"
	not_held "$IMAGE" || lab_fail "the image is open after round $round"
	attach_disk d1 "path=$IMAGE"
done
stop_load d1
wait "$other_job" || lab_fail "the other disk was disturbed"
[ "$(find "/proc/$(cat /run/lab/daemon.pid)/fd" | wc -l)" -le "$files" ] ||
	lab_fail "the daemon leaks descriptors"
[ "$(guest_channels d1)" = "$channels" ] ||
	lab_fail "the domU had $channels event channels, has $(guest_channels d1)"
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=32
fio_verify d1 "$other_disk" --bs=4k
detach d1 "$DEV"
detach d1 "$other"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are mapped"
lab_pass
