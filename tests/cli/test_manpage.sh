#!/bin/bash
# The man page and the completion know every command and option that `help` knows.
. "$(dirname "$0")/lib.sh"

"$KG_SOURCE_DIR/share/manpage.sh" "$kg" >"$here/page" 2>"$here/err" || complain "no man page"
: >"$here/out"
plain() {
	sed 's/\\-/-/g; s/\\e/\\/g; s/^\\&//' "$here/page"
}
for command in $(commands); do
	plain | grep -qx ".SS $command" || complain "$command is not in the man page"
	"$kg" help "$command" | sed '1,/^$/s/^ *//; 1d' | while IFS= read -r line; do
		plain | grep -qxF -- "$line" || echo "$line"
	done >"$here/lost"
	[ ! -s "$here/lost" ] || complain "$command: the man page lacks: $(cat "$here/lost")"
done
for heading in NAME SYNOPSIS COMMANDS SETTINGS "EXIT STATUS"; do
	grep -qx ".SH $heading" "$here/page" || complain "the man page has no $heading"
done
if command -v groff >/dev/null; then
	groff -man -Tutf8 -Kutf8 -ww "$here/page" >"$here/out" 2>"$here/err"
	[ ! -s "$here/err" ] || complain "groff warns"
fi

. "$KG_SOURCE_DIR/share/kindergarten.bash"
# completions WORD…: what is offered for the last word.
completions() {
	COMP_WORDS=("$kg" "$@")
	COMP_CWORD=$#
	_kindergarten
	printf '%s\n' "${COMPREPLY[@]}"
}
offered() {
	printf '%s\n' "$1" | grep -qxF -- "$2" || complain "completion lacks $2"
}
names=$(completions "")
after_help=$(completions help "")
for command in $(commands); do
	offered "$names" "$command"
	offered "$after_help" "$command"
	offered "$(completions --state /tmp "${command:0:2}")" "$command"
	words=$(completions "$command" --)
	for option in $("$kg" help "$command" | grep -oE -- '--[a-z][a-z-]*'); do
		offered "$words" "$option"
	done
done
offered "$(completions config "")" show
for word in new show recover agents; do
	offered "$(completions identity "")" "$word"
done
[ -z "$(completions nonsense "x")" ] || complain "something is offered for a command that is not"
finish
