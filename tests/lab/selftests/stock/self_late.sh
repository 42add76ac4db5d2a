# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# No verdict in time.
# Expected: FAIL .*no verdict in 5 s

# timeout: 5
sleep 100
lab_pass
