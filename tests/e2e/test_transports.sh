#!/bin/sh
# SPDX-License-Identifier: MIT
# The same exchange over ssh with sshd and dropbear, over https with stock git's http-backend, and
# over git:// with stock git's daemon; each started here, on a port of its own, as an ordinary process.
# shellcheck disable=SC1091,SC2154 # exchange.sh is beside it
. "$(dirname "$0")/exchange.sh"
unset SSH_AUTH_SOCK
servers=
skipped=

stop_servers() {
	for pid in $servers; do
		kill "$pid" 2>/dev/null || true
	done
	finish
}
trap stop_servers EXIT

skip() {
	echo "SKIP: $*"
	skipped=yes
}

# port: one that nobody listens on.
port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

listens() {
	perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => shift)' "$1"
}

# exchange_over WHAT URL: both swarms meet in the repository there.
exchange_over() {
	say oak "oak speaks over $1"
	say elm "elm speaks over $1"
	as oak sync "$2" --name "$1" >"$root/out" 2>"$root/err" || fail "$1: $(cat "$root/err")"
	as elm sync "$2" --name "$1" >"$root/out" 2>"$root/err" || fail "$1: $(cat "$root/err")"
	as oak sync "$1" >"$root/out" 2>"$root/err" || fail "$1: $(cat "$root/err")"
	same oak elm
	remembers oak "elm speaks over $1" || fail "$1: nothing came"
	git -C "$root/served/$1.git" fsck --strict >/dev/null 2>&1 || fail "$1: fsck"
}

found oak
found elm
befriend oak elm
mkdir "$root/served"

# ---- ssh ----
user=$(id -un)

# ssh_server SERVER PORT: one that lets in, as whom we are, the keys of $HOME/.ssh/authorized_keys.
ssh_server() {
	if [ "$1" = sshd ]; then
		[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
		"$(command -v sshd)" -D -e -f /dev/null -h "$root/host_key" -p "$2" \
			-o ListenAddress=127.0.0.1 -o StrictModes=no -o PidFile=none -o UsePAM=no \
			-o AuthorizedKeysFile="$HOME/.ssh/authorized_keys" \
			-o PasswordAuthentication=no 2>"$root/sshd.log" &
	else
		# It looks for keys where the system says that the user is at home.
		echo "$user:x:$(id -u):$(id -g)::$HOME:/bin/sh" >"$root/passwd"
		LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$root/passwd" \
			NSS_WRAPPER_GROUP=/etc/group dropbear -F -E -s -j -k -r "$root/host_key" \
			-p "127.0.0.1:$2" -P "$root/dropbear.pid" 2>"$root/dropbear.log" &
	fi
	servers="$servers $!"
	until_true 10 listens "$2"
}

# over_ssh SERVER: with a host key of its own form.
over_ssh() {
	git init -q --bare "$root/served/$1.git"
	cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
	chmod 600 "$HOME/.ssh/authorized_keys"
	rm -f "$root/host_key" "$HOME/.ssh/known_hosts"
	if [ "$1" = sshd ]; then
		ssh-keygen -q -t ed25519 -N '' -f "$root/host_key"
		ssh-keygen -y -f "$root/host_key" >"$root/host_key.pub"
	else
		dropbearkey -t ed25519 -f "$root/host_key" 2>/dev/null | grep '^ssh-' >"$root/host_key.pub"
	fi
	ssh_port=$(port)
	ssh_server "$1" "$ssh_port"
	url=ssh://$user@127.0.0.1:$ssh_port$root/served/$1.git
	# A host that is not known, or is another one, is not spoken with.
	trouble 'known_hosts' as oak sync "$url" --name "$1"
	echo "[127.0.0.1]:$ssh_port $(cut -d ' ' -f 1,2 "$HOME/.ssh/id_ed25519.pub")" >"$HOME/.ssh/known_hosts"
	trouble 'known_hosts' as oak sync "$url" --name "$1"
	echo "[127.0.0.1]:$ssh_port $(cut -d ' ' -f 1,2 "$root/host_key.pub")" >"$HOME/.ssh/known_hosts"
	exchange_over "$1" "$url"
	# A key that it does not know.
	: >"$HOME/.ssh/authorized_keys"
	trouble 'is accepted' as oak sync "$1"
}

# Whichever is here; both, where both are.
HOME=$root/home
export HOME
mkdir -m 700 "$HOME" "$HOME/.ssh"
PATH=$PATH:/usr/sbin
ssh_servers=
! command -v sshd >/dev/null || ssh_servers=sshd
! command -v dropbear >/dev/null || [ -n "$(LD_PRELOAD=libnss_wrapper.so true 2>&1)" ] ||
	ssh_servers="$ssh_servers dropbear"
if [ -n "$ssh_servers" ]; then
	ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/id_ed25519"
	for server in $ssh_servers; do
		over_ssh "$server"
	done
else
	skip "no dropbear with libnss-wrapper, and no sshd: nothing is tested over ssh"
fi

# ---- https ----
# A certificate is for a name; a bare chroot has none.
if command -v openssl >/dev/null && command -v python3 >/dev/null &&
	getent hosts localhost >/dev/null &&
	[ -x "$(git --exec-path)/git-http-backend" ]; then
	git init -q --bare "$root/served/https.git"
	git -C "$root/served/https.git" config http.receivepack true
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=test authority' \
		-keyout "$root/ca.key" -out "$root/ca.pem" 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout "$root/tls.key" \
		-out "$root/tls.csr" 2>/dev/null
	printf 'subjectAltName=DNS:localhost\n' >"$root/san"
	openssl x509 -req -in "$root/tls.csr" -CA "$root/ca.pem" -CAkey "$root/ca.key" -days 2 \
		-CAcreateserial -extfile "$root/san" -out "$root/tls.pem" 2>/dev/null
	python3 "$(dirname "$0")/tls_server.py" "$root/port" "$root/tls.pem" "$root/tls.key" \
		"$root/served" 2>"$root/tls.log" &
	servers="$servers $!"
	until_true 10 [ -s "$root/port" ]
	url=https://localhost:$(cat "$root/port")/https.git
	# Whom nobody vouches for is not spoken with.
	trouble 'certificate' as oak sync "$url" --name https
	export KINDERGARTEN_SYNC_CA_FILE="$root/ca.pem"
	trouble 'certificate' as oak sync "https://127.0.0.1:$(cat "$root/port")/https.git"
	exchange_over https "$url"
else
	skip "no openssl, python3, git http-backend or name localhost: nothing is tested over https"
fi

# ---- git ----
git init -q --bare "$root/served/git.git"
git_port=$(port)
git daemon --base-path="$root/served" --export-all --enable=receive-pack --listen=127.0.0.1 \
	--port="$git_port" --reuseaddr 2>/dev/null &
servers="$servers $!"
until_true 10 listens "$git_port"
exchange_over git "git://127.0.0.1:$git_port/git.git"

# A server that says nothing is given up.
mute=$(port)
perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => shift); while ($c = $s->accept) { push @c, $c }' \
	"$mute" &
servers="$servers $!"
until_true 10 listens "$mute"
export KINDERGARTEN_SYNC_QUIET_SECONDS=1
trouble 'nothing came for 1 s' as oak sync "git://127.0.0.1:$mute/x.git"
unset KINDERGARTEN_SYNC_QUIET_SECONDS

# A server that refuses what is pushed: told, and nothing is lost.
printf '#!/bin/sh\nexit 1\n' >"$root/served/git.git/hooks/pre-receive"
chmod +x "$root/served/git.git/hooks/pre-receive"
say oak 'oak is not heard'
no as oak sync git
says 'not pushed'
rm "$root/served/git.git/hooks/pre-receive"
as oak sync git >/dev/null || fail "not pushed later"

for swarm in oak elm; do
	as "$swarm" verify --all >/dev/null || fail "verify: $swarm"
done
[ -z "$skipped" ] || exit 77
echo ok
