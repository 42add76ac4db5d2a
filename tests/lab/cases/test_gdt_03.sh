# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every allocation on the way to a connected device fails once: the guest lives,
# nothing leaks, and the device connects when they do not fail (R9).
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=1200
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

# Runs in the domU.  What connects is a worker of a workqueue, and nobody knows
# which: the n-th allocation from now on fails in each of them, and in this
# shell while it writes "bind".  Who has failed has 0 left.
sweep() {
	cat <<-'END'
	driver=/sys/bus/xen/drivers/xen-virtio-front
	device=/sys/bus/xen/devices/$name

	arm() {
		armed=()
		for comm in /proc/[0-9]*/comm; do
			read -r what <$comm && [[ $what == kworker/u* ]] &&
				echo $1 >${comm%comm}fail-nth &&
				armed+=(${comm%comm}fail-nth)
		done
	}

	hit() {
		for file in "${armed[@]}"; do
			! read -r left <$file || [ $left != 0 ] || return 0
		done
		return 1
	}

	bind() {
		echo $1 >/proc/$$/fail-nth
		echo $name >$driver/bind
		read -r left </proc/$$/fail-nth || left=0
		until echo 0 >/proc/$$/fail-nth; do :; done
		[ $left = 0 ]
	}

	# When reading the old state fails, xenbus_switch_state() believes that it
	# has written the new one, and says nothing: such a device waits for ever.
	settled() {
		read -r state <$device/state
		case $state in
		Connected|Closing|Closed) return 0 ;;
		*) [ ! -e $device/driver ] ;;
		esac
	}

	for file in failslab fail_page_alloc; do
		echo N >/sys/kernel/debug/$file/ignore-gfp-wait
		echo 0 >/sys/kernel/debug/$file/verbose
	done
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
	echo $name >$driver/unbind
	n=0 none=0 failed=0 connected=0
	while [ $none -lt 3 ]; do
		# The many are the pages of the window, one like the other.
		n=$((n + 1 + n / 32))
		arm $n
		hits=0 i=0
		! bind $n || hits=1
		until settled || [ $((i += 1)) -gt 100 ]; do sleep 0.05; done
		! hit || hits=1
		arm 0
		failed=$((failed + hits))
		none=$(((none + 1) * !hits))
		[ $state != Connected ] || connected=$((connected + 1))
		echo "$n: $hits $state, $SECONDS s"
		[ ! -e $device/driver ] || echo $name >$driver/unbind
	done 2>/dev/null
	echo total $n $failed $connected
	END
}

free_kib() {
	lab_domu_exec d1 "echo 3 >/proc/sys/vm/drop_caches
		sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo"
}

# shellcheck disable=SC2034 # for lab_domu_exec
LAB_CASE_TIMEOUT=1000
lab_start_daemon
lab_domu_create d1 \
	"extra=lab.modargs=window_initial_kb=256,request_timeout=3,close_timeout=5"
lab_domu_exec d1 "[ -e /proc/self/fail-nth ]" ||
	lab_skip "the guest's kernel has no fault injection"
attach d1 type=rng
guest_wait d1 30 "[ -c /dev/hwrng ]" || lab_fail "no /dev/hwrng"
channels=$(guest_channels d1)
memory=$(free_kib)
# Messages of those that do not get what they want have traces, too.
lab_allow_log 'Call Trace:|Modules linked in:'
# The kernel's own, when it takes down what it did without: files of an interrupt
# or of a xenbus device.
lab_allow_log 'WARNING: .* at (remove_proc_entry|sysfs_remove_group)'
lab_domu_exec d1 "name=virtio-$DEV; $(sweep)" | tee "$CASE_DIR/sweep" ||
	lab_fail "the sweep"
read -r _ last failed connected < <(grep '^total' "$CASE_DIR/sweep")
lab_log "up to allocation $last, failed $failed times, connected $connected times"
[ "$failed" -gt 50 ] || lab_fail "only $failed allocations have failed"
lab_domu_exec d1 "echo virtio-$DEV >/sys/bus/xen/drivers/xen-virtio-front/bind"
guest_wait d1 30 "dd if=/dev/hwrng of=/dev/null bs=16 count=1" ||
	lab_fail "the device does not work afterwards"
[ "$(stat_of d1 "$DEV" window_limit_kib)" = 8192 ] ||
	lab_fail "references have leaked: the window is limited"
[ "$(guest_channels d1)" = "$channels" ] ||
	lab_fail "$channels event channels before, $(guest_channels d1) after"
# KASAN keeps freed memory for a while, up to 19 MiB here; 12 were seen.
lost=$((memory - $(free_kib)))
[ "$lost" -lt 20480 ] || lab_fail "$lost KiB less memory"
detach d1 "$DEV"
lab_pass
