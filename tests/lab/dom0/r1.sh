# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# All sizes and depths in one combination of R1; after cases.sh.

expect() { # WHERE WHAT IS WANTED
	[ "$3" = "$4" ] || lab_fail "$1: $2 is $3 instead of $4"
}

# r1 MODE INDIRECT QUEUES PACKED: on the image IMAGE, in the domU d1.
# shellcheck disable=SC2153 # DEV and DISK are attach_disk's
r1() {
	local where="dma=$1 indirect=$2 queues=$3 packed=$4" queues what
	local unaligned='--offset=1536 --iomem_align=512 --ioengine=libaio'

	lab_log "$where"
	lab_domu_exec d1 "echo $2 \
		>/sys/module/xen_virtio_front/parameters/indirect"
	attach_disk d1 \
		"path=$IMAGE,logical_block_size=512,dma=$1,queues=$3,packed=$4"
	expect "$where" "indirect" "$(feature d1 "$DEV" 28)" "$2"
	expect "$where" "packed" "$(feature d1 "$DEV" 34)" "$4"
	queues=$(lab_domu_exec d1 "ls /sys/block/${DISK#/dev/}/mq | wc -l")
	expect "$where" "the number of queues" "$queues" "$3"
	fio_verify d1 "$DISK" --bs=512 --size=16k \
		: --bsrange=512-1m --size=4m --ioengine=libaio --iodepth=32 \
		: --bs=4k --ioengine=libaio --iodepth=128 \
		: --bs=3584 --size=224k "$unaligned" --iodepth=32 \
		: --bs=66048 --size=2064k "$unaligned" --iodepth=8 \
		: --bs=1m --size=8m --ioengine=libaio --iodepth=4 \
			--numjobs="$3" --offset_increment=8m
	[ "$4" = 0 ] || expect "$where" "exhausted" \
		"$(stat_of d1 "$DEV" exhausted)" 0
	for what in mapped quarantined broken; do
		expect "$where" "$what" "$(stat_of d1 "$DEV" $what)" 0
	done
	detach d1 "$DEV"
}

# All modes, with and without indirect tables, on one and on four queues.
r1_all() { # PACKED
	local mode indirect queues

	lab_start_daemon
	lab_domu_create d1 vcpus=4
	image disk 32M
	for mode in window auto direct; do
		for indirect in 0 1; do
			for queues in 1 4; do
				r1 $mode $indirect $queues "$1"
			done
		done
	done
}
