# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Programs in Rust that are built once per state of their sources and kept outside of the clone.
# Needs lib.sh. MPC_BPF_AGENT_CACHE says where they are kept.

need_cargo() {
	cargo --version >/dev/null 2>&1 ||
		die "cargo is missing; bring it with: scripts/setup cluster"
}

# Sets $cache. One that cannot be written is no reason to fail: build/ will do.
pick_cache() {
	cache=${MPC_BPF_AGENT_CACHE:-/var/cache/mpc-bpf-agent}
	{ mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; } || cache=$PWD/build
	mkdir -p "$cache"
}

# digest FILE...: names and contents and the compiler, as one short word.
digest() {
	{ rustc -vV; sha256sum "$@"; } | sha256sum | cut -c 1-16
}

# Says what cargo does: one line drawn over on a terminal, else one line now and then.
progress() {
	# shellcheck disable=SC2016 # what is quoted is awk's
	awk_live -v tty="$(is_tty && echo 1 || echo 0)" '
		function now(  t) { "date +%s" | getline t; close("date +%s"); return t }
		/^ *Compiling / {
			n++
			if (tty) { printf "\r\033[K  compiled %d, now %s", n, $2; drawn = 1 }
			else if (now() - last >= 10) { print "  compiled " n ", now " $2; last = now() }
			fflush(); next
		}
		/^ *(Downloading|Downloaded|Updating|Locking|Blocking|Finished) |^(error|warning)|^ +(-->|\|)/ || bad {
			if (/^error/) bad = 1
			if (drawn) printf "\n"
			drawn = 0; sub(/^ +/, "  "); print; fflush()
		}
		END { if (drawn) printf "\n" }'
}

# what_changed RECORD FILE...: touches the files that are not as the record says. cargo goes by the
# time of a file, and takes what another clone has just built from other sources for newer than these.
what_changed() {
	local record=$1 sum file
	shift
	while read -r sum file; do
		grep -qxF "$sum  $file" "$record" 2>/dev/null || touch "$file"
	done < <(sha256sum "$@")
}

# build_once FOLDER PROGRAM RECIPE TARGET SOURCE...: has the function RECIPE make FOLDER, unless
# PROGRAM is there already. TARGET is where cargo works, with what is left of the build of the same
# name before. Each is built by one process; the others wait for it.
build_once() {
	local folder=$1 program=$2 recipe=$3 target=$4 before
	shift 4
	before=$target/${folder##*/}
	before=${before%-shapes}
	if [ ! -x "$folder/$program" ]; then
		mkdir -p "${folder%/*}"
		exec 9>"$folder.lock"
		flock -n 9 || { say "waiting for another process to build it"; flock 9; }
		if [ ! -x "$folder/$program" ]; then
			mkdir -p "$target"
			exec 8>"$before.lock"
			flock 8
			what_changed "$before.sources" "$@"
			rm -f "$before.sources"
			"$recipe"
			sha256sum "$@" >"$before.sources"
			exec 8>&-
		fi
		# Others of this cache go when nothing has asked for them for two weeks.
		find "$cache" -maxdepth 1 \( -name 'cluster-????????????????' -o \
			-name 'libraries-????????????????' -o -name 'cargo-????????????????' \) \
			-mtime +14 ! -path "${folder%/*}" ! -path "$target" -exec rm -rf {} + || true
	fi
	touch -c "${folder%/*}" "$target" 2>/dev/null || true
}
