# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A disk attached to a paused domU is there when the domU runs.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1 paused=1
random_image one 8
attach d1 "type=blk,path=$IMAGE"
first=$DEV
random_image two 4
attach d1 "type=blk,path=$IMAGE,readonly"
lab_domu_unpause d1
lab_domu_wait d1
wait_disk d1
[ "$(lab_domu_exec d1 "sha256sum <$DISK")" = "$(sha256sum <"$IMAGE")" ] ||
	lab_fail "the second disk is not what was attached"
DEV=$first wait_disk d1
[ "$(lab_domu_exec d1 "sha256sum <$DISK")" = \
	"$(sha256sum <"$CASE_DIR/one")" ] ||
	lab_fail "the first disk is not what was attached"
lab_domu_shutdown d1
lab_wait_for 10 not_held "$IMAGE" || lab_fail "open after the domU is gone"
lab_wait_for 10 no_nodes ||
	lab_fail "nodes are left after the domU is gone"
lab_pass
