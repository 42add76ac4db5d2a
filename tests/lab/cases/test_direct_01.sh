# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The backend takes direct grants by copy and by map, many in one call, and lets
# go of them: everything verifies, nothing is quarantined, no grant is left
# (R1, T10).
# lab: suites=bookworm,trixie guests=pv timeout=900
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

is() { # KEY VALUE
	local value

	value=$(counter "$1")
	[ "$value" = "$2" ] || lab_fail "$MODE: $1 is $value, not $2"
}

some() { # KEY
	local value

	value=$(counter "$1")
	[ "$value" -gt 0 ] || lab_fail "$MODE: $1 is $value"
}

one_call_for_many() { # CALLS PAGES
	local calls pages

	calls=$(counter "$1")
	pages=$(counter "$2")
	lab_log "$MODE: $calls calls for $pages pages"
	[ $((calls * 4)) -lt "$pages" ] || lab_fail "$MODE: $calls calls for $pages pages"
}

clean() { # nothing is left of the requests
	is grant-errors 0
	is errors 0
	[ "$(counter grant-maps)" = "$(counter grant-unmaps)" ] ||
		lab_fail "$MODE: pages are still mapped"
	[ "$(stat_of d1 "$DEV" quarantined)" = 0 ] || lab_fail "$MODE: quarantine"
	[ "$(stat_of d1 "$DEV" direct_refs_used)" = 0 ] ||
		lab_fail "$MODE: the guest has grants that are in use"
	[ "$(stat_of d1 "$DEV" broken)" = 0 ] || lab_fail "$MODE: broken"
}

lab_start_daemon
image disk 64M
lab_domu_create d1 vcpus=2
lab_domu_wait d1
for MODE in direct-grants=copy direct-grants=map direct-map-min=65536 \
	packed=1,direct-grants=copy; do
	attach_disk d1 "path=$IMAGE,queues=2,dma=direct,$MODE"
	fio_verify d1 "$DISK" --bs=1m --size=32m --ioengine=libaio --iodepth=32 \
		: --bs=4k --size=4m --ioengine=libaio --iodepth=128 \
		: --bsrange=512-256k --size=16m \
		--ioengine=libaio --iodepth=32 --numjobs=2 --offset_increment=32m
	clean
	case $MODE in
	*copy)
		is grant-maps 0
		one_call_for_many grant-copy-batches grant-copies
		;;
	*map)
		is grant-copies 0
		one_call_for_many grant-map-batches grant-maps
		;;
	*)
		some grant-copies
		some grant-maps
		;;
	esac
	detach d1 "$DEV"
done

# Not offered: everything goes through the window.
MODE=off
attach_disk d1 "path=$IMAGE,dma=direct,direct-grants=off"
fio_verify d1 "$DISK" --bs=64k --size=4m --ioengine=libaio --iodepth=8
is grant-copies 0
is grant-maps 0
detach d1 "$DEV"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] || lab_fail "grants are left mapped"
lab_pass
