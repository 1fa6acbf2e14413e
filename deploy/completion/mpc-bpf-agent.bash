# bash completion for mpc-bpf-agent                          -*- shell-script -*-
# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause

# The options are asked from the program itself, so that they are those of this version.
_mpc_bpf_agent_options() {
	"$1" --help 2>/dev/null | grep -oE -- '(^|[ ,])--[a-z][a-z.-]*' | tr -d ' ,' | sort -u
}

_mpc_bpf_agent() {
	local cur prev words cword split
	_init_completion -s -n : || return

	case $prev in
	--profile)
		_filedir '@(yaml|yml)'
		COMPREPLY+=($(compgen -W mpc-node -- "$cur"))
		return
		;;
	--exe | --debug | --twin | --pack | --output | -o | --web.config.file)
		_filedir
		return
		;;
	--pid)
		_pids
		return
		;;
	--log.level)
		COMPREPLY=($(compgen -W 'debug info warn error' -- "$cur"))
		return
		;;
	--log.format)
		COMPREPLY=($(compgen -W 'logfmt json' -- "$cur"))
		return
		;;
	--web.listen-address)
		COMPREPLY=($(compgen -W '127.0.0.1:9464 [::1]:9464 :9464' -- "$cur"))
		__ltrim_colon_completions "$cur"
		return
		;;
	--web.telemetry-path | --web.max-requests | --debuginfod | --node-id | --peer)
		return
		;;
	esac
	$split && return

	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$(_mpc_bpf_agent_options "$1")" -- "$cur"))
		return
	fi
	if ((cword == 1)); then
		COMPREPLY=($(compgen -W 'run probes pack check' -- "$cur"))
		return
	fi
	case ${words[1]} in
	check) _filedir '@(yaml|yml)' ;;
	pack) _filedir ;;
	esac
} && complete -F _mpc_bpf_agent mpc-bpf-agent
