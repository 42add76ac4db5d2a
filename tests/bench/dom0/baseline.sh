# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What grants are measured against: see baseline/.

# A module that needs no grants for buffers, and ours, one after the other in the
# same guest, both with the daemon that can do without, so that nothing else
# differs.  That is a PVH guest: of a PV guest nobody can map all memory, for Xen
# lets no page that is writable anywhere become a page table.
macro_baseline() { # WORKLOADS
	local each

	probed=0
	lab_stop_daemon
	LAB_VIRTIOD=/lab/files/baseline/xen-virtiod lab_start_daemon
	guest h guest=pvh memory=512
	attach_all pvh-window pvh-auto
	guest_ready pvh-window
	warm_up pvh-floor pvh-window pvh-auto
	macro "$1" pvh-floor pvh-window pvh-auto
	guest_put pvh-window /lab/files/baseline/xen-virtio-front.ko \
		/tmp/baseline.ko
	for each in pvh-window pvh-auto; do
		detach_ours "$each"
	done
	# The backend is through with them before the guest is.
	lab_wait_for 30 lab_domu_exec h "rmmod xen_virtio_front 2>/dev/null" ||
		lab_fail "the module with grants stays in use"
	lab_domu_exec h "insmod /tmp/baseline.ko" ||
		lab_fail "loading the module without grants"
	attach_all pvh-baseline
	warm_up pvh-baseline
	macro "$1" pvh-baseline
	guest_end
	lab_stop_daemon
	lab_start_daemon
}
