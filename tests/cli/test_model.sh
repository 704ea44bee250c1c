#!/bin/sh
# model: files imported, described, quantized; ids of texts. What computes is tested elsewhere.
. "$(dirname "$0")/lib.sh"

# A checkpoint of 196 bytes and its tokenizer of three pieces, out of one seed of the fuzzer.
seed=$KG_SOURCE_DIR/tests/fuzz/corpus/llama2c/tied
tail -c +5 "$seed" | head -c 196 >"$here/m.bin"
tail -c +201 "$seed" >"$here/t.bin"

expect 100 model
expect 100 model nonsense
expect 100 model import "$here/m.bin" -o "$here/m.fairy"
expect 100 model import "$here/m.bin" --tokenizer "$here/t.bin"
expect 100 model import "$here/m.bin" --tokenizer "$here/t.bin" -o "$here/m.fairy" --format int8
expect 100 model info --strategy fairy2 "$here/m.fairy"
err "--strategy"
expect 100 model info "$here/m.fairy" -zq
err "-z"
expect 100 model info --json=3 "$here/m.fairy"
err "--json=3"
expect 100 model generate "$here/m.fairy" hi --windows 3
err "--windows"
expect 100 model generate "$here/m.fairy" hi -n
err "-n"
expect 100 model eval "$here/m.fairy" --text t -n 3
err ": -n has no meaning"
expect 100 model eval "$here/m.fairy" --top-k=3 --text t
err ": --top-k=3 has no meaning"
expect 100 model generate "$here/m.fairy" hi --strategy fairy9
err "--strategy"
expect 100 model generate "$here/m.fairy" hi --agent-seed ""
err "--agent-seed"
expect 100 model quantize "$here/m.fairy" --strategy fairy2 --seed "" -o "$here/new.fairy"
err "--seed"
expect 100 lessons --bogus
err "--bogus"
expect 100 lessons --seed
err "--seed"
expect 0 model import "$here/m.bin" --tokenizer "$here/t.bin" -o "$here/m.fairy"
expect 0 model info "$here/m.fairy"
out "format           f32"
expect 0 model info "$here/m.fairy" --json
json
for key in architecture parameters format bits_per_weight file_bytes digest vocabulary context genome; do
	out "\"$key\":"
done
base=$(sed -n 's/.*"digest": "\([0-9a-f]*\)".*/\1/p' "$here/out")
[ ${#base} -eq 64 ] || complain "the digest has ${#base} digits"

# The same genome is the same file; another seed is another.
for strategy in int8 fairy1 fairy2 fairyx3 int4 int2 ternary palette4 palette16 palette256 \
	"mix:attn_v=int4,ffn_down=fairy2,*=int2"; do
	expect 0 model quantize "$here/m.fairy" --strategy "$strategy" --seed a -o "$here/q.fairy"
	expect 0 model info "$here/q.fairy" --json
	json
	out "\"base_digest\": \"$base\""
done
expect 0 model quantize "$here/m.fairy" --strategy fairy2 --seed a -o "$here/a.fairy"
expect 0 model quantize "$here/m.fairy" --strategy fairy2 --seed a -o "$here/b.fairy"
expect 0 model quantize "$here/m.fairy" --strategy fairy2 --seed b -o "$here/c.fairy"
cmp -s "$here/a.fairy" "$here/b.fairy" || complain "one genome, two files"
! cmp -s "$here/a.fairy" "$here/c.fairy" || complain "two seeds, one file"

# What cannot be done is said in a line, and nothing is written or lost.
mkfifo "$here/pipe"
expect 111 model quantize "$here/m.fairy" --strategy fairy2 -o "$here/pipe"
err "no regular file"
[ -p "$here/pipe" ] || complain "a pipe was replaced"
ln -s copy "$here/pointer"
expect 111 model quantize "$here/m.fairy" --strategy fairy2 -o "$here/pointer"
[ -L "$here/pointer" ] || complain "a link was replaced"
cp "$here/m.fairy" "$here/copy"
expect 111 model quantize "$here/m.fairy" --strategy fairy2 -o "$here/m.fairy"
err "would overwrite its own source"
ln "$here/m.fairy" "$here/link"
expect 111 model quantize "$here/m.fairy" --strategy fairy2 -o "$here/link"
expect 111 model import "$here/m.bin" --tokenizer "$here/t.bin" -o "$here/m.bin"
cmp -s "$here/m.fairy" "$here/copy" || complain "the source was changed"
expect 111 model quantize "$here/a.fairy" --strategy fairy2 -o "$here/new.fairy"
err "already quantized"
expect 100 model quantize "$here/m.fairy" --strategy fairy9 -o "$here/new.fairy"
expect 100 model quantize "$here/m.fairy" --strategy mix:attn_v=int4 -o "$here/new.fairy"
err "ends with"
expect 111 model import "$here/m.bin" --tokenizer "$here/m.bin" -o "$here/new.fairy"
err "tokenizer file"
expect 111 model import "$here/t.bin" --tokenizer "$here/t.bin" -o "$here/new.fairy"
err "llama2.c file"
expect 111 model import "$here/m.fairy" --tokenizer "$here/t.bin" -o "$here/new.fairy"
head -c 2000 "$here/m.fairy" >"$here/cut.fairy"
expect 111 model info "$here/cut.fairy"
err "cut off"
expect 111 model info "$here/none.fairy"
expect 111 model info "$here"
[ ! -e "$here/new.fairy" ] || complain "a failed command left a file"

# Out for llama.cpp and back, whatever was known and said: floats are the same floats.
expect 0 model export "$here/m.fairy" -o "$here/m.gguf" --format f32
[ "$(head -c 4 "$here/m.gguf")" = GGUF ] || complain "an export is no GGUF file"
expect 0 model import "$here/m.gguf" -o "$here/back.fairy" --name m
cmp -s "$here/m.fairy" "$here/back.fairy" || complain "a model came back another"
for format in f16 q8_0; do
	expect 0 model export "$here/a.fairy" -o "$here/a.gguf" --format "$format"
	expect 0 model import "$here/a.gguf" -o "$here/back.fairy" --format f16
	expect 0 model info "$here/back.fairy"
	out "format           f16"
done
expect 100 model export "$here/m.fairy"
expect 100 model export "$here/m.fairy" -o "$here/new.gguf" --format q4_0
err "q4_0"
expect 100 model import "$here/m.gguf" -o "$here/new.fairy" --format q8_0
expect 111 model export "$here/m.fairy" -o "$here/m.fairy"
expect 111 model export "$here/m.gguf" -o "$here/new.gguf"
err "not a .fairy file, which \`model import\` makes of it"
expect 0 model tokenize nursery "A b"
cp "$here/out" "$here/ids"
expect 0 model tokenize "$KG_SOURCE_DIR/models/nursery.fairy" "A b"
cmp -s "$here/ids" "$here/out" || complain "the embedded model has another tokenizer than its file"
expect 111 model import "$here/m.gguf" --tokenizer "$here/t.bin" -o "$here/new.fairy"
err "its own tokenizer"
expect 111 model import "$here/m.fairy" -o "$here/new.fairy"
err ".fairy file already"
head -c 1000 "$here/m.gguf" >"$here/cut.gguf"
expect 111 model import "$here/cut.gguf" -o "$here/new.fairy"
err "cut off"
# A folder of Hugging Face: its config is the first thing that is looked for.
mkdir "$here/folder"
expect 111 model import "$here/folder" -o "$here/new.fairy"
err "folder/config.json"
echo '{"model_type": "gpt2"}' >"$here/folder/config.json"
expect 111 model import "$here/folder" -o "$here/folder/config.json"
err "would overwrite its own source"
expect 111 model import "$here/folder" -o "$here/new.fairy"
err 'model_type "gpt2" is not known here'
for left in "$here/new.fairy" "$here/new.gguf"; do
	[ ! -e "$left" ] || complain "a failed command left a file"
done

# Text that cannot be shown is one line of trouble, whoever notices.
# The checkpoint: dim 2, hidden 2, one layer, one head, 3 tokens, context 8, all 56 weights zero.
{
	printf '\002\0\0\0\002\0\0\0\001\0\0\0\001\0\0\0\001\0\0\0\003\0\0\0\010\0\0\0'
	head -c 224 /dev/zero
} >"$here/zero.bin"
expect 0 model import "$here/zero.bin" --tokenizer "$here/t.bin" -o "$here/zero.fairy"
expect 0 model generate "$here/zero.fairy" a -n 3
for part in generate tokenize; do
	"$kg" model "$part" "$here/zero.fairy" a >/dev/full 2>"$here/err"
	[ $? -eq 111 ] || complain "model $part: no trouble with a full disk"
	[ "$(wc -l <"$here/err")" -eq 1 ] || complain "model $part: not one line of trouble"
done

# Ids: no piece of this vocabulary is text, so every byte is unknown, the prefixed space too.
expect 0 model tokenize "$here/m.fairy" ab
[ "$(cat "$here/out")" = "1 0 0 0" ] || complain "ids of ab"
expect 0 model tokenize "$here/m.fairy" --no-bos ab
[ "$(cat "$here/out")" = "0 0 0" ] || complain "ids of ab without bos"
[ "$(printf ab | "$kg" model tokenize "$here/m.fairy")" = "1 0 0 0" ] || complain "ids of stdin"
expect 0 model tokenize "$here/m.fairy" --decode "1 0 2"
[ "$(cat "$here/out")" = "<unk>" ] || complain "text of ids"
expect 111 model tokenize "$here/m.fairy" --decode "1 3"
expect 111 model tokenize "$here/m.fairy" --decode "1 x"
expect 100 model tokenize

finish
