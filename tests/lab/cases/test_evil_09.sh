# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# States of a backend in every wrong order (R8).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600 slow
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

gone='device is broken: the backend has gone'

evil_guest
evil state-first-connected waiting
evil state-first-closing waiting
evil state-first-closed waiting
evil state-first-gone waiting
evil state-first-garbage waiting
evil state-first-twice good
evil state-first-deaf refused "device is broken: the backend does not answer"
evil state-first-all good
evil state-initialising broken "$gone"
evil state-initwait broken "$gone"
evil state-initialised healthy
evil state-connected healthy
evil state-reconfiguring healthy
evil state-number healthy
evil state-closed broken "$gone"
evil state-unknown broken "$gone"
evil state-negative healthy
evil state-huge healthy
evil state-garbage broken "$gone"
evil state-empty broken "$gone"
evil state-gone broken "$gone"
evil state-back-again broken
evil state-begin-again broken
evil state-all broken "$gone"
# The guest's xenwatch takes its time with a thousand of them, on a busy machine.
EVIL_BOUND=60
evil state-storm healthy '' --seconds 3
evil_end
