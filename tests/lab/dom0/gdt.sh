# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# For cases that use grant_dma_test.ko; after cases.sh.

# gdt_domu NAME [key=value…]: a domU whose disks have no driver.
gdt_domu() {
	local name=$1

	lab_domu_create "$@"
	lab_domu_exec "$name" "rmmod virtio_blk" ||
		lab_broken "virtio_blk cannot be unloaded"
}

# gdt_attach NAME SPEC: a disk, its number in DEV.
gdt_attach() {
	attach "$1" "type=blk,$2"
	lab_wait_for 20 gdt_connected "$1" ||
		lab_fail "the frontend's state is $(fe_state "$1" "$DEV")"
}

gdt_connected() { # NAME
	[ "$(fe_state "$1" "$DEV")" = 4 ]
}

# gdt_run NAME PARAMETER…: load the module, its KTAP in $CASE_DIR/ktap.
gdt_run() {
	local name=$1

	shift
	lab_domu_exec "$name" "dmesg -c >/run/dmesg.before
		insmod /lab/grant_dma_test.ko $*" ||
		lab_fail "loading grant_dma_test.ko $*"
	lab_domu_exec "$name" "dmesg | sed 's/^\[ *[0-9.]*\] //' |
		sed -n '/^KTAP version/,\$p'" >"$CASE_DIR/ktap"
	cat "$CASE_DIR/ktap"
}

gdt_unload() { # NAME
	lab_domu_exec "$1" "rmmod grant_dma_test" ||
		lab_fail "unloading grant_dma_test"
}

# Every planned test has a result, none has failed.
gdt_good() {
	local planned results

	planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$CASE_DIR/ktap")
	results=$(grep -cE '^(not )?ok [0-9]+ ' "$CASE_DIR/ktap") || :
	[ "${planned:-0}" -gt 0 ] || lab_fail "no test was run"
	[ "$results" = "$planned" ] ||
		lab_fail "$results results of $planned tests"
	! grep '^not ok ' "$CASE_DIR/ktap" >"$CASE_DIR/failed" ||
		lab_fail "$(sed 's/^not ok [0-9]* //' "$CASE_DIR/failed" |
			paste -sd' ')"
}

# gdt_parts NAME: the same, and each test counts as a part of the script.
gdt_parts() {
	local line

	while read -r line; do
		case $line in
		*'# SKIP') ;;
		'ok '*) lab_part "$1.${line#ok * }" ;;
		'not ok '*) lab_part "$1.${line#not ok * }" "see the log" ;;
		esac
	done <"$CASE_DIR/ktap"
	gdt_good
}

# gdt_buffers WHAT: how many buffers were bounced, direct, zeroed.
gdt_buffers() {
	sed -n "s/^# buffers:.* \([0-9]*\) $1.*/\1/p" "$CASE_DIR/ktap"
}
