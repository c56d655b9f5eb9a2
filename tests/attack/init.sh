# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# PID 1 of the sandbox: a copy of a process of the host, so nothing of it may be read, traced or hurt from inside.

# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	put_helper u1 inside_probe
}

test_its_files_in_proc_are_closed() {
	local file

	for file in environ mem auxv syscall stack io pagemap smaps; do
		[ -e "/proc/self/$file" ] || continue
		expect_status 1 ssh_as u1 "head -c 1 /proc/1/$file"
		expect_match 'Permission denied' "$errors" "/proc/1/$file"
		expect_eq '' "$output" "/proc/1/$file"
	done
	for file in exe root cwd ns/mnt ns/user; do
		expect_status 1 ssh_as u1 "readlink /proc/1/$file"
		expect_eq '' "$output" "/proc/1/$file"
		expect_status 1 ssh_as u1 "ls -ldL /proc/1/$file"
		expect_eq '' "$output" "/proc/1/$file"
	done
	expect_status 1 ssh_as u1 'ls /proc/1/fd/'
	expect_status 1 ssh_as u1 'ls /proc/1/map_files/'
	expect_status 1 ssh_as u1 'echo 1000 >/proc/1/oom_score_adj'
}

test_control_another_process_is_open() {
	local file

	for file in environ auxv syscall io pagemap smaps; do
		[ -e "/proc/self/$file" ] || continue
		expect_status 0 ssh_as u1 "sleep 9 & head -c 1 /proc/\$!/$file >/dev/null && echo read; kill \$!"
		expect_eq 'read' "$output" "$file"
	done
	# mem can be opened: there is nothing at its start. stack and map_files are root's of the host, whoever's the process is.
	expect_status 0 ssh_as u1 'sleep 9 & exec 3</proc/$!/mem && echo opened; kill $!'
	expect_eq opened "$output" mem
	sleep 1000 &
	[ ! -e /proc/self/stack ] || [ -n "$(head -c 1 /proc/$!/stack)" ] || fail "stack"
	[ -n "$(ls /proc/$!/map_files)" ] || fail "map_files"
	kill $!
	expect_status 0 ssh_as u1 'sleep 9 & cd /proc/$!; readlink exe; readlink root; readlink cwd; ls fd; kill $!'
	expect_eq $'/bin/busybox\n/\n/root\n0\n1\n2' "$output"
	expect_status 0 ssh_as u1 'sleep 9 & echo 1000 >/proc/$!/oom_score_adj; kill $!'
}

# What it was started with names the client's address and the policy's file.
test_its_arguments_say_nothing() {
	expect_status 0 ssh_as u1 'cat /proc/1/cmdline /proc/1/comm'
	expect_eq carrel-initcarrel-init "${output//$'\n'/}"
}

test_it_cannot_be_traced_or_read() {
	local way

	for way in ptrace vm mem pidfd; do
		expect_status 1 ssh_as u1 "inside_probe $way 1"
		expect_match '^(EPERM|EACCES)$' "$output" "$way"
	done
	for way in ptrace vm mem; do
		expect_status 0 ssh_as u1 "sleep 9 & inside_probe $way \$!; status=\$?; kill \$!; exit \$status"
		expect_eq 'done' "$output" "the control: $way of another process"
	done
	"$B/tests/helpers/inside_probe" pidfd $$ >/dev/null || fail "the control: pidfd"
}

# init has them all blocked, and the kernel does not let a namespace kill its own first process.
test_no_signal_from_inside_has_an_effect() {
	expect_status 0 ssh_as u1 'for s in $(seq 64); do kill -$s 1 2>/dev/null; done; sleep 0.3; cut -d" " -f3 /proc/1/stat'
	expect_match '^[^TtZXx]$' "$output" "its state: neither stopped nor dead"
	expect_status 0 ssh_as u1 'kill -9 1; kill -TERM 1; sleep 0.3; echo alive'
	expect_eq alive "$output"
	expect_status 0 ssh_as u1 'sleep 60 & kill -TERM $!; wait $!; echo $?'
	expect_eq 143 "$output" "the control"
}

test_it_serves_on_through_a_storm_of_signals() {
	hold_session u1
	in_session u1 "$session" 'for i in $(seq 300); do kill -9 1; kill -CHLD 1; kill -STOP 1; kill -34 1; done 2>/dev/null; true'
	expect_status 7 in_session u1 "$session" 'exit 7'
	release_session
}

# A stopped one reads no end of file: only the kernel can end it with its keeper, and forgets to when ids change for a mount.
test_it_dies_with_its_keeper() {
	local policy pid

	install -d -m 755 /home/shared
	for policy in '' 'login_as = "user"; binds = ( { source = "/home/shared"; target = "/home/%u/a/b"; } );' \
		'home = "host"; share_ssh_dir = false;'; do
		write_config <<<"covers = [ \"@carrel\" ]; defaults = { $policy };"
		hold_session u1
		pid=$(init_of "$session")
		kill -STOP "$pid"
		kill -KILL "$(keeper_of "$session")"
		wait_until 30 test ! -e "/proc/$pid" || fail "it goes on with the policy '$policy'"
		release_session
	done
	write_config <<<'covers = [ "@carrel" ];'
}

# A command of 20000 orphans: all are adopted by PID 1, and none may stay a zombie.
test_it_reaps_what_is_orphaned() {
	hold_session u1
	in_session u1 "$session" 'i=0; while [ $i -lt 300 ]; do (true &); i=$((i + 1)); done'
	wait_until 30 no_zombies_in "$session"
	release_session
}

no_zombies_in() { # ID
	[ "$(in_session u1 "$1" 'grep -l "^State:.*Z" /proc/[0-9]*/status 2>/dev/null | wc -l')" = 0 ]
}
