# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Each mistake with attach is one line, a status that is not 0, nothing left.
# lab: suites=bookworm guests=pv timeout=600
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
lab_domu_wait d1
image disk 16M
head -c 1000 /dev/zero >"$CASE_DIR/odd"
: >"$CASE_DIR/empty"

refused 'no such file' xen-virtio attach d1 "type=blk,path=$CASE_DIR/none"
refused 'regular file' xen-virtio attach d1 "type=blk,path=$CASE_DIR"
refused 'multiple' xen-virtio attach d1 "type=blk,path=$CASE_DIR/odd"
refused 'empty' xen-virtio attach d1 "type=blk,path=$CASE_DIR/empty"
refused 'nobody' xen-virtio attach nobody "type=blk,path=$IMAGE"
refused '999' xen-virtio attach 999 "type=blk,path=$IMAGE"
refused 'type' xen-virtio attach d1 "type=cheese,path=$IMAGE"
refused 'type' xen-virtio attach d1 "path=$IMAGE"
refused 'path' xen-virtio attach d1 type=blk
refused 'colour' xen-virtio attach d1 "type=blk,path=$IMAGE,colour=red"
refused 'twice' xen-virtio attach d1 "type=blk,path=$IMAGE,path=$IMAGE"
refused 'queues' xen-virtio attach d1 "type=blk,path=$IMAGE,queues=0"
refused 'serial' xen-virtio attach d1 \
	"type=blk,path=$IMAGE,serial=012345678901234567890"
refused 'dma' xen-virtio attach d1 "type=blk,path=$IMAGE,dma=some"
refused 'direct-threshold' xen-virtio attach d1 \
	"type=blk,path=$IMAGE,dma=auto,direct-threshold=4095"
refused '3|no .*device' xen-virtio detach d1 3
refused 'nobody' xen-virtio detach nobody 0
[ -z "$(workers)" ] || lab_fail "a worker is left"
lab_pass
