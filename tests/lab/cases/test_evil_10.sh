# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Nodes of a backend that are missing, garbage, huge, or vanish (R8).
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600 slow
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

revision='does not speak protocol revision 1'
number='a number from 128 to 65536 is expected'

evil_guest
evil node-no-revisions refused 'reading .*/protocol-revisions'
evil node-other-revisions refused "$revision"
evil node-empty-revisions refused "$revision"
evil node-garbage-revisions refused "$revision"
evil node-huge-revisions refused "$revision"
evil node-no-window good
evil node-zero-window refused "$number"
evil node-negative-window refused "$number"
evil node-huge-window refused "$number"
evil node-garbage-window refused "$number"
evil node-long-window refused "$number"
evil node-garbage-whole refused "a number from 0 to 1 is expected"
evil nodes-change healthy
evil nodes-backend-gone broken 'device is broken'
evil nodes-frontend-gone broken 'device is broken'
evil nodes-all-gone broken 'device is broken'
evil_end
