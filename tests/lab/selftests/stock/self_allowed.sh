# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The same complaint, when the script expects it.
# Expected: PASS

# shellcheck source=tests/lab/selftests/faulty.sh
. /lab/files/faulty.sh
lab_allow_log 'WARNING: .*fault_warn|Modules linked in:.*faulty|Call Trace:'
faulty warn
lab_pass
