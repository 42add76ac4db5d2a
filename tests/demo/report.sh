# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The table at the end of the demo, and the same as JSON.  Sourced by run.

# Results by "part.name", as the scripts in dom0 left them, and what follows
# from them.
declare -A R=()

_report_read() { # DIR
	local part name value

	for part in disk numbers; do
		while read -r name value; do
			R[$part.$name]=$value
		done <"$1/$part/$part/results"
	done
}

# _report_ratio A B FORMAT: A divided by B.
_report_ratio() {
	awk -v a="${1:-0}" -v b="${2:-0}" -v format="$3" \
		'BEGIN { if (b) printf format, a / b; else printf "-" }'
}

# dom0 does not know how long Xen took before it; Xen's own log does.
_report_power_on() { # DIR
	R[disk.xen_s]=$(sed -n \
		's/^(XEN) \[ *\([0-9.]*\)\] Freed .* init memory.*/\1/p' \
		"$1/disk/boot1/console.log" | head -n 1)
	R[disk.power_on_s]=$(awk -v a="${R[disk.xen_s]}" \
		-v b="${R[disk.dom0_s]}" 'BEGIN { printf "%.1f", a + b }')
}

# What each request cost.
_report_derive() {
	local who rw key ios

	for who in virtio blkfront floor; do
		for rw in read write; do
			key=numbers.$who.$rw
			ios=${R[$key.ios]:-0}
			R[$key.iops]=$(_report_ratio $((ios * 1000)) \
				"${R[$key.ms]:-0}" %.0f)
			[ "$who" != floor ] || continue
			R[$key.notifications_per_io]=$(_report_ratio \
				$((R[$key.kicks] + R[$key.interrupts])) \
				"$ios" %.3f)
			_report_grants "$key" "$ios"
		done
	done
}

# Counted by probes in the guest's kernel: neither side counts for itself.
_report_grants() { # KEY REQUESTS
	local hits=${R[$1.gnttab_grant_foreign_access_ref]:-}
	local copies=${R[$1.gnttab_batch_copy]:-}
	local maps=${R[$1.gnttab_map_refs]:-}

	R[$1.grants_per_io]=-
	R[$1.maps_per_io]=-
	[ -n "$hits" ] || return 0
	R[$1.grants_per_io]=$(_report_ratio "$hits" "$2" %.4f)
	R[$1.maps_per_io]=$(_report_ratio $((${maps:-0} + ${copies:-0})) \
		"$2" %.4f)
}

# _report_target NAME A OPERATOR B: met or missed.
_report_target() {
	R[targets.$1]=$(awk -v a="$2" -v b="$4" -v op="$3" 'BEGIN {
		met = op == "==" ? a == b : a <= b
		print (a ~ /^[0-9]/ && met) ? "met" : "missed" }')
}

_report_targets() {
	local rw key

	for rw in read write; do
		key=numbers.virtio.$rw
		_report_target "instructions_$rw" "${R[$key.instructions]}" \
			"<=" "${R[numbers.blkfront.$rw.instructions]}"
		_report_target "grants_$rw" "${R[$key.grants_per_io]}" == 0
		_report_target "notifications_$rw" \
			"${R[$key.notifications_per_io]}" "<=" 0.5
	done
	_report_target addresses "$(_report_addresses | wc -l)" == 0
}

# The addresses of queues that are no grants: bit 63 is not set.
_report_addresses() {
	local name

	for name in disk.queue0.{desc,driver,device} \
		numbers.stats.queue0.{desc,driver,device}; do
		[[ ${R[$name]:-} =~ ^0x[89a-f][0-9a-f]{15}$ ]] || echo "$name"
	done
}

_line() { # NAME VIRTIO BLKFRONT FLOOR TARGET
	printf '  %-36s %10s %10s %10s  %s\n' "$@"
}

_report_rows() { # TEXT NAME WHO... TARGET: a row for reads and one for writes
	local text=$1 name=$2 target=$3 rw verdict

	for rw in read write; do
		verdict=${R[targets.${name%%_*}_$rw]:-}
		_line "$text, $rw" \
			"${R[numbers.virtio.$rw.$name]:--}" \
			"${R[numbers.blkfront.$rw.$name]:--}" \
			"${R[numbers.floor.$rw.$name]:--}" \
			"${target:+$target: $verdict}"
	done
}

# The same scheduler on both sides, for who wants to know what that makes.
_report_scheduler() { # NAME
	local rw who
	local -A v=()

	for rw in read write; do
		for who in virtio blkfront; do
			v[$who]=${R[numbers.$who.$rw.$1]:-${R[numbers.$who.$rw.instructions]}}
		done
		_line "  both with $1, $rw" "${v[virtio]}" "${v[blkfront]}" "" ""
	done
}

_boot_line() { # TEXT NAME
	printf '  %-36s %10s s\n' "$1" "${R[disk.$2]}"
}

_report_boot() {
	cat <<-END

		A ${R[guest]^^} guest of Xen ${R[disk.xen]}, Linux ${R[disk.linux]}; Debian's
		root filesystem on /dev/vda, a virtio disk that xen-virtiod in dom0 serves.

		Times in the emulator (no hardware seconds)
	END
	_boot_line "power-on to dom0's shell" power_on_s
	_boot_line "xl create" create_s
	_boot_line "xen-virtio attach" attach_s
	_boot_line "unpause to the login prompt" login_s
	_boot_line "shutdown" shutdown_s
	cat <<-END

		Work on that system
		  root filesystem                      ${R[disk.root]}, systemd says ${R[disk.system]}
		  scheduler, by our udev rule          ${R[disk.scheduler]}
		  written, read back by sha256         ${R[disk.files]} files, ${R[disk.files_kib]} KiB: equal
		  fio --verify=crc32c                  passed
		  afterwards, from dom0                fsck clean, ${R[disk.files]} checksums equal
	END
}

_report_numbers() {
	printf '\n4 KiB random I/O, queue depth 32, a ramdisk of dom0 behind it\n'
	_line "" virtio blkfront "no Xen I/O" target
	_report_rows "instructions per I/O (1)" instructions "<= blkfront"
	_report_scheduler none
	_report_scheduler mq-deadline
	_report_rows "I/O per emulated second (1)" iops ""
	_report_rows "notifications per I/O (2)" notifications_per_io "<= 0.5"
	_report_rows "grants per I/O (3)" grants_per_io "0"
	_report_rows "maps and copies per I/O (3)" maps_per_io ""
	_line "grants in total (4)" "${R[numbers.virtio.total_grants]:--}" \
		"${R[numbers.blkfront.total_grants]:--}" "" ""
	cat <<-END

		Queue addresses: bit 63 set and a grant reference in each: ${R[targets.addresses]}
		  root disk  ${R[disk.queue0.desc]} ${R[disk.queue0.driver]} ${R[disk.queue0.device]}
		  ramdisk    ${R[numbers.stats.queue0.desc]} ${R[numbers.stats.queue0.driver]} ${R[numbers.stats.queue0.device]}

		(1) of the whole machine: guest, Xen and dom0. The emulated clock counts
		    instructions, 1 ns is one; these are not the IOPS of any hardware.
		    virtio with the scheduler of our udev rule (none), blkfront with
		    the kernel's default (mq-deadline).
		(2) event channel sends to dom0 and interrupts from it, together.
		(3) calls in both kernels, counted by probes in a run of its own.
		(4) until the device has been written and read once. The root disk's
		    whole life took ${R[disk.grants]} for ${R[disk.maps]} mapped buffers.
	END
}

_report_json() {
	local name value comma=''

	printf '{\n'
	while read -r name; do
		value=${R[$name]}
		[[ $value =~ ^(0|[1-9][0-9]*)(\.[0-9]+)?$ ]] ||
			value=\"${value//[\"\\]/}\"
		printf '%s  "%s": %s' "$comma" "$name" "$value"
		comma=$',\n'
	done < <(printf '%s\n' "${!R[@]}" | sort)
	printf '\n}\n'
}

# report DIR FILE: DIR has the results, FILE gets the JSON.
report() {
	R[guest]=$GUEST
	R[suite]=$SUITE
	_report_read "$1"
	_report_power_on "$1"
	_report_derive
	_report_targets
	_report_boot
	_report_numbers
	_report_json >"$2"
	printf '\nThe same as JSON: %s\nLogs: %s\n' "$2" "$1"
}
