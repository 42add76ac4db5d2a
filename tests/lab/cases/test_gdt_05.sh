# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The same tests of the DMA layer in modes direct and auto and for a backend that
# is not trusted: whole pages only are granted, and only there (T14, T16, T18).
# lab: suites=bookworm guests=pv timeout=900
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

# one NAME STRIDE OPTIONS DIRECT ZEROED: every so many sizes; whether there must be
# buffers of these kinds
one() {
	local name=$1 stride=$2

	shift 2
	gdt_attach d1 "path=$IMAGE,whole-writes=0,$1"
	gdt_run d1 "stride=$stride"
	gdt_parts "$name"
	[ "$(gdt_buffers bounced)" -gt $((50000 / stride)) ] ||
		lab_fail "$1: too few buffers were tried"
	[ $(($(gdt_buffers direct) > 0)) = "$2" ] ||
		lab_fail "$1: $(gdt_buffers direct) buffers were direct"
	[ $(($(gdt_buffers zeroed) > 0)) = "$3" ] ||
		lab_fail "$1: $(gdt_buffers zeroed) buffers were zeroed"
	[ "$(stat_of d1 "$DEV" mapped)" = 0 ] ||
		lab_fail "$1: mappings are left"
	[ "$(stat_of d1 "$DEV" direct_refs_used)" = 0 ] ||
		lab_fail "$1: direct grants are left"
	[ "$(stat_of d1 "$DEV" quarantined)" = 0 ] ||
		lab_fail "$1: pages in quarantine"
	gdt_unload d1
	detach d1 "$DEV"
}

lab_start_daemon
gdt_domu d1 vcpus=4
image disk 64M
one direct 1 dma=direct 1 0
one auto 3 dma=auto,direct-threshold=8192 1 0
one untrusted 3 trusted=0,dma=direct 0 1
lab_pass
