# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Nothing is wrong in a debug kernel that just runs.
# Expected: PASS

lab_domu_create d1
lab_domu_exec d1 true
lab_pass
