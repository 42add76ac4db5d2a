# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The interrupts of four queues land on four processors, also after the queues
# were made anew, and each processor has its queue (R13).
# lab: suites=bookworm,trixie guests=pv
# lab: suites=bookworm guests=pv guest-suites=sid
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

# Queue, processor with most of its interrupts, their number, affinity.
# shellcheck disable=SC2016 # the domU expands it
spread() {
	lab_domu_exec d1 'n=$(head -n 1 /proc/interrupts | wc -w)
		grep -E "virtio[0-9]+-req\." /proc/interrupts |
		while read -r irq line; do
			set -- $line
			cpu=0; most=0; best=0
			while [ $cpu -lt $n ]; do
				[ $1 -le $most ] || { most=$1; best=$cpu; }
				cpu=$((cpu + 1)); shift
			done
			echo "${line##* } $best $most" \
				"$(cat /proc/irq/${irq%:}/effective_affinity_list)"
		done'
}

lab_start_daemon
image disk 16M
lab_domu_create d1 vcpus=4
for round in 1 2; do
	attach_disk d1 "path=$IMAGE,queues=4"
	lab_domu_exec d1 "fio --name=l --filename=$DISK --rw=randread --bs=4k \
		--ioengine=libaio --iodepth=4 --direct=1 --size=2m --numjobs=4 \
		--cpus_allowed=0-3 --cpus_allowed_policy=split" >/dev/null ||
		lab_fail "fio"
	spread | tee "$CASE_DIR/spread"
	[ "$(wc -l <"$CASE_DIR/spread")" = 4 ] ||
		lab_fail "there are not four interrupts"
	[ "$(cut -d' ' -f2 "$CASE_DIR/spread" | sort -u | wc -l)" = 4 ] ||
		lab_fail "two queues interrupt the same processor, round $round"
	while read -r queue cpu count affinity; do
		[ "$cpu" = "$affinity" ] ||
			lab_fail "$queue interrupts $cpu and should $affinity"
		[ "$count" -ge 20 ] || lab_fail "$queue has $count interrupts"
	done <"$CASE_DIR/spread"
	cpus=$(lab_domu_exec d1 "cat /sys/block/${DISK#/dev/}/mq/*/cpu_list")
	[ "$(sort <<<"$cpus" | paste -sd' ')" = "0 1 2 3" ] ||
		lab_fail "processors share queues: $cpus"
	detach d1 "$DEV"
done
lab_pass
