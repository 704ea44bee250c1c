# shellcheck shell=sh
# What the tests of the command line share: a directory of their own, expectations.
# KG_BUILD_DIR and KG_SOURCE_DIR come from ctest.
set -u
: "${KG_BUILD_DIR:?}" "${KG_SOURCE_DIR:?}"
kg=$KG_BUILD_DIR/kindergarten
here=$(mktemp -d "${TMPDIR:-/tmp}/kg-cli.XXXXXX")
trap 'rm -rf "$here"' EXIT
trap 'exit 130' INT TERM
for name in $(env | sed -n 's/^\(KINDERGARTEN_[A-Z_]*\)=.*/\1/p'); do
	unset "$name"
done
export KINDERGARTEN_HOME="$here/state"
failures=0

complain() {
	echo "FAILED: $*"
	echo "--- stdout"
	head -n 20 "$here/out"
	echo "--- stderr"
	head -n 20 "$here/err"
	failures=$((failures + 1))
}

# Whether stderr has more than how far long work has come (base/progress.h), which a slow machine or
# a slow build shows.
speaks() {
	grep -qvE '^[a-z][a-z ]*: [0-9]+( of [0-9]+| in [0-9.]+ s)' "$here/err"
}

# expect CODE ARGUMENT…: runs kindergarten; its output lands in $here/out and $here/err. Trouble and
# refusals are told in the first line of stderr, and everything else leaves stderr empty.
expect() {
	want=$1
	shift
	"$kg" "$@" >"$here/out" 2>"$here/err" </dev/null
	code=$?
	[ "$code" -eq "$want" ] || complain "kindergarten $*: exit $code, not $want"
	case $want in
	0 | 1) ! speaks || complain "kindergarten $*: says something on stderr" ;;
	111) [ "$(wc -l <"$here/err")" -eq 1 ] || complain "kindergarten $*: not one line of trouble" ;;
	*) [ -s "$here/err" ] || complain "kindergarten $*: refuses without a word" ;;
	esac
}

# out TEXT, err TEXT: the last command said it. no_out TEXT: it did not.
out() {
	grep -qF -- "$1" "$here/out" || complain "stdout lacks: $1"
}
err() {
	grep -qF -- "$1" "$here/err" || complain "stderr lacks: $1"
}
no_out() {
	! grep -qF -- "$1" "$here/out" || complain "stdout has: $1"
}

# json: stdout of the last command is one JSON document.
json() {
	"$KG_BUILD_DIR/tests/cli/json_check" <"$here/out" 2>"$here/err" || complain "stdout is no JSON"
}

# The names that `help` lists.
commands() {
	"$kg" help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'
}

finish() {
	[ "$failures" -eq 0 ] || {
		echo "$failures failed"
		exit 1
	}
	exit 0
}
