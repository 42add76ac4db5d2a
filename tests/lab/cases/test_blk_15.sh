# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A queue looks for the next request before it sleeps, which saves the guest its
# notifications, and does not go on with it where nothing comes in time.
# lab: suites=bookworm guests=pv cpus=2 icount
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

# A processor that executes PAUSE gives way to the other here: what a look costs cannot
# be seen, only what it finds.

# count COMMAND…: what it makes in the guest, in KICKS, POLLS and HITS.
count() {
	local kicks polls hits

	kicks=$(counter kicks) polls=$(counter polls) hits=$(counter poll-hits)
	lab_domu_exec d1 "$*" || lab_fail "$*"
	KICKS=$(($(counter kicks) - kicks))
	POLLS=$(($(counter polls) - polls))
	HITS=$(($(counter poll-hits) - hits))
	lab_log "after $kicks, $polls, $hits: $KICKS notifications, $POLLS looks, $(
		)$HITS of use, $(counter poll-ns) ns in all"
}

one_by_one() { # COUNT
	count "dd if=$DISK of=/dev/null bs=4k count=$1 iflag=direct status=none"
}

now_and_then() { # COUNT
	count "for i in \$(seq $1); do
		dd if=$DISK of=/dev/null bs=4k count=1 iflag=direct status=none
		sleep 0.005
	done"
}

lab_start_daemon
image disk 16M
lab_domu_create d1
for value in 1001 -1 x; do
	if xen-virtio attach d1 "type=blk,path=$IMAGE,poll_us=$value" 2>/tmp/err; then
		lab_fail "poll_us=$value is taken"
	fi
	grep -q "poll_us=$value" /tmp/err || lab_fail "poll_us=$value: $(cat /tmp/err)"
done
attach_disk d1 "path=$IMAGE"
one_by_one 500
[ "$KICKS" -ge 250 ] || lab_fail "$KICKS notifications for 500 requests"
[ "$POLLS" = 0 ] || lab_fail "$POLLS looks that nobody wanted"
detach d1 "$DEV"

# It may rest at first, for what came when the disk was attached.
attach_disk d1 "path=$IMAGE,poll_us=1000"
sleep 1
one_by_one 500
[ "$KICKS" -le 100 ] || lab_fail "$KICKS notifications, where it looks first"
[ "$HITS" -ge 400 ] || lab_fail "$HITS of 500 requests were found"
# Some 10 ms between two requests: eight in vain, then a rest of 4 ms, eight, one of
# 8 ms, and so on.
now_and_then 200
[ "$KICKS" -ge 100 ] || lab_fail "$KICKS notifications for 200 requests"
[ "$((POLLS - HITS))" -le "$((HITS + 100))" ] ||
	lab_fail "$((POLLS - HITS)) looks in vain, $HITS of use for 200 requests"
fio_verify d1 "$DISK" --bs=4k --size=2m --ioengine=libaio --iodepth=4 \
	: --bs=64k --size=8m --ioengine=libaio --iodepth=16
detach d1 "$DEV"
lab_pass
