# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# The way in: a forged CARREL_SESSION, somebody else's session, and requests that carrel-shell would never send.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
	add_user plain /bin/sh
	hold_session u1
	socket=/run/carrel/sessions/$session/socket
}

client() { # USER WORD…: of session_client on the session of u1
	local name=$1
	shift

	as_user "$name" "$B/tests/helpers/session_client" "$socket" "$@"
}

# carrel-shell with this value, and a shell's input that must not be read. One line on stderr, status 1.
refused_shell() { # USER VALUE MESSAGE
	echo 'echo leaked' >"$work/stdin"
	expect_status 1 as_user "$1" -i ${2+CARREL_SESSION="$2"} "$shell_path" <"$work/stdin"
	expect_eq '' "$output" "with '${2-}'"
	expect_eq "carrel: $3" "$errors" "with '${2-}'"
	expect_status 1 as_user "$1" -i ${2+CARREL_SESSION="$2"} "$shell_path" -c 'echo leaked'
	expect_eq '' "$output" "with '${2-}' and a command"
}

test_no_session_no_shell() {
	echo 'echo leaked' >"$work/stdin"
	expect_status 1 as_user u1 -i "$shell_path" -l <"$work/stdin"
	expect_eq '' "$output"
	expect_eq 1 "$(wc -l <<<"$errors")"
	refused_shell u1 '' 'no session: this account can only be used through a login that starts its sandbox'
	# As cron, at, or su without the module would.
	expect_status 1 runuser -u u1 -- "$shell_path" -c 'echo leaked'
	expect_eq '' "$output"
	expect_status 0 in_session u1 "$session" 'echo "in $(hostname)"'
	expect_eq 'in u1' "$output" "the control"
}

test_a_forged_session_is_no_path() {
	local value uid

	uid=$(id -u u1)
	install -d -m 755 /srv/fake # a socket that somebody put where a path would lead
	for value in ../../../srv/fake "../sessions/$session" "$session/../$session" "$session/" "/run/carrel/sessions/$session" \
		"$session " " $session" "$session"$'\n' "${session^^}x" "$uid-0123ABCD" "$uid-0123abcde" "$uid-0123abc" \
		"+$uid-0123abcd" "0$uid-0123abcd" "-1-0123abcd" "4294967296-0123abcd" '%s%n%n' . .. '*' "$(printf 'a%.0s' {1..5000})" $'\x01\xff'; do
		refused_shell u1 "$value" 'CARREL_SESSION does not name a session'
	done
}

test_a_session_of_another_is_refused() {
	refused_shell u2 "$session" "the session is somebody else's"
	refused_shell plain "$session" "the session is somebody else's"
	refused_shell u1 "$(id -u u1)-00000000" 'the session has ended'
}

# Without carrel-shell's own checks: the kernel's, by owner and mode of the socket.
test_another_user_cannot_connect() {
	expect_status 1 client u2 run null pipe null
	expect_eq 'no connection: EACCES' "$output"
	expect_status 1 client plain run null pipe null
	expect_eq 'no connection: EACCES' "$output"
	expect_status 0 client u1 run null pipe null
	expect_eq served "$output" "the control: the owner"
	chmod 666 "$socket"
	expect_status 0 client u2 run null pipe null
	chmod 600 "$socket"
	expect_eq served "$output" "the control: the mode is what keeps others out"
}

test_the_control_socket_is_roots_alone() {
	local control=/run/carrel/sessions/$session/control

	expect_status 1 as_user u1 "$B/tests/helpers/session_client" "$control" run null
	expect_eq 'no connection: EACCES' "$output"
	expect_status 1 "$B/tests/helpers/session_client" "$control" run null
	expect_eq 'no connection: EPROTOTYPE' "$output" "the control: root comes as far as the type of the socket"

	# Nor does the keeper answer others should they come so far.
	chmod 666 "$control"
	expect_status 1 as_user u1 "$B/tests/helpers/control" "$session" status
	expect_no_match 'state=' "$output$errors"
	expect_status 0 "$B/tests/helpers/control" "$session" status
	expect_match 'state=open' "$output" "the control"
	chmod 600 "$control"
}

test_the_list_of_sessions_is_closed_and_cannot_be_changed() {
	local dir=/run/carrel/sessions/$session closed

	for closed in /run/carrel/sessions "$dir" /run/carrel/ns; do
		[ -n "$(ls "$closed")" ] || fail "the control: $closed has nothing for root"
		expect_status 2 as_user u1 ls "$closed"
		expect_match 'Permission denied' "$errors" "$closed"
	done
	denied cat "$dir/record"
	denied rm -f "$dir/socket"
	denied mv "$dir/socket" "$dir/moved"
	denied mkdir /run/carrel/sessions/x
	# The control: root does each.
	cat "$dir/record" >/dev/null
	mv "$dir/socket" "$dir/moved"
	mv "$dir/moved" "$dir/socket"
	mkdir /run/carrel/sessions/x
	rmdir /run/carrel/sessions/x
}

denied() { # COMMAND…
	expect_status 1 as_user u1 "$@"
	expect_match 'Permission denied' "$errors" "$*"
}

# A directory or O_PATH descriptor leads out of the root, a block device to the disk, a terminal to the other end of it.
test_dangerous_descriptors_are_refused() {
	local kind

	[ -e /dev/loop0 ] || mknod -m 666 /dev/loop0 b 7 0
	for kind in read:/ read:/etc path:/etc/passwd path:/ read:/dev/loop0 pty read:/dev/zero; do
		expect_status 1 client u1 run "$kind" null null
		expect_eq refused "$output" "$kind as the first"
		expect_status 1 client u1 run null null "$kind"
		expect_eq refused "$output" "$kind as the last"
		expect_status 1 client u1 run null null null "$kind"
		expect_eq refused "$output" "$kind beside three others"
	done
	expect_status 1 client u1 run null null
	expect_eq refused "$output" "two descriptors"
	expect_status 1 client u1 run null null null null null null null null null null
	expect_eq refused "$output" "ten descriptors"
}

test_control_harmless_descriptors_are_served() {
	expect_status 0 client u1 run pipe pipe null
	expect_eq served "$output"
	expect_status 0 client u1 run read:/etc/hostname socket null
	expect_eq served "$output"
	expect_status 0 client u1 run socket pipe null
	expect_eq served "$output"
}

# What a directory as standard input is good for, in a container that takes it.
test_control_a_directory_is_a_way_out() {
	local root=/var/lib/carrel/images/alpine/rootfs

	echo secret >/root/secret
	# shellcheck disable=SC2094 # only read
	expect_status 0 unshare --mount bash -c "mount --make-rprivate / && mount -t proc proc $root/proc &&
		exec chroot $root /bin/cat /proc/self/fd/0/root/secret" </
	expect_eq secret "$output"
	rm /root/secret
}

# 1200 requests with something wrong in each; the seed is in the output when this fails.
test_wrong_requests_hurt_nobody() {
	local seed=$RANDOM

	echo "seed $seed"
	expect_status 0 client u1 garbage 1200 "$seed"
	expect_eq 'sent 1200' "$output"
	wait_until 30 served
	[ -d "/proc/$(init_of "$session")" ] || fail "init has died"
	# Those that were right at first have run and ended, and all connections are closed again.
	wait_until 30 init_holds_few_descriptors
}

served() {
	[ "$(in_session u1 "$session" 'echo served')" = served ]
}

init_holds_few_descriptors() {
	[ "$(find "/proc/$(init_of "$session")/fd" -mindepth 1 | wc -l)" -le 10 ]
}

test_a_flood_of_connections_hurts_nobody() {
	expect_status 0 client u1 flood 300
	expect_match 'opened [0-9]+' "$output"
	wait_until 30 served
	[ -d "/proc/$(init_of "$session")" ] || fail "init has died"
	wait_until 30 init_holds_few_descriptors
	# Nor is anybody else's session touched, nor another one of the same user.
	expect_status 0 ssh_as u2 echo ok
	expect_status 0 ssh_as u1 echo ok
}

test_connections_that_say_nothing_are_dropped() {
	client u1 flood 200 &
	expect_status 0 ssh_as u2 echo 'not concerned'
	wait $!
	wait_until 30 init_holds_few_descriptors
}

test_the_session_has_survived_all_this() {
	expect_status 3 in_session u1 "$session" 'exit 3'
	release_session
}
