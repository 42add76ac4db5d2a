# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Counting calls of functions with kprobes: those in DOM0_PROBES of dom0's kernel,
# those in GUEST_PROBES of that of the domU n.  /sys/kernel/tracing/kprobe_profile
# has the counts, in both.

# shellcheck disable=SC2154 # whoever sources this sets the two

# Define the probes that are named, as this shell's kernel knows them; the
# text is run here and, through the agent, in the guest.
probes_text() {
	cat <<-END
		cd /sys/kernel/tracing || exit
		for p in $*; do
			echo "p:lab/\$p \$p" >>kprobe_events || exit
		done
	END
}

probes_switch() { # 0|1
	local text="echo $1 >/sys/kernel/tracing/events/lab/enable"

	sh -c "$text" && lab_domu_exec n "$text"
}

probes_define() {
	sh -c "$(probes_text "${DOM0_PROBES[@]}")" &&
		lab_domu_exec n "$(probes_text "${GUEST_PROBES[@]}")"
}
