#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What our programs cost for one call, next to an empty program and to the plain
# pair of hash and histogram, in one run:
#
#   tests/bench/call_cost.sh [CALLS [ROUNDS [NAME START_ID END_ID]...]]
#   tests/bench/call_cost.sh --build    only builds it, and says where it is
#
# Needs root. Prints JSON. `book only` to `labelled` are bpf/call.bpf.c.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=${BENCH_BUILD:-build}/bench
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
mkdir -p "$out" "$out/../bpf"

# skeleton NAME SOURCE FOLDER: compiles a BPF program into a header.
skeleton() {
	"${CLANG:-clang-19}" -target bpf -D__TARGET_ARCH_x86 -O2 -g -mcpu=v3 -iquote . \
		-Ivmlinux/x86 -c -o "$3/$1.bench.o" "$2"
	"$bpftool" gen object "$3/$1.bench.s.o" "$3/$1.bench.o"
	"$bpftool" gen skeleton "$3/$1.bench.s.o" name "$1_bpf" >"$3/$1.skel.h.new"
	mv "$3/$1.skel.h.new" "$3/$1.skel.h"
}

mkdir -p "$out/inc/bpf" "$out/inc/bench"
skeleton call bpf/call.bpf.c "$out/inc/bpf"
skeleton call_cost tests/bench/call_cost.bpf.c "$out/inc/bench"
"${CC:-gcc}" -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -iquote . -iquote "$out/inc" \
	-o "$out/call_cost" tests/bench/call_cost.c -lbpf
[ "${1:-}" != --build ] || { realpath "$out/call_cost"; exit; }
exec "$out/call_cost" "$@"
