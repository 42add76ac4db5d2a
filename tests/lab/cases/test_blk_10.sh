# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The window grows while it is used, never over its limit, until there is room for
# all, and goes in one piece.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
image disk 64M
lab_domu_create d1 vcpus=2 \
	extra="lab.modargs=window_initial_kb=2304,window_max_kb=4096,window_idle_s=0"
attach_disk d1 "path=$IMAGE,queues=2"

[ "$(stat_of d1 "$DEV" window_kib)" = 2304 ] ||
	lab_fail "the window does not begin with 2304 KiB"
fio_verify d1 "$DISK" --bs=64k --ioengine=libaio --iodepth=128 --size=32m
one_size() { # a chunk may still be on its way
	local before

	before=$(stat_of d1 "$DEV" window_grants)
	SIZE=$(stat_of d1 "$DEV" window_kib)
	GRANTS=$(stat_of d1 "$DEV" window_grants)
	[ "$GRANTS" = "$before" ] && [ "$GRANTS" = $((SIZE / 4)) ]
}
check_size() { # its size in KiB and its grants, in SIZE and GRANTS
	lab_wait_for 10 one_size || lab_fail "$GRANTS grants for $SIZE KiB"
	lab_log "$SIZE KiB, $GRANTS grants"
	[ "$SIZE" -le 4096 ] ||
		lab_fail "the window is over its limit: $SIZE KiB"
}
check_size
[ "$SIZE" -gt 2304 ] || lab_fail "the window has not grown"
# Requests of another size may need more room, and merging makes sizes that
# differ from run to run: the caches of each processor keep some of each.  But
# that has an end, and then no grant is issued.
settled=
for _ in 1 2 3 4 5 6; do
	before=$GRANTS
	fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=32 --loops=2
	check_size
	if [ "$GRANTS" = "$before" ]; then
		settled=y
		break
	fi
done
[ -n "$settled" ] || lab_fail "grants are issued in steady state"
detach d1 "$DEV"
[ "$(guest_grants "$(xl domid d1)")" = 0 ] ||
	lab_fail "grants are mapped after detach"
lab_pass
