#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The cluster that the tests after this one watch, in four builds, one of them by two compilers. Where they were
# built before, this takes no time.
# must-run-on-reference
# timeout: 3600
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

status=0
for build in thin fat dev ship 'thin --debian-rust' 'ship --debian-rust'; do
	# shellcheck disable=SC2086 # a build and its option are two words
	if scripts/cluster $build; then
		echo "ok - the $build cluster is built"
	else
		echo "not ok - the $build cluster is built: see above"
		status=1
	fi
done
exit $status
