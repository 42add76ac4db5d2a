# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sleeping with a spinlock held.
# Expected: FAIL .*BUG: (scheduling while atomic|sleeping function)

# shellcheck source=tests/lab/selftests/faulty.sh
. /lab/files/faulty.sh
faulty atomic
lab_pass
