# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A scan of every page that dom0 can map finds the canary of mapped buffers, and
# none of what lies beside them, was freed, or was never mapped (T14).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

found() { # KIND
	sed -n "s/^$1 //p" "$CASE_DIR/scan"
}

lab_start_daemon
gdt_domu d1
image disk 16M
gdt_attach d1 "path=$IMAGE"
canary=$(head -c 6 /dev/urandom | base64 | tr '+/' 'xy')
gdt_run d1 tests=plant "canary=$canary"
gdt_good
gntscan "$(xl domid d1)" "$canary" mapped beside freed other \
	>"$CASE_DIR/scan" || lab_fail "the scan"
lab_log "$(paste -sd' ' "$CASE_DIR/scan")"
# The window at its limit is 2048 pages; 32 objects hold 12 words each.
[ "$(found pages)" -ge 2048 ] || lab_fail "the scan saw $(found pages) pages"
[ "$(found mapped)" -ge 384 ] || lab_fail "the scan finds no canary at all"
for kind in beside freed other; do
	[ "$(found $kind)" = 0 ] || lab_fail "$(found $kind) times '$kind'"
done
gdt_unload d1
[ "$(stat_of d1 "$DEV" mapped)" = 0 ] || lab_fail "mappings are left"
detach d1 "$DEV"
lab_pass
