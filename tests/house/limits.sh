#!/bin/sh
# Files stay under 1,000 lines and functions under 71; files open with their licence line and are
# formatted; scripts are clean.
set -eu
cd "${1:-.}"
status=0
files=$(find base identity bus memory runtime agent orchestrator cli tests -name '*.[ch]' | sort)
for file in $files; do
	lines=$(wc -l <"$file")
	case "$file" in
	*wordlist*) ;;
	*) [ "$lines" -le 1000 ] || {
		echo "$file: $lines lines"
		status=1
	} ;;
	esac
	head -n 1 "$file" | grep -q 'SPDX-License-Identifier: MIT' || {
		echo "$file: no licence line"
		status=1
	}
done
# A function's braces stand at the beginning of a line, thanks to the formatter.
# shellcheck disable=SC2086 # the list is words
long=$(awk 'FNR == 1 { open = 0 }
	/^\{/ { open = FNR }
	/^\}/ { if (open && FNR - open > 71) print FILENAME ":" open ": a function of " FNR - open - 1 " lines"; open = 0 }' $files)
[ -z "$long" ] || {
	echo "$long"
	status=1
}
if command -v clang-format >/dev/null; then
	# shellcheck disable=SC2086 # the list is words
	clang-format --dry-run -Werror $files || status=1
else
	echo "SKIP: clang-format is not installed"
fi
if command -v shellcheck >/dev/null; then
	scripts=$(find script share models .ci tests -type f -exec grep -lE '^#!/bin/(ba)?sh' {} +)
	# shellcheck disable=SC2086 # the list is words
	shellcheck -x -P SCRIPTDIR $scripts || status=1
else
	echo "SKIP: shellcheck is not installed"
fi
exit $status
