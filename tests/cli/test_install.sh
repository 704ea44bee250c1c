#!/bin/sh
# cmake --install puts the programs, their man page and completion where they belong, and they find
# each other there.
. "$(dirname "$0")/lib.sh"

cmake --install "$KG_BUILD_DIR" --prefix "$here/usr" >"$here/out" 2>"$here/err" || complain "cmake --install"
for file in bin/kindergarten lib/kindergarten/kindergarten-agent lib/kindergarten/kindergarten-bench \
	lib/kindergarten/kindergarten-keeper lib/kindergarten/kindergarten-swarm \
	lib/kindergarten/kindergarten-train share/man/man1/kindergarten.1 share/bash-completion/completions/kindergarten; do
	[ -s "$here/usr/$file" ] || complain "$file is not installed"
done
[ "$("$here/usr/bin/kindergarten" version)" = "$("$kg" version)" ] || complain "the installed binary is another one"

# loads PROGRAM LIBRARY: it does.
loads() {
	ldd "$here/usr/$1" | grep -q "lib$2\\."
}
! loads bin/kindergarten zmq || complain "kindergarten loads what only swarms need"
! loads lib/kindergarten/kindergarten-agent git2 || complain "agents load git"
loads lib/kindergarten/kindergarten-keeper git2 || complain "the keeper lacks git"

# By whatever name it is called and from wherever, never from the working directory.
mkdir "$here/elsewhere"
printf '#!/bin/sh\necho forged\n' >"$here/elsewhere/kindergarten-swarm"
chmod +x "$here/elsewhere/kindergarten-swarm"
ln -s "$here/usr/bin/kindergarten" "$here/link"
cd "$here/elsewhere" || exit
kg=$here/link
PATH=$here/elsewhere:$PATH
expect 111 ps
err "ps: no swarm is running"
expect 100 train
err "--config FILE is needed"
expect 100 role nobody
err "expected keeper or agent"

# Without its programs it says so, and does what it can alone.
names=$(commands)
rm -r "$here/usr/lib/kindergarten"
for command in up ps train verify; do
	expect 111 $command
	err "kindergarten: $command: kindergarten-"
	err "is neither in $here/usr/bin nor in ../lib/kindergarten from there; reinstall"
done
[ "$(commands)" = "$names" ] || complain "help lists other commands without the programs"
expect 0 help up
expect 0 up --help
expect 0 lessons --count 1
expect 0 config show
finish
