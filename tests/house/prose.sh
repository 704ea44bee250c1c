#!/bin/sh
# Documents: links lead somewhere, no open ends in code.
set -eu
cd "${1:-.}"
status=0
for doc in $(find . -maxdepth 3 -name '*.md' -not -path './build*'); do
	dir=$(dirname "$doc")
	for link in $(grep -oE '\]\([^)#: ]+' "$doc" | sed 's/](//' || true); do
		[ -e "$dir/$link" ] || {
			echo "$doc: link to $link leads nowhere"
			status=1
		}
	done
done
open=$(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' --include='*.[ch]' --include='CMakeLists.txt' \
	base identity bus memory runtime agent orchestrator cli CMakeLists.txt || true)
[ -z "$open" ] || {
	echo "open ends in code:"
	echo "$open"
	status=1
}
exit $status
