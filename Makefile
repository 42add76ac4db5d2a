# SPDX-License-Identifier: GPL-2.0-only
#
# For people; Kbuild is what the kernel's build system reads.  "make help"
# lists the targets.

# "make modules_install" of the kernel comes back to this directory through
# Kbuild, never through this file.
MAKEFLAGS += --no-print-directory

KERNELRELEASE ?= $(shell uname -r)
KDIR	?= /lib/modules/$(KERNELRELEASE)/build
DESTDIR	?=
PREFIX	?= /usr/local
UNITDIR	?= /lib/systemd/system
RULESDIR	?= /lib/udev/rules.d
SUITE	?=
GUEST	?=
QUICK	?=
COMPARE	?=
T	?=

INSTALL_MOD_PATH ?= $(DESTDIR)
INSTALL_MOD_DIR	?= updates

export DESTDIR PREFIX

module	:= xen-virtio-front.ko
kbuild	= $(MAKE) -C $(KDIR) M=$(CURDIR)

# What the tools are linked with: names for pkg-config, then the packages of
# Debian that bring them.
tools_libs := xengnttab xenevtchn xenstore libseccomp libcap-ng json-c
tools_debs := libxen-dev libseccomp-dev libcap-ng-dev libjson-c-dev \
	      libaio-dev liburing-dev pkg-config
have_tools := $(shell pkg-config --exists $(tools_libs) 2>/dev/null && echo y)
have_kdir  := $(if $(wildcard $(KDIR)/Makefile),y)

.PHONY: all modules tools install install-modules install-tools clean \
	unit static lab check check-debug demo bench setup help

all: $(if $(have_kdir),modules,no-kdir) $(if $(have_tools),tools,no-tools)
	@$(if $(have_kdir)$(have_tools),true,false)

.PHONY: no-kdir no-tools
no-kdir:
	@echo "module not built: no kernel headers in $(KDIR)" \
		"(apt-get install linux-headers-$(KERNELRELEASE), or KDIR=...)"
no-tools:
	@echo "tools not built: a library is missing" \
		"(apt-get install $(tools_debs))"

modules:
	$(kbuild) modules

tools:
	$(MAKE) -C tools

install: install-modules install-tools

# Without MODULE_SIG_ALL: the key that distributions sign with is not in their
# headers, and a failed attempt would print pages.
install-modules: modules
	@test -z "$(XVF_BASELINE)" || \
		{ echo "XVF_BASELINE is for tests/bench, not to be installed" >&2; exit 1; }
	$(kbuild) INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) CONFIG_MODULE_SIG_ALL= \
		INSTALL_MOD_DIR=$(INSTALL_MOD_DIR) modules_install
	install -d $(DESTDIR)$(RULESDIR)
	install -m 644 tools/60-xen-virtio-front.rules $(DESTDIR)$(RULESDIR)
	$(if $(INSTALL_MOD_PATH),,depmod \
		$(shell cat $(KDIR)/include/config/kernel.release))

install-tools: tools
	$(MAKE) -C tools install
	install -d $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(UNITDIR)
	install -m 644 $(wildcard tools/*.8) $(DESTDIR)$(PREFIX)/share/man/man8
	sed 's|/usr/local/sbin|$(PREFIX)/sbin|' tools/xen-virtiod.service \
		>$(DESTDIR)$(UNITDIR)/xen-virtiod.service

clean:
	$(if $(have_kdir),$(kbuild) clean)
	$(if $(wildcard tools/Makefile),$(MAKE) -C tools clean)
	$(if $(wildcard tests/unit/Makefile),$(MAKE) -C tests/unit clean)
	$(if $(wildcard tests/hostile/Makefile),$(MAKE) -C tests/hostile clean)

unit:
	$(MAKE) -C tests/unit check

static:
	@tests/check static

lab:
	@SUITE='$(SUITE)' GUEST='$(GUEST)' tests/check lab $(if $(T),'$(T)')

check:
	@tests/check all

check-debug:
	@tests/check debug $(if $(T),'$(T)')

demo:
	@tests/demo/run --guest $(or $(GUEST),pv)

bench:
	@tests/bench/run --set $(if $(QUICK),quick,full) \
		--guest $(or $(GUEST),pv) $(if $(COMPARE),--compare '$(COMPARE)')

setup:
	@tests/setup all

help:
	@echo 'make                  module and tools, or what is missing for them'
	@echo 'make modules KDIR=... $(module) for the kernel whose headers are in KDIR'
	@echo 'make tools            xen-virtiod, xen-virtio and xen-virtio-bench'
	@echo 'make install          both, to DESTDIR and PREFIX ($(PREFIX));'
	@echo '                      install-modules, install-tools: one of them'
	@echo 'make clean            removes what make built in this tree'
	@echo
	@echo 'make unit             tests without root and without Xen'
	@echo 'make static           checkpatch, sparse, clang-tidy and the like'
	@echo 'make lab T=pattern    the tests on real Xen whose names match;'
	@echo '                      SUITE=trixie, GUEST=pvh: only those'
	@echo 'make check            all of these, and builds for every kernel'
	@echo 'make check-debug      the lab with a kernel that has KASAN, lockdep,'
	@echo '                      kmemleak and DMA debugging; builds it first'
	@echo 'make demo           boots Xen, dom0 and a domU from a virtio disk;'
	@echo '                      GUEST=pvh for a PVH guest'
	@echo 'make bench            what grants cost, beside xen-blkfront: a report;'
	@echo '                      QUICK=1: less of it, COMPARE=OLD.json: what changed'
	@echo 'make setup            installs what the tests need (apt, as root)'
	@echo
	@echo 'Caches and logs: $$XEN_VIRTIO_CACHE, by default /var/cache/xen-virtio.'
	@echo 'V=1 shows commands, W=1 and C=2 are the kernel build system'"'"'s.'
