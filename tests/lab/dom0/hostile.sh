# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the cases with a hostile backend share; each begins with
# ". /lab/dom0/hostile.sh", then evil_guest, evil for each sin, evil_end.
#
# The daemon does not run meanwhile: it would take the devices for its own.

# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/checks.sh
. /lab/dom0/checks.sh

# shellcheck disable=SC2034 # for lab_domu_exec
LAB_CASE_TIMEOUT=$((180 * LAB_SLOW))
EVIL_LOG=$CASE_DIR/evil.log
EVIL_FAILED=

# All I/O and every removal ends in this time, in seconds, which lab_wait_for()
# makes longer; the module's own timeouts are 4 and 8: no
# shorter, for a host that does something else for a moment is no silent backend.
EVIL_BOUND=20

evil_guest() { # the domU d1, with short timeouts in its module
	local timeouts

	lab_allow_log 'grant_table: WARNING: g.e. .* still in use'

	timeouts=request_timeout=$((4 * LAB_SLOW)),close_timeout=$((8 * LAB_SLOW))
	lab_domu_create d1 "extra=lab.modargs=$timeouts${EVIL_ARGS:-}"
	lab_domu_exec d1 'dmesg -c >/dev/null' || lab_fail "no guest"
	EVIL_ID=$(xl domid d1)
}

no() { # REASON…: of a failure, for evil_try's steps
	EVIL_WHY=$*
	return 1
}

evil_said() { # PATTERN: a line of the hostile backend begins with it
	grep -qE "^$1" "$EVIL_LOG"
}

evil_start() { # SIN [OPTION…]
	: >"$EVIL_LOG"
	xen-virtio-hostile --sin "$@" "$EVIL_ID" >"$EVIL_LOG" 2>&1 &
	EVIL_PID=$!
	lab_wait_for 10 evil_said attached || no "the backend did not start"
}

evil_gone() {
	_lab_pid_gone "$EVIL_PID"
}

# Wait until nothing of the device is left in the domU, and get what its kernel
# has said since the last time.
evil_left() {
	EVIL_MESSAGES+=$(lab_domu_exec d1 "i=$((100 * LAB_SLOW * LAB_PATIENCE)); while
		[ -e /sys/bus/xen/devices/virtio-$DEV ] ||
		[ -e /sys/kernel/debug/xen-virtio/virtio-$DEV ]; do
		i=\$((i - 1)); [ \$i -gt 0 ] || break; sleep 0.05; done
		dmesg -c; [ \$i -gt 0 ]") ||
		no "the guest still has virtio-$DEV, or does not answer"
}

# Wait for the disk, and see that it keeps what it is given.
evil_disk() {
	local glob

	glob=$(disk_glob "$DEV")
	DISK=$(lab_domu_exec d1 "i=$((200 * LAB_SLOW * LAB_PATIENCE)); until set -- $glob; [ -b \"/dev/\${1##*/}\" ]
		do i=\$((i - 1)); [ \$i -gt 0 ] || exit 1; sleep 0.05; done
		rm -f /run/stop; d=/dev/\${1##*/}; echo \$d; head -c 64k /dev/urandom >/tmp/evil
		dd if=/tmp/evil of=\$d bs=16k seek=7 oflag=direct 2>/dev/null &&
		dd if=\$d bs=16k skip=7 count=4 iflag=direct 2>/dev/null |
			cmp - /tmp/evil") || no "no disk, or not a good one: $DISK"
}

# Two readers, until they fail or /run/stop exists; what they say goes to
# EVIL_LOG.load.
evil_load() {
	lab_domu_exec d1 "for i in 1 2; do
		(while [ \$(dd if=$DISK bs=32k count=2 iflag=direct \
			2>/dev/null | wc -c) = 65536 ]; do
			[ ! -e /run/stop ] || exit 0; sleep 0.05; done
		echo failed) & done; wait" >"$EVIL_LOG.load" 2>&1 &
	EVIL_LOAD=$!
}

# For the log: what the readers wait for, and what they have said.
evil_stuck() {
	cat "$EVIL_LOG.load"
	lab_domu_exec d1 "ps; for p in \$(pidof dd); do
		cat /proc/\$p/stack; done; cat /sys/block/vd*/inflight
		cat /sys/kernel/debug/xen-virtio/*/stats" || :
}

evil_load_over() { # healthy|broken
	local failed want=2

	[ "$1" != healthy ] || {
		want=0
		lab_domu_exec d1 'touch /run/stop'
	}
	lab_wait_for "$EVIL_BOUND" _lab_pid_gone "$EVIL_LOAD" || {
		evil_stuck
		no "I/O hangs"
		return
	}
	failed=$(grep -c failed "$EVIL_LOG.load")
	[ "$failed" = $want ] || no "$failed of 2 readers failed, not $want"
}

# How often a reason is given, and how much is said altogether.
evil_report() { # REGEX, or nothing: then no word about a broken device
	local lines count

	# The kernel's own word for a grant that is kept, for one page each time.
	lines=$(grep -v 'grant_table: WARNING: g.e. .* still in use' \
		<<<"$EVIL_MESSAGES")
	count=$(($(wc -l <<<"$EVIL_MESSAGES") - $(wc -l <<<"$lines")))
	# Two readers, each of eight pages that may be granted one by one.
	[ "$count" -le 16 ] || {
		no "$count grants that are said to be in use"
		return
	}

	if grep -E "$LAB_SPLAT" <<<"$lines"; then
		no "a splat: $(grep -E -m 1 "$LAB_SPLAT" <<<"$lines")"
		return
	fi
	count=$(grep -cE "${1:-is broken|still mapped}" <<<"$lines")
	[ "$count" = $((${#1} > 0)) ] || {
		no "$count messages '${1:-is broken}'"
		return
	}
	count=$(grep -c 'is broken' <<<"$lines")
	[ "$count" -le 1 ] || {
		no "$count messages that the device is broken"
		return
	}
	# Errors of I/O are the block layer's, and limited there.
	count=$(grep -cvE 'I/O error|[Ee]rror on dev|op 0x' <<<"$lines")
	[ "$count" -le "${EVIL_LINES:-10}" ] || no "$count lines in the guest's log"
}

evil_unbind() {
	lab_domu_exec d1 \
		"echo virtio-$DEV >/sys/bus/xen/drivers/xen-virtio-front/unbind"
}

# Take the device away; afterwards nothing of it is left.
evil_detach() {
	kill -TERM "$EVIL_PID" || {
		no "the backend has died: $(tail -n 1 "$EVIL_LOG")"
		return
	}
	lab_wait_for "$EVIL_BOUND" evil_said 'detached|closed' || {
		no "not detached: $(tail -n 1 "$EVIL_LOG")"
		return
	}
	evil_left
}

evil_ended() {
	lab_wait_for 10 evil_gone || {
		no "the backend does not end"
		return
	}
	wait "$EVIL_PID" || no "the backend: $(tail -n 1 "$EVIL_LOG")"
}

# The sin while the disk is in use.
evil_run() { # OUTCOME
	evil_disk || return
	evil_load
	kill -USR1 "$EVIL_PID"
	case $1 in
	stuck) ;;
	leaving | kept)
		evil_load_over healthy
		return
		;;
	*) lab_wait_for 10 evil_said sinned || no "no sin" || return ;;
	esac
	[ "$EVIL_THEN" = : ] || [ "$1" = lost ] || "$EVIL_THEN" || return
	case $1 in
	healthy) evil_load_over healthy && evil_disk ;;
	broken) evil_load_over broken ;;
	lost) evil_load_over broken && evil_lost ;;
	stuck) lab_wait_for 10 evil_said sinned || no "no sin" ;;
	esac
}

# The sin before there is a disk.
evil_early() { # OUTCOME
	case $1 in
	refused | denied) lab_wait_for "$EVIL_BOUND" evil_said frontend-closed ||
		no "the guest does not refuse it" ;;
	nodisk) lab_wait_for "$EVIL_BOUND" evil_said 'frontend Connected' ||
		no "the guest does not connect" ;;
	waiting) lab_domu_exec d1 'sleep 0.5' ;;
	good) evil_disk ;;
	esac
}

evil_try() { # SIN OUTCOME [REGEX [OPTION…]]
	local outcome=$2 regex=${3:-}

	evil_start "$1" "${@:4}" || return
	DEV=$(sed -n 's/^attached \([0-9]*\).*/\1/p' "$EVIL_LOG")
	case $outcome in
	refused | denied | nodisk | waiting | good) evil_early "$outcome" || return ;;
	*) evil_run "$outcome" || return ;;
	esac
	[ "$EVIL_REMOVE" != unbind ] || evil_unbind || no "unbind" || return
	evil_detach || return
	[ "$outcome" != stuck ] || evil_load_over broken || return
	[[ $outcome != @(kept|lost|denied) ]] || evil_kept || return
	evil_ended || return
	evil_said sinned || [ "$1" = none ] || no "no sin" || return
	evil_report "$regex"
}

# Pages are in quarantine while the device is still there.
evil_lost() {
	local n

	n=$(stat_of d1 "$DEV" quarantined)
	lab_log "$n pages are quarantined"
	[ "$n" -gt 0 ] || no "nothing is quarantined"
}

# What the backend has kept is quarantined until it lets go.
evil_kept() {
	local n

	! evil_gone || no "the backend keeps nothing" || return
	n=$(guest_grants "$EVIL_ID")
	lab_log "$n grants are kept"
	[ "$n" -gt 0 ] || no "no grant is kept" || return
	[ "$EVIL_THEN" = : ] || "$EVIL_THEN" || return
	kill -USR2 "$EVIL_PID"
}

# Whatever happened: no program, and no node.
evil_reap() {
	local dir

	kill -KILL "$EVIL_PID" 2>/dev/null || :
	wait "$EVIL_PID" 2>/dev/null || :
	lab_domu_exec d1 'touch /run/stop' || :
	for dir in "$(be_path d1 "$DEV")" \
		"/local/domain/$EVIL_ID/device/virtio/$DEV"; do
		xenstore-rm "$dir" 2>/dev/null || :
	done
}

# evil SIN OUTCOME [REGEX [OPTION…]]: the guest survives it.  REGEX is the one
# message that it writes, the outcome is one of
#	healthy	the disk goes on as if nothing had happened
#	broken	requests fail, the device is broken
#	stuck	requests wait, and fail when the device is taken away
#	leaving	the sin is committed when the device is taken away
#	kept	likewise, and grants are kept
#	lost	as broken, and grants are kept
#	good	the sin is one of the handshake, which the guest gets over
#	refused	it is one that the guest does not accept
#	denied	likewise, and grants are kept
#	nodisk	the device is there, but has no driver
#	waiting	the guest waits
# EVIL_REMOVE=unbind: the guest gives the device up, it is not taken away.
# EVIL_THEN: a command after the sin.
evil() {
	local began=$SECONDS

	EVIL_REMOVE=${EVIL_REMOVE:-detach}
	EVIL_THEN=${EVIL_THEN:-:}
	EVIL_WHY=
	EVIL_MESSAGES=
	lab_log "--- $1 ($2)"
	if evil_try "$@"; then
		lab_part "$1"
	else
		EVIL_FAILED+=" $1"
		lab_part "$1" "${EVIL_WHY:-a command failed}"
		evil_reap
		lab_domu_exec d1 true || lab_fail "the guest died of $1"
		evil_left || :
	fi
	head -n 20 "$EVIL_LOG" | sed 's/^/  backend: /'
	head -n 40 <<<"$EVIL_MESSAGES" | sed 's/^/  guest: /'
	lab_log "$1: $((SECONDS - began)) s"
}

# A good device works in the guest after all that, and nothing is left.
evil_end() {
	local grants

	grants=$(guest_grants "$EVIL_ID")
	[ "$grants" = 0 ] || lab_fail "$grants grants are mapped"
	lab_start_daemon
	image good 8M
	attach_disk d1 "path=$IMAGE"
	fio_verify d1 "$DISK" --bs=16k
	detach d1 "$DEV"
	[ -z "$EVIL_FAILED" ] || lab_fail "sins that hurt:$EVIL_FAILED"
	lab_pass
}
