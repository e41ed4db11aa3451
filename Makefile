# make [V=1] [SAN=address,undefined] [CC=clang] [DEVELOPER=] all|check|demo|lint|bench|install|clean
# GNU make.  `make` needs only the -dev packages and says which are missing;
# `make check` and `make demo` install what they need through contrib/setup.

B      := build$(if $(SAN),-san)
PREFIX ?= /usr/local
VERSION := 0.1.0
DEVELOPER ?= 1

CFLAGS ?= -O2 -g
STD   = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DDEEPOPS_VERSION='"$(VERSION)"' \
	-Igit-deepops -Igit-deepops/lib -include base/banned.h
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
WARN += -Wno-error=null-dereference -Wno-null-dereference
else
HARD += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
Q      = $(if $(V),,@echo '  $(1) $@';)

# What links against what: the chunk server needs no libgit2.
SERVE_PKGS  := sqlite3 libzstd libcrypto jansson libssh2
CLIENT_PKGS := $(SERVE_PKGS) libgit2 libarchive
pc = $(shell pkg-config $(1) $(2))
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
$(B)/libdeepops.a: $(call obj,$(lib))
	$(call Q,AR)rm -f $@ && $(AR) rcs $@ $^
$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(STD) $(WARN) $(HARD) $(PC_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Rebuild everything when the compiler or a flag changes.
$(B)/flags: FORCE
	@mkdir -p $(B); echo '$(CC) $(subst ','"'"',$(STD) $(WARN) $(HARD) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS))' >$@.new; \
	cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

unit: all $(tests)
	$(if $(tests),prove $(PROVE_OPTS) $(tests))
clean:
	rm -rf build build-san
.PHONY: all unit clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
