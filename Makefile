# SPDX-License-Identifier: GPL-2.0
# `make help` says what can be made.

KSVC_VERSION := $(shell sed -n 's/^PACKAGE_VERSION=//p' dkms.conf)
PREFIX ?= /usr/local
DESTDIR ?=

# The running kernel's headers, else those of the newest kernel that has any; a link may be left of those that went.
KDIR ?= $(patsubst %/Makefile,%,$(firstword $(wildcard /lib/modules/$(shell uname -r)/build/Makefile) \
	$(shell ls /lib/modules/*/build/Makefile 2>/dev/null | sort -rV)))
DKMS_SOURCE = /usr/src/ksvc-$(KSVC_VERSION)

all: kmod ctl

kmod:
	@$(if $(KDIR),,echo 'no kernel headers: install them or set KDIR' >&2; exit 1)
	$(MAKE) -C kmod KDIR=$(KDIR)

ctl:
	$(MAKE) -C ctl VERSION=$(KSVC_VERSION)

# Tools, man pages and completion; ksvcd's unit, and what loads the module at boot; the module by DKMS on the machine
# itself where that is installed, else as any other module of the kernel in KDIR.
DKMS := $(if $(DESTDIR),,$(shell which dkms 2>/dev/null))

install: ctl install-boot $(if $(DKMS),install-dkms,install-module)
	$(MAKE) -C ctl VERSION=$(KSVC_VERSION) install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)

# systemd looks below /usr and /usr/local. The unit does not run by that: systemctl enable ksvcd.
UNIT = $(DESTDIR)$(PREFIX)/lib/systemd/system/ksvcd.service
MODULES_LOAD = $(DESTDIR)$(PREFIX)/lib/modules-load.d/ksvc.conf

install-boot:
	install -d $(dir $(UNIT))
	sed 's|/usr/local/sbin/|$(PREFIX)/sbin/|' deploy/ksvcd.service >$(UNIT)
	chmod 0644 $(UNIT)
	install -D -m 0644 deploy/modules-load.conf $(MODULES_LOAD)

install-module: kmod
	$(MAKE) -C kmod modules_install KDIR=$(KDIR) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates \
		$(if $(DESTDIR),DEPMOD=true)

# An older build of the same version would win over the sources of today.
install-dkms: uninstall-dkms
	install -d $(DKMS_SOURCE)/kmod
	cp -r include dkms.conf $(DKMS_SOURCE)
	cp kmod/*.[ch] kmod/Kbuild kmod/Makefile $(DKMS_SOURCE)/kmod
	dkms add ksvc/$(KSVC_VERSION)
	dkms install ksvc/$(KSVC_VERSION) -k $(DKMS_KERNEL)

# Where `make kernelrelease` takes it from, Debian 12's headers give the upstream version instead.
DKMS_KERNEL = $(shell sed -n 's/^\#define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)

uninstall: uninstall-dkms
	$(MAKE) -C ctl VERSION=$(KSVC_VERSION) uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	rm -f $(UNIT) $(MODULES_LOAD)
	rm -f $(DESTDIR)/lib/modules/*/updates/ksvc.ko*
	$(if $(DESTDIR),,for k in /lib/modules/*/modules.dep; do depmod $$(basename $$(dirname $$k)); done)

uninstall-dkms:
	if [ -z '$(DESTDIR)' ] && [ -e /var/lib/dkms/ksvc/$(KSVC_VERSION) ]; then \
		dkms remove ksvc/$(KSVC_VERSION) --all; \
	fi
	$(if $(DESTDIR),,rm -rf $(DKMS_SOURCE))

demo:
	tests/vm/deps
	tests/demo/run

check check-matrix check-debug:
	tests/vm/deps
	tests/vm/check $@

# Seconds of the processor for setting up a peer.
LIMIT ?= 3000

# What takes real time has the machine to itself; instructions are the same whatever else it does.
bench:
	tests/vm/deps
	tests/bench/run --uml --limit $(LIMIT) --csv docs/bench/nanoseconds.csv
	tests/bench/tcp --limit $(LIMIT) --csv docs/bench/tcp.csv
	tests/bench/configuration --uml --csv docs/bench/configuration-uml.csv
	tests/bench/events --uml 5000
	tests/bench/smp
	$(MAKE) -j2 bench-peers bench-packets bench-others
	tests/bench/merge docs/bench/packets.csv build/peers.csv build/packets.csv
	tests/bench/plot

bench-peers:
	tests/bench/run --only nftables iptables 'IPVS rr' 'IPVS sh' 'IPVS mh' 'bare IPVS rr' --limit $(LIMIT) --csv build/peers.csv

bench-packets:
	tests/bench/run --only routing conntrack 'one DNAT rule' ksvc 'ksvc, affinity' 'ksvc, rr' 'ksvc, wrr' 'ksvc, lc' \
		'ksvc, sh' 'ksvc, maglev' --csv build/packets.csv

bench-others:
	tests/bench/configuration --csv docs/bench/configuration.csv
	tests/bench/path 'empty NAT' ksvc
	tests/bench/path --established 'empty NAT' ksvc
	tests/bench/events

bench-quick:
	tests/vm/deps
	tests/bench/run --quick

clean:
	rm -rf build
	$(if $(KDIR),$(MAKE) -C kmod KDIR=$(KDIR) clean)
	$(MAKE) -C ctl clean

help:
	@echo 'all           module (kmod/ksvc.ko) and tools (ctl/ksvcctl, ...) for the kernel whose build directory is KDIR'
	@echo '              ($(KDIR))'
	@echo 'install       tools and unit under PREFIX ($(PREFIX)), and the module, by DKMS where it is; DESTDIR is honoured'
	@echo 'uninstall     the reverse'
	@echo 'demo          two nodes of a cluster, run by ksvcd, in a virtual machine, real connections through real Services'
	@echo 'check         unit tests, static checks, and the tests in virtual machines with Debian 12'"'"'s kernels'
	@echo 'check-matrix  check, and the same on Debian 13 with its kernel and the newest of its backports'
	@echo 'check-debug   the tests on a kernel with KASAN, lockdep and kmemleak, and proof that they bite'
	@echo 'bench         packets, connections, configuration, from one service to 100,000 and beside peers; seven hours, or'
	@echo '              with LIMIT=150 (seconds to set up a peer) two, without the largest sizes of some'
	@echo 'bench-quick   instructions per packet with 1,000 services, in five minutes'
	@echo 'clean         removes what was built here; downloads and kernels stay in ~/.cache/ksvc'

.PHONY: all kmod ctl install install-boot install-module install-dkms uninstall uninstall-dkms demo check check-matrix \
	check-debug bench bench-peers bench-packets bench-others bench-quick clean help
