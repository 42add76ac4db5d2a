# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What must be as it was when a script is over: logs, grants, event channels,
# the store.  Used by the runner; every problem is a line in
# $LAB_STATE/problems, details are in the script's log.

LAB_SPLAT='WARNING:|BUG:|Oops|Call Trace:|general protection|Bad page|Bad rss|kernel panic|possible circular locking|inconsistent lock state|suspicious RCU|INFO: task .* blocked for more|detected stall|soft lockup|refcount_t:|UBSAN:|KASAN:|unreferenced object|Modules linked in:'
# What debug kernels add: lockdep, DMA debugging, SLUB, freed pages that were
# written to.
LAB_SPLAT+='|INFO: trying to register non-static key|lockdep is turned off'
LAB_SPLAT+='|DMA-API: |BUG [a-z]|pagealloc: |ODEBUG: |leak detector disabled'
LAB_XEN_ERROR='Xen BUG|Xen WARN|Xen call trace|Assertion|FATAL|panic|grant_table\.c|gnttab|evtchn|event_channel\.c|crashed|domain_crash|mm\.c:.*(Error|Bad|error|Failed)|EPT violation|NPT violation|EMUL'

problem() {
	echo "lab: PROBLEM: $*"
	echo "$*" >>"$LAB_STATE/problems"
}

# After this the machine is not what it was: what follows gets a fresh one.
grave_problem() {
	problem "$@"
	: >"$LAB_STATE/reboot"
}

# _unexpected REGEX FILE [REGEX]: the first line that matches, but for the second
# and for what the script declared as expected; mostly there is none.
_unexpected() {
	grep -qaE "$1" "$2"
	case $? in
	0) ;;
	1) return ;;
	*) echo "$2 cannot be looked at" && return ;;
	esac
	grep -aE "$1" "$2" | grep -avE "${3:-^$}" |
		if [ -s "$LAB_STATE/allowed" ]; then
			grep -avEf "$LAB_STATE/allowed"
		else
			cat
		fi | head -n 1
}

# Processes are slow to start here: awk does what grep and sed would.
_store() {
	xenstore-ls -f | awk '{ sub(/ = .*/, "") }
		!/^\/(local\/domain\/0\/(backend(\/[a-z0-9]+)?|device-model)|libxl|vm|tool(\/.*)?)$/' |
		sort
}

_channels() {
	lsevtchn 0 | awk '/Interdomain|unbound|Waiting|Unbound/ {
		sub(/^ *[0-9]*: /, ""); print }' | sort
}

# The hypervisor's answer to a debug key.
_debug_key() {
	xl debug-keys "$1"
	xl dmesg -c | tee -a "$LAB_OUT/xen.log"
}

_grants() {
	_debug_key g | awk '
		!sub(/^\(XEN\) \[ *[0-9.]*\] */, "") { next }
		/grant-table for remote/ { domain = $4 }
		/^\[0x[0-9a-f]+\]/ { print domain, $0 }' | sort
}

_zombies() {
	xl list | awk 'NR > 1 && $2 != 0'
}

checks_before() {
	echo "lab: begin $LAB_NAME" >/dev/kmsg
	xl dmesg -c >>/out/xen-between.log
	_store >"$LAB_STATE/store"
	_channels >"$LAB_STATE/channels"
	_grants >"$LAB_STATE/grants"
}

_check_dmesg() {
	local first

	dmesg | awk -v mark="lab: begin $LAB_NAME" '
		index($0, mark) { n = 0; split("", line) }
		{ line[n++] = $0 }
		END { for (i = 0; i < n; i++) print line[i] }' \
		>"$LAB_OUT/dom0.dmesg"
	first=$(_unexpected "$LAB_SPLAT" "$LAB_OUT/dom0.dmesg")
	[ -z "$first" ] || grave_problem "dom0's kernel: $first"
}

_check_domu_dmesg() {
	local log first

	for log in "$LAB_OUT"/domu-*.dmesg "$LAB_OUT"/domu-*.console \
		"$LAB_OUT"/domu-*.debug; do
		[ -f "$log" ] || continue
		first=$(_unexpected "$LAB_SPLAT" "$log")
		[ -z "$first" ] ||
			problem "kernel of $(basename "$log"): $first"
	done
}

_check_xen() {
	local first

	xl dmesg -c >>"$LAB_OUT/xen.log"
	first=$(_unexpected "$LAB_XEN_ERROR" "$LAB_OUT/xen.log" \
		gnttab_usage_print_all)
	[ -z "$first" ] || grave_problem "hypervisor: $first"
}

# Poll until there is no domU any more; the last one takes a moment to die.
_check_domains() {
	local left end=$((SECONDS + 120))

	while left=$(_zombies) && [ -n "$left" ] && [ "$SECONDS" -lt "$end" ]; do
		sleep 0.1
	done
	[ -z "$left" ] || grave_problem "domain left: $(head -n 1 <<<"$left")"
}

# _check_same NAME NOUN: compare with the listing taken before.
_check_same() {
	local new end=$((SECONDS + 60))

	while :; do
		new=$("_$1" | comm -13 "$LAB_STATE/$1" -)
		if [ -z "$new" ] || [ "$SECONDS" -ge "$end" ]; then
			break
		fi
		sleep 0.1
	done
	[ -z "$new" ] && return
	echo "$new"
	problem "$2 left: $(head -n 1 <<<"$new")$(
		[ "$(wc -l <<<"$new")" = 1 ] ||
			echo " and $(($(wc -l <<<"$new") - 1)) more")"
}

checks_after() {
	_check_domains
	_check_same store "xenstore node"
	_check_same channels "event channel"
	_check_same grants "grant"
	_check_xen
	_check_dmesg
	_check_domu_dmesg
}
