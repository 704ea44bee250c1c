#!/bin/sh
# docs/operations.md lists exactly the settings and the log events that the code has,
# docs/training.md the numbers of a recipe.
set -eu
cd "${1:-.}"
doc=docs/operations.md
status=0

# table NAME: the first column between <!-- NAME --> and <!-- end -->.
table() {
	sed -n "/^<!-- $1 -->/,/^<!-- end -->/s/^| \`\([a-z0-9_.]*\)\`.*/\1/p" "$doc" | sort -u
}

# same WHAT DOCUMENTED CODED: both lists of words are equal.
same() {
	printf '%s\n' "$2" >"$work/documented"
	printf '%s\n' "$3" >"$work/coded"
	diff "$work/documented" "$work/coded" >"$work/diff" || {
		echo "$doc: $1 differ from the code (<: documented only, >: in the code only)"
		grep '^[<>]' "$work/diff"
		status=1
	}
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
same settings "$(table settings)" "$(sed -n 's/^\t{"\([a-z_.]*\)", KG_CONF_.*/\1/p' base/conf_keys.c | sort -u)"
same "log events" "$(table events)" "$(find agent memory orchestrator bus cli -name '*.c' -exec cat {} + | tr '\n\t' '  ' |
	grep -oE 'kg_log(_err)?\([^;"]*"[a-z_]+\.[a-z_]+"' | sed 's/.*"\(.*\)"/\1/' | sort -u)"
doc=docs/training.md
same "keys of a recipe" "$(table recipe)" \
	"$(sed -n 's/^\t{"\([a-z]*\)", "\([a-z0-9_]*\)", .*/\1.\2/p' runtime/train/train_config.c | sort -u)"
exit $status
