# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Packed rings: all kinds of requests, on one queue and on four, on rings of all
# sizes, and never a full window; where it might get full, the rings are split
# ones (R1, R12, R13).
# lab: suites=bookworm guests=pv
# lab: suites=bookworm guests=pv guest-suites=sid
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

param() { # NAME VALUE
	lab_domu_exec d1 "echo $2 >/sys/module/xen_virtio_front/parameters/$1"
}

# What Linux would answer with an error on a packed ring.
never_full() {
	[ "$(stat_of d1 "$DEV" exhausted)" = 0 ] ||
		lab_fail "the window was full, $options"
}

lab_start_daemon
lab_domu_create d1 vcpus=4
random_image disk 16
load='--ioengine=libaio --iodepth=128'
for options in packed=1 packed=1,queue_size=64 packed=1,queue_size=1024 \
	packed=1,queues=4 packed=0; do
	attach_disk d1 "path=$IMAGE,$options"
	[ "$(feature d1 "$DEV" 34)" = "${options:7:1}" ] ||
		lab_fail "packed rings are not as asked for: $options"
	# Through the ring many hundred times.
	fio_verify d1 "$DISK" --bs=512 --size=512k "$load" \
		: --bs=4k --size=4m "$load" : --bs=64k --size=8m "$load" \
		: --bs=1m --size=16m "$load" \
		: --bsrange=512-256k --size=4m --numjobs=4 \
			--offset_increment=4m "$load" \
		: --bs=3584 --size=224k --offset=1536 --iodepth=1
	[ "$(lab_domu_exec d1 "sha256sum <$DISK" | cut -d' ' -f1)" = \
		"$(sum cat "$IMAGE")" ] || lab_fail "damaged with $options"
	lab_domu_exec d1 "blkdiscard -z -o 0 -l 1M $DISK"
	cmp -n $((1 << 20)) "$IMAGE" /dev/zero || lab_fail "not cleared"
	[ "$options" = packed=0 ] || never_full
	for what in mapped broken; do
		[ "$(stat_of d1 "$DEV" $what)" = 0 ] ||
			lab_fail "$what is not 0, $options"
	done
	detach d1 "$DEV"
done

# A ring of 64 entries is sure of its slots here, one of 256 is not.
param window_initial_kb 512
param window_max_kb 512
for options in queue_size=64 queue_size=256,queues=4; do
	lab_log "a small window, $options"
	attach_disk d1 "path=$IMAGE,packed=1,$options"
	packed=$(feature d1 "$DEV" 34)
	[ "$packed" = "$([ "$options" = queue_size=64 ] && echo 1 || echo 0)" ] ||
		lab_fail "packed is $packed, $options"
	fio_verify d1 "$DISK" --bsrange=512-128k --size=4m "$load" \
		--numjobs=4 --offset_increment=4m
	[ "$packed" = 0 ] || never_full
	detach d1 "$DEV"
done

lab_log "the guest does not want them"
param packed N
attach_disk d1 "path=$IMAGE,packed=1"
[ "$(feature d1 "$DEV" 34)" = 0 ] || lab_fail "the parameter is ignored"
fio_verify d1 "$DISK" --bs=4k --size=1m
lab_pass
