#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the man page kindergarten(1), made from what the program says of itself.
#   manpage.sh PROGRAM
set -eu
program=$1

# Nothing of the caller's environment or settings may show in the page.
ask() {
	env -i "$program" --state /nonexistent "$@"
}

# roff: backslashes and hyphens of options as they are, no line taken for a request.
escape() {
	sed 's/\\/\\e/g; s/-/\\-/g; s/^\([.'\'']\)/\\\&\1/'
}

version=$(ask version | sed 's/^kindergarten \([^ ]*\).*/\1/')
about=$(ask help | sed -n '1s/^kindergarten – //p')

cat <<ROFF
.TH KINDERGARTEN 1 "" "kindergarten $version" "User Commands"
.SH NAME
kindergarten \\- $about
.SH SYNOPSIS
.B kindergarten
.RB [ \\-\\-state
.IR DIR ]
.RB [ \\-\\-config
.IR FILE ]
.I COMMAND
.RI [ OPTION ...]
.SH COMMANDS
ROFF
for command in $(ask help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
	help=$(ask help "$command")
	# The usage may be several lines; an empty one ends it.
	usage=$(printf '%s\n' "$help" | sed '/^$/,$d; 1s/^usage: kindergarten [a-z]* *//; s/^ *//' | escape)
	printf '.SS %s\n.B kindergarten %s\n%s\n.PP\n.nf\n' "$command" "$command" "$usage"
	printf '%s\n' "$help" | sed '1,/^$/d' | escape
	printf '.fi\n'
done
cat <<'ROFF'
.SH OPTIONS OF EVERY COMMAND
.TP
.BI \-\-state " DIR"
The state directory. Default: $KINDERGARTEN_HOME, else $XDG_STATE_HOME/kindergarten, else
~/.local/state/kindergarten.
.TP
.BI \-\-config " FILE"
The settings. Default: kindergarten.conf in the state directory.
.TP
.B \-\-help
The help of the command.
.SH SETTINGS
Order: default, file, environment, option; the later is stronger. In the environment the setting
section.key is KINDERGARTEN_SECTION_KEY.
.nf
ROFF
ask config show | sed '1d; s/ *# [a-z]*; /  /' | escape
cat <<'ROFF'
.fi
.SH EXIT STATUS
.TP
.B 0
Yes.
.TP
.B 1
No: a check failed, nothing was found.
.TP
.B 100
Wrong usage.
.TP
.B 111
Trouble: the system, a peer or the data; one line on standard error says which.
.SH SEE ALSO
.BR git (1),
.BR ssh\-keygen (1)
ROFF
