# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# "xen-virtio stats": its numbers are those of the guest, its JSON is JSON, it
# shows a worker that hangs, and what goes wrong is one line.
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

JSON=$CASE_DIR/json

# JSON, reduced by its own grammar until one value is left; strings have no
# quotes or backslashes here.
is_json() { # FILE
	local left

	left=$(tr -d '\n' <"$1" | sed -E 's/"[^"\\]*" *:/K/g; s/"[^"\\]*"/V/g
		s/-?[0-9]+/V/g; s/ //g
		:again
		s/\{(KV(,KV)*)?\}/V/g; s/\[(V(,V)*)?\]/V/g; t again')
	[ "$left" = V ] || lab_fail "no JSON, what is left is '$left': $(cat "$1")"
}

# The backend's counters of the disk, in $JSON.
look() {
	xen-virtio stats --json d1 "$disk_dev" >"$JSON" || lab_fail "stats --json"
	is_json "$JSON"
}

# value OBJECT KEY: of "control" or "total", or, with "", of the device.
value() {
	local range=

	[ -z "$1" ] || range="/\"$1\":/,/}/"
	sed -n "${range}s/^ *\"$2\":\([0-9]*\),\?\$/\1/p" "$JSON" | head -n 1
}

# The sum over the queues, which come last.
queues_sum() { # KEY
	sed -n "/\"queues\":/,\$s/^ *\"$1\":\([0-9]*\),\?\$/\1/p" "$JSON" |
		awk '{ n += $1 } END { print n + 0 }'
}

# What the guest's kernel says of the disk: requests, bytes read, bytes written.
guest_io() {
	lab_domu_exec d1 "cat /sys/block/${DISK#/dev/}/stat" |
		awk '{ print $1 + $5 + $12 + $16, $3 * 512, $7 * 512 }'
}

guest_sum() { # WHAT: of both queues
	local n=0 queue value

	for queue in 0 1; do
		value=$(stat_of d1 "$disk_dev" "queue$queue.$1")
		n=$((n + value))
	done
	echo "$n"
}

granted() { # pages of windows, those of rings as well
	local n=0 kind

	for kind in window ring; do
		n=$((n + $(stat_of d1 "$disk_dev" ${kind}_grants)))
		n=$((n - $(stat_of d1 "$disk_dev" ${kind}_revoked)))
	done
	echo "$n"
}

equal() { # WHAT OURS THEIRS
	lab_log "$1: $2, in the guest $3"
	[ "$2" = "$3" ] || lab_fail "$1: $2, in the guest $3"
}

at_most() { # WHAT SMALL LARGE
	lab_log "$1: $2 of $3"
	[ "$2" -gt 0 ] || lab_fail "$1: $2 of $3"
	[ "$2" -le "$3" ] || lab_fail "$1: $2 of $3"
}

# --- nobody to ask, nothing to show -----------------------------------------

lab_domu_create d1 vcpus=2
lab_domu_wait d1
refused 'xen-virtiod.*start' xen-virtio stats d1
lab_start_daemon
refused 'no virtio device' xen-virtio stats d1
refused 'nobody' xen-virtio stats nobody
refused '999' xen-virtio stats 999
random_image disk 32
attach_disk d1 "path=$IMAGE,queues=2"
disk_dev=$DEV
refused 'no virtio device 7' xen-virtio stats d1 7
refused 'no virtio device 7' xen-virtio stats --json --watch d1 7

# --- the numbers -------------------------------------------------------------

fio_verify d1 "$DISK" --bs=4k --size=1m --ioengine=libaio --iodepth=16 \
	--numjobs=2 --offset_increment=1m
look
read -r requests bytes_in bytes_out < <(guest_io)
before_requests=$(value total requests)
before_in=$(value total bytes-in)
before_out=$(value total bytes-out)
fio_verify d1 "$DISK" --bs=4k --size=2m --ioengine=libaio --iodepth=16 \
	--numjobs=2 --offset_increment=2m : --bs=256k --size=4m
# Without flushes: the guest counts those that it has merged, too.
look
read -r now_requests now_in now_out < <(guest_io)
n=$((now_requests - requests))
equal requests $(($(value total requests) - before_requests)) $n
# A header of 16 bytes for each request, and a byte of status.
equal bytes-in $(($(value total bytes-in) - before_in)) \
	$((now_in - bytes_in + n))
equal bytes-out $(($(value total bytes-out) - before_out)) \
	$((now_out - bytes_out + 16 * n))
equal completed "$(value total completed)" "$(value total requests)"
equal errors "$(value total errors)" 0
# Each came from a way of the file engine; the guest asks for the serial
# number without one.
at_most "file requests" $(($(value total io-uring) + $(value total libaio) +
	$(value total helpers))) "$(value total requests)"
[ "$(value total io-uring)" -gt 0 ] || lab_fail "nothing by io_uring"
at_most "bytes-copied" "$(value total bytes-copied)" \
	$(($(value total bytes-in) + $(value total bytes-out)))

# Several notifications may be one event; each channel begins with one.
at_most kicks "$(value total kicks)" $(($(guest_sum kicks) + 2))
at_most interrupts "$(guest_sum interrupts)" "$(value total notifications)"
equal "control requests" "$(value control control-requests)" \
	"$(stat_of d1 "$disk_dev" requests)"
equal "window pages" "$(value control window-pages)" "$(granted)"
# And the two pages of the control ring.
equal "mapped pages" "$(value '' mapped-pages)" \
	$(($(value control window-pages) + 2))
for key in requests completed kicks bytes-in bytes-out notifications; do
	equal "$key of all queues" "$(queues_sum "$key")" "$(value total "$key")"
done
equal worker "$(value '' worker-pid)" "$(workers)"

# --- for people ---------------------------------------------------------------

attach d1 type=rng
guest_wait d1 20 "[ -e /dev/hwrng ]" || lab_fail "no /dev/hwrng"
xen-virtio stats d1 >"$CASE_DIR/table" || lab_fail "stats"
lab_log "$(cat "$CASE_DIR/table")"
grep -q "device $disk_dev: blk, connected for .*, worker $(value '' worker-pid)" \
	"$CASE_DIR/table" || lab_fail "no head for the disk"
grep -q "device $DEV: rng, connected for" "$CASE_DIR/table" ||
	lab_fail "no head for the rng"
grep -Eq '^requests +[0-9]+ +[0-9]+ +[0-9]+$' "$CASE_DIR/table" ||
	lab_fail "no line of requests"
! grep -q '.\{81\}' <(grep -v : "$CASE_DIR/table") || lab_fail "lines too long"
xen-virtio stats --json d1 >"$JSON"
is_json "$JSON"
[ "$(grep -c '"worker-pid"' "$JSON")" = 2 ] || lab_fail "not two devices"
detach d1 "$DEV"

# Until SIGINT, which is no error: rates under load, one line of JSON a second.
load d1 "$DISK"
# A slow machine needs longer for a few rounds.
watch() { # SIGNAL ROUNDS PATTERN COMMAND…: until so many lines have the pattern
	local seconds status

	for seconds in 5 15 45; do
		status=0
		timeout --preserve-status -s "$1" $seconds "${@:4}" \
			>"$CASE_DIR/watch" || status=$?
		[ "$status" = 0 ] || lab_fail "${*:4} ended with $status"
		[ "$(grep -c "$3" "$CASE_DIR/watch")" -lt "$2" ] || return 0
	done
	lab_fail "${*:4}: too few rounds in $seconds s"
}
watch INT 3 '^domain' xen-virtio stats --watch d1 "$disk_dev"
lab_log "$(tail -n 30 "$CASE_DIR/watch")"
awk '$1 == "requests" && $3 > 0 { ok = 1 } END { exit !ok }' \
	"$CASE_DIR/watch" || lab_fail "no rate of requests"
watch TERM 2 . xen-virtio stats --json --watch=1 d1
while read -r line; do
	echo "$line" >"$JSON"
	is_json "$JSON"
done <"$CASE_DIR/watch"
stop_load d1

# --- a worker that hangs ------------------------------------------------------

worker=$(workers)
kill -STOP "$worker"
look
equal "requests of a stopped worker" "$(value total requests)" \
	"$(value total completed)"
kill -CONT "$worker"
detach d1 "$disk_dev"
refused 'no virtio device' xen-virtio stats d1 "$disk_dev"
lab_pass
