# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Messages, the cache, locks and host tools: what every part of the lab uses.
#
# Errors end the program by errexit, also inside $(…).  So none of these
# functions may be called where bash switches errexit off: in a condition, or
# left of && and ||.
set -euo pipefail
shopt -s inherit_errexit

# shellcheck disable=SC2034 # for those who source this
LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034
LAB_TREE=$(cd "$LAB_DIR/../.." && pwd)
LAB_CACHE=$(realpath -m "${XEN_VIRTIO_CACHE:-/var/cache/xen-virtio}")

LAB_EXIT_BROKEN=2

lab_msg() {
	echo "lab: $*" >&2
}

lab_die() {
	lab_msg "$*"
	exit "$LAB_EXIT_BROKEN"
}

# lab_hash [FILE…]: a short key of standard input and of the files' contents.
lab_hash() {
	{
		[ -t 0 ] || cat
		[ $# -eq 0 ] || cat -- "$@"
	} | sha256sum | cut -c1-12
}

# Once a minute the last line of a log, while PID runs.
_lab_show_progress() {
	local pid=$1 text=$2 log=$3 said=$SECONDS

	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		[ $((SECONDS - said)) -ge 60 ] || continue
		said=$SECONDS
		lab_msg "$text: $(tail -n 1 "$log" | cut -c1-70)"
	done
}

# lab_progress TEXT COMMAND…: run quietly, say what takes time, show the log
# only when it failed.
lab_progress() {
	local text=$1 log start=$SECONDS status=0

	shift
	mkdir -p "$LAB_CACHE/log"
	log=$(mktemp "$LAB_CACHE/log/$(date +%Y%m%d-%H%M%S)-XXXXXX")
	lab_msg "$text …"
	"$@" </dev/null >"$log" 2>&1 &
	_lab_show_progress $! "$text" "$log"
	wait $! || status=$?
	if [ $status != 0 ]; then
		tail -n 40 "$log" >&2
		lab_msg "$text: FAILED, log in $log"
		return 1
	fi
	lab_msg "$text: done in $((SECONDS - start)) s"
	rm -f "$log"
}

# lab_locked NAME COMMAND…: only one at a time on this machine.
lab_locked() {
	local name=$1

	shift
	mkdir -p "$LAB_CACHE/lock"
	(
		if ! flock --nonblock 9; then
			lab_msg "waiting for another lab that builds $name"
			flock 9
		fi
		"$@" 9>&-
	) 9>"$LAB_CACHE/lock/${name//\//_}"
}

_lab_cache_fill() {
	local dir=$1

	shift
	[ ! -e "$dir" ] || return 0
	rm -rf --one-file-system "$dir.tmp"
	mkdir -p "$dir.tmp"
	"$@" "$dir.tmp"
	mv "$dir.tmp" "$dir"
}

# lab_cached DIR COMMAND…: make sure that DIR, below the cache, exists; if it
# does not, COMMAND… fills an empty directory, its last argument, which only
# gets its name when the command has succeeded.
lab_cached() {
	local dir=$LAB_CACHE/$1

	shift
	[ ! -e "$dir" ] || return 0
	mkdir -p "$(dirname "$dir")"
	lab_locked "$(basename "$(dirname "$dir")")-$(basename "$dir")" \
		_lab_cache_fill "$dir" "$@"
}

_lab_apt_install() {
	export DEBIAN_FRONTEND=noninteractive

	apt-get update -q
	apt-get install -y -q --no-install-recommends "$@"
}

# Every host command that the lab uses and a bare Debian may lack.
lab_need_tools() {
	local -a pairs=(
		mmdebstrap=mmdebstrap qemu-system-x86_64=qemu-system-x86
		mke2fs=e2fsprogs cpio=cpio xz=xz-utils zstd=zstd
		modprobe=kmod unshare=util-linux flock=util-linux
		readelf=binutils git=git
	)
	local -a missing=()
	local pair

	[ "$(id -u)" = 0 ] || lab_die "must run as root (sudo)"
	for pair in "${pairs[@]}"; do
		command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
	done
	[ -f /usr/share/keyrings/debian-archive-keyring.gpg ] ||
		missing+=(debian-archive-keyring)
	[ ${#missing[@]} -gt 0 ] || return 0
	lab_locked apt lab_progress "installing ${missing[*]}" \
		_lab_apt_install "${missing[@]}"
}
