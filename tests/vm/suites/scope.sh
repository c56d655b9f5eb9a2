# shellcheck shell=bash
# shellcheck disable=SC2016 # what is quoted is for the other side
# Carrel beside a real systemd: its scope, logind's sessions, and what an administrator does to both.

# shellcheck source=tests/vm/system.sh
. "$repo/tests/vm/system.sh"
# shellcheck source=tests/lib/sessions.sh
. "$lib/sessions.sh"

setup() {
	prepare
	add_user u1
	add_user u2
	printf '%s\n' 'account required pam_permit.so' 'session required pam_carrel.so timeout=40' >/etc/pam.d/carrel-test
}

group_of() { # PID
	sed -n 's/^0:://p' "/proc/$1/cgroup"
}

scope_starts() {
	journalctl -b -o cat --no-pager _PID=1 | grep -c '^Started carrel-sessions.scope' || true
}

limits_of() { # ID
	(cd "$scope/${1%-*}/$1" && cat memory.max memory.swap.max cpu.max pids.max) | tr '\n' ' '
}

test_login_lands_in_the_image() {
	need_alpine
	expect_status 0 ssh_as u1 'cat /etc/os-release; echo $(id -u) $(hostname)'
	expect_match 'NAME="Alpine Linux"' "$output"
	expect_match '0 u1$' "$output"
	expect_eq "" "$errors"
	nothing_left
}

test_everybody_is_in_their_group() {
	local monitor

	hold_session u1
	expect_eq /carrel.slice/carrel-sessions.scope/keepers "$(group_of "$(keeper_of "$session")")" keeper
	expect_eq "/carrel.slice/carrel-sessions.scope/$(id -u u1)/$session" "$(group_of "$(init_of "$session")")" init
	monitor=$(monitor_of "$session")
	expect_match "^/user.slice/user-$(id -u u1).slice/session-.*\.scope\$" "$(group_of "$monitor")" "sshd's monitor"
	expect_match "^/user.slice/user-$(id -u u1).slice/session-.*\.scope\$" \
		"$(group_of "$(pgrep -u u1 -x carrel-shell)")" carrel-shell
	expect_eq "Delegate=yes TasksMax=infinity Slice=carrel.slice" \
		"$(systemctl show carrel-sessions.scope -p Delegate -p TasksMax -p Slice | sort | tr '\n' ' ' |
			sed 's/\(Delegate=yes\) \(Slice=[^ ]*\) \(TasksMax=[^ ]*\) /\1 \3 \2/')"
	release_session
}

test_the_second_session_needs_no_new_scope() {
	local before

	hold_session u1
	before=$(scope_starts)
	expect_status 0 ssh_as u2 true
	expect_status 0 ssh_as u1 true
	expect_eq "$before" "$(scope_starts)" "times the scope was started"
	release_session
}

test_the_scope_ends_with_the_last_session_and_comes_again() {
	local before i

	before=$(scope_starts)
	for i in 1 2; do
		hold_session u1
		[ -d "$scope" ] || fail "no scope"
		release_session
		wait_until 30 test ! -d "$scope"
		expect_eq inactive "$(systemctl is-active carrel-sessions.scope || true)"
		expect_eq $((before + i)) "$(scope_starts)" "times the scope was started"
	done
}

# None may find the scope half made, and none may have one of its own.
test_several_first_logins_at_once() {
	local before pids=() i

	nothing_left
	before=$(scope_starts)
	for i in 1 2 3 4 5 6; do
		pamtester carrel-test "u$((i % 2 + 1))" open_session close_session >"$work/first.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || {
			cat "$work"/first.*
			fail "a login failed"
		}
	done
	nothing_left
	[ "$(scope_starts)" -gt "$before" ] || fail "the scope was not started"
}

# The scope ends a moment after the last keeper. A login may come at any point of that moment: at once, when one program
# logs in and out again and again, and a little later.
test_logins_while_the_scope_is_ending() {
	local before again=() i

	nothing_left
	before=$(scope_starts)
	for i in {1..12}; do
		again+=(open_session close_session)
	done
	expect_status 0 pamtester carrel-test u1 "${again[@]}"
	for i in 01 02 03 05 08; do
		sleep "0.$i"
		expect_status 0 pamtester carrel-test u1 open_session close_session
	done
	nothing_left
	[ "$(scope_starts)" -gt $((before + 1)) ] || fail "the scope did not end in between"
}

test_in_a_group_that_is_the_scopes_for_sure() {
	local i

	# After all of the above, a session that was let in is in a unit that systemd knows.
	for i in 1 2 3; do
		hold_session u1
		expect_eq active "$(systemctl is-active carrel-sessions.scope)"
		expect_match "^$(keeper_of "$session")\$" "$(<"$scope/keepers/cgroup.procs")"
		end_client
	done
	nothing_left
}

expect_limits_hold() { # of $session are $limits
	expect_eq "$limits" "$(limits_of "$session")"
	expect_status 2 in_session u1 "$session" 'for i in $(seq 20); do sleep 5 & done'
	expect_match "can't fork" "$errors" "the limit of processes"
	wait_until 30 has_room
	expect_status 137 in_session u1 "$session" 'exec dd if=/dev/zero of=/dev/null bs=64M count=1'
}

has_room() {
	[ "$(<"$scope/${session%-*}/$session/pids.current")" -lt 5 ]
}

test_daemon_reload_and_reexec_leave_limits_and_sessions() {
	local limits='33554432 0 90000 100000 16 '

	write_config <<<'covers = [ "@carrel" ]; defaults = { limits = { memory = "32M"; cpus = "0.9"; pids = "16"; }; };'
	hold_session u1
	systemctl daemon-reload
	expect_limits_hold
	systemctl daemon-reexec
	expect_limits_hold
	systemctl daemon-reload
	expect_eq "$limits" "$(limits_of "$session")"
	expect_status 0 ssh_as u2 true # a session made between the two
	release_session
	write_config <<<'covers = [ "@carrel" ];'
}

test_a_login_during_reload_and_reexec() {
	local verb

	for verb in daemon-reload daemon-reexec; do
		systemctl $verb &
		expect_status 0 pamtester carrel-test u1 open_session close_session
		wait $!
	done
	nothing_left
}

test_restart_of_sshd_leaves_sessions() {
	hold_session u1
	systemctl restart ssh
	expect_status 0 in_session u1 "$session" 'echo alive'
	release_session
}

test_stopping_the_scope_ends_all_sessions() {
	local first

	hold_session u1
	first=$client
	hold_session u2
	systemctl stop carrel-sessions.scope &
	expect_status 0 pamtester carrel-test u1 open_session close_session # comes after it, or before
	wait $!
	wait_until 30 test ! -d "/proc/$first"
	wait_until 30 test ! -d "/proc/$client"
	nothing_left
	expect_status 0 ssh_as u1 true
}

# logind kills all of the session's scope: sshd's monitor, which was to close the session, with it.
test_logind_that_kills_user_processes() {
	local login

	mkdir -p /etc/systemd/logind.conf.d
	printf '[Login]\nKillUserProcesses=yes\n' >/etc/systemd/logind.conf.d/kill.conf
	systemctl restart systemd-logind
	hold_session u1
	release_session
	hold_session u2
	hold_session u1
	login=$(group_of "$(monitor_of "$session")")
	login=${login##*/session-}
	loginctl terminate-session "${login%.scope}"
	wait_until 30 test ! -d "/proc/$client"
	wait_until 30 test ! -d "/run/carrel/sessions/$session"
	expect_status 0 ssh_as u1 'echo "next login"'
	pkill -KILL -f '^sleep 100000' || true
	nothing_left
	rm /etc/systemd/logind.conf.d/kill.conf
	systemctl restart systemd-logind
}

# The orphaned init holds the scope, for a moment; a keeper that was killed held it for the others.
test_killed_keepers() {
	local keeper

	hold_session u1
	keeper=$(keeper_of "$session")
	kill -KILL "$keeper"
	expect_status 0 ssh_as u2 true
	wait_until 30 test ! -d "/proc/$client"
	expect_status 0 ssh_as u1 true
	nothing_left
}
