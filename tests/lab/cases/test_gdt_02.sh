# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A scan of every page that dom0 can map finds the canary of mapped buffers, and
# none of what lies beside them, was freed, or was never mapped: with the window,
# and where whole pages are granted themselves (T14).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

found() { # KIND
	sed -n "s/^$1 //p" "$CASE_DIR/scan"
}

scan() { # OPTIONS DIRECT: whether there must be buffers that are granted
	local canary kind direct

	gdt_attach d1 "path=$IMAGE,$1"
	canary=$(head -c 6 /dev/urandom | base64 | tr '+/' 'xy')
	gdt_run d1 tests=plant "canary=$canary"
	gdt_good
	direct=$(stat_of d1 "$DEV" direct_refs_used)
	gntscan "$(xl domid d1)" "$canary" mapped beside freed other \
		>"$CASE_DIR/scan" || lab_fail "$1: the scan"
	lab_log "$1: $direct direct, $(paste -sd' ' "$CASE_DIR/scan")"
	[ $((direct > 0)) = "$2" ] || lab_fail "$1: $direct direct grants"
	# The window at its limit is 2048 pages; 32 objects hold 12 words each.
	[ "$(found pages)" -ge $((2048 + direct)) ] ||
		lab_fail "$1: the scan saw $(found pages) pages"
	[ "$(found mapped)" -ge 384 ] ||
		lab_fail "$1: the scan finds no canary at all"
	for kind in beside freed other; do
		[ "$(found $kind)" = 0 ] ||
			lab_fail "$1: $(found $kind) times '$kind'"
	done
	gdt_unload d1
	[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "$1: mappings are left"
	detach d1 "$DEV"
}

lab_start_daemon
gdt_domu d1
image disk 16M
scan dma=window 0
scan dma=auto,direct-threshold=4096 1
scan dma=direct 1
scan dma=direct,trusted=0 0
lab_pass
