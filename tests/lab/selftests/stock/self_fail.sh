# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A command that fails is a failure, also without a verdict.
# Expected: FAIL .*ended without a verdict, status 1, line 6: false

false
lab_pass
