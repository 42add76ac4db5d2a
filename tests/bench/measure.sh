# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What "make bench" measures, in dom0 and with --icount: workloads by
# transports, growth, what mappings cost in the guest, and xen-virtio-bench.
#
# Each measurement is one line of the log, "bench: KIND KEY=VALUE…", which
# report.py reads on the host; so what was measured before an end that nobody
# wanted is there.  BENCH_SET is full, quick or smoke.  Time is the emulated
# clock, which counts instructions: 1 ns is one.

SET=${BENCH_SET:-quick}
PARTS=${BENCH_PARTS:-}
GUEST_PROBES=(gnttab_grant_foreign_access_ref gnttab_end_foreign_access_ref)
DOM0_PROBES=(gnttab_map_refs gnttab_unmap_refs gnttab_batch_copy)
# shellcheck source=tests/lab/dom0/probes.sh
. /lab/dom0/probes.sh
for part in devices load account micro baseline growth; do
	# shellcheck source=/dev/null
	. "/lab/files/dom0/$part.sh"
done

say() {
	lab_log "bench: $*"
}

# --- what is measured --------------------------------------------------------

choose() {
	case $SET in
	full)
		transports=(floor window auto direct-copy direct-map packed
			packed-auto blkfront blkfront-none blkfront-nopersist
			qdisk)
		PARTS=${PARTS:-micro,baseline,one,four,guests,devices,vcpus,smp}
		;;
	quick) transports=(floor window auto direct-copy blkfront blkfront-none) ;;
	smoke) transports=(floor window blkfront) ;;
	*) lab_broken "no set '$SET'" ;;
	esac
	[ -n "$PARTS" ] || PARTS=micro,baseline,one
	transports_mq=(floor window auto direct-copy packed blkfront)
	transports_smp=(smp-floor smp-window smp-poll smp-blkfront)
}

# "SIZE DIRECTION DEPTH" of each workload, the most wanted first.
workloads() {
	local size rw depth

	case $SET in
	smoke) printf '%s\n' '4k randread 32' '4k randwrite 32' ;;
	quick)
		printf '%s\n' '4k randread 32' '4k randwrite 32' \
			'64k randread 32' '64k randwrite 32' \
			'4k randread 1' '4k randwrite 1' \
			'1m randread 32' '1m randwrite 32'
		;;
	full)
		for depth in 32 1 4 128; do
			for size in 4k 64k 1m; do
				for rw in randread randwrite read write; do
					echo "$size $rw $depth"
				done
			done
		done
		printf '%s\n' '16k randread 32' '16k randwrite 32' \
			'256k randread 32' '256k randwrite 32'
		;;
	esac
}

# Those that show what grants add.
workloads_pvh() {
	if [ "$SET" = full ]; then
		workloads | grep -E ' (1|32)$'
	else
		workloads | grep ' 32$'
	fi
}

# With four queues and threads; depth is of all together.
workloads_mq() {
	[ "$SET" != full ] || workloads | grep -vE '^(16|256)k' |
		grep -E 'rand.* (32|128)$'
}

# One by one: between two of them a queue sleeps, or looks for the next.
workloads_smp() {
	printf '%s\n' '4k randread 1' '4k randwrite 1' '64k randread 1' \
		'64k randwrite 1'
}

# --- how -----------------------------------------------------------------

# Workers of a guest that has gone let go of them in their own time.
ramdisks_gone() {
	lab_wait_for 30 rmmod brd || lab_fail "the ramdisks stay in use"
}

one_queue() {
	if [[ " ${transports[*]} " != *" qdisk "* ]]; then
		guest n memory=512
	elif ! guest_qdisk n memory=512; then
		# What is missing is in the report; the others are measured.
		say "note QEMU serves no disk: $(
			)$(tail -n 1 /var/log/xen/qemu-dm-n.log 2>&1)"
		mapfile -t transports < <(printf "%s\n" "${transports[@]}" |
			grep -vx qdisk)
		lab_domu_destroy n || lab_fail "the guest does not go"
		guest n memory=512
	fi
	attach_all "${transports[@]}"
	guest_ready window
	probed=1
	probes_define || probed=0
	[ "$probed" = 1 ] || say "note no probes here: hypercalls are not counted"
	warm_up "${transports[@]}"
	macro workloads "${transports[@]}"
	[ "$SET" = smoke ] || macro_fio floor window blkfront
	guest_end
}

four_queues() {
	probed=0
	QUEUES=4 THREADS=4
	guest q memory=640 vcpus=4
	attach_all "${transports_mq[@]}"
	guest_ready window
	check_queues "${transports_mq[@]}"
	warm_up "${transports_mq[@]}"
	macro workloads_mq "${transports_mq[@]}"
	guest_end
	QUEUES=1 THREADS=1
}

# A guest with one vCPU, which has a processor of its own.
one_vcpu() {
	probed=0
	guest p memory=384
	attach_all "${transports_smp[@]}"
	guest_ready smp-window
	warm_up "${transports_smp[@]}"
	macro workloads_smp "${transports_smp[@]}"
	guest_end
}

points() {
	local n=0 part

	for part in ${PARTS//,/ }; do
		case $part in
		baseline) n=$((n + $(workloads_pvh | wc -l) * 4)) ;;
		one) n=$((n + $(workloads | wc -l) * ${#transports[@]})) ;;
		four) n=$((n + $(workloads_mq | wc -l) * ${#transports_mq[@]})) ;;
		smp) n=$((n + $(workloads_smp | wc -l) * ${#transports_smp[@]})) ;;
		esac
	done
	echo $n
}

[ "$LAB_ICOUNT" = 1 ] || lab_skip "instructions are not counted"
choose
say "set name=$SET suite=$LAB_SUITE guest=$LAB_GUEST" \
	"xen=$(xl info | awk '$1 == "xen_version" { print $3 }')" \
	"dom0=$(uname -r) linux=$(cat /lab/guest/release)" \
	"parts=$PARTS points=$(points)"
modprobe xen-blkback
lab_start_daemon
for part in ${PARTS//,/ }; do
	say "note part $part"
	ramdisks "${#backing[@]}" "$RAM_KIB"
	case $part in
	micro)
		micro_backend
		micro_guest
		;;
	baseline) macro_baseline workloads_pvh ;;
	one) one_queue ;;
	guests) growth_guests ;;
	devices)
		ramdisks_gone
		ramdisks 33 8192
		growth_devices
		;;
	vcpus) growth_vcpus ;;
	smp) one_vcpu ;;
	four) four_queues ;;
	*) lab_broken "no part '$part'" ;;
	esac
	ramdisks_gone
done
lab_stop_daemon
say "complete"
lab_pass
