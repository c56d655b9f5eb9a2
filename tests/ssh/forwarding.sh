# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Forwards of a client end in the sandbox's network, in both directions, and there is no way by them to the host's loopback or
# sockets. Somebody on each side says where it is: "host" on the host's port 9000, "sandbox" on the sandbox's. (The
# client's side is the throw-away host, too: only what is not forwarded is on its loopback.)

dropin=/usr/local/share/doc/carrel/50-carrel.conf
peer=$B/tests/helpers/peer

setup() {
	start_syslog
	install_carrel
	enable_pam sshd
	import_image
	with_dropin
	write_config <<-'END'
		covers = [ "@carrel" ];
		rules = ( { match = "onhost"; forwarding = "host"; } );
	END
	add_user u1
	add_user onhost
	for user in u1 onhost; do
		ssh_as "$user" 'cat >/bin/peer && chmod 755 /bin/peer' <"$peer"
	done
	setsid "$peer" say 9000 host
	setsid "$peer" say 9001 host # nobody is there in the sandbox
}

with_dropin() {
	[ ! -e "$work/sshd.pid" ] || stop_sshd
	start_sshd "$@" "Include $dropin"
}

without_dropin() {
	stop_sshd
	start_sshd 'PermitTunnel yes'
}

# One connection, held by a master that never runs a shell (-N), with "sandbox" on 9000 of its network.
open_master() { # USER [OPTION…]
	local user=$1
	shift

	ssh_as "$user" -M -S "$work/master" -N -f "$@" </dev/null >/dev/null 2>&1
	by_master 'peer say 9000 sandbox'
}

close_master() {
	by_master -O exit 2>/dev/null
	wait_until 30 test ! -e "$work/master"
}

by_master() { # [OPTION…] [COMMAND…]
	ssh "${ssh_options[@]}" -S "$work/master" 127.0.0.1 "$@" </dev/null
}

hears_nobody() { # COMMAND… that would connect, and print what it hears
	local heard

	heard=$("$@" 2>/dev/null) || true
	expect_eq '' "$heard" "'$*' heard"
}

test_the_two_sides_differ() {
	expect_eq host "$("$peer" hear 9000)"
	open_master u1
	expect_eq sandbox "$(by_master 'peer hear 9000')"
	hears_nobody by_master 'peer hear 9001'
	close_master
}

test_local_forward() {
	open_master u1 -L 3000:127.0.0.1:9000 -L 3001:127.0.0.1:9001 -L 3002:localhost:9000
	expect_eq sandbox "$("$peer" hear 3000)"
	expect_eq sandbox "$("$peer" hear 3002)"
	hears_nobody "$peer" hear 3001
	# The host's sshd itself is such a server.
	by_master -O forward -L "3003:127.0.0.1:$sshd_port"
	hears_nobody "$peer" hear 3003
	close_master
	nothing_left
}

test_dynamic_forward() {
	open_master u1 -D 3080
	expect_eq sandbox "$("$peer" socks 3080 9000)"
	hears_nobody "$peer" socks 3080 9001
	hears_nobody "$peer" socks 3080 "$sshd_port"
	close_master
}

test_stdio_forward() {
	open_master u1
	expect_eq sandbox "$(by_master -W 127.0.0.1:9000)"
	hears_nobody by_master -W 127.0.0.1:9001
	close_master
	# As a jump host is used: a connection of its own.
	hears_nobody ssh_as u1 -W 127.0.0.1:9000
	hears_nobody ssh_as u1 -W "127.0.0.1:$sshd_port"
	nothing_left
}

test_remote_forward() {
	open_master u1 -R 9100:127.0.0.1:9000 -R '*:9101:127.0.0.1:9000'
	expect_eq host "$(by_master 'peer hear 9100')" # of the client's side, which is meant
	hears_nobody "$peer" hear 9100
	hears_nobody "$peer" hear 9101
	expect_eq '' "$(ss -Htln 'sport = 9100 or sport = 9101')" "listening on the host"
	# GatewayPorts no: on the loopback only.
	expect_eq '127.0.0.1:9101' "$(by_master 'netstat -tln' | awk '/:9101/ && !/::1/ { print $4 }')"
	# And a dynamic one.
	by_master -O forward -R 9180
	expect_eq host "$(by_master 'peer socks 9180 9000')"
	expect_eq '' "$(ss -Htln 'sport = 9180')"
	close_master
	nothing_left
}

test_two_sessions_do_not_meet() {
	open_master u1 -R 9100:127.0.0.1:9000
	expect_eq sandbox "$(by_master 'peer hear 9000')"
	hears_nobody ssh_as u1 'peer hear 9000'
	hears_nobody ssh_as u1 'peer hear 9100'
	hears_nobody ssh_as u1 -W 127.0.0.1:9100
	close_master
}

# forwarding = "host": what the policy may choose, and what each of the tests above would show if it did not.
test_control_forwards_of_the_host() {
	open_master onhost -L 3000:127.0.0.1:9000 -L 3001:127.0.0.1:9001 -D 3080 -R 9100:127.0.0.1:9000
	expect_eq host "$("$peer" hear 3000)"
	expect_eq host "$("$peer" hear 3001)"
	expect_eq host "$("$peer" socks 3080 9001)"
	expect_eq host "$("$peer" hear 9100)"
	expect_eq host "$(by_master -W 127.0.0.1:9001)"
	hears_nobody by_master 'peer hear 9100'
	close_master
	expect_eq host "$(ssh_as onhost -W 127.0.0.1:9000)"
}

# A path means the host's file, whatever the network: they are off.
test_socket_forwards_are_refused() {
	setsid "$peer" say "$work/socket" host
	chmod 666 "$work/socket"
	open_master u1
	by_master -O forward -L "$work/forward:$work/socket"
	hears_nobody "$peer" hear "$work/forward"
	hears_nobody by_master -O forward -R "/tmp/remote:127.0.0.1:9000"
	[ ! -e /tmp/remote ] || fail "sshd made a socket on the host"
	hears_nobody by_master -W "$work/socket"
	close_master
	rm "$work/socket" "$work/forward"
}

test_control_socket_forwards_reach_the_host_without_the_file() {
	setsid "$peer" say "$work/socket" host
	chmod 666 "$work/socket"
	without_dropin
	open_master u1 -L "$work/forward:$work/socket" -R /tmp/remote:127.0.0.1:9000
	expect_eq host "$("$peer" hear "$work/forward")"
	expect_eq host "$("$peer" hear /tmp/remote)"
	close_master
	rm -f "$work/socket" "$work/forward" /tmp/remote
	with_dropin
}

has_carrier() { # DEVICE: somebody has it open
	[ "$(cat "/sys/class/net/$1/carrier")" = 1 ]
}

# -w, with a device that the user may open, so that only sshd can refuse.
test_tunnel_devices_are_refused() {
	local options=("${ssh_options[@]/LogLevel=ERROR/LogLevel=DEBUG1}") client

	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	mknod -m 666 "$work/tun" c 10 200
	mount --bind "$work/tun" /dev/net/tun
	ip tuntap add dev tun5 mode tun user onhost
	ip link set tun5 up
	expect_status 0 ssh "${options[@]}" -w 7:5 onhost@127.0.0.1 'echo ran' </dev/null
	expect_match 'rejected tunnel device forwarding' "$errors"
	without_dropin # the control
	ssh "${options[@]}" -w 7:5 onhost@127.0.0.1 'sleep 100' </dev/null >/dev/null 2>&1 &
	client=$!
	wait_until 30 has_carrier tun5
	kill "$client"
	wait "$client" || true
	with_dropin
	ip link delete tun5
	umount /dev/net/tun
}

closing_heard() {
	[ -s "$work/heard" ]
}

# Modules of sshd's that run when the session is closed do so as root, and libpam goes from the first line to the last.
test_modules_close_in_the_hosts_network() {
	local line

	printf '#!/bin/sh\n%s hear 9000 >%s\n' "$peer" "$work/heard" >"$work/hear"
	chmod 755 "$work/hear"
	cp /etc/pam.d/sshd "$work/pam.before"
	sed -i "1i session optional pam_exec.so type=close_session $work/hear" /etc/pam.d/sshd
	for line in '# the control' 'session optional pam_carrel.so leave'; do
		rm -f "$work/heard"
		sed -i "1i $line" /etc/pam.d/sshd
		open_master u1
		close_master
		wait_until 30 closing_heard
		nothing_left
		case $line in
		'#'*) expect_eq sandbox "$(<"$work/heard")" ;;
		*) expect_eq host "$(<"$work/heard")" ;;
		esac
	done
	cp "$work/pam.before" /etc/pam.d/sshd
}

test_nothing_is_left() {
	nothing_left
}
