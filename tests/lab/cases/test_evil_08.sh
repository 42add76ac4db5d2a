# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Grants that are kept are quarantined, and their pages not used (T13).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

kept='granted pages are still mapped'

# It writes to what it has kept, while the guest uses all the memory it has.
memory() {
	lab_wait_for 10 evil_said scribbled || no "nothing was written" || return
	lab_domu_exec d1 "mkdir -p /run/m; mount -t tmpfs none /run/m
		head -c 48M /dev/urandom >/run/m/1
		for i in 2 3 4; do cp /run/m/1 /run/m/\$i
			cmp /run/m/1 /run/m/\$i || exit 1
		done; umount /run/m" || no "the guest's memory was damaged"
}

# The tracepoint has told of each page that the log counts.
TRACING=/sys/kernel/tracing
traced() {
	local said told

	said=$(sed -n 's/.* \([0-9]*\) granted pages are still mapped.*/\1/p' \
		<<<"$EVIL_MESSAGES")
	told=$(lab_domu_exec d1 "cat $TRACING/trace; echo >$TRACING/trace" |
		awk -v device="virtio-$DEV" '
			/xen_virtio_quarantine: / && $(NF - 1) == device {
				sub(/pages=/, "", $NF); n += $NF }
			END { print n + 0 }')
	lab_log "$told quarantined pages were traced"
	[ "$told" = "${said:-0}" ] ||
		lab_fail "$told pages were traced, the log says '$said'"
}

evil_guest
lab_domu_exec d1 "echo 1 >$TRACING/events/xen_virtio/xen_virtio_quarantine/enable" ||
	lab_fail "there is no tracepoint"
evil keep-window kept "$kept"
traced
evil keep-one-window kept "$kept"
traced
evil keep-ring kept 'of the control ring mapped'
evil keep-direct lost "$kept"
traced
evil keep-refused denied 'device is broken: the backend keeps granted pages mapped'
traced
EVIL_THEN=memory evil keep-write kept "$kept"
evil remove-refused leaving
evil remove-never leaving
evil_end
