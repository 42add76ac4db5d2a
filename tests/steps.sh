# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# steps.sh - run named steps, one line of output each, and count results
#
# Sourced by the runners.  A step is any command: exit status 0 is a pass, 4
# is a skip, everything else a failure.  Its output goes to a log file.  Each
# line there that is a result, in the form of TAP ("ok 1 - name", "not ok 2 -
# name", "ok 3 - name # SKIP why") or of the lab ("PASS name", "FAIL name: why",
# "BROKEN name: why", "SKIP name: why"), counts as one; a step without such lines
# is one result by itself.

if [[ -z ${XEN_VIRTIO_CACHE:-} ]]; then
	XEN_VIRTIO_CACHE=/var/cache/xen-virtio
	if ((EUID != 0)) && [[ ! -w $XEN_VIRTIO_CACHE ]]; then
		XEN_VIRTIO_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/xen-virtio
	fi
fi
export XEN_VIRTIO_CACHE

steps_log=$XEN_VIRTIO_CACHE/log
steps_re_pass='^(ok |PASS )'
steps_re_skip='^(ok .*# *(SKIP|skip)|SKIP )'
steps_re_fail='^(not ok |FAIL |BROKEN )'
steps_passed=0
steps_failed=0
steps_skipped=0
steps_pids=()
mkdir -p "$steps_log"

# A step runs in a process group of its own, so that ^C ends all of it.
steps_kill() {
	local pid

	for pid in "${steps_pids[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || true
	done
	[[ ! -t 1 ]] || printf '\r\033[K'
	echo "interrupted"
	exit 130
}
trap steps_kill INT TERM HUP

steps_line() { # RESULT SECONDS NAME
	[[ ! -t 1 ]] || printf '\r\033[K'
	printf '%-4s %5d s  %s\n' "$1" "$2" "$3"
}

# Shows that a long step is alive: in place on a terminal, else once a minute.
steps_wait() { # NAME START
	local now last=$2

	while kill -0 "${steps_pids[0]}" 2>/dev/null; do
		sleep 0.2
		now=$SECONDS
		if [[ -t 1 ]]; then
			printf '\r\033[K...  %5d s  %s' $((now - $2)) "$1"
		elif ((now - last >= 60)); then
			steps_line ... $((now - $2)) "$1"
			last=$now
		fi
	done
}

steps_count() { # LOG STATUS: sets "passed", "failed", "skipped"
	skipped=$(grep -cE "$steps_re_skip" "$1" || true)
	failed=$(grep -cE "$steps_re_fail" "$1" || true)
	passed=$(grep -vE "$steps_re_skip" "$1" | grep -cE "$steps_re_pass" ||
		true)
	case $2 in
	0) ((passed + failed + skipped)) || passed=1 ;;
	4) ((failed + skipped)) || skipped=1 ;;
	*) ((failed)) || failed=1 ;;
	esac
}

# The interesting lines of a log, indented: failures and skips by name, or the
# last lines of a step that failed and did not say more.
steps_excerpt() { # LOG STATUS
	if grep -qE "$steps_re_fail" "$1"; then
		grep -E "$steps_re_fail" "$1"
	elif [[ $2 != 0 && $2 != 4 ]]; then
		tail -n 15 "$1"
	fi | sed 's/^/             /'
	if grep -qE "$steps_re_skip" "$1"; then
		grep -E "$steps_re_skip" "$1"
	elif [[ $2 == 4 ]]; then
		tail -n 1 "$1"
	fi | sed 's/^/             /'
}

# Count a step that is over and say how it went.
steps_account() { # NAME START STATUS
	local name=$1 log=$steps_log/${1//\//-}.log
	local passed failed skipped result=PASS

	steps_count "$log" "$3"
	steps_passed=$((steps_passed + passed))
	steps_failed=$((steps_failed + failed))
	steps_skipped=$((steps_skipped + skipped))
	if ((failed)); then
		result=FAIL
		name+=" ($log)"
	elif ((passed == 0)); then
		result=SKIP
	elif ((passed + skipped > 1)); then
		name+=" ($passed passed, $skipped skipped)"
	fi
	steps_line "$result" $((SECONDS - $2)) "$name"
	steps_excerpt "$log" "$3"
	((failed == 0))
}

step() { # NAME COMMAND...
	local name=$1 log=$steps_log/${1//\//-}.log
	local start=$SECONDS status=0

	shift
	set -m
	"$@" </dev/null >"$log" 2>&1 &
	steps_pids=($!)
	set +m
	steps_wait "$name" "$start"
	wait "${steps_pids[0]}" || status=$?
	steps_pids=()
	steps_account "$name" "$start" "$status"
}

# Wait for one of the steps of steps_many(), whose names and starts it has.
steps_reap() {
	local pid status=0

	wait -n -p pid "${!names[@]}" || status=$?
	steps_account "${names[$pid]}" "${starts[$pid]}" "$status" || true
	unset "names[$pid]" "starts[$pid]"
	steps_pids=("${!names[@]}")
}

# Steps that do not depend on each other, up to COUNT at a time.  Each line of
# standard input is one: NAME<TAB>COMMAND, for a shell.  One whose name begins
# with "=" runs alone.
steps_many() { # COUNT
	local name command most alone
	local -A names=() starts=()

	while IFS=$'\t' read -r name command; do
		most=$1 alone=n
		[[ $name != =* ]] || most=1 alone=y
		name=${name#=}
		while ((${#names[@]} >= most)); do
			steps_reap
		done
		set -m
		bash -c "$command" </dev/null \
			>"$steps_log/${name//\//-}.log" 2>&1 &
		set +m
		names[$!]=$name
		starts[$!]=$SECONDS
		steps_pids=("${!names[@]}")
		echo "          started $name"
		[[ $alone = n ]] || steps_reap
	done
	while ((${#names[@]})); do
		steps_reap
	done
}

# The closing line; returns failure if a step failed or nothing was run.
steps_end() {
	echo "logs: $steps_log"
	echo "$steps_passed passed, $steps_failed failed, $steps_skipped skipped"
	((steps_failed == 0 && steps_passed > 0))
}
