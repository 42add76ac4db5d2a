# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Whole writes: what a disk will write is not copied in, comes back right, and
# nothing of another request shows where it writes nothing: a chain that is given up,
# a read that fails, a reset; not with whole-writes=0 and trusted=0 (R1, T2, T14).
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh
# shellcheck source=tests/lab/dom0/gdt.sh
. /lab/dom0/gdt.sh

is() { # NAME VALUE
	local got

	got=$(stat_of d1 "$DEV" "$1")
	[ "$got" = "$2" ] || lab_fail "$1 is $got, not $2"
}

clean() {
	is mapped 0
	is quarantined 0
	is broken 0
}

# Requests of the DMA layer's own, on a disk that fails from 48 MiB on.
by_hand() { # NAME OPTIONS
	gdt_attach d1 "path=$IMAGE$2"
	is whole_writes 1
	gdt_run d1 stride=61 tests=disk,whole bad_sector=$((48 * 2048))
	gdt_parts "$1"
	! grep '# SKIP' "$CASE_DIR/ktap" || lab_fail "$1: a test was skipped"
	is mapped 0
	is quarantined 0
	gdt_unload d1
	detach d1 "$DEV"
}

# reads OPTIONS WHOLE: so many of 64 KiB; what they copied in.
reads() {
	local before now n

	attach_disk d1 "path=$IMAGE$1"
	is whole_writes "$2"
	# Not before the partition scan is over, which reads as well.
	lab_domu_exec d1 ": <$DISK"
	before=$(counters)
	lab_domu_exec d1 "fio --name=r --filename=$DISK --rw=randread --bs=64k \
		--size=32m --direct=1 --ioengine=libaio --iodepth=16 --thread \
		--output=/dev/null" || lab_fail "$1: reading"
	now=$(counters)
	# shellcheck disable=SC2086 # words
	set -- "$1" $before $now
	n=$(($4 - $2))
	IN=$(($5 - $3))
	lab_log "$1: $n requests, $IN bytes copied in"
	[ $n -ge 256 ] || lab_fail "$1: $n requests"
	# A header of 16 bytes, and a byte of status; others may read as well.
	IN=$((IN - 17 * n))
}

counters() { # reads of the disk, bytes_in
	lab_domu_exec d1 "read -r n _ </sys/block/${DISK#/dev/}/stat; echo \$n"
	stat_of d1 "$DEV" bytes_in
}

lab_start_daemon
slow_disk 64
dmsetup --noudevsync suspend --nolockfs slow
printf '%s\n' "0 $((48 * 2048)) linear /dev/ram1 0" \
	"$((48 * 2048)) $((16 * 2048)) error" |
	dmsetup --noudevsync load slow
dmsetup --noudevsync resume slow
gdt_domu d1 vcpus=2
by_hand split ""
by_hand packed ,packed=1
by_hand helpers ,direct=0

lab_domu_exec d1 "modprobe virtio_blk"
reads "" 1
[ "$IN" -lt 4096 ] || lab_fail "reads copied $IN bytes in"
clean
detach d1 "$DEV"
# More than there is room for: chains are given up, and made again.
lab_domu_exec d1 "cd /sys/module/xen_virtio_front/parameters &&
	echo 512 >window_initial_kb && echo 512 >window_max_kb"
attach_disk d1 "path=$IMAGE"
is whole_writes 1
fio_verify d1 "$DISK" --bs=64k --size=16m --ioengine=libaio --iodepth=128 \
	: --bs=4k --ioengine=libaio --iodepth=128 \
	: --bsrange=512-128k --size=8m --ioengine=libaio --iodepth=64
[ "$(stat_of d1 "$DEV" exhausted)" -gt 0 ] || lab_fail "never exhausted"
clean
detach d1 "$DEV"
lab_domu_exec d1 "echo 8192 >/sys/module/xen_virtio_front/parameters/window_max_kb"

# The same as for any other device.
reads ,whole-writes=0 0
[ "$IN" -ge $((32 << 20)) ] || lab_fail "$IN bytes copied in, not 32 MiB"
clean
detach d1 "$DEV"
# It gets zeroes, which are not copied.
reads ,trusted=0 0
[ "$IN" -lt 4096 ] || lab_fail "$IN bytes copied in for a backend that is not trusted"
clean
detach d1 "$DEV"
lab_pass
