# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Helpers for the scripts that run in dom0; the interface is in README.md.

LAB_DOMU=/run/lab/domu		# one directory per running domU
LAB_GUEST_DIR=/lab/guest
# shellcheck source=/dev/null
. /lab/config
# A host that has something else to do makes this machine slower, up to five times
# have been seen: what is awaited gets more time than it should need.  Nothing
# waits longer for that, unless it fails.
LAB_PATIENCE=3
LAB_CASE_TIMEOUT=$((360 * LAB_SLOW))	# seconds, for lab_domu_exec
LAB_BOOT_TIMEOUT=$((240 * LAB_SLOW))	# seconds, for lab_domu_wait

# What a kernel need not find out by reading ports that are emulated twice.
LAB_QUICK="tsc_early_khz=$LAB_TSC_KHZ pci=off 8250.nr_uarts=0 agp=off"
LAB_QUICK+=" tsc=nowatchdog random.trust_cpu=1 cryptomgr.notests"
LAB_QUICK+=" $LAB_LAYOUT"
# A processor that did not run for a while is the host's fault; one that hangs for
# good does not answer any more.  As it is in dom0.
LAB_QUICK+=" watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"

# --- verdict ---------------------------------------------------------------

_lab_verdict() {
	local status=$1

	shift
	[ -f "$LAB_STATE/verdict" ] || echo "$*" >"$LAB_STATE/verdict"
	exit "$status"
}

lab_pass() {
	_lab_verdict 0 PASS
}

lab_fail() {
	_lab_verdict 1 "FAIL $*"
}

lab_skip() {
	_lab_verdict 4 "SKIP $*"
}

# lab_part NAME [REASON…]: one of several things that this script tests has
# passed, or failed for a reason; it is counted by its own name.  The script
# goes on, and its verdict is still to be given.
lab_part() {
	local name=$1

	shift
	lab_log "part $name: ${*:-passed}"
	if [ $# = 0 ]; then
		echo "PART PASS $LAB_NAME.$name"
	else
		echo "PART FAIL $LAB_NAME.$name: $*"
	fi >>"$LAB_STATE/parts"
}

# A failure of the lab, not of what is tested.
lab_broken() {
	_lab_verdict 2 "BROKEN $*"
}

# Log lines that match REGEX are expected, in every log of this script.
lab_allow_log() {
	echo "$1" >>"$LAB_STATE/allowed"
}

lab_log() {
	local now

	read -r now _ </proc/uptime
	echo "[$now] $*"
}

# lab_wait_for SECONDS CONDITION…: poll a command until it succeeds; a slow
# guest gets more time, and so does a slow machine.
lab_wait_for() {
	local end=$((SECONDS + $1 * LAB_SLOW * LAB_PATIENCE))

	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			lab_log "not in time: $*"
			return 1
		fi
		sleep 0.1
	done
}

# --- domUs -----------------------------------------------------------------

_lab_debug_guest() {
	[ "$LAB_GUEST_SUITE" = debug ]
}

_lab_domid() {
	xl domid "$1" 2>/dev/null
}

_lab_config() {
	local -A key=(
		[guest]=$LAB_GUEST [memory]=512 [vcpus]=1 [extra]=''
		[disk]='' [paused]=0 [kernel]=$LAB_GUEST_DIR/vmlinux
		[ramdisk]=$LAB_GUEST_DIR/initramfs [config]='' [wait]=1
		[cmdline]="console=hvc0 loglevel=1 panic=0 $LAB_QUICK"
	)
	local name=$1 pair

	shift
	if _lab_debug_guest; then
		# The shadow of KASAN alone takes an eighth.
		key[memory]=768
		key[cmdline]+=" page_poison=1"
	fi
	for pair; do
		[[ -v key[${pair%%=*}] ]] ||
			lab_broken "lab_domu_create: unknown key ${pair%%=*}"
		key[${pair%%=*}]=${pair#*=}
	done
	cat <<-END
		name = "$name"
		type = "${key[guest]}"
		memory = ${key[memory]}
		vcpus = ${key[vcpus]}
		kernel = "${key[kernel]}"
		$([ -z "${key[ramdisk]}" ] || echo "ramdisk = \"${key[ramdisk]}\"")
		extra = "${key[cmdline]} ${key[extra]}"
		$([ -z "${key[disk]}" ] || echo "disk = [ '${key[disk]//;/\', \'}' ]")
		on_poweroff = "destroy"
		on_reboot = "destroy"
		on_crash = "destroy"
		${key[config]}
	END
	echo "${key[paused]}" >"$LAB_DOMU/$name/paused"
}

# The terminal of a domain, once xenconsoled has opened it.
_lab_console_tty() {
	xenstore-read "/local/domain/$1/console/tty" | grep /
}

# Read the domU's console from now on; also after xl restore.
lab_domu_console() {
	local name=$1 dir=$LAB_DOMU/$1 id tty

	id=$(_lab_domid "$name") || lab_broken "no domU $name"
	lab_wait_for 20 _lab_console_tty "$id" >/dev/null ||
		lab_broken "no console for $name"
	tty=$(_lab_console_tty "$id")
	echo "$id" >"$dir/id"
	rm -f "$dir/gone" "$dir/sock"
	/lab/bin/labcon serve "$dir" "$tty" || lab_broken "labcon for $name"
}

lab_domu_create() {
	local name=$1 dir=$LAB_DOMU/$1

	mkdir -p "$dir"
	_lab_config "$@" >"$dir/config"
	lab_log "creating $name"
	if ! xl create -q -p "$dir/config"; then
		rm -rf "$dir"
		return 1
	fi
	lab_domu_console "$name"
	[ "$(cat "$dir/paused")" = 1 ] || xl unpause "$name"
}

lab_domu_unpause() {
	xl unpause "$1"
}

# Wait until the domU can execute commands.
lab_domu_wait() {
	local name=$1 dir=$LAB_DOMU/$1

	[ ! -e "$dir/ready" ] || return 0
	if ! /lab/bin/labcon wait "$dir" "${2:-$LAB_BOOT_TIMEOUT}"; then
		lab_log "$name did not come up: $(
			tail -n 3 "$dir/console.log" | cut -c1-200)"
		return 1
	fi
}

lab_domu_exec() {
	local name=$1

	shift
	lab_domu_wait "$name" || return 125
	/lab/bin/labcon exec "$LAB_DOMU/$name" "$LAB_CASE_TIMEOUT" "$*"
}

_lab_domu_dead() {
	! _lab_domid "$1"
}

# Keep a domU's logs; the checks look at them when the script is over.
_lab_domu_collect() {
	local name=$1 dir=$LAB_DOMU/$1 what

	[ -d "$dir" ] || return 0
	lab_wait_for 5 test -e "$dir/gone" || :
	for what in dmesg console; do
		[ ! -s "$dir/$what.log" ] ||
			cat "$dir/$what.log" >>"$LAB_OUT/domu-$name.$what"
	done
	rm -rf "$dir"
}

# Let the kernel log arrive: an answer comes after what was logged before.
_lab_domu_flush() {
	local name=$1

	if [ ! -e "$LAB_DOMU/$name/ready" ] || [ -e "$LAB_DOMU/$name/gone" ]; then
		return 0
	fi
	/lab/bin/labcon exec "$LAB_DOMU/$name" 20 true 2>/dev/null || :
}

# What only a debug kernel knows, and only as long as it lives: memory that
# nothing refers to, errors of which only the first was logged, and mappings
# that are left of a device without a driver.  kmemleak believes what it has
# seen twice, of objects that are 5 s old; the third look is for those that were
# on their way between two places.  What the kernel itself lost before there was
# an init (ACPI's caches, when it turns out that there is no ACPI) is not ours.
_lab_debug_scan=$(cat <<'END'
cd /sys/kernel/debug || exit
scan() { echo scan >kmemleak || echo "BUG: kmemleak does not work"; }
scan; sleep 6; scan
[ -z "$(cat kmemleak)" ] || scan
awk '/^unreferenced/ { head = $0; next }
	head != "" { ours = !/comm "swapper/; if (ours) print head; head = "" }
	ours' kmemleak
grep -q '^ *debug_locks: *1$' /proc/lockdep_stats || echo "BUG: lockdep is off"
[ "$(cat dma-api/disabled)" = N ] || echo "BUG: DMA-API: is off"
[ "$(cat dma-api/error_count)" = 0 ] ||
	echo "DMA-API: $(cat dma-api/error_count) errors"
while read -r _ device rest; do
	[[ $device != virtio-* ]] || [ -e "/sys/bus/xen/devices/$device/driver" ] ||
		echo "DMA-API: $device is gone, not its mapping $rest"
done <dma-api/dump
END
)

_lab_domu_debug() {
	local name=$1 dir=$LAB_DOMU/$1

	_lab_debug_guest || return 0
	if [ ! -e "$dir/ready" ] || [ -e "$dir/gone" ]; then
		return 0
	fi
	/lab/bin/labcon exec "$dir" 360 "$_lab_debug_scan" \
		>>"$LAB_OUT/domu-$name.debug" ||
		echo "BUG: $name could not be scanned" \
			>>"$LAB_OUT/domu-$name.debug"
}

lab_domu_destroy() {
	local name=$1

	_lab_domu_debug "$name"
	_lab_domu_flush "$name"
	if _lab_domid "$name" >/dev/null; then
		xl destroy "$name" || return
	fi
	_lab_domu_collect "$name"
}

# lab_domu_shutdown NAME [SECONDS]: as the toolstack does it, by the store.
lab_domu_shutdown() {
	local name=$1 id

	_lab_domu_debug "$name"
	_lab_domu_flush "$name"
	id=$(_lab_domid "$name") || return
	xl shutdown "$name" || return
	lab_wait_for "${2:-60}" _lab_domu_dead "$name" || return
	_lab_domu_collect "$name"
}

# --- the project -----------------------------------------------------------

# lab_start_daemon [ARGUMENT…]: returns when the daemon answers.
lab_start_daemon() {
	[ -x /lab/bin/xen-virtiod ] || lab_broken "xen-virtiod is not built"
	setsid "${LAB_VIRTIOD:-/lab/bin/xen-virtiod}" -f "$@" </dev/null \
		>>"$LAB_OUT/xen-virtiod.log" 2>&1 &
	echo $! >/run/lab/daemon.pid
	if ! lab_wait_for 20 _lab_daemon_ready; then
		tail -n 20 "$LAB_OUT/xen-virtiod.log"
		return 1
	fi
}

_lab_daemon_ready() {
	lab_daemon_alive || return 0
	xen-virtio list
}

lab_daemon_alive() {
	[ -s /run/lab/daemon.pid ] && kill -0 "$(cat /run/lab/daemon.pid)"
}

_lab_pid_gone() {
	! kill -0 "$1" 2>/dev/null
}

lab_stop_daemon() {
	local pid

	[ -s /run/lab/daemon.pid ] || return 0
	pid=$(cat /run/lab/daemon.pid)
	rm -f /run/lab/daemon.pid
	kill "$pid" 2>/dev/null || return 0
	lab_wait_for 20 _lab_pid_gone "$pid"
}

lab_attach() {
	xen-virtio attach "$@"
}

lab_detach() {
	xen-virtio detach "$@"
}

# --- the runner's own ------------------------------------------------------

_lab_clean_up() {
	local dir

	for dir in "$LAB_DOMU"/*/; do
		[ -d "$dir" ] || continue
		lab_log "left running: $(basename "$dir")"
		lab_domu_destroy "$(basename "$dir")"
	done
	xl list | awk 'NR > 1 && $2 != 0 { print $2 }' | while read -r dir; do
		xl destroy "$dir"
	done
	lab_stop_daemon
	losetup -D
}

_lab_on_error() {
	local status=$? line=$1 command=$2

	echo ", line $line: $command" >"$LAB_STATE/where"
	return "$status"
}

export PATH=/lab/bin:$PATH
if [ "${0##*/}" != runner ] && [ -n "${LAB_STATE:-}" ]; then
	set -E
	trap '_lab_on_error "$LINENO" "$BASH_COMMAND"' ERR
fi
# Programs that a script starts do not load the helpers again.
unset BASH_ENV
