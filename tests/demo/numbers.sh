# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The demo's numbers, to be run with --icount: what a small request costs
# through our virtio disk, through xen-blkfront on the same kind of backing in
# the same guest, and with no Xen I/O at all (the floor).
#
# Results are "name value" lines in $LAB_OUT/results.  Time there is the
# emulated clock, which counts instructions: 1 ns is one.

DEPTH=32
IOS=${DEMO_IOS:-10000}
RAM_KIB=32768
MIB=$((RAM_KIB / 1024))
# The measured devices, as the guest sees them.
declare -A device=([virtio]=/dev/vda [blkfront]=/dev/xvda [floor]=/dev/ram0)
# The scheduler that each has: ours from the udev rule that comes with the
# module, the other from the kernel, as its guests have it.  And the other way
# round, so that nobody has to wonder what that makes.
declare -A scheduler=([virtio]=none [blkfront]=mq-deadline)
declare -A other=([virtio]=mq-deadline [blkfront]=none)
# What costs a grant, and what costs a hypercall to use it.
GUEST_PROBES=(gnttab_grant_foreign_access_ref)
DOM0_PROBES=(gnttab_map_refs gnttab_batch_copy)
# shellcheck source=tests/lab/dom0/probes.sh
. /lab/dom0/probes.sh

result() {
	echo "$1 $2" >>"$LAB_OUT/results"
}

say() {
	lab_log "demo: $*"
}

# --- counters ----------------------------------------------------------------

# Everything that counts, one "name value" a line.
snapshot() {
	# shellcheck disable=SC2016 # for the guest's shell
	lab_domu_exec n 'cat /sys/kernel/debug/xen-virtio/*/stats 2>/dev/null
		awk "{ print \"hits.\" \$1, \$2 }" \
			/sys/kernel/tracing/kprobe_profile
		cat /proc/interrupts' | counters guest
	{
		awk '{ print "hits." $1, $2 }' \
			/sys/kernel/tracing/kprobe_profile
		cat /proc/interrupts
	} | counters dom0
}

# /proc/interrupts has one column for each processor, then words: the last
# of them is the name of the handler.
counters() { # WHERE
	awk -v where="$1" '
		$1 ~ /^[0-9]+:$/ {
			sum = 0
			for (i = 2; $i ~ /^[0-9]+$/; i++)
				sum += $i
			irq[$NF] += sum
			next
		}
		NF == 2 && $1 !~ /:$/ && $2 ~ /^(0x)?[0-9a-f]+$/ {
			print where "." $1, $2
		}
		END {
			for (name in irq)
				print where ".irq." name, irq[name]
		}'
}

# difference BEFORE AFTER NAME: how far a counter went; 0 if there is none.
difference() {
	awk -v name="$3" '$1 == name { v[FILENAME] = $2 }
		END { print v[ARGV[2]] - v[ARGV[1]] }' "$1" "$2"
}

# --- work --------------------------------------------------------------------

# Prints "requests milliseconds".
fio_run() { # WHO read|write
	local terse

	terse=$(lab_domu_exec n fio --name=n "--filename=${device[$1]}" \
		"--rw=rand$2" --bs=4k "--iodepth=$DEPTH" --ioengine=libaio \
		--direct=1 "--number_ios=$IOS" "--size=${MIB}M" \
		--randrepeat=1 --minimal --terse-version=3) || return
	awk -F ';' -v rw="$2" '{
		at = rw == "read" ? 6 : 47
		print $at / 4, $(at + 3)
	}' <<<"$terse"
}

schedule() { # WHO SCHEDULER
	lab_domu_exec n \
		"echo $2 >/sys/block/${device[$1]#/dev/}/queue/scheduler" ||
		lab_fail "no scheduler $2 for ${device[$1]}"
}

# The same with the other scheduler: only what it costs.
compare() { # WHO read|write
	local ios ms key=$1.$2.${other[$1]}

	read -r ios ms < <(fio_run "$1" "$2")
	[ "${ios:-0}" -gt 0 ] || lab_fail "fio on ${device[$1]} ($key)"
	result "$key" $((ms * 1000000 / ios))
	say "$key: $((ms * 1000000 / ios)) instructions per request"
}

measure() { # WHO read|write
	local key=$1.$2 ios ms

	snapshot >"$before"
	read -r ios ms < <(fio_run "$1" "$2")
	[ "${ios:-0}" -gt 0 ] || lab_fail "fio on ${device[$1]} ($key)"
	snapshot >"$after"
	result "$key.ios" "$ios"
	result "$key.ms" "$ms"
	result "$key.instructions" $((ms * 1000000 / ios))
	say "$key: $((ms * 1000000 / ios)) instructions per request"
	cp "$before" "$LAB_OUT/$key.before"
	cp "$after" "$LAB_OUT/$key.after"
	"notifications_$1" "$key"
}

notifications_floor() {
	:
}

notifications_blkfront() {
	result "$1.kicks" "$(difference "$before" "$after" \
		dom0.irq.blkif-backend)"
	result "$1.interrupts" "$(difference "$before" "$after" \
		guest.irq.blkif)"
}

notifications_virtio() {
	local what

	for what in kicks interrupts; do
		result "$1.$what" "$(difference "$before" "$after" \
			"guest.queue0.$what")"
	done
	for what in grants revoked maps; do
		result "$1.$what" "$(difference "$before" "$after" \
			"guest.$what")"
	done
}

# The same again with probes on what grants and maps: they cost instructions,
# so this is not the run that is timed.
count_grants() { # WHO read|write
	local probe

	probes_switch 1
	snapshot >"$before"
	fio_run "$1" "$2" >/dev/null
	snapshot >"$after"
	probes_switch 0
	for probe in "${GUEST_PROBES[@]}"; do
		result "$1.$2.$probe" \
			"$(difference "$before" "$after" "guest.hits.$probe")"
	done
	for probe in "${DOM0_PROBES[@]}"; do
		result "$1.$2.$probe" \
			"$(difference "$before" "$after" "dom0.hits.$probe")"
	done
}

# Memory that was never written would make reads cheaper than they are.
fill() { # DEVICE
	dd if=/dev/zero of="$1" bs=1M count="$MIB" oflag=direct status=none
}

prepare() {
	modprobe brd rd_nr=2 "rd_size=$RAM_KIB"
	modprobe xen-blkback
	fill /dev/ram0
	fill /dev/ram1
	lab_domu_create n memory=256
	lab_domu_wait n
	say "the guest is up"
	lab_domu_exec n "modprobe xen-blkfront &&
		modprobe brd rd_nr=1 rd_size=$RAM_KIB &&
		dd if=/dev/zero of=/dev/ram0 bs=1M count=$MIB oflag=direct \
			status=none"
	probed=1
	probes_define && probes_switch 1 || probed=0
	[ "$probed" = 1 ] || say "no probes here: grants are not counted"
}

attach_floor() {
	:
}

attach_blkfront() {
	xl block-attach n 'format=raw,vdev=xvda,access=rw,target=/dev/ram1'
}

attach_virtio() {
	lab_start_daemon
	lab_attach n type=blk,path=/dev/ram0
}

# Fill pools, caches and persistent grants: what is measured is steady state.
# What that costs in grants is the total that a device needs.
warm_up() { # WHO
	local probe=gnttab_grant_foreign_access_ref

	snapshot >"$before"
	"attach_$1" || lab_fail "attaching $1"
	lab_wait_for 30 lab_domu_exec n test -b "${device[$1]}" ||
		lab_fail "no ${device[$1]} in the guest"
	fio_run "$1" write >/dev/null
	fio_run "$1" read >/dev/null
	snapshot >"$after"
	[ "$probed" = 0 ] || result "$1.total_grants" \
		"$(difference "$before" "$after" "guest.hits.$probe")"
}

finish() {
	local text

	text=$(lab_domu_exec n 'cat /sys/kernel/debug/xen-virtio/*/stats') || :
	awk 'NF == 2 { print "stats." $0 }' <<<"$text" >>"$LAB_OUT/results"
	xl block-detach n xvda || :
	lab_domu_shutdown n
	lab_stop_daemon
	rmmod brd
}

who=(floor blkfront)
[ ! -x /lab/bin/xen-virtiod ] || who+=(virtio)
before=/tmp/before after=/tmp/after
prepare
for each in "${who[@]}"; do
	warm_up "$each"
done
[ "$probed" = 0 ] || probes_switch 0
for each in "${who[@]}"; do
	[ "$each" = floor ] || schedule "$each" "${scheduler[$each]}"
	measure "$each" read
	measure "$each" write
done
for each in "${who[@]}"; do
	[ "$each" != floor ] || continue
	if [ "$probed" = 1 ]; then
		count_grants "$each" read
		count_grants "$each" write
	fi
	schedule "$each" "${other[$each]}"
	compare "$each" read
	compare "$each" write
done
finish
lab_pass
