# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# What of the host could leak into a session: descriptors, directories, environment, processes, mounts.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
}

# The control: the same image entered as many do, by root's chroot, with all that the caller has and is.
careless_login() { # COMMAND
	local root=/var/lib/carrel/images/alpine/rootfs secret

	exec {secret}</etc/shadow
	SECRET=leaked unshare --mount bash -c "
		mount --make-rprivate /
		mount -t proc proc $root/proc
		exec chroot $root /bin/sh -c '$1'"
	exec {secret}<&-
}

test_only_the_three_descriptors() {
	local list='ls /proc/self/fd | tr "\n" " "'

	# 3 is the directory that ls reads.
	expect_status 0 ssh_as u1 "$list"
	expect_eq '0 1 2 3 ' "$output"
	expect_status 0 ssh_as u1 -tt "$list"
	expect_eq '0 1 2 3 ' "$output"

	expect_status 0 careless_login "$list"
	expect_ne '0 1 2 3 ' "$output" "the control"
}

test_the_three_are_pipes_or_the_terminal_of_the_sandbox() {
	local list='for i in 0 1 2; do readlink /proc/$$/fd/$i; done'

	expect_status 0 ssh_as u1 "$list"
	expect_match '^((pipe|socket):\[[0-9]+\] ?){3}$' "${output//$'\n'/ }"
	expect_status 0 ssh_as u1 -tt "$list; tty"
	expect_eq $'/dev/pts/0\n/dev/pts/0\n/dev/pts/0\n/dev/pts/0' "${output//$'\r'/}"
}

test_the_working_directory_is_the_sandboxes_home() {
	# Nothing of the host's home is there but what the user is given of it.
	echo private >/home/u1/diary
	expect_status 0 ssh_as u1 'pwd; readlink /proc/self/cwd; readlink /proc/self/root; ls -A; ls -A /home'
	expect_eq $'/root\n/root\n/\n.ssh' "$output"
}

test_the_environment_is_made_and_not_inherited() {
	add_user plain /bin/sh
	stop_sshd
	start_sshd 'SetEnv SECRET=leaked LD_PRELOAD=/nowhere.so ENV=/nowhere'
	expect_status 0 ssh_as u1 env
	expect_no_match 'SECRET|LD_PRELOAD|ENV=|CARREL|XDG|/home/u1|carrel-shell' "$output"
	expect_match 'HOME=/root' "$output"
	expect_status 0 ssh_as plain env
	expect_match 'SECRET=leaked' "$output" "the control"
	stop_sshd
	start_sshd
}

test_only_the_processes_of_the_sandbox_are_seen() {
	expect_status 0 ssh_as u1 'for p in /proc/[0-9]*; do read -r line <$p/comm && echo $line; done | sort | tr "\n" " "; true'
	expect_match '^carrel-init (sh |sort |tr |exe )+$' "$output"
	expect_status 1 ssh_as u1 "ls -d /proc/$(<"$work/sshd.pid")"
	expect_status 1 ssh_as u1 "kill -0 $(<"$work/sshd.pid")"

	expect_status 0 careless_login 'ls -d /proc/[0-9]* | wc -l'
	[ "$output" -gt 5 ] || fail "the control: the host's own /proc shows only $output processes"
}

test_two_sessions_of_a_user_do_not_see_each_other() {
	hold_session u1
	expect_status 0 ssh_as u1 'ps -o args'
	expect_no_match 'sleep 100000' "$output"
	pgrep -f '^sleep 100000' >/dev/null || fail "the control: the host does not see it either"
	expect_status 0 in_session u1 "$session" 'ps -o args'
	expect_match 'sleep 100000' "$output" "the control"
	release_session
}

mount_table() {
	cut -d' ' -f5- /proc/self/mountinfo | sed 's/\(shared\|master\):[0-9]*/\1/' | sort
}

test_the_hosts_mounts_do_not_change() {
	local before

	before=$(mount_table)
	hold_session u1
	expect_eq "$before" "$(mount_table)" "the mount table during a session"
	release_session
	expect_eq "$before" "$(mount_table)" "the mount table after a session"
}

# As under systemd: there a clone of a host's mount carries mounts back and forth unless it is made private.
test_the_hosts_mounts_do_not_change_where_they_are_shared() {
	local before tree=/run/test/shared

	mount --make-rshared /
	before=$(mount_table)
	hold_session u1
	expect_eq "$before" "$(mount_table)" "the mount table during a session"
	expect_status 0 in_session u1 "$session" 'grep -cE "shared:|master:" /proc/self/mountinfo; true'
	expect_eq 0 "$output" "mounts inside that propagate"
	end_client
	wait_until 30 test ! -e "/run/carrel/sessions/$session"
	expect_eq "$before" "$(mount_table)" "the mount table after a session"

	# The control: a namespace that keeps the propagation changes the host's table from inside.
	mkdir -p $tree
	unshare --mount --propagation unchanged mount -t tmpfs attack $tree
	expect_ne "$before" "$(mount_table)" "the control"
	umount $tree
	mount --make-rprivate /
	nothing_left
}
