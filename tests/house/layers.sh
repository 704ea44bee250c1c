#!/bin/sh
# The include law: a room sees only the rooms that stand above it in ARCHITECTURE.md.
#   layers.sh [ROOT]
set -eu
root=${1:-.}
cd "$root"

# room: rooms it may include, besides itself. A trailing file name allows that one header only.
law='
base|
identity|base
bus|base identity
memory|base identity
runtime|base
agent|base identity memory/entry.h runtime
orchestrator|base identity bus
cli|base identity bus memory runtime agent orchestrator
'
# What a room's *_main files may see besides: the shell around the room carries its messages.
main_law='
memory|bus
agent|bus
orchestrator|memory/entry.h memory/witness.h agent/outbox.h
'

findings=$(
	printf '%s' "$law" | while IFS='|' read -r room allowed; do
		if [ -z "$room" ] || [ ! -d "$room" ]; then
			continue
		fi
		find "$room" -name '*.[ch]' | sort | while read -r file; do
			also=
			case "$file" in
			*_main.[ch]) also=$(printf '%s' "$main_law" | sed -n "s/^$room|//p") ;;
			esac
			grep -n '^#include "' "$file" | while IFS= read -r line; do
				header=$(printf '%s' "$line" | sed 's/.*"\(.*\)".*/\1/')
				number=${line%%:*}
				ok=
				for may in "$room" $allowed $also; do
					case "$may" in
					*.h) [ "$header" = "$may" ] && ok=yes ;;
					*) [ "${header%%/*}" = "$may" ] && ok=yes ;;
					esac
				done
				[ -n "$ok" ] || echo "$file:$number: $room may not include $header"
				case "$header" in
				*_impl.h)
					[ "${header%/*}" = "${file%/*}" ] ||
						echo "$file:$number: $header is private to its folder"
					;;
				esac
			done
		done
	done
	# Libraries belong to their rooms; doctor asks each for its version.
	grep -rn --include='*.[ch]' -E '#include <(git2|sodium|zmq|sqlite3|zlib|cblas|pcre2)' base identity bus memory runtime agent orchestrator cli |
		grep -v -E '^(identity/.*sodium|bus/.*zmq|bus/.*sodium|memory/.*(git2|sqlite3|zlib)|runtime/train/.*cblas|runtime/pretokenizer\.c:.*pcre2|cli/cmd_doctor\.c)' || true
	# cpuid traps in virtual machines, and a constructor that asks it costs every process its time.
	grep -rn --include='*.[ch]' -E '__builtin_cpu_|cpuid\.h|target_clones' base identity bus memory runtime agent orchestrator cli |
		grep -v '^runtime/train/' | sed 's/$/ (see runtime\/kernel\/processor.h)/' || true
)
[ -z "$findings" ] && exit 0
printf '%s\n' "$findings"
exit 1
