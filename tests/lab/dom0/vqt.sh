# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# For cases that use vq_test.ko; after cases.sh.

# vqt_domu NAME [key=value…]: a domU whose disks have no driver.
vqt_domu() {
	local name=$1

	lab_domu_create "$@"
	lab_domu_exec "$name" "rmmod virtio_blk" ||
		lab_broken "virtio_blk cannot be unloaded"
}

# vqt_attach NAME SPEC: a disk, its number in DEV.
vqt_attach() {
	attach "$1" "type=blk,$2"
	lab_wait_for 20 vqt_connected "$1" ||
		lab_fail "the frontend's state is $(fe_state "$1" "$DEV")"
}

vqt_connected() { # NAME
	[ "$(fe_state "$1" "$DEV")" = 4 ]
}

# vqt_run NAME TESTS PARAMETER…: load the module, which must give so many
# results, all of them good; its KTAP in $CASE_DIR/ktap.
vqt_run() {
	local name=$1 tests=$2

	shift 2
	lab_domu_exec "$name" "dmesg -c >/run/dmesg.before
		insmod /lab/vq_test.ko $*" || lab_fail "loading vq_test.ko $*"
	lab_domu_exec "$name" "dmesg | sed 's/^\[ *[0-9.]*\] //' |
		sed -n '/^KTAP version/,\$p'; rmmod vq_test" >"$CASE_DIR/ktap"
	cat "$CASE_DIR/ktap"
	! grep '^not ok ' "$CASE_DIR/ktap" >"$CASE_DIR/failed" ||
		lab_fail "$(sed 's/^not ok [0-9]* //' "$CASE_DIR/failed" |
			paste -sd' ')"
	grep -q "^# vq_test: pass:$tests fail:0\$" "$CASE_DIR/ktap" ||
		lab_fail "not $tests results"
}
