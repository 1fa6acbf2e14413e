#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The programs that the tests after this one watch: the cluster in its builds, by two compilers, and those
# that use libraries. Where they were built before, this takes no time.
# must-run-on-reference
# timeout: 3600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# lane BUILD...: one after the other. Two lanes, because half of a build is a single
# optimiser at work; in one lane is what would wait for the same folder of cargo.
lane() {
	local build log status=0
	for build in "$@"; do
		log=$logs/${build// /_}
		# shellcheck disable=SC2086 # a script, a build and its option are words
		if scripts/$build >"$log" 2>&1; then
			echo "ok - $build is built"
		else
			cat "$log"
			echo "not ok - $build is built: see above"
			status=1
		fi
	done
	return $status
}

lane 'cluster thin' libraries 'cluster thin --debian-rust --shapes' &
first=$!
status=0
lane 'cluster dev' 'cluster big' 'cluster ship' 'cluster fat --shapes' || status=1
wait $first || status=1
exit $status
