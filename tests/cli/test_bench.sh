#!/bin/sh
# bench: what it refuses, the form of what it prints, that it leaves nothing behind. Never how fast
# anything is. With a llama-bench in LLAMA_CPP_BIN a peer runs beside it.
. "$(dirname "$0")/lib.sh"

mkdir "$here/tmp"
export TMPDIR="$here/tmp"
# A leak check cannot be made of a process that is traced, and bench traces to see memory.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

# measure ARGUMENT…: bench with success; progress may be told on stderr.
measure() {
	"$kg" bench "$@" >"$here/out" 2>"$here/err" </dev/null || complain "bench $*: exit $?"
	empty
}

empty() {
	[ -z "$(ls "$here/tmp")" ] || complain "left behind: $(ls "$here/tmp")"
}

# field NAME KEY: that of the first row of the name, as the last JSON has it.
field() {
	awk -v name="\"name\": \"$1\"," -v key="\"$2\":" '
		index($0, name) { found = 1 }
		found && index($0, key) { sub(/^[^:]*: /, ""); sub(/,$/, ""); print; exit }' "$here/out"
}

# positive NAME: a row of that name has a value above nothing.
positive() {
	field "$1" value | awk '{ n++; good = $1 > 0 } END { exit !(n == 1 && good) }' ||
		complain "no row \"$1\" with a value"
}

expect 100 bench --shape S257
err "S256, S288"
expect 100 bench --shape S256 --model nursery
expect 100 bench --format nonsense
err "--format"
expect 100 bench --part speed,nonsense
err "nonsense"
expect 100 bench --threads 0
expect 100 bench --repeat 100
expect 100 bench --peer-llama-bench /bin/true
err "go together"
expect 100 bench --peer-llama-bench /bin/true --peer-model a --shape S256,S512
err "1 for 2"
expect 100 bench --write-gguf S256
expect 100 bench more
expect 100 bench --bogus
err "--bogus"
expect 111 bench --model "$here/none.fairy"
expect 111 bench --shape S256 --part speed --peer-llama-bench "$here/none" --peer-model /dev/null
err "$here/none"
# Programs that are there and say nothing that can be understood.
expect 111 bench --shape S256 --part speed --repeat 1 --peer-llama-bench /bin/false --peer-model /dev/null
err "exit code 1"
expect 111 bench --shape S256 --part speed --repeat 1 --peer-llama-bench /bin/echo --peer-model /dev/null
err "its report"
TMPDIR=$here/nowhere expect 111 bench --shape S256
err "nowhere"
empty

# A table, and the same as JSON.
measure --shape S256 --repeat 1 --part speed
out "decode 64"
out "prompt 256"
measure --shape S256 --repeat 1 --json
json
for key in machine cpu cores kernel load rows name shape format threads value unit ratio_to ratio; do
	out "\"$key\":"
done
for row in "decode 64" "prompt 256" "first token" "start, 1 token" "private memory" "16 at once, each" "8 at once"; do
	positive "$row"
done
[ "$(field "decode 64" shape)" = '"S256"' ] || complain "the shape of decoding"
[ "$(field "decode 64" format)" = '"fairy2"' ] || complain "the format of decoding"
[ "$(field "decode 64" ratio)" = null ] || complain "a ratio to nothing"
[ -n "$(field "decode 64" roofline)" ] || complain "no share of what reading allows"
# Floats that are measured as fairy2 are not read as the bytes of their file.
measure --model nursery --repeat 1 --part speed --json
[ "$(field "decode 64" format)" = '"fairy2"' ] || complain "floats are not taken as agents take them"
! grep -qF roofline "$here/out" || complain "a share of what is not read"
measure --model nursery --repeat 1 --part speed --format fairy2,int8 --threads 2 --json
json
positive "decode 64"
[ "$(grep -c '"name": "decode' "$here/out")" -eq 2 ] || complain "two formats, other rows"
measure --part kernels,entries --json
json
for row in "read stream" kernel "kernel, 64 vectors" "entries signed" "entries taken in"; do
	positive "$row"
done

# A model for peers, which comes back as what it is.
measure --write-gguf S256 -o "$here/s.gguf"
expect 0 model import "$here/s.gguf" -o "$here/s.fairy"
expect 0 model info "$here/s.fairy"
out "parameters       6163712"
expect 111 bench --write-gguf S256 -o /dev/null
err "no regular file"
expect 111 bench --write-gguf S256 -o "$here/nowhere/s.gguf"
empty

# Interrupted, it ends in a line and leaves nothing.
"$kg" bench --shape S256 --repeat 99 --part speed >"$here/out" 2>"$here/err" </dev/null &
pid=$!
tries=0
while [ -z "$(ls "$here/tmp")" ] && [ $tries -lt 500 ]; do
	sleep 0.02
	tries=$((tries + 1))
done
kill -TERM $pid
wait $pid
[ $? -eq 111 ] || complain "interrupted: another exit code"
err "interrupted"
empty

# Beside a peer: the ratio is that of the two medians.
if [ -x "${LLAMA_CPP_BIN:-/nonexistent}/llama-bench" ]; then
	measure --shape S256 --repeat 1 --part speed --json \
		--peer-llama-bench "$LLAMA_CPP_BIN/llama-bench" --peer-model "$here/s.gguf"
	json
	for what in "decode 64" "prompt 256"; do
		positive "peer $what"
		echo "$(field "$what" value) $(field "peer $what" value) $(field "$what" ratio)" |
			awk '{ off = $1 / $2 / $3; exit !(off > 0.999 && off < 1.001) }' ||
			complain "the ratio of $what"
	done
	[ "$(field "peer decode 64" format)" = '"F16"' ] || complain "the peer's format"
else
	echo "SKIP: beside a peer: LLAMA_CPP_BIN has no llama-bench"
fi

finish
