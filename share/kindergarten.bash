# SPDX-License-Identifier: MIT
# bash completion of kindergarten. It asks the program itself, so it knows what the program knows.
# shellcheck shell=bash

# What the help of a command names: its subcommands, first in the usage line, and its options.
_kindergarten_words() {
	local program=$1 command=$2 help usage first
	help=$("$program" --state /nonexistent help "$command" 2>/dev/null)
	usage=$(sed -n '1s/^usage: kindergarten [a-z]* *//p' <<<"$help")
	first=${usage%% *}
	case $first in
	'' | *[!a-z\|]*) ;;
	*) printf '%s\n' "${first//|/ }" ;;
	esac
	grep -oE -- '--[a-z][a-z-]*' <<<"$help"
	printf '%s\n' --state --config --help
}

_kindergarten() {
	local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} command='' i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--state | --config) i=$((i + 1)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-t | --type | --memory-type)
		mapfile -t COMPREPLY < <(compgen -W 'insight observation learning reflection question trace heartbeat task experience relationship custom' -- "$current")
		return
		;;
	--state | --config | --keep | --model | --peer-llama-bench | --peer-model | --prompt-cache | --archive | --text | --base | --calibrate | --report | --svg | --repository | --signers | --mmogit | --mmogit-words | -o) return ;; # file names, by `complete -o default`
	esac
	if [[ -z $command || $command == help ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$("$program" --state /nonexistent help 2>/dev/null |
			sed -n 's/^  \([a-z][a-z]*\) .*/\1/p') $([[ -n $command ]] || echo --state --config --help --version)" -- "$current")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_kindergarten_words "$program" "$command")" -- "$current")
	fi
}

complete -o default -o bashdefault -F _kindergarten kindergarten
