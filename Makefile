# SPDX-License-Identifier: BSD-2-Clause
# Builds mpc-bpf-agent. `make help` lists what can be asked for.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

# The rooms of user/, in include order: a room sees itself and those before it.
ROOMS    := base profile target symbol probe metric record serve cmd
LIBROOMS := $(filter-out cmd,$(ROOMS))

ifeq ($(origin CC),default)
CC       := gcc
endif
CLANG    ?= clang-19
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
TIDY     ?= clang-tidy-19
FORMAT   ?= clang-format-19
PREFIX   ?= /usr/local
ARCH     := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
VERSION  := $(shell cat VERSION 2>/dev/null || git describe --tags 2>/dev/null || echo 0.0.0)
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# ---- flags ------------------------------------------------------------------
PACKAGES := libbpf libelf libdw zlib libmicrohttpd gnutls nettle yaml-0.1 json-c
WARNINGS := -Wall -Wextra -Wshadow -Wformat=2 -Wundef -Wvla -Wpointer-arith -Wwrite-strings \
	-Wmissing-prototypes -Wstrict-prototypes -Werror=unused-function \
	-Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
	-Werror=int-conversion -Werror=return-type -Werror=format-security
# -iquote: our "bpf/abi.h" and libbpf's <bpf/bpf.h> never meet.
INCLUDES := -iquote user -iquote . -iquote build $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
CPPFLAGS += -D_GNU_SOURCE $(INCLUDES)
CFLAGS   ?= -O2 -g
ALLFLAGS  = -std=gnu17 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
ifeq ($(ARCH),x86)
HARDEN   += -fcf-protection
endif
SANITIZE := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -Werror
LDFLAGS  += -pie -Wl,--as-needed -Wl,-z,relro,-z,now,-z,noexecstack
PKGLIBS  := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
LDLIBS   += $(PKGLIBS) -lZydis -liberty -lcrypt -lpthread -lm
BPFFLAGS := -target bpf -D__TARGET_ARCH_$(ARCH) -O2 -g -mcpu=v3 -Wall -Wextra -iquote . -Ivmlinux/$(ARCH)

# A goal that compiles needs the libraries: one sentence instead of a hundred.
ifneq ($(filter-out help clean demo pictures test fuzz bench setup,$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell pkg-config --exists $(PACKAGES) 2>/dev/null && echo yes),)
$(error The libraries to build with are missing; bring them once as root: scripts/setup build unit)
endif
endif

# ---- what there is ------------------------------------------------------------
sources   = $(wildcard user/$(1)/*.c)
objects   = $(patsubst user/%.c,build/$(2)/%.o,$(call sources,$(1)))
PROFILES := $(wildcard profiles/*.yaml)
BPF      := $(wildcard bpf/*.bpf.c)
SKELS    := $(BPF:bpf/%.bpf.c=build/bpf/%.skel.h)
BUILTIN  := $(if $(wildcard user/profile/builtin.h),profile/builtin_profiles.o)
LIBOBJS  := $(foreach r,$(LIBROOMS),$(call objects,$(r),obj)) $(BUILTIN:%=build/obj/%)
CMDOBJS  := $(call objects,cmd,obj)
TESTS    := $(patsubst tests/unit/%.c,build/unit/%,$(foreach r,$(LIBROOMS),$(wildcard tests/unit/$(r)/test_*.c)))
TIDIED   := $(patsubst user/%.c,build/tidy/%.ok,$(foreach r,$(ROOMS),$(call sources,$(r))))

# run,WHAT: each recipe says one short line and has its folder; V=1 shows commands.
run = $(if $(V),,@printf '  %-6s %s\n' $(1) $@;) mkdir -p $(@D);

all: $(if $(CMDOBJS),build/mpc-bpf-agent,build/libagent.a $(SKELS)) ## build the agent (plain make)
build/mpc-bpf-agent: $(CMDOBJS) build/libagent.a
	$(call run,LINK) $(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
build/libagent.a: $(LIBOBJS)
	$(call run,AR) rm -f $@; ar rcs $@ $^

build/obj/%.o: user/%.c
	$(call run,CC) $(CC) $(ALLFLAGS) $(HARDEN) -c -o $@ $<
build/asan/%.o: user/%.c
	$(call run,CC) $(CC) $(ALLFLAGS) $(SANITIZE) -c -o $@ $<
build/obj/%.o build/asan/%.o: build/gen/%.c
	$(call run,CC) $(CC) $(ALLFLAGS) -fPIE -c -o $@ $<

# Only files that name the version are built again when it changes.
NAMES_VERSION := $(patsubst user/%.c,%.o,$(shell grep -l 'AGENT_\(VERSION\|REVISION\)' user/*/*.c 2>/dev/null))
$(foreach t,obj asan,$(NAMES_VERSION:%=build/$(t)/%)) $(NAMES_VERSION:%.o=build/tidy/%.ok): CPPFLAGS += -DAGENT_VERSION='"$(VERSION)"' -DAGENT_REVISION='"$(REVISION)"'
$(foreach t,obj asan,$(NAMES_VERSION:%=build/$(t)/%)): build/gen/version-$(VERSION)-$(REVISION)
build/gen/version-%:
	@mkdir -p $(@D) && rm -f build/gen/version-* && touch $@

build/gen/profile/builtin_profiles.c: $(PROFILES) scripts/embed-profiles
	$(call run,EMBED) scripts/embed-profiles $(PROFILES) >$@

# ---- programs for the kernel ----------------------------------------------------
build/bpf/%.bpf.o: bpf/%.bpf.c
	$(call run,BPF) $(CLANG) $(BPFFLAGS) -MMD -MP -c -o $@ $<
build/bpf/%.skel.h: build/bpf/%.bpf.o
	$(call run,SKEL) $(BPFTOOL) gen object build/bpf/$*.stripped.o $<
	@{ echo '/* NOLINTBEGIN generated */' && $(BPFTOOL) gen skeleton build/bpf/$*.stripped.o name $*_bpf && \
		echo '/* NOLINTEND */'; } >$@
# Sources that include a skeleton wait for it; the first build cannot know from .d files.
USES_SKEL := $(patsubst user/%.c,%.o,$(shell grep -l '\.skel\.h"' user/*/*.c 2>/dev/null))
$(foreach t,obj asan,$(USES_SKEL:%=build/$(t)/%)): | $(SKELS)
.SECONDARY: $(BPF:%.c=build/%.o)

# ---- tests ------------------------------------------------------------------------
# One archive per room: a test links its own room and the rooms before it, no more.
define room
build/asan/$(1).a: $(call objects,$(1),asan) $(if $(filter profile,$(1)),$(BUILTIN:%=build/asan/%))
	$$(call run,AR) rm -f $$@; ar rcs $$@ $$^
SEEN := $(1) $$(SEEN)
$(filter build/unit/$(1)/%,$(TESTS)): build/unit/%: tests/unit/%.c $$(SEEN:%=build/asan/%.a)
	$$(call run,TEST) $$(CC) $$(ALLFLAGS) $$(SANITIZE) -MF $$@.d -MT $$@ -iquote tests/unit -o $$@ $$(filter %.c %.a,$$^) -lcmocka $$(LDLIBS)
endef
SEEN :=
$(foreach r,$(LIBROOMS),$(eval $(call room,$(r))))

unit-programs: $(TESTS)
tidy: $(TIDIED)
build/tidy/%.ok: user/%.c build/obj/%.o .clang-tidy
	$(call run,TIDY) $(TIDY) --quiet $< -- -std=gnu17 $(CPPFLAGS) && touch $@

unit: ## unit tests under address and undefined-behaviour sanitizers, no root
	@tests/run unit
check: ## format, lints, room order, clang-tidy and unit tests, no root
	@tests/run lint unit
test: setup ## everything above and the end-to-end tests; installs what they need
	@env -u MAKEFLAGS $(MAKE) --no-print-directory all
	@tests/run all
fuzz: ## fuzzers of the pack reader and of the resolver, FUZZ_SECONDS each (3600)
	@scripts/fuzz
demo: ## five nodes of a threshold wallet, watched from outside
	@scripts/demo
pictures: ## pictures of the dashboards, from a cluster under load, as the README has them
	@scripts/setup build cluster stack e2e ship pictures && $(MAKE) --no-print-directory all && scripts/pictures
bench: ## what a probe costs on this machine
	@scripts/setup build bench && scripts/bench
setup: ## install what the build and the tests need (as root, Debian)
	@scripts/setup build unit check fuzz cluster stack e2e ship vm debian-rust
format: ## reformat the C sources in place
	$(FORMAT) -i $(wildcard user/*/*.[ch] bpf/*.[ch] tests/unit/*.[ch] tests/unit/*/*.[ch] tests/fuzz/*.[ch])

install: all ## install the agent below $(DESTDIR)$(PREFIX)
	@scripts/install "$(DESTDIR)" "$(PREFIX)"
deb: all ## a Debian package of the agent, in build/
	@scripts/deb
clean: ## remove build/
	rm -rf build
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
.PHONY: all unit-programs tidy unit check test fuzz demo pictures bench setup format install deb clean help
-include $(shell find build -name '*.d' 2>/dev/null)
