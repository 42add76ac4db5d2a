# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# lockdep: two locks in either order.
# Expected: FAIL .*WARNING: possible circular locking dependency

# shellcheck source=tests/lab/selftests/faulty.sh
. /lab/files/faulty.sh
faulty lock
lab_pass
