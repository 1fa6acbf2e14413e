#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The programs of bpf/call.bpf.c and user/probe on this kernel: exact counts,
# labels, lost calls, a full table, probes that come and go; then a part of it
# through perf events, with two capabilities only, and in a pid namespace.
# timeout: 600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ "$(id -u)" != 0 ]; then
	echo "skip - kernel programs: attaching probes needs root"
	exit 0
fi
out=build/e2e
mkdir -p "$out"
lib=${LIBAGENT:-build/libagent.a}
[ -n "${LIBAGENT:-}" ] || make -s "$lib" >&2
# shellcheck disable=SC2046 # words are wanted
"${CC:-gcc}" -std=gnu17 -D_GNU_SOURCE -O1 -g -Wall -Wextra -iquote user -iquote . -iquote build \
	-iquote tests/e2e -o "$out/10-kernel-call" tests/e2e/10-kernel-call.c \
	tests/e2e/10-kernel-target.c "$lib" $(pkg-config --libs libbpf libelf zlib nettle) -lpthread -lm

status=0
part() { "$@" || status=1; }

part "$out/10-kernel-call" all
part "$out/10-kernel-call" perf "by perf events: "
if setpriv --reuid 65534 --regid 65534 --clear-groups --ambient-caps +bpf,+perfmon \
	--inh-caps +bpf,+perfmon true 2>/dev/null; then
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
	chmod 755 "$dir"
	cp "$out/10-kernel-call" "$dir/"
	part setpriv --reuid 65534 --regid 65534 --clear-groups --ambient-caps +bpf,+perfmon \
		--inh-caps +bpf,+perfmon "$dir/10-kernel-call" few "with two capabilities: "
else
	echo "skip - with two capabilities: setpriv cannot give CAP_BPF and CAP_PERFMON here"
fi
if unshare --pid --fork --mount-proc true 2>/dev/null; then
	part unshare --pid --fork --mount-proc "$out/10-kernel-call" few "in a pid namespace: "
	part unshare --pid --fork --mount-proc "$out/10-kernel-call" below "in one below: "
else
	echo "skip - in a pid namespace: unshare --pid is refused here"
fi
exit $status
