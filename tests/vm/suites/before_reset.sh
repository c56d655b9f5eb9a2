# shellcheck shell=bash
# Leaves a live session behind, at which the machine is reset; see after_reset.sh.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
}

test_a_session_is_open_when_the_machine_stops() {
	expect_status 0 ssh_as u1 'echo kept >/root/mark; echo kept >/etc/mark; sync'
	hold_session u1
	expect_status 0 in_session u1 "$session" 'echo "of the session" >/root/open; sync'
	cp "$work/key" "$work/key.pub" /root/.ssh/
	[ -d "$scope" ] || fail "no scope"
}
