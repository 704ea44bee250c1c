#!/bin/sh
# SPDX-License-Identifier: MIT
# Models that go to llama.cpp and come back from its quantizer. Its programs llama-quantize and
# llama-simple are looked for in $LLAMA_CPP_BIN.
set -eu

[ -n "${LLAMA_CPP_BIN:-}" ] || {
	echo "SKIP: LLAMA_CPP_BIN names no folder with llama-quantize and llama-simple"
	exit 77
}
kindergarten=$1
wide_model=$2
nursery=$KG_SOURCE_DIR/models/nursery.fairy
root=$(mktemp -d /tmp/kg-peers-XXXXXX)
trap 'rm -rf "$root"' EXIT
LD_LIBRARY_PATH=$LLAMA_CPP_BIN${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

quantize() {
	"$LLAMA_CPP_BIN/llama-quantize" "$@" >"$root/quantize.log" 2>&1 ||
		fail "llama-quantize $*: $(tail -n 3 "$root/quantize.log")"
}

import() {
	"$kindergarten" model import "$1" -o "$2" --name peer --format f32
}

# same_text THEIRS OURS: both go on from a prompt with the same tokens. llama-simple writes the
# token before the prompt, and ends its line. Its four threads wait for each other actively: on a
# machine with other work they may take minutes, and say nothing then.
same_text() {
	for prompt in 'Once upon a time' 'One day, a big red'; do
		code=0
		theirs=$(timeout 60 "$LLAMA_CPP_BIN/llama-simple" -m "$1" -n 32 "$prompt" \
			2>/dev/null) || code=$?
		if [ "$code" -eq 124 ]; then
			echo "NOT COMPARED: llama-simple took more than a minute for 32 tokens"
			continue
		fi
		ours=$("$kindergarten" model generate "$2" -n 32 "$prompt")
		[ "$theirs" = "<s>$ours" ] || fail "$1 and $2 go on differently: $theirs / $ours"
		echo "the same text: $ours"
	done
}

# What a type's blocks mean: our reading of the quantized file, and of the floats that llama.cpp
# itself makes of it, are the same file.
"$wide_model" "$root/wide.fairy"
"$kindergarten" model export "$nursery" -o "$root/nursery.gguf" --format f32
"$kindergarten" model export "$root/wide.fairy" -o "$root/wide.gguf" --format f32
for type in F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S \
	Q5_K_M Q6_K TQ1_0 TQ2_0; do
	for model in wide nursery; do
		quantize "$root/$model.gguf" "$root/q.gguf" "$type"
		quantize --allow-requantize "$root/q.gguf" "$root/d.gguf" F32
		import "$root/q.gguf" "$root/q.fairy"
		import "$root/d.gguf" "$root/d.fairy"
		cmp "$root/q.fairy" "$root/d.fairy" || fail "$type of $model: other weights"
	done
	echo "quantized as $type: the same weights"
done

for format in f32 f16; do
	"$kindergarten" model export "$nursery" -o "$root/e.gguf" --format "$format"
	import "$root/e.gguf" "$root/e.fairy"
	echo "exported as $format"
	same_text "$root/e.gguf" "$root/e.fairy"
done
# On Q8_0 llama.cpp rounds activations too, which may turn a token: its own floats of our file are
# what can be compared.
"$kindergarten" model export "$nursery" -o "$root/e.gguf" --format q8_0
quantize --allow-requantize "$root/e.gguf" "$root/d.gguf" F32
import "$root/e.gguf" "$root/e.fairy"
import "$root/d.gguf" "$root/d.fairy"
cmp "$root/e.fairy" "$root/d.fairy" || fail "exported as q8_0: other weights"
echo "exported as q8_0: the same weights"
same_text "$root/d.gguf" "$root/e.fairy"
