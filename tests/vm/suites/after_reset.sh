# shellcheck shell=bash
# After a reset with a session open: /run is new, /var/lib/carrel as it was on the disk.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"

setup() {
	start_syslog
	cp /root/.ssh/key /root/.ssh/key.pub "$work/"
	start_sshd
}

test_nothing_of_the_session_is_there() {
	[ ! -e /run/carrel ] || fail "/run/carrel is there"
	[ -d "/var/lib/carrel/users/$(id -u u1)/upper" ] || fail "the user's files are not there"
	expect_status 0 carrelctl list
	expect_eq '' "$output"
}

test_the_next_login_works_and_finds_its_files() {
	expect_status 0 ssh_as u1 'cat /root/mark /etc/mark /root/open; hostname'
	expect_eq $'kept\nkept\nof the session\nu1' "$output"
	nothing_left
}

test_another_user() {
	add_user u2
	expect_status 0 ssh_as u2 'test ! -e /root/mark && echo own'
	nothing_left
}
