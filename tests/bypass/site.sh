# shellcheck shell=bash
# The host on which the ways round are tried, for tests/lib/common.sh: somebody to reach on it, somebody to be on it, and
# a client on another machine, which is a network namespace here.

client_address=10.99.0.2
host_address=10.99.0.1
secret=/srv/host-secret     # everybody on the host may read it
socket=/srv/host-socket     # and connect to this
repository=/srv/host.git    # and clone this, which has the secret
harmless=/etc/passwd        # is in every sandbox
harmless_repository=/opt/any.git
tunnels=()                  # tunnels[N]: whose tunN is

dropin=/usr/local/share/doc/carrel/50-carrel.conf
client_options=("${ssh_options[@]}" -o "HostKeyAlias=[127.0.0.1]:$sshd_port")
copy_options=("${client_options[@]/#-p/-P}")

make_site() { # KIND…
	start_syslog
	install_carrel
	enable_pam sshd
	import_image
	make_client
	# What Debian's sshd_config has, and for the sake of -w and internal-sftp what other users of this host may need.
	start_sshd "ListenAddress $host_address" 'X11Forwarding yes' 'PermitTunnel yes' 'Subsystem host internal-sftp' \
		"Include $dropin"
	make_things_to_reach
	make_tunnels_possible
	for kind in "$@"; do
		"make_${kind//-/_}"
		prepare_rc "$kind-user"
		make_tunnel "$kind-user"
	done
}

make_client() {
	setsid unshare --net sleep infinity &
	client_pid=$!
	wait_until 30 is_elsewhere "$client_pid"
	ip link add to-client type veth peer name to-host netns "$client_pid"
	ip address add "$host_address/24" dev to-client
	ip link set to-client up
	on_client ip address add "$client_address/24" dev to-host
	on_client ip link set to-host up
	on_client ip link set lo up
	setsid ssh-agent -D -a "$work/agent" >/dev/null &
	printf '#!/bin/sh\nexec %s "$@"\n' "$(printf '%q ' ssh "${client_options[@]}")" >"$work/ssh"
	chmod 755 "$work/ssh"
}

is_elsewhere() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

on_client() { # COMMAND…
	timeout -k 1 60 nsenter --net="/proc/$client_pid/ns/net" -- "$@"
}

make_repository() { # FOLDER FILE
	local copy

	copy=$(mktemp -d)
	git init -q -b main "$copy"
	cp "$2" "$copy/secret"
	git -C "$copy" add .
	git -C "$copy" -c user.name=test -c user.email=test@localhost commit -q -m secret
	rm -rf "$1"
	git clone -q --bare "$copy" "$1"
	rm -rf "$copy"
}

# The same paths are in the sandboxes, with another word: it shows that a way works, but leads there.
make_things_to_reach() {
	local inside=$work/inside

	git config --system safe.directory '*' # root's repository is for everybody
	echo of-the-host >"$secret"
	chmod 644 "$secret"
	make_repository "$repository" "$secret"
	cp -r "$repository" "$harmless_repository"
	install -m 755 "$B/tests/helpers/peer" /usr/local/bin/peer
	setsid peer say 9000 of-the-host
	setsid peer say "$socket" of-the-host
	chmod 666 "$socket"
	setsid nsenter --net="/proc/$client_pid/ns/net" -- peer say 9000 of-the-client

	mkdir -p "$inside/srv" "$inside/opt" "$inside/usr/local/bin"
	echo of-the-sandbox >"$inside$secret"
	make_repository "$inside$repository" "$inside$secret"
	cp -r "$inside$repository" "$inside$harmless_repository"
	cp "$B/tests/helpers/peer" "$inside/usr/local/bin"
	tar -C "$inside" --owner=0 --group=0 -c srv opt usr >"$work/inside.tar"
	"$repo/tests/helpers/bundle.sh" /usr/local/bin /opt/host rsync git git-upload-pack scp >"$work/programs.tar"
	"$repo/tests/helpers/bundle.sh" /usr/lib/openssh /opt/sftp /usr/lib/openssh/sftp-server >"$work/sftp.tar"
}

make_plain() {
	add_user plain-user /bin/bash
}

make_bwrap() {
	local tar

	install -m 755 "$repo/tests/bypass/bwrap-shell" /usr/local/bin/
	add_user bwrap-user /usr/local/bin/bwrap-shell
	install -d -o bwrap-user /var/lib/bwrap/bwrap-user
	for tar in "$TEST_IMAGE" "$work"/{inside,programs,sftp}.tar; do
		setpriv --reuid=bwrap-user --regid=bwrap-user --clear-groups \
			tar -C /var/lib/bwrap/bwrap-user --no-same-owner --exclude=./dev -x -f "$tar"
	done
}

# As its manual describes under RESTRICTED SHELL, with arguments that hide what is to be hidden here.
make_firejail() {
	pass_for_no_container
	add_user firejail-user /usr/bin/firejail
	echo 'firejail-user: --quiet --private --net=none --blacklist=/srv' >>/etc/firejail/login.users
}

make_firejail_script() {
	pass_for_no_container
	install -m 755 "$repo/tests/bypass/firejail-shell" /usr/local/bin/
	add_user firejail-script-user /usr/local/bin/firejail-shell
}

# firejail does nothing at all in a container, and takes for one what has no kernel threads among the first ten
# processes. This host has one of that name.
pass_for_no_container() {
	[ ! -e "$work/kthreadd" ] || return 0
	cp /usr/bin/sleep "$work/kthreadd"
	echo 5 >/proc/sys/kernel/ns_last_pid
	setsid "$work/kthreadd" infinity &
	(($! <= 10)) || fail "no small process number could be had"
}

make_carrel() {
	add_user carrel-user
	fill_sandbox carrel-user
}

# Covered, but the Match block of the drop-in is not for them.
make_carrel_alone() {
	add_user carrel-alone-user
	gpasswd -d carrel-alone-user carrel
	write_config <<<'covers = [ "@carrel", "carrel-alone-user" ];'
	fill_sandbox carrel-alone-user
}

fill_sandbox() { # USER
	local tar

	for tar in "$work"/{inside,programs}.tar; do
		ssh_as "$1" 'tar -x -C /' <"$tar"
	done
}

# What sshd runs at each login where it is allowed: it does the command in ~/.ssh/rc-command.
prepare_rc() { # USER
	# shellcheck disable=SC2016 # for the shell of the rc file
	echo '[ ! -e .ssh/rc-command ] || . ./.ssh/rc-command' >"/home/$1/.ssh/rc"
	chown "$1:" "/home/$1/.ssh/rc"
}

# Everybody may open /dev/net/tun on an ordinary Debian. The node here is the real host's and stays as it is.
make_tunnels_possible() {
	if [ ! -c /dev/net/tun ]; then
		unset -f w_reach # cannot be asked here
		return
	fi
	umount /dev/net/tun
	rm /dev/net/tun
	mknod -m 666 /dev/net/tun c 10 200
}

# A network device of the host that the user may attach to.
make_tunnel() { # USER
	declare -F w_reach >/dev/null || return 0
	tunnels+=("$1")
	ip tuntap add dev "tun${#tunnels[@]}" mode tun user "$1"
	ip link set "tun${#tunnels[@]}" up
}

tunnel_of() { # USER
	local i

	for i in "${!tunnels[@]}"; do
		[ "${tunnels[i]}" != "$1" ] || echo $((i + 1))
	done
}
