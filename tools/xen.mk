# SPDX-License-Identifier: GPL-2.0-only
#
# The objects that speak Xen, included by Makefile.  Of these only xs.o,
# gntmap.o, evtchn.o and sandbox.o need libraries beyond the C library: unit
# tests link the others.

XEN_OBJS := xs.o store.o
DAEMON_OBJS := xen-virtiod.o supervisor.o wproc.o xenbus.o xdev.o \
	       worker.o qthread.o sandbox.o transport.o ring.o gntmap.o evtchn.o ctl.o
CLI_OBJS := xen-virtio.o cli.o cli_attach.o cli_detach.o cli_list.o cli_stats.o \
	    cli_stats_show.o spec.o \
	    ctl.o
BENCH_OBJS := xen-virtio-bench.o bench_run.o bench_report.o bench_grants.o gntmap.o evtchn.o

XEN_PKGS := xenstore xengnttab xenevtchn xentoollog libseccomp libcap-ng json-c
LDFLAGS += -Wl,--as-needed

# For tests/bench only: what is measured against.  Not to be installed.
ifeq ($(BASELINE),1)
ifeq ($(O),.)
$(error BASELINE=1 needs O=DIR, so that nothing else is made of its objects)
endif
vpath foreign.c ../tests/bench/baseline
DAEMON_OBJS += foreign.o
XEN_PKGS += xencontrol xenguest xenforeignmemory
DEFS := -DXVB_BASELINE -DURING_UNIT=1048576U -DURING_UNITS=64U -DURING_UNITS_ALL=64U -DURING_UNITS_MIN=64U -DMEMORY_WINDOW_PAGES=1048576
endif
