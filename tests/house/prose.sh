#!/bin/sh
# Documents: links lead somewhere, no open ends in code.
set -eu
cd "${1:-.}"
status=0
lost=$(find . -maxdepth 3 -name '*.md' -not -path './build*' | sort | while IFS= read -r doc; do
	grep -oE '\]\([^)#: ]+' "$doc" | sed 's/](//' | while IFS= read -r link; do
		[ -e "$(dirname "$doc")/$link" ] || echo "$doc: link to $link leads nowhere"
	done
done)
[ -z "$lost" ] || {
	echo "$lost"
	status=1
}
open=$(grep -rnE '\b(T[O]DO|FIX[M]E|X[X]X|HA[C]K)\b' --include='*.[ch]' --include='CMakeLists.txt' \
	base identity bus memory runtime agent orchestrator cli CMakeLists.txt || true)
[ -z "$open" ] || {
	echo "open ends in code:"
	echo "$open"
	status=1
}
exit $status
