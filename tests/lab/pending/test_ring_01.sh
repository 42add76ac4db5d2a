# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Packed rings: all kinds of requests, with and without indirect descriptors,
# one queue and four (R1, R12, R13).
# lab: suites=bookworm,trixie guests=pv
# lab: suites=bookworm guests=pv,pvh guest-suites=sid
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 vcpus=4
random_image disk 16
for how in "packed=1 N" "packed=1,queue_size=64 N" "packed=1,queues=4 Y" \
	"packed=0 N"; do
	read -r options indirect <<<"$how"
	lab_domu_exec d1 "echo $indirect \
		>/sys/module/xen_virtio_front/parameters/indirect"
	attach_disk d1 "path=$IMAGE,$options"
	[ "$(feature d1 "$DEV" 34)" = "${options:7:1}" ] ||
		lab_fail "packed rings are not as asked for: $options"
	load='--ioengine=libaio --iodepth=128'
	# Through the ring many hundred times.
	fio_verify d1 "$DISK" --bs=512 --size=512k "$load" \
		: --bs=4k --size=4m "$load" : --bs=64k --size=8m "$load" \
		: --bs=1m --size=16m "$load" \
		: --bsrange=512-256k --size=8m --numjobs=4 "$load" \
		: --bs=3584 --size=224k --offset=1536 --iodepth=1
	[ "$(lab_domu_exec d1 "sha256sum <$DISK" | cut -d' ' -f1)" = \
		"$(sum cat "$IMAGE")" ] || lab_fail "damaged with $options"
	lab_domu_exec d1 "blkdiscard -z -o 0 -l 1M $DISK"
	cmp -n $((1 << 20)) "$IMAGE" /dev/zero || lab_fail "not cleared"
	[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
	detach d1 "$DEV"
done

lab_log "the guest does not want them"
lab_domu_exec d1 "echo N >/sys/module/xen_virtio_front/parameters/packed"
attach_disk d1 "path=$IMAGE,packed=1"
[ "$(feature d1 "$DEV" 34)" = 0 ] || lab_fail "the parameter is ignored"
fio_verify d1 "$DISK" --bs=4k --size=1m
lab_pass
