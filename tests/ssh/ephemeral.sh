# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# rootfs = "ephemeral": a root filesystem in memory, of one session.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	state=/var/lib/carrel/users/$(id -u u1)
	policy
	ssh_as u1 'echo mine >/kept; echo mine >~/kept'
	policy 'rootfs = "ephemeral";'
}

policy() { # DEFAULTS: settings
	write_config <<<"covers = [ \"@carrel\" ]; defaults = { ${1-} };"
}

# All that the user has on disk, as far as a session could change it.
on_disk() {
	find "$state" -printf '%P %M %U %G %s %T@\n' | grep -v '^owner\|^ids' | sort
}

test_what_is_written_is_gone_with_the_session() {
	local before

	before=$(on_disk)
	expect_status 0 ssh_as u1 'ls /kept ~/kept 2>/dev/null; touch /new ~/new /usr/bin/new && rm /etc/os-release && mkdir /etc/d && ls / ~'
	expect_match 'new' "$output"
	expect_no_match 'kept' "$output"
	nothing_left
	expect_status 0 ssh_as u1 'ls -d /new ~/new /usr/bin/new /etc/d 2>/dev/null; ls /etc/os-release'
	expect_eq /etc/os-release "$output"
	nothing_left
	expect_eq "$before" "$(on_disk)" "the persistent state"
	policy
	expect_status 0 ssh_as u1 'cat /kept ~/kept; ls -d /new ~/new 2>/dev/null; true'
	expect_eq $'mine\nmine' "$output" "the persistent root filesystem"
	policy 'rootfs = "ephemeral";'
}

test_an_ephemeral_user_has_nothing_on_disk() {
	add_user u2
	expect_status 0 ssh_as u2 'echo x >/x; echo x >~/x; id -u; stat -c "%u %a" / ~'
	expect_eq $'0\n0 755\n0 700' "$output"
	nothing_left
	expect_eq '' "$(find "/var/lib/carrel/users/$(id -u u2)" -mindepth 1 -not -name owner -not -name ids)" files
}

test_login_as_user() {
	policy 'rootfs = "ephemeral"; login_as = "user";'
	expect_status 1 ssh_as u1 'id -un; stat -c "%U %a" ~; touch ~/x && ls ~; touch /x'
	expect_match 'u1.u1 700.x' "$output"
	expect_match 'Permission denied' "$errors"
	policy 'rootfs = "ephemeral";'
}

test_many_at_once_do_not_see_each_other() {
	local first client_one

	hold_session u1
	first=$session client_one=$client
	hold_session u1
	expect_status 0 in_session u1 "$first" 'echo one >/who; echo one >~/who; cat /who'
	expect_status 0 in_session u1 "$session" 'ls /who ~/who 2>/dev/null; echo two >/who; cat /who'
	expect_eq two "$output"
	expect_eq 0 "$(overlays)" "overlays in the vault"
	# And one with a persistent root filesystem beside them.
	policy
	expect_status 0 ssh_as u1 'cat /kept; ls /who 2>/dev/null; true'
	expect_eq mine "$output"
	policy 'rootfs = "ephemeral";'
	expect_status 0 in_session u1 "$first" 'cat /who ~/who'
	expect_eq $'one\none' "$output"
	kill -KILL "$client_one"
	release_session
}

test_it_is_at_most_half_of_the_memory_and_says_so() {
	policy 'rootfs = "ephemeral"; limits = { memory = "64M"; swap = "0"; };'
	expect_status 1 ssh_as u1 'dd if=/dev/zero of=/large bs=1M count=40'
	expect_match 'No space left' "$errors"
	expect_status 0 ssh_as u1 'head -c 24m /dev/zero >/large && stat -f -c %b,%S / && echo alive'
	expect_match '^8192,4096.alive' "$output"
	# Files take memory, too: one for each page that there could be.
	expect_status 1 ssh_as u1 'for i in $(seq 9000); do : >/root/$i || exit 1; done'
	expect_match 'No space left' "$errors"
	policy 'rootfs = "ephemeral"; user_limits = { disk = "8M"; };'
	expect_status 1 ssh_as u1 'head -c 9m /dev/zero >/large'
	expect_status 0 ssh_as u1 'head -c 7m /dev/zero >/large'
	policy 'rootfs = "ephemeral"; limits = { memory = "512M"; };'
	expect_status 0 ssh_as u1 'head -c 40m /dev/zero >/large; ls /large'
	expect_eq /large "$output" "the control"
}

# What is in the files is charged to the session's own group, and comes back at its end.
test_it_is_counted_in_the_limit_of_memory() {
	local file before after

	policy 'rootfs = "ephemeral";'
	hold_session u1
	file=$(group_file "$session" memory memory.usage_in_bytes memory.current)
	before=$(<"$file")
	expect_status 0 in_session u1 "$session" 'head -c 50m /dev/zero >/large; head -c 50m /dev/zero >~/large'
	after=$(<"$file")
	[ $((after - before)) -ge $((95 << 20)) ] || fail "100 MiB written, and the group has grown by $((after - before))"
	release_session

	policy # the control: on disk they are only cached
	hold_session u1
	expect_status 0 in_session u1 "$session" 'head -c 10m /dev/zero >/large; rm /large'
	release_session
	policy 'rootfs = "ephemeral";'
}

test_it_follows_the_policys_image() {
	carrelctl image import other "$TEST_IMAGE" >/dev/null
	policy 'rootfs = "ephemeral"; image = "other";'
	hold_session u1
	expect_match 'other' "$(carrelctl list)"
	expect_status 1 carrelctl image remove --force other
	release_session
	expect_eq alpine "$(<"$state/image")" "the image of the persistent one"
	expect_status 0 carrelctl image remove other
	policy 'rootfs = "ephemeral";'
}

test_a_killed_keeper_leaves_nothing() {
	hold_session u1
	expect_status 0 in_session u1 "$session" 'echo x >/x'
	kill -KILL "$(keeper_of "$session")"
	end_client
	carrelctl gc >/dev/null || true
	nothing_left
}
