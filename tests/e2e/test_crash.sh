#!/bin/sh
# SPDX-License-Identifier: MIT
# kill -9 of the keeper and of sixteen writers at random moments, with 32,000 entries on their way.
# KG_CRASH_KILLS and KG_CRASH_SEED: how often, and the moments of an earlier run.
set -eu
root=$(mktemp -d "${TMPDIR:-/tmp}/kg-crash-XXXXXX")
trap 'rm -rf "$root"' EXIT
"$KG_BUILD_DIR/tests/e2e/crash" "$(dirname "$1")/kindergarten-keeper" "$root" \
	"${KG_CRASH_KILLS:-200}" ${KG_CRASH_SEED:+"$KG_CRASH_SEED"} 2>"$root/log" || {
	code=$?
	tail -n 20 "$root/log" >&2
	exit "$code"
}
echo ok
