# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What "make bench" measures, in dom0 and with --icount: workloads by
# transports, what mappings cost in the guest, and xen-virtio-bench.
#
# Each measurement is one line of the log, "bench: KIND KEY=VALUE…", which
# report.py reads on the host; so what was measured before an end that nobody
# wanted is there.  BENCH_SET is full, quick or smoke.  Time is the emulated
# clock, which counts instructions: 1 ns is one.

SET=${BENCH_SET:-quick}
RAM_KIB=32768
MIB=$((RAM_KIB / 1024))
# Transports: how the guest sees the disk, and its I/O scheduler.  For ours it
# is what the udev rule sets, for blkfront the kernel's default, and none.
declare -A disk=([floor]=ram0 [pvh-floor]=ram0 [blkfront]=xvda [blkfront-none]=xvda
	[blkfront-nopersist]=xvdb)
declare -A scheduler=([blkfront]=mq-deadline [blkfront-none]=none
	[blkfront-nopersist]=mq-deadline)
# What ours are attached with, and their numbers.
declare -A spec=([window]=dma=window [auto]=dma=auto
	[direct-copy]="dma=direct,direct-grants=copy"
	[direct-map]="dma=direct,direct-grants=map" [pvh-window]=dma=window
	[pvh-auto]=dma=auto [pvh-baseline]=dma=window)
declare -A devid=()
# Ramdisks of dom0; a device has its backing for itself.
declare -A backing=([blkfront]=/dev/ram0 [blkfront-nopersist]=/dev/ram1
	[window]=/dev/ram2 [auto]=/dev/ram3 [direct-copy]=/dev/ram4
	[direct-map]=/dev/ram5 [bare]=/dev/ram6 [pvh-window]=/dev/ram7
	[pvh-auto]=/dev/ram8 [pvh-baseline]=/dev/ram9)
# The guest that is measured: n, or h for what begins with "pvh-".
DOMAIN=n
GUEST_PROBES=(gnttab_grant_foreign_access_ref gnttab_end_foreign_access_ref)
DOM0_PROBES=(gnttab_map_refs gnttab_unmap_refs gnttab_batch_copy)
# shellcheck source=tests/lab/dom0/probes.sh
. /lab/dom0/probes.sh

say() {
	lab_log "bench: $*"
}

# --- what is measured --------------------------------------------------------

choose() {
	case $SET in
	full)
		transports=(floor window auto direct-copy direct-map blkfront
			blkfront-none blkfront-nopersist)
		;;
	quick) transports=(floor window auto direct-copy blkfront blkfront-none) ;;
	smoke) transports=(floor window blkfront) ;;
	*) lab_broken "no set '$SET'" ;;
	esac
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
		;;
	esac
}

# Those that show what grants add.
workloads_pvh() {
	workloads | grep ' 32$'
}

# As many that one of fio's milliseconds is some half a percent of the time.
requests() { # TRANSPORT SIZE
	local n

	case $2 in
	4k) n=6000 ;;
	64k) n=2000 ;;
	1m) n=100 ;;
	esac
	[[ $1 != *floor ]] || n=$((n * 2))
	[ "$SET" != smoke ] || n=1000
	echo "$n"
}

# --- in the guest ------------------------------------------------------------

# One measurement, so that there is one command for each: counters before,
# fio, counters after.
guest_script() {
	cat <<-'END'
		snapshot() {
			cat "/sys/kernel/debug/xen-virtio/virtio-$id/stats" \
				2>/dev/null
			awk '{ print "hits." $1, $2 }' \
				/sys/kernel/tracing/kprobe_profile
			awk '$NF == "blkif" {
				for (i = 2; $i ~ /^[0-9]+$/; i++)
					sum += $i
			} END { print "blkif", sum + 0 }' /proc/interrupts
		}
		disk=$1 sched=$2 id=$3
		shift 3
		[ "$sched" = - ] ||
			echo "$sched" >"/sys/block/$disk/queue/scheduler" || exit
		snapshot | sed 's/^/before /'
		fio --name=n "--filename=/dev/$disk" --ioengine=libaio \
			--direct=1 --randrepeat=1 --io_size=1T --minimal \
			--terse-version=3 "$@" | sed 's/^/fio /'
		snapshot | sed 's/^/after /'
	END
}

# fio must not find the memory of a ramdisk missing.
guest_ramdisk() {
	echo "modprobe brd rd_nr=1 rd_size=$RAM_KIB && dd if=/dev/zero of=/dev/ram0 \
		bs=1M count=$MIB oflag=direct status=none"
}

# A command that makes a file of it.
guest_file() {
	echo "cat >/run/point <<'END'"
	guest_script
	echo END
}

# "where.NAME DIFFERENCE" of "before NAME VALUE" and "after NAME VALUE".
differences() { # WHERE
	awk -v where="$1" '
		$3 !~ /^[0-9]+$/ { next }
		$1 == "before" { old[$2] = $3 }
		$1 == "after" && $3 != old[$2] {
			printf " %s.%s=%d", where, $2, $3 - old[$2]
		}'
}

# --- in dom0 -----------------------------------------------------------------

dom0_snapshot() { # TRANSPORT
	local id=${devid[$1]:-}

	# Of the object's parts only what is about all queues together.
	[ -z "$id" ] || xen-virtio stats --json "$DOMAIN" "$id" |
		awk -F '[":, ]+' '/"total"/ { on = 1 } /"queues"/ { on = 0 }
			on && $3 ~ /^[0-9]+$/ { print $2, $3 }'
	awk '{ print "hits." $1, $2 }' /sys/kernel/tracing/kprobe_profile
	awk '$NF == "blkif-backend" {
			for (i = 2; $i ~ /^[0-9]+$/; i++)
				sum += $i
		} END { print "blkif-backend", sum + 0 }' /proc/interrupts
}

# one TRANSPORT SIZE DIRECTION DEPTH REQUESTS: "ios=N ms=N COUNTER=N…".
one() {
	local dev=${disk[$1]} id=${devid[$1]:--}

	dom0_snapshot "$1" | sed 's/^/before /' >/tmp/dom0
	lab_domu_exec "$DOMAIN" "sh /run/point $dev ${scheduler[$1]:--} $id \
		--bs=$2 --rw=$3 --iodepth=$4 --number_ios=$5 \
		--size=${MIB}M" >/tmp/guest || return
	dom0_snapshot "$1" | sed 's/^/after /' >>/tmp/dom0
	awk -F ';' -v rw="$3" '/^fio / {
		at = rw ~ /read/ ? 6 : 47
		printf "kib=%d ms=%d", $at, $(at + 3)
	}' /tmp/guest
	differences guest </tmp/guest
	differences dom0 </tmp/dom0
	echo
}

# The timed run; then a shorter one with probes on what grants and maps, which
# cost instructions themselves.
measure() { # TRANSPORT SIZE DIRECTION DEPTH
	local values n

	n=$(requests "$1" "$2")
	values=$(one "$@" "$n") || lab_fail "fio on $1 ($*)"
	[[ $values == kib=[1-9]* ]] || lab_fail "fio on $1 ($*): no result"
	say "point transport=$1 size=$2 rw=$3 depth=$4 $values"
	# What is granted for a request does not depend on its neighbours.
	if [ "$1" = floor ] || [ "$probed" = 0 ] || [ "$4" = 4 ] ||
	   [ "$4" = 128 ]; then
		return 0
	fi
	probes_switch 1
	values=$(one "$@" $((n / 4))) || lab_fail "fio on $1 ($*), probed"
	probes_switch 0
	say "probed transport=$1 size=$2 rw=$3 depth=$4 $values"
}

# --- devices -----------------------------------------------------------------

# Memory that was never written would make reads cheaper than they are.
fill() {
	local each

	for each in "${transports[@]}" bare pvh-window pvh-auto pvh-baseline; do
		[ -z "${backing[$each]:-}" ] ||
			dd if=/dev/zero of="${backing[$each]}" bs=1M \
				count="$MIB" oflag=direct status=none
	done
}

attach_blkfront() { # TRANSPORT PERSISTENT
	echo "$2" >/sys/module/xen_blkback/parameters/feature_persistent
	xl block-attach n "format=raw,vdev=${disk[$1]},access=rw,target=${backing[$1]}" ||
		lab_fail "attaching $1"
	lab_wait_for 30 lab_domu_exec n test -b "/dev/${disk[$1]}" ||
		lab_fail "no /dev/${disk[$1]} in the guest"
}

our_disks() {
	lab_domu_exec "$DOMAIN" 'cd /sys/block && ls -d vd* 2>/dev/null || :'
}

# Its name is the one that was not there.
attach_ours() { # TRANSPORT
	local before glob

	before=$(our_disks)
	devid[$1]=$(lab_attach "$DOMAIN" "type=blk,path=${backing[$1]},${spec[$1]}") ||
		lab_fail "attaching with ${spec[$1]}"
	glob="/sys/bus/xen/devices/virtio-${devid[$1]}/virtio*/block/vd*"
	lab_wait_for 30 lab_domu_exec "$DOMAIN" "ls -d $glob >/dev/null 2>&1" ||
		lab_fail "no disk for ${spec[$1]}"
	disk[$1]=$(lab_domu_exec "$DOMAIN" "basename $glob")
	[[ " ${before//$'\n'/ } " != *" ${disk[$1]} "* ]] ||
		lab_broken "${disk[$1]} was there before"
	scheduler[$1]=none
}

attach_all() { # TRANSPORT…
	local each

	for each; do
		case $each in
		*floor|blkfront-none) ;;
		blkfront) attach_blkfront "$each" 1 ;;
		blkfront-nopersist) attach_blkfront "$each" 0 ;;
		*) attach_ours "$each" ;;
		esac
	done
}

# Fill pools, caches and persistent grants: what is measured is steady state.
warm_up() { # TRANSPORT…
	local each

	for each; do
		one "$each" 64k write 32 1024 >/dev/null ||
			lab_fail "fio on $each"
	done
}

ramdisks() {
	modprobe brd "rd_nr=${#backing[@]}" "rd_size=$RAM_KIB"
	fill
	lab_start_daemon
}

prepare() {
	modprobe xen-blkback
	lab_domu_create n memory=512
	lab_domu_wait n
	lab_domu_exec n "modprobe xen-blkfront &&
		$(guest_ramdisk)
$(guest_file)"
	attach_all "${transports[@]}"
	probed=1
	probes_define || probed=0
	[ "$probed" = 1 ] || say "note no probes here: hypercalls are not counted"
}

macro() { # WORKLOADS TRANSPORT…
	local list=$1 size rw depth each

	shift
	while read -r size rw depth <&3; do
		for each; do
			measure "$each" "$size" "$rw" "$depth"
		done
	done 3< <("$list")
}

# --- without grants ----------------------------------------------------------

# Into the guest by a disk that it has.
baseline_module() {
	local file=/lab/files/baseline/xen-virtio-front.ko size

	size=$(stat -c %s "$file")
	dd if="$file" of="${backing[pvh-window]}" bs=4k conv=sync oflag=direct \
		status=none
	lab_domu_exec h "dd if=/dev/${disk[pvh-window]} bs=4k iflag=direct \
		count=$(((size + 4095) / 4096)) status=none |
		head -c $size >/tmp/baseline.ko" ||
		lab_fail "copying the module without grants"
}

# A module that needs no grants for buffers, and ours, one after the other in the
# same guest, both with the daemon that can do without, so that nothing else
# differs.  That is a PVH guest: of a PV guest nobody can map all memory, for Xen
# lets no page that is writable anywhere become a page table.
macro_baseline() {
	local each

	DOMAIN=h
	probed=0
	lab_stop_daemon
	LAB_VIRTIOD=/lab/files/baseline/xen-virtiod lab_start_daemon
	lab_domu_create h guest=pvh memory=512
	lab_domu_exec h "$(guest_ramdisk)
$(guest_file)"
	attach_all pvh-window pvh-auto
	warm_up pvh-floor pvh-window pvh-auto
	macro workloads_pvh pvh-floor pvh-window pvh-auto
	baseline_module
	for each in pvh-window pvh-auto; do
		lab_detach h "${devid[$each]}" || lab_fail "detaching $each"
	done
	lab_domu_exec h "rmmod xen_virtio_front && insmod /tmp/baseline.ko" ||
		lab_fail "loading the module without grants"
	attach_all pvh-baseline
	warm_up pvh-baseline
	macro workloads_pvh pvh-baseline
	lab_domu_shutdown h
	lab_stop_daemon
	lab_start_daemon
	DOMAIN=n
}

# --- micro -------------------------------------------------------------------

micro_backend() {
	local samples=200

	modprobe xen-gntalloc || lab_fail "loading xen-gntalloc"
	[ "$SET" != smoke ] || samples=20
	xen-virtio-bench --icount --json --samples "$samples" >/tmp/micro ||
		lab_fail "xen-virtio-bench"
	say "micro $(tr -d '\n' </tmp/micro)"
}

# gdt.sh wants these two.
attach() { # NAME SPEC
	DEV=$(lab_attach "$1" "$2") || lab_fail "attaching $2"
}

fe_state() { # NAME DEVICE
	xenstore-read "/local/domain/$(xl domid "$1")/device/virtio/$2/state"
}

micro_guest_run() { # MODE WHAT…
	local mode=$1 what line
	local -a options=(tests=bench bench_cpus=1)

	shift
	options+=("bench_ms=$([ "$SET" = smoke ] && echo 100 || echo 200)")
	gdt_attach g "path=${backing[bare]},dma=$mode"
	for what; do
		gdt_run g "${options[@]}" "bench_what=$what"
		gdt_good
		gdt_unload g
		# The first word is WHAT.
		while read -r _ line; do
			say "guest mode=$mode what=$what $line"
		done < <(sed -n 's/^# bench //p' "$CASE_DIR/ktap")
	done
	lab_detach g "$DEV" || lab_fail "detaching"
}

micro_guest() {
	CASE_DIR=/tmp/case
	mkdir -p "$CASE_DIR"
	# shellcheck source=tests/lab/dom0/gdt.sh
	. /lab/dom0/gdt.sh
	gdt_domu g memory=256
	micro_guest_run window dma place seq
	[ "$SET" = smoke ] || micro_guest_run direct dma place
	lab_domu_shutdown g
}

finish() {
	xl block-detach n xvda || :
	xl block-detach n xvdb 2>/dev/null || :
	lab_domu_shutdown n
	lab_stop_daemon
	rmmod brd
}

[ "$LAB_ICOUNT" = 1 ] || lab_skip "instructions are not counted"
choose
say "set name=$SET suite=$LAB_SUITE guest=$LAB_GUEST" \
	"xen=$(xl info | awk '$1 == "xen_version" { print $3 }')" \
	"dom0=$(uname -r) linux=$(cat /lab/guest/release)" \
	"points=$(($(workloads | wc -l) * ${#transports[@]} +
		$(workloads_pvh | wc -l) * 4))"
micro_backend
ramdisks
micro_guest
macro_baseline
prepare
warm_up "${transports[@]}"
macro workloads "${transports[@]}"
finish
say "complete"
lab_pass
