# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034 # tables that the other files use
# Transports: what they are, and how they are attached.

RAM_KIB=32768
MIB=$((RAM_KIB / 1024))
# How the guest sees the disk, and its I/O scheduler.  For ours it is what the
# udev rule sets, for blkfront what the kernel takes, and none.
declare -A disk=([floor]=ram0 [pvh-floor]=ram0 [blkfront]=xvda [blkfront-none]=xvda
	[blkfront-nopersist]=xvdb [qdisk]=xvdc [smp-floor]=ram0 [smp-blkfront]=xvda)
declare -A scheduler=([blkfront-none]=none)
# What ours are attached with, and their numbers.
declare -A spec=([window]=dma=window [auto]=dma=auto
	[direct-copy]="dma=direct,direct-grants=copy"
	[direct-map]="dma=direct,direct-grants=map"
	[packed]="dma=window,packed=1" [packed-auto]="dma=auto,packed=1"
	[pvh-window]=dma=window [pvh-auto]=dma=auto [pvh-baseline]=dma=window
	[smp-window]=dma=window [smp-poll]="dma=window,poll_us=1000")
declare -A devid=()
# Ramdisks of dom0; a device has its backing for itself.
declare -A backing=([blkfront]=/dev/ram0 [blkfront-nopersist]=/dev/ram1
	[window]=/dev/ram2 [auto]=/dev/ram3 [direct-copy]=/dev/ram4
	[direct-map]=/dev/ram5 [bare]=/dev/ram6 [pvh-window]=/dev/ram7
	[pvh-auto]=/dev/ram8 [pvh-baseline]=/dev/ram9 [packed]=/dev/ram10
	[packed-auto]=/dev/ram11 [qdisk]=/dev/ram12 [smp-window]=/dev/ram13
	[smp-poll]=/dev/ram14 [smp-blkfront]=/dev/ram15)
# The guest that is measured, queues of its disks, and threads that load them.
DOMAIN=n
QUEUES=1
THREADS=1

# Memory that was never written would make reads cheaper than they are.
fill() { # DEVICE…
	local each size

	for each; do
		size=$(blockdev --getsize64 "$each")
		dd if=/dev/zero of="$each" bs=1M count=$((size >> 20)) \
			oflag=direct status=none
	done
}

# ramdisks NUMBER KIB
ramdisks() {
	local -a all

	modprobe brd "rd_nr=$1" "rd_size=$2"
	mapfile -t all < <(seq -f /dev/ram%g 0 $(($1 - 1)))
	fill "${all[@]}"
}

attach_blkfront() { # DISK PATH [PERSISTENT [QUEUES]]
	local parameters=/sys/module/xen_blkback/parameters

	echo "${3:-1}" >$parameters/feature_persistent
	echo "${4:-1}" >$parameters/max_queues
	xl block-attach "$DOMAIN" "format=raw,vdev=$1,access=rw,target=$2" ||
		lab_fail "attaching $1"
	lab_wait_for 30 lab_domu_exec "$DOMAIN" test -b "/dev/$1" ||
		lab_fail "no /dev/$1 in the guest"
}

# kernels_scheduler TRANSPORT: what the kernel took for its disk, which is new:
# mq-deadline with one queue, none with several.
kernels_scheduler() {
	scheduler[$1]=$(lab_domu_exec "$DOMAIN" \
		"sed 's/.*\[\(.*\)\].*/\1/' /sys/block/${disk[$1]}/queue/scheduler") ||
		lab_fail "reading the scheduler of $1"
	say "note queues=$QUEUES: the kernel takes ${scheduler[$1]} for $1"
}

# Of QEMU, which libxl starts with the guest; through dom0's page cache, since for
# direct I/O (direct-io-safe) it wants native AIO, which Debian's is built without.
qdisk_spec() {
	echo "format=raw,vdev=${disk[qdisk]},access=rw,backendtype=qdisk,$(
		)target=${backing[qdisk]}"
}

qdisk_config() {
	echo 'device_model_override = "/lab/files/qdisk/start"'
}

# guest_qdisk NAME [KEY=VALUE…]: as guest(), with this disk; fails without it.
guest_qdisk() {
	lab_domu_create "$@" "disk=$(qdisk_spec)" "config=$(qdisk_config)" ||
		return
	guest_up "$1"
	lab_wait_for 30 lab_domu_exec "$1" test -b "/dev/${disk[qdisk]}" ||
		return
	xenstore-ls "/local/domain/0/backend/qdisk/$(xl domid "$1")" \
		>/dev/null || lab_fail "${disk[qdisk]} is not QEMU's"
}

our_disks() {
	lab_domu_exec "$DOMAIN" 'cd /sys/block && ls -d vd* 2>/dev/null || :'
}

# disk_of ID: the name of its disk, when it is there; without a scheduler, as the
# udev rule would have it.
disk_of() {
	local glob="/sys/bus/xen/devices/virtio-$1/virtio*/block/vd*"

	lab_wait_for 30 lab_domu_exec "$DOMAIN" "ls -d $glob >/dev/null 2>&1" ||
		lab_fail "no disk for number $1"
	lab_domu_exec "$DOMAIN" "name=\$(basename $glob) && echo \$name &&
		echo none >/sys/block/\$name/queue/scheduler" ||
		lab_fail "setting the scheduler of number $1"
}

# Its name is the one that was not there.
attach_ours() { # TRANSPORT [SPECIFICATION]
	local before

	before=$(our_disks)
	devid[$1]=$(lab_attach "$DOMAIN" \
		"type=blk,path=${backing[$1]},${spec[$1]}${2:-},queues=$QUEUES") ||
		lab_fail "attaching with ${spec[$1]}"
	disk[$1]=$(disk_of "${devid[$1]}")
	[[ " ${before//$'\n'/ } " != *" ${disk[$1]} "* ]] ||
		lab_broken "${disk[$1]} was there before"
	scheduler[$1]=none
}

detach_ours() { # TRANSPORT
	lab_detach "$DOMAIN" "${devid[$1]}" || lab_fail "detaching $1"
	unset "devid[$1]"
}

attach_all() { # TRANSPORT…
	local each

	for each; do
		case $each in
		*floor|blkfront-none) ;;
		qdisk) kernels_scheduler "$each" ;;
		blkfront|smp-blkfront)
			attach_blkfront xvda "${backing[$each]}" 1 "$QUEUES"
			kernels_scheduler "$each"
			;;
		blkfront-nopersist)
			attach_blkfront xvdb "${backing[$each]}" 0 "$QUEUES"
			kernels_scheduler "$each"
			;;
		*) attach_ours "$each" ;;
		esac
	done
}

# How many queues the guest's disk has.
check_queues() { # TRANSPORT…
	local each n

	for each; do
		[[ $each != floor ]] || continue
		n=$(lab_domu_exec "$DOMAIN" "ls /sys/block/${disk[$each]}/mq |
			wc -l")
		[ "$n" = "$QUEUES" ] ||
			lab_fail "$each has $n queues instead of $QUEUES"
	done
}

# guest NAME [KEY=VALUE…]: becomes the one that is measured; with a ramdisk.
guest() {
	lab_domu_create "$@"
	guest_up "$1"
}

guest_up() { # NAME
	DOMAIN=$1
	devid=()
	lab_domu_wait "$1" || lab_fail "$1 does not come up"
	lab_domu_exec "$1" "modprobe xen-blkfront
$(guest_ramdisk)" || lab_fail "preparing the guest $1"
}

guest_end() {
	local each

	for each in xvda xvdb; do
		! lab_domu_exec "$DOMAIN" test -b /dev/$each ||
			xl block-detach "$DOMAIN" $each ||
			lab_fail "detaching $each"
	done
	lab_domu_shutdown "$DOMAIN" || lab_fail "shutting down $DOMAIN"
}
