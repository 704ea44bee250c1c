#!/bin/sh
# Every header compiles alone, and base names of sources are unique across the tree.
set -eu
cd "${1:-.}"
status=0
for header in $(find base identity bus memory runtime agent orchestrator cli -name '*.h' | sort); do
	printf '#include "%s"\n' "$header" |
		${CC:-cc} -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -iquote . -x c - || {
		echo "$header does not compile alone"
		status=1
	}
done
twice=$(find base identity bus memory runtime agent orchestrator cli -name '*.c' -exec basename {} \; |
	grep -v '^kernel.c$' | sort | uniq -d)
[ -z "$twice" ] || {
	echo "base names used twice: $twice"
	status=1
}
exit $status
