#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The demo: what it prints, how its numbers end, and that nothing is left of it;
# once into a pipe for some seconds, with the kernel's file systems missing, once
# on a terminal until Ctrl-C, and once until a part of it ends by itself.
# timeout: 1800
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ "$(id -u)" != 0 ]; then
	echo "skip - demo: attaching probes needs root"
	exit 0
fi
bpftool=$(command -v bpftool || echo /usr/sbin/bpftool)
out=$PWD/build/e2e/80-demo
rm -rf "$out"
mkdir -p "$out/tmp"
# The demo makes its folder here, so that nobody else's is taken for it.
export TMPDIR=$out/tmp
# Whatever takes long is not the demo's matter.
scripts/setup build cluster stack >&2
make --no-print-directory all >&2
scripts/cluster thin >&2

status=0
# check NAME WHY COMMAND...
check() {
	local name=$1 why=$2
	shift 2
	if "$@"; then
		echo "ok - $name"
	else
		echo "not ok - $name: ${why//$'\n'/ }"
		status=1
	fi
}

pids_in() { sed -n 's/^demo: .*, pids\{0,1\} \([0-9 ]*\).*/\1/p' "$1" | xargs; }

# What the agent of a running demo holds in the kernel, as "prog 12" and "link 34".
kernel_objects() {
	local agent
	agent=$(sed -n 's/^demo: the agent runs, pid \([0-9]*\).*/\1/p' "$1")
	sed -n 's/^\(prog\|link\)_id:[[:space:]]*/\1 /p' "/proc/$agent/fdinfo/"* 2>/dev/null | sort -u
}

# holds PATTERN URL
# shellcheck disable=SC2317 # called by check
holds() { curl -sS --noproxy '*' "$2" >"$out/answer" && grep -q "$1" "$out/answer"; }

# A process that has ended but was not waited for yet is gone, too.
runs() { grep -Eqs '^State:[[:space:]]+[^ZX]' "/proc/$1/status"; }

# address_of WORD LOG: as the demo printed it
address_of() { tr -d '\r' <"$2" | sed -n "s/^demo: $1  .*\(http:[^ ]*\).*/\1/p"; }

# Every target of Prometheus has been asked, and answers: itself, the agent, five nodes,
# three members of etcd, two exporters.
# shellcheck disable=SC2317 # called by within
all_up() {
	curl -sS --noproxy '*' "${1%%/classic/*}/api/v1/targets" >"$out/targets" &&
		[ "$(grep -o '"health":"[a-z]*"' "$out/targets" | sort | uniq -c | xargs)" = '12 health:up' ]
}

# within SECONDS COMMAND...: until it succeeds
# shellcheck disable=SC2317 # called by check
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.5
	done
}

# follow NAME LOG: waits for the load, asks at the printed address, notes what is held.
follow() {
	local name=$1 log=$2 address='' i
	for ((i = 0; i < 600; i++)); do
		grep -q '^demo: the load runs' "$log" 2>/dev/null && break
		sleep 0.1
	done
	sleep 3
	address=$(address_of metrics "$log")
	check "$name, the printed address serves the metrics" "nothing of use at '$address'" \
		holds '^mpc_votes_total{' "$address"
	check "$name, the page is there" "no page at '${address%metrics}'" \
		holds '<html' "${address%metrics}"
	check "$name, Prometheus reaches all targets" "see $out/targets" \
		within 20 all_up "$(address_of Prometheus "$log")"
	check "$name, Prometheus has a page for expressions" "not at $(address_of Prometheus "$log")" \
		holds 'graph_container' "$(address_of Prometheus "$log")"
	check "$name, and one with the alerts" "not at $(address_of 'its alerts' "$log")" \
		holds 'ByzantineDoubleVoteDetected' "$(address_of 'its alerts' "$log")"
	check "$name, Alertmanager is there" "nothing of use at '$(address_of Alertmanager "$log")'" \
		holds '"cluster"' "$(address_of Alertmanager "$log")/api/v2/status"
	kernel_objects "$log" >"$log.kernel"
	check "$name, the agent holds programs and links" "$(xargs <"$log.kernel")" \
		test "$(grep -c . "$log.kernel")" -ge 2
}

# ended NAME LOG STATUS: what must hold afterwards.
ended() {
	local name=$1 log=$2 code=$3 last
	tr -d '\r' <"$log" >"$log.text"
	check "$name, exit status 0" "it was $code" test "$code" = 0
	last=$(sed -n '/^at the end/,$p' "$log.text" | sed -n 's/^ *agreement *//p')
	check "$name, all values agree at the end" "it says: $last" \
		grep -Eqx 'agrees with the books: ([0-9]+) of \1 values' <<<"$last"
	check "$name, there was something to count" "$(grep -E '^ +all' "$log.text" | tail -n 1)" \
		grep -Eq '^ +all +[1-9][0-9]+ +[1-9]' "$log.text"
	check "$name, the summary says which alerts fire" "it has no such line" grep -Eq '^ +alerts ' "$log.text"
	gone "$name" "$log"
}

# gone NAME LOG: nothing that it started is left.
gone() {
	local name=$1 log=$2 left='' pid kind id
	for pid in $(pids_in "$log.text"); do
		! runs "$pid" || left+="pid $pid "
	done
	check "$name, fifteen processes are gone" "$left of $(pids_in "$log.text")" \
		test "$(pids_in "$log.text" | wc -w) $left" = "15 "
	left=
	while read -r kind id; do
		if "$bpftool" "$kind" show id "$id" >/dev/null 2>&1; then left+="$kind $id "; fi
	done <"$log.kernel"
	check "$name, programs and links are gone" "$left" test -z "$left"
	check "$name, its folder is gone" "$(ls -A "$TMPDIR")" test -z "$(ls -A "$TMPDIR")"
}

# A mount namespace without the file systems: the demo brings them and takes them away.
log=$out/pipe
# shellcheck disable=SC2016 # for the shell in the namespace
DEMO_SECONDS=25 MPC_BPF_AGENT_RUN=$out/run unshare --mount bash -c '
	mounted() { awk "\$3 ~ /^(tracefs|debugfs|bpf)\$/ { print \$2 }" /proc/mounts; }
	for dir in $(mounted | sort -r); do umount "$dir"; done
	mounted >"$1.before"
	make --no-print-directory demo >"$1" 2>&1
	code=$?
	mounted >"$1.after"
	exit $code' - "$log" &
demo=$!
follow pipe "$log"
code=0
wait $demo || code=$?
ended pipe "$log" "$code"
check "pipe, brought the missing file systems" "$(grep mounted "$log")" \
	grep -q 'mounted tracefs' "$log"
check "pipe, and took them away again" "$(xargs <"$log.after")" \
	cmp -s "$log.before" "$log.after"
check "pipe, draws nothing over" "it does" grep -qv $'\033' "$log"

log=$out/terminal
{
	follow terminal "$log" >"$log.follow"
	sleep 7
	printf '\003'
	# The terminal stays until the demo has ended.
	while pgrep -F "$log.pid" >/dev/null 2>&1; do sleep 0.2; done
} | {
	echo $BASHPID >"$log.pid"
	TERM=xterm exec script -qefc 'stty rows 50 cols 110; make --no-print-directory demo' "$log" \
		>/dev/null
} && code=0 || code=$?
cat "$log.follow"
grep -q '^not ok' "$log.follow" && status=1
ended terminal "$log" "$code"
check "terminal, each summary is drawn over the last" "no such sequence" grep -q $'\033\\[[0-9]*F' "$log"

log=$out/failure
scripts/demo >"$log" 2>&1 &
demo=$!
check "failure, the load runs" "$(tail -n 1 "$log")" within 120 grep -qs '^demo: the load runs' "$log"
kernel_objects "$log" >"$log.kernel"
kill -KILL "$(sed -n 's/^demo: Prometheus.*, pids \([0-9]*\).*/\1/p' "$log")" || kill $demo
code=0
wait $demo || code=$?
cp "$log" "$log.text"
check "failure, exit status 1" "it was $code" test "$code" = 1
check "failure, it says what ended" "$(tail -n 1 "$log")" grep -q '^demo: prometheus ended with status -9' "$log"
gone failure "$log"
exit $status
