# Carrel: build, install, test. `make help` lists the targets.

VERSION    = 0.1.0
PREFIX     = /usr/local
SYSCONFDIR = /etc
BINDIR     = $(PREFIX)/bin
SBINDIR    = $(PREFIX)/sbin
LIBEXECDIR = $(PREFIX)/libexec
MANDIR     = $(PREFIX)/share/man
DOCDIR     = $(PREFIX)/share/doc/carrel
COMPDIR    = $(PREFIX)/share/bash-completion/completions
PAMDIR    := $(shell pkg-config --variable=libdir pam 2>/dev/null || echo /usr/lib)/security
DESTDIR    =

CC         = gcc
CFLAGS     = -O2 -g
LDFLAGS    =
B          = build

# The project's own flags; CFLAGS and LDFLAGS stay the user's. make WERROR=1 is what CI does.
WARNINGS   = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
             -Wformat=2 -Wundef -Wno-unused-parameter $(if $(WERROR),-Werror)
HARDENING  = -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 -fPIC
DEFINES    = -D_GNU_SOURCE -DCARREL_VERSION='"$(VERSION)"' -DCARREL_SYSCONFDIR='"$(SYSCONFDIR)"' \
             -DCARREL_LIBEXECDIR='"$(LIBEXECDIR)"' -DCARREL_BINDIR='"$(BINDIR)"' \
             -DCARREL_PAMDIR='"$(PAMDIR)"'
OWN_CFLAGS = -std=gnu11 -MMD -MP -I. -I$(B) $(DEFINES) $(WARNINGS) $(HARDENING)
OWN_LDFLAGS = -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed

CORE   = $(patsubst %.c,$(B)/%.o,$(wildcard core/*.c))
PAM    = $(patsubst %.c,$(B)/%.o,$(wildcard pam_module/*.c))
KEEPER = $(patsubst %.c,$(B)/%.o,$(wildcard keeper/*.c))
SHELL_ = $(patsubst %.c,$(B)/%.o,$(wildcard shell/*.c))
CTL    = $(patsubst %.c,$(B)/%.o,$(wildcard ctl/*.c))
UNITS  = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
HELPERS = $(patsubst tests/helpers/%.c,$(B)/tests/helpers/%,$(wildcard tests/helpers/*.c))

KEEPER_LIBS = -lcgroup -lconfig -lcap -ldl
CTL_LIBS    = -lcgroup -lconfig -lcap -larchive -lcrypto -lsmartcols -lncursesw -ldl
UNIT_LIBS   = -lcmocka $(KEEPER_LIBS)

PROGRAMS = $(B)/pam_carrel.so $(B)/carrel-keeper $(B)/carrel-shell $(B)/carrelctl

all: $(PROGRAMS) ## build everything (default)

# The paths of PREFIX are compiled in: another PREFIX builds anew.
$(B)/defines: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(DEFINES) | cmp -s - $@ || printf '%s\n' $(DEFINES) >$@

$(B)/%.o: %.c $(B)/defines
	@mkdir -p $(@D)
	$(CC) $(OWN_CFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/libcore.a: $(CORE)
	@rm -f $@
	ar rcs $@ $^

# The module lives inside sshd: libpam and nothing else, and only its entry points are visible.
$(B)/pam_carrel.so: $(PAM) pam_module/pam_carrel.map
	$(CC) $(OWN_LDFLAGS) $(LDFLAGS) -shared -Wl,-z,defs -Wl,--version-script=pam_module/pam_carrel.map \
	  -o $@ $(PAM) -lpam

$(B)/carrel-keeper: $(KEEPER) $(B)/libcore.a
	$(CC) $(OWN_LDFLAGS) $(LDFLAGS) -pie -o $@ $^ $(KEEPER_LIBS)

# Static: it is started with an environment that the user may have set (see docs/security.md).
$(B)/carrel-shell: $(SHELL_) $(B)/libcore.a
	$(CC) $(OWN_LDFLAGS) $(LDFLAGS) -static-pie -o $@ $^

$(B)/carrelctl: $(CTL) $(B)/libcore.a
	$(CC) $(OWN_LDFLAGS) $(LDFLAGS) -pie -o $@ $^ $(CTL_LIBS)

# The system-call allow-list is compiled to BPF once, here, so that no login pays for it.
$(B)/seccomp_gen: tools/seccomp_gen.c tools/seccomp_program.c tools/seccomp_program.h
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(OWN_CFLAGS)) $(CFLAGS) -o $@ $(filter %.c,$^) -lseccomp
$(B)/seccomp_filter.h: $(B)/seccomp_gen
	$(B)/seccomp_gen > $@.tmp && mv $@.tmp $@
$(KEEPER): | $(B)/seccomp_filter.h

$(B)/tests/unit/%: tests/unit/%.c $(B)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(OWN_CFLAGS) $(CFLAGS) $(OWN_LDFLAGS) $(LDFLAGS) -o $@ $< $(filter %.o,$^) $(B)/libcore.a $(UNIT_LIBS)

# Tests of a program's own files name the objects they need beside the library.
$(B)/tests/unit/test_request: $(B)/shell/request.o
$(B)/tests/unit/test_relay $(B)/tests/unit/test_relay_terminal: $(B)/shell/relay.o $(B)/shell/agent.o \
  $(B)/shell/stdio.o $(B)/shell/terminal.o $(B)/tests/unit/relay_rig.o
$(B)/tests/unit/test_rules: $(B)/keeper/rules.o
$(B)/tests/unit/test_ending: $(B)/keeper/ending_format.o
$(B)/tests/unit/test_notice: $(B)/keeper/notice.o
$(B)/tests/unit/test_agent $(B)/tests/unit/test_agent_find: $(B)/shell/agent.o $(B)/tests/unit/agent_rig.o
$(B)/tests/unit/test_top: $(B)/ctl/top_sample.o
$(B)/tests/unit/test_limits: $(B)/keeper/limits_text.o
$(B)/tests/unit/test_x11: $(B)/shell/x11.o
$(B)/tests/unit/test_self_service: $(B)/keeper/self_service_text.o
$(B)/tests/unit/test_alpine: $(B)/ctl/alpine.o
$(B)/tests/unit/test_pam_stack: $(B)/ctl/pam_stack.o
$(B)/tests/unit/test_sshd_text: $(B)/ctl/sshd_text.o
$(B)/tests/unit/test_kmsg: $(B)/keeper/kmsg.o
$(B)/tests/unit/test_ask: $(B)/keeper/ask.o

units: $(UNITS) ## build the unit tests

# Small programs that the tests in shell use.
$(B)/tests/helpers/%: tests/helpers/%.c $(B)/libcore.a | $(B)/seccomp_filter.h
	@mkdir -p $(@D)
	$(CC) $(OWN_CFLAGS) $(CFLAGS) $(OWN_LDFLAGS) $(LDFLAGS) -o $@ $< $(B)/libcore.a -lpam $(HELPER_LIBS)

# Run in any rootfs.
$(B)/tests/helpers/seccomp_probe $(B)/tests/helpers/inside_probe $(B)/tests/helpers/disk_probe \
  $(B)/tests/helpers/fs_semantics $(B)/tests/helpers/hog: OWN_LDFLAGS += -static
$(B)/tests/helpers/peer $(B)/tests/helpers/agent_client $(B)/tests/helpers/x11_peer: OWN_LDFLAGS += -static
$(B)/tests/helpers/bench_attach: HELPER_LIBS = -lcgroup

helpers: $(HELPERS) ## build the programs that the tests use

deps: ## install what building and testing needs (Debian; as root)
	@tests/lib/install-deps build test

demo: ## show a sandboxed login in a throw-away view of this host (as root)
	@tests/lib/install-deps build demo
	@$(MAKE) --no-print-directory -s all helpers
	@tests/demo

check: ## every test that runs on one machine (as root)
	@tests/lib/install-deps build test
	@$(MAKE) --no-print-directory -s all units helpers
	@tests/run

check-vm: ## boot a Debian with systemd and cgroup v2 and test there (as root)
	@tests/lib/install-deps build vm
	@$(MAKE) --no-print-directory -s all helpers
	@$(MAKE) --no-print-directory -s B=$(B)/vm/usr PREFIX=/usr all
	@tests/vm/run

bench: ## measure beside peers, print medians and ratios (as root)
	@tests/lib/install-deps build bench
	@$(MAKE) --no-print-directory -s all helpers
	@tests/bench/run

bypass: ## try every way round the sandbox, beside other sandboxes; prints a table (as root)
	@tests/lib/install-deps build test bench
	@$(MAKE) --no-print-directory -s all helpers
	@tests/bypass/run

SCRIPTS = $(shell git grep -lE '^(\#!.*\b(ba)?sh\b|\# shellcheck shell=)' -- tests packaging .ci tools config ':!*.md' 2>/dev/null)
SOURCES = $(wildcard core/*.[ch] pam_module/*.[ch] keeper/*.[ch] shell/*.[ch] ctl/*.[ch] tools/*.[ch] \
          tests/unit/*.[ch] tests/helpers/*.[ch])

lint: $(B)/seccomp_filter.h ## clang-format, clang-tidy, cppcheck, shellcheck
	clang-format --dry-run -Werror $(SOURCES)
	@# One file at a time: given many, clang-tidy 14 reports va_lists of one file in the next.
	@# It counts the warnings of the system's headers on each run: what it says is shown where it fails.
	printf '%s\n' $(filter %.c,$(SOURCES)) | \
	  xargs -P 2 -I{} sh -c 'said=$$(clang-tidy --quiet "$$@" 2>&1) || { printf "%s\n" "$$said"; exit 1; }' sh {} -- \
	  $(filter-out -MMD -MP -fstack-clash-protection,$(OWN_CFLAGS))
	cppcheck -j 2 --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
	  -I. -I$(B) $(DEFINES) $(filter %.c,$(SOURCES))
	$(if $(SCRIPTS),shellcheck -x -S warning $(SCRIPTS))

format: ## rewrite the sources in the project's format
	clang-format -i $(SOURCES)

install: all ## install to $(DESTDIR)$(PREFIX), $(PAMDIR) and $(SYSCONFDIR)
	install -D -m 0644 $(B)/pam_carrel.so $(DESTDIR)$(PAMDIR)/pam_carrel.so
	install -D -m 0755 $(B)/carrel-keeper $(DESTDIR)$(LIBEXECDIR)/carrel/carrel-keeper
	install -D -m 0755 $(B)/carrel-shell $(DESTDIR)$(BINDIR)/carrel-shell
	install -D -m 0755 $(B)/carrelctl $(DESTDIR)$(SBINDIR)/carrelctl
	install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/carrel $(DESTDIR)$(SYSCONFDIR)/carrel/conf.d
	test -e $(DESTDIR)$(SYSCONFDIR)/carrel/carrel.conf || \
	  install -m 0644 config/carrel.conf $(DESTDIR)$(SYSCONFDIR)/carrel/carrel.conf
	@# Not into /etc/ssh: how people log in is the administrator's decision.
	install -d -m 0755 $(DESTDIR)$(DOCDIR)
	sed 's|/usr/bin/carrel-shell|$(BINDIR)/carrel-shell|' config/sshd_config.d/50-carrel.conf \
	  >$(DESTDIR)$(DOCDIR)/50-carrel.conf
	chmod 0644 $(DESTDIR)$(DOCDIR)/50-carrel.conf
	install -D -m 0644 packaging/completions/carrelctl.bash $(DESTDIR)$(COMPDIR)/carrelctl
	for page in docs/man/*.[1-8]; do \
	  install -D -m 0644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done

uninstall: ## remove what install put there; the config and the state stay
	rm -f $(DESTDIR)$(PAMDIR)/pam_carrel.so $(DESTDIR)$(BINDIR)/carrel-shell $(DESTDIR)$(SBINDIR)/carrelctl
	rm -rf $(DESTDIR)$(LIBEXECDIR)/carrel
	rm -f $(DESTDIR)$(DOCDIR)/50-carrel.conf $(DESTDIR)$(COMPDIR)/carrelctl
	-rmdir $(DESTDIR)$(DOCDIR)
	for page in docs/man/*.[1-8]; do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done

clean: ## remove build/
	rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

-include $(shell find $(B) -path $(B)/vm -prune -o -name '*.d' -print 2>/dev/null)
export ALPINE_TARBALL CI B
.PHONY: FORCE all units helpers deps demo check check-vm bench bypass lint format install uninstall clean help
.DELETE_ON_ERROR:
