# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A person's way into a domU: its console, a login, a shell.  Sourced in dom0.
#
# The console's log is written by a reader of its own, from the first byte on;
# what is typed goes to the same terminal.

CONSOLE_LOG=
CONSOLE_TTY=
CONSOLE_COUNT=0

_console_there() { # DOMID
	[ -n "$(xenstore-read "/local/domain/$1/console/tty" 2>/dev/null)" ]
}

# console_open NAME LOG
console_open() {
	local id

	id=$(xl domid "$1")
	CONSOLE_LOG=$2
	: >"$CONSOLE_LOG"
	lab_wait_for 20 _console_there "$id" || lab_broken "no console for $1"
	CONSOLE_TTY=$(xenstore-read "/local/domain/$id/console/tty")
	stty -F "$CONSOLE_TTY" raw -echo
	# The terminal goes away with the domU, which is no error.
	setsid cat <"$CONSOLE_TTY" >>"$CONSOLE_LOG" 2>/dev/null &
}

console_type() {
	printf '%s\n' "$*" >"$CONSOLE_TTY"
}

# console_expect SECONDS REGEX: wait until the log has a match.
console_expect() {
	lab_wait_for "$1" grep -aqE "$2" "$CONSOLE_LOG"
}

# Log in as root, and make the shell's output easy to read for a program.
# In what is typed a quote stands in the way of each mark, so that the echo is
# not taken for the answer.
console_login() {
	console_type root
	console_expect 120 '# $' || return
	console_type "stty -echo; exec env PS1= sh"
	console_type "echo @re''ady"
	console_expect 120 @ready
}

# console_run SECONDS COMMAND: prints its output, returns its status.
console_run() {
	local mark output seconds=$1

	shift
	CONSOLE_COUNT=$((CONSOLE_COUNT + 1))
	mark=$CONSOLE_COUNT
	console_type "echo @beg''in $mark; ( $* ) 2>&1; echo @e''nd $mark \$?"
	console_expect "$seconds" "@end $mark [0-9]+" || return 124
	output=$(tr -d '\r' <"$CONSOLE_LOG" |
		sed -n "/@begin $mark\$/,/@end $mark /p")
	sed '1d;$d' <<<"$output"
	return "$(sed -n "s/.*@end $mark //p" <<<"$output")"
}
