# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables of the other files
# What an operation costs with more of something: queues, vCPUs, devices, guests.
# (More depth and larger requests are among the workloads.)  4 KiB, random, 32
# requests in flight for each device or, where there are several threads, for
# each of them.

GROWTH_RW=(randread randwrite)

grown() { # AXIS N TRANSPORT RW VALUES…
	local axis=$1 n=$2 transport=$3 rw=$4

	shift 4
	say "growth axis=$axis n=$n transport=$transport size=4k rw=$rw $*"
}

# The disk that it has, by as many threads as there are.
grow_here() { # AXIS N TRANSPORT…
	local axis=$1 n=$2 each rw values

	shift 2
	for rw in "${GROWTH_RW[@]}"; do
		for each; do
			values=$(calm "$each" 4k "$rw" $((32 * THREADS)) \
				$((2000 * (THREADS > 1 ? 3 : 1)))) ||
				lab_fail "the load on $each ($axis $n)"
			grown "$axis" "$n" "$each" "$rw" "$values"
		done
	done
}

# --- queues and vCPUs --------------------------------------------------------

# Guests with 1, 2 and 4 vCPUs, as many queues and threads; in the last one also
# with fewer queues than vCPUs.
growth_vcpus() {
	local vcpus

	for vcpus in 1 2 4; do
		QUEUES=$vcpus THREADS=$vcpus
		guest v memory=384 vcpus=$vcpus
		attach_all window blkfront
		guest_ready window
		warm_up window blkfront
		check_queues window blkfront
		grow_here vcpus $vcpus floor window blkfront
		[ $vcpus != 4 ] || growth_queues
		guest_end
	done
	QUEUES=1 THREADS=1
}

growth_queues() {
	grow_here queues 4 window blkfront
	for QUEUES in 2 1; do
		detach_ours window
		xl block-detach v xvda || lab_fail "detaching xvda"
		lab_wait_for 30 lab_domu_exec v "! test -b /dev/xvda" ||
			lab_fail "xvda does not go away"
		attach_all window blkfront
		warm_up window blkfront
		check_queues window blkfront
		grow_here queues $QUEUES window blkfront
	done
}

# --- devices -----------------------------------------------------------------

# busy DEVICE…: all of them, by one thread.
busy() {
	lab_domu_exec "$DOMAIN" "cd /dev && /run/load size=4096 rw=$rw depth=32 \
		count=$((2000 + 500 * $#)) $*" | together
}

# One of them is busy, and all; ours or xen-blkfront's.
grow_devices() { # TRANSPORT N DISK…
	local rw transport=$1 n=$2 values

	shift 2
	for rw in "${GROWTH_RW[@]}"; do
		values=$(busy "$1") || lab_fail "the load on one of $n devices"
		grown devices-idle "$n" "$transport" "$rw" "$values"
		values=$(busy "$@") || lab_fail "the load on $n devices"
		grown devices "$n" "$transport" "$rw" "$values"
	done
}

growth_devices() {
	local n id number=0 letters=abcdefghijklmnop
	local -a ours=() theirs=()

	QUEUES=1 THREADS=1
	# Xen lets a guest have 32768 grants, which are 19 windows of the default size.
	guest d memory=768 extra=lab.modargs=window_max_kb=3072
	for n in 1 2 4 8 16 32; do
		while [ "$number" -lt "$n" ]; do
			id=$(lab_attach d "type=blk,path=/dev/ram$number,$(
				)queue_size=128") || lab_fail "attaching number $number"
			ours+=("$(disk_of "$id")")
			number=$((number + 1))
		done
		[ "$n" != 1 ] || growth_load /dev/ram0 "${ours[0]}"
		grow_devices window "$n" "${ours[@]}"
	done
	lab_domu_shutdown d || lab_fail "shutting down d"
	guest d memory=768
	id=$(lab_attach d type=blk,path=/dev/ram32) || lab_fail "attaching ram32"
	growth_load /dev/ram32 "$(disk_of "$id")"
	lab_detach d "$id" || lab_fail "detaching ram32"
	number=0
	for n in 1 4 16; do
		while [ "$number" -lt "$n" ]; do
			theirs+=("xvd${letters:number:1}")
			attach_blkfront "${theirs[number]}" "/dev/ram$number"
			number=$((number + 1))
		done
		grow_devices blkfront "$n" "${theirs[@]}"
	done
	lab_domu_shutdown d || lab_fail "shutting down d"
}

# growth_load BACKING DISK: what guest_ready() does, without a transport.
growth_load() {
	backing[growth]=$1
	disk[growth]=$2
	guest_ready growth
}

# --- guests ------------------------------------------------------------------

# All guests load their disks from the same moment on.
together_guests() { # DISK-OF… : a disk for each of the guests m1, m2, …
	local begin i status=0
	local -a pids=()

	begin=$(($(date +%s%N) + 500000000))
	for ((i = 1; i <= $#; i++)); do
		lab_domu_exec "m$i" "cd /dev && /run/load size=4096 rw=$rw depth=32 \
			count=2000 begin=$begin ${!i}" >/tmp/guest.$i &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || status=1
	done
	[ "$status" = 0 ] || return 1
	cat /tmp/guest.* | together
	rm -f /tmp/guest.*
}

growth_guests() {
	local n rw values
	local -a ours=() theirs=()

	QUEUES=1 THREADS=1
	for n in 1 2 3 4; do
		guest "m$n" memory=256
		backing[window]=/dev/ram$((2 * n))
		attach_ours window
		guest_ready window
		ours+=("${disk[window]}")
		attach_blkfront xvda "/dev/ram$((2 * n + 1))"
		theirs+=(xvda)
		for rw in write "${GROWTH_RW[@]}"; do
			values=$(together_guests "${ours[@]}") ||
				lab_fail "the load in $n guests"
			[ "$rw" = write ] ||
				grown guests "$n" window "$rw" "$values"
			values=$(together_guests "${theirs[@]}") ||
				lab_fail "the load in $n guests"
			[ "$rw" = write ] ||
				grown guests "$n" blkfront "$rw" "$values"
		done
	done
	for n in 1 2 3 4; do
		DOMAIN=m$n
		guest_end
	done
}
