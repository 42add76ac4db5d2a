# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The load that tests/profile/run looks at, in dom0 and with --icount: for each
# device and direction a short run and a long one, between marks.
#
# $LAB_OUT/intervals has a line "NUMBER DEVICE DIRECTION REQUESTS" for each.

DEVICES=${PROFILE_DEVICES:-virtio blkfront}
DIRECTIONS=${PROFILE_DIRECTIONS:-read write}
SCHEDULER=${PROFILE_SCHEDULER:-none}
BS=${PROFILE_BS:-4k}
DEPTH=${PROFILE_DEPTH:-32}
LOAD=${PROFILE_LOAD:-fio}
SHORT=2000
LONG=12000
RAM_KIB=32768
MIB=$((RAM_KIB / 1024))
declare -A device=([virtio]=/dev/vda [blkfront]=/dev/xvda [floor]=/dev/ram0)
intervals=0

# Everything since the last time belongs to INTERVAL.
mark() { # INTERVAL...
	/lab/files/mark
	echo "$intervals $*" >>"$LAB_OUT/intervals"
	intervals=$((intervals + 1))
}

# What was done goes to $LAB_OUT/load: for the benchmark's load it is more than what
# was asked for.
load_run() { # DEVICE DIRECTION REQUESTS
	local -A bytes=([k]=1024 [m]=1048576)

	case $LOAD in
	fio)
		fio_run "$@"
		echo "ios=$3" >"$LAB_OUT/load"
		;;
	bench)
		lab_domu_exec n /run/load "rw=rand$2" "depth=$DEPTH" \
			"size=$((${BS%[km]} * ${bytes[${BS: -1}]}))" \
			"count=$3" "${device[$1]}" >"$LAB_OUT/load" ||
			lab_fail "the load on ${device[$1]}"
		;;
	esac
}

# The program, by a disk of ours that goes again.
put_load() {
	local size

	size=$(stat -c %s /lab/files/load)
	dd if=/lab/files/load of=/dev/ram0 bs=4k conv=sync oflag=direct status=none
	lab_attach n type=blk,path=/dev/ram0,serial=load
	lab_wait_for 30 lab_domu_exec n test -b "${device[virtio]}"
	lab_domu_exec n "dd if=${device[virtio]} bs=4k iflag=direct status=none |
		head -c $size >/run/load && chmod +x /run/load" ||
		lab_fail "copying load"
	xen-virtio detach n 0
	fill /dev/ram0
}

fio_run() { # DEVICE DIRECTION REQUESTS
	lab_domu_exec n fio --name=n "--filename=${device[$1]}" \
		"--rw=rand$2" "--bs=$BS" "--iodepth=$DEPTH" \
		--ioengine=libaio --direct=1 "--number_ios=$3" \
		"--size=${MIB}M" --io_size=1T --randrepeat=1 --minimal \
		>"$LAB_OUT/fio" ||
		lab_fail "fio on ${device[$1]}"
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
	lab_start_daemon
	mark before the domU
	lab_domu_create n memory=256
	lab_domu_wait n
	# Idle, Xen cleans free memory; nobody says when it is done.
	sleep 30
	lab_domu_exec n "modprobe xen-blkfront &&
		modprobe brd rd_nr=1 rd_size=$RAM_KIB &&
		dd if=/dev/zero of=/dev/ram0 bs=1M count=$MIB oflag=direct \
			status=none"
}

attach() { # DEVICE
	case $1 in
	virtio) lab_attach n type=blk,path=/dev/ram0 ;;
	blkfront)
		xl block-attach n \
			'format=raw,vdev=xvda,access=rw,target=/dev/ram1'
		;;
	esac
	lab_wait_for 30 lab_domu_exec n test -b "${device[$1]}"
	[ "$1" = floor ] || lab_domu_exec n \
		"echo $SCHEDULER >/sys/block/${device[$1]#/dev/}/queue/scheduler"
}

# Names for the addresses.
symbols() {
	local pid

	grep ' [tTwW] ' /proc/kallsyms >"$LAB_OUT/dom0.kallsyms"
	# The way out of the guest is slow.
	lab_domu_exec n "grep ' [tTwW] ' /proc/kallsyms | gzip" |
		gzip -d >"$LAB_OUT/domu.kallsyms"
	mountpoint -q /proc/xen || mount -t xenfs xenfs /proc/xen
	cat /proc/xen/xensyms >"$LAB_OUT/xensyms" || :
	for pid in $(pidof xen-virtiod); do
		cat "/proc/$pid/maps"
	done >"$LAB_OUT/maps"
}

profile() { # DEVICE DIRECTION
	local requests ios

	load_run "$1" "$2" "$SHORT"
	mark warm-up
	for requests in "$SHORT" "$LONG"; do
		load_run "$1" "$2" "$requests"
		ios=$(sed -n 's/.*\<ios=\([0-9]*\).*/\1/p' "$LAB_OUT/load")
		mark "$1" "$2" "$ios"
	done
}

prepare
[ "$LOAD" = fio ] || put_load
for each in $DEVICES; do
	attach "$each" || lab_fail "attaching $each"
	for direction in $DIRECTIONS; do
		profile "$each" "$direction"
	done
done
symbols
xl block-detach n xvda || :
lab_domu_shutdown n
lab_stop_daemon
rmmod brd
lab_pass
