# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The DMA modes: auto takes what is large, trusted=0 wins over everything, an
# arena that is too small loses nothing, and nonsense in the store is refused.
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

is() { # NAME VALUE
	local got

	got=$(stat_of d1 "$DEV" "$1")
	lab_log "$1 is $got"
	[ "$got" = "$2" ] || lab_fail "$1 is $got, not $2"
}

over() { # NAME VALUE
	local got

	got=$(stat_of d1 "$DEV" "$1")
	lab_log "$1 is $got"
	[ "$got" -gt "$2" ] || lab_fail "$1 is $got, not over $2"
}

clean() {
	is mapped 0
	is direct_refs_used 0
	is quarantined 0
	is broken 0
	detach d1 "$DEV"
	[ "$(guest_grants "$(xl domid d1)")" = 0 ] ||
		lab_fail "grants are left mapped"
}

is_closing() {
	[ "$(fe_state "$1" "$DEV")" -ge 5 ]
}

lab_start_daemon
image disk 64M
lab_domu_create d1 vcpus=2 extra="lab.modargs=direct_max_kb=256"

# Small buffers never, large ones if their pages lie together.
attach_disk d1 "path=$IMAGE,dma=auto,direct-threshold=8192"
is mode auto
is direct_min 8192
# Two that follow each other may become one of 8 KiB.
lab_domu_exec d1 "echo 2 >/sys/block/$(basename "$DISK")/queue/nomerges"
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=32
is direct_maps 0
fio_verify d1 "$DISK" --bs=64k --size=16m --ioengine=libaio --iodepth=8 \
	: --bsrange=512-256k --size=16m --ioengine=libaio --iodepth=16
over direct_maps 0
over window_maps 0
clean

# 64 references are not enough for this.
attach_disk d1 "path=$IMAGE,dma=direct"
is mode direct
is direct_refs 64
fio_verify d1 "$DISK" --bs=64k --size=16m --ioengine=libaio --iodepth=32
over direct_exhausted 0
over direct_maps 0
# And those that it has are all to be had again.
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=32 --loops=2 \
	: --bs=128k --size=8m --ioengine=libaio --iodepth=1
before=$(stat_of d1 "$DEV" direct_exhausted)
fio_verify d1 "$DISK" --bs=4k --ioengine=libaio --iodepth=4 --loops=2
is direct_exhausted "$before"
clean

for spec in trusted=0,dma=direct trusted=0,dma=auto,direct-threshold=4096 \
	dma=auto dma=window; do
	attach_disk d1 "path=$IMAGE,$spec"
	is mode window
	fio_verify d1 "$DISK" --bs=64k --size=4m --ioengine=libaio --iodepth=8
	is direct_maps 0
	is direct_refs 0
	clean
done

# The toolstack would not write these.
lab_allow_log 'reading device/virtio/[0-9]+/(dma-mode|direct-threshold)'
nr=2
for node in dma-mode=fast direct-threshold=4095 direct-threshold=4096x; do
	name=d$nr
	nr=$((nr + 1))
	lab_domu_create $name paused=1
	attach $name "type=blk,path=$IMAGE"
	path=/local/domain/$(xl domid $name)/device/virtio/$DEV
	xenstore-write "$path/${node%%=*}" "${node#*=}"
	lab_domu_unpause $name
	lab_domu_wait $name
	guest_wait $name 20 "dmesg | grep -q 'reading .*${node%%=*}'" ||
		lab_fail "$node is accepted"
	lab_wait_for 20 is_closing $name
	detach $name "$DEV"
	lab_domu_shutdown $name
done
lab_pass
