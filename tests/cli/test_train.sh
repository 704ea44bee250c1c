#!/bin/sh
# train: a model of a few steps from a recipe of one's own; what is refused.
. "$(dirname "$0")/lib.sh"

cat >"$here/crumb.conf" <<'CONF'
[model]
dim = 16
hidden = 16
layers = 1
heads = 1
kv_heads = 1
context = 224
[train]
tokens_per_step = 256
lessons_share = 1
lessons_per_task = 1
[phase only]
steps = 2
warmup = 1
rate = 1e-3
CONF

expect 100 train
expect 100 train --config
err "--config"
expect 111 train --config "$here/none.conf"
sed 's/context = 224/context = 223/' "$here/crumb.conf" >"$here/short.conf"
expect 111 train --config "$here/short.conf" --directory "$here/short"
err "context 223 is too short for lessons: 224 is needed"
[ ! -e "$here/short" ] || complain "a refused recipe made a directory"
expect 111 train --config "$here/crumb.conf" --directory "$here/new" --export
err "no checkpoint to export"

# The model is called as its recipe is, and a trained one is not trained again.
"$kg" train --config "$here/crumb.conf" --directory "$here/t" >"$here/out" 2>"$here/err" || complain "train"
out "$here/t/model.fairy"
expect 0 model info "$here/t/model.fairy"
grep -qx 'name  *crumb' "$here/out" || complain "the model is not called crumb"
cp "$here/t/model.fairy" "$here/before.fairy"
"$kg" train --config "$here/crumb.conf" --directory "$here/t" >"$here/out" 2>"$here/err" || complain "train again"
err "at step 2 of 2"
cmp -s "$here/t/model.fairy" "$here/before.fairy" || complain "another model without a step"
expect 0 train --config "$here/crumb.conf" --directory "$here/t" --export -o "$here/e.fairy"
out "$here/e.fairy"
cmp -s "$here/e.fairy" "$here/before.fairy" || complain "--export writes another model"
finish
