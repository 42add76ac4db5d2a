# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The DMA layer alone, window mode: every size at every offset class in every
# direction, sync of ranges, lists, nonsense, exhaustion, holes, all CPUs and
# interrupts at once; then through a disk's requests (T14, T16, T18, R9).
# lab: suites=bookworm,trixie guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

lab_start_daemon
gdt_domu d1 vcpus=4
image disk 64M
gdt_attach d1 "path=$IMAGE,whole-writes=0"
if [ "$LAB_GUEST_SUITE" = debug ]; then
	# DMA_API_DEBUG speaks up itself about what is to be refused.
	gdt_run d1 stride=29
	skipped='nonsense_is_refused'
	few=4000 refused=0
else
	gdt_run d1
	skipped='none'
	few=50000 refused=8
fi
gdt_parts window
[ "$(gdt_buffers direct)" = 0 ] || lab_fail "buffers were granted as they are"
[ "$(gdt_buffers zeroed)" = 0 ] || lab_fail "buffers of a trusted device are zeroed"
[ "$(gdt_buffers bounced)" -gt $few ] || lab_fail "too few buffers were tried"
! grep '# SKIP' "$CASE_DIR/ktap" | grep -v " $skipped #" ||
	lab_fail "a test was skipped"
said=$(lab_domu_exec d1 "dmesg | grep -c 'which are not mapped'") || :
[ "$said" = $refused ] ||
	lab_fail "$said messages about $refused refused calls"
[ "$(stat_of d1 "$DEV" exhausted)" -gt 0 ] || lab_fail "never exhausted"
most=$(sed -n 's/^# \([0-9]*\) mappings of 4000 bytes/\1/p' "$CASE_DIR/ktap")
# A slot of a page each; the rings have some.
[ "$most" -gt $(($(stat_of d1 "$DEV" window_limit_kib) / 4 - 100)) ] ||
	lab_fail "the window did not grow to its limit: $most mappings"
[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
[ "$(stat_of d1 "$DEV" quarantined)" = 0 ] || lab_fail "pages in quarantine"
gdt_unload d1
detach d1 "$DEV"
lab_pass
