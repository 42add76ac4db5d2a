# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What operations cost by themselves: xen-virtio-bench in dom0, and
# grant_dma_test.ko in a guest.

micro_backend() {
	local samples=200

	modprobe xen-gntalloc || lab_fail "loading xen-gntalloc"
	[ "$SET" != smoke ] || samples=20
	xen-virtio-bench --icount --json --samples "$samples" >/tmp/micro ||
		lab_fail "xen-virtio-bench"
	say "micro $(tr -d '\n' </tmp/micro)"
}

# gdt.sh wants these two.
attach() { # NAME SPEC
	DEV=$(lab_attach "$1" "$2") || lab_fail "attaching $2"
}

fe_state() { # NAME DEVICE
	xenstore-read "/local/domain/$(xl domid "$1")/device/virtio/$2/state"
}

# gdt MODE WHAT PARAMETER…: its lines of measurements.
gdt() {
	local mode=$1 what=$2 line

	shift 2
	gdt_run g tests=bench bench_cpus=1 "bench_what=$what" "$@" >/dev/null
	gdt_good
	gdt_unload g
	# The first word is WHAT.
	while read -r _ line; do
		say "guest mode=$mode what=$what $line"
	done < <(sed -n 's/^# bench //p' "$CASE_DIR/ktap")
}

# The large ones go last: they make the window grow.
micro_guest_run() { # MODE WHAT…
	local mode=$1 what

	shift
	gdt_attach g "path=${backing[bare]},dma=$mode"
	for what; do
		gdt "$mode" "$what" \
			"bench_ms=$([ "$SET" = smoke ] && echo 100 || echo 200)"
	done
	for what; do
		[ "$SET" != full ] || gdt "$mode" "$what" bench_sweep=1 bench_ms=10
	done
	lab_detach g "$DEV" || lab_fail "detaching"
}

micro_guest() {
	CASE_DIR=/tmp/case
	mkdir -p "$CASE_DIR"
	# shellcheck source=tests/lab/dom0/gdt.sh
	. /lab/dom0/gdt.sh
	gdt_domu g memory=256
	micro_guest_run window dma place seq
	[ "$SET" = smoke ] || micro_guest_run direct dma place
	lab_domu_shutdown g
}
