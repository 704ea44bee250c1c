#!/bin/sh
# model generate and eval: threads and kept prompts change the time, never the text.
. "$(dirname "$0")/lib.sh"

start="Once upon a time there was a little"
generate() {
	expect 0 model generate "$@"
}

generate nursery "$start dog" -n 24
cp "$here/out" "$here/want"
[ "$(wc -c <"$here/want")" -gt 60 ] || complain "nothing was generated"
for threads in 1 2 4; do
	generate nursery "$start dog" -n 24 --threads "$threads"
	cmp -s "$here/want" "$here/out" || complain "another text with $threads threads"
done

# A question is put in the form that the model was taught, and its answer printed alone.
generate nursery "Q: What is 2 + 3? A:" -n 8
sed -n '1s/^Q: What is 2 + 3? A: *//p' "$here/out" >"$here/answer"
generate --chat nursery "What is 2 + 3?" -n 8
cmp -s "$here/answer" "$here/out" || complain "a question has another answer"
! grep -q '^ ' "$here/out" || complain "an answer begins with a space"
generate --chat nursery "Q: What is 2 + 3? A:" -n 8
cmp -s "$here/answer" "$here/out" || complain "a question in its form has another answer"
expect 111 model generate --chat nursery " " -n 8
err "the question is empty"
expect 0 model export "$KG_SOURCE_DIR/models/nursery.fairy" -o "$here/plain.gguf"
expect 0 model import "$here/plain.gguf" -o "$here/plain.fairy"
expect 111 model generate --chat "$here/plain.fairy" "What is 2 + 3?"
err "was taught no form of questions"

"$KG_BUILD_DIR/tests/cli/toy_model" "$here/blank.fairy" blank || complain "no model of spaces"
expect 111 model generate --chat "$here/blank.fairy" "   "
err "an empty prompt"
expect 111 model generate --chat "$here/blank.fairy" "   " --prompt-cache "$here/blank"
err "an empty prompt"

# Written, read, read by a longer prompt that it begins, written again for another one.
generate nursery "$start" -n 4 --prompt-cache "$here/kept"
cp "$here/kept" "$here/first"
[ "$(stat -c %a "$here/kept")" = 600 ] || complain "a kept prompt is for others to read"
generate nursery "$start dog" -n 24 --prompt-cache "$here/kept" --threads 2
cmp -s "$here/want" "$here/out" || complain "another text after a kept prompt"
cmp -s "$here/kept" "$here/first" || complain "a file that had the beginning was written again"
generate nursery "$start" -n 4 --prompt-cache "$here/kept"
cmp -s "$here/kept" "$here/first" || complain "a file that had all of it was written again"
generate nursery "The dog" -n 4
cp "$here/out" "$here/other"
generate nursery "The dog" -n 4 --prompt-cache "$here/kept"
cmp -s "$here/other" "$here/out" || complain "another text after a prompt that begins otherwise"
! cmp -s "$here/kept" "$here/first" || complain "another prompt was not kept"
generate nursery "$start dog" -n 24 --temperature 0.7 --seed 3
cp "$here/out" "$here/want"
generate nursery "$start dog" -n 24 --temperature 0.7 --seed 3 --prompt-cache "$here/first"
cmp -s "$here/want" "$here/out" || complain "another draw after a kept prompt"

# Of other weights, damaged, or no such file at all: one line, nothing shown, and the file stays.
cp "$here/first" "$here/kept"
expect 111 model generate nursery "$start" -n 4 --prompt-cache "$here/kept" --strategy int8
err "is of another model"
expect 111 model generate nursery "$start" -n 4 --prompt-cache "$here/kept" --agent-seed a
err "is of another model"
cmp -s "$here/kept" "$here/first" || complain "a refused file was written"
head -c 90000 "$here/first" >"$here/kept"
expect 111 model generate nursery "$start" -n 4 --prompt-cache "$here/kept"
err "damaged or cut short"
echo "a diary" >"$here/kept"
expect 111 model generate nursery "$start" -n 4 --prompt-cache "$here/kept"
err "holds no prompt"
[ "$(cat "$here/kept")" = "a diary" ] || complain "a file of something else was written over"
expect 111 model generate nursery "$start" -n 4 --prompt-cache "$here/none/kept"
err "$here/none/kept"
[ ! -s "$here/out" ] || complain "the prompt of a refused command is shown"

# A file where only a prompt is expected is a model whose prompt was forgotten.
expect 100 model generate "$here/kept"
err "is a file"
# Standard input without an end is read up to the limit.
timeout 60 "$kg" model generate nursery - </dev/zero >"$here/out" 2>"$here/err"
[ $? -eq 111 ] || complain "an endless prompt: not trouble"
err "standard input is longer than"

# The same score with several threads.
printf '%s dog and a cat. They played in the park all day and were happy.\n' "$start" >"$here/text"
i=0
while [ $i -lt 6 ]; do
	cat "$here/text" "$here/text" >"$here/twice"
	mv "$here/twice" "$here/text"
	i=$((i + 1))
done
expect 0 model eval --text "$here/text" --windows 2 --json
json
out '"windows": 2'
cp "$here/out" "$here/want"
expect 0 model eval --text "$here/text" --windows 2 --json --threads 3
cmp -s "$here/want" "$here/out" || complain "another score with 3 threads"
expect 0 model eval --text "$here/text" --windows 2 --strategy f32
no_out "agrees with the base"
expect 0 model eval --text "$here/text" --windows 2 --strategy f32 --base nursery
out "agrees with the base"

expect 100 model generate nursery hi --threads 0
err "--threads 0 is outside 1..64"
expect 100 model generate nursery hi --threads 65
err "--threads 65 is outside 1..64"
expect 100 model generate nursery hi --threads -1
err "--threads -1 is outside 1..64"
expect 100 model generate nursery hi --threads 99999999999999999999999
err "--threads 99999999999999999999999 is outside 1..64"
expect 100 model generate nursery hi --threads 1.5
err "--threads '1.5' is not a whole number"
expect 100 model generate nursery hi --threads -
err "--threads '-' is not a whole number"
expect 100 model eval --text t --prompt-cache "$here/kept"
err "--prompt-cache"

finish
