# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every mode with both kinds of ring, with and without indirect tables, on one
# and on four queues: all sizes and depths, aligned or not, verify (R1).
# lab: suites=bookworm guests=pv timeout=900
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

feature() { # BIT: as the guest's driver has it, 0 or 1
	lab_domu_exec d1 "cut -c$(($1 + 1)) \
		/sys/bus/xen/devices/virtio-$DEV/virtio*/features"
}

expect() { # WHAT IS WANTED
	[ "$2" = "$3" ] || lab_fail "$where: $1 is $2 instead of $3"
}

one() { # MODE PACKED INDIRECT QUEUES
	local where="dma=$1 packed=$2 indirect=$3 queues=$4" queues
	local unaligned='--offset=1536 --iomem_align=512 --ioengine=libaio'

	lab_log "$where"
	lab_domu_exec d1 "echo $3 \
		>/sys/module/xen_virtio_front/parameters/indirect"
	attach_disk d1 "path=$IMAGE,logical_block_size=512,dma=$1,packed=$2,queues=$4"
	expect "the ring's kind" "$(feature 34)" "$2"
	expect "indirect" "$(feature 28)" "$3"
	queues=$(lab_domu_exec d1 "ls /sys/block/${DISK#/dev/}/mq | wc -l")
	expect "the number of queues" "$queues" "$4"
	fio_verify d1 "$DISK" --bs=512 --size=16k \
		: --bsrange=512-1m --size=4m --ioengine=libaio --iodepth=32 \
		: --bs=4k --ioengine=libaio --iodepth=128 \
		: --bs=3584 --size=224k "$unaligned" --iodepth=32 \
		: --bs=66048 --size=2064k "$unaligned" --iodepth=8 \
		: --bs=1m --size=8m --ioengine=libaio --iodepth=4 \
			--numjobs="$4" --offset_increment=8m
	for what in mapped quarantined broken; do
		expect "$what" "$(stat_of d1 "$DEV" $what)" 0
	done
	detach d1 "$DEV"
}

lab_start_daemon
lab_domu_create d1 vcpus=4
image disk 32M
for mode in window auto direct; do
	for packed in 0 1; do
		for indirect in 0 1; do
			for queues in 1 4; do
				one $mode $packed $indirect $queues
			done
		done
	done
done
lab_pass
