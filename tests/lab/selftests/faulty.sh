# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash

# faulty NAME: a domU d1 that loads faulty.ko to make that mistake.
faulty() {
	lab_domu_create d1
	lab_domu_exec d1 "base64 -d >/tmp/faulty.ko <<-END
		$(base64 /lab/files/domu/faulty.ko)
		END
		insmod /tmp/faulty.ko fault=$1 && rmmod faulty"
}
