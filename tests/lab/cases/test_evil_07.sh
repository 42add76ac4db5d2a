# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Events without end: the guest goes on, and so does the device (T6).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

# While the storm goes on.
alive() {
	local began=$SECONDS

	lab_domu_exec d1 'for i in 1 2 3 4 5; do date; done >/dev/null' ||
		no "the guest does not answer" || return
	lab_log "the guest answers in $((SECONDS - began)) s," \
		"$(stat_of d1 "$DEV" queue0.interrupts) interrupts"
	lab_wait_for 30 evil_said storm || no "the storm does not end" || return
	lab_log "$(grep '^storm' "$EVIL_LOG")"
}

evil_guest
EVIL_THEN=alive
evil storm-queue healthy '' --seconds 3
evil storm-control healthy '' --seconds 3
evil storm-config healthy '' --seconds 3
evil storm-nonsense healthy '' --seconds 3
evil_end
