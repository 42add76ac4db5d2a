# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Devices, queues and config spaces that are absurd, or never the same.
# lab: suites=bookworm guests=pv timeout=600
# lab: suites=bookworm guests=pvh guest-suites=debug timeout=600 slow
# shellcheck source=tests/lab/dom0/hostile.sh
. /lab/dom0/hostile.sh

limits='the limits are 1024 and 65536'
unreadable='device is broken: the config space cannot be read'
required='are required'

evil_guest
evil config-size-huge refused "$limits"
evil config-queues-huge refused "$limits"
evil config-device-zero refused "$limits"
evil config-no-platform refused "$required"
evil config-no-version refused "$required"
evil config-size-zero nodisk 'of config space'
evil config-queues-zero nodisk 'the driver wants 1 queues'
evil config-queue-size-zero nodisk 'setting up queue 0'
evil config-queue-size-odd nodisk 'setting up queue 0'
evil config-queue-size-huge good
evil config-queue-size-changes nodisk 'setting up queue 0'
evil config-device-unknown nodisk
evil config-all-features nodisk
evil config-garbage nodisk
evil config-capacity nodisk
evil config-block-size nodisk
evil config-moves healthy
evil config-restless broken 'device is broken: the config generation'
evil config-restless-first nodisk 'device is broken: the config generation'
evil config-other-range broken "$unreadable"
evil config-other-range-first nodisk "$unreadable"
evil queue-index refused 'choosing how large'
evil queue-elsewhere nodisk 'setting up queue 0'
evil queue-off nodisk 'setting up queue 0'
evil window-refused refused 'growing the window'
evil window-error refused 'growing the window'
evil bind-refused nodisk 'setting up queue 0'
evil_end
