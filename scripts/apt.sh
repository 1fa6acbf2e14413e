# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Where this machine takes Debian from, and packages of its other suites without
# adding them to the machine. Use after lib.sh.

# The code name of this machine's Debian, or nothing.
debian_code() {
	# shellcheck source=/dev/null
	(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
}

# The site from which this machine already takes Debian itself, as "URI|file that
# says so:place in it". Other archives use Debian's code name too, so the site that
# also carries the -updates suite wins.
debian_site() {
	# shellcheck disable=SC2016 # the names are apt's
	apt-get indextargets --no-release-info \
		--format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)' 'Created-By: Packages' |
	awk -F '|' -v code="$1" '
		{ sub("/$", "", $1) }
		$2 == code && $3 == "main" && !($1 in entry) { order[n++] = $1; entry[$1] = $4 }
		$2 == code "-updates" { updates[$1] = 1 }
		END {
			if (!n) exit 1
			best = order[0]
			for (i = n - 1; i >= 0; i--)
				if (order[i] in updates)
					best = order[i]
			print best "|" entry[best]
		}'
}

# signed_by FILE:PLACE CODENAME: the Signed-By field of that source, ready to be
# written again (a path, or a key over several lines), or nothing.
signed_by() {
	local file=${1%:*} place=${1##*:}
	if [[ $file == *.list ]]; then
		sed -n "${place}s/.*signed-by=\([^] ]*\).*/Signed-By: \1/p" "$file"
		return
	fi
	awk -v code="$2" '
		function flush() { if (ours) printf "%s", key; done = done || ours; ours = 0; key = "" }
		done { next }
		/^[[:space:]]*$/ { flush(); next }
		/^#/ { next }
		/^[^ \t]/ { field = tolower($1) }
		field == "suites:" { for (i = 1; i <= NF; i++) if ($i == code) ours = 1 }
		field == "signed-by:" { key = key $0 "\n" }
		END { if (!done) flush() }' "$file"
}

# suite_apt FOLDER SUITE COMMAND...: runs apt-get or apt-cache for a suite of Debian that
# need not be among this machine's sources. What it knows of it lies in FOLDER.
suite_apt() {
	local folder=$1 suite=$2 code found
	shift 2
	code=$(debian_code)
	if [ ! -s "$folder/debian.sources" ]; then
		found=$(debian_site "$code") ||
			die "no apt source of this machine offers $code main; add Debian's archive first"
		mkdir -p "$folder/lists/partial" "$folder/archives/partial"
		{
			printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "${found%%|*}" "$suite"
			signed_by "${found#*|}" "$code"
		} >"$folder/debian.sources.new"
		mv "$folder/debian.sources.new" "$folder/debian.sources"
	fi
	"$1" -q -o Dir::Etc::sourcelist="$folder/debian.sources" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$folder/lists" \
		-o Dir::State::status=/dev/null -o Dir::Cache::archives="$folder/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Acquire::Languages=none -o APT::Sandbox::User=root "${@:2}"
}

# suite_fetch FOLDER SUITE PACKAGE...: downloads the newest of them into the current folder.
suite_fetch() {
	local folder=$1 suite=$2
	shift 2
	suite_apt "$folder" "$suite" apt-get update >/dev/null &&
		suite_apt "$folder" "$suite" apt-get download "$@" >/dev/null
}
