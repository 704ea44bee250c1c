#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How well `recall --similar` finds what belongs together: remembers generated lessons of every task
# in the wordings that training uses, asks with lessons in wordings that are nowhere in the memory,
# and counts how often the first answer is of the same task. Beside it `recall --any`, which goes by
# words, and chance. Usage: tests/bench/similar.sh KINDERGARTEN [LESSONS [QUESTIONS]]
set -euo pipefail

program=$1
lessons=${2:-400}
questions=${3:-200}
KINDERGARTEN_HOME=$(mktemp -d)
export KINDERGARTEN_HOME
trap 'rm -rf "$KINDERGARTEN_HOME"' EXIT

# task<TAB>prompt, without the frame that all lessons have.
draw() {
	"$program" lessons --json "$@" | awk -F'"' '
		$2 == "task" { task = $4 }
		$2 == "prompt" { text = $4; sub(/^Q: /, "", text); sub(/ A:$/, "", text)
			if (text !~ /\\/) print task "\t" text }'
}

"$program" identity new --no-passphrase >/dev/null
draw --count "$lessons" --split train --wording trained --seed 1 | while IFS=$'\t' read -r task text; do
	"$program" remember --memory-type insight --tags "$task" --message "$text" >/dev/null
done
"$program" reindex --vectors >/dev/null

# The tag of the first answer stands in brackets in its first line.
first() {
	"$program" recall --limit 1 "$@" 2>/dev/null | sed -n '1s/.*\[\([a-z0-9._-]*\)\].*/\1/p'
}

asked=0 similar=0 words=0
tasks=$(draw --count "$lessons" --split train --wording trained --seed 1 | cut -f1 | sort -u | wc -l)
while IFS=$'\t' read -r task text; do
	asked=$((asked + 1))
	[[ $(first --similar "$text") == "$task" ]] && similar=$((similar + 1))
	[[ $(first --any "$text") == "$task" ]] && words=$((words + 1))
done < <(draw --count "$questions" --split test --wording unseen --seed 2)
awk -v n="$asked" -v s="$similar" -v w="$words" -v t="$tasks" 'BEGIN {
	printf "questions %d, tasks %d\nfirst answer of the same task: similar %.3f, words %.3f, chance %.3f\n",
		n, t, s / n, w / n, 1 / t }'
