# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Two domUs with several disks each, all busy at once, do not mix (R1).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

lab_start_daemon
lab_domu_create d1
lab_domu_create d2
for name in d1 d2; do
	for i in 1 2 3; do
		random_image "$name-$i" 8
		attach_disk $name "path=$IMAGE,serial=$name-$i"
	done
done
[ "$(workers | wc -l)" = 6 ] || lab_fail "$(workers | wc -l) workers for 6 disks"
jobs=()
for name in d1 d2; do
	for i in 1 2 3; do
		lab_domu_exec $name "for b in /sys/block/vd?; do
			[ \$(cat \$b/serial) = $name-$i ] || continue
			yes $name-$i | head -c 6M >/tmp/$i
			dd if=/tmp/$i of=/dev/\${b##*/} bs=16k oflag=direct \
				status=none || exit 1
			$FIO_VERIFY --name=v --filename=/dev/\${b##*/} --offset=6m \
				--size=2m --bs=4k --ioengine=libaio --iodepth=16 ||
				exit 2
			done" >/dev/null 2>"$CASE_DIR/log-$name-$i" &
		jobs+=($!)
	done
done
for job in "${jobs[@]}"; do
	wait "$job" || lab_fail "$(cat "$CASE_DIR"/log-*)"
done
for disk in d1-1 d1-2 d1-3 d2-1 d2-2 d2-3; do
	cmp <(yes $disk | head -c 6M) <(head -c 6M "$CASE_DIR/$disk") ||
		lab_fail "$disk holds something else"
done
lab_pass
