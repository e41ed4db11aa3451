# make [V=1] [SAN=address,undefined] [CC=clang] [DEVELOPER=]
#	all check unit e2e fuzz valgrind demo docs lint analyze bench bare-chroot
#	check-mutations check-faults check-interleavings check-as-user
#	install uninstall dist compile_commands.json clean
# GNU make.  `make` needs only the -dev packages and says which are missing;
# check, demo, lint and bench install what they need through contrib/setup.

B      := build$(if $(SAN),-$(if $(filter thread,$(SAN)),tsan,san))
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
VERSION := 0.1.0
DEVELOPER ?= 1

CFLAGS ?= -O2 -g
STD   = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DDEEPOPS_VERSION='"$(VERSION)"' \
	-Igit-deepops -Igit-deepops/lib -I$(B)/gen -include base/banned.h
WARN  = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wcast-qual \
	-Wnull-dereference -Wimplicit-fallthrough -Wdeclaration-after-statement -fno-common \
	$(if $(DEVELOPER),-Werror)
HARD  = -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
LINKHARD = -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed
ifeq ($(findstring clang,$(CC)),)
WARN += -Wjump-misses-init -Wlogical-op -Wduplicated-cond
HARD += -ftrivial-auto-var-init=zero
endif
ifdef SAN
HARD  = -fPIE -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
LINKHARD = -pie -fsanitize=$(SAN)
# gcc warns of conversions in what the sanitizers insert; the plain build is the judge.
WARN += -Wno-error -Wno-null-dereference -Wno-sign-conversion
else
HARD += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
Q      = $(if $(V),,@echo '  $(1) $@';)

# What links against what: the chunk server needs no libgit2.
SERVE_PKGS  := sqlite3 libzstd libcrypto jansson libssh2
CLIENT_PKGS := $(SERVE_PKGS) libgit2 libarchive yaml-0.1
pc = $(shell pkg-config $(1) $(2) 2>/dev/null)
HAVE_PKGS := $(shell pkg-config --exists $(CLIENT_PKGS) 2>/dev/null && echo yes)
PC_CFLAGS := $(call pc,--cflags,$(CLIENT_PKGS))
PC_SERVE  := $(call pc,--libs,$(SERVE_PKGS))
PC_CLIENT := $(call pc,--libs,$(CLIENT_PKGS))

lib    := $(wildcard git-deepops/lib/*/*.c)
client := git-deepops/main.c $(wildcard git-deepops/cmd/*.c)
units  := $(wildcard tests/unit/u-*.c)
obj     = $(patsubst %.c,$(B)/obj/%.o,$(1))
bins   := $(if $(wildcard git-deepops/main.c),$(B)/git-deepops) \
	  $(if $(wildcard server/main.c),$(B)/git-deepops-serve) \
	  $(patsubst hooks/%.c,$(B)/git-deepops-%,$(subst _,-,$(wildcard hooks/pre_receive.c hooks/post_receive.c)))
tests  := $(units:tests/unit/%.c=$(B)/unit/%)

all: $(bins)
$(B)/git-deepops: $(call obj,$(client)) $(B)/libdeepops.a
$(B)/git-deepops-serve: $(call obj,$(wildcard server/*.c)) $(B)/libdeepops.a
$(B)/git-deepops-pre-receive: $(call obj,hooks/pre_receive.c) $(B)/libdeepops.a
$(B)/git-deepops-post-receive: $(call obj,hooks/post_receive.c) $(B)/libdeepops.a
$(tests): $(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/libdeepops.a
$(B)/git-deepops-serve: LIBS = $(PC_SERVE)
$(bins) $(tests): LIBS ?= $(PC_CLIENT)
$(bins) $(tests):
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) $(CFLAGS) $(LINKHARD) $(LDFLAGS) -o $@ $^ $(LIBS) -lpthread -ldl
$(B)/libdeepops.a: $(call obj,$(lib)) $(B)/sources
	$(call Q,AR)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(STD) $(WARN) $(HARD) $(PC_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A text file as the lines of a C string, for what the program has to write elsewhere.
$(B)/gen/%.inc: %
	@mkdir -p $(@D)
	$(call Q,GEN)sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< >$@
$(B)/obj/git-deepops/lib/repo/hooks.o: $(B)/gen/hooks/client/driver.sh.inc $(B)/gen/hooks/server/driver.sh.inc

# Rebuild everything when the compiler or a flag changes, and what lists sources when one
# comes or goes: files that are written only when their text is another.
stamp = @mkdir -p $(@D); echo '$(subst ','"'"',$(1))' >$@.new; \
	cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@
$(B)/flags: FORCE
	@$(if $(HAVE_PKGS),,contrib/setup -n build)
	$(call stamp,$(CC) $(STD) $(WARN) $(HARD) $(CPPFLAGS) $(CFLAGS) $(LINKHARD) $(LDFLAGS))
$(B)/sources: FORCE
	$(call stamp,$(lib) $(client) $(wildcard server/*.c hooks/*.c))

# Tests.  `check` is the whole suite; `unit` and `e2e` are its parts, without the installation.
e2es    := $(wildcard tests/t/t[0-9]*.sh)
fuzzers := $(wildcard tests/fuzz/fuzz-*.c)
faults  := $(B)/fault/faultsys.so $(B)/fault/replace
helpers := $(patsubst tests/t/helper/%.c,$(B)/helper/%,$(wildcard tests/t/helper/*.c))
PROVE    = DEEPOPS_BUILD='$(abspath $(B))' $(if $(SAN),LSAN_OPTIONS='$(LSAN)') prove $(PROVE_OPTS)
LSAN     = suppressions=$(abspath tests/lsan.supp):print_suppressions=0
# For the test of `make install`: this very build, whose flags are part of its state.
export DEEPOPS_MAKE = make B='$(B)' CC='$(CC)' SAN='$(SAN)' CFLAGS='$(CFLAGS)' CPPFLAGS='$(CPPFLAGS)' LDFLAGS='$(LDFLAGS)'
SUBMAKE  = $(MAKE) $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

check:
	@contrib/setup check
	+$(SUBMAKE) all docs $(tests) $(faults) $(helpers) $(fuzzers:tests/fuzz/%.c=$(B)/fuzz/%)
	+$(MAKE) fuzz-replay
	$(PROVE) -j$(JOBS) $(tests) $(e2es)
unit: all $(tests)
	$(if $(tests),$(PROVE) $(tests))
e2e: all $(faults) $(helpers)
	$(PROVE) -j$(JOBS) $(or $(T),$(e2es))

helpers: $(helpers)

# Every fault at every call, every state of a disk after a power failure; hours.  A tmpfs as TMPDIR
# spares the disk.
check-faults: all $(faults) $(helpers)
	@contrib/setup check
	FAULT_STEP=1 POWER_STEP=1 $(PROVE) --timer -j$(JOBS) $(or $(T),tests/t/t0032-power-loss.sh \
		$(filter %-faults.sh,$(e2es)))

# Two commands at once, the one stopped at every point of its way; make check runs a few pairs.
check-interleavings: all
	@contrib/setup check
	INTERLEAVE=all $(PROVE) --timer tests/t/t3122-interleave.sh

# Guards that are taken out one by one, each with the test that must notice; slow.
check-mutations: all
	@contrib/setup check
	tests/mutate -j $(JOBS) $(M)

# Leaks and uninitialised bytes that the sanitizers do not see; slow.
valgrind: all $(tests)
	@contrib/setup valgrind
	$(PROVE) --exec 'valgrind -q --leak-check=full --errors-for-leak-kinds=definite \
		--error-exitcode=99' $(or $(T),$(tests))

# What makes system calls fail (both open and open64, so without the macro that renames one
# to the other), and a small program to try it on.
$(B)/fault/faultsys.so: tests/fault/faultsys.c $(B)/flags
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) $(filter-out -D_FILE_OFFSET_BITS=64,$(STD)) $(WARN) $(CPPFLAGS) $(CFLAGS) \
		-fPIC -shared -o $@ $< -ldl
$(B)/fault/replace: $(B)/obj/tests/fault/replace.o $(B)/libdeepops.a
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) $(CFLAGS) $(LINKHARD) $(LDFLAGS) -o $@ $^ $(PC_CLIENT) -lpthread -ldl

# Programs that end-to-end tests run beside ours: $$DEEPOPS_BUILD/helper/NAME.
$(helpers): $(B)/helper/%: $(B)/obj/tests/t/helper/%.o $(B)/libdeepops.a
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) $(CFLAGS) $(LINKHARD) $(LDFLAGS) -o $@ $^ $(PC_CLIENT) -lpthread -ldl

# One target per decoder; each replays its corpus directory and its golden vectors.
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(B)/libdeepops.a
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) $(CFLAGS) $(LINKHARD) $(LDFLAGS) -o $@ $^ $(PC_CLIENT) -lpthread -ldl
fuzz-replay: $(fuzzers:tests/fuzz/%.c=$(B)/fuzz/%)
	@set -e; for f in $(patsubst fuzz-%,%,$(notdir $^)); do \
		$(B)/fuzz/fuzz-$$f tests/fuzz/corpus/$$f tests/vectors/$$f; done
# Hunt with clang's libFuzzer: `make fuzz [FUZZ="node recipe"] [FUZZ_SECONDS=60]`.
FUZZ         ?= $(patsubst tests/fuzz/fuzz-%.c,%,$(fuzzers))
FUZZ_SECONDS ?= 60
fuzz:
	+$(MAKE) B=build-fuzz CC=clang SAN=address,undefined,fuzzer-no-link \
		$(FUZZ:%=build-fuzz/hunt-%)
	@set -e; for f in $(FUZZ); do tests/fuzz/hunt build-fuzz $$f $(FUZZ_SECONDS); done
$(B)/hunt-%: $(B)/obj/tests/fuzz/fuzz-%.o $(B)/libdeepops.a
	$(call Q,LD)$(CC) -fsanitize=address,undefined,fuzzer -pie -o $@ $^ $(PC_CLIENT) -lpthread -ldl

demo:
	@contrib/setup demo
	+@$(SUBMAKE) -s all
	@DEEPOPS_BUILD='$(abspath $(B))' contrib/demo.sh
bench:
	@contrib/setup bench
	+@$(SUBMAKE) -s all $(B)/bench-gen $(B)/bench-gen-history
	@DEEPOPS_BUILD='$(abspath $(B))' tests/bench/run $(BENCH)
$(B)/bench-gen: $(B)/obj/tests/bench/gen.o
	$(call Q,LD)$(CC) $(CFLAGS) $(LINKHARD) $(LDFLAGS) -o $@ $^ -lm
$(B)/bench-gen-history: $(B)/obj/tests/bench/gen_history.o $(B)/libdeepops.a
	$(call Q,LD)$(CC) $(CFLAGS) $(LINKHARD) $(LDFLAGS) -o $@ $^ $(PC_CLIENT) -lpthread -ldl
bare-chroot:
	tests/bare-chroot
# The suite once more as an ordinary user, whom this makes; as root.
check-as-user:
	@contrib/setup check
	tests/as-user

# Manual pages, from the sources git itself uses; without asciidoctor the program still builds.
adocs := $(wildcard git-deepops/docs/*.adoc)
pages := $(foreach d,$(adocs),$(B)/man/man$(lastword $(subst ., ,$(basename $(d))))/$(notdir $(basename $(d))))
ifneq ($(shell command -v asciidoctor 2>/dev/null),)
docs: $(B)/man/stamp
$(B)/man/stamp: $(adocs)
	@mkdir -p $(B)/man $(sort $(dir $(pages)))
	$(call Q,DOC)for n in 1 5 7; do \
		set -- $$(ls git-deepops/docs/*.$$n.adoc 2>/dev/null); test $$# -eq 0 || \
		asciidoctor -b manpage --failure-level=WARN -a manmanual='git-deepops manual' \
			-a mansource='git-deepops $(VERSION)' -D $(B)/man/man$$n "$$@" || exit; done
	@touch $@
else
docs:
	@echo '  SKIP manual pages: asciidoctor is not installed'
endif

lint: compile_commands.json
	@contrib/setup lint
	+@$(SUBMAKE) -s all
	+@$(SUBMAKE) -s B=build-clang CC=clang all
	@B=$(B) tests/lint/run
# gcc's own analyser: minutes, so apart from lint.
analyze:
	+$(MAKE) B=build-analyze CFLAGS='-O1 -g -fanalyzer -Wno-error' build-analyze/libdeepops.a
compile_commands.json: $(B)/flags $(B)/sources
	@printf '%s\n' $(lib) $(client) $(wildcard server/*.c hooks/*.c) | \
		tests/lint/compile-commands cc $(STD) -Wall -Wextra $(PC_CFLAGS) >$@

bindir  = $(DESTDIR)$(PREFIX)/bin
mandir  = $(DESTDIR)$(PREFIX)/share/man
bashdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
install: all docs
	install -d $(bindir) $(bashdir) $(zshdir)
	install -m 755 $(bins) $(bindir)
	install -m 644 contrib/completion/git-deepops.bash $(bashdir)/git-deepops
	install -m 644 contrib/completion/_git-deepops $(zshdir)
	@for p in $(pages); do test ! -e $$p || \
		install -D -m 644 $$p $(mandir)/$${p#$(B)/man/} || exit; done
uninstall:
	rm -f $(addprefix $(bindir)/,$(notdir $(bins))) $(bashdir)/git-deepops $(zshdir)/_git-deepops \
		$(pages:$(B)/man/%=$(mandir)/%)
dist:
	@mkdir -p $(B)
	git archive --prefix=git-deepops-$(VERSION)/ -o $(B)/git-deepops-$(VERSION).tar.gz HEAD
	@echo $(B)/git-deepops-$(VERSION).tar.gz

clean:
	rm -rf build build-*/ compile_commands.json
.PHONY: all check check-mutations check-faults check-interleavings check-as-user helpers unit e2e fuzz fuzz-replay valgrind demo bench bare-chroot docs lint analyze install uninstall \
	dist clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
