# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A domU that shuts down or reboots leaves nothing, and its disk is free (R5).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
image disk 16M
for how in shutdown reboot crash; do
	lab_domu_create d1
	attach_disk d1 "path=$IMAGE"
	fio_verify d1 "$DISK" --bs=4k --size=512k
	case $how in
	shutdown)
		lab_domu_shutdown d1
		;;
	reboot)
		lab_domu_exec d1 'reboot -f' >/dev/null 2>&1 || :
		;;
	crash)
		lab_allow_log 'sysrq|Sysrq|crash|Call Trace|Kernel panic|BUG:|Oops|Modules linked in'
		lab_domu_exec d1 'echo c >/proc/sysrq-trigger' \
			>/dev/null 2>&1 || :
		;;
	esac
	lab_wait_for 30 _lab_domu_dead d1 || lab_fail "no end by $how"
	lab_domu_destroy d1
	lab_wait_for 10 not_held "$IMAGE" || lab_fail "open after $how"
	lab_wait_for 10 no_workers || lab_fail "a worker is left after $how"
	lab_wait_for 10 no_nodes ||
		lab_fail "nodes are left after $how"
done
lab_daemon_alive || lab_fail "the daemon has died"
lab_pass
