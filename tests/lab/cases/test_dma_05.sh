# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The tracepoints, from attach to the last request: what they say of each mapping
# makes sense, and together they are what the counters say.
# lab: suites=bookworm guests=pv
# lab: suites=bookworm guests=pvh guest-suites=debug
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

TRACING=/sys/kernel/tracing
THRESHOLD=16384

# Of two events that depend on each other the second has the higher number.
trace_on() {
	lab_domu_exec d1 "cd $TRACING && echo counter >trace_clock &&
		echo 4096 >buffer_size_kb && echo 1 >events/xen_virtio/enable"
}

# Every event, in order, in $CASE_DIR/trace: "EVENT DEVICE WORD...".
trace_get() {
	lab_domu_exec d1 "cat $TRACING/trace" >"$CASE_DIR/raw" ||
		lab_fail "reading the trace"
	grep -qE '^# entries-in-buffer/entries-written: ([0-9]+)/\1 ' \
		"$CASE_DIR/raw" || lab_fail "events were lost"
	sed -n 's/.* \(xen_virtio_[a-z]*\): /\1 /p' "$CASE_DIR/raw" \
		>"$CASE_DIR/trace"
	lab_log "$(wc -l <"$CASE_DIR/trace") events"
	head -n 3 "$CASE_DIR/trace"
}

# The counters as the events tell them: "NAME VALUE", and "bad ..." for what
# cannot be.  The address of a buffer is free until it is mapped, and again when
# that has ended.
# shellcheck disable=SC2016 # awk's
COUNT='
	function field(name,	i) {
		for (i = 3; i <= NF; i++)
			if (index($i, name "=") == 1)
				return substr($i, length(name) + 2)
		return "none"
	}
	function bad(why) {
		print "bad " why ": " $0
	}
	$2 != device { bad("another device") }
	{ addr = field("addr"); size = field("size") + 0 }
	$1 == "xen_virtio_map" {
		kind = $NF
		dir = $(NF - 1) == "device" ? $(NF - 2) " device" : $(NF - 1)
		whole = addr ~ /000$/ && field("phys") ~ /000$/ && size % 4096 == 0
		if (addr !~ /^0x[89a-f]/ || length(addr) != 18)
			bad("no grant")
		if (kind == "direct" && (!whole || size < threshold))
			bad("must not be granted")
		if (kind == "window" && size > 16384 || size < 1)
			bad("size")
		if (kind !~ /^(direct|window)$/ || dir !~ /^(to|from) device$/)
			bad("words")
		if (addr in sizes)
			bad("is mapped already")
		sizes[addr] = size; dirs[addr] = dir; kinds[addr] = kind
		n["maps"]++
		n[kind "_maps"]++
		if (kind == "window")
			n["bytes_in"] += size
		else
			n["direct_grants"] += size / 4096
	}
	$1 == "xen_virtio_unmap" {
		if (!(addr in sizes))
			bad("is not mapped")
		if (sizes[addr] != size || index($0, dirs[addr]) == 0)
			bad("is mapped otherwise")
		if (kinds[addr] == "direct")
			n["direct_revoked"] += size / 4096
		else if (dirs[addr] == "from device")
			n["bytes_out"] += size
		delete sizes[addr]
	}
	$1 == "xen_virtio_grow" {
		if (field("err") != 0 || field("chunks") != ++chunks)
			bad("growth")
		n["window_grown"]++
	}
	$1 == "xen_virtio_shrink" {
		if (field("chunks") != --chunks)
			bad("shrinking")
		n["window_shrunk"]++
	}
	$1 == "xen_virtio_quarantine" { bad("quarantine") }
	END {
		for (addr in sizes)
			n["mapped"]++
		n["mapped"] += 0
		n["window_kib"] = chunks * 256
		for (name in n)
			printf "%s %d\n", name, n[name]
	}'

same_as_counters() {
	local name value bad

	awk -v device="virtio-$DEV" -v threshold=$THRESHOLD "$COUNT" \
		"$CASE_DIR/trace" | sort >"$CASE_DIR/told"
	cat "$CASE_DIR/told"
	bad=$(grep -m 1 '^bad' "$CASE_DIR/told") || bad=
	[ -z "$bad" ] || lab_fail "$bad"
	# Each of them has happened.
	[ "$(wc -l <"$CASE_DIR/told")" = 11 ] || lab_fail "an event is missing"
	while read -r name value; do
		[ "$(stat_of d1 "$DEV" "$name")" = "$value" ] ||
			lab_fail "events say $name is $value, the counter" \
				"$(stat_of d1 "$DEV" "$name")"
	done <"$CASE_DIR/told"
}

lab_start_daemon
# So slow that what fio has in flight is all there at once, and the window grows.
slow_disk 16
slow_delay 100
lab_domu_create d1 vcpus=2 extra="lab.modargs=window_initial_kb=2304,\
window_max_kb=4096,window_idle_s=2,dma_mode=auto,direct_threshold=$THRESHOLD"
trace_on || lab_fail "there are no tracepoints"
attach_disk d1 "path=$IMAGE,queues=2,whole-writes=0"
fio_verify d1 "$DISK" --bs=12k --size=3m --ioengine=libaio --iodepth=256 \
	: --bs=128k --size=1m --ioengine=libaio --iodepth=8 \
	: --bs=512 --size=32k --ioengine=libaio --iodepth=4 --numjobs=2 \
	--offset_increment=4m
guest_wait d1 30 "[ \$(sed -n 's/^window_kib //p' \
	/sys/kernel/debug/xen-virtio/virtio-$DEV/stats) = 2304 ]" ||
	lab_fail "the window does not shrink"
trace_get
same_as_counters

lab_log "switched off"
lab_domu_exec d1 "echo 0 >$TRACING/events/xen_virtio/enable; echo >$TRACING/trace"
fio_verify d1 "$DISK" --bs=4k --size=64k
trace_get
[ ! -s "$CASE_DIR/trace" ] || lab_fail "events come though they are off"
detach d1 "$DEV"
lab_pass
