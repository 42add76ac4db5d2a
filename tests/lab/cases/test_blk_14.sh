# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# With and without indirect descriptors everything verifies, and the module's
# parameter decides which (R1).
# lab: suites=bookworm guests=pv
# shellcheck source=tests/lab/dom0/cases.sh
. /lab/dom0/cases.sh

maps_of_64_reads() { # DOMAIN
	local before after

	before=$(stat_of "$1" "$DEV" maps)
	lab_domu_exec "$1" "dd if=$DISK of=/dev/null bs=4k count=64 \
		iflag=direct status=none"
	after=$(stat_of "$1" "$DEV" maps)
	echo $((after - before))
}

lab_start_daemon
image disk 16M
for indirect in 0 1; do
	lab_domu_create "d$indirect" "extra=lab.modargs=indirect=$indirect"
	attach_disk "d$indirect" "path=$IMAGE"
	fio_verify "d$indirect" "$DISK" --bs=4k --size=1m --ioengine=libaio \
		--iodepth=128 \
		: --bs=1m --size=8m --ioengine=libaio --iodepth=8
	# Header, data and status are mapped, and the table if there is one.
	maps=$(maps_of_64_reads "d$indirect")
	[ "$maps" = $((64 * (3 + indirect))) ] ||
		lab_fail "indirect=$indirect: 64 reads made $maps mappings"
	detach "d$indirect" "$DEV"
	lab_domu_shutdown "d$indirect"
done
lab_pass
