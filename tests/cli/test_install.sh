#!/bin/sh
# cmake --install puts the binary, its man page and its completion where they belong.
. "$(dirname "$0")/lib.sh"

cmake --install "$KG_BUILD_DIR" --prefix "$here/usr" >"$here/out" 2>"$here/err" || complain "cmake --install"
for file in bin/kindergarten share/man/man1/kindergarten.1 share/bash-completion/completions/kindergarten; do
	[ -s "$here/usr/$file" ] || complain "$file is not installed"
done
[ "$("$here/usr/bin/kindergarten" version)" = "$("$kg" version)" ] || complain "the installed binary is another one"
finish
