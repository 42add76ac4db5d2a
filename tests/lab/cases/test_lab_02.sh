# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The lab itself: where the emulated processor has AVX, a domain's registers are its
# own, however often another one runs that uses them, too.
# lab: suites=bookworm guests=pv icount

[ "$LAB_ICOUNT" = 1 ] || lab_skip "there is no AVX"
lab_domu_create d1
# The C library copies with them there.
lab_domu_exec d1 'while :; do head -c 64k /dev/zero | tail -c 1 >/dev/null
	done >/dev/null 2>&1 </dev/null & echo $! >/run/busy'
before=$(xl list d1 | awk 'NR == 2 { print $6 }')
for number in 1 2 3; do
	/lab/bin/registers 3 "$number" 2>"/tmp/registers.$number" &
	pids[number]=$!
done
for number in 1 2 3; do
	wait "${pids[number]}" ||
		lab_fail "process $number: $(cat "/tmp/registers.$number")"
done
after=$(xl list d1 | awk 'NR == 2 { print $6 }')
[ "$before" != "$after" ] || lab_fail "the domU did not run meanwhile"
# shellcheck disable=SC2016 # the domU's shell
lab_domu_exec d1 'kill "$(cat /run/busy)"'
lab_domu_shutdown d1
lab_pass
