#!/bin/bash
# doctor finds what is wrong with the place it is in.
. "$(dirname "$0")/lib.sh"

# verdict CHECK STATE: what the last run of doctor said of one check.
verdict() {
	grep -q "^$2  *$1  " "$here/out" || complain "doctor: $1 is not $2"
}

expect 0 doctor
for check in cpu memory kernels libsodium zeromq libgit2 sqlite jansson state identity settings; do
	verdict "$check" ok
done
verdict "locked memory" "[a-z]*"
verdict "open files" "[a-z]*"
verdict "free space" "[a-z]*"
verdict "embedded model" "[a-z]*"
out "not there yet"
[ ! -e "$here/state" ] || complain "doctor made a state directory"

expect 0 doctor --json
json
out '"ok": true'
out '"state": "ok"'
expect 100 doctor everything
expect 100 doctor --everything

mkdir -m 755 "$here/state"
expect 1 doctor
verdict state bad
out "chmod 700"
expect 1 doctor --json
json
out '"ok": false'
chmod 700 "$here/state"
expect 0 doctor
verdict state ok

: >"$here/file"
expect 111 doctor --state "$here/file"
err "Not a directory"

mkdir -m 700 "$here/state/keys"
printf 'not a key file' >"$here/state/keys/swarm.key"
chmod 600 "$here/state/keys/swarm.key"
expect 1 doctor
verdict identity bad
rm "$here/state/keys/swarm.key"

mkdir "$here/bin"
PATH=$here/bin
export PATH
"$kg" doctor >"$here/empty-path"
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mv "$here/empty-path" "$here/out"
verdict git warn
verdict ssh-keygen warn

(
	ulimit -n 64
	"$kg" doctor
) >"$here/out"
verdict "open files" warn
KINDERGARTEN_KERNEL=scalar "$kg" doctor >"$here/out"
out "chosen: scalar"
finish
