# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every mode, with and without indirect tables, on one and on four queues: all
# sizes and depths, aligned or not, verify (R1).
# lab: suites=bookworm guests=pv timeout=900
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

expect() { # WHAT IS WANTED
	[ "$2" = "$3" ] || lab_fail "$where: $1 is $2 instead of $3"
}

# shellcheck disable=SC2153 # DEV and DISK are attach_disk's
one() { # MODE INDIRECT QUEUES
	local where="dma=$1 indirect=$2 queues=$3" queues
	local unaligned='--offset=1536 --iomem_align=512 --ioengine=libaio'

	lab_log "$where"
	lab_domu_exec d1 "echo $2 \
		>/sys/module/xen_virtio_front/parameters/indirect"
	attach_disk d1 "path=$IMAGE,logical_block_size=512,dma=$1,queues=$3"
	expect "indirect" "$(feature d1 "$DEV" 28)" "$2"
	queues=$(lab_domu_exec d1 "ls /sys/block/${DISK#/dev/}/mq | wc -l")
	expect "the number of queues" "$queues" "$3"
	fio_verify d1 "$DISK" --bs=512 --size=16k \
		: --bsrange=512-1m --size=4m --ioengine=libaio --iodepth=32 \
		: --bs=4k --ioengine=libaio --iodepth=128 \
		: --bs=3584 --size=224k "$unaligned" --iodepth=32 \
		: --bs=66048 --size=2064k "$unaligned" --iodepth=8 \
		: --bs=1m --size=8m --ioengine=libaio --iodepth=4 \
			--numjobs="$3" --offset_increment=8m
	for what in mapped quarantined broken; do
		expect "$what" "$(stat_of d1 "$DEV" $what)" 0
	done
	detach d1 "$DEV"
}

lab_start_daemon
lab_domu_create d1 vcpus=4
image disk 32M
for mode in window auto direct; do
	for indirect in 0 1; do
		for queues in 1 4; do
			one $mode $indirect $queues
		done
	done
done
lab_pass
