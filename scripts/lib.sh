# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What every script of this repository says and how it stops.
# Use: . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
set -euo pipefail
export LC_ALL=C.UTF-8

say()  { printf '%s: %s\n' "${0##*/}" "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die()  { warn "$@"; exit 1; }

# is_tty: may a line be drawn over?
is_tty() { [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; }

# awk on what comes, as it comes: mawk, Debian's, would wait for 4 KiB of it.
awk_live() {
	if [[ $(awk -W version 2>&1 </dev/null) == mawk* ]]; then awk -W interactive "$@"; else awk "$@"; fi
}
