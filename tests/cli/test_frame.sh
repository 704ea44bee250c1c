#!/bin/sh
# The frame of the command line: commands, global options, settings, exit codes.
. "$(dirname "$0")/lib.sh"

# Commands.
expect 100
err "no command"
expect 100 nonsense
err "nonsense: no such command"
expect 100 survive
err "survive: not built yet"
expect 0 help
for planned in scale chat study survive mcp; do
	no_out "  $planned "
	expect 100 "$planned"
	err "$planned: not built yet"
	expect 100 help "$planned"
	err "not built yet"
done
no_out "  role "
expect 100 help nonsense
expect 100 help help help
expect 0 --help
out "usage: kindergarten"
expect 0 -h
expect 0 --version
out "kindergarten "
expect 100 --nonsense
expect 100 --state
err "kindergarten: --state: unknown option, or one without its value"
expect 100 --state '' ps
err "--state is empty"
expect 100 ask --top-p 0 x
err "--top-p 0 is outside"
expect 100 ask "$(printf '\377\376')"
err "not UTF-8"
expect 100 up --strategy fairy9
err "\"fairy9\" is not a format"
# A program that a command is not in says so when it is started by hand.
for program in swarm train bench; do
	"$kg-$program" model info >"$here/out" 2>"$here/err" </dev/null
	code=$?
	[ $code -eq 111 ] || complain "kindergarten-$program model info: exit $code, not 111"
	err "is of the program kindergarten"
done
for command in $(commands); do
	expect 0 help "$command"
	out "usage: kindergarten $command"
	expect 0 "$command" --help
	out "usage: kindergarten $command"
	expect 100 "$command" --no-such-option
	case $command in
	down | version | help) ;; # take no options
	*) err "--no-such-option" ;;
	esac
	"$kg" help "$command" >"$here/out" 2>"$here/err"
	! grep -qE ' $|.{101}' "$here/out" || complain "help $command: a line is too long or ends in a space"
	[ -n "$(tail -n 1 "$here/out")" ] || complain "help $command ends in an empty line"
done

# --state and --config, before and after the name, in both spellings.
printf '[log]\nlevel = warn\n' >"$here/a.conf"
for form in "--state $here/s1 config show" "--state=$here/s1 config show" \
	"config show --state $here/s1" "config show --state=$here/s1" "config --state $here/s1 show"; do
	# shellcheck disable=SC2086 # the form is several arguments
	expect 0 $form
	out "# $here/s1/kindergarten.conf"
done
for form in "--config $here/a.conf config show" "config show --config=$here/a.conf" \
	"config --config $here/a.conf show"; do
	# shellcheck disable=SC2086 # the form is several arguments
	expect 0 $form
	grep -q '^log.level *= warn *# file; ' "$here/out" || complain "$form: log.level is not from the file"
done
expect 111 --config "$here/none.conf" config show
err "none.conf: No such file or directory"
mkdir -p "$here/sub"
(cd "$here/sub" && "$kg" --state rel config show) >"$here/out" 2>"$here/err"
out "# $here/sub/rel/kindergarten.conf"

# Where the state directory is when nobody says so.
(
	unset KINDERGARTEN_HOME
	HOME=$here/home XDG_STATE_HOME=$here/xdg "$kg" config show
) >"$here/out" 2>"$here/err"
out "# $here/xdg/kindergarten/kindergarten.conf"
(
	unset KINDERGARTEN_HOME XDG_STATE_HOME
	HOME=$here/home "$kg" config show
) >"$here/out" 2>"$here/err"
out "# $here/home/.local/state/kindergarten/kindergarten.conf"
(
	unset KINDERGARTEN_HOME XDG_STATE_HOME HOME
	"$kg" config show
) >"$here/out" 2>"$here/err"
[ $? -eq 111 ] || complain "no place for the state: not 111"
err "no state directory"

# Settings: the file's own line in the message, the order of origins.
printf '# one\n[agent]\nlearn_ours = 3\n' >"$here/bad.conf"
expect 111 --config "$here/bad.conf" config show
err "$here/bad.conf:3: there is no setting 'agent.learn_ours'"
printf '[agent]\nlearn_hours = soon\n' >"$here/bad.conf"
expect 111 --config "$here/bad.conf" config show
err "$here/bad.conf:2: "
printf '[runtime]\nkernel = nonsense\n' >"$here/bad.conf"
expect 111 --config "$here/bad.conf" version
err "no kernel 'nonsense'"
export KINDERGARTEN_KERNEL=scalar
expect 0 config show
grep -q '^runtime.kernel *= scalar *# environment; ' "$here/out" || complain "kernel is not from the environment"
expect 0 version
out "kernel scalar"
export KINDERGARTEN_KERNEL=nonsense
expect 111 version
err "no kernel 'nonsense'"
unset KINDERGARTEN_KERNEL
export KINDERGARTEN_LOG_LEVEL=loud
expect 111 version
err "log level"
unset KINDERGARTEN_LOG_LEVEL

# config show --json: a document with key, value, origin, about of every setting.
expect 0 --config "$here/a.conf" config show --json
json
for key in '"settings"' '"key": "log.level"' '"value": "warn"' '"origin": "file"' '"origin": "default"'; do
	out "$key"
done
listed=$(grep -c '"key": ' "$here/out")
expect 0 config show
lines=$(grep -c ' = ' "$here/out")
[ "$listed" -eq "$lines" ] || complain "config show lists $lines settings, with --json $listed"
expect 100 config
expect 100 config hide
expect 100 config show more

# An output that cannot be written is trouble, told once.
for command in "help" "version" "config show" "lessons --count 20000"; do
	# shellcheck disable=SC2086 # the command is words
	"$kg" $command >/dev/full 2>"$here/err"
	[ $? -eq 111 ] || complain "$command >/dev/full: not 111"
	[ "$(wc -l <"$here/err")" -eq 1 ] || complain "$command >/dev/full: not one line"
	# shellcheck disable=SC2086 # the command is words
	"$kg" $command >&- 2>"$here/err"
	[ $? -eq 111 ] || complain "$command >&-: not 111"
done

# Nothing of this made a state directory.
[ ! -e "$here/state" ] || complain "a state directory was made by commands that need none"
finish
