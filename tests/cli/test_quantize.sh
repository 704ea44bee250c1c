#!/bin/sh
# model quantize: what it tells of its result, with a text in view and without, and being stopped.
. "$(dirname "$0")/lib.sh"

tools=$KG_BUILD_DIR/tests/cli
"$tools/toy_model" "$here/m.fairy" || complain "no model to quantize"
i=0
while [ $i -lt 60 ]; do
	echo "Once upon a time number $i was there, and it was a good time for all of them."
	echo "<|endoftext|>"
	i=$((i + 1))
done >"$here/text"

# value KEY: the number or text behind it in the last command's JSON, the first there is.
value() {
	sed -n "s/^ *\"$1\": \"*\([^\",]*\)\"*,*\$/\1/p" "$here/out" | head -n 1
}

# true_of EXPRESSION: arithmetic on numbers, with awk.
true_of() {
	awk "BEGIN { exit !($1) }" </dev/null || complain "it is not so that $1"
}

expect 100 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --windows 3
err "--windows"
expect 100 model quantize "$here/m.fairy" --strategy f16 -o "$here/q.fairy" --calibrate "$here/text"
err "--calibrate"
expect 100 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --decode
err "--decode"
expect 100 model eval "$here/m.fairy" --lessons --base "$here/m.fairy"
err "--base"
expect 111 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --calibrate "$here/none"
echo short >"$here/short"
expect 111 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --calibrate "$here/short"
err "one window needs 49"
expect 111 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --report "$here/none"
err "$here/none"
expect 111 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --svg "$here/q.fairy"
err "cannot be the model and its picture"
[ ! -e "$here/q.fairy" ] || complain "a failed command left a file"
expect 111 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --svg "$here/./q.fairy"
err "would overwrite"
expect 0 model info "$here/q.fairy"
no_out "calibration"
cp "$here/text" "$here/text.copy"
expect 111 model quantize "$here/m.fairy" --strategy int4 -o "$here/text" --calibrate "$here/text"
expect 111 model quantize "$here/m.fairy" --strategy int4 -o "$here/q.fairy" --svg "$here/m.fairy"
err "would overwrite"
cmp -s "$here/text" "$here/text.copy" || complain "a text was overwritten"

# Errors without a text: a table by class and layer, or a document with every matrix.
expect 0 model quantize "$here/m.fairy" --strategy "mix:attn_v=int8,ffn_down=fairy2,*=int2" \
	-o "$here/q.fairy"
out "attn_q       int2"
out "attn_v       int8"
out "ffn_down     fairy2"
out "layer"
no_out "perplexity"
out "bits per parameter; the base has"
expect 0 model quantize "$here/m.fairy" --strategy int2 -o "$here/plain.fairy" --json
json
[ "$(value text)" = null ] || complain "a text that was not there"
[ "$(value calibration)" = null ] || complain "a calibration that was not there"
[ "$(grep -c '"name":' "$here/out")" -eq 16 ] || complain "not 14 matrices and 2 tables"
[ "$(grep -c '"layer": null' "$here/out")" -eq 2 ] || complain "tables are in a layer"
[ "$(value file_bytes)" -eq "$(wc -c <"$here/plain.fairy")" ] || complain "the size of the file"
[ "$(value base_bytes)" -eq "$(wc -c <"$here/m.fairy")" ] || complain "the size of the base"
# Two bits, a scale of 16 for a row of 24 or 36 of them, and what fills up tiles and lines.
true_of "$(value bits_per_weight) > 2.4 && $(value bits_per_weight) < 5"
true_of "$(value error) > 0.02 && $(value error) < 0.2"

# With a text: the same file again and again, another than the plain one; JSON and eval agree.
for name in a b; do
	expect 0 model quantize "$here/m.fairy" --strategy int2 -o "$here/$name.fairy" \
		--calibrate "$here/text" --report "$here/text" --windows 20 --json \
		--svg "$here/$name.svg"
	json
done
cmp -s "$here/a.fairy" "$here/b.fairy" || complain "one calibration, two files"
cmp -s "$here/a.svg" "$here/b.svg" || complain "one calibration, two pictures"
! cmp -s "$here/a.fairy" "$here/plain.fairy" || complain "calibration changed nothing"
[ "$(value calibration_windows)" -eq 20 ] || complain "not 20 windows"
[ "$(value windows)" -eq 20 ] || complain "not 20 windows of the report"
calibration=$(value calibration)
nll=$(value nll_per_token)
base=$(value nll_per_token_base)
kept=$(value information_retention)
agreement=$(value top1_agreement)
# 259 tokens: what a guess among all of them costs is their logarithm.
true_of "($kept - (log(259) - $nll) / (log(259) - $base))^2 < 1e-12"
expect 0 model info "$here/a.fairy" --json
json
[ "$(value calibration)" = "$calibration" ] || complain "info says another calibration"
expect 0 model eval "$here/a.fairy" --text "$here/text" --windows 20 --base "$here/m.fairy" --json
json
[ "$(value nll_per_token)" = "$nll" ] || complain "eval says another loss"
[ "$(value top1_agreement)" = "$agreement" ] || complain "eval says another agreement"
expect 0 model eval "$here/m.fairy" --text "$here/text" --windows 20 --json
[ "$(value nll_per_token)" = "$base" ] || complain "eval says another loss of the base"
expect 0 model quantize "$here/m.fairy" --strategy fairy2 --seed s -o "$here/f.fairy" \
	--calibrate "$here/text" --report "$here/text"
out "information kept"
out "fairy2:"

# The picture: well-formed, names its axes, knows light and dark, takes nothing from elsewhere.
"$tools/xml_check" <"$here/a.svg" 2>"$here/err" || complain "the picture is not well-formed"
for part in "prefers-color-scheme:dark" ">layer<" ">relative squared error of the weights<" \
	"<title id" attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down "int2, calibrated" \
	"stroke-dasharray"; do
	grep -qF -- "$part" "$here/a.svg" || complain "the picture lacks $part"
done
[ "$(grep -c '<polyline' "$here/a.svg")" -eq 7 ] || complain "not a line for each class"
[ "$(grep -c '<circle' "$here/a.svg")" -eq 14 ] || complain "not a point for each matrix"
! grep -qF "style=\"font-size" "$here/a.svg" || complain "a short name is set small"
! grep -vF 'xmlns="http://www.w3.org/2000/svg"' "$here/a.svg" | grep -qE 'https?:|href|url\(' ||
	complain "the picture wants something from elsewhere"

# The embedded model is one like any other: quantized, described, taken out.
expect 0 model quantize nursery --strategy int4 -o "$here/n.fairy"
expect 0 model info nursery
out "nursery"
expect 0 model export nursery -o "$here/n.gguf"
# A name of the greatest length stays within the picture.
name=$(printf '%0128d' 0)
expect 0 model import "$here/n.gguf" -o "$here/n.fairy" --name "$name"
expect 0 model quantize "$here/n.fairy" --strategy int4 -o "$here/o.fairy" --svg "$here/o.svg"
"$tools/xml_check" <"$here/o.svg" 2>"$here/err" || complain "the picture is not well-formed"
grep -qF "font-size:7.5px" "$here/o.svg" || complain "a long name has no bound"

# Ctrl-C: one line, and no file, whole or half.
i=0
while [ $i -lt 400 ]; do
	cat "$here/text"
	i=$((i + 1))
done >"$here/long"
mkdir "$here/folder"
"$kg" model quantize "$here/m.fairy" --strategy int2 -o "$here/folder/q.fairy" \
	--calibrate "$here/long" --windows 100000 >"$here/out" 2>"$here/err" &
pid=$!
# Bit 1 of the caught signals is SIGINT.
deadline=$(($(date +%s) + 30))
until caught=$(sed -n 's/^SigCgt:.*\(.\)$/\1/p' "/proc/$pid/status" 2>/dev/null) &&
	case $caught in [2367abefABEF]) true ;; *) false ;; esac; do
	[ "$(date +%s)" -lt "$deadline" ] || break
done
kill -INT "$pid"
wait "$pid"
[ $? -eq 111 ] || complain "stopped: not trouble"
err "stopped"
[ "$(grep -c '^kindergarten: ' "$here/err")" -eq 1 ] || complain "stopped: not one line of trouble"
[ -z "$(ls -A "$here/folder")" ] || complain "stopped: something was left"

# A terminal sees a bar, and nothing of it stays.
if script -qec true /dev/null >"$here/out" 2>"$here/err" </dev/null; then
	script -qec "'$kg' model quantize '$here/m.fairy' --strategy int2 -o '$here/t.fairy' \
		--calibrate '$here/long' --windows 1500" /dev/null >"$here/out" 2>"$here/err" </dev/null
	out "quantizing ["
	out "ffn_down     int2"
else
	echo "SKIP: no terminal can be had here: $(cat "$here/err")"
fi

finish
